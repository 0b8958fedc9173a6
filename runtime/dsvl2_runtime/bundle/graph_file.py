"""What an `.onnx` file refers to, read from its protocol buffer without loading it: other files, and sets of operators.

ONNX Runtime opens whatever file a graph names for its weights. A bundle's manifest lists every file, so those names
are compared with the list before ONNX Runtime sees the graph. Only lengths and tags are read, and weights inside the
file are stepped over, so this takes milliseconds; everything is checked, since the file may be hostile.

Source: `onnx/onnx.proto3`, and the encoding at protobuf.dev.
"""

from __future__ import annotations

import mmap
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from dsvl2_runtime.errors import ModelCorruptError
from dsvl2_runtime.machine.files import read_errors

ENDING = ".onnx"
"""ONNX Runtime reads files with another ending as something else than a protocol buffer."""

PARTS: dict[str, dict[int, str]] = {
    "model": {7: "graph", 8: "opset", 20: "training", 25: "function"},
    "graph": {1: "node", 5: "tensor", 15: "sparse tensor"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse tensor", 23: "sparse tensor"},
    "sparse tensor": {1: "tensor", 2: "tensor"},
    "tensor": {13: "entry"},
    "training": {1: "graph", 2: "graph"},
    "function": {7: "node", 9: "opset", 11: "attribute"},
    "opset": {},
    "entry": {},
}
"""Of each message the numbers of the fields that can lead to a file name or a set of operators, and what they hold."""
OPSET_DOMAIN, OPSET_VERSION = 1, 2
ENTRY_KEY, ENTRY_VALUE = 1, 2
LOCATION = b"location"
"""Key of the entry that names a file, relative to the graph's folder."""

VARINT, EIGHT_BYTES, LENGTH, FOUR_BYTES = 0, 1, 2, 5
LONGEST_VARINT = 10
DEEPEST = 100
"""Messages inside messages; the library that ONNX Runtime reads with allows as many."""
LONGEST_NAME = 4096
"""Bytes of a file name or domain."""


Reader = TypeVar("Reader", bound="GraphReader")


@dataclass(frozen=True, slots=True)
class GraphFile:
    """What one graph needs beside itself."""

    data_files: frozenset[str]
    """Files with weights, relative to the graph's folder, as the graph spells them."""
    opsets: dict[str, int]
    """Sets of operators, by domain; "" is ONNX's own."""


def read_graph_file(path: Path) -> GraphFile:
    """Find what a graph refers to.

    Raises:
        ModelCorruptError: it is no protocol buffer, or names what no file can be called.
        ResourceError: it cannot be read.
    """
    reader = walk_graph(path, GraphReader)
    return GraphFile(frozenset(reader.data_files), reader.opsets)


def walk_graph(path: Path, reader_of: Callable[[mmap.mmap], Reader]) -> Reader:
    """Let a reader walk all of a file; what it has found stays in it.

    Args:
        path: the `.onnx` file.
        reader_of: makes the reader; what it finds wrong is a `ValueError`.

    Raises:
        ModelCorruptError, ResourceError: as `read_graph_file`.
    """
    with read_errors(path), path.open("rb") as file:
        if path.stat().st_size == 0:
            raise ModelCorruptError(path, "empty", "copy or export the bundle again")
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            reader = reader_of(data)
            try:
                reader.read("model", 0, len(data), 0)
            except (ValueError, IndexError) as error:
                reason = str(error) if isinstance(error, ValueError) else "it ends in the middle"
                raise ModelCorruptError(path, f"no ONNX graph ({reason})", "copy or export the bundle again") from error
    return reader


class GraphReader:
    """Walks the messages of one file; a child may look at more of them."""

    def __init__(self, data: mmap.mmap) -> None:
        self._data = data
        self.data_files: set[str] = set()
        self.opsets: dict[str, int] = {}

    def read(self, message: str, at: int, end: int, depth: int) -> None:
        """Walk one message, from its first byte to behind its last."""
        if depth > DEEPEST:
            raise ValueError(f"more than {DEEPEST} messages inside each other")
        if message == "opset":
            self._read_opset(at, end)
        elif message == "entry":
            key, value = self.entry(at, end)
            if key == LOCATION:
                self.data_files.add(value.decode())
        else:
            parts = PARTS[message]
            for number, kind, start, stop in self.fields(at, end):
                part = parts.get(number)
                if part is not None and kind == LENGTH:
                    self.read(part, start, stop, depth + 1)

    def fields(self, at: int, end: int) -> Iterator[tuple[int, int, int, int]]:
        """Of each field its number, its kind, and where its value begins and ends; of a varint the value, twice."""
        data = self._data
        while at < end:
            tag = data[at]
            at += 1
            if tag > 127:
                tag, at = self.varint(at - 1)
            kind = tag & 7
            if kind == LENGTH:
                length = data[at]
                at += 1
                if length > 127:
                    length, at = self.varint(at - 1)
                if length > end - at:
                    raise ValueError("a field is longer than what holds it")
                yield tag >> 3, kind, at, at + length
                at += length
            elif kind == VARINT:
                value, at = self.varint(at)
                yield tag >> 3, kind, value, value
            elif kind in (EIGHT_BYTES, FOUR_BYTES):
                at += 8 if kind == EIGHT_BYTES else 4
            else:
                raise ValueError(f"fields of kind {kind} are not used")
        if at != end:
            raise ValueError("a field is longer than what holds it")

    def varint(self, at: int) -> tuple[int, int]:
        """A number and the place behind it."""
        value = 0
        for index in range(LONGEST_VARINT):
            byte = self._data[at + index]
            value |= (byte & 127) << 7 * index
            if byte < 128:
                return value, at + index + 1
        raise ValueError("a number has no end")

    def entry(self, at: int, end: int) -> tuple[bytes, bytes]:
        """Key and value of an entry; what is missing is empty."""
        texts = {ENTRY_KEY: b"", ENTRY_VALUE: b""}
        for number, kind, value, stop in self.fields(at, end):
            if kind == LENGTH and number in texts:
                texts[number] = self.text(value, stop)
        return texts[ENTRY_KEY], texts[ENTRY_VALUE]

    def _read_opset(self, at: int, end: int) -> None:
        domain, version = b"", 0
        for number, kind, value, stop in self.fields(at, end):
            if number == OPSET_DOMAIN and kind == LENGTH:
                domain = self.text(value, stop)
            elif number == OPSET_VERSION and kind == VARINT:
                version = value
        self.opsets[domain.decode()] = version

    def text(self, at: int, end: int) -> bytes:
        """The bytes of a name.

        Raises:
            ValueError: no name is that long.
        """
        if end - at > LONGEST_NAME:
            raise ValueError(f"a name of {end - at} bytes")
        return self._data[at:end]

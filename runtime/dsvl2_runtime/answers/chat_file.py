"""A conversation in a file: what was said, its images, and the sequence that was computed.

The file is untrusted, like that of a sequence (`graphs/sequence_file.py`), which it ends with. Layout, little-endian:

| part | content |
|---|---|
| header | magic, version, bytes of the messages, number of images: uint32 each |
| | SHA-256 of the header up to here and of messages and images, 32 bytes |
| messages | JSON: the system message, the turns, whether the oldest may be dropped, paths of pictures beside the file |
| images | of each: width, height, number of tiles, uint32; SHA-256 of its content, 32 bytes; the tiles, uint8 |
| sequence | as `sequence_file.py` says |

Version 1 had no paths, and is read as well.
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
from collections.abc import Sequence as Items
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, Literal

import numpy as np
from pydantic import TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass as checked_dataclass

from dsvl2_runtime.answers.answer import ANSWER_TOKENS
from dsvl2_runtime.answers.picture_paths import leads_out, path_beside, seen_beside
from dsvl2_runtime.config import STRICT, ModelConfig, describe
from dsvl2_runtime.errors import SequenceFileError
from dsvl2_runtime.graphs.sequence import Sequence
from dsvl2_runtime.graphs.sequence_file import is_regular, read_sequence, write_sequence
from dsvl2_runtime.graphs.stored_rows import RowType
from dsvl2_runtime.inputs.processor import ReadImage
from dsvl2_runtime.inputs.prompt import Content, ContentPart, ImagePlace, Message, SpecialToken
from dsvl2_runtime.inputs.tiling import choose_tiling, is_tiled
from dsvl2_runtime.machine.files import disk_errors, new_file, only_writer, read_errors

MAGIC, VERSION = b"DSVL2CHT", 2
READ_VERSIONS = (1, 2)
SIZES = struct.Struct("<8s3I")
"""The header up to the digest."""
IMAGE = struct.Struct("<3I32s")
DIGEST_BYTES = 32
LONGEST_MESSAGES = 16_000_000
"""Bytes of JSON; a full context is far below."""


@dataclass(frozen=True, slots=True)
class Turn:
    """A question that was asked, and its answer."""

    question: Message
    images: tuple[ReadImage, ...]
    """In the order of their places in the question."""
    answer: Content = ""


@dataclass(frozen=True, slots=True)
class SavedChat:
    """What a conversation is, apart from what was computed."""

    system: str
    turns: tuple[Turn, ...]
    drop_oldest: bool

    @property
    def images(self) -> list[ReadImage]:
        """Those of all turns, in order."""
        return [image for turn in self.turns for image in turn.images]


WrittenPart = tuple[Literal["text", "special", "image"], str]


@checked_dataclass(frozen=True, config=STRICT)
class WrittenTurn:
    """A question and its answer as JSON has them."""

    question: tuple[WrittenPart, ...]
    answer: tuple[WrittenPart, ...]


@checked_dataclass(frozen=True, config=STRICT)
class WrittenChat:
    """All that is said, as JSON has it."""

    system: str
    turns: tuple[WrittenTurn, ...]
    drop_oldest: bool
    paths: tuple[str, ...] = ()
    """Of each image from the file's folder, empty where it lies elsewhere (`picture_paths.py`)."""


_WRITTEN: TypeAdapter[WrittenChat] = TypeAdapter(WrittenChat)


def save_chat(path: Path, chat: SavedChat, sequence: Sequence, manifest_sha256: bytes, row_type: RowType) -> None:
    """Write a conversation; the file is whole or as it was, and only its owner may read it.

    Args:
        path: the file, replaced if there is one.
        chat: what was said.
        sequence: of the conversation; no run of it is going on.
        manifest_sha256: of the model, 32 bytes.
        row_type: as `sequence_file.save_sequence` says.

    Raises:
        UsageError: a cached value is too large for float16.
        BusyError: another process writes the file.
        ResourceError: the file cannot be written.
    """
    turns = tuple(WrittenTurn(_written(turn.question.content), _written(turn.answer)) for turn in chat.turns)
    paths = tuple(path_beside(image.source, path.parent) for image in chat.images)
    written = _WRITTEN.dump_python(WrittenChat(chat.system, turns, chat.drop_oldest, paths))
    messages = json.dumps(written).encode("ascii")
    head = SIZES.pack(MAGIC, VERSION, len(messages), len(chat.images))
    digest = hashlib.sha256(head)
    with (
        only_writer(path),
        disk_errors(path),
        new_file(path, private=True) as unfinished,
        unfinished.open("wb") as file,
    ):
        file.write(head + bytes(DIGEST_BYTES))

        def write(content: bytes) -> None:
            digest.update(content)
            file.write(content)

        write(messages)
        for image in chat.images:
            write(IMAGE.pack(*image.size, len(image.tiles), bytes.fromhex(image.sha256)))
            write(image.tiles.tobytes())
        file.seek(len(head))
        file.write(digest.digest())
        file.seek(0, os.SEEK_END)
        write_sequence(file, sequence, manifest_sha256, row_type)


def load_chat(path: Path, sequence: Sequence, config: ModelConfig, manifest_sha256: bytes) -> SavedChat:
    """Read a conversation.

    Args:
        path: what `save_chat` wrote, or anything else.
        sequence: a new one of the model; becomes what was computed.
        config: of the model.
        manifest_sha256: of the model, 32 bytes.

    Raises:
        SequenceFileError: the file is missing or damaged, or belongs to another model or version.
        ResourceError: it cannot be read.
    """
    with read_errors(path):
        if not is_regular(path):
            raise SequenceFileError(path, "no such file", "check the path")
        with path.open("rb") as file:
            chat, names = _Reader(path, file, config).read()
            read_sequence(path, file, sequence, manifest_sha256)
    _adopt_images(sequence, names, chat.images)
    return chat


def _adopt_images(sequence: Sequence, names: Items[str], images: Items[ReadImage]) -> None:
    """Give the images of a sequence their new names, and forget what follows an image that is none of the turns'.

    A question that was taken back may have left one behind.
    """
    spans = sequence.images
    for at, span in enumerate(spans):
        if at >= len(images) or span.sha256 != names[at]:
            sequence.truncate(span.start)
            spans = spans[:at]
            break
    sequence.images = tuple(replace(span, sha256=images[at].sha256) for at, span in enumerate(spans))


class _Reader:
    """Reads the first part of a file, up to the sequence."""

    def __init__(self, path: Path, file: BinaryIO, config: ModelConfig) -> None:
        self._path, self._file, self._config = path, file, config
        self._digest = hashlib.sha256()
        self._left = os.fstat(file.fileno()).st_size
        """Bytes that are still to be read."""

    def read(self) -> tuple[SavedChat, list[str]]:
        """The conversation, and the hashes of its images as they are in the file."""
        head = self._take(SIZES.size)
        expected = self._take(DIGEST_BYTES, digested=False)
        magic, version, messages_size, num_images = SIZES.unpack(head)
        if magic != MAGIC:
            raise self._wrong("not a saved conversation")
        if version not in READ_VERSIONS:
            raise self._wrong(f"its form is {version}, which this release cannot read")
        if messages_size > LONGEST_MESSAGES or num_images > self._config.language_config.max_position_embeddings:
            raise self._wrong(f"{messages_size} bytes of messages and {num_images} images do not fit the model")
        messages = self._take(messages_size)
        images, names = [], []
        for _ in range(num_images):
            image, name = self._image()
            images.append(image)
            names.append(name)
        if self._digest.digest() != expected:
            raise self._wrong("its content is not what was saved")
        return self._chat(messages, images, names), names

    def _image(self) -> tuple[ReadImage, str]:
        width, height, num_tiles, name = IMAGE.unpack(self._take(IMAGE.size))
        if not (width and height) or choose_tiling((width, height), 1, self._config).num_tiles != num_tiles:
            raise self._wrong(f"an image of {width}x{height} pixels has {num_tiles} tiles, which cannot be")
        side = self._config.vision_config.image_size
        content = self._take(num_tiles * side * side * 3)
        tiles = np.frombuffer(content, np.uint8).reshape(num_tiles, side, side, 3)
        # Named by what is here: a file could give its tiles the name of another image, whose features are kept for all.
        return ReadImage(hashlib.sha256(f"{width}x{height} ".encode() + content).hexdigest(), (width, height), tiles), (
            name.hex()
        )

    def _chat(self, messages: bytes, images: list[ReadImage], names: Items[str]) -> SavedChat:
        try:
            written = _WRITTEN.validate_python(json.loads(messages))
        except ValidationError as error:
            raise self._wrong(f"its messages are damaged: {describe(error)}") from error
        except (ValueError, RecursionError) as error:
            raise self._wrong(f"its messages are damaged: {error}") from error
        turns, left = [], self._with_sources(images, names, written.paths)
        for turn in written.turns:
            content, answer = self._content(turn.question), self._content(turn.answer)
            count = sum(isinstance(part, ImagePlace) for part in content)
            if count > len(left) or any(isinstance(part, ImagePlace) for part in answer):
                raise self._wrong("its messages have other places for images than there are images")
            turns.append(Turn(Message("user", content), tuple(left[:count]), answer))
            del left[:count]
        if left:
            raise self._wrong("its messages have other places for images than there are images")
        return SavedChat(written.system, tuple(turns), written.drop_oldest)

    def _with_sources(self, images: list[ReadImage], names: Items[str], paths: Items[str]) -> list[ReadImage]:
        """The images, those of which can be seen larger whose pictures are still there."""
        if len(paths) not in (0, len(images)) or any(map(leads_out, paths)):
            raise self._wrong("its messages have other paths than pictures can have")
        if not paths or not is_tiled(len(images)):  # more of them are never seen larger
            return list(images)
        return [
            seen_beside(image, name, path, self._path.parent, self._config) or image
            for image, name, path in zip(images, names, paths, strict=True)
        ]

    def _content(self, parts: Items[WrittenPart]) -> list[ContentPart]:
        content: list[ContentPart] = []
        for kind, text in parts:
            if kind == "special" and text not in ANSWER_TOKENS:
                raise self._wrong(f"the special token {text!r} does not belong into a message")
            content.append(ImagePlace() if kind == "image" else SpecialToken(text) if kind == "special" else text)
        return content

    def _take(self, size: int, *, digested: bool = True) -> bytes:
        if size > self._left:
            raise self._wrong("it ends too early")
        piece = self._file.read(size)
        if len(piece) != size:
            raise self._wrong("it ends too early")
        self._left -= size
        if digested:
            self._digest.update(piece)
        return piece

    def _wrong(self, found: str) -> SequenceFileError:
        return SequenceFileError(self._path, found, "delete it and begin the conversation again")


def _written(content: Content) -> tuple[WrittenPart, ...]:
    parts: list[WrittenPart] = []
    for part in [content] if isinstance(content, str) else content:
        if isinstance(part, str):
            parts.append(("text", part))
        elif isinstance(part, SpecialToken):
            parts.append(("special", part.name))
        else:
            parts.append(("image", ""))
    return tuple(parts)

"""The file of a batch: one JSON object a line, which is complete or is dropped, so that a killed run can go on."""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import FileIO
from pathlib import Path
from typing import Any

from dsvl2_runtime.cli.batch.asker import SCHEMA, Line
from dsvl2_runtime.cli.batch.pieces import PartKey
from dsvl2_runtime.cli.streams import json_line
from dsvl2_runtime.errors import UsageError
from dsvl2_runtime.machine.files import disk_errors, new_file, only_writer, read_errors

START = f'{{"schema": "{SCHEMA}", "file": "'.encode()
"""Of every line."""
LONGEST_LINE = 64_000_000
"""Bytes; an answer that fills the longest context has far fewer."""


@dataclass(slots=True)
class Done:
    """What the file holds about one file of the folder."""

    sha256: str | None = None
    parts: set[PartKey] = field(default_factory=set)
    """Answered pages and strips of that content; a page with all of its strips is there as a whole too."""
    is_complete: bool = False
    """All of it is answered, and nothing failed."""


@dataclass(frozen=True, slots=True)
class _Entry:
    """What has to be known of a line."""

    file: str
    sha256: str | None
    part: PartKey
    strips: int | None
    """Of its page or picture, where it is one of several."""
    failed: bool
    is_last: bool


class Results:
    """The file while a run holds it."""

    def __init__(self, path: Path, overwrite: bool) -> None:
        self.path = path
        self._overwrite = overwrite
        self._file: FileIO | None = None
        self._entries: list[_Entry] = []
        self._by_file: dict[str, list[_Entry]] = {}
        self._length = 0
        """Bytes of the whole lines."""

    def read(self, mark: str, question: str) -> None:
        """Learn what is done.

        Args:
            mark: of this run's question (`BatchQuestion.mark`).
            question: for the message.

        Raises:
            UsageError: it holds something else than answers to this question.
            ResourceError: it cannot be read.
        """
        advice = "give another file, or --overwrite to begin this one anew"
        if not self.path.exists() or self._overwrite:
            return
        for document in self._whole_lines(advice):
            if document["run"] != mark:
                raise UsageError(
                    f"{self.path} holds answers to the question {document['question']!r} by the model "
                    f"{document['model']!r}; this run would ask {question!r}, or with other options or another model; "
                    f"{advice}"
                )
            self._remember(document)

    def _whole_lines(self, advice: str) -> Iterator[Any]:
        other = UsageError(f"{self.path} is no file of `batch`; {advice}")
        with read_errors(self.path), self.path.open("rb") as file:
            line = file.readline(LONGEST_LINE)
            while line:
                following = file.readline(LONGEST_LINE)
                document = _document(line)
                if document is None:
                    if following or not _is_cut(line):
                        raise other
                    return  # what a killed run left of its last line
                yield document
                self._length += len(line)
                line = following

    def done(self, name: str) -> Done:
        """What the file holds about a file of the folder."""
        mine = self._by_file.get(name)
        if not mine:
            return Done()
        latest = _latest_sums(mine)[name]
        now = [mine[index] for index in _current(mine) if mine[index].sha256 == latest]
        failed = any(entry.failed for entry in now) or mine[-1].failed
        answered = {entry.part for entry in now if not entry.failed}
        strips = Counter(page for page, strip in answered if strip is not None)
        answered |= {(entry.part[0], None) for entry in now if entry.strips and strips[entry.part[0]] == entry.strips}
        return Done(latest, answered, any(entry.is_last for entry in now) and not failed)

    def add(self, line: Line) -> None:
        """Write one line, onto the disk.

        Raises:
            ResourceError: the disk is full or cannot be written.
        """
        with disk_errors(self.path):
            if self._file is None:
                self._file = self._begin()
            self._remember(line)  # first: a line that is not written after all does `close` no harm
            left = memoryview(json_line(line).encode("utf-8", "backslashreplace"))
            while left:
                left = left[self._file.write(left) :]
            os.fsync(self._file.fileno())

    def _remember(self, line: Line) -> None:
        entry = _entry(line)
        self._entries.append(entry)
        self._by_file.setdefault(entry.file, []).append(entry)

    def _begin(self) -> FileIO:
        if self._overwrite:
            return self.path.open("wb", buffering=0)
        file = self.path.open("ab", buffering=0)
        file.truncate(self._length)
        return file

    def close(self) -> None:
        """Leave out lines that later ones have replaced."""
        if self._file is None:
            return
        self._file.close()
        kept = set(_current(self._entries))
        if len(kept) == len(self._entries):
            return
        with disk_errors(self.path), new_file(self.path) as new:
            shutil.copymode(self.path, new)
            with self.path.open("rb") as old, new.open("wb") as out:
                for index in range(len(self._entries)):
                    line = old.readline()
                    if index in kept:
                        out.write(line)


@contextmanager
def open_results(path: Path, *, overwrite: bool = False) -> Iterator[Results]:
    """Hold a file of results, so that no other run writes into it.

    Raises:
        UsageError: it is a folder or a device.
        BusyError: another process writes it.
        ResourceError: it cannot be written.
    """
    if path.exists() and not path.is_file():
        raise UsageError(f"{path} is no file; give --out with the name of one")
    path = path.resolve()  # where it is a link, the file behind it is written
    with only_writer(path):
        results = Results(path, overwrite)
        try:
            yield results
        finally:
            results.close()


def _is_cut(line: bytes) -> bool:
    """Whether it is the beginning of a line of a batch."""
    return not line.endswith(b"\n") and START.startswith(line[: len(START)])


def _document(line: bytes) -> dict[str, Any] | None:
    """A line of a batch; None for one that was cut, or is something else."""
    if not line.endswith(b"\n"):
        return None
    try:
        document = json.loads(line)
    except (ValueError, RecursionError):
        return None
    good = isinstance(document, dict) and document.get("schema") == SCHEMA
    names = ("file", "run", "question", "model")
    return document if good and all(isinstance(document.get(name), str) for name in names) else None


def _entry(document: Line) -> _Entry:
    part, strips = (document.get("page"), document.get("strip")), document.get("strips")
    failed, is_last = "error" in document, document.get("last") is True
    return _Entry(document["file"], document.get("sha256"), part, strips, failed, is_last)


def _latest_sums(entries: list[_Entry]) -> dict[str, str | None]:
    """The newest sum of each file's content; a file that could not be read has not changed."""
    latest: dict[str, str | None] = {}
    for entry in entries:
        if entry.sha256 is not None or entry.file not in latest:
            latest[entry.file] = entry.sha256
    return latest


def _current(entries: list[_Entry]) -> list[int]:
    """Indexes of the lines that count: of each file's newest content, the newest line for each part.

    A failure of a whole file is replaced by any later line about it.
    """
    latest = _latest_sums(entries)
    later: dict[str, set[PartKey]] = {}
    kept = []
    for index in range(len(entries) - 1, -1, -1):
        entry = entries[index]
        is_newest, seen = entry.file not in later, later.setdefault(entry.file, set())
        of_other_content = entry.sha256 is not None and entry.sha256 != latest[entry.file]
        of_whole_file = entry.failed and entry.part == (None, None)
        if is_newest or not (of_other_content or entry.part in seen or of_whole_file):
            kept.append(index)
        if entry.sha256 is not None:  # a file that cannot be read now keeps its answers
            seen.add(entry.part)
    return kept[::-1]

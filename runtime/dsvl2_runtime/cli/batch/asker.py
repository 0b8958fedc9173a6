"""Asks one question about one file after the other; each answer, and each failure, is a line as data."""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Iterator
from dataclasses import asdict, replace
from typing import Any

from dsvl2_runtime.answers.second_look import LookSequences
from dsvl2_runtime.cli.batch.content import Content, read_content
from dsvl2_runtime.cli.batch.files import Found
from dsvl2_runtime.cli.batch.pieces import PartKey, Piece, pieces_of
from dsvl2_runtime.cli.batch.question import BatchQuestion
from dsvl2_runtime.cli.extract import ExtractRun
from dsvl2_runtime.cli.parts import Part
from dsvl2_runtime.cli.run import Run
from dsvl2_runtime.cli.run_report import Events, finish_reason, images_report, rounded, usage_report
from dsvl2_runtime.cli.stop_signals import stop_behind
from dsvl2_runtime.errors import (
    CancelledError,
    Dsvl2Error,
    ModelCorruptError,
    OutOfMemoryError,
    TimeLimitError,
)
from dsvl2_runtime.machine.speeds import SpeedMeter
from dsvl2_runtime.model import VisionLanguageModel
from dsvl2_runtime.progress import Watch
from dsvl2_runtime.texts import notice_json

log = logging.getLogger(__name__)

SCHEMA = "dsvl2.batch/1"
Line = dict[str, Any]


class Asker:
    """A model with a question; it belongs to one thread."""

    def __init__(self, model: VisionLanguageModel, question: BatchQuestion) -> None:
        self.model = model
        self.question = question
        self.meter = SpeedMeter()
        self._common = {
            "question": question.text,
            "task": None if question.task is None else str(question.task),
            "model": model.name,
            "run": question.mark(model.manifest_sha256),
        }

    def lines(self, found: Found, done: Collection[PartKey] = ()) -> Iterator[Line]:
        """One line for each prompt about a file as soon as it is answered; whatever is wrong with the file is a line.

        Args:
            found: the file.
            done: what of it is answered already, if its content is the same.

        Raises:
            ModelCorruptError: the model is damaged, which is not a matter of one file.
        """
        content: Content | None = None
        try:
            if found.error is not None:
                raise found.error
            content = read_content(found.path, found.name)
            for piece in pieces_of(content, self.question.options, self.model.config, done):
                yield from self._lines_of(found, content, piece)
        except ModelCorruptError:
            raise
        except Exception as error:
            yield self._line(found, content, {}, failure(error))

    def _lines_of(self, found: Found, content: Content, piece: Piece) -> Iterator[Line]:
        try:
            if piece.part is None:
                raise piece.error or AssertionError
            said = self._answer(piece.part) | {"last": piece.is_last}
        except ModelCorruptError:
            raise
        except Exception as error:  # one page of a document; the others are asked about
            said = failure(error)
        yield self._line(found, content, piece.place, said)

    def _line(self, found: Found, content: Content | None, place: dict[str, int], said: Line) -> Line:
        sum_of_file = {"sha256": None if content is None else content.sha256}
        return {"schema": SCHEMA, "file": found.name, **place, **said, **sum_of_file, **self._common}

    def _answer(self, part: Part) -> Line:
        start, options = time.perf_counter(), self.question.options
        quiet = replace(options, quiet=True)
        deadline = None if options.timeout is None else time.monotonic() + options.timeout
        watch = Watch(self.meter.note, deadline=deadline)
        events = Events(wanted=False)
        if self.question.fields is not None:
            extract = ExtractRun(self.question.fields, quiet, events)
            extract.ask(self.model, part, None, watch)
            run: Run = extract
            said: Line = {"answer": extract.values, **extract.further_report()}
            self.question.fields.check(extract.values)
        else:
            run = Run(self.question.content, quiet, events)
            said = {"answer": run.answer(self.model, part, LookSequences(self.model.new_sequence), None, watch)}
            run.say_if_unsure("")
        answered, reason, usage = run.answered, finish_reason(run.answered), usage_report(run.answered)
        if reason == "stop":
            self.meter.answered(usage["completion"])
        if reason == "cancelled":
            raise CancelledError
        line = said | {
            "finish_reason": reason,
            "confidence": rounded(answered[0].confidence) if len(answered) == 1 else None,
            "looks": sum(each.looks for each in answered),
            "read_in": answered[0].read_in if len(answered) == 1 else None,
            "boxes": [asdict(box) for each in answered for box in each.boxes],
            "images": images_report(answered[0], self.model.config.cells),
            "usage": usage,
            "seconds": round(time.perf_counter() - start, 3),
            "warnings": [notice_json(notice) for notice in run.notices],
        }
        return line if reason != "timeout" else line | failure(TimeLimitError())


def failure(error: Exception) -> Line:
    """What went wrong, as a part of a line; of an error that nobody foresaw the log has the traceback.

    Raises:
        KeyboardInterrupt, Terminated: the error is what became of a signal, which ends the run.
    """
    if (stop := stop_behind(error)) is not None:
        raise stop from None
    if isinstance(error, MemoryError):
        error = OutOfMemoryError()
    if not isinstance(error, Dsvl2Error):
        log.warning("an unforeseen error: %s", error, exc_info=error)
    code = error.exit_code if isinstance(error, Dsvl2Error) else Dsvl2Error.exit_code
    return {"error": {"error": type(error).__name__, "exit_code": code, "text": str(error)}}

"""What a run says about itself: seconds of its phases, the report in JSON, and its events line by line."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import psutil

from dsvl2_runtime.answers.boxes import Box
from dsvl2_runtime.answers.generate import image_spans
from dsvl2_runtime.answers.parts_look import Place
from dsvl2_runtime.cli.streams import print_json
from dsvl2_runtime.errors import Dsvl2Error
from dsvl2_runtime.inputs.processor import ModelInputs
from dsvl2_runtime.model import VisionLanguageModel
from dsvl2_runtime.notices import Notice
from dsvl2_runtime.progress import FinishReason, Progress
from dsvl2_runtime.texts import notice_json

SCHEMA = "dsvl2.run/1"
REPORTED_PHASES = ("load", "decode_image", "vision", "prefill", "decode")
"""Their seconds stand in every report, 0 where a phase did not come; `pages` comes with documents alone."""


@dataclass(slots=True)
class Stopwatch:
    """Seconds that each phase took, by the progress reports: each from the report before it, of whatever phase."""

    start: float = field(default_factory=time.perf_counter)
    phases: dict[str, float] = field(default_factory=dict)
    first_token: float | None = None
    first_text: float | None = None
    tokens: int = 0
    """Of all answers, those that a surer one took the place of among them."""
    _last: float | None = None

    def note(self, progress: Progress) -> None:
        """Count the time since the last report for this phase, and remember when the first token came."""
        now = self.end(progress.phase)
        if progress.phase == "decode":
            self.tokens += 1
            if self.first_token is None:
                self.first_token = now

    def text_came(self) -> None:
        """Remember when the first text of an answer that counts was there."""
        if self.first_text is None:
            self.first_text = time.perf_counter()

    def end(self, phase: str) -> float:
        """Count the time since the last report for a phase."""
        now = time.perf_counter()
        self.phases[phase] = self.phases.get(phase, 0) + now - (self.start if self._last is None else self._last)
        self._last = now
        return now

    def seconds(self) -> dict[str, float]:
        """Phase to seconds, plus two that count from the start.

        `ttft` is the time to the first token that was computed. `first_text` is that to the first text that was shown,
        or could have been: with a second look, both answers were whole by then.
        """
        times = {phase: round(seconds, 4) for phase, seconds in self.phases.items()}
        if self.first_token is not None:
            times["ttft"] = round(self.first_token - self.start, 4)
        if self.first_text is not None:
            times["first_text"] = round(self.first_text - self.start, 4)
        return times


@dataclass(frozen=True, slots=True)
class Answered:
    """One prompt of a run with its answer."""

    place: dict[str, int]
    """Where its image comes from: `picture`, counted from 1, perhaps `page` and `strip`; empty for a whole prompt."""
    inputs: ModelInputs
    cached_tokens: int
    """Positions at the prompt's start that were in the cache."""
    answer: str
    """As it is shown."""
    finish_reason: FinishReason
    completion_tokens: int
    boxes: tuple[Box, ...]
    """Their pixels and image numbers are those of what the user gave."""
    confidence: float | None
    """The probability that the model gave to this answer (`answers/confidence.py`)."""
    looks: int
    """How many there were at its images (`answers/second_look.py`)."""
    read_in: Place | None = None
    """The part of its one image in which the answer was read, in pixels of what the user gave; None for all of it."""


def run_report(
    model: VisionLanguageModel,
    answer: str,
    answered: Sequence[Answered],
    notices: Sequence[Notice],
    stopwatch: Stopwatch,
) -> dict[str, Any]:
    """The object of schema `dsvl2.run/1`.

    Args:
        model: that was asked.
        answer: the whole answer as it is shown.
        answered: each prompt; several where pages or strips were asked one by one.
        notices: everything that was said on standard error.
        stopwatch: of the run.
    """
    usage = usage_report(answered)
    timings: dict[str, float | None] = {**dict.fromkeys(REPORTED_PHASES, 0.0), "ttft": None, "first_text": None}
    timings |= {"tok_s": None, **stopwatch.seconds()}
    if decode := timings["decode"]:
        timings["tok_s"] = round(stopwatch.tokens / decode, 2)
    report = {
        "schema": SCHEMA,
        "answer": answer,
        "finish_reason": finish_reason(answered),
        "confidence": rounded(answered[0].confidence) if len(answered) == 1 else None,
        "looks": sum(each.looks for each in answered),
        "read_in": answered[0].read_in if len(answered) == 1 else None,
        "boxes": [asdict(box) for each in answered for box in each.boxes],
        "images": [image for each in answered for image in images_report(each, model.config.cells)],
        "usage": usage,
        "timings": timings,
        "memory": {"rss": psutil.Process().memory_info().rss, "rss_peak": peak_memory()},
        "model": {
            "name": model.name,
            "precision": model.bundle.manifest.precision,
            "kernels": model.kernels,
            "provider": model.provider,
            "provider_reason": model.provider_reason,
            "manifest_sha256": model.manifest_sha256,
        },
        "warnings": [notice_json(notice) for notice in notices],
    }
    if any(each.place for each in answered):
        report["parts"] = [
            {
                **each.place,
                "answer": each.answer,
                "finish_reason": each.finish_reason,
                "confidence": rounded(each.confidence),
                "read_in": each.read_in,
            }
            for each in answered
        ]
    return report


def rounded(confidence: float | None) -> float | None:
    """As it stands in reports."""
    return None if confidence is None else round(confidence, 4)


def finish_reason(answered: Sequence[Answered]) -> FinishReason:
    """Of several answers: that of the first one which the model did not end by itself."""
    return next((each.finish_reason for each in answered if each.finish_reason != "stop"), "stop")


def usage_report(answered: Sequence[Answered]) -> dict[str, int]:
    """Tokens of several prompts and their answers, for a report."""
    return {
        "prompt": sum(len(each.inputs.input_ids) for each in answered),
        "image": sum(each.inputs.num_image_tokens for each in answered),
        "completion": sum(each.completion_tokens for each in answered),
        "cached_tokens": sum(each.cached_tokens for each in answered),
    }


def images_report(answered: Answered, cells: int) -> list[dict[str, Any]]:
    """The images of one prompt, for a report; `cells` are those along a side of a tile."""
    spans = image_spans(answered.inputs, cells)
    return [
        {
            "sha256": image.sha256,
            "width": image.size[0],
            "height": image.size[1],
            "tiles": [image.tiling.tiles_wide, image.tiling.tiles_high],
            "tokens": image.tiling.token_count(cells),
            "cached": span.stop <= answered.cached_tokens,
            **answered.place,
        }
        for image, span in zip(answered.inputs.images, spans, strict=True)
    ]


def peak_memory() -> int:
    """The most bytes of memory that this process has had."""
    if sys.platform == "win32":
        return int(psutil.Process().memory_info().peak_wset)
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


@dataclass(frozen=True, slots=True)
class Events:
    """Writes what happens as JSON, one object per line, or nothing."""

    wanted: bool

    def write(self, event: str, **values: Any) -> None:
        """One line: `start`, `progress`, `token`, `box`, `end` or `error`, with what belongs to it."""
        if self.wanted:
            print_json({"event": event, **values})

    def progress(self, progress: Progress) -> None:
        """How far a phase has come; the tokens of an answer have their own events."""
        if progress.phase != "decode":
            self.write("progress", **asdict(progress))

    def error(self, error: Dsvl2Error) -> None:
        """What ended the run, as class, exit code and sentence."""
        self.write("error", error=type(error).__name__, exit_code=error.exit_code, text=str(error))

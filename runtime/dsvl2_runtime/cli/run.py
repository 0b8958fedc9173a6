"""The verb `run`: one question, answered on standard output as text while it comes or as one JSON object at the end."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import psutil

from dsvl2_runtime.answers.generate import TextChunk
from dsvl2_runtime.answers.sampling import GenerationOptions
from dsvl2_runtime.cli.console import ProgressBars, progress_bars
from dsvl2_runtime.cli.streams import print_json, print_notices, write_answer
from dsvl2_runtime.inputs.images import check_image, image_source
from dsvl2_runtime.inputs.processor import ModelInputs
from dsvl2_runtime.model import VisionLanguageModel, load_model
from dsvl2_runtime.progress import Progress, Watch
from dsvl2_runtime.texts import notice_json

SCHEMA = "dsvl2.run/1"


@dataclass(slots=True)
class Stopwatch:
    """Seconds that each phase took, by the progress reports."""

    start: float = field(default_factory=time.perf_counter)
    ends: dict[str, float] = field(default_factory=dict)
    first_token: float | None = None

    def note(self, progress: Progress) -> None:
        """Remember when the phase was last reported, and when the first token came."""
        now = time.perf_counter()
        self.ends[progress.phase] = now
        if progress.phase == "decode" and self.first_token is None:
            self.first_token = now

    def seconds(self) -> dict[str, float]:
        """Phase to seconds, plus `ttft`, the seconds from the start to the first token."""
        times: dict[str, float] = {}
        previous = self.start
        for phase in ("load", "vision", "prefill", "decode"):
            if phase in self.ends:
                times[phase] = round(self.ends[phase] - previous, 4)
                previous = self.ends[phase]
        if self.first_token is not None:
            times["ttft"] = round(self.first_token - self.start, 4)
        return times


@dataclass(frozen=True, slots=True)
class RunRequest:
    """What the verb `run` was asked."""

    question: str
    images: tuple[str, ...]
    """Paths, `file:` addresses, or `-` for standard input."""
    model: str
    """A bundle's folder, or the name of a shipped model."""
    options: GenerationOptions
    threads: int | None = None
    as_json: bool = False
    quiet: bool = False
    force: bool = False
    """Load even a model that seems too large for the memory."""


def run_question(request: RunRequest) -> None:
    """Load, ask, print.

    Raises:
        Dsvl2Error: whatever is wrong with the model, the images or the question.
    """
    images = [image_source(argument) for argument in request.images]
    for image in images:  # before the model: a bad path should not cost a load
        check_image(image)
    stopwatch = Stopwatch()
    with progress_bars(show=not request.quiet, keep=False) as bars:

        def on_progress(progress: Progress) -> None:
            stopwatch.note(progress)
            if progress.phase != "decode":
                bars.update(progress.phase, progress.done, progress.total)

        watch = Watch(on_progress)
        model = load_model(request.model, request.threads, watch, force=request.force)
        if not request.quiet:
            print_notices(model.notices)
        inputs = model.prepare(request.question, images)
        if not request.quiet:
            print_notices(inputs.notices)
        chunks = model.answer(inputs, request.options, watch)
        if not request.as_json:
            _stream(chunks, bars)
            return
        collected = list(chunks)
    print_json(_report(inputs, model, collected, stopwatch))


def _stream(chunks: Iterator[TextChunk], bars: ProgressBars) -> None:
    """Print an answer while it comes; whatever ends it, what has come stays and ends with its line."""
    first, in_line = True, False
    try:
        for chunk in chunks:
            if first:
                bars.close()
                first = False
            if chunk.text:
                write_answer(chunk.text)
                in_line = True
    except BaseException:
        if in_line:
            with suppress(OSError):  # what could not be written cannot be ended either
                write_answer("\n")
        raise
    write_answer("\n")


def _report(
    inputs: ModelInputs, model: VisionLanguageModel, chunks: Sequence[TextChunk], stopwatch: Stopwatch
) -> dict[str, Any]:
    completion = sum(chunk.token_id is not None for chunk in chunks)
    timings = stopwatch.seconds()
    if timings.get("decode"):
        timings["tok_s"] = round(completion / timings["decode"], 2)
    return {
        "schema": SCHEMA,
        "answer": "".join(chunk.text for chunk in chunks),
        "finish_reason": chunks[-1].finish_reason,
        "images": [
            {
                "width": image.size[0],
                "height": image.size[1],
                "tiles": [image.tiling.tiles_wide, image.tiling.tiles_high],
                "tokens": image.tiling.token_count(model.config.cells),
            }
            for image in inputs.images
        ],
        "usage": {
            "prompt": len(inputs.input_ids),
            "image": inputs.num_image_tokens,
            "completion": completion,
        },
        "timings": timings,
        "memory": {"rss": psutil.Process().memory_info().rss},
        "model": {
            "name": model.name,
            "precision": model.bundle.manifest.precision,
            "kernels": model.kernels,
        },
        "warnings": [notice_json(notice) for notice in (*model.notices, *inputs.notices)],
    }

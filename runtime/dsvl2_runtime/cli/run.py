"""The verb `run`: one question, answered on standard output as text while it comes or as one JSON object at the end."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from dsvl2_runtime.answers.generate import TextChunk
from dsvl2_runtime.answers.sampling import GenerationOptions
from dsvl2_runtime.cli.console import ProgressBars, progress_bars
from dsvl2_runtime.inputs.images import check_image
from dsvl2_runtime.inputs.processor import ModelInputs
from dsvl2_runtime.model import VisionLanguageModel, load_model
from dsvl2_runtime.notices import Notice
from dsvl2_runtime.progress import Progress, Watch
from dsvl2_runtime.texts import notice_json, notice_text

SCHEMA = "dsvl2.run/1"


@dataclass(slots=True)
class Stopwatch:
    """Seconds of each phase, read off the progress reports."""

    start: float = field(default_factory=time.perf_counter)
    ends: dict[str, float] = field(default_factory=dict)
    first_token: float | None = None

    def note(self, progress: Progress) -> None:
        """Remember when the phase was last heard of, and when the first token came."""
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


def run_question(
    question: str,
    image_paths: Sequence[Path],
    model_name: str,
    options: GenerationOptions,
    threads: int | None,
    as_json: bool,
    quiet: bool,
    force: bool = False,
) -> None:
    """Load, ask, print.

    Raises:
        Dsvl2Error: whatever is wrong with the model, the pictures or the question.
    """
    for path in image_paths:  # before the model: a bad path should not cost a load
        check_image(path)
    stopwatch = Stopwatch()
    with progress_bars(show=not quiet, keep=False) as bars:

        def on_progress(progress: Progress) -> None:
            stopwatch.note(progress)
            if progress.phase != "decode":
                bars.update(progress.phase, progress.done, progress.total)

        watch = Watch(on_progress)
        model = load_model(model_name, threads, watch, force=force)
        if model.weights_note and not quiet:
            print(f"note: {model.weights_note}", file=sys.stderr)
        inputs = model.prepare(question, image_paths)
        if not quiet:
            for notice in inputs.notices:
                print(f"warning: {notice_text(notice)}", file=sys.stderr)
        chunks = model.answer(inputs, options, watch)
        if not as_json:
            _stream(chunks, bars)
            return
        collected = list(chunks)
    print(json.dumps(_report(inputs, model, collected, stopwatch), ensure_ascii=False))


def _stream(chunks: Any, bars: ProgressBars) -> None:
    first = True
    for chunk in chunks:
        if first:
            bars.close()
            first = False
        sys.stdout.write(chunk.text)
        sys.stdout.flush()
    sys.stdout.write("\n")


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
                "width": width,
                "height": height,
                "tiles": [tiling.tiles_wide, tiling.tiles_high],
                "tokens": tiling.token_count(model.config.cells),
            }
            for (width, height), tiling in zip(inputs.image_sizes, inputs.tilings, strict=True)
        ],
        "usage": {
            "prompt": len(inputs.input_ids),
            "image": inputs.num_image_tokens,
            "completion": completion,
        },
        "timings": timings,
        "memory": {"rss": psutil.Process().memory_info().rss},
        "model": {"name": model.name, "precision": model.bundle.manifest.precision},
        "warnings": [notice_json(notice) for notice in (*_model_notices(model), *inputs.notices)],
    }


def _model_notices(model: VisionLanguageModel) -> tuple[Notice, ...]:
    return (Notice("model.note", {"note": model.weights_note}),) if model.weights_note else ()

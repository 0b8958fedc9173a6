"""What the verb `run` measures and how it writes an answer; the whole command is in test_cli."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from dsvl2_runtime.answers.generate import TextChunk
from dsvl2_runtime.cli import run
from dsvl2_runtime.cli.console import progress_bars
from dsvl2_runtime.cli.run_report import Stopwatch
from dsvl2_runtime.errors import GenerationError
from dsvl2_runtime.progress import Phase, Progress


def test_phases_take_the_time_between_their_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each from the end of the one before it, and the first token counts from the start."""
    clock = iter([2.0, 3.0, 7.0, 7.5, 9.0])
    monkeypatch.setattr(time, "perf_counter", clock.__next__)
    stopwatch = Stopwatch(start=1.0)
    phases: tuple[Phase, ...] = ("load", "load", "prefill", "decode", "decode")
    for phase in phases:
        stopwatch.note(Progress(phase, 1, 2))
    assert stopwatch.seconds() == {"load": 2.0, "prefill": 4.0, "decode": 2.0, "ttft": 6.5}
    assert stopwatch.tokens == 2


def test_the_first_text_is_timed_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """It comes behind the first token, and only its first piece counts."""
    clock = iter([2.0, 5.0, 6.0])
    monkeypatch.setattr(time, "perf_counter", clock.__next__)
    stopwatch = Stopwatch(start=1.0)
    stopwatch.note(Progress("decode", 1, 2))
    for _ in range(2):
        stopwatch.text_came()
    assert stopwatch.seconds() == {"decode": 1.0, "ttft": 1.0, "first_text": 4.0}


def test_a_run_without_an_answer_has_no_first_token() -> None:
    """Nor phases that were not reached."""
    assert Stopwatch().seconds() == {}


CHUNKS = (TextChunk("Anna ", 5), TextChunk("", 6), TextChunk("Weber", 7), TextChunk("", None, "stop"))


def test_an_answer_is_written_as_it_comes_and_ends_with_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    """Each piece is out before the next one is asked for."""
    seen = []

    def chunks() -> Iterator[TextChunk]:
        for chunk in CHUNKS:
            seen.append(capsys.readouterr().out)
            yield chunk

    with progress_bars(show=False) as bars:
        for _ in run.stream(((chunk, chunk.text) for chunk in chunks()), bars):
            pass
    assert seen == ["", "Anna ", "", "Weber"]
    assert capsys.readouterr().out == "\n"


@pytest.mark.parametrize(("pieces", "written"), [(0, ""), (1, "Anna \n"), (3, "Anna Weber\n")])
def test_an_answer_that_breaks_off_ends_its_line(capsys: pytest.CaptureFixture[str], pieces: int, written: str) -> None:
    """If anything of it has come; the error goes on."""

    def chunks() -> Iterator[TextChunk]:
        yield from CHUNKS[:pieces]
        raise GenerationError("bad")

    with progress_bars(show=False) as bars, pytest.raises(GenerationError):
        for _ in run.stream(((chunk, chunk.text) for chunk in chunks()), bars):
            pass
    assert capsys.readouterr().out == written

"""Runs that are stopped and go on: the plan is fulfilled in the time that is given, whatever came in between."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from dsvl2_demo.pages.documents import PageRange
from dsvl2_demo.training import sitting, train
from dsvl2_demo.training.batch import Batch
from dsvl2_demo.training.batches import BatchRange
from dsvl2_demo.training.curriculum import sheet_stages
from dsvl2_demo.training.geometry import tiny_config
from dsvl2_demo.training.pieces import read_pieces, saved_step
from dsvl2_demo.training.settings import Settings, parse_args
from dsvl2_demo.training.sitting import Sitting
from dsvl2_demo.training.train import End, Trainer
from dsvl2_demo.training.training_model import Losses
from dsvl2_runtime.errors import ModelCorruptError, ResourceError, UsageError

PAGES = BatchRange(PageRange(sizes=((112, 112),), most_entries=1), turns=1)
STAGES = tuple(replace(stage, batches=PAGES, batch_size=2, warm_up_steps=1) for stage in sheet_stages(10, 1e-3, 2000))
"""Those of a run on real pages, with pages that are drawn quickly."""
FALLING = (0.08e-3, 0.0)
"""The learning rate at the end of each of them."""


class Clock:
    """Stands for the module `time`."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now

    def time(self) -> float:
        return self.now


class Timed(Trainer):
    """Steps that take a second and learn nothing; it keeps the rate of each."""

    clock: Clock
    rates: list[tuple[str, float]]
    killed_after = 10_000

    def step(self, batch: Batch, end: End = End.NOT_YET) -> tuple[Losses, End]:
        if len(self.rates) == self.killed_after:
            raise KeyboardInterrupt
        self.rates.append((self.stage.name, self._learning_rate()))
        self.clock.now += 1
        zero = torch.zeros(())
        return Losses(zero, zero, zero, zero, zero, zero, None, zero), end


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(train, "time", found)
    monkeypatch.setattr(sitting, "time", found)
    return found


def settings(out: Path, minutes: float) -> Settings:
    return Settings(out, minutes, workers=0, measure_examples=1, finish=True, save_minutes=0.5, pieces=out / "pieces")


def begun(out: Path, clock: Clock, minutes: float) -> Timed:
    trainer = Timed(settings(out, minutes), tiny_config(), STAGES)
    trainer.clock, trainer.rates = clock, []
    return trainer


def assert_falls(rates: Sequence[tuple[str, float]], ends: Sequence[float] = FALLING) -> None:
    """Within each stage, to its end."""
    stages = [list(part) for _, part in itertools.groupby(rates, key=lambda rate: rate[0])]
    assert [part[0][0] for part in stages] == [stage.name for stage in STAGES]
    for part, end in zip(stages, ends, strict=True):
        values = [rate for _, rate in part]
        assert values == sorted(values, reverse=True)
        assert values[-1] == pytest.approx(end, abs=2e-5)


def test_the_plan_is_over_when_the_minutes_are(tmp_path: Path, clock: Clock) -> None:
    """Of two minutes 20 seconds are kept back; the stages share the rest as they share the plan."""
    trainer = begun(tmp_path, clock, 2)
    trainer.run()
    assert_falls(trainer.rates)
    # That a step is a stage's last is known when it begins: each stage takes one from the next, and the last adds one.
    assert [len(list(part)) for _, part in itertools.groupby(trainer.rates, key=lambda rate: rate[0])] == [95, 6]
    assert trainer.progress.stage == len(STAGES)


def test_time_that_passes_elsewhere_is_made_up_for(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with measuring, or a disk that is slow: fewer steps then, and the same end."""
    trainer = begun(tmp_path, clock, 2)
    save = trainer.save

    def slow_save() -> None:
        clock.now += 6
        save()

    monkeypatch.setattr(trainer, "save", slow_save)
    start = clock.now
    trainer.run()
    assert_falls(trainer.rates)
    assert len(trainer.rates) < 90  # some saves come before the training's end
    assert clock.now - start <= 120


def test_minutes_that_have_begun_are_counted(tmp_path: Path, clock: Clock) -> None:
    trainer = begun(tmp_path, clock, 2)
    trainer.settings = replace(trainer.settings, began=clock.now - 50)
    trainer.run()
    assert len(trainer.rates) == 51


@pytest.mark.parametrize("minutes", [1.0, 2.0, 5.0])
def test_a_killed_run_finishes_the_plan_in_the_minutes_of_the_next(
    tmp_path: Path, clock: Clock, minutes: float
) -> None:
    """The rate goes on where it was saved, from the middle of the first stage."""
    first = begun(tmp_path, clock, 2)
    first.killed_after = 65
    with pytest.raises(KeyboardInterrupt):
        first.run()
    second = begun(tmp_path, clock, minutes)
    saved = second.progress.step
    assert 30 < saved <= 65
    assert saved_step(tmp_path / "pieces") == saved
    start = clock.now
    second.run()
    assert_falls([*first.rates[:saved], *second.rates])
    assert clock.now - start <= minutes * 60
    assert saved_step(tmp_path / "pieces") == second.progress.step


def test_a_finished_run_is_left_as_it_is(tmp_path: Path, clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    begun(tmp_path, clock, 2).run()
    before = read_pieces(tmp_path / "pieces")
    again = begun(tmp_path, clock, 2)
    again.run()
    assert not again.rates
    assert "the stages of this run are over" in capsys.readouterr().out
    assert all(torch.equal(value, before[name]) for name, value in read_pieces(tmp_path / "pieces").items())


@pytest.fixture
def full_disk() -> Callable[[], AbstractContextManager[None]]:
    """A block in which no file can become larger than 50 KB: the system's own error, and not one that we made up."""
    resource = pytest.importorskip("resource", reason="Windows has no such limit")

    @contextmanager
    def limited() -> Iterator[None]:
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, before[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)

    return limited


def test_training_goes_on_where_a_save_on_the_way_fails(
    tmp_path: Path,
    clock: Clock,
    full_disk: Callable[[], AbstractContextManager[None]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The last one has to succeed, and the state of before stays what it was."""
    trainer = begun(tmp_path, clock, 2)
    trainer.save()
    with full_disk(), pytest.raises(ResourceError, match="cannot write"):
        trainer.run()
    assert trainer.progress.stage == len(STAGES)
    told = capsys.readouterr().out
    assert "not saved after step 95: cannot write" in told  # at the end of the first stage
    assert told.count("not saved") == 4
    assert begun(tmp_path, Clock(), 2).progress.step == 0
    assert saved_step(tmp_path / "pieces") == 0


def test_a_damaged_state_is_told(tmp_path: Path, clock: Clock) -> None:
    begun(tmp_path, clock, 2).save()
    state = tmp_path / "state.pt"
    state.write_bytes(state.read_bytes()[:5000])
    with pytest.raises(ModelCorruptError, match=r"state\.pt: it cannot be read"):
        begun(tmp_path, clock, 2)


def test_weights_of_another_run_are_not_written_over(tmp_path: Path, clock: Clock) -> None:
    """As when the state was on a machine that is gone."""
    begun(tmp_path, clock, 2).save()
    (tmp_path / "state.pt").unlink()
    with pytest.raises(UsageError, match="holds weights already"):
        begun(tmp_path, clock, 2)


def test_fitting_needs_minutes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse_args(["--out", str(tmp_path), "--finish", "--any-faces"])
    assert "--finish needs --minutes" in capsys.readouterr().err


def test_a_sitting_of_no_plan_takes_time_as_it_comes() -> None:
    """As on a CPU, where a plan of many hours is trained in several sittings."""
    free = Sitting.of(2, None, finish=False)
    assert free.planned_seconds(5.0, 7.5, 1000.0) == 2.5
    assert 100 < free.end - time.monotonic() <= 120

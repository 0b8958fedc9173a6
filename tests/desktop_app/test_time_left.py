"""How long an answer will still take."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsvl2_app.state.time_left import RISE_SECONDS, LoadingTime, TimeLeft, rounded
from dsvl2_runtime.answers.estimate import Estimate
from dsvl2_runtime.engine.protocol import Progressed
from dsvl2_runtime.machine.speeds import Measured, Speeds

SPEEDS = Speeds(
    tile=Measured(units=1, total=2.0),
    prompt_token=Measured(units=1, total=0.02),
    answer_token=Measured(units=1, total=0.1),
)
EXPECTED = Estimate(num_tiles=3, prompt_tokens=500, context=4096, answer_tokens=40, fits=True)


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_the_time_of_an_answer_is_the_sum_of_its_steps(clock: Clock) -> None:
    """6 s of tiles, 10 s of reading, 4 s of writing; it goes down with the clock and with what is done."""
    left = TimeLeft(EXPECTED, SPEEDS, clock)
    assert left.remaining().seconds == pytest.approx(20)
    clock.now += 1
    assert left.remaining().seconds == pytest.approx(19)
    clock.now += 1
    left.take(Progressed("vision", 1, 3, 0))
    found = left.remaining()
    assert (found.phase, found.step, found.steps) == ("vision", 1, 3)
    assert found.seconds == pytest.approx(18)
    left.take(Progressed("prefill", 0, 500, 0))
    assert left.remaining().seconds == pytest.approx(14)
    left.take(Progressed("decode", 10, 512, 0))
    assert left.remaining().seconds == pytest.approx(3)


def test_what_this_answer_measures_counts_more(clock: Clock) -> None:
    """The machine may be busy: a quarter of the tiles tells more than all answers before."""
    left = TimeLeft(EXPECTED, SPEEDS, clock)
    left.take(Progressed("vision", 0, 3, 0))
    clock.now += 1
    left.take(Progressed("vision", 1, 3, 0))
    assert left.remaining().seconds == pytest.approx(2 * 1 + 10 + 4)


def test_without_earlier_answers_nothing_is_claimed_until_something_is_measured(clock: Clock) -> None:
    """The step is known all the same."""
    left = TimeLeft(EXPECTED, None, clock)
    assert left.remaining().seconds is None
    left.take(Progressed("prefill", 0, 500, 0))
    clock.now += 5
    left.take(Progressed("prefill", 250, 500, 0))
    assert (left.remaining().step, left.remaining().seconds) == (2, None)
    left.take(Progressed("decode", 1, 512, 0))
    clock.now += 1
    left.take(Progressed("decode", 11, 512, 0))
    assert left.remaining().seconds == pytest.approx(2.9)


def test_an_answer_that_goes_on_beyond_what_was_expected_is_never_at_its_end(clock: Clock) -> None:
    """A second at least, rather than nothing for a minute."""
    left = TimeLeft(EXPECTED, SPEEDS, clock)
    for done in range(1, 200):
        clock.now += 0.1
        left.take(Progressed("decode", done, 512, 0))
        seconds = left.remaining().seconds
        assert seconds is not None
        assert seconds > 0
    assert left.remaining().share < 1


@given(st.lists(st.tuples(st.floats(0, 30), st.integers(0, 500)), min_size=1, max_size=60))
def test_what_is_shown_never_rises_by_more_than_a_fifth(steps: list[tuple[float, int]]) -> None:
    """Within any few seconds, whatever the engine reports; the bar never goes back."""
    clock = Clock()
    left = TimeLeft(EXPECTED, SPEEDS, clock)
    shown: list[tuple[float, float]] = []
    share = 0.0
    for waited, done in steps:
        clock.now += waited
        left.take(Progressed("prefill", done, 500, 0))
        found = left.remaining()
        assert found.seconds is not None
        recent = [seconds for at, seconds in shown if clock.now - at < RISE_SECONDS]
        assert not recent or found.seconds <= min(recent) * 1.2 + 1e-9
        assert found.share >= share
        shown.append((clock.now, found.seconds))
        share = found.share


@pytest.mark.parametrize(("seconds", "shown"), [(0.2, 1), (7.4, 7), (19.6, 20), (21.0, 20), (23.0, 25), (62.0, 60)])
def test_many_seconds_are_told_in_fives(seconds: float, shown: int) -> None:
    """Nobody knows better."""
    assert rounded(seconds) == shown


def test_loading_is_told_by_its_bytes(clock: Clock) -> None:
    """A third of them took ten seconds."""
    loading = LoadingTime(clock)
    assert loading.seconds is None
    clock.now += 10
    loading.take(Progressed("load", 3, 9))
    assert loading.seconds == pytest.approx(20)

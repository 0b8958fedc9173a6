"""One object reports how far a call is, and ends it."""

from __future__ import annotations

import math
import time

import pytest

from dsvl2_runtime import Watch, load_model
from dsvl2_runtime.errors import CancelledError, Dsvl2Error, TimeLimitError
from dsvl2_runtime.graphs import graph_io
from dsvl2_runtime.progress import UNWATCHED, Progress, Stopped
from small_models import MakeBundle, pictures


def test_a_report_reaches_the_caller_as_it_was_made() -> None:
    """Phase, units done and units in all; without a listener nothing happens."""
    told: list[Progress] = []
    Watch(told.append).report("vision", 2, 9)
    assert told == [Progress("vision", 2, 9)]
    UNWATCHED.report("vision", 2, 9)
    UNWATCHED.check()


@pytest.mark.parametrize(
    ("watch", "reason"),
    [
        (Watch(should_stop=lambda: True), "cancelled"),
        (Watch(deadline=0.0), "timeout"),
        (Watch(should_stop=lambda: True, deadline=0.0), "cancelled"),
    ],
    ids=["stop", "deadline", "both"],
)
def test_a_check_ends_the_call_with_its_reason(watch: Watch, reason: str) -> None:
    """A caller who stopped is not told that the time ran out."""
    with pytest.raises(Stopped) as caught:
        watch.check()
    assert caught.value.reason == reason
    assert not isinstance(caught.value, Dsvl2Error)


def test_a_call_goes_on_until_its_deadline() -> None:
    """A deadline that is far away, and a stop that is not asked for."""
    Watch(should_stop=lambda: False, deadline=time.monotonic() + 1e6).check()
    Watch(deadline=math.inf).check()


@pytest.mark.parametrize("graphs", [0, 1, 3])
def test_loading_can_be_stopped_between_graphs(graphs: int, bundle: MakeBundle) -> None:
    """After the graphs that were open by then; the graphs behind them are not opened."""
    told: list[int] = []
    watch = Watch(lambda progress: told.append(progress.done), lambda: told[-1] >= graphs)
    with pytest.raises(CancelledError) as caught:
        load_model(bundle("small", "int4"), threads=1, watch=watch)
    assert told[-1] == graphs
    assert caught.value.exit_code == 130


def test_loading_is_reported_to_its_end(bundle: MakeBundle) -> None:
    """The last report says that all graphs are open, and a load that is complete is not stopped any more."""
    told: list[Progress] = []
    watch = Watch(told.append, lambda: bool(told) and told[-1].done == told[-1].total)
    assert load_model(bundle("small", "int4"), threads=1, watch=watch).name
    assert told[-1] == Progress("load", len(graph_io.GRAPHS), len(graph_io.GRAPHS))


def test_a_call_without_a_partial_result_raises_where_it_was_ended(bundle: MakeBundle) -> None:
    """`next_token_logits` has nothing to give by then; the model answers the next question."""
    model = load_model(bundle("small", "int4"), threads=1)
    with pytest.raises(TimeLimitError) as caught:
        model.next_token_logits("?", pictures(1), watch=Watch(deadline=0.0))
    assert (caught.value.exit_code, caught.value.http_status) == (10, 504)
    with pytest.raises(CancelledError):
        model.next_token_logits("?", pictures(1), watch=Watch(should_stop=lambda: True))
    assert model.next_token_logits("?", pictures(1)).shape == (640,)

"""How much of a card's memory a load takes, keeps and gives back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import accumulate
from pathlib import Path

import pytest

from dsvl2_runtime import load_model
from dsvl2_runtime.bundle.bundle import Bundle
from dsvl2_runtime.graphs.gpu_memory import plan_gpu_memory
from small_models import VARIANTS, pictures
from standin_cuda.launch_log import Event, LaunchLog, kinds

CONTEXT_BYTES = 1_374_000_000
"""What `nvidia-smi` said of an H100 with Small at full size on it (14.680 GB), less what was allocated (13.306)."""
QUESTION = "What is written there?"


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_load_takes_no_more_than_was_planned_and_gives_back_what_it_searched_with(
    variant: str, gpu_bundle: Callable[[str], Path], log: LaunchLog
) -> None:
    """The plan decides whether `auto` takes the card, so a load that is begun must have room to its end."""
    folder = gpu_bundle(variant)
    plan = plan_gpu_memory(Bundle.open(folder))
    mark = log.mark()
    model = load_model(folder, threads=1, provider="cuda")
    while_loading = held(log.since(mark))
    for count in (1, 2):
        model.next_token_logits(QUESTION, pictures(count))
    then = held(log.since(mark))
    model.tune()
    assert max(held(log.since(mark))) <= plan.total - CONTEXT_BYTES
    assert while_loading[-1] < max(while_loading)
    assert max(then[len(while_loading) - 1 :]) < max(while_loading)


def held(events: Sequence[Event]) -> list[int]:
    """Bytes behind each event that takes or frees memory."""
    signs = {"allocate": 1, "free": -1}
    return list(accumulate(signs[event.kind] * event.nbytes for event in kinds(events, *signs)))

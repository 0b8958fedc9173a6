"""What training makes smaller: the losses of a batch, weighed."""

from __future__ import annotations

from torch import Tensor

from dsvl2_demo.training.training_model import Losses, Phase

LAYOUT_WEIGHT: dict[Phase, float] = {"language": 0.0, "vision": 1.0, "joint": 0.5}
IMITATION_WEIGHT = 2.0
BALANCE_WEIGHT = 0.01
GAZE_WEIGHT = 1.0
SLOT_WEIGHT = 0.75


def objective(losses: Losses, phase: Phase) -> Tensor:
    """The weighed sum, a scalar."""
    return (
        losses.answer
        + LAYOUT_WEIGHT[phase] * losses.layout
        + IMITATION_WEIGHT * losses.imitation
        + BALANCE_WEIGHT * losses.balance
        + GAZE_WEIGHT * losses.gaze
        + SLOT_WEIGHT * losses.slots
    )

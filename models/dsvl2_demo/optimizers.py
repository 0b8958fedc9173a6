"""The optimisers of the demo run: Muon for the matrices inside the network, AdamW for everything else.

Muon (Jordan 2024, "Muon: an optimizer for hidden layers") replaces a matrix' update by the nearest orthogonal one. Its
updates are scaled to the size AdamW's would have, so one learning rate serves both.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

MUON_MOMENTUM = 0.95
NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)
"""Coefficients of one round, chosen by Jordan so that small singular values grow fastest."""
NEWTON_SCHULZ_ROUNDS = 5
ADAM_SIZE = 0.2
"""Root mean square of an update of AdamW (Liu et al. 2025, arXiv 2502.16982)."""
ADAM_BETAS = (0.9, 0.98)
WEIGHT_DECAY = 0.05


def orthogonal(matrices: Tensor) -> Tensor:
    """About the nearest matrices whose singular values are all one, `[count, rows, columns] bfloat16`."""
    tall = matrices.shape[1] > matrices.shape[2]
    x = (matrices.mT if tall else matrices).bfloat16()
    x = x / x.norm(dim=(1, 2), keepdim=True).clamp(min=1e-7)
    first, third, fifth = NEWTON_SCHULZ
    for _ in range(NEWTON_SCHULZ_ROUNDS):
        square = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(square, square, square, beta=third, alpha=fifth), x, beta=first)
    return x.mT if tall else x


class Muon(Optimizer):
    """PyTorch's Muon for all matrices of one shape at once: of 184 small ones that takes half the time."""

    def __init__(self, parameters: Iterable[nn.Parameter], learning_rate: float) -> None:
        super().__init__(parameters, {"lr": learning_rate, "weight_decay": WEIGHT_DECAY})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> None:  # type: ignore[override]  # noqa: ARG002
        """One update; what other optimisers do with a closure is not done."""
        for group in self.param_groups:
            of_shape: dict[torch.Size, list[nn.Parameter]] = defaultdict(list)
            for parameter in group["params"]:
                if parameter.grad is not None:
                    of_shape[parameter.shape].append(parameter)
            for shape, parameters in of_shape.items():
                self._step_shape(shape, parameters, group["lr"], group["weight_decay"])

    def _step_shape(self, shape: torch.Size, parameters: list[nn.Parameter], lr: float, weight_decay: float) -> None:
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        for parameter in parameters:
            if "momentum" not in self.state[parameter]:
                self.state[parameter]["momentum"] = torch.zeros_like(parameter)
        momenta = [self.state[parameter]["momentum"] for parameter in parameters]
        torch._foreach_lerp_(momenta, gradients, 1 - MUON_MOMENTUM)
        ahead = torch._foreach_lerp(gradients, momenta, MUON_MOMENTUM)
        updates = orthogonal(torch.stack(list(ahead))).to(parameters[0].dtype)
        weights: list[Tensor] = [*parameters]
        torch._foreach_mul_(weights, 1 - lr * weight_decay)
        torch._foreach_add_(weights, list(updates.unbind()), alpha=-lr * ADAM_SIZE * math.sqrt(max(shape)))


def _is_hidden_matrix(name: str, parameter: nn.Parameter) -> bool:
    outer = ("embed", "lm_head", "layout_", "slot_heads", "pos_", "gate.weight", "image_newline", "seperator")
    return parameter.ndim == 2 and not any(part in name for part in outer)


def optimizers_for(model: nn.Module, learning_rate: float) -> list[Optimizer]:
    """Optimisers over the parameters that require gradients."""
    named = [(name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad]
    hidden = [parameter for name, parameter in named if _is_hidden_matrix(name, parameter)]
    chosen = {id(parameter) for parameter in hidden}
    others = [parameter for _, parameter in named if id(parameter) not in chosen]
    groups = [
        {"params": [parameter for parameter in others if parameter.ndim >= 2], "weight_decay": WEIGHT_DECAY},
        {"params": [parameter for parameter in others if parameter.ndim < 2], "weight_decay": 0.0},
    ]
    optimizers: list[Optimizer] = [torch.optim.AdamW(groups, lr=learning_rate, betas=ADAM_BETAS, foreach=True)]
    return [*optimizers, Muon(hidden, learning_rate)] if hidden else optimizers

"""The optimisers of the demo run: Muon for the matrices inside the network, AdamW for everything else.

Muon (Jordan 2024, "Muon: an optimizer for hidden layers") replaces a matrix' update by the nearest orthogonal one.
PyTorch's takes one matrix after the other, here 191 and more of them; this one takes all of one shape at once, which a
GPU needs and a CPU gains from. Updates are scaled to the size AdamW's would have, so one learning rate serves both.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from dsvl2_demo.training.arithmetic import products_type

MUON_MOMENTUM = 0.95
ADAM_BETAS = (0.9, 0.98)
WEIGHT_DECAY = 0.05
NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)
"""Coefficients of the quintic iteration, and of how many steps."""
NEWTON_SCHULZ_STEPS = 5
UPDATE_RMS = 0.2
"""Of an AdamW update, about (arXiv 2502.16982)."""


class StackedMuon(Optimizer):
    """Muon over stacks of equal matrices, with Nesterov momentum and decoupled weight decay."""

    def __init__(
        self, parameters: Sequence[nn.Parameter], lr: float, momentum: float = MUON_MOMENTUM,
        weight_decay: float = WEIGHT_DECAY,
    ) -> None:  # fmt: skip
        super().__init__(parameters, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """One update; parameters without a gradient have one of zero."""
        loss = None if closure is None else closure()
        for group in self.param_groups:
            shapes: dict[tuple[int, ...], list[nn.Parameter]] = defaultdict(list)
            for parameter in group["params"]:
                shapes[tuple(parameter.shape)].append(parameter)
            for parameters in shapes.values():
                self._update(parameters, group)
        return loss

    def _update(self, parameters: list[nn.Parameter], group: dict[str, Any]) -> None:
        state = self.state[parameters[0]]
        gradients = [torch.zeros_like(each) if each.grad is None else each.grad for each in parameters]
        gradient = torch.stack(gradients)
        if "momentum" not in state:
            state["momentum"] = torch.zeros_like(gradient)
        momentum: Tensor = state["momentum"]
        momentum.lerp_(gradient, 1 - group["momentum"])
        update = orthogonal(gradient.lerp(momentum, group["momentum"]))
        rows, columns = update.shape[-2:]
        scale = group["lr"] * UPDATE_RMS * max(rows, columns) ** 0.5
        tensors: list[Tensor] = list(parameters)
        torch._foreach_mul_(tensors, 1 - group["lr"] * group["weight_decay"])
        torch._foreach_add_(tensors, list(update.to(gradient.dtype).unbind(0)), alpha=-scale)


def orthogonal(matrices: Tensor) -> Tensor:
    """The nearest orthogonal matrices of `[count, rows, columns]`, about, in the type of `products_type`."""
    a, b, c = NEWTON_SCHULZ
    x = matrices.to(products_type(matrices.device))
    tall = x.shape[-2] > x.shape[-1]
    x = x.mT if tall else x
    x = x / x.norm(dim=(-2, -1), keepdim=True).clamp(min=1e-7)
    for _ in range(NEWTON_SCHULZ_STEPS):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.mT if tall else x


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
    fused = named[0][1].is_cuda
    optimizers: list[Optimizer] = [
        torch.optim.AdamW(groups, lr=learning_rate, betas=ADAM_BETAS, fused=fused, foreach=not fused)
    ]
    if hidden:
        optimizers.append(StackedMuon(hidden, learning_rate))
    return optimizers

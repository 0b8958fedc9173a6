"""The optimisers of the demo run: Muon for the matrices inside the network, AdamW for everything else.

Muon (Jordan 2024, "Muon: an optimizer for hidden layers") replaces a matrix' update by the nearest orthogonal one; it
is part of PyTorch. Its updates are scaled to the size AdamW's would have, so one learning rate serves both.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.optim import Optimizer

MUON_MOMENTUM = 0.95
ADAM_BETAS = (0.9, 0.98)
WEIGHT_DECAY = 0.05


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
    if hidden:
        optimizers.append(
            torch.optim.Muon(
                hidden,
                lr=learning_rate,
                momentum=MUON_MOMENTUM,
                weight_decay=WEIGHT_DECAY,
                adjust_lr_fn="match_rms_adamw",
            )
        )
    return optimizers

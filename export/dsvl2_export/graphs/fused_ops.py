"""Operators of ONNX Runtime that the vision tower is traced with, in place of the many small ones PyTorch would give.

`MultiHeadAttention` works through attention in blocks instead of writing all scores to memory, and needs no transposes;
`FastGelu` is one pass instead of eight. In PyTorch they compute what the reference network computes; only the tracer
sees another name.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from dsvl2_export.graphs.operators import traced_attention, traced_gelu
from dsvl2_export.network.vision import attend, tanh_gelu


class _Attention(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, q: Tensor, k: Tensor, v: Tensor, heads: int) -> Tensor:  # noqa: ARG004
        return attend(q, k, v, heads)

    symbolic = staticmethod(traced_attention)


class _Gelu(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, x: Tensor) -> Tensor:  # noqa: ARG004
        return tanh_gelu(x)

    symbolic = staticmethod(traced_gelu)


def fused_attend(q: Tensor, k: Tensor, v: Tensor, heads: int) -> Tensor:
    """Computes `attend`, traced as one node."""
    out: Tensor = _Attention.apply(q, k, v, heads)  # type: ignore[no-untyped-call]
    return out


def fused_gelu(x: Tensor) -> Tensor:
    """Computes `tanh_gelu`, traced as one node."""
    out: Tensor = _Gelu.apply(x)  # type: ignore[no-untyped-call]
    return out

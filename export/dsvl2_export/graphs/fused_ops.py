"""Operators of ONNX Runtime that the vision tower is traced with, in place of the many small ones PyTorch would give.

`MultiHeadAttention` works through attention in blocks instead of writing all scores to memory, and needs no transposes;
`FastGelu` is one pass instead of eight. Both are in `docs/ContribOperators.md` of ONNX Runtime. In PyTorch they compute
what the reference network computes; only the tracer sees another name.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from dsvl2_export.network.vision import VisionAttention, VisionMLP


class MultiHeadAttention(torch.autograd.Function):
    """q, k and v [num_tiles, patches, width] -> [num_tiles, patches, width]."""

    @staticmethod
    def forward(context: Any, q: Tensor, k: Tensor, v: Tensor, heads: int) -> Tensor:  # noqa: ARG004
        """Full attention over all patches, scaled by the root of a head's width."""
        tiles, patches, width = q.shape
        shape = (tiles, patches, heads, width // heads)
        q, k, v = (rows.reshape(shape).transpose(1, 2) for rows in (q, k, v))
        return F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(tiles, patches, width)

    @staticmethod
    def symbolic(graph: Any, q: Any, k: Any, v: Any, heads: int) -> Any:
        """One node; its default scale is ours."""
        return graph.op("com.microsoft::MultiHeadAttention", q, k, v, num_heads_i=heads).setType(q.type())


class FastGelu(torch.autograd.Function):
    """The tanh approximation of GELU."""

    @staticmethod
    def forward(context: Any, x: Tensor) -> Tensor:  # noqa: ARG004
        """Any shape."""
        return F.gelu(x, approximate="tanh")

    @staticmethod
    def symbolic(graph: Any, x: Any) -> Any:
        """One node."""
        return graph.op("com.microsoft::FastGelu", x).setType(x.type())


def _attention(self: VisionAttention, x: Tensor) -> Tensor:
    q, k, v = self.qkv(x).split(x.shape[-1], dim=-1)
    out: Tensor = self.proj(MultiHeadAttention.apply(q, k, v, self.heads))  # type: ignore[no-untyped-call]
    return out


def _mlp(self: VisionMLP, x: Tensor) -> Tensor:
    out: Tensor = self.fc2(FastGelu.apply(self.fc1(x)))  # type: ignore[no-untyped-call]
    return out


@contextmanager
def fused_vision() -> Iterator[None]:
    """While the block runs, vision towers are made of these operators."""
    with mock.patch.object(VisionAttention, "forward", _attention), mock.patch.object(VisionMLP, "forward", _mlp):
        yield

"""The protocol by which graph writers ask for quantised weights, whatever the method."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from dsvl2_quant.formats.blocks import BlockFormat, BlockWeight
from dsvl2_quant.formats.columns import ColumnFormat, ColumnWeight


@dataclass(frozen=True, slots=True)
class LinearInput:
    """The activations that a weight is multiplied with: the input of a linear layer of the reference network.

    Graphs fuse, reorder and cut the rows of a checkpoint's tensors, so a weight in a graph has no tensor name of its
    own. Its input is the same all the same, and a method that looks at activations needs only the input.
    """

    layer: str
    """Name of the layer in the reference network, such as `language.model.layers.3.self_attn.q_proj`."""
    features: range | None = None
    """Which features of that input, where the layer was cut along its input; None for all."""


class Quantizer(Protocol):
    """Chooses the integers and scales of weights. Two threads may ask at the same time."""

    @property
    def identity(self) -> str:
        """A line that changes whenever the same weight would be quantised differently."""

    def blocks(self, weight: NDArray[np.float32], form: BlockFormat, reads: LinearInput | None) -> BlockWeight:
        """Quantise a weight [out_features, in_features] to blocks along its input.

        Args:
            weight: float32.
            form: bits and block size.
            reads: the activations it is multiplied with; None where no linear layer has them as its input.

        Raises:
            UsageError: a value is not finite.
        """

    def columns(self, weight: NDArray[np.float32], form: ColumnFormat, reads: LinearInput | None) -> ColumnWeight:
        """Quantise a weight [..., in_features, out_features], ready for `A B`, with one scale per column.

        Args:
            weight: float32.
            form: the format.
            reads: as for `blocks`.
        """

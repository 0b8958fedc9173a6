"""What surrounds products in a decoder, in NumPy with the roundings of the kernels (`norm.h`, `router.h`)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kernels.block_reference import LANES, chosen, fma

F = np.float32
DEPTH = 512
"""Features whose products the router adds before the next ones begin."""


def rms_norm(x: NDArray[F], gamma: NDArray[F], epsilon: float) -> NDArray[F]:
    """[rows, features], normalised; squares are added to 16 sums in turns."""
    rows, features = x.shape
    padded = np.zeros((rows, -(-features // LANES) * LANES), F)
    padded[:, :features] = x * x
    sums = np.zeros((LANES, rows), F)
    for squares in padded.reshape(rows, padded.shape[1] // LANES, LANES).transpose(1, 2, 0):
        sums = sums + squares
    while len(sums) > 1:
        half = len(sums) // 2
        sums = sums[:half] + sums[half:]
    factor = F(1) / np.sqrt(sums[0] / F(features) + F(epsilon))
    result: NDArray[F] = x * factor[:, None] * gamma
    return result


def rotated(x: NDArray[F], cos: NDArray[F], sin: NDArray[F]) -> NDArray[F]:
    """[positions, heads, rope] with the angles [positions, rope / 2] of pairs (2i, 2i + 1)."""
    even, odd, c, s = x[..., 0::2], x[..., 1::2], cos[:, None], sin[:, None]
    return np.stack([even * c - odd * s, even * s + odd * c], -1).reshape(x.shape)


@dataclass(frozen=True)
class Gate:
    """A router's matrix and how it scores."""

    matrix: NDArray[F]
    """[hidden, routed]."""
    bias: NDArray[F] | None = None
    """[routed], where scores are sigmoids."""
    shared: int = 0
    renormalize: bool = False
    scaling: float = 1.0

    def logits(self, x: NDArray[F]) -> NDArray[F]:
        """[tokens, routed]."""
        total: NDArray[F] | None = None
        for first in range(0, x.shape[1], DEPTH):
            part = np.zeros((len(x), self.matrix.shape[1]), F)
            for k in range(first, min(first + DEPTH, x.shape[1])):
                part = fma(np.broadcast_to(x[:, k : k + 1], part.shape), self.matrix[k], part)
            total = part if total is None else total + part
        assert total is not None
        return total

    def values(self, x: NDArray[F], k: int) -> tuple[NDArray[F], NDArray[F]]:
        """(choice, weights), [tokens, routed + shared] each, as `Experts` takes them where it has no gate."""
        logits = self.logits(x).astype(np.float64)
        if self.bias is None:
            scores = np.exp(logits - logits.max(-1, keepdims=True))
            scores /= scores.sum(-1, keepdims=True)
            choice = logits.astype(F)
        else:
            scores = 1 / (1 + np.exp(-logits))
            choice = scores.astype(F) + self.bias
        if self.renormalize:
            kept = np.take_along_axis(scores, chosen(choice, k - self.shared), -1)
            scores /= kept.sum(-1, keepdims=True) + 1e-20
        tokens = len(x)
        always = np.full((tokens, self.shared), 1e4, F)
        weights = np.concatenate([scores * self.scaling, np.ones((tokens, self.shared))], -1).astype(F)
        return np.concatenate([choice, always], -1), weights

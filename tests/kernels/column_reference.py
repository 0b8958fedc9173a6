"""Products with int8 columns in NumPy, with the kernels' roundings in their order (`kernels/source/columns.h`)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kernels.block_reference import LANES, exp, fma

F = np.float32
SMALLEST_SPAN = F(1e-30)


@dataclass(frozen=True)
class Layer:
    """What one `ColumnLinear` holds; what it can do without is None."""

    weight: NDArray[np.int8]
    """[depth, width]."""
    scales: NDArray[F]
    """[width]."""
    bias: NDArray[F] | None = None
    norm: tuple[NDArray[F], NDArray[F]] | None = None
    """gamma and beta, [depth] each."""
    epsilon: float = 1e-6
    gelu: bool = False


def span(x: NDArray[F]) -> tuple[F, F]:
    """What the values lie between, zero among them."""
    return min(F(0), x.min(initial=0)), max(F(0), x.max(initial=0))


def quantization(least: F, most: F) -> tuple[F, int]:
    """Scale and zero point, as `DynamicQuantizeLinear` of ONNX defines them."""
    if most - least < SMALLEST_SPAN:
        return F(1), 0
    scale = (most - least) / F(255)
    return scale, int(np.rint(np.clip(F(0) - least / scale, F(0), F(255))))


def quantize(x: NDArray[F], scale: F, zero_point: int) -> NDArray[np.int64]:
    """Integers from 0 to 255."""
    rounded = np.rint(np.clip(x / scale, F(-zero_point), F(255 - zero_point)))
    return np.asarray(rounded + F(zero_point), np.int64)


def lane_sums(terms: NDArray[F]) -> NDArray[F]:
    """[rows, n] -> [rows, 1]: value i goes to lane i % 16, in order; then lanes i and i + 8, i + 4, i + 2, i + 1."""
    lanes = np.zeros((len(terms), LANES), F)
    for first in range(0, terms.shape[1], LANES):
        part = terms[:, first : first + LANES]
        lanes[:, : part.shape[1]] += part
    while lanes.shape[1] > 1:
        half = lanes.shape[1] // 2
        lanes = lanes[:, :half] + lanes[:, half:]
    return lanes


def normalize(x: NDArray[F], gamma: NDArray[F], beta: NDArray[F], epsilon: float) -> NDArray[F]:
    """[rows, n] -> the same."""
    count = F(x.shape[1])
    centred = x - lane_sums(x) / count
    factor = F(1) / np.sqrt(lane_sums(centred * centred) / count + F(epsilon))
    return np.asarray(centred * factor * gamma + beta, F)


def gelu(x: NDArray[F]) -> NDArray[F]:
    """The tanh approximation, written with one exponential."""
    z = x * fma(x * x, np.full_like(x, 0.0713548163), F(1.5957691216))
    return np.asarray(x / (exp(F(0) - z) + F(1)), F)


def column_linear(x: NDArray[F], layer: Layer, residual: NDArray[F] | None = None) -> NDArray[F]:
    """[rows, depth] -> [rows, width]."""
    if layer.norm is not None:
        x = normalize(x, *layer.norm, layer.epsilon)
    scale, zero_point = quantization(*span(x))
    sums = (quantize(x, scale, zero_point) - zero_point) @ layer.weight.astype(np.int64)
    y = sums.astype(F) * (scale * layer.scales)
    if layer.bias is not None:
        y += layer.bias
    if layer.gelu:
        y = gelu(y)
    if residual is not None:
        y += residual
    return np.asarray(y, F)

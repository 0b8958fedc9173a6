"""Block products and experts in NumPy, with the roundings of the kernels in their order (`kernels/source/blocks.h`)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

F = np.float32
LANES = 16
FEW_ROWS = {4: 6, 8: 3}
"""By bits: up to so many rows are multiplied row by row, with 16 sums to a product."""


def fma(a: NDArray[F], b: NDArray[F] | F, c: NDArray[F] | F) -> NDArray[F]:
    """`a * b + c`, rounded once: the product is exact in 64 bits of mantissa, and the sum is next to exact."""
    return np.asarray(np.longdouble(a) * np.longdouble(b) + np.longdouble(c), F)


def quantize(x: NDArray[F], block: int) -> tuple[NDArray[np.int64], NDArray[F]]:
    """[rows, features] -> integers [rows, blocks, block] and scales [rows, blocks]."""
    rows, features = x.shape
    blocks = -(-features // block)
    padded = np.zeros((rows, blocks * block), F)
    padded[:, :features] = x
    padded = padded.reshape(rows, blocks, block)
    most = np.abs(padded).max(-1)
    zero = most < F(1e-30)
    inverse = np.divide(F(127), most, out=np.zeros_like(most), where=~zero)
    integers = np.rint(padded * inverse[..., None]).astype(np.int64)
    return integers, np.where(zero, F(0), most / F(127)).astype(F)


def unpack(packed: NDArray[np.uint8], bits: int, block: int) -> NDArray[np.int64]:
    """[.., rows, bytes] -> integers minus zero point, [.., rows, blocks, block]."""
    halves = np.stack([packed & 15, packed >> 4], -1).reshape(*packed.shape[:-1], -1)
    values = halves if bits == 4 else packed
    return values.reshape(*values.shape[:-1], -1, block).astype(np.int64) - (8 if bits == 4 else 128)


def products(x: NDArray[F], packed: NDArray[np.uint8], scales: NDArray[F], bits: int, block: int) -> NDArray[F]:
    """`MatMulNBits`: [rows, features], [n, bytes], [n, blocks] -> [rows, n]."""
    a, a_scales = quantize(x, block)
    w = unpack(packed, bits, block)
    blocks = w.shape[1]
    lanes = 1 if len(x) > FEW_ROWS[bits] else LANES
    sums = np.zeros((lanes, len(x), len(w)), F)
    for b in range(blocks):
        exact = (a[:, b] @ w[:, b].T).astype(F)  # below 2^24
        factor = scales[None, :, b] * a_scales[:, b, None]
        sums[b % lanes] = fma(exact, factor, sums[b % lanes])
    while len(sums) > 1:
        half = len(sums) // 2
        sums = sums[:half] + sums[half:]
    return np.asarray(sums[0])


def exp(x: NDArray[F]) -> NDArray[F]:
    """The polynomial of `exponential` in blocks.h."""
    x = np.clip(x, F(-87), F(88))
    n = np.rint(x * F(1.44269504))
    r = fma(-n, F(0.693359375), x)
    r = fma(-n, F(-2.12194440e-4), r)
    polynomial = [F(c) for c in (1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3)]
    polynomial += [F(c) for c in (4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1)]
    p = np.full_like(x, polynomial[0])
    for c in polynomial[1:]:
        p = fma(p, r, c)
    return np.asarray(np.ldexp(fma(p * r, r, r + F(1)), n.astype(np.int32)), F)


def swiglu(gate: NDArray[F], up: NDArray[F]) -> NDArray[F]:
    """`gate * sigmoid(gate) * up`."""
    return np.asarray(gate * up / (exp(-gate) + F(1)), F)


def chosen(choice: NDArray[F], k: int) -> NDArray[np.int64]:
    """The k highest of each row, the first of equals: indices [tokens, k]."""
    return np.argsort(-choice, axis=-1, kind="stable")[:, :k]


def experts(
    x: NDArray[F],
    choice: NDArray[F],
    weights: NDArray[F],
    gate_up: tuple[NDArray[np.uint8], NDArray[F]],
    down: tuple[NDArray[np.uint8], NDArray[F]],
    k: int,
    bits: int,
    block: int,
) -> NDArray[F]:
    """[tokens, hidden] -> [tokens, hidden]; rows g0, u0, g1, u1, …, and an expert's tokens together."""
    y = np.zeros_like(x)
    selected = chosen(choice, k)
    for expert in range(len(gate_up[0])):
        tokens = np.nonzero((selected == expert).any(-1))[0]
        if len(tokens) == 0:
            continue
        both = products(x[tokens], gate_up[0][expert], gate_up[1][expert], bits, block)
        h = swiglu(both[:, 0::2], both[:, 1::2])
        out = products(h, down[0][expert], down[1][expert], bits, block)
        y[tokens] = fma(out, weights[tokens, expert][:, None], y[tokens])
    return y

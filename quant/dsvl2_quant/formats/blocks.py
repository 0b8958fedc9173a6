"""Symmetric block formats: the weights of `MatMulNBits` and `QMoE`, quantised and back.

A row of a weight [out_features, in_features] is cut into blocks along in_features; a block is stored as integers and
one float32 scale, value = (integer - zero_point) * scale with zero_point 8 (4 bit) or 128 (8 bit). The last block of a
row may be partial; it is filled with zeros. Layout: `docs/ContribOperators.md`, MatMulNBits, of ONNX Runtime.
Asymmetric blocks are not offered: with AVX2 alone ONNX Runtime computes them wrongly (microsoft/onnxruntime#29853).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dsvl2_runtime.errors import UsageError

SMALLEST_BLOCK = 16
"""Elements; ONNX Runtime has no kernel below (`matmul_nbits.cc`)."""
CHUNK_ELEMENTS = 1 << 18
"""Values quantised at a time: their temporaries stay in the second-level cache, which doubles the rate."""
SHRINKS = tuple(1 - step * 0.035 for step in range(8))
"""Candidate scales relative to the one that represents the block's extreme value exactly."""


@dataclass(frozen=True, slots=True)
class BlockWeight:
    """A quantised weight."""

    packed: NDArray[np.uint8]
    """[out_features, blocks, block_size * bits / 8]; 4-bit values in pairs, the first one in the low nibble."""
    scales: NDArray[np.float32]
    """[out_features, blocks]; may be negative."""
    bits: int
    block_size: int
    in_features: int


def pack_int4(values: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """[..., n] of 0..15 -> [..., n / 2], the first of each pair in the low nibble; n is even."""
    return values[..., 0::2] | np.left_shift(values[..., 1::2], 4, dtype=np.uint8)


def unpack_int4(packed: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The inverse of `pack_int4`."""
    values = np.empty((*packed.shape[:-1], packed.shape[-1] * 2), np.uint8)
    values[..., 0::2] = packed & 15
    values[..., 1::2] = packed >> 4
    return values


def quantize_blocks(weight: NDArray[np.float32], bits: int, block_size: int) -> BlockWeight:
    """Quantise a weight.

    The block's value of largest magnitude maps to the lowest integer, which the symmetric range has one of more than
    positive ones; so the scale takes the opposite sign of that value. In 4 bit some smaller scales are tried as well
    and each block keeps the one with the least squared error.

    Args:
        weight: [out_features, in_features] float32.
        bits: 4 or 8.
        block_size: elements, a power of two from 16.

    Raises:
        UsageError: bits or block_size is not one that ONNX Runtime has kernels for, or a value is not finite.
    """
    _check_format(bits, block_size)
    out_features, in_features = weight.shape
    blocks = -(-in_features // block_size)
    packed = np.empty((out_features, blocks, block_size * bits // 8), np.uint8)
    scales = np.empty((out_features, blocks), np.float32)
    step = max(1, CHUNK_ELEMENTS // (blocks * block_size))
    for start in range(0, out_features, step):
        rows = slice(start, start + step)
        chunk = np.zeros((len(weight[rows]), blocks * block_size), np.float32)
        chunk[:, :in_features] = weight[rows]
        if not np.isfinite(chunk).all():
            raise UsageError("the weight holds values that are not finite, which no block format can store")
        values, scales[rows] = _quantize(chunk.reshape(-1, blocks, block_size), bits)
        packed[rows] = pack_int4(values) if bits == 4 else values
    return BlockWeight(packed, scales, bits, block_size, in_features)


def dequantize_blocks(weight: BlockWeight) -> NDArray[np.float32]:
    """What the kernels compute with: [out_features, in_features] float32."""
    values = unpack_int4(weight.packed) if weight.bits == 4 else weight.packed
    zero_point = np.float32(1 << (weight.bits - 1))
    full = (values.astype(np.float32) - zero_point) * weight.scales[..., None]
    return full.reshape(len(full), -1)[:, : weight.in_features]


def _quantize(blocks: NDArray[np.float32], bits: int) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """[rows, blocks, block_size] -> integers of the same shape and scales [rows, blocks]."""
    lowest, highest = -(1 << (bits - 1)), (1 << (bits - 1)) - 1
    at = np.abs(blocks).argmax(axis=-1, keepdims=True)
    extreme = np.take_along_axis(blocks, at, axis=-1)[..., 0] / np.float32(lowest)
    best_error = np.full(extreme.shape, np.nan, np.float32)
    best_scale = extreme.copy()
    best, rounded, difference = np.zeros_like(blocks), np.empty_like(blocks), np.empty_like(blocks)
    for shrink in SHRINKS if bits == 4 else SHRINKS[:1]:
        scale = extreme * np.float32(shrink)
        with np.errstate(divide="ignore", over="ignore"):
            inverse = np.where(scale == 0, np.float32(0), np.float32(1) / scale)
        # A subnormal scale has no finite inverse; such a block is as good as zero.
        inverse[~np.isfinite(inverse)] = 0
        np.multiply(blocks, inverse[..., None], out=rounded)
        np.rint(rounded, out=rounded)
        np.clip(rounded, lowest, highest, out=rounded)
        np.multiply(rounded, scale[..., None], out=difference)
        np.subtract(difference, blocks, out=difference)
        error = np.einsum("rbk,rbk->rb", difference, difference)
        # The first scale is taken even where squares of huge values overflow.
        better = ~(error >= best_error)
        np.copyto(best_error, error, where=better)
        np.copyto(best_scale, scale, where=better)
        np.copyto(best, rounded, where=better[..., None])
    zero_point = 1 << (bits - 1)
    return (best + np.float32(zero_point)).astype(np.uint8), best_scale


def interleave_gate_up(gate: NDArray[np.float32], up: NDArray[np.float32]) -> NDArray[np.float32]:
    """Rows g0, u0, g1, u1, …: two [intermediate, hidden] -> [2 * intermediate, hidden].

    The only order of `QMoE`'s first weight that the CPU kernel takes (swiglu_fusion=1, `moe_quantization_cpu.cc`).
    """
    return np.stack([gate, up], axis=1).reshape(-1, gate.shape[-1])


def fitting_block_size(sizes: Sequence[int], preferred: int) -> int:
    """The largest power of two, at most `preferred`, that divides every size; `QMoE` takes no partial blocks.

    Raises:
        UsageError: there is none of at least 16.
    """
    block_size = preferred
    while block_size >= SMALLEST_BLOCK:
        if all(size % block_size == 0 for size in sizes):
            return block_size
        block_size //= 2
    raise UsageError(
        f"sizes {', '.join(map(str, sizes))} have no common block of at least {SMALLEST_BLOCK}; "
        "export this model with --precision fp32"
    )


def _check_format(bits: int, block_size: int) -> None:
    if bits not in (4, 8):
        raise UsageError(f"{bits} bits per weight were asked for; there are kernels for 4 and 8")
    if block_size < SMALLEST_BLOCK or block_size & (block_size - 1):
        raise UsageError(f"a block of {block_size} was asked for; it must be a power of two from {SMALLEST_BLOCK}")

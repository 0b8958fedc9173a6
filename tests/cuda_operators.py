"""The operators of the graphs for a GPU in NumPy, as ONNX Runtime's CUDA kernels compute them.

Each computes in float32 and rounds to the type of its input, as the kernels do. `QMoE` reads the packed layout and
takes its weights from the logits alone: softmax over all of them, the highest `k` kept as they are. Sources: ONNX's
operator definitions, `docs/ContribOperators.md` of ONNX Runtime.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

Array = NDArray[Any]
F32 = np.float32
TYPES: dict[int, Any] = {
    TensorProto.FLOAT: np.float32,
    TensorProto.FLOAT16: np.float16,
    TensorProto.BFLOAT16: ml_dtypes.bfloat16,
    TensorProto.INT64: np.int64,
    TensorProto.BOOL: np.bool_,
}


class Graph:
    """A graph with its weights, to be run more than once."""

    def __init__(self, path: Path) -> None:
        self.model = onnx.load(str(path))
        self._weights = {tensor.name: numpy_helper.to_array(tensor) for tensor in self.model.graph.initializer}
        self._nodes = [
            (node, {entry.name: helper.get_attribute_value(entry) for entry in node.attribute})
            for node in self.model.graph.node
        ]

    def run(self, feeds: dict[str, Array]) -> dict[str, Array]:
        """The values of all its tensors by name."""
        values = self._weights | feeds
        for node, attributes in self._nodes:
            inputs = [values[name] if name else None for name in node.input]
            found = OPERATORS[node.op_type](inputs, attributes)
            for name, value in zip(node.output, found if isinstance(found, list) else [found], strict=False):
                values[name] = value
        return values


def evaluate(path: Path, feeds: dict[str, Array]) -> dict[str, Array]:
    """Run a graph once; the values of all its tensors by name."""
    return Graph(path).run(feeds)


def once(source: Array, x: Array, make: Callable[[], Array]) -> Array:
    """What is made of a weight for activations of the type of `x`; made again only where the weight is another one."""
    key = id(source), x.dtype.str
    if key not in MADE or MADE[key][0] is not source:
        MADE[key] = source, make()
    return MADE[key][1]


MADE: dict[tuple[int, str], tuple[Array, Array]] = {}
"""Keeps the weights as well, so that no other one is given the number of one that is gone."""


def like(x: Array, value: Array) -> Array:
    """Rounded to the type of an input."""
    return np.asarray(value).astype(x.dtype)


def floats(function: Callable[..., Array]) -> Callable[[list[Any], dict[str, Any]], Array]:
    """An elementwise operator: computed in float32, rounded to the type of its first input."""
    return lambda inputs, _: like(inputs[0], function(*(np.asarray(x, F32) for x in inputs)))


def softmax(x: Array) -> Array:
    powers = np.exp(x - x.max(-1, keepdims=True))
    result: Array = powers / powers.sum(-1, keepdims=True)
    return result


def rms(x: Array, weight: Array, epsilon: float) -> Array:
    wide = x.astype(F32)
    normed = wide / np.sqrt((wide * wide).mean(-1, keepdims=True) + F32(epsilon))
    return like(x, normed * weight.astype(F32))


def skip_norm(inputs: list[Any], attributes: dict[str, Any]) -> list[Any]:
    total = like(inputs[0], inputs[0].astype(F32) + inputs[1].astype(F32))
    return [rms(total, inputs[2], attributes["epsilon"]), None, None, total]


def layer_norm(inputs: list[Any], attributes: dict[str, Any]) -> Array:
    x = inputs[0].astype(F32)
    normed = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + F32(attributes["epsilon"]))
    return like(inputs[0], normed * inputs[1].astype(F32) + inputs[2].astype(F32))


def dequantized(packed: Array, scales: Array, bits: int, block: int, in_features: int) -> Array:
    """[out, bytes] of raw blocks and [out, blocks] -> [out, in]."""
    values = packed if bits == 8 else np.stack([packed & 15, packed >> 4], -1).reshape(len(packed), -1)
    whole = (values.astype(F32) - (1 << bits - 1)).reshape(len(packed), -1, block) * scales.astype(F32)[..., None]
    result: Array = whole.reshape(len(packed), -1)[:, :in_features]
    return result


def block_linear(inputs: list[Any], a: dict[str, Any]) -> Array:
    x, packed, scales = inputs

    def matrix() -> Array:
        raw = packed.reshape(a["N"], -1)
        weight = dequantized(raw, scales.reshape(a["N"], -1), a["bits"], a["block_size"], a["K"])
        return like(x, weight).astype(F32)  # the kernel dequantises to the type of x

    return like(x, x.astype(F32) @ once(packed, x, matrix).T)


def unpack(packed: Array, out_features: int, in_features: int, bits: int) -> Array:
    """Bytes of one expert in the layout of the GPU -> integers [out, in]."""
    flat = packed.reshape(-1)
    values = flat if bits == 8 else np.stack([flat & 15, flat >> 4], -1).reshape(-1)
    half = 16 // bits
    words = values.reshape(-1, 2, half).transpose(0, 2, 1).reshape(-1)  # evens and odds of each word joined again
    tiles = words.reshape(out_features // half, in_features // 64, half, 64)
    columns = tiles.transpose(0, 2, 1, 3).reshape(out_features, in_features)
    order = np.arange(half * 8).reshape(half, 4, 2).transpose(1, 0, 2).reshape(-1)
    rows = (np.arange(0, in_features, len(order))[:, None] + order).reshape(-1)
    found = np.empty_like(columns)
    found[:, rows] = columns
    return found


def experts(inputs: list[Any], a: dict[str, Any]) -> Array:
    x, logits, gate_up, gate_up_scales, _, down, down_scales = inputs
    bits, block, hidden = a["expert_weight_bits"], a["block_size"], x.shape[-1]
    inner = down.shape[-1] * 8 // bits

    def matrices(packed: Array, scales: Array, out_features: int, in_features: int) -> Array:
        def matrix(one: Array, its_scales: Array) -> Array:
            values = unpack(one, out_features, in_features, bits).astype(F32) - (1 << bits - 1)
            whole = values.reshape(out_features, -1, block) * its_scales.astype(F32)[..., None]
            return like(x, whole.reshape(out_features, in_features)).astype(F32)

        return once(packed, x, lambda: np.stack([matrix(*pair) for pair in zip(packed, scales, strict=True)]))

    weights = softmax(logits.astype(F32))
    chosen = np.argsort(-logits.astype(F32), axis=-1, kind="stable")[:, : a["k"]]
    first = matrices(gate_up, gate_up_scales, 2 * inner, hidden)
    second = matrices(down, down_scales, hidden, inner)
    result = np.zeros(x.shape, F32)
    for expert in range(len(gate_up)):
        tokens = np.flatnonzero((chosen == expert).any(-1))
        if not len(tokens):
            continue
        both = like(x, x[tokens].astype(F32) @ first[expert].T)
        gate, up = both[:, 0::2].astype(F32), both[:, 1::2].astype(F32)
        activated = like(x, gate / (1 + np.exp(-gate)) * up).astype(F32)
        found = like(x, activated @ second[expert].T).astype(F32)
        result[tokens] += weights[tokens, expert, None] * found
    return like(x, result)


def rotary(inputs: list[Any], a: dict[str, Any]) -> Array:
    """[1, seq, heads * rope] with tables [context, rope / 2]."""
    x, positions, cos, sin = inputs
    c, s = (table[positions[0]].astype(F32)[:, None] for table in (cos, sin))  # [seq, 1, rope / 2]
    heads = x[0].astype(F32).reshape(x.shape[1], -1, 2 * cos.shape[1])
    half = cos.shape[1]
    first, second = (heads[..., 0::2], heads[..., 1::2]) if a["interleaved"] else (heads[..., :half], heads[..., half:])
    turned = first * c - second * s, second * c + first * s
    joined = np.stack(turned, -1).reshape(heads.shape) if a["interleaved"] else np.concatenate(turned, -1)
    return like(x, joined.reshape(x.shape))


def attention(inputs: list[Any], a: dict[str, Any]) -> Array:
    q, k, v, *rest = inputs
    bias = rest[2].astype(F32)[0] if len(rest) == 3 else F32(0)
    heads = [part.astype(F32).reshape(*part.shape[:2], a["num_heads"], -1).transpose(0, 2, 1, 3) for part in (q, k, v)]
    if a.get("unidirectional"):  # the last query stands at the last key
        (seq, total) = q.shape[1], k.shape[1]
        bias = np.where(np.arange(total) > np.arange(total - seq, total)[:, None], F32(-np.inf), F32(0))
    weights = softmax(heads[0] @ heads[1].swapaxes(-1, -2) * F32(a["scale"]) + bias)
    return like(q, (weights @ heads[2]).transpose(0, 2, 1, 3).reshape(q.shape[0], q.shape[1], -1))


def scatter_nd(inputs: list[Any], _: dict[str, Any]) -> Any:
    data, index, updates = inputs
    found = data.copy()
    found[tuple(np.moveaxis(index, -1, 0))] = updates
    return found


def slice_of(inputs: list[Any], _: dict[str, Any]) -> Any:
    data, start, stop, axis = inputs
    cut = [slice(None)] * data.ndim
    cut[int(axis[0])] = slice(int(start[0]), int(stop[0]))
    result: Array = data[tuple(cut)]
    return result


def pad(inputs: list[Any], _: dict[str, Any]) -> Array:
    data, pads, value = inputs
    widths = list(zip(pads[: data.ndim], pads[data.ndim :], strict=True))
    return np.pad(data, widths, constant_values=value)


def top_k(inputs: list[Any], _: dict[str, Any]) -> list[Any]:
    index = np.argsort(-inputs[0], axis=-1, kind="stable")[..., : int(inputs[1][0])]
    return [np.take_along_axis(inputs[0], index, -1), index]


def scatter_elements(inputs: list[Any], _: dict[str, Any]) -> Any:
    found = inputs[0].copy()
    np.put_along_axis(found, inputs[1], inputs[2], -1)
    return found


def gelu(x: Array) -> Any:
    return x * 0.5 * (1 + torch.special.erf(torch.from_numpy(x / F32(math.sqrt(2)))).numpy())


def fast_gelu(x: Array, bias: Array) -> Array:
    t = x + bias
    result: Array = 0.5 * t * (1 + np.tanh(0.7978845608 * (t + 0.044715 * t**3)))
    return result


OPERATORS: dict[str, Callable[[list[Any], dict[str, Any]], Any]] = {
    "Add": floats(np.add),
    "ArgMax": lambda i, _: i[0].argmax(-1)[..., None],
    "Cast": lambda i, a: i[0].astype(TYPES[a["to"]]),
    "Concat": lambda i, a: np.concatenate(i, a["axis"]),
    "Div": floats(np.divide),
    "Expand": lambda i, _: np.broadcast_to(i[0], np.broadcast_shapes(i[0].shape, tuple(i[1]))),
    "Exp": floats(np.exp),
    "FastGelu": floats(fast_gelu),
    "FusedMatMul": lambda i, a: like(i[0], i[0].astype(F32) @ i[1].astype(F32).T * F32(a["alpha"])),
    "Gather": lambda i, a: np.take(i[0], i[1], a["axis"]),
    "GatherElements": lambda i, _: np.take_along_axis(i[0], i[1], -1),
    "Gelu": floats(gelu),
    "Greater": lambda i, _: i[0] > i[1],
    "Identity": lambda i, _: i[0],
    "LayerNormalization": layer_norm,
    "LessOrEqual": lambda i, _: i[0] <= i[1],
    "Log": floats(np.log),
    "LogSoftmax": lambda i, _: like(i[0], np.log(softmax(i[0].astype(F32)))),
    "MatMul": floats(np.matmul),
    "MatMulNBits": block_linear,
    "Mul": floats(np.multiply),
    "MultiHeadAttention": attention,
    "Pad": pad,
    "QMoE": experts,
    "QuickGelu": floats(lambda x: x / (1 + np.exp(-x))),
    "ReduceSum": lambda i, _: i[0].sum(-1, keepdims=True),
    "Reshape": lambda i, _: i[0].reshape(i[1]),
    "RotaryEmbedding": rotary,
    "ScatterElements": scatter_elements,
    "ScatterND": scatter_nd,
    "Sigmoid": floats(lambda x: 1 / (1 + np.exp(-x))),
    "SimplifiedLayerNormalization": lambda i, a: rms(i[0], i[1], a["epsilon"]),
    "SkipSimplifiedLayerNormalization": skip_norm,
    "Slice": slice_of,
    "Softmax": lambda i, _: like(i[0], softmax(i[0].astype(F32))),
    "Split": lambda i, a: np.split(i[0], np.cumsum(i[1])[:-1], a["axis"]),
    "Sub": floats(np.subtract),
    "TopK": top_k,
    "Transpose": lambda i, a: i[0].transpose(a["perm"]),
    "Unsqueeze": lambda i, _: np.expand_dims(i[0], tuple(i[1])),
    "Where": lambda i, _: np.where(*i),
}

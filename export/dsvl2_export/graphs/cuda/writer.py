"""Writes graphs of this target node by node; several graphs share one file of weights, and each weight in it once.

Only operators are used for which ONNX Runtime's CUDA provider has kernels in these types, in the versions of opset 18;
one node that had to run on the CPU would forbid the capture of a step as a CUDA graph.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, ValueInfoProto, helper

from dsvl2_export.graphs.builder import CONTRIB_DOMAIN, GraphBuilder
from dsvl2_export.graphs.cuda.form import DTYPES, ELEMENTS, CudaForm, ElementName
from dsvl2_export.graphs.external_data import ExternalData, Placed
from dsvl2_quant.formats.blocks import BlockFormat, BlockWeight

OPSET = 18
"""What was measured on a GPU; later versions of `Reshape` and others have no CUDA kernel in every release."""
MASKED = -30_000.0
"""Added to the score of a position that must not be seen; float16 holds it."""


class SharedWeights:
    """One file of weights for several graphs."""

    def __init__(self, path: Path) -> None:
        self.data = ExternalData(path)
        self.placed: dict[str, Placed] = {}


class CudaWriter(GraphBuilder):
    """One graph of this target."""

    def __init__(self, path: Path, shared: SharedWeights, form: CudaForm) -> None:
        super().__init__(path, shared.data, OPSET)
        self._shared = shared
        self.form = form
        self.experts_in: ElementName = form.decoder
        """The type in which the experts of this graph compute."""

    def shared(self, name: str, make: Callable[[], NDArray[Any]]) -> str:
        """A weight that other graphs may have too; `make` is called for the first of them alone."""
        if name in self._initializers:
            return name
        if name not in self._shared.placed:
            array = np.ascontiguousarray(make())
            self._shared.placed[name] = self.data.write(name, array)
        return self._external(self._shared.placed[name])

    def typed(self, name: str, make: Callable[[], NDArray[np.float32]], element: ElementName) -> str:
        """A weight in floats of a type, which is part of its name."""
        return self.shared(f"{name}.{element}", lambda: make().astype(DTYPES[element]))

    def number(self, value: float | NDArray[np.float32], element: ElementName) -> str:
        """A small constant in floats of a type."""
        return self.constant(np.asarray(value, np.float32).astype(DTYPES[element]))

    def cast(self, x: str, element: ElementName, source: ElementName, into: str | None = None) -> str:
        """`x` in another type, under the name `into` where that is given; else nothing is written for an equal type."""
        if element == source:
            return x if into is None else self.node("Identity", [x], into=into)
        return self.node("Cast", [x], to=ELEMENTS[element], into=into)

    def contrib(self, operator: str, inputs: Sequence[str], **attributes: Any) -> str:
        """An operator of ONNX Runtime's own."""
        return self.node(operator, inputs, domain=CONTRIB_DOMAIN, **attributes)

    def reshape(self, x: str, *shape: int) -> str:
        """To a shape, of which one axis may be -1."""
        return self.node("Reshape", [x, self.int64(*shape)])

    def split(self, x: str, *sizes: int) -> list[str]:
        """Along the last axis."""
        return self.nodes("Split", [x, self.int64(*sizes)], len(sizes), axis=-1)

    def slice_of(self, x: str, start: int, stop: int, axis: int) -> str:
        """Elements of one axis."""
        return self.node("Slice", [x, self.int64(start), self.int64(stop), self.int64(axis)])

    def block_linear(self, x: str, name: str, make: Callable[[], BlockWeight], element: ElementName) -> str:
        """`x W^T` of a weight in blocks, with scales of the activations' type: [..., in] -> [..., out].

        The bytes are those that the CPU reads; for prompts the kernel dequantises them and calls cuBLAS, which was
        faster than its kernels for packed weights everywhere but in the vocabulary layer.
        """
        made: list[BlockWeight] = []

        def once() -> BlockWeight:
            if not made:
                made.append(make())
            return made[0]

        weight = once()
        packed = self.shared(name, lambda: once().packed)
        scales = self.typed(f"{name}.scales", lambda: once().scales.reshape(-1), element)
        return self.contrib(
            "MatMulNBits",
            [x, packed, scales],
            K=weight.in_features,
            N=len(weight.packed),
            bits=weight.form.bits,
            block_size=weight.form.block_size,
        )

    def rms_norm(self, x: str, name: str, make: Callable[[], NDArray[np.float32]], epsilon: float) -> str:
        """`x * rsqrt(mean(x^2) + epsilon) * weight`, the mean in float32."""
        weight = self.typed(name, make, self.form.decoder)
        return self.node("SimplifiedLayerNormalization", [x, weight], axis=-1, epsilon=epsilon, stash_type=1)

    def add_and_rms_norm(
        self, x: str, added: str, name: str, make: Callable[[], NDArray[np.float32]], epsilon: float
    ) -> tuple[str, str]:
        """(`rms_norm` of x + added, x + added)."""
        weight = self.typed(name, make, self.form.decoder)
        normed, total = self.fresh("normed"), self.fresh("sum")
        self._nodes.append(
            helper.make_node(
                "SkipSimplifiedLayerNormalization",
                [x, added, weight],
                [normed, "", "", total],
                domain=CONTRIB_DOMAIN,
                epsilon=epsilon,
            )
        )
        return normed, total

    def experts(self, x: str, logits: str, weights: Sequence[str], chosen: int, form: BlockFormat) -> str:
        """Mixture of gated experts: softmax over all logits, of which the highest `chosen` count as they are.

        Args:
            x: [tokens, hidden].
            logits: [tokens, experts], of the same type.
            weights: interleaved gate and up, their scales, down, its scales.
            chosen: experts per token.
            form: of the weights.

        Returns:
            [tokens, hidden].
        """
        gate_up, gate_up_scales, down, down_scales = weights
        # The kernel for CUDA ignores the router's weights; the one for the CPU would renormalise without them.
        router = [] if self.form.packed else [*[""] * 7, self.node("Softmax", [logits], axis=-1)]
        return self.contrib(
            "QMoE",
            [x, logits, gate_up, gate_up_scales, "", down, down_scales, *router],
            k=chosen,
            activation_type="swiglu",
            swiglu_fusion=1,
            activation_alpha=1.0,
            activation_beta=0.0,
            expert_weight_bits=form.bits,
            block_size=form.block_size,
            normalize_routing_weights=0,
            weights_prepacked=-1 if self.form.packed else 0,
        )


def typed_value(name: str, axes: Sequence[int | str], element: int) -> ValueInfoProto:
    """A graph's input or output, of a type of `onnx.TensorProto`."""
    return helper.make_tensor_value_info(name, element, list(axes))


def int64_value(name: str, axes: Sequence[int | str]) -> ValueInfoProto:
    """One of int64."""
    return typed_value(name, axes, TensorProto.INT64)


def float_value(name: str, axes: Sequence[int | str], element: ElementName) -> ValueInfoProto:
    """One of floats."""
    return typed_value(name, axes, ELEMENTS[element])

"""What the graphs of this target compute in, and how their experts are stored."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import ml_dtypes
import numpy as np
from onnx import TensorProto

from dsvl2_runtime.bundle.graph_entry import CacheFormat, CacheRow
from dsvl2_runtime.config import LanguageConfig

ElementName = Literal["bfloat16", "float16", "float32"]

DTYPES: dict[ElementName, np.dtype[Any]] = {
    "bfloat16": np.dtype(ml_dtypes.bfloat16),
    "float16": np.dtype(np.float16),
    "float32": np.dtype(np.float32),
}
ELEMENTS: dict[ElementName, int] = {
    "bfloat16": TensorProto.BFLOAT16,
    "float16": TensorProto.FLOAT16,
    "float32": TensorProto.FLOAT,
}


@dataclass(frozen=True, slots=True)
class CudaForm:
    """Types and layout of the graphs for the target cuda."""

    decoder: ElementName = "bfloat16"
    """Of the decoder's activations, scales and cache. In bfloat16 a prompt took two thirds of the time that it took in
    float16, a step a twelfth more; and a model that was trained in it may have values that float16 cannot hold."""
    head: ElementName = "float16"
    """Of the vocabulary layer, whose input is normalised: three more bits keep close logits apart."""
    vision: ElementName = "float16"
    packed: bool = True
    """Experts lie in the layout of the GPU's kernels and the router's weights follow from its logits; else they are raw
    rows, and the router's weights are an input, as the kernel for the CPU wants it."""

    def cache(self, config: LanguageConfig) -> CacheFormat:
        """The rows of `CacheFormat.of`, in the decoder's type."""
        rows = CacheFormat.of(config).rows
        return CacheFormat(rows=tuple(CacheRow(name=row.name, dtype=self.decoder, width=row.width) for row in rows))


ON_GPU = CudaForm()
ON_CPU = CudaForm("float32", "float32", "float32", packed=False)
"""The same graphs for the CPU provider, to test them and what runs them where there is no GPU."""

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

    decoder: ElementName = "float16"
    """Of the decoder's activations, scales and cache. Its eleven bits keep logits within 0.3 % of those in float32,
    where the eight of bfloat16 let them go 1 to 8 % apart; and a step took a twelfth less time."""
    prompt_experts: ElementName = "bfloat16"
    """Of the experts of a prompt alone: for float16 with integers of 4 bits ONNX Runtime finds no kernel for many rows
    but a slow one, less than half as fast."""
    head: ElementName = "float16"
    """Of the vocabulary layer, whose input is normalised, so that it fits: more bits keep close logits apart."""
    vision: ElementName = "float16"
    packed: bool = True
    """Experts lie in the layout of the GPU's kernels and the router's weights follow from its logits; else they are raw
    rows, and the router's weights are an input, as the kernel for the CPU wants it."""
    causal_kernel: bool = True
    """Attention of a prompt hides later positions by itself, behind a past too; the kernel for the CPU gets a mask."""

    def cache(self, config: LanguageConfig) -> CacheFormat:
        """The rows of `CacheFormat.of`, in the decoder's type."""
        rows = CacheFormat.of(config).rows
        return CacheFormat(rows=tuple(CacheRow(name=row.name, dtype=self.decoder, width=row.width) for row in rows))


ON_GPU = CudaForm()
EXACT_ON_GPU = CudaForm(prompt_experts="float16")
"""For a model so small that a slow kernel does not matter."""
IN_BFLOAT16 = CudaForm("bfloat16")
"""For a model whose activations are too large for float16, beyond 65,504."""
ON_CPU = CudaForm("float32", "float32", "float32", "float32", packed=False, causal_kernel=False)
"""The same graphs for the CPU provider, to test them and what runs them where there is no GPU."""

SMALL_WIDTH = 1024
"""Hidden values of a token below which a model is small; those of the releases have 1280 and more."""


def form_for(config: LanguageConfig) -> CudaForm:
    """How the graphs of a model are written unless somebody asks for something else."""
    return EXACT_ON_GPU if config.hidden_size < SMALL_WIDTH else ON_GPU

"""How much memory of a GPU a bundle needs, before any of it is taken."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from dsvl2_runtime.bundle.bundle import Bundle
from dsvl2_runtime.config import LanguageConfig, ModelConfig
from dsvl2_runtime.graphs import graph_io
from dsvl2_runtime.graphs.image_cache import KEPT_CONTEXTS
from dsvl2_runtime.graphs.target import CUDA

GPU_CHUNK = 2048
"""Positions per prefill run on a GPU, where large products are the fast ones: 1415 positions in one run took two thirds
of the time for each that 512 took."""
CACHE_SLOTS = 2
"""Sequences whose cached rows lie on the GPU at a time; the rows of others wait in the computer's memory."""
TILE_BATCHES = (8, 4, 2, 1)
"""Tiles of one run. Larger batches gained nothing: two milliseconds for a tile of three or of nine; and few sizes can
all be tried out at load, since the first run of a size looks for its kernels."""
HALF_BYTES, FLOAT_BYTES = 2, 4
PROGRAM_BYTES = 1_450_000_000
"""CUDA's context and the kernels of ONNX Runtime, cuBLAS and cuDNN, which lie on the GPU as well: 1.37 GB on an H100.
Buffers that do not grow with the model are the rest."""
DECODER_GRAPHS = 2
LEAST_BLOCK = 64
"""Values of a weight with one scale."""


@dataclass(frozen=True, slots=True)
class GpuMemoryPlan:
    """Bytes of a GPU's memory that a loaded bundle takes."""

    weights: int
    scales: int
    """Of experts once more for each graph of the decoder, which keeps them in the order of its kernels."""
    cache: int
    """Of all slots, at full context."""
    scratch: int
    """While a load looks for the fastest kernels, which takes more than an answer."""
    images: int
    """Features of images that are kept for later questions."""
    program: int = PROGRAM_BYTES

    @property
    def total(self) -> int:
        """All that has to be there at a time."""
        return self.weights + self.scales + self.cache + self.scratch + self.images + self.program


def plan_gpu_memory(bundle: Bundle) -> GpuMemoryPlan:
    """What a bundle with graphs for the GPU will need."""
    config, language = bundle.manifest.config, bundle.manifest.config.language_config
    context = language.max_position_embeddings
    rows, layers = graph_io.cache_tensors(language), range(language.num_hidden_layers)
    scales = sum(map(language.is_moe, layers)) * _values_of_experts(language) // LEAST_BLOCK * HALF_BYTES
    return GpuMemoryPlan(
        weights=bundle.target_bytes(CUDA.name),
        scales=DECODER_GRAPHS * scales,
        cache=CACHE_SLOTS * context * HALF_BYTES * sum(tensor.row for tensor in rows),
        scratch=_prefill(config) + _vision(config) + _search(bundle),
        images=KEPT_CONTEXTS * context * language.hidden_size * HALF_BYTES,
    )


def _values_of_experts(language: LanguageConfig) -> int:
    """Weights of all experts of a layer, the shared ones among them."""
    experts = (language.n_routed_experts or 0) + (language.n_shared_experts or 0)
    return experts * 3 * language.hidden_size * (language.moe_intermediate_size or 0)


def _rows_of_experts(language: LanguageConfig) -> int:
    """Values of the rows of all chosen experts in a run of a prompt, before, in and behind them."""
    chosen = (language.num_experts_per_tok or 0) + (language.n_shared_experts or 0)
    positions = min(GPU_CHUNK, language.max_position_embeddings)
    return positions * chosen * (2 * language.hidden_size + 3 * language.moe_intermediate_size)


def _search(bundle: Bundle) -> int:
    """ONNX Runtime tries the kernels for experts with made-up experts of one layer, and with rows for them."""
    language = bundle.manifest.config.language_config
    values = _values_of_experts(language)
    weights = values if bundle.manifest.precision == "int8" else values // 2
    return weights + HALF_BYTES * _rows_of_experts(language)


def _prefill(config: ModelConfig) -> int:
    """Keys and values of all heads, the rows of all chosen experts, the mask, and a dense weight that is unpacked."""
    language = config.language_config
    context, hidden = language.max_position_embeddings, language.hidden_size
    chunk = min(GPU_CHUNK, context)
    heads = 4 * context * language.num_attention_heads * language.head_dim
    dense = chunk * (8 * hidden + 3 * language.intermediate_size) + 2 * hidden * language.intermediate_size
    values = heads + _rows_of_experts(language) + dense + chunk * context
    return HALF_BYTES * values + 2 * FLOAT_BYTES * language.vocab_size


def _vision(config: ModelConfig) -> int:
    """A batch of tiles: hidden states, and the widest layer."""
    vision = config.vision_config
    return prod((HALF_BYTES, TILE_BATCHES[0], vision.grid**2, 8 * vision.width + 2 * vision.mlp_width))

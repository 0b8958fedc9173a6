"""How much memory a bundle needs, before any of it is taken."""

from __future__ import annotations

import math
from dataclasses import dataclass

from dsvl2_runtime.bundle.bundle import Bundle
from dsvl2_runtime.bundle.graph_entry import CacheFormat
from dsvl2_runtime.config import ModelConfig
from dsvl2_runtime.errors import ResourceError
from dsvl2_runtime.graphs import graph_io
from dsvl2_runtime.graphs.decoder import PREFILL_CHUNK
from dsvl2_runtime.graphs.decoder_graph import own_decoder
from dsvl2_runtime.graphs.elements import BY_NAME
from dsvl2_runtime.graphs.image_cache import default_bytes
from dsvl2_runtime.graphs.packed_weights import packed_bytes
from dsvl2_runtime.graphs.target import CPU
from dsvl2_runtime.graphs.vision_graphs import mapped_bytes
from dsvl2_runtime.machine.machine import GIGABYTE, available_memory

GROWTH_IN_MEMORY = 1.12
"""Packed weights over stored ones: beside each fp32 scale the kernels keep an fp32 sum per block, which is 0.625
instead of 0.5625 bytes per 4-bit value in blocks of 64 (`qnbitgemm.cpp`)."""

PROGRAM_BYTES = 180_000_000
"""Python, NumPy, Pillow and ONNX Runtime without any model; measured 150 MB."""

FLOAT_BYTES = 4


@dataclass(frozen=True, slots=True)
class MemoryPlan:
    """Bytes a loaded bundle takes at full context."""

    weights: int
    cache: int
    scratch: int
    images: int
    """Features of images that are kept for later questions, at most."""
    program: int = PROGRAM_BYTES
    mapped: int = 0
    """Of files whose pages the system reads when they are wanted and drops when it wants the memory."""
    second_look: int = 0
    """The rows of a second look (`answers/second_look.py`), at most; where they do not fit, the first answer counts."""

    @property
    def total(self) -> int:
        """All that has to be there at a time; neither `mapped`, which makes answers quicker, nor `second_look`."""
        return self.weights + self.cache + self.scratch + self.images + self.program


def plan_memory(bundle: Bundle, threads: int) -> MemoryPlan:
    """What a bundle will need; its files are mapped, but what ONNX Runtime packs from them is not unless it is kept.

    Our operators read weights where they are mapped, and their graph may keep its cache in another type.
    """
    decoder, own = bundle.graph_entry(graph_io.DECODER, CPU.name), own_decoder(bundle)
    mapped = bundle.data_bytes(decoder) if own is not None else packed_bytes(bundle)
    cache = decoder.cache if own is None else own.cache
    vision = mapped_bytes(bundle)
    copied = bundle.target_bytes(CPU.name) - (bundle.data_bytes(decoder) if mapped else 0) - vision
    return memory_of(bundle.manifest.config, cache, copied, mapped + vision, threads)


def memory_of(config: ModelConfig, cache: CacheFormat | None, copied: int, mapped: int, threads: int) -> MemoryPlan:
    """What a model will need, also one that is not written yet.

    Args:
        config: of the model.
        cache: how its decoder keeps the cache.
        copied: bytes of weights on the disk that are copied into the memory.
        mapped: bytes of those that stay in their files.
        threads: of a run.
    """
    tensors = graph_io.cache_tensors(config.language_config, cache)
    row_bytes = sum(tensor.row * BY_NAME[tensor.dtype].nbytes for tensor in tensors)
    sequence = row_bytes * config.language_config.max_position_embeddings
    return MemoryPlan(
        weights=math.ceil(copied * GROWTH_IN_MEMORY),
        cache=sequence,
        scratch=max(_prefill(config, threads), _vision(config)),
        images=default_bytes(config.language_config),
        mapped=mapped,
        second_look=sequence,
    )


def has_room_for_sequence(sequence_bytes: int) -> bool:
    """Whether one more sequence fits into the memory that is available, by its bytes at full context."""
    return sequence_bytes <= available_memory()


def require_memory(bundle: Bundle, threads: int) -> None:
    """Refuse a bundle that would make the machine swap.

    Raises:
        ResourceError: it needs more memory than is available, with the numbers.
    """
    plan, available = plan_memory(bundle, threads), available_memory()
    if plan.total > available:
        needed, parts = plan.total / GIGABYTE, (plan.weights, plan.cache, plan.scratch, plan.images)
        weights, cache, scratch, images = (part / GIGABYTE for part in parts)
        raise ResourceError(
            f"{bundle.folder} needs about {needed:.1f} GB of memory (weights {weights:.1f}, cache {cache:.1f}, "
            f"scratch {scratch:.1f}, images {images:.1f}), but {available / GIGABYTE:.1f} GB are available; close "
            "other programs, use a smaller model or precision, or --force to try anyway"
        )


def _prefill(config: ModelConfig, threads: int) -> int:
    """Scores of one chunk against the full context (before and after softmax), and the buffers of the experts."""
    language = config.language_config
    chunk = min(PREFILL_CHUNK, language.max_position_embeddings)
    scores = 2 * language.num_attention_heads * chunk * language.max_position_embeddings
    expanded = 3 * language.num_attention_heads * language.head_dim * language.max_position_embeddings
    experts = threads * chunk * (3 * language.hidden_size + 3 * language.moe_intermediate_size)
    dense = 4 * chunk * language.intermediate_size
    return FLOAT_BYTES * (scores + expanded + experts + dense)


def _vision(config: ModelConfig) -> int:
    """One tile: hidden states, attention scores, the widest layer."""
    vision = config.vision_config
    patches = vision.grid**2
    return FLOAT_BYTES * patches * (2 * vision.heads * patches + 6 * vision.width + 2 * vision.mlp_width)

"""How large a bundle will be, from names and shapes alone, before anything of it is written."""

from __future__ import annotations

from math import prod

from dsvl2_export.checkpoint.tensor_names import expected_tensors
from dsvl2_quant.formats.blocks import BlockFormat
from dsvl2_quant.recipe import Format, Recipe
from dsvl2_runtime.config import ModelConfig

HALF_BYTES = 2
MARGIN_BYTES = 50_000_000
"""Tokenizer, graphs, manifest, and the piece of the vision tower that is being traced."""


def expected_bytes(config: ModelConfig, recipe: Recipe) -> int:
    """Bytes of a bundle's weights."""
    return sum(
        form.bytes_of(shape) for name, shape in expected_tensors(config).items() for form in recipe.formats_of(name)
    )


def cuda_bytes(config: ModelConfig, recipe: Recipe) -> int:
    """Bytes of the weights for a GPU, which lie beside those for the CPU."""
    return sum(
        _cuda_bytes_of(form, shape)
        for name, shape in expected_tensors(config).items()
        for form in recipe.formats_of(name)
    )


def _cuda_bytes_of(form: Format, shape: tuple[int, ...]) -> int:
    """Blocks stay blocks, with scales of half the size; whatever else there is becomes halves."""
    return form.bytes_of(shape) if isinstance(form, BlockFormat) else prod(shape) * HALF_BYTES

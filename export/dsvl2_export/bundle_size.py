"""How large a bundle will be, from names and shapes alone, before anything of it is written."""

from __future__ import annotations

from dsvl2_export.checkpoint.tensor_names import expected_tensors
from dsvl2_quant.recipe import Recipe
from dsvl2_runtime.config import ModelConfig

MARGIN_BYTES = 50_000_000
"""Tokenizer, graphs, manifest, and the piece of the vision tower that is being traced."""


def expected_bytes(config: ModelConfig, recipe: Recipe) -> int:
    """Bytes of a bundle's weights."""
    return sum(
        form.bytes_of(shape) for name, shape in expected_tensors(config).items() for form in recipe.formats_of(name)
    )

"""How large a bundle will be, from names and shapes alone, before anything of it is written."""

from __future__ import annotations

from math import prod

from dsvl2_export.checkpoint.tensor_names import expected_tensors
from dsvl2_quant.formats.blocks import BlockFormat
from dsvl2_quant.recipe import Recipe
from dsvl2_runtime.config import ModelConfig

EMBED_TOKENS = "language.model.embed_tokens.weight"
HALF_BYTES = 2
MARGIN_BYTES = 50_000_000
"""Tokenizer, graphs, manifest, and the piece of the vision tower that is being traced."""


def expected_bytes(config: ModelConfig, recipe: Recipe) -> int:
    """Bytes of a bundle's weights."""
    return sum(
        form.bytes_of(shape) for name, shape in expected_tensors(config).items() for form in recipe.formats_of(name)
    )


def cuda_bytes(config: ModelConfig, recipe: Recipe) -> int:
    """Bytes of the weights for a GPU, which lie beside those for the CPU.

    Blocks stay blocks. Whatever else there is becomes halves, and so do the table of tokens, whose rows are looked up,
    and what the CPU has in two formats: a GPU has it once as prompts and once as steps read it.
    """
    total = 0
    for name, shape in expected_tensors(config).items():
        forms = recipe.formats_of(name)
        stays = len(forms) == 1 and name != EMBED_TOKENS
        total += sum(
            form.bytes_of(shape) if stays and isinstance(form, BlockFormat) else prod(shape) * HALF_BYTES
            for form in forms
        )
    return total

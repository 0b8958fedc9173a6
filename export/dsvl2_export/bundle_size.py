"""How large a bundle will be, from names and shapes alone, before anything of it is written."""

from __future__ import annotations

from math import prod

from dsvl2_export.checkpoint.tensor_names import expected_tensors
from dsvl2_quant.recipe import BlockFormat, Recipe
from dsvl2_runtime.config import ModelConfig

FLOAT_BYTES = 4
MARGIN_BYTES = 50_000_000
"""Tokenizer, graphs, manifest, and the piece of the vision tower that is being traced."""


def expected_bytes(config: ModelConfig, recipe: Recipe) -> int:
    """Bytes of a bundle's weights."""
    return sum(
        round(prod(shape) * _bytes_per_value(name, shape, recipe)) for name, shape in expected_tensors(config).items()
    )


def _bytes_per_value(name: str, shape: tuple[int, ...], recipe: Recipe) -> float:
    if len(shape) < 2 or name.endswith(("gate.weight", "pos_embed", "patch_embed.proj.weight")):
        return FLOAT_BYTES
    if not name.startswith("language."):
        return FLOAT_BYTES if recipe.vision == "fp32" else 1
    parts = (
        ("embed_tokens", recipe.embed_tokens),
        ("lm_head", recipe.lm_head),
        (".kv_b_proj", recipe.kv_up),
        ("experts", recipe.experts),
        ("", recipe.dense),
    )
    form: BlockFormat | None = next(form for mark, form in parts if mark in name)
    if form is None:
        return FLOAT_BYTES
    # kv_b_proj is stored twice: absorbed for decode steps and as it is for prefill.
    copies = 2 if ".kv_b_proj" in name else 1
    return copies * (form.bits / 8 + FLOAT_BYTES / form.block_size)

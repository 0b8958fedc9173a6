"""How large a bundle will be, and whether the disk has room for it, before an hour is spent on writing it."""

from __future__ import annotations

import shutil
from math import prod
from pathlib import Path

from dsvl2_export.tensor_names import expected_tensors
from dsvl2_quant.recipe import BlockFormat, Recipe
from dsvl2_runtime.config import ModelConfig
from dsvl2_runtime.errors import ResourceError

FLOAT_BYTES = 4
MARGIN_BYTES = 50_000_000
"""Tokenizer, graphs, manifest, and the piece of the vision tower that is being traced."""
GIGABYTE = 1e9


def expected_bytes(config: ModelConfig, recipe: Recipe) -> int:
    """Bytes of a bundle's weights, from names and shapes alone."""
    return sum(
        round(prod(shape) * _bytes_per_value(name, shape, recipe)) for name, shape in expected_tensors(config).items()
    )


def require_disk(out: Path, needed: int) -> None:
    """Refuse to begin what cannot end.

    Raises:
        ResourceError: the disk that holds `out` has less room, with both numbers.
    """
    folder = next(parent for parent in out.absolute().parents if parent.exists())
    free = shutil.disk_usage(folder).free
    if free < needed + MARGIN_BYTES:
        raise ResourceError(
            f"{out} will take {(needed + MARGIN_BYTES) / GIGABYTE:.2f} GB, but its disk has {free / GIGABYTE:.2f} GB "
            "free; make room or choose another folder"
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

"""The format in which each tensor of a model is stored; the presets of `--precision`."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping

from pydantic.dataclasses import dataclass

from dsvl2_quant.formats.blocks import BlockFormat, fitting_block_size
from dsvl2_quant.formats.columns import ColumnFormat
from dsvl2_quant.formats.float32 import FLOAT32, Float32
from dsvl2_runtime.bundle.releases import Precision
from dsvl2_runtime.config import STRICT, LanguageConfig

Format = Float32 | BlockFormat | ColumnFormat

LAYER = r"language\.model\.layers\.\d+"
PARTS: Mapping[str, str | None] = {
    r"language\.model\.embed_tokens\.weight": "embed_tokens",
    r"language\.lm_head\.weight": "lm_head",
    rf"{LAYER}\.self_attn\.kv_b_proj\.weight": "kv_up",
    rf"{LAYER}\.self_attn\.([qkvo]_proj|kv_a_proj_with_mqa)\.weight": "dense",
    rf"{LAYER}\.mlp\.(gate|up|down)_proj\.weight": "dense",
    rf"{LAYER}\.mlp\.(experts\.\d+|shared_experts)\.(gate|up|down)_proj\.weight": "experts",
    r"vision\.blocks\.\d+\.(attn|mlp)\.\w+\.weight": "vision",
    r"projector\.layers\.\d+\.weight": "vision",
    # Routers, norms, biases, the convolution, the positions and the two format vectors.
    rf"{LAYER}\.mlp\.gate\.(weight|e_score_correction_bias)": None,
    r"(language|vision)\.(.+\.)?(\w*norm\w*\.(weight|bias))": None,
    r"(vision|projector)\..+\.bias": None,
    r"vision\.(pos_embed|patch_embed\.proj\.weight)": None,
    r"image_newline|view_seperator": None,
}
"""Names of a checkpoint's tensors to the field of `Recipe` that decides about them; None for those that stay fp32."""


@dataclass(frozen=True, config=STRICT)
class Recipe:
    """Formats of the parts of a model."""

    experts: Float32 | BlockFormat = FLOAT32
    """Routed and shared experts."""
    dense: Float32 | BlockFormat = FLOAT32
    """Attention projections and the MLP of layers without experts."""
    kv_up: Float32 | BlockFormat = FLOAT32
    """`kv_b_proj` as prefill expands it."""
    kv_absorbed: Float32 | ColumnFormat = FLOAT32
    """`kv_b_proj` as decode steps absorb it, stored beside the other."""
    lm_head: Float32 | BlockFormat = FLOAT32
    embed_tokens: Float32 | BlockFormat = FLOAT32
    vision: Float32 | ColumnFormat = FLOAT32
    """Matrices of vision encoder and projector."""

    def format_of(self, tensor: str) -> Float32 | BlockFormat:
        """Format of a tensor of the language model, by its name in the checkpoint.

        Raises:
            ValueError: no tensor of the language model is called so.
        """
        form = self.formats_of(tensor)[0]
        if isinstance(form, ColumnFormat):
            raise ValueError(f"{tensor!r} belongs to the vision encoder or the projector")
        return form

    def formats_of(self, tensor: str) -> tuple[Format, ...]:
        """Every format in which a bundle stores a tensor, by its name in the checkpoint.

        Raises:
            ValueError: no tensor of a model is called so.
        """
        part = _part_of(tensor)
        if part is None:
            return (FLOAT32,)
        if part == "kv_up":
            return (self.kv_up, self.kv_absorbed)
        form: Format = getattr(self, part)
        return (form,)

    def fitted(self, config: LanguageConfig) -> Recipe:
        """The recipe with block sizes that divide this model's sizes where partial blocks are not possible.

        Raises:
            UsageError: no block of at least 16 divides them.
        """
        embed_tokens, experts = self.embed_tokens, self.experts
        if isinstance(embed_tokens, BlockFormat):
            embed_tokens = _fitted(embed_tokens, config.hidden_size)
        if isinstance(experts, BlockFormat) and config.n_routed_experts is not None:
            experts = _fitted(experts, config.hidden_size, config.moe_intermediate_size)
        return dataclasses.replace(self, embed_tokens=embed_tokens, experts=experts)

    def parts(self) -> dict[str, str]:
        """Format of each part in words, for a manifest."""
        return {part.name: str(getattr(self, part.name)) for part in dataclasses.fields(self)}


def _part_of(tensor: str) -> str | None:
    for pattern, part in PARTS.items():
        if re.fullmatch(pattern, tensor):
            return part
    raise ValueError(f"no part of a model has a tensor {tensor!r}")


def _fitted(form: BlockFormat, *sizes: int) -> BlockFormat:
    return BlockFormat(form.bits, fitting_block_size(sizes, form.block_size))


INT8 = BlockFormat(8, 64)
INT4 = BlockFormat(4, 64)
INT4_128 = BlockFormat(4, 128)
COLUMNS = ColumnFormat()


def _preset(experts: BlockFormat) -> Recipe:
    """The tables and `kv_b_proj` stay in 8 bit: they are small beside the experts, and every token reads them all."""
    return Recipe(
        experts=experts,
        dense=experts,
        kv_up=INT8,
        kv_absorbed=COLUMNS,
        lm_head=INT8,
        embed_tokens=INT8,
        vision=COLUMNS,
    )


RECIPES: Mapping[str, Recipe] = {
    Precision.FP32: Recipe(),
    Precision.INT8: _preset(INT8),
    Precision.INT4: _preset(INT4),
    # Half as many scales: smaller and quicker, and further from the checkpoint.
    Precision.INT4_128: _preset(INT4_128),
}

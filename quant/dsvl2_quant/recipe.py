"""Which format each part of a model is stored in; the presets behind `--precision`."""

from __future__ import annotations

import dataclasses
from typing import Any, Literal

from pydantic.dataclasses import dataclass

from dsvl2_quant.formats.blocks import fitting_block_size
from dsvl2_runtime.config import STRICT, LanguageConfig


@dataclass(frozen=True, config=STRICT)
class BlockFormat:
    """Symmetric blocks along the input features."""

    bits: Literal[4, 8]
    block_size: int

    def __str__(self) -> str:
        return f"int{self.bits} block {self.block_size}"


@dataclass(frozen=True, config=STRICT)
class Recipe:
    """Formats of the parts; None is fp32. Router, norms and the two format vectors always stay fp32."""

    experts: BlockFormat | None = None
    """Routed and shared experts."""
    dense: BlockFormat | None = None
    """Attention projections and the MLP of layers without experts."""
    kv_up: BlockFormat | None = None
    """`kv_b_proj`, expanded for prefill; absorbed for decode it is int8 per column, and fp32 where this is None."""
    lm_head: BlockFormat | None = None
    embed_tokens: BlockFormat | None = None
    vision: Literal["fp32", "int8"] = "fp32"
    """Vision encoder and projector; int8 per column with activations quantised at run time."""

    def fitted(self, config: LanguageConfig) -> Recipe:
        """The recipe with block sizes that divide this model's sizes where partial blocks are not possible.

        Raises:
            UsageError: no block of at least 16 divides them.
        """
        changes: dict[str, Any] = {}
        sizes = {"embed_tokens": [config.hidden_size]}
        if config.n_routed_experts is not None:
            sizes["experts"] = [config.hidden_size, config.moe_intermediate_size]
        for part, dividing in sizes.items():
            form: BlockFormat | None = getattr(self, part)
            if form is not None:
                changes[part] = BlockFormat(form.bits, fitting_block_size(dividing, form.block_size))
        return dataclasses.replace(self, **changes)

    def parts(self) -> dict[str, str]:
        """Format of each part in words, for a manifest."""
        return {part.name: str(getattr(self, part.name) or "fp32") for part in dataclasses.fields(self)}


INT8 = BlockFormat(8, 64)
INT4 = BlockFormat(4, 64)
INT4_128 = BlockFormat(4, 128)
RECIPES = {
    "fp32": Recipe(),
    "int8": Recipe(INT8, INT8, INT8, INT8, INT8, "int8"),
    # The last layer and the absorbed matrices stay in 8 bit: they are small beside the experts and every token
    # passes through all of them.
    "int4": Recipe(INT4, INT4, INT8, INT8, INT8, "int8"),
    # Half as many scales: smaller and quicker, and further from the checkpoint.
    "int4-128": Recipe(INT4_128, INT4_128, INT8, INT8, INT8, "int8"),
}

"""Names, axes and types of every graph's inputs and outputs; the one glossary of the project.

| graph | in or out | name | axes |
|---|---|---|---|
| `vision_encoder` | in | `pixel_values` | [num_tiles, 3, image_size, image_size] |
| | out | `patch_features` | [num_tiles, patches, width] |
| `projector` | in | `patch_features` | [num_tiles, patches, width] |
| | out | `tile_features` | [num_tiles, cells * cells, hidden], cells in row-major order |
| | out | `image_newline`, `view_separator` | [hidden] |
| `embed_tokens` | in | `input_ids` | [batch, seq] int64 |
| | out | `inputs_embeds` | [batch, seq, hidden] |
| `decoder` | in | `inputs_embeds` | [1, seq, hidden] |
| | in | `position_ids` | [1, seq] int64, the rows past .. past + seq - 1 |
| | in | `past_*.{layer}` | [past, row] |
| | out | `logits` | [1, vocab], of the last position |
| | out | `new_*.{layer}` | [seq, row] |

Everything else is float32. Where the reference has another word: `view_seperator` (sic) is our `view_separator`;
its projector output before the two-dimensional layout is our `tile_features`, after it `image_features`
([num_image_tokens, hidden]).

The cache is rows: latent attention keeps one row of `kv_lora_rank + qk_rope_head_dim` values per token and layer
(`latent`: the normalised latent, then the rotated key that all heads share; DeepSeek-V2 paper section 2.1.3),
plain attention keeps two rows of `num_heads * head_dim` (`key`, rotated, and `value`). Rows of one buffer are
contiguous, so the past is bound as a view of the first rows and the new rows are written right behind them.
"""

from __future__ import annotations

from dataclasses import dataclass

from dsvl2_runtime.config import LanguageConfig

VISION_ENCODER = "vision_encoder"
PROJECTOR = "projector"
EMBED_TOKENS = "embed_tokens"
DECODER = "decoder"
GRAPHS = (VISION_ENCODER, PROJECTOR, EMBED_TOKENS, DECODER)

PIXEL_VALUES = "pixel_values"
PATCH_FEATURES = "patch_features"
TILE_FEATURES = "tile_features"
IMAGE_NEWLINE = "image_newline"
VIEW_SEPARATOR = "view_separator"
INPUT_IDS = "input_ids"
INPUTS_EMBEDS = "inputs_embeds"
POSITION_IDS = "position_ids"
LOGITS = "logits"


@dataclass(frozen=True, slots=True)
class CacheTensor:
    """One cache buffer of one layer, [context, row] float32."""

    past: str
    """Graph input: the rows that are already there, [past, row]."""
    new: str
    """Graph output: the rows of this call, [seq, row]."""
    row: int
    """Values per token."""


def cache_tensors(config: LanguageConfig) -> tuple[CacheTensor, ...]:
    """All cache buffers, layer by layer, in the order in which the decoder graph declares them."""
    if config.use_mla:
        kinds = {"latent": config.latent_rank + config.qk_rope_head_dim}
    else:
        kinds = dict.fromkeys(("key", "value"), config.num_attention_heads * config.head_dim)
    return tuple(
        CacheTensor(f"past_{kind}.{layer}", f"new_{kind}.{layer}", row)
        for layer in range(config.num_hidden_layers)
        for kind, row in kinds.items()
    )

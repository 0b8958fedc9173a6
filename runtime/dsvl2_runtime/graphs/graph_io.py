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

Cached rows have the type in the manifest's entry of the graph; everything else is float32.

The target cuda has three graphs. `half` is the type in the manifest's entry of the decoder's graphs.

| graph | in or out | name | axes |
|---|---|---|---|
| `image_encoder` | in | `pixel_values` | [num_tiles, 3, image_size, image_size] float32 |
| | out | `tile_features` | [num_tiles, cells * cells, hidden] half |
| | out | `image_newline`, `view_separator` | [1, hidden] half |
| `decoder_prompt` | in | `input_ids`, `position_ids` | [1, seq] int64 |
| | in | `images_seq_mask` | [1, seq, 1] bool: where a row of features stands |
| | in | `feature_ids` | [1, seq] int64: which row of `image_features`; 0 where none stands |
| | in | `image_features` | [features, hidden] half |
| | in | `last_index` | [1] int64: the position whose logits are wanted, counted from 0 within this run |
| | in | `past_*.{layer}` | [past, row] half |
| | out | `new_*.{layer}` | [seq, row] half |
| `decoder_step` | in | `input_ids`, `position_ids` | [1, 1] int64 |
| | in, out | `past_*.{layer}`, `new_*.{layer}` | [context, row] half, both bound to one buffer |
| both | out | `logits` | [1, vocab] float32, of one position |
| | out | `next_id` | [1, 1] int64, the highest logit's |
| | out | `checked_id` | [1, 1] float32, the same number, or NaN where a logit is not finite |
| | out | `logprob` | [1, 1] float32, natural logarithm of its probability; older bundles lack it |

Where the reference has another word: `view_seperator` (sic) is our `view_separator`;
its projector output before the two-dimensional layout is our `tile_features`, after it `image_features`
([num_image_tokens, hidden]).

The cache is rows, whose names, types and widths a manifest says (`graph_entry.CacheFormat`). Latent attention keeps
one row per token and layer (`latent`: the normalised latent, then the rotated key that all heads share), plain
attention two (`key`, rotated, and `value`). Rows of one buffer are contiguous, so the past is bound as a view of the
first rows and the new rows are written right after them.
"""

from __future__ import annotations

from dataclasses import dataclass

from dsvl2_runtime.bundle.graph_entry import CacheFormat
from dsvl2_runtime.config import LanguageConfig

VISION_ENCODER = "vision_encoder"
PROJECTOR = "projector"
EMBED_TOKENS = "embed_tokens"
DECODER = "decoder"
GRAPHS = (VISION_ENCODER, PROJECTOR, EMBED_TOKENS, DECODER)
"""Of the target cpu."""

IMAGE_ENCODER = "image_encoder"
DECODER_PROMPT = "decoder_prompt"
DECODER_STEP = "decoder_step"
CUDA_GRAPHS = (IMAGE_ENCODER, DECODER_PROMPT, DECODER_STEP)
"""Of the target cuda."""

PIXEL_VALUES = "pixel_values"
PATCH_FEATURES = "patch_features"
TILE_FEATURES = "tile_features"
IMAGE_NEWLINE = "image_newline"
VIEW_SEPARATOR = "view_separator"
INPUT_IDS = "input_ids"
INPUTS_EMBEDS = "inputs_embeds"
POSITION_IDS = "position_ids"
LOGITS = "logits"
FEATURE_IDS = "feature_ids"
IMAGES_SEQ_MASK = "images_seq_mask"
IMAGE_FEATURES = "image_features"
LAST_INDEX = "last_index"
NEXT_ID = "next_id"
CHECKED_ID = "checked_id"
LOGPROB = "logprob"


@dataclass(frozen=True, slots=True)
class CacheTensor:
    """One cache buffer of one layer, [context, row]."""

    past: str
    """Graph input: the rows that are already there, [past, row]."""
    new: str
    """Graph output: the rows of this call, [seq, row]."""
    row: int
    """Values per token."""
    dtype: str = "float32"
    """The name of their type, of `elements.BY_NAME`."""


def cache_tensors(config: LanguageConfig, cache: CacheFormat | None = None) -> tuple[CacheTensor, ...]:
    """All cache buffers, layer by layer, in the order in which the decoder graph declares them.

    Args:
        config: of the language model.
        cache: how a decoder keeps its cache; by default as the exporter writes it for the CPU.
    """
    cache = cache or CacheFormat.of(config)
    return tuple(
        CacheTensor(f"past_{row.name}.{layer}", f"new_{row.name}.{layer}", row.width, row.dtype)
        for layer in range(config.num_hidden_layers)
        for row in cache.rows
    )

"""Weights trained in a small network, for a wider and deeper one that computes the same: a larger run begins there.

Everything new is read by random weights and written by zeros, so it changes nothing at first and learns at once. A new
layer is a copy of the one before it that writes nothing. Net2Net (arXiv 1511.05641) has the idea; what norms need is
here: more values that are all zero make the norm smaller by a known factor, which their weights take back.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

import torch
from torch import Tensor

from dsvl2_demo.training.layout import FEATURES, SLOTS, feature_classes
from dsvl2_demo.training.resize_tiles import stretched
from dsvl2_demo.training.training_model import Reader
from dsvl2_runtime.config import LanguageConfig, ModelConfig

NEW_LANGUAGE_LAYERS = (3, 6)
"""Where layers are put in, of the eight that a network of six grows to: one in each half."""
READ = 0.5
"""Of the usual size of a random weight, for what is read of new values."""


def grown(weights: Mapping[str, Tensor], old: ModelConfig, new: ModelConfig) -> dict[str, Tensor]:
    """The weights of a `Reader` of `old` for one of `new`, which is at least as large in every way.

    Heads must be of the same widths and experts as many and as wide in both.
    """
    fitted = stretched(weights, new)
    if old.vision_config.width != new.vision_config.width:
        fitted = _centred(fitted)
    target = {name: value.clone() for name, value in Reader(new).state_dict().items()}
    for name, fresh in target.items():
        source, copied = _source(name, old, new)
        value = fitted[source]
        made = _rows_and_columns(name, value, fresh, old, new)
        if copied and re.search(r"(o_proj|down_proj|attn\.proj|fc2)\.(weight|bias)$", name):
            made = torch.zeros_like(made)
        target[name] = made
    return target


def _source(name: str, old: ModelConfig, new: ModelConfig) -> tuple[str, bool]:
    """The old parameter that a new one begins as, and whether its layer is a copy."""
    language = re.match(r"network\.language\.model\.layers\.(\d+)\.(.*)", name)
    if language:
        layers = (old.language_config.num_hidden_layers, new.language_config.num_hidden_layers)
        inserted = NEW_LANGUAGE_LAYERS if layers[0] != layers[1] else ()
        index = int(language[1])
        at = index - sum(layer <= index for layer in inserted)
        return f"network.language.model.layers.{at}.{language[2]}", index in inserted
    block = re.match(r"network\.vision\.blocks\.(\d+)\.(.*)", name)
    if block:
        last = old.vision_config.layers - 1
        return f"network.vision.blocks.{min(int(block[1]), last)}.{block[2]}", int(block[1]) > last
    return name, False


def _centred(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """The vision tower with residual values of mean zero; its norms take the mean away, so it computes the same."""
    result = dict(weights)
    for name, value in weights.items():
        if re.search(r"vision\.(patch_embed\.proj|blocks\.\d+\.(attn\.proj|mlp\.fc2))\.(weight|bias)$", name):
            result[name] = value.float() - value.float().mean(0, keepdim=True)
        elif name.endswith("vision.pos_embed"):
            result[name] = value.float() - value.float().mean(-1, keepdim=True)
    return result


def _rows_and_columns(name: str, value: Tensor, fresh: Tensor, old: ModelConfig, new: ModelConfig) -> Tensor:
    """One parameter of the new shape."""
    value = value.float()
    if name.startswith("layout_"):
        value = _with_more_characters(name, value, new)
    same = old.language_config == new.language_config and old.vision_config == new.vision_config
    if same and value.shape == fresh.shape:
        return value
    if re.search(r"norm\d?\.weight$", name):
        return _norm(value, fresh)
    if value.ndim == 1:
        made = torch.zeros_like(fresh)
        made[: len(value)] = value
        return _placed(value, fresh, _parts(old, new), None, new_rows=0.0, new_columns=0.0) if "qkv" in name else made
    rows, columns = _places(name, old, new)
    writes = re.search(
        r"(o_proj|down_proj|attn\.proj|fc2|embed_tokens|patch_embed\.proj|projector\.layers\.2|kv_a_proj_with_mqa|pos_embed"
        r"|image_newline|view_seperator|layout_embedding\.\w+)(\.weight)?$", name
    )  # fmt: skip
    read = 0.0 if "gate.weight" in name else READ
    if writes and "kv_a_proj" in name:
        return _placed(value, fresh, rows, columns, new_rows=0.0, new_columns=read)
    if writes:
        return _placed(value, fresh, rows, columns, new_rows=0.0, new_columns=0.0)
    made = _placed(value, fresh, rows, columns, new_rows=1.0, new_columns=read)
    return _led(name, made, old.language_config, new.language_config)


def _norm(value: Tensor, fresh: Tensor) -> Tensor:
    factor = math.sqrt(len(value) / len(fresh))
    made = torch.full_like(fresh, float(value.mean()) * factor)
    made[: len(value)] = value * factor
    return made


def _parts(old: ModelConfig, new: ModelConfig) -> Tensor:
    """Rows of queries, keys and values in the vision tower: three parts, each of all heads."""
    before, after = old.vision_config.width, new.vision_config.width
    return torch.cat([torch.arange(before) + part * after for part in range(3)])


def _places(name: str, old: ModelConfig, new: ModelConfig) -> tuple[Tensor | None, Tensor | None]:
    """Where old rows and columns stand among the new ones; None means at the beginning."""
    if name.endswith("qkv.weight"):
        return _parts(old, new), None
    if "kv_a_proj" in name:
        before, after = old.language_config.latent_rank, new.language_config.latent_rank
        rope = old.language_config.qk_rope_head_dim
        return torch.cat([torch.arange(before), torch.arange(rope) + after]), None
    return None, None


def _placed(
    value: Tensor, fresh: Tensor, rows: Tensor | None, columns: Tensor | None, *, new_rows: float, new_columns: float
) -> Tensor:
    """The old values among scaled random ones: `new_rows` of those that are written, `new_columns` of those read."""
    shape = fresh.shape
    flat_fresh, flat = (fresh, value) if value.ndim != 4 else (fresh.flatten(1), value.flatten(1))
    if value.ndim == 3:  # positions `[1, patches, width]`, rows and columns of the layout: the width is written
        made = torch.zeros_like(fresh)
        made[..., : value.shape[-1]] = value
        return made
    rows = torch.arange(flat.shape[0]) if rows is None else rows
    made = flat_fresh * new_rows
    if flat.ndim == 1:
        made[rows] = flat
        return made.view(shape)
    columns = torch.arange(flat.shape[1]) if columns is None else columns
    inside = flat_fresh[rows] * new_columns
    inside[:, columns] = flat
    made[rows] = inside
    return made.view(shape)


def _led(name: str, made: Tensor, old: LanguageConfig, new: LanguageConfig) -> Tensor:
    """New heads look where old ones look that are told where to: their queries and keys are copies."""
    more = new.num_attention_heads - old.num_attention_heads
    if more <= 0 or not re.search(r"(q_proj|kv_b_proj)\.weight$", name):
        return made
    nope, rope = new.qk_nope_head_dim, new.qk_rope_head_dim
    by_head = made.reshape(new.num_attention_heads, -1, made.shape[1])
    kept = nope + rope if "q_proj" in name else nope
    for index, led in enumerate(LED_HEADS[:more]):
        by_head[old.num_attention_heads + index, :kept] = by_head[led, :kept]
    return by_head.flatten(0, 1)


LED_HEADS = (0, 3, 1, 2)
"""Whose looks the new heads copy."""


def _with_more_characters(name: str, value: Tensor, new: ModelConfig) -> Tensor:
    """Classes of characters have been added before the last, which is any other."""
    classes = feature_classes(new.vision_config.patch_size)
    places = new.projector_config.downsample_ratio**2
    rows = len(value) if name.startswith("layout_head") else (len(value) - 1) // places
    if name.startswith("layout_embedding") and "features" not in name:
        return value
    added = sum(classes) - rows
    if not added:
        return value
    per_slot = added // SLOTS
    before = classes[0] - per_slot
    index: list[int] = []
    start = 0
    for feature in range(FEATURES):
        count = classes[feature] - (per_slot if feature < SLOTS else 0)
        index += range(start, start + count - 1) if feature < SLOTS else range(start, start + count)
        if feature < SLOTS:
            index += [start + before - 1] * (per_slot + 1)  # a new character begins as any other
        start += count
    if name.startswith("layout_head"):
        return value[torch.tensor(index)]
    wide = [torch.tensor(index) + place * rows for place in range(places)]
    return value[torch.cat([*wide, torch.tensor([len(value) - 1])])]

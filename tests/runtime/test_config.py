"""Configurations: what official files say, and what is refused."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from dsvl2_export.checkpoint.config import CheckpointConfig, read_config
from dsvl2_export.checkpoint.files import config_document
from dsvl2_runtime.bundle.releases import official_config
from dsvl2_runtime.config import ModelConfig
from dsvl2_runtime.errors import UsageError
from small_models import VARIANTS, small_config


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("make", [official_config, small_config])
def test_a_configuration_comes_back(variant: Any, make: Any) -> None:
    """Through our own form, and through the official one, which leaves class defaults out."""
    config = make(variant)
    assert ModelConfig.from_json(json.loads(json.dumps(config.to_json()))) == config
    found = read_config(json.loads(json.dumps(config_document(config))))
    assert found == CheckpointConfig(config, (), ())


def test_what_the_official_files_leave_out_is_the_class_default() -> None:
    """Small's file names neither the rank of the latent nor the end token; 512 and 100001 are the reference's."""
    document = config_document(official_config("small"))
    for key in ("kv_lora_rank", "eos_token_id", "qk_nope_head_dim", "rope_theta", "scoring_func", "vocab_size"):
        assert key not in document["language_config"]
    language = read_config(document).config.language_config
    assert (language.kv_lora_rank, language.eos_token_id, language.qk_nope_head_dim) == (512, 100001, 128)
    assert (language.rope_theta, language.scoring_func, language.vocab_size) == (10000.0, "softmax", 102400)
    assert language.head_dim == 192


CONTRADICTIONS = {
    "grouped keys": ("language_config", {"num_key_value_heads": 4}, "num_key_value_heads"),
    "scaled rope": ("language_config", {"rope_scaling": {"type": "yarn"}}, "rope_scaling"),
    "query rank": ("language_config", {"q_lora_rank": 1536}, "q_lora_rank"),
    "router": ("language_config", {"scoring_func": "sigmoid"}, "topk_method"),
    "too many experts": ("language_config", {"num_experts_per_tok": 65}, "num_experts_per_tok"),
    "activation": ("language_config", {"hidden_act": "gelu"}, "hidden_act"),
    "projector": ("projector_config", {"projector_type": "linear"}, "projector_type"),
    "widths": ("projector_config", {"input_dim": 1000}, "input_dim"),
    "class token": ("vision_config", {"class_token": True}, "class_token"),
}


@pytest.mark.parametrize("case", CONTRADICTIONS)
def test_what_no_release_has_is_refused(case: str) -> None:
    """Running it anyway would give wrong answers without an error; the message names the field."""
    part, change, named = CONTRADICTIONS[case]
    document = config_document(official_config("small"))
    document[part] |= change
    with pytest.raises(UsageError, match=named):
        read_config(document)


SIZES: dict[str, tuple[float, ...]] = {
    "vision_config.image_size": (0, 10**9),
    "vision_config.patch_size": (0, -14, 385),
    "vision_config.width": (0, 10**12),
    "vision_config.layers": (-1, 10**9),
    "vision_config.heads": (0, 7, 10**9),
    "vision_config.mlp_ratio": (0.0, -1.0, 1e-9, 1e9, math.nan, math.inf),
    "projector_config.input_dim": (0,),
    "projector_config.n_embed": (-2048,),
    "projector_config.downsample_ratio": (0, -2, 10**9),
    "language_config.vocab_size": (0, 10**12),
    "language_config.hidden_size": (0, 10**12),
    "language_config.intermediate_size": (0, 10**12),
    "language_config.moe_intermediate_size": (0, 10**12),
    "language_config.num_hidden_layers": (0, 10**9),
    "language_config.num_attention_heads": (0, 10**9),
    "language_config.n_shared_experts": (-1, 10**9),
    "language_config.n_routed_experts": (0, 10**9),
    "language_config.num_experts_per_tok": (0, -6),
    "language_config.first_k_dense_replace": (-1, 10**9),
    "language_config.moe_layer_freq": (0, 10**9),
    "language_config.routed_scaling_factor": (0.0, math.nan, math.inf),
    "language_config.kv_lora_rank": (0, 10**12),
    "language_config.qk_nope_head_dim": (0, -128, 10**9),
    "language_config.qk_rope_head_dim": (0, 63, 10**9),
    "language_config.v_head_dim": (0, 10**9),
    "language_config.max_position_embeddings": (0, -5, 10**12),
    "language_config.bos_token_id": (-1, 10**12),
    "language_config.eos_token_id": (-1, 10**12),
    "language_config.rope_theta": (0.0, -1.0, math.nan, math.inf),
    "language_config.rms_norm_eps": (0.0, -1e-6, 2.0, math.nan),
}


@pytest.mark.parametrize(("place", "value"), [(place, value) for place, values in SIZES.items() for value in values])
def test_no_size_is_out_of_bounds(place: str, value: float) -> None:
    """Not from a checkpoint and not from a manifest: nothing is divided by zero, nor counted up to a billion."""
    part, key = place.split(".")
    checkpoint = config_document(official_config("small"))
    manifest = official_config("small").to_json()
    for document, read in ((checkpoint, read_config), (manifest, ModelConfig.from_json)):
        document[part] |= {key: value}
        with pytest.raises(UsageError, match=rf"\b{key}\b"):
            read(document)


def test_plain_attention_rotates_pairs_too() -> None:
    """The rotated width of a head follows from two other sizes there."""
    document = config_document(official_config("tiny"))
    document["language_config"] |= {"num_attention_heads": 256, "num_key_value_heads": 256}
    with pytest.raises(UsageError, match="5 values per head"):
        read_config(document)


@pytest.mark.parametrize(
    ("resolutions", "named"),
    [
        ([], "candidate_resolutions"),
        ([(0, 384)], "0x384"),
        ([(384, 500)], "384x500"),
        ([(384 * 10**9, 384)], "at most 64"),
        ([(384 * 13, 384 * 5)], "65 tiles"),
        ([(384, 384)] * 5000, "candidate_resolutions"),
    ],
    ids=["none", "zero", "no multiple", "huge", "one tile too many", "thousands"],
)
def test_resolutions_are_bounded(resolutions: list[tuple[int, int]], named: str) -> None:
    """A picture is scaled up to the one that suits its shape, so that one must fit in memory."""
    document = config_document(official_config("small")) | {"candidate_resolutions": resolutions}
    with pytest.raises(UsageError, match=named):
        read_config(document)


def test_the_message_has_the_number_that_was_found() -> None:
    """And the one that is allowed."""
    document = config_document(official_config("small"))
    document["language_config"] |= {"vocab_size": 10**12}
    with pytest.raises(
        UsageError, match="vocab_size: Input should be less than or equal to 1048576, not 1000000000000"
    ):
        read_config(document)


def test_unknown_keys_are_errors_in_our_own_form_and_reported_from_a_checkpoint() -> None:
    """Ours are written by us; theirs carry leftovers."""
    ours = official_config("base").to_json()
    ours["language_config"]["depth"] = 3
    with pytest.raises(UsageError, match="depth"):
        ModelConfig.from_json(ours)
    theirs = config_document(official_config("base"))
    theirs["language_config"]["depth"] = 3
    assert read_config(theirs).unknown == ("language_config.depth",)

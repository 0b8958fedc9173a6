"""Configurations: what official files say, and what is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dsvl2_export.checkpoint_files import config_document
from dsvl2_export.synth import official_config, small_config
from dsvl2_runtime.config import ModelConfig
from dsvl2_runtime.errors import UsageError
from fixtures import VARIANTS


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("make", [official_config, small_config])
def test_a_configuration_comes_back(variant: Any, make: Any) -> None:
    """Through our own form, and through the official one, which leaves class defaults out."""
    config = make(variant)
    assert ModelConfig.from_json(json.loads(json.dumps(config.to_json()))) == config
    found, unknown = ModelConfig.from_checkpoint_json(json.loads(json.dumps(config_document(config))))
    assert found == config
    assert not unknown


def test_what_the_official_files_leave_out_is_the_class_default() -> None:
    """Small's file names neither the rank of the latent nor the end token; 512 and 100001 are the reference's."""
    document = config_document(official_config("small"))
    for key in ("kv_lora_rank", "eos_token_id", "qk_nope_head_dim", "rope_theta", "scoring_func", "vocab_size"):
        assert key not in document["language_config"]
    config, _ = ModelConfig.from_checkpoint_json(document)
    language = config.language_config
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
        ModelConfig.from_checkpoint_json(document)


def test_unknown_keys_are_errors_in_our_own_form_and_reported_from_a_checkpoint() -> None:
    """Ours are written by us; theirs carry leftovers."""
    ours = official_config("base").to_json()
    ours["language_config"]["depth"] = 3
    with pytest.raises(UsageError, match="depth"):
        ModelConfig.from_json(ours)
    theirs = config_document(official_config("base"))
    theirs["language_config"]["depth"] = 3
    _, unknown = ModelConfig.from_checkpoint_json(theirs)
    assert any("depth" in key for key in unknown)

"""`config.json` as it comes from other programs: read, refused with a reason, or quiet."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import DeepseekV2Config, PretrainedConfig

from dsvl2_export.checkpoint.checkpoint import Checkpoint
from dsvl2_export.checkpoint.config import read_config
from dsvl2_export.checkpoint.files import config_document
from dsvl2_runtime.bundle.releases import official_config
from dsvl2_runtime.errors import ModelCorruptError, UsageError
from small_models import VARIANTS, MakeCheckpoint, small_config


@pytest.fixture
def folder(tmp_path: Path, checkpoint: MakeCheckpoint) -> Path:
    """A copy to change."""
    return Path(shutil.copytree(checkpoint("small"), tmp_path / "copy"))


def language(**changes: Any) -> dict[str, Any]:
    """Small's document with some keys of its language model changed."""
    document = config_document(official_config("small"))
    document["language_config"] |= changes
    return document


def rewrite_config(folder: Path, change: dict[str, Any], section: str | None = None) -> None:
    path = folder / "config.json"
    document = json.loads(path.read_text("utf-8"))
    (document[section] if section else document).update(change)
    path.write_text(json.dumps(document), "utf-8")


def with_all_defaults(variant: str) -> dict[str, Any]:
    """The small model's document as transformers writes it with every default of its classes."""
    document = config_document(small_config(variant))
    document["language_config"] = DeepseekV2Config(**document["language_config"]).to_dict()
    for section in ("vision_config", "projector_config"):
        document[section] = PretrainedConfig().to_dict() | document[section]
    whole: dict[str, Any] = json.loads(json.dumps(PretrainedConfig().to_dict() | document))
    return whole


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_config_with_every_default_written_out_is_read_with_one_line(
    variant: str, tmp_path: Path, checkpoint: MakeCheckpoint, caplog: pytest.LogCaptureFixture
) -> None:
    """The model is the same, and the keys that say nothing about it are counted, not listed."""
    folder = Path(shutil.copytree(checkpoint(variant), tmp_path / "copy"))
    document = with_all_defaults(variant)
    (folder / "config.json").write_text(json.dumps(document), "utf-8")
    assert Checkpoint.open(folder).config == small_config(variant)
    (line,) = caplog.messages
    count = len(read_config(document).without_effect)
    assert count > 150
    assert line.endswith(f"{count} keys that do not change the model are ignored")


def test_keys_that_nobody_knows_are_named_in_that_line(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    """They could mean anything."""
    rewrite_config(folder, {"speculative_heads": 2, "use_cache": True})
    Checkpoint.open(folder)
    (line,) = caplog.messages
    assert line.endswith("1 keys that do not change the model are ignored; not understood: speculative_heads")


OTHER_COMPUTATIONS: dict[str, Any] = {
    "mlp_bias": True,
    "sliding_window": 1024,
    "final_logit_softcapping": 30.0,
    "residual_multiplier": 0.5,
    "partial_rotary_factor": 0.5,
    "rope_interleave": False,
    "rope_scaling_factor": 4.0,
    "rotary_base": 500000,
    "head_dim": 100,
    "qk_head_dim": 128,
    "layer_types": ["sliding_attention"] * 27,
    "mlp_layer_types": ["sparse"] * 27,
    "pruned_heads": {"1": [0]},
}


@pytest.mark.parametrize("key", OTHER_COMPUTATIONS)
def test_a_key_that_asks_for_another_computation_is_refused(key: str) -> None:
    """Ignored, it would give wrong answers without a word; null asks for nothing."""
    with pytest.raises(UsageError, match=rf"language_config\.{key} is .*another computation"):
        read_config(language(**{key: OTHER_COMPUTATIONS[key]}))
    read = read_config(language(**{key: None}))
    assert read.config == official_config("small")
    assert read.without_effect == (f"language_config.{key}",)


def test_keys_that_repeat_the_structure_are_compared_with_it() -> None:
    """Where they agree they change nothing."""
    repeated = {
        "head_dim": 64,
        "qk_head_dim": 192,
        "rope_interleave": True,
        "layer_types": ["full_attention"] * 27,
        "mlp_layer_types": ["dense"] + ["sparse"] * 26,
    }
    read = read_config(language(**repeated))
    assert read.config == official_config("small")
    assert set(read.without_effect) == {f"language_config.{key}" for key in repeated}


@pytest.mark.parametrize("name", ["rope_parameters", "rope_scaling"])
@pytest.mark.parametrize("kind", [{}, {"rope_type": "default"}, {"type": "default", "factor": 1.0}])
def test_a_base_of_the_rotation_is_used_wherever_it_is_named(name: str, kind: dict[str, Any]) -> None:
    """transformers 5 moved it, and writes the plain kind by its name."""
    read = read_config(language(**{name: {"rope_theta": 500000.0, **kind}}))
    assert read.config.language_config.rope_theta == 500000.0
    plain = read_config(language(rope_theta=500000.0, **{name: dict(kind)}))
    assert plain.config == read.config
    assert not read.unknown


SCALED: dict[str, dict[str, Any]] = {
    "yarn": {"rope_parameters": {"rope_theta": 10000.0, "rope_type": "yarn", "factor": 40}},
    "older spelling": {"rope_scaling": {"type": "yarn", "factor": 40}},
    "a factor alone": {"rope_scaling": {"factor": 2.0}},
    "part of a head": {"rope_parameters": {"rope_type": "default", "partial_rotary_factor": 0.5}},
    "by kind of layer": {"rope_parameters": {"full_attention": {"rope_theta": 1e6, "rope_type": "default"}}},
    "a word": {"rope_scaling": "dynamic"},
    "two bases": {"rope_theta": 10000.0, "rope_parameters": {"rope_theta": 500000.0, "rope_type": "default"}},
}


@pytest.mark.parametrize("case", SCALED)
def test_any_other_rotation_is_refused(case: str) -> None:
    """The message names the key."""
    with pytest.raises(UsageError, match=r"language_config\.rope_(parameters|scaling)"):
        read_config(language(**SCALED[case]))


def test_a_rotation_outside_the_language_model_must_agree_with_it() -> None:
    """No release has one there, so one that differs means something else."""
    read = read_config(language() | {"rope_parameters": {"rope_theta": 10000.0}})
    assert read.config == official_config("small")
    with pytest.raises(UsageError, match=r"rope_theta is 500000\.0"):
        read_config(language() | {"rope_theta": 500000.0})
    with pytest.raises(UsageError, match="rope_scaling"):
        read_config(language() | {"rope_scaling": {"type": "linear", "factor": 2.0}})


def test_no_number_of_key_heads_means_as_many_as_query_heads() -> None:
    """As in the reference's class."""
    document = language(num_key_value_heads=None)
    assert read_config(document).config == official_config("small")
    with pytest.raises(UsageError, match="shares key heads"):
        read_config(language(num_key_value_heads=8))


QUANTIZED: dict[str, tuple[dict[str, Any], str]] = {
    "bitsandbytes": ({"quantization_config": {"load_in_4bit": True, "bnb_4bit_quant_type": "nf4"}}, "bitsandbytes"),
    "bitsandbytes named": ({"quantization_config": {"quant_method": "bitsandbytes"}}, "bitsandbytes"),
    "GPTQ": ({"quantization_config": {"quant_method": "gptq", "bits": 4, "group_size": 128}}, "GPTQ"),
    "AWQ": ({"quantization_config": {"quant_method": "awq", "bits": 4, "group_size": 128}}, "AWQ"),
    "FP8": ({"quantization_config": {"quant_method": "fp8", "weight_block_size": [128, 128]}}, "FP8"),
    "compressed-tensors": ({"quantization_config": {"quant_method": "compressed-tensors"}}, "compressed-tensors"),
    "compressed-tensors, older": ({"compression_config": {"config_groups": {"group_0": {}}}}, "compressed-tensors"),
    "AutoRound": ({"quantization_config": {"quant_method": "auto-round", "bits": 4}}, "AutoRound"),
    "MLX": ({"quantization": {"group_size": 64, "bits": 4}}, "MLX"),
    "MLX in both places": (
        {"quantization": {"group_size": 64, "bits": 4}, "quantization_config": {"group_size": 64, "bits": 4}},
        "MLX",
    ),
    "another": ({"quantization_config": {"quant_method": "newest"}}, "'newest'"),
    "a word": ({"quantization": "w8a8"}, "'w8a8'"),
}


@pytest.mark.parametrize("section", [None, "language_config"])
@pytest.mark.parametrize("case", QUANTIZED)
def test_quantized_weights_are_refused_with_the_program_that_made_them(
    folder: Path, case: str, section: str | None
) -> None:
    """In one line that says what to do, wherever in the file it is said."""
    change, program = QUANTIZED[case]
    rewrite_config(folder, change, section)
    with pytest.raises(ModelCorruptError) as caught:
        Checkpoint.open(folder)
    said = f"config.json: these weights are quantised already (by {program}); take the original checkpoint"
    assert str(caught.value).endswith(said)
    assert caught.value.exit_code == 4


def test_a_quantization_that_is_null_says_nothing(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Some programs write the key in every file."""
    rewrite_config(folder, {"quantization_config": None})
    Checkpoint.open(folder)
    assert "quantization_config" not in caplog.text


EXPERT = "language.model.layers.1.mlp.experts.0.up_proj"

TENSORS: dict[str, tuple[dict[str, torch.Tensor], str]] = {
    "bitsandbytes": ({f"{EXPERT}.weight.absmax": torch.ones(3)}, "by bitsandbytes"),
    "GPTQ": ({f"{EXPERT}.qweight": torch.zeros(2, 2, dtype=torch.int32)}, "by GPTQ or AWQ"),
    "FP8": ({f"{EXPERT}.weight_scale_inv": torch.ones(1)}, "by FP8"),
    "MLX": ({f"{EXPERT}.scales": torch.ones(2), f"{EXPERT}.biases": torch.ones(2)}, "by MLX"),
    "compressed-tensors": ({f"{EXPERT}.weight_packed": torch.zeros(2, dtype=torch.int32)}, "by compressed-tensors"),
    "types alone": ({f"{EXPERT}.weight": torch.zeros(48, 80, dtype=torch.int8)}, "to I8"),
}  # fmt: skip


@pytest.mark.parametrize("case", TENSORS)
def test_quantized_weights_are_known_by_their_tensors_too(folder: Path, case: str) -> None:
    """A config.json of the original beside them is no help."""
    changes, said = TENSORS[case]
    path = next(folder.glob("*.safetensors"))
    tensors = load_file(path)
    path.unlink()
    (folder / "model.safetensors.index.json").unlink()
    save_file(tensors | changes, folder / "model.safetensors")
    with pytest.raises(ModelCorruptError) as caught:
        Checkpoint.open(folder)
    assert str(caught.value).endswith(f": these weights are quantised already ({said}); take the original checkpoint")

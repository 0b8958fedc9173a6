"""Reading checkpoints: every way in which a folder can be wrong is named before a tensor is read."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer as Encoder

from dsvl2_export.checkpoint.checkpoint import Checkpoint, load_network
from dsvl2_export.checkpoint.files import to_bf16
from dsvl2_export.checkpoint.tensor_names import expected_tensors, unused_tensors
from dsvl2_export.synth.config import synthetic_config
from dsvl2_export.synth.writer import write_synthetic_checkpoint
from dsvl2_runtime.bundle.releases import RELEASES, Variant, official_config
from dsvl2_runtime.errors import Dsvl2Error, ModelCorruptError, ModelNotFoundError, UsageError
from dsvl2_runtime.inputs.tokenizer import Tokenizer
from small_models import VARIANTS, MakeCheckpoint, small_config

OFFICIAL_PARAMETERS = {"tiny": 3_370_501_440, "small": 16_148_349_504, "base": 27_480_134_248}
"""Parameters of the published files, the unused attention pool included."""

ADDED_TOKENS = (
    "<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>", "<｜▁pad▁｜>", "<image>", "<|ref|>", "<|/ref|>", "<|det|>",
    "<|/det|>", "<|grounding|>", "<|User|>", "<|Assistant|>",
)  # fmt: skip

Tensors = dict[str, torch.Tensor]


@pytest.mark.parametrize("variant", VARIANTS)
def test_expected_tensors_are_those_of_the_published_files(variant: Any) -> None:
    """Names and shapes follow from the configuration alone; their total is the published one."""
    config = official_config(variant)
    shapes = expected_tensors(config) | unused_tensors(config.vision_config)
    assert sum(map(prod, shapes.values())) == OFFICIAL_PARAMETERS[variant]
    if variant == "small":
        assert len(shapes) == 5639


@pytest.mark.parametrize("variant", VARIANTS)
def test_configuration_survives_its_official_form(
    variant: str, checkpoint: MakeCheckpoint, caplog: pytest.LogCaptureFixture
) -> None:
    """What is written as config.json is read back as the same configuration, without unknown keys."""
    opened = Checkpoint.open(checkpoint(variant))
    assert opened.config == small_config(variant)
    assert caplog.messages == []


def test_shards_hold_the_same_tensors_as_one_file(tmp_path: Path, checkpoint: MakeCheckpoint) -> None:
    """The weights depend on the seed and the tensor's name, not on how they are cut into files."""
    write_synthetic_checkpoint(tmp_path / "cut", "small", config=small_config("small"), seed=5, shard_bytes=100_000)
    assert len(list((tmp_path / "cut").glob("*.safetensors"))) > 3
    whole, cut = Checkpoint.open(checkpoint("small")), Checkpoint.open(tmp_path / "cut")
    for name in expected_tensors(whole.config):
        assert torch.equal(whole.tensor(name), cut.tensor(name)), name


def test_network_holds_exactly_the_stored_values(checkpoint: MakeCheckpoint) -> None:
    """Every parameter comes from the file, bit by bit."""
    opened = Checkpoint.open(checkpoint("base"))
    network = load_network(opened)
    state = network.state_dict()
    assert set(state) == set(expected_tensors(opened.config))
    for name, value in state.items():
        assert torch.equal(value, opened.tensor(name).float()), name


def test_bf16_is_rounded_to_nearest_even() -> None:
    """The same as PyTorch's conversion, ties included."""
    values = np.concatenate([np.random.default_rng(0).standard_normal(5000), [1 + 2**-8, 1 + 3 * 2**-8, 0.0, -0.0]])
    array = values.astype(np.float32)
    expected = torch.from_numpy(array).to(torch.bfloat16).view(torch.int16).numpy().view(np.uint16)
    assert np.array_equal(to_bf16(array), expected)


@pytest.fixture
def folder(tmp_path: Path, checkpoint: MakeCheckpoint) -> Path:
    """A copy to damage."""
    return Path(shutil.copytree(checkpoint("small"), tmp_path / "copy"))


def shard(folder: Path) -> Path:
    return next(folder.glob("*.safetensors"))


def rewrite(folder: Path, change: Callable[[Tensors], object]) -> None:
    """Change the tensors of the one shard and drop the index, as in a re-saved checkpoint."""
    path = shard(folder)
    tensors = load_file(path)
    change(tensors)
    path.unlink()
    (folder / "model.safetensors.index.json").unlink()
    save_file(tensors, folder / "model.safetensors")


NORM = "language.model.norm.weight"


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda tensors: tensors.pop(NORM), f"1 tensors missing: {NORM}"),
        (lambda tensors: tensors.update({"lora.A": torch.zeros(3)}), "1 tensors unknown: lora.A"),
        (lambda tensors: tensors.update({NORM: torch.zeros(81)}), f"{NORM} is [81], not [80]"),
        (lambda tensors: tensors.update({NORM: torch.zeros(80, dtype=torch.int64)}), f"{NORM} is I64"),
    ],
    ids=["missing", "unknown", "shape", "dtype"],
)
def test_wrong_tensors_are_named(folder: Path, change: Callable[[Tensors], object], named: str) -> None:
    """The message says which tensor and what is wrong with it."""
    rewrite(folder, change)
    with pytest.raises(ModelCorruptError) as caught:
        Checkpoint.open(folder)
    assert named in str(caught.value)


def test_one_file_without_index_is_a_checkpoint(folder: Path) -> None:
    """Re-saved checkpoints often come so."""
    rewrite(folder, lambda tensors: None)
    assert Checkpoint.open(folder).array(NORM).shape == (80,)


def test_truncated_shard_is_found_before_reading(folder: Path) -> None:
    """An interrupted download ends early; the header's offsets tell."""
    path = shard(folder)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) - 10])
    with pytest.raises(ModelCorruptError, match="not a whole safetensors file"):
        Checkpoint.open(folder)


def edit(path: Path, **changes: object) -> None:
    document = json.loads(path.read_text("utf-8"))
    path.write_text(json.dumps(document | changes), "utf-8")


@pytest.mark.parametrize("name", ["../outside.safetensors", "/etc/passwd", "a/b.safetensors"])
def test_index_cannot_lead_out_of_the_folder(folder: Path, name: str) -> None:
    """A file name with a folder in it is refused, whether or not there is such a file."""
    edit(folder / "model.safetensors.index.json", weight_map={NORM: name})
    with pytest.raises(ModelCorruptError, match="outside the folder"):
        Checkpoint.open(folder)


@pytest.mark.parametrize("name", ["config.json", "processor_config.json", "tokenizer.json"])
def test_missing_file_is_named(folder: Path, name: str) -> None:
    """Which file is missing is in the message."""
    (folder / name).unlink()
    with pytest.raises(ModelNotFoundError, match=name):
        Checkpoint.open(folder)


@pytest.mark.parametrize("text", ["", "[1, 2]", "{", "[" * 100_000])
def test_config_that_is_no_json_object(folder: Path, text: str) -> None:
    """Broken, of another kind, or nested until the parser gives up: an error of ours, never another one."""
    (folder / "config.json").write_text(text, "utf-8")
    with pytest.raises(ModelCorruptError):
        Checkpoint.open(folder)


@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
@pytest.mark.parametrize("name", [NORM, "language.model.embed_tokens.weight", "vision.blocks.0.mlp.fc1.weight"])
def test_a_value_that_is_not_finite_is_named(folder: Path, name: str, value: float) -> None:
    """A model with such a value answers nonsense; a single one is found, in whatever part it is."""
    rewrite(folder, lambda tensors: tensors[name].view(-1)[-7:-6].fill_(value))
    opened = Checkpoint.open(folder)
    for read in (opened.tensor, opened.array):
        with pytest.raises(ModelCorruptError, match=f"{re.escape(name)} holds values that are not finite"):
            read(name)
    assert opened.array("language.lm_head.weight").shape == (640, 80)


def test_a_tensor_in_two_shards_is_the_one_that_the_index_names(folder: Path) -> None:
    """Also when another file comes later in the alphabet, and whatever shape the other one has."""
    before = Checkpoint.open(folder).tensor(NORM)
    index = folder / "model.safetensors.index.json"
    files = json.loads(index.read_text("utf-8"))["weight_map"]
    other = load_file(shard(folder))["image_newline"]
    for name, moved in ((NORM, "a.safetensors"), (NORM, "z.safetensors")):
        save_file({"image_newline": other, name: torch.zeros(81)}, folder / moved)
        edit(index, weight_map=files | {"image_newline": moved})
        assert torch.equal(Checkpoint.open(folder).tensor(NORM), before)


def added_tokens(folder: Path) -> list[dict[str, Any]]:
    tokens: list[dict[str, Any]] = json.loads((folder / "tokenizer.json").read_text("utf-8"))["added_tokens"]
    return tokens


def test_added_tokens_of_either_file_are_known(folder: Path, tmp_path: Path) -> None:
    """A token that only tokenizer_config.json names has its id there; one that both name is there once."""
    tokens = added_tokens(folder)
    kept = [token for token in tokens if token["content"] not in ("<image>", "<|User|>")]
    edit(folder / "tokenizer.json", added_tokens=kept)
    decoder = {str(token["id"]): {"content": token["content"], "special": True} for token in tokens}
    edit(folder / "tokenizer_config.json", added_tokens_decoder=decoder)
    before = Checkpoint.open(folder)
    before.write_tokenizer(tmp_path)
    assert added_tokens(tmp_path) == tokens
    tokenizer = Tokenizer.from_file(tmp_path / "tokenizer.json")
    assert {name: tokenizer.special_id(name) for name in ADDED_TOKENS} == {
        token["content"]: token["id"] for token in tokens
    }
    edit(folder / "tokenizer_config.json", added_tokens_decoder=decoder | {"639": {"content": "<more>"}})
    assert Checkpoint.open(folder).identity != before.identity


def test_a_whole_tokenizer_is_copied_as_it_is(folder: Path, tmp_path: Path) -> None:
    """Byte for byte, whatever order its keys are in."""
    path = folder / "tokenizer.json"
    path.write_bytes(b"\n" + path.read_bytes())
    Checkpoint.open(folder).write_tokenizer(tmp_path)
    assert (tmp_path / "tokenizer.json").read_bytes() == path.read_bytes()


BAD_TOKENIZERS: dict[str, tuple[dict[str, object], dict[str, object], str]] = {
    "nothing": ({"model": {}}, {}, "not a tokenizer"),
    "broken model": ({"model": {"type": "BPE", "vocab": {"a": 0}, "merges": [["a", "b"]]}}, {}, "unusable"),
    "no special tokens": ({"added_tokens": []}, {}, "special tokens missing"),
    "id behind the table": ({}, {"added_tokens_decoder": {"640": {"content": "<x>"}}}, "'<x>' has the id 640"),
    "negative id": ({}, {"added_tokens_decoder": {"-1": {"content": "<x>"}}}, "'<x>' has the id -1"),
    "two ids": ({}, {"added_tokens_decoder": {"639": {"content": "<image>"}}}, "another id for '<image>'"),
    "no table": ({}, {"added_tokens_decoder": [1]}, "added_tokens_decoder is no table"),
    "no ids": ({}, {"added_tokens_decoder": {"one": {"content": "<x>"}}}, "added_tokens_decoder is no table"),
}


@pytest.mark.parametrize("case", BAD_TOKENIZERS)
def test_a_tokenizer_that_does_not_work_is_found_before_the_export(folder: Path, case: str) -> None:
    """It is needed last of all, so it is tried first."""
    tokenizer, tokenizer_config, named = BAD_TOKENIZERS[case]
    edit(folder / "tokenizer.json", **tokenizer)
    edit(folder / "tokenizer_config.json", **tokenizer_config)
    with pytest.raises(ModelCorruptError, match=named):
        Checkpoint.open(folder)


@pytest.mark.parametrize("key", ["bos_token_id", "eos_token_id"])
def test_a_tokenizer_of_another_model_is_refused(folder: Path, key: str) -> None:
    """Both files say how a text begins and ends; the message has both ids."""
    path = folder / "config.json"
    language = json.loads(path.read_text("utf-8"))["language_config"]
    edit(path, language_config=language | {key: 7})
    with pytest.raises(ModelCorruptError, match=rf"has the id 60\d, but {key} is 7"):
        Checkpoint.open(folder)


@pytest.mark.parametrize(
    "change",
    [{"image_mean": [0.48, 0.46, 0.41]}, {"normalize": False}, {"sft_format": "plain"}, {"image_token": "<img>"}],
    ids=lambda change: next(iter(change)),
)
def test_other_preprocessing_is_refused(folder: Path, change: dict[str, object]) -> None:
    """Images or prompts prepared in another way would give wrong answers without any error."""
    edit(folder / "processor_config.json", **change)
    with pytest.raises(ModelCorruptError, match=next(iter(change))):
        Checkpoint.open(folder)


def test_unknown_configuration_is_named_and_contradictions_refused(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A harmless leftover is reported, a value that no release has is an error."""
    edit(folder / "config.json", speculative_heads=2)
    Checkpoint.open(folder)
    assert "speculative_heads" in caplog.text
    edit(folder / "config.json", tile_tag="1D")
    with pytest.raises(ModelCorruptError, match="tile_tag"):
        Checkpoint.open(folder)


@pytest.mark.parametrize("variant", VARIANTS)
def test_scaled_sizes_suit_every_precision(variant: Any) -> None:
    """`synth --scale` gives sizes that int4 blocks divide and that keep the release's structure."""
    for scale in (0.03, 0.11, 0.5):
        config = synthetic_config(variant, scale)
        language = config.language_config
        assert language.hidden_size % 64 == 0
        assert language.moe_intermediate_size % 64 == 0
        assert language.scoring_func == RELEASES[Variant(variant)].scoring_func
        assert config.vision_config.width % config.vision_config.heads == 0
    with pytest.raises(UsageError):
        synthetic_config(variant, 0.001)


@pytest.mark.parametrize("variant", VARIANTS)
def test_synthetic_tokenizer_has_the_added_tokens(variant: str, checkpoint: MakeCheckpoint) -> None:
    """A byte-level tokenizer that gives any text back, and knows the eleven added tokens as the library does."""
    tokenizer = Tokenizer.from_file(checkpoint(variant) / "tokenizer.json")
    text = "Ünïcode, 漢字, 🙂 and\ttabs\n"
    assert tokenizer.decode(tokenizer.encode(text)) == text
    added = [tokenizer.special_id(name) for name in ADDED_TOKENS]
    assert len(set(added)) == 11
    library = Encoder.from_file(str(checkpoint(variant) / "tokenizer.json"))
    assert added == [library.token_to_id(name) for name in ADDED_TOKENS]
    assert added == [library.encode(name, add_special_tokens=False).ids[0] for name in ADDED_TOKENS]
    language = small_config(variant).language_config
    assert (tokenizer.bos_id, tokenizer.eos_id) == (language.bos_token_id, language.eos_token_id)
    assert max(added) < language.vocab_size


def test_existing_folder_is_not_overwritten(folder: Path) -> None:
    """A checkpoint is never written over something else, and the error is one of ours."""
    before = sorted(folder.iterdir())
    with pytest.raises(Dsvl2Error, match="is there already"):
        write_synthetic_checkpoint(folder, "small", config=small_config("small"))
    assert sorted(folder.iterdir()) == before

"""The benchmark's form; its figures belong to the machine and are asserted nowhere."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from dsvl2_bench import synthetic_models
from dsvl2_export.checkpoint.tensor_names import expected_tensors
from dsvl2_export.exporter import export_weights
from dsvl2_export.synth import config as synth_config
from dsvl2_export.synth.weights import RandomWeights
from dsvl2_runtime import load_model
from small_models import MakeBundle, small_config

FIGURES = {
    "load_s", "warm_load_s", "first_token", "prefill_tok_s", "decode_tok_s", "vision_s_per_tile", "copy_gb_s",
    "read_gb_s", "peak_rss_gb", "anon_rss_gb", "machine", "kernels", "provider",
}  # fmt: skip


def call(*arguments: str) -> subprocess.CompletedProcess[str]:
    code = "from dsvl2_runtime.cli.main import main; main()"
    return subprocess.run(
        [sys.executable, "-c", code, "bench", *arguments], check=False, capture_output=True, encoding="utf-8"
    )


def test_the_report_has_every_promised_figure(bundle: MakeBundle) -> None:
    """One JSON object; lengths that the context does not hold are left out, the others are positive."""
    found = call("--model", str(bundle("small", "int4")), "--threads", "1", "--repeats", "1", "--format", "json")
    assert found.returncode == 0, found.stderr
    report = json.loads(found.stdout)
    assert set(report) == FIGURES
    assert set(report["prefill_tok_s"]) == {"421"}
    assert set(report["decode_tok_s"]) == {"0"}
    assert report["prefill_tok_s"]["421"] > 0
    assert report["first_token"]["seconds"] > 0
    asked = load_model(bundle("small", "int4"), threads=1).prepare("What is the total?", [Image.new("RGB", (800, 600))])
    sizes = {"tiles": len(asked.pixel_values), "prompt_tokens": len(asked.input_ids)}
    assert sizes.items() <= report["first_token"].items()
    assert report["peak_rss_gb"] > 0
    if sys.platform == "linux":  # other systems do not say what of it is no file
        assert report["peak_rss_gb"] >= report["anon_rss_gb"] > 0
    assert report["machine"]["threads"] == 1
    table = call("--model", str(bundle("small", "int4")), "--threads", "1", "--repeats", "1")
    assert "prefill of 421 tokens" in table.stdout
    assert f"first token, {sizes['tiles']} tiles" in table.stdout


@pytest.mark.parametrize("arguments", [(), ("--model", "x", "--synthetic", "small")])
def test_exactly_one_model_is_measured(arguments: tuple[str, ...]) -> None:
    """Neither none nor two."""
    found = call(*arguments)
    assert found.returncode == 2
    assert "either --model" in found.stderr


def test_a_bundle_that_is_not_there_is_said_to_be_missing() -> None:
    """With the exit code of a missing model, before anything is measured."""
    found = call("--model", "nowhere")
    assert found.returncode == 3
    assert "measuring" not in found.stderr


def test_a_gpu_that_cannot_be_used_is_said_before_anything_is_measured(bundle: MakeBundle) -> None:
    """With the exit code that `run` has for it, and not with what a process that measures said last."""
    found = call("--model", str(bundle("tiny", "int4")), "--provider", "cuda")
    assert found.returncode == 2
    assert "the provider cuda cannot be used" in found.stderr
    assert "measuring" not in found.stderr


def test_random_weights_are_a_source_like_a_checkpoint(tmp_path: Path) -> None:
    """Every tensor has its shape and its own values, the same each time, and the bundle loads and answers."""
    config = small_config("base")
    weights = RandomWeights(config)
    for name, shape in expected_tensors(config).items():
        assert weights.array(name).shape == shape
    first, second = (weights.array(f"language.model.layers.1.mlp.experts.{index}.up_proj.weight") for index in (0, 1))
    assert (first != second).any()
    assert (first == RandomWeights(config).array("language.model.layers.1.mlp.experts.0.up_proj.weight")).all()
    export_weights(weights, tmp_path / "bundle", "int4")
    assert "random" in load_model(tmp_path / "bundle", threads=1).weights_note


def test_a_synthetic_bundle_is_made_again_when_its_writer_has_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise the graphs of an older version are measured."""
    monkeypatch.setattr(synthetic_models, "cache_folder", lambda: tmp_path)
    monkeypatch.setattr(synth_config, "synthetic_config", lambda variant, layers=None: small_config(variant))
    folder = synthetic_models.synthetic_bundle("small", "int4", 2)
    made = (folder / "manifest.json").stat().st_mtime_ns
    assert synthetic_models.synthetic_bundle("small", "int4", 2) == folder
    assert (folder / "manifest.json").stat().st_mtime_ns == made
    monkeypatch.setattr(synthetic_models, "GRAPH_WRITERS", ("dsvl2_export",))
    assert synthetic_models.synthetic_bundle("small", "int4", 2) == folder
    assert (folder / "manifest.json").stat().st_mtime_ns > made


def test_a_synthetic_bundle_is_kept_where_the_user_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is left in the cache folder, and the next measurement finds it there."""
    monkeypatch.setattr(synthetic_models, "cache_folder", lambda: tmp_path / "cache")
    monkeypatch.setattr(synth_config, "synthetic_config", lambda variant, layers=None: small_config(variant))
    folder = synthetic_models.synthetic_bundle("small", "int4", 2, tmp_path / "kept")
    assert folder == tmp_path / "kept" / "small-int4-2-layers"
    made = (folder / "manifest.json").stat().st_mtime_ns
    assert synthetic_models.synthetic_bundle("small", "int4", 2, tmp_path / "kept") == folder
    assert (folder / "manifest.json").stat().st_mtime_ns == made
    assert not (tmp_path / "cache").exists()

"""The size of a bundle is known before it is written."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from dsvl2_export.bundle_size import cuda_bytes, expected_bytes
from dsvl2_export.exporter import export_bundle, export_weights
from dsvl2_export.synth.config import synthetic_config
from dsvl2_export.synth.weights import RandomWeights
from dsvl2_quant.recipe import RECIPES
from dsvl2_runtime.bundle.bundle import Bundle
from dsvl2_runtime.bundle.graph_tensors import read_external_tensors
from dsvl2_runtime.bundle.releases import official_config
from dsvl2_runtime.errors import ResourceError
from small_models import VARIANTS, MakeBundle, MakeCheckpoint, small_config

OVERHEAD = 700_000
"""Bytes of graphs, tokenizer and fill of partial blocks, which count in so small a bundle."""


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("precision", list(RECIPES))
def test_the_estimate_is_what_is_written(variant: str, precision: str, bundle: MakeBundle) -> None:
    """Neither less than the weights nor much more than the whole bundle."""
    config = small_config(variant)
    expected = expected_bytes(config, RECIPES[precision].fitted(config.language_config))
    written = sum(path.stat().st_size for path in bundle(variant, precision).iterdir())
    assert written - OVERHEAD <= expected <= written * 1.05


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("precision", ["int4", "int8"])
def test_the_estimate_for_a_gpu_is_what_is_written(variant: str, precision: str, tmp_path: Path) -> None:
    """Without the tables of positions and angles, which are no weights and have one size for all layers."""
    config = synthetic_config(variant, 0.07, layers=2)
    language = config.language_config
    expected = cuda_bytes(config, RECIPES[precision].fitted(language))
    export_weights(RandomWeights(config, seed=4), tmp_path / "bundle", precision, for_cuda=True)
    bundle = Bundle.open(tmp_path / "bundle")
    sizes = {entry.path: entry.size for entry in bundle.manifest.files}
    written = {
        (tensor.file, tensor.offset): tensor.length
        for graph in bundle.manifest.graphs
        if graph.target == "cuda"
        for tensor in read_external_tensors(bundle.folder / graph.file, sizes).values()
    }
    rotated = language.qk_rope_head_dim if language.use_mla else language.head_dim
    tables = language.max_position_embeddings * (rotated * 2 + 8)
    assert sum(written.values()) - tables <= expected <= sum(written.values()) * 1.05


def test_small_in_int4_takes_9_gigabytes() -> None:
    """4.5 bits for most of 16 billion parameters, 8.5 for the tables, 8 for the eyes."""
    config = official_config("small")
    assert 9.0e9 < expected_bytes(config, RECIPES["int4"].fitted(config.language_config)) < 9.8e9


def test_an_export_that_cannot_fit_is_not_begun(
    tmp_path: Path, checkpoint: MakeCheckpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error has both numbers, and nothing is written."""
    usage = shutil.disk_usage(tmp_path)._replace(free=10_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    with pytest.raises(ResourceError, match=r"will take 0\.05 GB, but its disk has 0\.01 GB") as caught:
        export_bundle(checkpoint("small"), tmp_path / "deep" / "out", "int4")
    assert caught.value.exit_code == 7
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]

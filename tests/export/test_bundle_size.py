"""The size of a bundle is known before it is written."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from dsvl2_export.bundle_size import expected_bytes
from dsvl2_export.exporter import export_bundle
from dsvl2_quant.recipe import RECIPES
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

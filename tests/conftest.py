"""Bundles of the small models, exported once per test run and kept for the next one in this process."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from dsvl2_export.exporter import export_bundle
from dsvl2_export.synth import write_synthetic_checkpoint
from fixtures import small_config

MakeBundle = Callable[[str, str], Path]
MakeCheckpoint = Callable[[str], Path]


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> MakeCheckpoint:
    """variant -> folder of a small synthetic checkpoint."""

    @cache
    def make(variant: str) -> Path:
        out = tmp_path_factory.mktemp("checkpoints") / variant
        write_synthetic_checkpoint(out, variant, config=small_config(variant), seed=5)
        return out

    return make


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory, checkpoint: MakeCheckpoint) -> MakeBundle:
    """(variant, precision) -> folder of its bundle."""

    @cache
    def make(variant: str, precision: str) -> Path:
        out = tmp_path_factory.mktemp("bundles") / f"{variant}-{precision}"
        export_bundle(checkpoint(variant), out, precision)
        return out

    return make

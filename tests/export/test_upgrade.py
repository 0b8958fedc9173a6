"""A bundle of an older release gets the graphs with our operators, and nothing else changes."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from dsvl2_export import upgrade
from dsvl2_export.exporter import OWN_GRAPH, REWRITERS
from dsvl2_export.upgrade import upgrade_bundle
from dsvl2_runtime.bundle.bundle import Bundle
from dsvl2_runtime.bundle.manifest import MANIFEST
from dsvl2_runtime.errors import ModelCorruptError
from small_models import MakeBundle, as_schema_1, edit_manifest

OWN = [f"{OWN_GRAPH.format(graph)}.onnx" for graph in ("decoder", "vision_encoder", "projector")]


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != MANIFEST}


@pytest.fixture
def old(tmp_path: Path, bundle: MakeBundle) -> Path:
    """As a release before the second schema wrote it."""
    folder = Path(shutil.copytree(bundle("small", "int4"), tmp_path / "bundle"))
    edit_manifest(folder, as_schema_1)
    for name in OWN:
        (folder / name).unlink()
    return folder


def test_it_becomes_what_an_export_writes_today(old: Path, bundle: MakeBundle) -> None:
    new = Bundle.open(bundle("small", "int4"))
    assert upgrade_bundle(old)
    opened = Bundle.open(old)
    opened.verify()
    assert contents(old) == contents(new.folder)
    assert opened.manifest.graphs == new.manifest.graphs
    assert opened.manifest.model_dump(exclude={"files"}) == new.manifest.model_dump(exclude={"files"})
    before = (old / MANIFEST).read_bytes()
    assert upgrade_bundle(old)
    assert (old / MANIFEST).read_bytes() == before


def test_a_bundle_with_our_decoder_alone_gets_the_vision_part(
    old: Path, bundle: MakeBundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the release that had no operators for it wrote them."""
    with monkeypatch.context() as patch:
        patch.setattr(upgrade, "REWRITERS", {"decoder": REWRITERS["decoder"]})
        assert upgrade_bundle(old)
    assert [(old / name).exists() for name in OWN] == [True, False, False]
    assert upgrade_bundle(old)
    Bundle.open(old).verify()
    assert contents(old) == contents(bundle("small", "int4"))


def test_a_bundle_without_anything_to_replace_stays_as_it_was(tmp_path: Path, bundle: MakeBundle) -> None:
    folder = Path(shutil.copytree(bundle("small", "fp32"), tmp_path / "bundle"))
    before = contents(folder), (folder / MANIFEST).read_bytes()
    assert not upgrade_bundle(folder)
    assert (contents(folder), (folder / MANIFEST).read_bytes()) == before


def test_a_damaged_bundle_is_not_touched(old: Path) -> None:
    (old / "decoder.data").write_bytes(b"short")
    with pytest.raises(ModelCorruptError, match=r"decoder\.data"):
        upgrade_bundle(old)
    assert not any((old / name).exists() for name in OWN)

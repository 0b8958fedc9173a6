"""An interrupted export is resumed where it was, and ends as if nothing had happened."""

from __future__ import annotations

import errno
import hashlib
import multiprocessing
import os
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from dsvl2_export import exporter
from dsvl2_export.exporter import export_bundle
from dsvl2_export.graphs.external_data import ExternalData, journal_of
from dsvl2_quant.formats.blocks import BlockFormat, BlockWeight
from dsvl2_quant.formats.columns import ColumnFormat, ColumnWeight
from dsvl2_quant.methods.nearest import Nearest
from dsvl2_quant.methods.quantizer import LinearInput
from dsvl2_runtime.bundle import file_entry
from dsvl2_runtime.bundle.bundle import Bundle
from dsvl2_runtime.errors import BusyError, ResourceError
from dsvl2_runtime.machine import files
from dsvl2_runtime.machine.files import only_writer, unfinished
from small_models import MakeCheckpoint, small_config


def sums(folder: Path) -> dict[str, str]:
    """File names and SHA-256 of everything but the manifest, which names the bundle."""
    files = [path for path in folder.iterdir() if path.name != "manifest.json"]
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@dataclass
class Counting:
    """Quantises as `Nearest` does and keeps the shapes of the weights."""

    identity: str = Nearest().identity
    shapes: list[tuple[int, ...]] = field(default_factory=list)

    def blocks(self, weight: NDArray[np.float32], form: BlockFormat, reads: LinearInput | None) -> BlockWeight:
        self.shapes.append(weight.shape)
        return Nearest().blocks(weight, form, reads)

    def columns(self, weight: NDArray[np.float32], form: ColumnFormat, reads: LinearInput | None) -> ColumnWeight:
        return Nearest().columns(weight, form, reads)


def die_after_two_layers(checkpoint: Path, out: Path) -> None:
    """Export, and vanish without any cleaning up."""
    data = unfinished(out) / "decoder.data"
    sizes: set[int] = set()

    def watch(done: int, total: int) -> None:
        if journal_of(data).exists():
            sizes.add(journal_of(data).stat().st_size)
        if len(sizes) == 2:
            os._exit(9)

    export_bundle(checkpoint, out, "int4", on_progress=watch)


def test_a_killed_export_goes_on(
    tmp_path: Path,
    checkpoint: MakeCheckpoint,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Finished layers are not quantised again, and the bundle is the same, byte for byte."""
    source, out = checkpoint("small"), tmp_path / "out"
    counting = Counting()
    made = counting.shapes
    export_bundle(source, tmp_path / "whole", "int4", quantizer=counting)
    everything = len(made)

    process = multiprocessing.get_context("spawn").Process(target=die_after_two_layers, args=(source, out))
    process.start()
    process.join()
    assert process.exitcode == 9
    assert not out.exists()
    made.clear()
    seen: list[tuple[int, int]] = []
    export_bundle(source, out, "int4", quantizer=counting, on_progress=lambda done, total: seen.append((done, total)))
    assert 0 < len(made) < everything
    assert "interrupted" in caplog.text
    assert seen[0][0] > 0
    assert seen == sorted(seen)
    assert sums(out) == sums(tmp_path / "whole")
    Bundle.open(out).verify()
    assert {path.name for path in tmp_path.iterdir()} == {"out", "whole"}


def die_in_the_vision_tower(checkpoint: Path, out: Path) -> None:
    """Export, and vanish when the first file lies beside the graphs that will be kept."""

    def watch(done: int, total: int) -> None:
        (unfinished(out) / "tracing").mkdir(exist_ok=True)
        (unfinished(out) / "tracing" / "block.onnx").write_bytes(b"half")
        if done:
            os._exit(9)

    export_bundle(checkpoint, out, "int4", on_progress=watch)


def test_what_a_kill_before_the_first_layer_left_is_not_kept(tmp_path: Path, checkpoint: MakeCheckpoint) -> None:
    """Files of half a step would be listed in the manifest as if they belonged there."""
    source, out = checkpoint("small"), tmp_path / "out"
    process = multiprocessing.get_context("spawn").Process(target=die_in_the_vision_tower, args=(source, out))
    process.start()
    process.join()
    assert process.exitcode == 9
    assert (unfinished(out) / "tracing" / "block.onnx").exists()
    export_bundle(source, out, "int4")
    assert not [path for path in out.rglob("*") if path.is_dir()]
    Bundle.open(out).verify()


def test_an_export_in_another_precision_is_not_resumed(
    tmp_path: Path, checkpoint: MakeCheckpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Layers of two precisions must not be mixed. (`test_fingerprint.py` has other weights.)"""
    source, out = checkpoint("small"), tmp_path / "out"
    plain = ExternalData.commit

    def stop(data: ExternalData) -> None:
        plain(data)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(ExternalData, "commit", stop)
        export_bundle(source, out, "int4")
    assert journal_of(unfinished(out) / "decoder.data").exists()
    export_bundle(source, out, "int8")
    export_bundle(source, tmp_path / "whole", "int8")
    assert sums(out) == sums(tmp_path / "whole")


def test_a_torn_journal_costs_time_and_nothing_else(tmp_path: Path, checkpoint: MakeCheckpoint) -> None:
    """A journal that promises more than the file holds, or is no JSON, is not believed."""
    data = tmp_path / "decoder.data"
    data.write_bytes(b"x" * 100)
    entry = '{"name": "a", "data_type": 1, "dims": [50], "offset": 0, "length": 200}'
    for journal in (f"[{entry}]", "[{", '[{"name": 1}]', "5", f'[{entry[:-1]}, "more": 1}}]'):
        journal_of(data).write_text(journal, encoding="utf-8")
        assert not ExternalData(data).holds(["a"])
    journal_of(data).write_text(f"[{entry.replace('200', '100')}]", encoding="utf-8")
    assert ExternalData(data).holds(["a"])


@pytest.mark.parametrize("where", ["summing up", "manifest", "rename"])
def test_an_export_stopped_at_its_end_goes_on(
    tmp_path: Path, checkpoint: MakeCheckpoint, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    """Every layer is done, and the sums of a large bundle take a minute: nothing is quantised again."""
    source, out = checkpoint("small"), tmp_path / "out"
    export_bundle(source, tmp_path / "whole", "int4")

    def stop(*given: object) -> None:
        raise KeyboardInterrupt

    def full(path: Path) -> None:
        if path.name == "manifest.json":
            raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch, pytest.raises((KeyboardInterrupt, ResourceError)):
        if where == "summing up":
            patch.setattr(file_entry, "sha256", stop)
        elif where == "manifest":
            patch.setattr(files, "flush", full)
        else:
            patch.setattr(Path, "rename", stop)
        export_bundle(source, out, "int4")
    assert not out.exists()
    counting = Counting()
    export_bundle(source, out, "int4", quantizer=counting)
    config = small_config("small").language_config
    # Small scales are inside the graph, so a few small weights are quantised again; no expert and no table is.
    assert not {shape for shape in counting.shapes if config.vocab_size in shape}
    assert (2 * config.moe_intermediate_size, config.hidden_size) not in counting.shapes
    assert sums(out) == sums(tmp_path / "whole")
    Bundle.open(out).verify()


def test_what_the_journal_stands_for_is_on_the_disk(
    tmp_path: Path, checkpoint: MakeCheckpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A journal is believed after a power cut, so every file that lies beside it was asked onto the disk before."""
    flushed: set[int] = set()
    plain = os.fsync

    def watch(descriptor: int) -> None:
        flushed.add(os.fstat(descriptor).st_ino)
        plain(descriptor)

    def commit(data: ExternalData) -> None:
        beside = {path.name for path in data.path.parent.iterdir() if path.stat().st_ino not in flushed}
        assert beside == {data.path.name}
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", watch)
    monkeypatch.setattr(ExternalData, "commit", commit)
    with pytest.raises(KeyboardInterrupt):
        export_bundle(checkpoint("small"), tmp_path / "out", "int4")


def test_two_exports_never_write_into_one_bundle(
    tmp_path: Path, checkpoint: MakeCheckpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second is told so, and neither changes nor counts what may be gone the next moment."""
    monkeypatch.setattr(exporter, "bytes_in", lambda folder: pytest.fail("looked into another's folder"))
    with only_writer(tmp_path / "out"), pytest.raises(BusyError, match="another process") as caught:
        export_bundle(checkpoint("small"), tmp_path / "out", "int4")
    assert caught.value.exit_code == 9
    assert not unfinished(tmp_path / "out").exists()

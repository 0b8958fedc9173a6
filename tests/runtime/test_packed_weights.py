"""Weights packed for this machine give the same answers, and are used only where they belong."""

from __future__ import annotations

import dataclasses
import json
import multiprocessing
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from typer.testing import CliRunner

from dsvl2_runtime import load_model
from dsvl2_runtime.bundle.bundle import Bundle
from dsvl2_runtime.bundle.file_entry import FileEntry
from dsvl2_runtime.cli.verbs import app
from dsvl2_runtime.errors import BusyError, ModelCorruptError, ResourceError, UsageError
from dsvl2_runtime.graphs import decoder, memory_plan, packed_weights, session
from dsvl2_runtime.graphs.memory_plan import GROWTH_IN_MEMORY, plan_memory
from dsvl2_runtime.graphs.packed_weights import (
    delete_packed,
    pack_weights,
    packed_decoder,
    packed_folder,
    verify_packed,
)
from dsvl2_runtime.machine.files import only_writer
from dsvl2_runtime.machine.machine import describe_processor
from small_models import MakeBundle, picture

pytestmark = pytest.mark.usefixtures("onnxruntime_operators")


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of its own."""
    monkeypatch.setattr(packed_weights, "packed_root", lambda: tmp_path / "packed")
    return tmp_path / "packed"


@pytest.mark.parametrize("precision", ["int4", "int8", "fp32"])
def test_the_same_logits_from_packed_weights(
    root: Path, bundle: MakeBundle, precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To the last bit, and from the packed file indeed."""
    opened = Bundle.open(bundle("small", precision))
    asked = ("What is it?", [picture(70, 50, 1)])
    expected = load_model(opened.folder, threads=1).next_token_logits(*asked)
    folder = pack_weights(opened, 1)
    paths: list[Path] = []
    plain = session.open_session

    def watch(path: Path, *given: Any, **named: Any) -> Any:
        paths.append(path)
        return plain(path, *given, **named)

    monkeypatch.setattr(decoder, "open_session", watch)
    found = load_model(opened.folder, threads=1).next_token_logits(*asked)
    assert paths == [folder / "decoder.onnx"]
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("changed", ["onnxruntime", "name", "features"])
def test_another_machine_or_release_has_its_own(
    root: Path, bundle: MakeBundle, monkeypatch: pytest.MonkeyPatch, changed: str
) -> None:
    """Packed weights of another kernel would be wrong numbers, or packed again; so they are not looked at."""
    opened = Bundle.open(bundle("tiny", "int4"))
    first = pack_weights(opened, 1)
    if changed == "onnxruntime":
        monkeypatch.setattr(onnxruntime, "__version__", "99.0.0")
    else:
        other = dataclasses.replace(describe_processor(), **{changed: "other"})  # type: ignore[arg-type]
        monkeypatch.setattr(packed_weights, "describe_processor", lambda: other)
    assert packed_decoder(opened) is None
    second = pack_weights(opened, 1)
    assert second != first
    assert list(root.iterdir()) == [second]


def test_a_release_that_crashes_with_them_packs_none(
    root: Path, bundle: MakeBundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """1.31.0, the oldest that CUDA's package may be, ended the whole process in its first run over packed weights."""
    monkeypatch.setattr(onnxruntime, "__version__", "1.31.0")
    with pytest.raises(UsageError, match=r"install 1\.32 or newer"):
        pack_weights(Bundle.open(bundle("tiny", "int4")), 1)
    assert not root.exists()


def test_a_release_that_crashes_with_them_uses_none_that_are_there(
    root: Path, bundle: MakeBundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which an earlier release of this program may have packed."""
    opened = Bundle.open(bundle("tiny", "int4"))
    pack_weights(opened, 1)
    assert packed_decoder(opened) is not None
    monkeypatch.setattr(packed_weights, "FIRST_ONNXRUNTIME", "99.0")
    assert packed_decoder(opened) is None


def test_another_manifest_has_its_own(root: Path, bundle: MakeBundle) -> None:
    """A bundle that was exported again into the same folder."""
    opened = Bundle.open(bundle("tiny", "int4"))
    before = packed_folder(opened)
    manifest = opened.folder / "manifest.json"
    text = manifest.read_text("utf-8")
    try:
        manifest.write_text(text + "\n", "utf-8")
        assert packed_folder(opened) != before
    finally:
        manifest.write_text(text, "utf-8")


@pytest.mark.parametrize("damage", ["cut", "missing", "no json", "other json"])
def test_damaged_packed_weights_are_not_used(root: Path, bundle: MakeBundle, damage: str) -> None:
    """The bundle still answers, and packing again mends it."""
    opened = Bundle.open(bundle("tiny", "int4"))
    folder = pack_weights(opened, 1)
    data, source = folder / "decoder.data", folder / "source.json"
    if damage == "cut":
        data.write_bytes(data.read_bytes()[:-1])
    elif damage == "missing":
        data.unlink()
    else:
        source.write_text("{" if damage == "no json" else json.dumps([1]), "utf-8")
    assert packed_decoder(opened) is None
    assert load_model(opened.folder, threads=1).next_token_logits("?").size
    pack_weights(opened, 1)
    assert packed_decoder(opened) is not None


@pytest.mark.parametrize("name", ["decoder.data", "decoder.onnx"])
def test_damage_of_the_same_size_is_found_and_mended(
    root: Path, bundle: MakeBundle, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A start passes the copy over, `verify` names the file and what to do, and packing again makes it anew."""
    folder = bundle("tiny", "int4")
    opened = Bundle.open(folder)
    path = pack_weights(opened, 1) / name
    whole = path.read_bytes()
    assert verify_packed(opened)
    path.write_bytes(whole[:-9] + bytes([whole[-9] ^ 1]) + whole[-8:])
    assert packed_decoder(opened) is None
    assert name in caplog.text
    found = CliRunner().invoke(app, ["verify", str(folder)])
    assert isinstance(found.exception, ModelCorruptError)
    assert name in str(found.exception)
    assert "optimize" in str(found.exception)
    pack_weights(opened, 1)
    assert "made again" in caplog.text
    assert path.read_bytes() == whole
    assert "packed weights" in CliRunner().invoke(app, ["verify", str(folder)]).output


def test_verify_is_content_without_packed_weights(root: Path, bundle: MakeBundle) -> None:
    """Most bundles have none."""
    folder = bundle("tiny", "int4")
    assert not verify_packed(Bundle.open(folder))
    found = CliRunner().invoke(app, ["verify", str(folder)])
    assert found.exit_code == 0
    assert "packed" not in found.output


def test_a_copy_that_cannot_be_loaded_is_passed_over(
    root: Path, bundle: MakeBundle, caplog: pytest.LogCaptureFixture
) -> None:
    """With one line of warning, and the answers of the bundle."""
    opened = Bundle.open(bundle("tiny", "int4"))
    expected = load_model(opened.folder, threads=1).next_token_logits("?")
    graph = pack_weights(opened, 1) / "decoder.onnx"
    graph.write_bytes(b"x" * graph.stat().st_size)
    source = json.loads((graph.parent / "source.json").read_text("utf-8"))
    paths = [graph.parent / entry["path"] for entry in source["files"]]
    source["files"] = [FileEntry.of(path, graph.parent).model_dump() for path in paths]
    (graph.parent / "source.json").write_text(json.dumps(source), "utf-8")
    found = load_model(opened.folder, threads=1).next_token_logits("?")
    np.testing.assert_array_equal(found, expected)
    assert [record.getMessage().count("--remove") for record in caplog.records] == [1]


def test_one_writer_at_a_time(root: Path, bundle: MakeBundle) -> None:
    """A second one would sweep away what the first is writing."""
    opened = Bundle.open(bundle("tiny", "int4"))
    root.mkdir()
    with only_writer(root):
        for write in (delete_packed, lambda opened: pack_weights(opened, 1)):
            with pytest.raises(BusyError, match="wait"):
                write(opened)
    assert pack_weights(opened, 1).is_dir()


def test_what_is_packed_reaches_the_disk_before_its_name(
    root: Path, bundle: MakeBundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a power cut there is a whole copy or none."""
    opened = Bundle.open(bundle("tiny", "int4"))
    flushed: list[int] = []

    def fsync(descriptor: int) -> None:
        assert not packed_folder(opened).exists()
        flushed.append(os.fstat(descriptor).st_size)

    monkeypatch.setattr(os, "fsync", fsync)
    folder = pack_weights(opened, 1)
    assert sorted(flushed) == sorted(path.stat().st_size for path in folder.iterdir())


def test_too_little_room_is_said_before(root: Path, bundle: MakeBundle, monkeypatch: pytest.MonkeyPatch) -> None:
    """With both numbers; nothing stays behind."""
    usage = shutil.disk_usage(root.parent)._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    with pytest.raises(ResourceError, match=r"will take 0\.\d+ GB.*0\.00 GB free"):
        pack_weights(Bundle.open(bundle("tiny", "int4")), 1)
    assert not root.exists()


def die_while_packing(bundle: Path, root: Path) -> None:
    """Pack, and vanish when everything but the last note is written."""
    plain = session.pack_graph

    def pack(*given: Any) -> None:
        plain(*given)
        os._exit(9)

    patch = pytest.MonkeyPatch()  # never undone: this process ends here
    patch.setattr(packed_weights, "packed_root", lambda: root)
    patch.setattr(packed_weights, "pack_graph", pack)
    pack_weights(Bundle.open(bundle), 1)


def test_what_a_killed_attempt_left_is_swept(root: Path, bundle: MakeBundle) -> None:
    """It is as large as the bundle twice over; the next attempt and `--remove` both find it."""
    opened = Bundle.open(bundle("tiny", "int4"))
    for sweep in (delete_packed, lambda opened: pack_weights(opened, 1)):
        process = multiprocessing.get_context("spawn").Process(target=die_while_packing, args=(opened.folder, root))
        process.start()
        process.join()
        assert process.exitcode == 9
        (left,) = root.glob("*/")
        assert (left / "decoder.data").stat().st_size > 0
        assert packed_decoder(opened) is None
        sweep(opened)
        assert not left.exists()
    assert packed_decoder(opened) is not None


def test_the_verb_keeps_and_removes(root: Path, bundle: MakeBundle) -> None:
    """On the command line, with what each call prints."""
    folder = bundle("tiny", "int4")
    runner = CliRunner()
    made = runner.invoke(app, ["optimize", str(folder), "--threads", "1"])
    assert made.exit_code == 0, made.output
    assert packed_decoder(Bundle.open(folder)) is not None
    again = runner.invoke(app, ["optimize", str(folder)])
    assert again.exit_code == 0
    gone = runner.invoke(app, ["optimize", str(folder), "--remove"])
    assert "free again" in gone.output
    assert list(root.iterdir()) == []
    assert delete_packed(Bundle.open(folder)) == 0


@pytest.mark.parametrize("change", ["renamed", "copied elsewhere", "made by an older release"])
def test_what_belongs_to_a_bundle_is_removed_wherever_it_is_now(
    root: Path, folder: Path, tmp_path: Path, change: str
) -> None:
    """Its manifest tells, not the folder that it was in when it was packed."""
    packed = pack_weights(Bundle.open(folder), 1)
    now = tmp_path / "elsewhere"
    if change == "renamed":
        folder.rename(now)
    else:
        shutil.copytree(folder, now)
    if change == "made by an older release":
        source = json.loads((packed / "source.json").read_text("utf-8"))
        del source["manifest"]
        (packed / "source.json").write_text(json.dumps(source), "utf-8")
    size = sum(path.stat().st_size for path in packed.iterdir())
    assert delete_packed(Bundle.open(now)) == size
    assert not packed.exists()


def test_another_bundle_in_the_place_of_one_keeps_its_own(
    root: Path, folder: Path, tmp_path: Path, bundle: MakeBundle
) -> None:
    """Removing one bundle's packed weights leaves those of all others."""
    first, second = pack_weights(Bundle.open(folder), 1), pack_weights(Bundle.open(bundle("tiny", "int4")), 1)
    delete_packed(Bundle.open(folder))
    assert not first.exists()
    assert second.is_dir()


def test_packed_weights_need_no_memory_of_their_own(
    root: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What is mapped is not counted, so a model loads where it was refused before; a damaged copy helps nothing."""
    opened = Bundle.open(folder)
    before = plan_memory(opened, 1)
    assert before.mapped == 0
    packed = pack_weights(opened, 1)
    after = plan_memory(opened, 1)
    assert after.mapped == sum(path.stat().st_size for path in packed.iterdir() if path.name != "source.json")
    decoder = (folder / "decoder.data").stat().st_size
    assert before.total - after.total == pytest.approx(decoder * GROWTH_IN_MEMORY, abs=2)
    monkeypatch.setattr(memory_plan, "available_memory", lambda: (before.total + after.total) // 2)
    assert load_model(folder, threads=1).next_token_logits("?").size
    (packed / "decoder.data").write_bytes(b"")
    with pytest.raises(ResourceError, match="GB of memory"):
        load_model(folder, threads=1)


@pytest.mark.parametrize("place", ["missing", "below a file"])
def test_where_nothing_was_kept_nothing_is_made(
    tmp_path: Path, bundle: MakeBundle, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    """Also where nothing can be kept, as below a home that is a file."""
    home = tmp_path / "home"
    if place == "below a file":
        home.touch()
    monkeypatch.setattr(packed_weights, "packed_root", lambda: home / "cache" / "packed")
    before = list(tmp_path.iterdir())
    assert delete_packed(Bundle.open(bundle("tiny", "int4"))) == 0
    assert list(tmp_path.iterdir()) == before

"""Models that the window knows, and checkpoints that become models."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtWidgets import QMessageBox
from pytestqt.qtbot import QtBot

from dsvl2_app import texts
from dsvl2_app.converter import Converter
from dsvl2_app.settings_keeper import SettingsKeeper
from dsvl2_app.state import models
from dsvl2_app.state.conversion import LEAST_SECONDS, Conversion
from dsvl2_app.state.models import (
    delete_bundle,
    demo_folder,
    kind_of,
    known_folders,
    look_at,
    missing_extra,
    plan_conversion,
)
from dsvl2_app.widgets.main_window import MainWindow
from dsvl2_app.widgets.models import conversion_page
from dsvl2_app.widgets.models.guide import Guide
from dsvl2_runtime.bundle.bundle import Bundle
from dsvl2_runtime.errors import BusyError, ModelCorruptError, ModelNotFoundError, UsageError
from dsvl2_runtime.machine.files import only_writer
from small_models import MakeBundle, MakeCheckpoint
from windows import PATIENCE, OpenWindow, ask, wait_for


@pytest.fixture(autouse=True)
def models_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DSVL2_MODELS", str(tmp_path / "models"))
    return tmp_path / "models"


def test_a_bundle_is_looked_at(folder: Path) -> None:
    found = look_at(folder)
    assert (found.error, found.precision, found.is_demo) == (None, "int4", False)
    assert found.disk == sum(path.stat().st_size for path in folder.iterdir())
    assert 0 < found.needed < found.memory
    assert found.fits == (found.needed <= found.available)


def test_a_bundle_that_is_broken_is_told(folder: Path, tmp_path: Path) -> None:
    (folder / "decoder.data").unlink()
    found = look_at(folder)
    assert found.error is not None and "decoder.data" in found.error.message
    assert not found.fits
    missing = look_at(tmp_path / "nowhere")
    assert missing.error is not None and "no such folder" in missing.error.message


def test_folders_are_told_apart(folder: Path, checkpoint: MakeCheckpoint, tmp_path: Path) -> None:
    assert kind_of(folder) == "bundle"
    assert kind_of(checkpoint("small")) == "checkpoint"
    assert kind_of(tmp_path) == kind_of(tmp_path / "nowhere") == "neither"


def test_known_are_the_demonstration_what_was_converted_and_what_was_added(folder: Path, models_folder: Path) -> None:
    assert known_folders(()) == [demo_folder()]
    converted = models_folder / "mine"
    shutil.copytree(folder, converted)
    (models_folder / "no model").mkdir()
    for hidden in (".leaving-mine", ".mine.partial"):  # what a removal and an export that were killed leave
        shutil.copytree(folder, models_folder / hidden)
    assert known_folders([str(folder), str(converted)]) == [demo_folder(), converted, folder]


@pytest.mark.parametrize("is_on_shelf", [True, False])
def test_a_bundle_with_a_file_of_somebody_else_is_not_deleted(
    folder: Path, models_folder: Path, is_on_shelf: bool
) -> None:
    bundle = models_folder / "mine" if is_on_shelf else folder
    if is_on_shelf:
        shutil.copytree(folder, bundle)
    (bundle / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match=r"notes\.txt"):
        delete_bundle(bundle)
    (bundle / "notes.txt").unlink()
    Bundle.open(bundle).verify()
    delete_bundle(bundle)
    assert not bundle.exists()


def test_a_folder_is_deleted_only_where_a_manifest_says_that_it_is_a_bundle(folder: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(folder, target_is_directory=True)
    with pytest.raises(UsageError, match="link"):
        delete_bundle(link)
    (folder / "manifest.json").write_text("{")
    with pytest.raises(ModelCorruptError):
        delete_bundle(folder)
    (folder / "manifest.json").unlink()
    with pytest.raises(ModelNotFoundError):
        delete_bundle(folder)
    assert (folder / "decoder.data").exists()


def test_a_bundle_that_is_being_written_is_not_deleted(folder: Path) -> None:
    with only_writer(folder), pytest.raises(BusyError):
        delete_bundle(folder)
    Bundle.open(folder).verify()


def test_a_deletion_that_is_killed_leaves_no_half_bundle(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(path: Path) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(shutil, "rmtree", killed)
        with pytest.raises(KeyboardInterrupt):
            delete_bundle(folder)
    assert not folder.exists()


@pytest.mark.parametrize("precision", ["int4", "int8", "fp32"])
@pytest.mark.parametrize("kernels", [None, "off"])
def test_a_plan_says_what_the_bundle_will_be(
    checkpoint: MakeCheckpoint,
    bundle: MakeBundle,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    precision: str,
    kernels: str | None,
) -> None:
    """Also without our kernels, which leave nothing mapped."""
    if kernels:
        monkeypatch.setenv("DSVL2_KERNELS", kernels)
    plan = plan_conversion(checkpoint("small"), tmp_path / "out", precision)
    written = sum(path.stat().st_size for path in bundle("small", precision).iterdir())
    assert plan.variant == "small"
    assert plan.bundle_bytes >= written  # with the margin that an export asks for
    assert plan.memory_bytes >= look_at(bundle("small", precision)).needed  # nothing is counted as mapped
    assert plan.fits_disk and plan.done_bytes == 0
    assert not (tmp_path / "out").exists()


def test_a_folder_without_a_checkpoint_has_no_plan(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFoundError, match=r"config\.json"):
        plan_conversion(tmp_path, tmp_path / "out", "int4")


def test_progress_is_read_in_pieces_and_noise_is_passed_over() -> None:
    now = [0.0]
    conversion = Conversion(Path("a"), Path("b"), clock=lambda: now[0])
    conversion.begin("converting")
    for piece in (b'{"done": 100, "to', b'tal": 1100}\nnoise\n{"done": "x"}\n[]\n', b'{"done": 350, "total": 1100}'):
        conversion.take_output(piece)
    assert (conversion.done, conversion.total, conversion.seconds_left) == (100, 1100, None)
    now[0] = LEAST_SECONDS
    conversion.take_output(b"\n")
    assert conversion.seconds_left == 750 * LEAST_SECONDS / 250  # what an earlier attempt left is no speed
    conversion.take_errors(b"dsvl2-onnx: the disk is full\n")
    conversion.end(7)
    assert (conversion.step, conversion.reason, conversion.seconds_left) == ("failed", "the disk is full", None)


def test_the_extra_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert missing_extra() is None
    monkeypatch.setattr(models, "find_spec", lambda name: None if name == "torch" else object())
    assert missing_extra() == "export"
    assert "pip install 'dsvl2-onnx[export]'" in texts.models.extra_missing("export")


@pytest.fixture
def converter(qtbot: QtBot) -> Iterator[Converter]:
    made = Converter()
    yield made
    made.close()


class HeardConversion(Conversion):
    said = b""  # by its program while it converts

    def take_output(self, data: bytes) -> None:
        if self.step == "converting":
            self.said += data
        super().take_output(data)


def test_a_checkpoint_becomes_a_verified_bundle(
    converter: Converter, checkpoint: MakeCheckpoint, tmp_path: Path, qtbot: QtBot
) -> None:
    conversion = HeardConversion(checkpoint("small"), tmp_path / "out")
    steps: list[str] = []
    converter.changed.connect(lambda: steps.append(conversion.step))
    converter.start(conversion)
    wait_for(qtbot, lambda: not converter.is_running)
    assert conversion.step == "done", conversion.log
    assert list(dict.fromkeys(steps)) == ["converting", "verifying", "done"]
    lines = [json.loads(line) for line in conversion.said.splitlines()]
    assert len(lines) > 3
    assert [line["done"] for line in lines] == sorted(line["done"] for line in lines)
    assert {line["total"] for line in lines} == {lines[0]["total"]}


SLOW_EXPORT = """
import sys, time
import dsvl2_export.graphs.decoder.graph as graph
import dsvl2_export.cli as cli
from dsvl2_export import exporter
write = exporter.write_decoder
def slow(path, source, recipe, quantizer, tell):
    layers = [0]
    def told():
        tell()
        layers[0] += 1
        if layers[0] == 2:
            time.sleep(600)
    write(path, source, recipe, quantizer, told)
exporter.write_decoder = slow
from dsvl2_runtime.cli.main import main
main()
"""
"""A conversion that stands still after a layer, so that somebody can end it there."""


@pytest.mark.parametrize("ending", ["cancel", "kill"])
def test_a_conversion_that_was_ended_goes_on_where_it_was(
    converter: Converter,
    checkpoint: MakeCheckpoint,
    tmp_path: Path,
    qtbot: QtBot,
    monkeypatch: pytest.MonkeyPatch,
    ending: str,
) -> None:
    out = tmp_path / "out"
    monkeypatch.setattr("dsvl2_app.converter.program", lambda *args: [sys.executable, "-P", "-c", SLOW_EXPORT, *args])
    converter.start(Conversion(checkpoint("small"), out))
    wait_for(qtbot, (tmp_path / ".out.partial" / "decoder.journal").exists)
    process = converter._process
    assert process is not None
    if ending == "cancel":
        converter.cancel()
        assert converter.conversion is not None and converter.conversion.step == "cancelled"
        process.waitForFinished(PATIENCE)
    else:
        os.kill(process.processId(), signal.SIGTERM if sys.platform == "win32" else signal.SIGKILL)
        wait_for(qtbot, lambda: not converter.is_running)
        assert converter.conversion is not None and converter.conversion.step == "failed"
    assert not out.exists()
    monkeypatch.undo()
    assert plan_conversion(checkpoint("small"), out, "int4").done_bytes > 0
    again = Conversion(checkpoint("small"), out)
    converter.start(again)
    wait_for(qtbot, lambda: not converter.is_running)
    assert again.step == "done", again.log
    assert any("resuming" in line for line in again.log)


@pytest.fixture
def guide(window: MainWindow, keeper: SettingsKeeper) -> Iterator[Guide]:
    made = Guide(window, keeper)
    yield made
    made.close()


def test_a_bundle_is_added_used_and_removed(
    window: MainWindow, guide: Guide, keeper: SettingsKeeper, folder: Path, qtbot: QtBot
) -> None:
    window.status.model_button.click()
    dialog = guide.dialog
    assert dialog is not None and dialog.isVisible()
    dialog.list.add_folder(folder)
    wait_for(qtbot, lambda: [row.model.folder for row in dialog.list.rows] == [demo_folder(), folder])
    wait_for(qtbot, lambda: dialog.list.told.text() == "")
    row = dialog.list.rows[1]
    assert keeper.settings.models == (str(folder),)
    assert not dialog.list.rows[0].remove.isVisible()
    row.verify.click()
    wait_for(qtbot, lambda: "as they were written" in row.state.text())
    row.use.click()
    wait_for(qtbot, lambda: row.use.text() == texts.models.in_use())
    assert window.engine.load.model == str(folder)
    assert keeper.settings.model == str(folder)
    assert not row.remove.isEnabled()
    dialog.list.rows[0].use.click()
    wait_for(qtbot, lambda: dialog.list.rows[0].use.text() == texts.models.in_use())
    assert keeper.settings.model == ""
    row.remove.click()
    box = dialog.list.findChildren(QMessageBox)[-1]
    next(button for button in box.buttons() if button.text() == texts.models.delete_files()).click()
    wait_for(qtbot, lambda: [row.model.folder for row in dialog.list.rows] == [demo_folder()])
    assert keeper.settings.models == ()
    assert not folder.exists()


def test_a_model_that_cannot_be_deleted_stays_in_the_list_and_says_why(
    guide: Guide, keeper: SettingsKeeper, folder: Path, qtbot: QtBot
) -> None:
    (folder / "notes.txt").write_text("mine")
    dialog = guide.open_dialog()
    dialog.list.add_folder(folder)
    wait_for(qtbot, lambda: [row.model.folder for row in dialog.list.rows] == [demo_folder(), folder])
    wait_for(qtbot, lambda: dialog.list.told.text() == "")
    dialog.list.remove(dialog.list.rows[1].model, deletes_files=True)
    wait_for(qtbot, lambda: "notes.txt" in dialog.list.told.text())
    assert [row.model.folder for row in dialog.list.rows] == [demo_folder(), folder]
    assert keeper.settings.models == (str(folder),)
    assert (folder / "decoder.data").exists()


def test_a_damaged_bundle_is_found_by_verifying(guide: Guide, folder: Path, qtbot: QtBot) -> None:
    weights = folder / "decoder.data"
    data = bytearray(weights.read_bytes())
    data[len(data) // 2] ^= 1
    weights.write_bytes(data)
    dialog = guide.open_dialog()
    dialog.list.add_folder(folder)
    wait_for(qtbot, lambda: len(dialog.list.rows) == 2)
    row = dialog.list.rows[1]
    if row.model.error is None:  # the sample of a small file is all of it
        row.verify.click()
    wait_for(qtbot, lambda: "decoder.data" in row.state.text())


def test_a_checkpoint_leads_to_conversion_and_into_the_list(
    guide: Guide, keeper: SettingsKeeper, checkpoint: MakeCheckpoint, models_folder: Path, qtbot: QtBot
) -> None:
    dialog = guide.open_dialog()
    dialog.list.add_folder(checkpoint("small"))
    wait_for(qtbot, dialog.page.start.isEnabled)
    assert "DeepSeek-VL2 Small" in dialog.page.found.text()
    assert "int4" in dialog.page.makes.text()
    dialog.page.start.click()
    assert guide.converting.isVisible()
    wait_for(qtbot, lambda: dialog.page.state.text() == texts.models.conversion_state(_done()))
    assert [bar.value() for bar in dialog.page.bars] == [conversion_page.BAR_PARTS] * 2
    assert not guide.converting.isVisible()
    made = models_folder / "small-int4"
    assert keeper.settings.models == (str(made),)
    dialog.page.back.click()
    wait_for(qtbot, lambda: [row.model.folder for row in dialog.list.rows] == [demo_folder(), made])


def _done() -> Conversion:
    return Conversion(Path("a"), Path("b"), step="done")


def test_a_folder_without_a_model_is_explained(guide: Guide, tmp_path: Path, qtbot: QtBot) -> None:
    dialog = guide.open_dialog()
    dialog.list.add_folder(tmp_path)
    wait_for(qtbot, lambda: "holds no model" in dialog.list.told.text())


def test_conversion_without_its_extra_says_how_to_add_it(
    guide: Guide, checkpoint: MakeCheckpoint, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conversion_page, "missing_extra", lambda: "export")
    dialog = guide.open_dialog()
    dialog.show_conversion(checkpoint("small"))
    assert dialog.page.told.text() == texts.models.extra_missing("export")
    assert not dialog.page.start.isEnabled()


def test_the_demonstration_introduces_itself_once(
    open_window: OpenWindow, keeper: SettingsKeeper, qtbot: QtBot
) -> None:
    window = open_window(demo_folder())
    guide = Guide(window, keeper)
    wait_for(qtbot, guide.card.isVisible)
    guide.keep.click()
    assert not guide.card.isVisible()
    assert keeper.settings.knows_demo
    guide.close()
    again = Guide(window, keeper)
    assert not again.card.isVisible()
    again.note_set_up.click()
    assert again.dialog is not None and again.dialog.isVisible()
    again.close()


def test_a_model_that_is_not_there_leads_to_one_that_is(
    open_window: OpenWindow, keeper: SettingsKeeper, tmp_path: Path, qtbot: QtBot
) -> None:
    """Defect: it told to run a command, and that the next question would try a folder that is not there again."""
    window = open_window(tmp_path / "nowhere")
    guide = Guide(window, keeper)
    wait_for(qtbot, lambda: window.session.engine_state == "failed")
    assert "no such folder" in guide.lost_why.text()
    assert not window.note.isVisible()
    assert guide.choose.isVisible() and guide.use_demo.isVisible()
    guide.use_demo.click()
    wait_for(qtbot, lambda: window.session.engine_state == "ready")
    assert not guide.choose.isVisible() and not guide.use_demo.isVisible()
    window.session.options = type(window.session.options)(max_new_tokens=2)
    ask(window, qtbot, "What?")
    wait_for(qtbot, lambda: window.session.turns[-1].state == "done")
    guide.close()

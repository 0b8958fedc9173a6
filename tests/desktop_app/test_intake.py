"""Images come in, without a window."""

from __future__ import annotations

import queue
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from PIL import Image, _imaging

from decoding_gate import Gate
from dsvl2_app.state import intake as intake_module
from dsvl2_app.state import picture_memory, thumbnail
from dsvl2_app.state.intake import Intake, PastedImage, Result, Source
from dsvl2_app.state.session import Attachment
from dsvl2_runtime.engine.image_store import PREFIX, ImageStore, KeptImage
from dsvl2_runtime.engine.wire_error import WireError
from dsvl2_runtime.inputs.images import ImageBytes, decode_image
from small_models import picture
from waiting import PATIENCE


class Taken:
    """An intake and what has come of it."""

    def __init__(self) -> None:
        self._results: queue.SimpleQueue[Result] = queue.SimpleQueue()
        self.intake = Intake(self._results.put)

    def next(self) -> Result:
        return self._results.get(timeout=PATIENCE)

    def next_image(self) -> Attachment:
        result = self.next()
        assert isinstance(result, Attachment), result
        return result

    def next_error(self) -> WireError:
        result = self.next()
        assert isinstance(result, WireError), result
        return result


@pytest.fixture(autouse=True)
def temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
def taken() -> Iterator[Taken]:
    made = Taken()
    yield made
    made.intake.close()
    made.intake.wait_until_gone(PATIENCE)


def test_an_image_comes_with_its_content_and_size(taken: Taken, image_file: Path) -> None:
    taken.intake.add(image_file)
    image = taken.next_image()
    assert (image.name, image.size) == (str(image_file), (170, 90))
    assert image.content.path.read_bytes() == image_file.read_bytes()
    assert image.thumbnail.size == (170, 90)
    assert image.part.sha256 == image.content.sha256


def test_a_file_that_changes_is_another_image(taken: Taken, image_file: Path) -> None:
    """What was added first stays what it was."""
    taken.intake.add(image_file)
    first = taken.next_image()
    picture(60, 60, 2).save(image_file)
    taken.intake.add(image_file)
    second = taken.next_image()
    assert first.content.sha256 != second.content.sha256
    assert decode_image(first.content.path).size == (170, 90)
    assert second.size == (60, 60)


def test_a_file_that_vanishes_while_others_are_decoded_is_kept(
    taken: Taken, image_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The temporary file of another program lives shortly, and a large image ahead of it takes long."""
    gate = Gate(monkeypatch)
    temporary = tmp_path / "temporary.png"
    picture(60, 60, 2).save(temporary)
    kept = threading.Event()
    keep = intake_module._keep

    def told(store: ImageStore, source: Source) -> KeptImage:
        content = keep(store, source)
        if source == temporary:
            kept.set()
        return content

    monkeypatch.setattr(intake_module, "_keep", told)
    taken.intake.add(image_file)
    assert gate.reached.wait(PATIENCE)
    taken.intake.add(temporary)
    assert kept.wait(PATIENCE)  # while the other one is still being decoded
    temporary.unlink()
    gate.open()
    assert taken.next_image().size == (170, 90)
    assert taken.next_image().size == (60, 60)


def test_results_come_in_the_order_of_their_sources(taken: Taken, image_file: Path, tmp_path: Path) -> None:
    """Those that fail too, each once."""
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    large = tmp_path / "large.png"
    picture(2400, 2400, 2).save(large)
    for source in (large, tmp_path / "nowhere.png", image_file, broken):
        taken.intake.add(source)
    assert taken.next_image().size == (2400, 2400)
    assert "nowhere.png" in taken.next_error().message
    assert taken.next_image().size == (170, 90)
    assert taken.next_error().values["source"] == str(broken)  # its own name, not that of the copy


def test_bytes_and_pasted_images_have_names(taken: Taken, image_file: Path) -> None:
    """They have no file; a pasted one is written by the thread."""
    threads: list[str] = []

    def write(path: Path) -> None:
        threads.append(threading.current_thread().name)
        path.write_bytes(image_file.read_bytes())

    taken.intake.add(ImageBytes("standard input", image_file.read_bytes()))
    taken.intake.add(PastedImage("pasted 1.png", write))
    first, second = taken.next_image(), taken.next_image()
    assert (first.name, second.name) == ("standard input", "pasted 1.png")
    assert first.content == second.content
    assert threads == ["keep images"]


@pytest.mark.parametrize("error", [MemoryError(), KeyError("lost")])
def test_no_error_holds_up_what_follows(
    taken: Taken, image_file: Path, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that nobody foresaw is told like the others, in decoding and in keeping."""

    def fail(*arguments: object) -> None:
        raise error

    monkeypatch.setattr(thumbnail, "decode_image", fail)
    taken.intake.add(image_file)
    decoding = taken.next_error()
    monkeypatch.undo()
    monkeypatch.setattr(intake_module, "_keep", fail)
    taken.intake.add(image_file)
    assert taken.next_error() == decoding
    assert decoding.name in ("OutOfMemoryError", "KeyError")


def test_closing_gives_up_what_waits_and_deletes_the_contents(
    taken: Taken, image_file: Path, temporary_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It does not wait for the image that is being read; the contents go when that is done."""
    gate = Gate(monkeypatch)
    for _ in range(50):
        taken.intake.add(image_file)
    assert gate.reached.wait(PATIENCE)
    assert list(temporary_folder.glob(f"{PREFIX}*"))
    taken.intake.close()  # would never return if it waited: the gate is shut
    gate.open()
    taken.next_image()
    taken.intake.wait_until_gone(PATIENCE)
    assert taken._results.empty()
    assert list(temporary_folder.iterdir()) == []


def test_a_temporary_folder_that_cannot_be_written_is_an_error_of_each_image(
    taken: Taken, image_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And no reason to stop: when there is room, the next one comes in."""
    folder = tempfile.gettempdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    taken.intake.add(image_file)
    assert taken.next_error().name == "ResourceError"
    monkeypatch.setattr(tempfile, "tempdir", folder)
    taken.intake.add(image_file)
    assert taken.next_image().size == (170, 90)


def test_memory_of_pictures_is_given_back_block_by_block(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that no other thread waits long for the interpreter; in the end nothing is kept."""
    counts: list[int] = []
    clock = SimpleNamespace(sleep=lambda _seconds: counts.append(picture_memory.kept_blocks()))
    monkeypatch.setattr(picture_memory, "time", clock)
    picture_memory.give_back()
    counts.clear()
    picture_memory.keep_blocks()
    try:
        large = Image.new("RGB", (8000, 3000))
        del large
        kept = picture_memory.kept_blocks()
        picture_memory.give_back()
    finally:
        _imaging.set_blocks_max(0)
    assert kept > 3
    assert counts == list(reversed(range(kept)))

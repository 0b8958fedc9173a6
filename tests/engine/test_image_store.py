"""Contents of images, kept for a session."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from dsvl2_runtime.engine import image_store
from dsvl2_runtime.engine.image_store import PREFIX, ImageStore, delete_abandoned, open_store
from dsvl2_runtime.errors import ImageError, ResourceError
from dsvl2_runtime.inputs.images import ImageBytes
from dsvl2_runtime.machine import machine
from dsvl2_runtime.machine.files import only_writer

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="permissions and links differ there")


@pytest.fixture(autouse=True)
def temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
def store() -> Iterator[ImageStore]:
    with open_store() as opened:
        yield opened


def sessions(folder: Path) -> list[Path]:
    return sorted(folder.glob(f"{PREFIX}*"))


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_content_is_kept_as_it_was_added(store: ImageStore, tmp_path: Path) -> None:
    """Whatever happens to the file afterwards; what it has become is another content."""
    file = tmp_path / "bill.png"
    file.write_bytes(b"first")
    first = store.keep(file)
    file.write_bytes(b"second")
    second = store.keep(file)
    file.unlink()
    assert (first.path.read_bytes(), second.path.read_bytes()) == (b"first", b"second")
    assert first.sha256 == hashlib.sha256(b"first").hexdigest()


def test_the_same_content_is_kept_once(store: ImageStore, tmp_path: Path) -> None:
    """From another file, from bytes, or written by the program."""

    def write(path: Path) -> None:
        path.write_bytes(b"same")

    file = tmp_path / "bill.png"
    file.write_bytes(b"same")
    kept = [
        store.keep(file),
        store.keep(ImageBytes("standard input", b"same")),
        store.keep_written(write),
    ]
    assert kept[0] == kept[1] == kept[2]
    assert names_in(kept[0].path.parent) == [kept[0].sha256]


def test_what_is_no_file_is_refused(store: ImageStore, tmp_path: Path) -> None:
    """With the name that the user gave; a pipe is not waited for."""
    with pytest.raises(ImageError, match=r"nowhere\.png: no such file"):
        store.keep(tmp_path / "nowhere.png")
    with pytest.raises(ImageError, match="not a regular file"):
        store.keep(tmp_path)
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.png")
        with pytest.raises(ImageError, match="not a regular file"):
            store.keep(tmp_path / "pipe.png")


def test_a_file_has_a_largest_size_also_if_it_grows(
    store: ImageStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its size is looked at first, and again while it is copied; nothing of it stays."""
    file = tmp_path / "bill.png"
    file.write_bytes(b"x" * 100)
    monkeypatch.setattr(image_store, "LARGEST_FILE_BYTES", 99)  # as seen by the copy: the file has grown by then
    with pytest.raises(ImageError, match=r"bill\.png: it grows"):
        store.keep(file)
    kept = store.keep(ImageBytes("a", b"small"))
    assert names_in(kept.path.parent) == [kept.sha256]


def test_a_session_has_a_largest_size(store: ImageStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error has both numbers; the same content takes no more room."""
    monkeypatch.setattr(image_store, "LARGEST_STORE_BYTES", 2_000_000)
    store.keep(ImageBytes("a", b"a" * 1_500_000))
    with pytest.raises(ResourceError, match=r"1\.00 GB.*1\.50 GB") as caught:
        for module in (image_store, machine):
            monkeypatch.setattr(module, "GIGABYTE", 1e6)
        store.keep(ImageBytes("b", b"b" * 1_000_000))
    assert "start the program again" in str(caught.value)
    store.keep(ImageBytes("c", b"c" * 500_000))


def test_a_disk_that_cannot_be_written_is_named(store: ImageStore) -> None:
    """Nothing incomplete stays, and the next one works."""

    def write(path: Path) -> None:
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device", str(path))

    with pytest.raises(ResourceError, match="No space left"):
        store.keep_written(write)
    kept = store.keep(ImageBytes("a", b"a"))
    assert names_in(kept.path.parent) == [kept.sha256]


def test_a_full_disk_is_not_filled_further(store: ImageStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """The room is looked at before anything is written."""
    usage = shutil.disk_usage(tempfile.gettempdir())
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage._replace(free=9))
    with pytest.raises(ResourceError, match=r"has 0\.00 GB free"):
        store.keep(ImageBytes("a", b"ten bytes!"))
    kept = store.keep(ImageBytes("a", b"nine byte"))
    assert names_in(kept.path.parent) == [kept.sha256]


def test_nothing_stays_after_a_session(temporary_folder: Path) -> None:
    """Folder, contents and lock are deleted, also after an error."""
    with pytest.raises(KeyError), open_store() as store:
        store.keep(ImageBytes("a", b"a"))
        assert len(sessions(temporary_folder)) == 1
        raise KeyError
    assert names_in(temporary_folder) == []


@POSIX
def test_nobody_else_can_read_a_session(store: ImageStore) -> None:
    """The temporary folder is everybody's."""
    kept = store.keep(ImageBytes("a", b"a"))
    for folder in (kept.path.parent, kept.path.parent.parent):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_temporary_folder_that_is_not_there_is_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """One of ours, with its name."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    with pytest.raises(ResourceError, match="nowhere"), open_store():
        pass


@pytest.mark.skipif(sys.platform == "win32", reason="killed otherwise there")
def test_what_a_killed_process_leaves_is_deleted_by_the_next(temporary_folder: Path) -> None:
    """Its lock went with it; the content of a living session stays."""
    code = (
        "import os, signal, tempfile\nfrom dsvl2_runtime.engine.image_store import open_store\n"
        "from dsvl2_runtime.inputs.images import ImageBytes\n"
        f"tempfile.tempdir = {str(temporary_folder)!r}\n"
        "with open_store() as store:\n"
        "    store.keep(ImageBytes('a', b'secret'))\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=False)
    (abandoned,) = sessions(temporary_folder)
    assert [path.read_bytes() for path in abandoned.rglob("*") if path.is_file()].count(b"secret") == 1
    with open_store() as store:
        kept = store.keep(ImageBytes("a", b"alive"))
        delete_abandoned()
        assert not abandoned.exists()
        assert kept.path.read_bytes() == b"alive"


@POSIX
def test_links_and_folders_of_others_are_left_alone(
    temporary_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody may put a link with our name where everybody may write."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "contents").mkdir()
    (tmp_path / "mine" / "contents" / "letter").write_text("keep this")
    (temporary_folder / f"{PREFIX}link").symlink_to(tmp_path / "mine")
    (temporary_folder / f"{PREFIX}other").mkdir()
    monkeypatch.setattr(os, "getuid", lambda: temporary_folder.stat().st_uid + 1)
    delete_abandoned()
    assert (temporary_folder / f"{PREFIX}other").exists()
    monkeypatch.undo()
    delete_abandoned()
    assert (tmp_path / "mine" / "contents" / "letter").read_text() == "keep this"


def test_a_new_session_is_not_taken_for_an_abandoned_one(
    temporary_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If another program holds its lock between its making and its locking, it takes a second folder."""
    make = tempfile.mkdtemp
    made: list[str] = []
    first_made, looked_at = threading.Event(), threading.Event()

    def hold_first() -> None:
        first_made.wait()
        with only_writer(Path(made[0]) / image_store.CONTENTS):
            looked_at.set()
            done.wait()

    def mkdtemp(prefix: str) -> str:
        made.append(make(prefix=prefix))
        if len(made) == 1:
            first_made.set()
            looked_at.wait()
        return made[-1]

    done = threading.Event()
    holder = threading.Thread(target=hold_first)
    holder.start()
    monkeypatch.setattr(tempfile, "mkdtemp", mkdtemp)
    with open_store() as store:
        kept = store.keep(ImageBytes("a", b"a"))
        assert str(kept.path).startswith(made[1])
    done.set()
    holder.join()
    assert len(made) == 2

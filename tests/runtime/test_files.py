"""Files and folders are whole or not there, and each mechanism for that exists once."""

from __future__ import annotations

import os
import re
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from filelock import FileLock

from dsvl2_export.synth.writer import write_synthetic_checkpoint
from dsvl2_runtime.errors import BusyError, ResourceError
from dsvl2_runtime.machine.files import new_file, new_folder, only_writer
from small_models import small_config

ROOT = Path(__file__).parent.parent.parent
PARTS = ("runtime", "export", "quant", "desktop_app", "models/dsvl2_demo", "bench")


@pytest.mark.parametrize(
    ("mechanism", "files"),
    [
        (r"(from|import) filelock", {"files.py"}),
        # What a window has been shown is kept in the temporary folder and has its sum as its name; a model that is
        # removed and a database that is damaged leave their place at once.
        (r"mkdtemp|(folder|path|\))\.rename\(", {"files.py", "image_store.py", "shelf.py", "database.py"}),
        # The weights of an export are flushed at each commit, the results of a folder with each line.
        (r"fsync", {"files.py", "external_data.py", "results.py"}),
    ],
)
def test_each_mechanism_is_in_one_file(mechanism: str, files: set[str]) -> None:
    """A second lock or a second way to put a folder in its place would differ from the first where it matters."""
    sources = [path for part in PARTS for path in (ROOT / part).rglob("*.py")]
    assert len(sources) > 100
    assert {path.name for path in sources if re.search(mechanism, path.read_text("utf-8"))} == files


def test_a_lock_is_held_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that acquires the lock at the moment of release keeps it, and no file is left in the end."""
    out = tmp_path / "out"
    successor = FileLock(tmp_path / ".out.lock")
    plain = FileLock.release

    def release_to_the_next(lock: FileLock, force: bool = False) -> None:
        plain(lock, force)
        successor.acquire(timeout=0)

    with monkeypatch.context() as patch, only_writer(out):
        patch.setattr(FileLock, "release", release_to_the_next)
    assert successor.is_locked
    with pytest.raises(BusyError, match="another process"), only_writer(out):
        pass
    successor.release(force=True)
    with only_writer(out):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_busy_place_is_said_so(tmp_path: Path) -> None:
    """With the exit code for it; the place is not touched."""
    out = tmp_path / "out"
    with only_writer(out):
        for write in (lambda: new_folder(out).__enter__(), lambda: only_writer(out).__enter__()):
            with pytest.raises(BusyError, match=r"another process is writing .*out; wait") as caught:
                write()
            assert caught.value.exit_code == 9
        assert [path.name for path in tmp_path.iterdir()] == [".out.lock"]


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_what_a_killed_writer_left_goes_with_the_next(tmp_path: Path) -> None:
    """Its lock as well; nothing of it is in the new folder."""
    out = tmp_path / "out"
    code = (
        "import os, sys; from pathlib import Path; from dsvl2_runtime.machine.files import new_folder\n"
        "with new_folder(Path(sys.argv[1])) as folder:\n"
        "    (folder / 'half').write_bytes(b'half'); os.kill(os.getpid(), 9)\n"
    )
    assert subprocess.run([sys.executable, "-c", code, str(out)], check=False).returncode == -signal.SIGKILL
    assert not out.exists()
    write_synthetic_checkpoint(out, "tiny", config=small_config("tiny"))
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert not (out / "half").exists()


def test_an_error_leaves_nothing(tmp_path: Path) -> None:
    """The error is the caller's own, unless the disk is the reason."""
    out = tmp_path / "out"
    with pytest.raises(FileNotFoundError), new_folder(out) as folder:
        (folder / "half").write_bytes(b"half")
        (tmp_path / "missing").read_bytes()
    with pytest.raises(ResourceError, match="source: No space left"), new_folder(out):
        raise OSError(28, "No space left on device", "source")
    assert list(tmp_path.iterdir()) == []


def test_a_resumable_folder_is_kept_for_the_same_purpose(tmp_path: Path) -> None:
    """Its journal decides; the marks are no part of the folder, also when the rename fails at first."""
    out = tmp_path / "out"

    def begin(purpose: str) -> list[str]:
        with pytest.raises(KeyboardInterrupt), new_folder(out, purpose=purpose, journal="journal") as folder:
            found = sorted(path.name for path in folder.iterdir())
            (folder / "weights").write_bytes(b"1")
            (folder / "journal").write_bytes(b"1")
            raise KeyboardInterrupt
        return found

    assert begin("int4") == ["purpose.txt"]
    assert begin("int4") == ["journal", "purpose.txt", "weights"]
    assert begin("int8") == ["purpose.txt"]
    out.mkdir()
    (out / "in the way").touch()
    with pytest.raises(ResourceError, match="cannot write"), new_folder(out, purpose="int8", journal="journal"):
        pass
    (out / "in the way").unlink()
    out.rmdir()
    with new_folder(out, purpose="int8", journal="journal"):
        pass
    assert [path.name for path in out.iterdir()] == ["weights"]
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_folder_is_replaced_when_the_new_one_is_there(tmp_path: Path) -> None:
    """An attempt that fails leaves the old one."""
    out = tmp_path / "out"
    for content in ("old", "new"):
        with new_folder(out, overwrite=True) as folder:
            (folder / content).touch()
        with pytest.raises(KeyboardInterrupt), new_folder(out, overwrite=True):
            raise KeyboardInterrupt
        assert [path.name for path in out.iterdir()] == [content]
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_file_is_replaced_at_once(tmp_path: Path) -> None:
    """An attempt that fails leaves the old one."""
    out = tmp_path / "state"
    for content in ("old", "new"):
        with new_file(out) as path:
            path.write_text(content, "utf-8")
        with pytest.raises(KeyboardInterrupt), new_file(out) as path:
            path.write_text("half", "utf-8")
            raise KeyboardInterrupt
        assert out.read_text("utf-8") == content
    assert list(tmp_path.iterdir()) == [out]


@pytest.mark.skipif(sys.platform == "win32", reason="modes mean nothing there")
@pytest.mark.parametrize(("mask", "mode"), [(0o077, 0o700), (0o022, 0o755)])
def test_the_user_decides_who_may_read(tmp_path: Path, mask: int, mode: int) -> None:
    """A mask that keeps others out keeps them out of a new folder too."""
    before = os.umask(mask)
    try:
        write_synthetic_checkpoint(tmp_path / "out", "tiny", config=small_config("tiny"))
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "out").stat().st_mode) == mode

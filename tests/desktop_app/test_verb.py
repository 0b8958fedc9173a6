"""The verb `app`: what it needs of the system, and how a terminal ends it."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
import typer

from dsvl2_app import cli
from dsvl2_app.qt_libraries import DEBIAN_PACKAGES, DEBIAN_X11_PACKAGES, QtLibraryError, require_loadable
from dsvl2_runtime.engine.image_store import PREFIX
from dsvl2_runtime.engine.protocol import Load
from dsvl2_runtime.errors import ImageError
from dsvl2_runtime.inputs.images import ImageBytes
from small_models import picture
from waiting import PATIENCE, wait_until

pytestmark = pytest.mark.gui


def test_a_missing_library_of_the_system_is_named(tmp_path: Path) -> None:
    """One line with what Qt misses and the packages that bring it, in place of a traceback."""
    package = tmp_path / "PySide6"
    package.mkdir()
    (package / "__init__.py").touch()
    missing = "libEGL.so.1: cannot open shared object file"
    (package / "QtCore.py").write_text(f"raise ImportError({missing!r})")
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    command = [sys.executable, "-c", "from dsvl2_runtime.cli.main import main; main()", "app"]
    found = subprocess.run(command, capture_output=True, encoding="utf-8", env=environment, check=False)
    assert found.returncode == 2
    assert len(found.stderr.splitlines()) == 1
    assert missing in found.stderr
    assert DEBIAN_PACKAGES in found.stderr


def test_a_plugin_that_cannot_be_loaded_is_named(tmp_path: Path) -> None:
    """Before Qt tries it and aborts; one that is not there is Qt's own affair."""
    plugin = tmp_path / "libqxcb.so"
    require_loadable(plugin)
    plugin.write_bytes(b"no library")
    with pytest.raises(QtLibraryError, match=DEBIAN_X11_PACKAGES) as caught:
        require_loadable(plugin)
    assert "libqxcb.so" in str(caught.value)


def test_the_window_can_be_told_to_load_what_seems_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error that asks for `--force` is met here too."""
    loads: list[Load] = []
    monkeypatch.setattr("dsvl2_app.app.run_app", lambda load, opening, new_window: loads.append(load))
    with pytest.raises(typer.Exit):
        cli.app(model="demo", force=True)
    assert loads[0].force


def test_pictures_are_named_as_for_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Paths, `file:` URIs and standard input; an address is refused before a window opens."""
    opened: list[object] = []
    monkeypatch.setattr("dsvl2_app.app.run_app", lambda load, opening, new_window: opened.extend(opening.images))
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"content")))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(typer.Exit):
        cli.app(pictures=["bill.png", (tmp_path / "a b.png").as_uri(), "-"], model="demo")
    assert opened == [tmp_path / "bill.png", tmp_path / "a b.png", ImageBytes("standard input", b"content")]
    with pytest.raises(ImageError, match="nothing is downloaded"):
        cli.app(pictures=["https://example.org/bill.png"], model="demo")


def started(window: subprocess.Popen[bytes], temporary: Path) -> psutil.Process:
    """The engine of a window that has kept its picture."""
    process = psutil.Process(window.pid)
    wait_until(lambda: process.children() and list(temporary.glob(f"{PREFIX}*/contents/*")), "a kept picture")
    (engine,) = process.children()
    assert len(list(temporary.glob(f"{PREFIX}*"))) == 1
    return engine


def open_app(temporary: Path) -> subprocess.Popen[bytes]:
    """A window with a picture, in a process of its own."""
    environment = os.environ | {"TMPDIR": str(temporary)}
    code = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler);"  # a shell may have it ignored
        "from dsvl2_runtime.cli.main import main; main()"
    )
    picture(60, 60, 1).save(temporary / "bill.png")
    return subprocess.Popen([sys.executable, "-c", code, "app", str(temporary / "bill.png")], env=environment)


@pytest.mark.skipif(sys.platform == "win32", reason="no signals are sent there")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_closes_the_window_in_the_normal_way(number: signal.Signals, tmp_path: Path) -> None:
    """The engine ends, what was added is deleted, and the exit code names the signal: 130 for Ctrl-C."""
    window = open_app(tmp_path)
    try:
        engine = started(window, tmp_path)
        window.send_signal(number)
        assert window.wait(PATIENCE) == 128 + number
        engine.wait(PATIENCE)
    finally:
        window.kill()
    assert list(tmp_path.glob(f"{PREFIX}*")) == []


@pytest.mark.skipif(sys.platform == "win32", reason="no signals are sent there")
def test_a_killed_window_leaves_no_process_and_its_pictures_only_until_the_next(tmp_path: Path) -> None:
    """Nothing of the window can run any more; the engine sees its input close."""
    window = open_app(tmp_path)
    try:
        engine = started(window, tmp_path)
        (abandoned,) = tmp_path.glob(f"{PREFIX}*")
    finally:
        window.kill()
        window.wait(PATIENCE)
    engine.wait(PATIENCE)
    following = open_app(tmp_path)
    try:
        wait_until(
            lambda: any(abandoned not in path.parents for path in tmp_path.glob(f"{PREFIX}*/contents/*")),
            "a picture of the next window",
        )
        assert not abandoned.exists()  # the thread that has just kept a picture has deleted it before
    finally:
        following.terminate()
        following.wait(PATIENCE)


def test_a_window_or_server_needs_no_onnx_runtime() -> None:
    """Both import the protocol; the library that runs graphs stays in the engine's process."""
    code = "import sys, dsvl2_runtime.engine.protocol, dsvl2_app.app; print('onnxruntime' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=True)
    assert found.stdout.strip() == "False"

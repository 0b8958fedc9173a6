"""One window for each user: who listens, who is heard, and what is refused."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import weakref
from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtNetwork import QLocalSocket
from pytestqt.qtbot import QtBot

from dsvl2_app.single_instance import (
    Instance,
    NoPlaceError,
    become_instance,
    find_instance,
    give_to_window,
    instance_folder,
    server_name,
)
from dsvl2_app.state.app_request import (
    LONGEST_REQUEST,
    AppRequest,
    RefusedError,
    RequestError,
    complete,
    read_reply,
    read_request,
    to_bytes,
)
from dsvl2_app.state.opening import Opening, opening_of, request_of, require_same_model
from dsvl2_runtime.engine.protocol import Load
from dsvl2_runtime.errors import BusyError
from dsvl2_runtime.inputs.images import ImageBytes
from dsvl2_runtime.machine.provider import Provider
from windows import wait_for

pytestmark = pytest.mark.gui

posix = pytest.mark.skipif(
    sys.platform == "win32", reason="sockets are pipes with a name there, and users have no number"
)


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Not below pytest's own, whose long names leave no room for the path of a socket."""
    with tempfile.TemporaryDirectory(prefix="dsvl2-") as name:
        monkeypatch.setenv("TMPDIR", name)
        monkeypatch.setattr("tempfile.tempdir", None)
        yield instance_folder()


@pytest.fixture
def listening(folder: Path, qtbot: QtBot) -> Iterator[tuple[Instance, list[AppRequest]]]:
    """The one window, and the requests that it got; it refuses those about "no"."""
    found = become_instance(folder)
    assert found is not None
    requests: list[AppRequest] = []

    def handle(request: AppRequest) -> None:
        if request.ask == "no":
            raise BusyError("not now")
        requests.append(request)

    found.listen(handle)
    yield found, requests
    found.close()


def in_thread(qtbot: QtBot, request: AppRequest, folder: Path) -> object:
    """What a second start gets, while the window's loop runs here."""
    results: list[object] = []

    def ask() -> None:
        try:
            results.append(give_to_window(request, folder))
        except Exception as error:
            results.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    wait_for(qtbot, lambda: not thread.is_alive())
    return results[0]


def test_a_request_arrives_as_it_was_sent(
    listening: tuple[Instance, list[AppRequest]], folder: Path, qtbot: QtBot
) -> None:
    """Paths, contents without a file that need several packets, and what to do with them."""
    opening = Opening(
        [Path("/a b/é.png"), ImageBytes("standard input", os.urandom(3_000_000))],
        "window",
        1.5,
        "What?",
        "/m",
        2,
        "cpu",
        "t",
    )
    assert in_thread(qtbot, request_of(opening), folder) is True
    (request,) = listening[1]
    assert opening_of(request) == opening


def test_a_refusal_arrives_with_its_exit_code(
    listening: tuple[Instance, list[AppRequest]], folder: Path, qtbot: QtBot
) -> None:
    refusal = in_thread(qtbot, AppRequest(ask="no"), folder)
    assert isinstance(refusal, RefusedError)
    assert (str(refusal), refusal.exit_code) == ("not now", BusyError.exit_code)


@posix
@pytest.mark.parametrize(
    ("sent", "said"),
    [
        (b"nonsense", "announced"),
        ((LONGEST_REQUEST + 1).to_bytes(4, "big"), "announced"),
        (b"\0\0\0\4null", "different versions"),
        (b"\0\0\0\x02[]", "different versions"),
        (b"\0\0\0\1{", "not JSON"),
        (b"\0\0\x27\x10" + b"[" * 10_000, "not JSON"),
        (b'\0\0\0\x0d{"version":2}', "different versions"),
        (b'\0\0\0\x17{"version":1,"other":3}', "other"),
    ],
)
def test_what_is_no_request_is_refused(
    sent: bytes, said: str, listening: tuple[Instance, list[AppRequest]], folder: Path, qtbot: QtBot
) -> None:
    """Whoever sends it gets a reason, and the next one is served."""
    data = bytearray()

    def talk() -> None:
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(folder / "window"))
            client.sendall(sent)
            while piece := client.recv(65536):
                data.extend(piece)

    thread = threading.Thread(target=talk)
    thread.start()
    wait_for(qtbot, lambda: not thread.is_alive())
    text = complete(data)
    assert text is not None
    assert said in read_reply(text).error
    assert listening[1] == []
    assert in_thread(qtbot, AppRequest(), folder) is True


@posix
def test_somebody_who_says_nothing_stops_nobody(
    listening: tuple[Instance, list[AppRequest]], folder: Path, qtbot: QtBot
) -> None:
    """Half a message, and a connection that is dropped."""
    with socket.socket(socket.AF_UNIX) as silent, socket.socket(socket.AF_UNIX) as half:
        silent.connect(str(folder / "window"))
        half.connect(str(folder / "window"))
        half.sendall(b"\0\0\0\x10{")
        assert in_thread(qtbot, AppRequest(), folder) is True
    assert in_thread(qtbot, AppRequest(), folder) is True


@posix
def test_a_socket_that_a_killed_window_left_is_replaced(folder: Path, qtbot: QtBot) -> None:
    """Nobody listens on it, and the lock went with the process."""
    code = (
        "import sys, time\nfrom pathlib import Path\nfrom PySide6.QtCore import QCoreApplication\n"
        "from dsvl2_app.single_instance import become_instance\napp = QCoreApplication([])\n"
        "found = become_instance(Path(sys.argv[1]))\nfound.listen(print)\nprint('listening', flush=True)\napp.exec()\n"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(folder)], stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"listening\n"
        assert become_instance(folder) is None
        other.kill()
        other.wait()
    assert (folder / "window").exists()
    found = find_instance(AppRequest())
    assert found is not None
    try:
        found.listen(lambda request: None)
        assert in_thread(qtbot, AppRequest(), folder) is True
    finally:
        found.close()


def test_a_connection_does_not_keep_an_instance(folder: Path, qtbot: QtBot) -> None:
    """The end of the last socket would destroy the instance, and that the socket once more: a crash."""
    found = become_instance(folder)
    assert found is not None
    found.listen(lambda request: None)
    other = QLocalSocket()
    other.connectToServer(server_name(folder))
    connected = found._buffers
    wait_for(qtbot, lambda: bool(connected))
    gone = weakref.ref(found)
    found.close()
    del found
    assert gone() is None
    other.abort()


@posix
def test_only_its_user_can_reach_the_socket(listening: tuple[Instance, list[AppRequest]], folder: Path) -> None:
    assert folder.stat().st_mode & 0o777 == 0o700
    assert (folder / "window").stat().st_mode & 0o077 == 0


@posix
def test_a_folder_of_somebody_else_is_not_used(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another user may have made it where all may write, and would hear what is asked."""
    folder.chmod(0o755)
    with pytest.raises(NoPlaceError, match="others may enter it"):
        instance_folder()
    folder.chmod(0o700)
    monkeypatch.setattr(os, "getuid", lambda: 12345)
    other = Path(tempfile.gettempdir(), "dsvl2-onnx-12345")
    other.mkdir(mode=0o700)
    with pytest.raises(NoPlaceError, match="belongs to another user"):
        instance_folder()
    other.rmdir()
    other.symlink_to(folder)
    with pytest.raises(NoPlaceError, match="is no folder"):
        instance_folder()
    other.unlink()
    other.write_text("a file")
    with pytest.raises(NoPlaceError):
        instance_folder()


@posix
def test_a_path_that_is_too_long_for_a_socket_is_said(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runtime = folder / ("x" * 100)
    runtime.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    with pytest.raises(NoPlaceError, match="too long"):
        instance_folder()


def test_a_request_is_checked() -> None:
    """Sizes, kinds, and nothing unknown; the token that goes into the environment has no line ends."""
    for wrong in (
        {"capture": "all"},
        {"ask": "x" * 100_001},
        {"pictures": ["x"] * 1_001},
        {"activation": "a\nb"},
        {"delay": -1},
        {"delay": float("inf")},
        {"delay": 1e9},
        {"pictures": [{"name": "x"}]},
    ):
        with pytest.raises(RequestError):
            read_request(json.dumps({"version": 1, **wrong}).encode())
    content = AppRequest(pictures=({"name": "x", "content": "%"},))  # type: ignore[arg-type]
    with pytest.raises(RequestError, match="not base64"):
        opening_of(content)
    with pytest.raises(RequestError, match="give the picture as a file"):
        to_bytes(request_of(Opening([ImageBytes("x", b"0" * LONGEST_REQUEST)])))


def test_another_model_needs_another_window() -> None:
    """Or another way to load it; what is not asked for by name is no reason."""
    load = Load("/models/a", 2, provider=Provider.CPU)
    for fitting in (Opening(model="/models/a"), Opening(), Opening(threads=2), Opening(provider="cpu")):
        require_same_model(fitting, load)
    for other, named in (
        (Opening(model="/models/b"), "and b was asked for"),
        (Opening(threads=1), "--threads"),
        (Opening(provider="cuda"), "--provider"),
    ):
        with pytest.raises(BusyError, match=f"{named}.*--new-window"):
            require_same_model(other, load)

"""One window for each user: a second start gives its request to the window that is open, through a local socket.

A lock says who may listen, so that two starts at the same moment give one window, and a socket that a killed process
has left is known to be stale by whoever gets the lock. Socket and lock lie in a folder that only its user can enter.
"""

from __future__ import annotations

import os
import stat
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from weakref import WeakMethod

from PySide6.QtCore import QObject
from PySide6.QtNetwork import QLocalServer, QLocalSocket

from dsvl2_app.state.app_request import (
    AppReply,
    AppRequest,
    RefusedError,
    RequestError,
    complete,
    read_reply,
    read_request,
    to_bytes,
)
from dsvl2_runtime.errors import BusyError, Dsvl2Error, ResourceError
from dsvl2_runtime.machine.files import only_writer

FOLDER, SOCKET = "dsvl2-onnx", "window"
LONGEST_PATH = 100
"""Bytes of a socket's path that every system takes; macOS takes the fewest, 103."""
PATIENCE = 30.0
"""Seconds in which a window answers that is just being started on a busy machine."""
CONNECT_MILLISECONDS, RETRY_SECONDS = 500, 0.1
WAIT_MILLISECONDS = 50
"""For one packet; PySide6 lets no other thread of this process run meanwhile."""

Handle = Callable[[AppRequest], None]
"""Carries out a request; raises `Dsvl2Error` to refuse it."""


class NoPlaceError(ResourceError):
    """There is no folder in which this user's windows can find each other."""


def instance_folder() -> Path:
    """The folder of socket and lock, made if need be.

    Raises:
        NoPlaceError: it belongs to somebody else, others can enter it, or its path is too long for a socket.
    """
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    user = f"-{os.getuid()}" if hasattr(os, "getuid") else ""
    folder = Path(runtime, FOLDER) if runtime and Path(runtime).is_dir() else Path(tempfile.gettempdir(), FOLDER + user)
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
    except OSError as error:
        raise NoPlaceError(f"{folder} cannot be made: {error.strerror}; check its permissions and its disk") from error
    if not stat.S_ISDIR(found.st_mode):
        raise NoPlaceError(f"{folder} is no folder; remove it")
    if hasattr(os, "getuid") and (found.st_uid != os.getuid() or stat.S_IMODE(found.st_mode) & 0o077):
        raise NoPlaceError(
            f"{folder} belongs to another user, or others may enter it; windows cannot find each other there"
        )
    if len(os.fsencode(folder / SOCKET)) > LONGEST_PATH:
        raise NoPlaceError(f"the path {folder / SOCKET} is too long for a socket; choose a shorter temporary folder")
    return folder


def server_name(folder: Path) -> str:
    """A path, or on Windows the name of a pipe, which belongs to the user who makes it."""
    if sys.platform == "win32":
        return f"{FOLDER}-{os.environ.get('USERNAME', '')}-{SOCKET}"
    return str(folder / SOCKET)


class Instance(QObject):
    """The right to be the window that others find; it listens once there is a loop of events."""

    def __init__(self, folder: Path, held: ExitStack) -> None:
        super().__init__()
        self._name, self._held = server_name(folder), held
        self._server = QLocalServer(self)
        self._server.setSocketOptions(QLocalServer.SocketOption.UserAccessOption)
        self._server.newConnection.connect(self._connect)
        self._handle: Handle | None = None
        self._buffers: dict[QLocalSocket, bytearray] = {}

    def listen(self, handle: Handle) -> None:
        """Answer requests from now on; those that came before wait for it.

        Raises:
            NoPlaceError: the system lets nobody listen there.
        """
        self._handle = handle
        QLocalServer.removeServer(self._name)  # the lock is ours, so nobody listens on what is there
        if not self._server.listen(self._name):
            raise NoPlaceError(f"{self._name}: {self._server.errorString()}")

    def close(self) -> None:
        """Let another window take the place."""
        self._server.close()
        self._held.close()

    def _connect(self) -> None:
        while (socket := self._server.nextPendingConnection()) is not None:
            self._buffers[socket] = bytearray()
            socket.readyRead.connect(_weakly(self._read, socket))
            socket.disconnected.connect(_weakly(self._forget, socket))
            self._read(socket)  # what came before somebody listened for it

    def _read(self, socket: QLocalSocket) -> None:
        buffer = self._buffers.get(socket)
        if buffer is None:
            return
        buffer += socket.readAll().data()
        try:
            text = complete(buffer)
            if text is None:
                return
            self._carry_out(read_request(text))
            reply = AppReply(window=os.getpid())
        except Dsvl2Error as error:
            reply = AppReply(error=str(error), exit_code=error.exit_code)
        del self._buffers[socket]
        socket.write(to_bytes(reply))
        socket.disconnectFromServer()  # once it is written

    def _carry_out(self, request: AppRequest) -> None:
        if self._handle is not None:
            self._handle(request)

    def _forget(self, socket: QLocalSocket) -> None:
        self._buffers.pop(socket, None)
        socket.deleteLater()


def _weakly(method: Callable[[QLocalSocket], None], socket: QLocalSocket) -> Callable[[], None]:
    """Call a method about a socket for as long as its object lives.

    A socket is destroyed after us or by us. If it kept us alive, the end of the last socket would be our end, and ours
    would destroy that socket, our child, a second time.
    """
    found = WeakMethod(method)

    def call() -> None:
        if (living := found()) is not None:
            living(socket)

    return call


def become_instance(folder: Path) -> Instance | None:
    """The right to be the one window, or None if another process has it."""
    held = ExitStack()
    try:
        held.enter_context(only_writer(folder / SOCKET))
    except BusyError:
        return None
    return Instance(folder, held)


def give_to_window(request: AppRequest, folder: Path) -> bool:
    """Give a request to the window that is open; False if none listens.

    Raises:
        RefusedError: it does not do that.
        RequestError: it is too long, or the window does not understand it.
        BusyError: the window does not answer.
    """
    message = to_bytes(request)
    socket = QLocalSocket()
    socket.connectToServer(server_name(folder))
    if not socket.waitForConnected(CONNECT_MILLISECONDS):
        return False
    deadline = time.monotonic() + PATIENCE
    socket.write(message)
    data = bytearray()
    while (text := complete(data)) is None:
        left = round((deadline - time.monotonic()) * 1000)
        sending = bool(socket.bytesToWrite())
        if sending:
            socket.waitForBytesWritten(max(1, min(left, WAIT_MILLISECONDS)))
        if socket.state() != QLocalSocket.LocalSocketState.ConnectedState and not socket.bytesAvailable():
            raise BusyError("the open window ended before it answered; start it again")
        if left <= 0:
            raise BusyError("the open window does not answer; end it, or add --new-window")
        if not sending:  # an answer comes only when all has been sent, a picture in many packets
            socket.waitForReadyRead(min(left, WAIT_MILLISECONDS))
        data += socket.readAll().data()
    reply = read_reply(text)
    if reply.error:
        raise RefusedError(reply.error, reply.exit_code)
    return True


def find_instance(request: AppRequest) -> Instance | None:
    """Give a request to the open window, or become the one that is open.

    Returns:
        None if an open window has taken the request.

    Raises:
        NoPlaceError: windows of this user cannot find each other.
        RefusedError, RequestError, BusyError: as `give_to_window`.
    """
    folder = instance_folder()
    deadline = time.monotonic() + PATIENCE
    while True:
        if give_to_window(request, folder):
            return None
        instance = become_instance(folder)
        if instance is not None:
            return instance
        # Another process has the right and does not listen yet: it is starting, or ending.
        if time.monotonic() > deadline:
            raise BusyError("another window is starting and does not answer; end it, or add --new-window")
        time.sleep(RETRY_SECONDS)


def claim_quietly() -> Instance | None:
    """For a window that was asked to be a new one: be found by others if nobody else is."""
    with suppress(NoPlaceError):
        return become_instance(instance_folder())
    return None


__all__ = [
    "Instance", "NoPlaceError", "RequestError", "become_instance", "claim_quietly", "find_instance", "give_to_window",
    "instance_folder",
]  # fmt: skip

"""From options to a running server: the socket, the engine, and uvicorn between them."""

from __future__ import annotations

import asyncio
import errno
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from dsvl2_runtime.engine.protocol import Load, Progressed
from dsvl2_runtime.errors import BusyError, UsageError
from dsvl2_runtime.machine.provider import Provider
from dsvl2_runtime.server.answers import Answers
from dsvl2_runtime.server.app import ServedModel, make_app
from dsvl2_runtime.server.gate import Gate, listen_address

HEAD_SECONDS = 10.0
"""A request whose head is not complete by then gets no more time."""
SHUTDOWN_SECONDS = 3
"""For what clients are still to be told when the server is told to end."""
MOST_CONNECTIONS = 512


@dataclass(frozen=True, slots=True)
class ServeOptions:
    """What the verb `serve` takes."""

    model: str
    host: str = "127.0.0.1"
    port: int = 0
    """0 lets the system choose one."""
    api_key: str | None = None
    threads: int | None = None
    force: bool = False
    """Load even a model that seems too large for the memory."""
    queue: int = 16
    """Questions that may wait while one is answered."""
    timeout: float | None = None
    """Seconds after which an answer ends as far as it has come, without the time that it waited; None for no limit."""
    provider: Provider = Provider.AUTO


def serve(options: ServeOptions, on_ready: Callable[[str], None], on_progress: Callable[[Progressed], None]) -> None:
    """Serve until a signal comes.

    Args:
        options: where to listen, and what to load.
        on_progress: told how far the model is loaded, in bytes, and tuned.
        on_ready: called with the server's address once it can be asked.

    Raises:
        UsageError: the address cannot be used, or needs a key.
        BusyError: the port is in use.
        EngineError: the model cannot be loaded.
    """
    address = listen_address(options.host, options.api_key)
    load = Load(options.model, options.threads, options.force, options.provider, tune=True)
    answers = Answers(load, options.queue, seconds=options.timeout)
    with open_socket(address, options.port) as listening:
        try:
            loaded = answers.start(on_progress)
            model = ServedModel(loaded.name, options.model, int(time.time()))
            app = make_app(answers, model, Gate(address, options.api_key))
            port = listening.getsockname()[1]
            host = f"[{address}]" if ":" in address else address
            AnnouncingServer(app, lambda: on_ready(f"http://{host}:{port}"), answers.close).run(sockets=[listening])
        finally:
            answers.close()


def open_socket(address: str, port: int) -> socket.socket:
    """A socket that listens.

    Raises:
        BusyError: the port is in use.
        UsageError: the address is not one of this machine, or the port not one for this user.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        return socket.create_server((address, port), family=family)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise BusyError(f"port {port} is in use; choose another one, or 0 for any that is free") from error
        raise UsageError(f"cannot listen on {address}, port {port}: {error.strerror}") from error


class AnnouncingServer(uvicorn.Server):
    """Says when it can be asked, and ends what runs before it waits for its connections."""

    def __init__(self, app: ASGIApp, on_ready: Callable[[], None], on_end: Callable[[], None]) -> None:
        config = uvicorn.Config(
            app,
            http=PatientProtocol,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            limit_concurrency=MOST_CONNECTIONS,
            timeout_graceful_shutdown=SHUTDOWN_SECONDS,
        )
        super().__init__(config)
        self._on_ready, self._on_end = on_ready, on_end

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to listen."""
        await super().startup(sockets)
        self._on_ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End all answers, which tell their clients, and then the connections."""
        await asyncio.to_thread(self._on_end)
        await super().shutdown(sockets)


class PatientProtocol(H11Protocol):
    """HTTP/1.1 that waits for the head of a request, but not for ever; uvicorn itself would."""

    _head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait."""
        super().connection_made(transport)
        self._watch_head()

    def data_received(self, data: bytes) -> None:
        """Take in bytes, which may complete a head or begin the next one."""
        super().data_received(data)
        self._watch_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        self._stop_timer()
        super().connection_lost(exc)

    def _waits_for_head(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _watch_head(self) -> None:
        if not self._waits_for_head():
            self._stop_timer()
        elif self._head_timer is None:
            self._head_timer = self.loop.call_later(HEAD_SECONDS, self._give_up)

    def _stop_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _give_up(self) -> None:
        self._head_timer = None
        if self._waits_for_head():
            self.transport.close()

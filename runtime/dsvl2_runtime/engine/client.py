"""The client's side of an engine process, without Qt: what is common to a window and a server, and a client of threads.

`Connection` turns bytes into events and keeps the state; it owns no process, so a window feeds it from a `QProcess` and
a server from an asyncio pipe. `EngineClient` owns a process and two threads that read it.
"""

from __future__ import annotations

import os
import queue
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, Literal

from dsvl2_runtime.engine.protocol import (
    LONGEST_LINE,
    Ask,
    BadMessage,
    Command,
    Event,
    Failed,
    Finished,
    Hello,
    Load,
    Loaded,
    LoadFailed,
    ProtocolError,
    greet,
    read_event,
    to_line,
)
from dsvl2_runtime.engine.wire_error import WireError, wire_error
from dsvl2_runtime.machine.own_modules import module_arguments

ENGINE_ARGUMENTS = module_arguments("dsvl2_runtime.engine.process")
"""Of the program that runs this."""
LAST_LINES = 6
"""Lines at the end of the engine's standard error that are kept to explain its death."""
READ_BYTES = 1 << 16

EngineState = Literal["loading", "ready", "failed"]
EndReason = Literal["exit", "signal", "not started", "bad message", "closed"]


@dataclass(frozen=True, slots=True)
class EngineEnd:
    """Why an engine process is gone, as data."""

    reason: EndReason
    code: int | None = None
    """The exit code, or the number of the signal."""
    error: WireError | None = None
    """What was wrong with its message."""
    last_lines: tuple[str, ...] = ()
    """Of its standard error."""


class Connection:
    """What was said between a client and one engine process: commands to bytes, bytes to events, and the state."""

    def __init__(self) -> None:
        self.state: EngineState = "loading"
        self.open_turns: set[int] = set()
        """Turns that were asked and whose last event has not come."""
        self._buffer = bytearray()
        self._errors = bytearray()
        self._last_lines: deque[str] = deque(maxlen=LAST_LINES)
        self._sent_hello = self._met = False

    def send(self, command: Command) -> bytes:
        """The bytes to write for a command.

        Raises:
            MessageTooLongError: the engine would not read it; nothing has changed.
        """
        line = to_line(command)
        hello = b"" if self._sent_hello else to_line(Hello())
        self._sent_hello = True
        if isinstance(command, Load):
            self.state = "loading"
        elif isinstance(command, Ask):
            self.open_turns.add(command.turn)
        return hello + line

    def receive(self, data: bytes) -> None:
        """Take in bytes of standard output; `events` gives what is complete with them."""
        self._buffer += data

    def events(self) -> Iterator[Event]:
        """The events that came, each once and in their order, also if this is called again before it has ended.

        Raises:
            ProtocolError: a line is no event, or has no end; the process is of no use any more.
            ProtocolVersionError: the engine is of another version.
        """
        while (end := self._buffer.find(b"\n")) >= 0:
            line = bytes(self._buffer[: end + 1])
            del self._buffer[: end + 1]
            if not self._met:
                greet(line)
                self._met = True
                continue
            event = read_event(line)
            self._follow(event)
            yield event
        if len(self._buffer) > LONGEST_LINE:
            raise ProtocolError(f"the engine wrote a line of more than {LONGEST_LINE} bytes")

    def receive_errors(self, data: bytes) -> None:
        """Keep the last lines of standard error."""
        self._errors += data
        *lines, rest = bytes(self._errors).split(b"\n")
        self._errors = bytearray(rest[-LONGEST_LINE:])
        texts = (line.decode("utf-8", "replace").strip() for line in lines)
        self._last_lines.extend(text for text in texts if text)

    def end(self, reason: EndReason, code: int | None = None, error: ProtocolError | None = None) -> EngineEnd:
        """Why the process is gone; closes all open turns."""
        self.receive_errors(b"\n")
        self.state = "failed"
        self.open_turns.clear()
        described = None if error is None else wire_error(error)
        return EngineEnd(reason, code, described, tuple(self._last_lines))

    def _follow(self, event: Event) -> None:
        if isinstance(event, Loaded):
            self.state = "ready"
        elif isinstance(event, LoadFailed):
            self.state = "failed"
        elif isinstance(event, Finished | Failed | BadMessage) and event.turn is not None:
            self.open_turns.discard(event.turn)


class EngineClient:
    """One engine process for a program with threads; one of them reads the events, in their order."""

    def __init__(self, load: Load, arguments: Sequence[str] = ENGINE_ARGUMENTS) -> None:
        self._connection = Connection()
        self._lock = threading.Lock()
        self._writing = threading.Lock()
        """Held while a command is written, which may wait for the engine, so that `_lock` is never held so long."""
        self._closed = False
        self._events: queue.SimpleQueue[Event | EngineEnd] = queue.SimpleQueue()
        self._process = subprocess.Popen(  # noqa: S603 - our own module, by our own Python
            [sys.executable, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self._errors_reader = threading.Thread(target=self._read_errors, daemon=True)
        self._errors_reader.start()
        threading.Thread(target=self._read_events, daemon=True).start()
        self.send(load)

    @property
    def process_id(self) -> int:
        """The engine's."""
        return self._process.pid

    @property
    def state(self) -> EngineState:
        """Whether questions are answered at once, after loading, or not at all."""
        with self._lock:
            return self._connection.state

    def send(self, command: Command) -> None:
        """Send a command; to a process that is gone it is lost, and `EngineEnd` says so.

        Raises:
            MessageTooLongError: the engine would not read it.
        """
        with self._writing:
            with self._lock:
                line = self._connection.send(command)
            with suppress(OSError, ValueError):  # a broken or closed pipe
                pipe = _required(self._process.stdin)
                pipe.write(line)
                pipe.flush()

    def next_event(self, timeout: float | None = None) -> Event | EngineEnd:
        """Wait for the next event; `EngineEnd` is the last one.

        Raises:
            TimeoutError: none came in so many seconds.
        """
        try:
            return self._events.get(timeout=timeout)
        except queue.Empty:
            raise TimeoutError(f"the engine sent nothing for {timeout} seconds") from None

    def close(self) -> None:
        """End the process, which has nothing to save, and return without waiting; the reading thread reaps it."""
        self._closed = True
        self._process.kill()

    def _read_events(self) -> None:
        error = self._forward(_required(self._process.stdout))
        if error is not None:
            self._process.kill()
        code = self._process.wait()
        self._errors_reader.join()
        self._close_pipes()
        with self._lock:
            if self._closed:
                end = self._connection.end("closed")
            elif error is not None:
                end = self._connection.end("bad message", error=error)
            elif code < 0:
                end = self._connection.end("signal", -code)
            else:
                end = self._connection.end("exit", code)
        self._events.put(end)

    def _close_pipes(self) -> None:
        with self._writing:
            for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
                with suppress(OSError):  # what could not be written is of no use any more
                    _required(pipe).close()

    def _forward(self, pipe: IO[bytes]) -> ProtocolError | None:
        while data := os.read(pipe.fileno(), READ_BYTES):
            try:
                with self._lock:
                    self._connection.receive(data)
                    for event in self._connection.events():
                        self._events.put(event)
            except ProtocolError as error:
                return error
        return None

    def _read_errors(self) -> None:
        pipe = _required(self._process.stderr)
        while data := os.read(pipe.fileno(), READ_BYTES):
            with self._lock:
                self._connection.receive_errors(data)


def _required(pipe: IO[bytes] | None) -> IO[bytes]:
    if pipe is None:
        raise AssertionError("the engine was started without its pipes")
    return pipe

"""The process that owns the model: `python -m dsvl2_runtime.engine.process`, commands in, events out.

It ends at once when its standard input closes, so it never outlives its client. A stop takes effect between two tiles,
prompt chunks or tokens. Whatever libraries print goes to standard error, so that it cannot disturb the events.
"""

from __future__ import annotations

import os
import queue
import signal
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from typing import BinaryIO, NoReturn

from dsvl2_runtime import load_model
from dsvl2_runtime.bundle.bundle import Bundle
from dsvl2_runtime.bundle.model_names import find_model
from dsvl2_runtime.engine.answering import Kept, Question, Send, answer
from dsvl2_runtime.engine.load_meter import measured_load, memory_bytes
from dsvl2_runtime.engine.protocol import (
    LONGEST_LINE,
    Ask,
    BadMessage,
    Event,
    Failed,
    Hello,
    Load,
    Loaded,
    LoadFailed,
    Measured,
    Progressed,
    ProtocolError,
    Stop,
    greet,
    named_turn,
    read_command,
    to_line,
)
from dsvl2_runtime.engine.wire_error import wire_error
from dsvl2_runtime.errors import Dsvl2Error
from dsvl2_runtime.graphs.target import CPU, CUDA
from dsvl2_runtime.machine.mapped_files import report_lost_files
from dsvl2_runtime.machine.provider import Provider, asked_provider
from dsvl2_runtime.machine.speeds import known_speeds
from dsvl2_runtime.model import VisionLanguageModel
from dsvl2_runtime.progress import Watch

OTHER_VERSION_EXIT_CODE = 2


class Inbox:
    """Commands in their order; a stop is noticed at once, while an answer is being written."""

    def __init__(self) -> None:
        self._waiting: queue.SimpleQueue[Load | Question] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._open: set[int] = set()
        self._stopped: set[int] = set()

    def read(self, stream: BinaryIO, send: Send) -> None:
        """Take in lines until the stream ends.

        Raises:
            ProtocolError: the client does not begin with a `Hello` of this version.
        """
        lines = read_lines(stream)
        first = next(lines, None)
        if first is not None:
            greet(first)
        for line in lines:
            try:
                self._take(line)
            except ProtocolError as error:
                send(BadMessage(wire_error(error), named_turn(line)))

    def _take(self, line: bytes) -> None:
        command = read_command(line)
        if isinstance(command, Load):
            self._waiting.put(command)
        elif isinstance(command, Ask):
            with self._lock:
                self._open.add(command.turn)
            deadline = None if command.seconds is None else time.monotonic() + command.seconds
            self._waiting.put(Question(command, deadline))
        elif isinstance(command, Stop):
            with self._lock:
                if command.turn in self._open:
                    self._stopped.add(command.turn)
        else:
            raise ProtocolError("a second hello came; only the first line may be one")

    def next_command(self) -> Load | Question:
        """Wait for the next one."""
        return self._waiting.get()

    def is_stopped(self, turn: int) -> bool:
        """Whether nobody wants the rest of a turn's answer."""
        with self._lock:
            return turn in self._stopped

    def close_turn(self, turn: int) -> None:
        """Forget a turn whose answer has ended."""
        with self._lock:
            self._open.discard(turn)
            self._stopped.discard(turn)


def read_lines(stream: BinaryIO) -> Iterator[bytes]:
    """Lines as they come; of one longer than `LONGEST_LINE` only its beginning, so that it is refused once."""
    while line := stream.readline(LONGEST_LINE + 1):
        rest = line
        while rest and not rest.endswith(b"\n"):
            rest = stream.readline(LONGEST_LINE)
        yield line


def serve(inbox: Inbox, send: Send) -> NoReturn:
    """Carry out commands as long as the process lives."""
    model: VisionLanguageModel | None = None
    kept: Kept | None = None
    while True:
        command = inbox.next_command()
        if isinstance(command, Load):
            model = kept = None  # their memory is needed for the next one
            model = load(command, send)
            continue
        turn = command.ask.turn
        try:
            if model is not None and kept is None:
                kept = Kept.nothing(model)
            send(Measured(answer(model, command, inbox, send, kept)))
        except Exception as error:
            # The client must hear of every error: its question would otherwise wait for ever.
            send(Failed(turn, wire_error(error)))
        finally:
            inbox.close_turn(turn)


def bytes_to_load(command: Load) -> int:
    """Of the files of the graphs that run; 0 for a model that cannot be opened, of which the loader says why."""
    try:
        target = CUDA if asked_provider(command.provider) is Provider.CUDA else CPU
        return Bundle.open(find_model(command.model)).target_bytes(target.name)
    except Dsvl2Error:
        return 0


def load(command: Load, send: Send) -> VisionLanguageModel | None:
    """Load a model, or send why it cannot be loaded."""
    try:
        with measured_load(bytes_to_load(command), lambda done, total: send(Progressed("load", done, total))):
            model = load_model(command.model, command.threads, force=command.force, provider=command.provider)
        if command.tune:
            model.tune(Watch(lambda found: send(Progressed(found.phase, found.done, found.total))))
    except Exception as error:  # as in `serve`
        send(LoadFailed(wire_error(error)))
        return None
    send(
        Loaded(
            model.name,
            model.bundle.manifest.precision,
            model.weights_note,
            model.provider,
            tuple(notice for notice in model.notices if notice.code != "model.note"),
            model.config,
            model.manifest_sha256,
            model.threads,
            memory_bytes(),
            model.looks_again,
        )
    )
    send(Measured(known_speeds(model.speed_key)))
    return model


def main() -> None:
    """Serve standard input and output."""
    # Ctrl-C in a terminal reaches the client's children too; how they end is the client's decision.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    report_lost_files(lambda text: print(text, file=sys.stderr, flush=True))
    events = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    lock = threading.Lock()

    def send(event: Event) -> None:
        with lock:
            try:
                events.write(to_line(event))
                events.flush()
            except OSError:
                os._exit(0)  # the client is gone, and so is the reason for this process

    inbox = Inbox()

    def read() -> None:
        code = 1
        try:
            inbox.read(sys.stdin.buffer, send)
            code = 0
        except ProtocolError as error:
            print(error, file=sys.stderr, flush=True)
            code = OTHER_VERSION_EXIT_CODE
        except Exception:
            traceback.print_exc()
        finally:
            os._exit(code)  # at once: loading a large model, for one, would go on for minutes

    send(Hello())
    threading.Thread(target=read, daemon=True).start()
    serve(inbox, send)


if __name__ == "__main__":
    main()

"""The process that owns the model: `python -m dsvl2_runtime.engine.process`, commands in, events out.

It ends at once when its standard input closes, so it never outlives the window. A stop takes effect between two tiles,
prompt chunks or tokens. Whatever libraries print goes to standard error, so that it cannot disturb the events.
"""

from __future__ import annotations

import os
import queue
import sys
import threading
import time
from collections.abc import Callable
from typing import BinaryIO, NoReturn

from dsvl2_runtime import GenerationOptions, load_model
from dsvl2_runtime.engine.protocol import (
    LONGEST_LINE,
    Ask,
    Command,
    Event,
    Failed,
    Finished,
    Load,
    Loaded,
    Prepared,
    Progressed,
    Stop,
    Wrote,
    read_command,
    to_line,
)
from dsvl2_runtime.errors import Dsvl2Error
from dsvl2_runtime.model import VisionLanguageModel
from dsvl2_runtime.progress import Progress, ProgressCallback, Watch

PROGRESS_SECONDS = 0.05
"""Progress within a phase is told at most this often."""

Send = Callable[[Event], None]


class Inbox:
    """Commands in their order; a stop is noticed at once, while an answer is being written."""

    def __init__(self) -> None:
        self._waiting: queue.SimpleQueue[Command] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._stopped: set[int] = set()

    def read(self, stream: BinaryIO, send: Send) -> None:
        """Take in lines until the stream ends."""
        while line := stream.readline(LONGEST_LINE + 1):
            try:
                command = read_command(line)
            except Dsvl2Error as error:
                send(Failed(str(error)))
                continue
            if isinstance(command, Stop):
                with self._lock:
                    self._stopped.add(command.turn)
            else:
                self._waiting.put(command)

    def next_command(self) -> Command:
        """The next one, waited for."""
        return self._waiting.get()

    def is_stopped(self, turn: int) -> bool:
        """Whether nobody wants the rest of a turn's answer."""
        with self._lock:
            return turn in self._stopped


def serve(inbox: Inbox, send: Send) -> NoReturn:
    """Carry out commands as long as the process lives."""
    model: VisionLanguageModel | None = None
    while True:
        command = inbox.next_command()
        turn = command.turn if isinstance(command, Ask) else None
        try:
            if isinstance(command, Load):
                model = load_model(command.model, command.threads, Watch(_told(send, None)), force=command.force)
                send(Loaded(model.name, model.bundle.manifest.precision, model.weights_note))
            elif isinstance(command, Ask):
                if model is None:
                    send(Failed("no model is loaded; see the message above", turn))
                    continue
                answer(model, command, inbox, send)
        except Dsvl2Error as error:
            send(Failed(str(error), turn))
        except Exception as error:
            # The window must hear of it: a process that dies silently would leave its question waiting for ever.
            send(Failed(f"internal error: {type(error).__name__}: {error}", turn))


def answer(model: VisionLanguageModel, ask: Ask, inbox: Inbox, send: Send) -> None:
    """Answer one question, piece by piece."""
    start = time.monotonic()
    tokens = 0
    options = GenerationOptions(max_new_tokens=ask.max_new_tokens)
    inputs = model.prepare(ask.question, ask.pictures)
    send(Prepared(ask.turn, inputs.notices))
    watch = Watch(_told(send, ask.turn), lambda: inbox.is_stopped(ask.turn))
    for chunk in model.answer(inputs, options, watch):
        tokens += chunk.token_id is not None
        if chunk.text:
            send(Wrote(ask.turn, chunk.text))
        if chunk.finish_reason is not None:
            send(Finished(ask.turn, chunk.finish_reason, tokens, round(time.monotonic() - start, 3)))


def _told(send: Send, turn: int | None) -> ProgressCallback:
    """A callback that reports start and end of each phase, and progress at most every `PROGRESS_SECONDS`."""
    last_phase, last_time = "", 0.0

    def on_progress(progress: Progress) -> None:
        nonlocal last_phase, last_time
        now = time.monotonic()
        between = progress.phase == last_phase and progress.done < progress.total
        if between and now - last_time < PROGRESS_SECONDS:
            return
        last_phase, last_time = progress.phase, now
        send(Progressed(progress.phase, progress.done, progress.total, turn))

    return on_progress


def main() -> None:
    """Serve standard input and output."""
    events = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    lock = threading.Lock()

    def send(event: Event) -> None:
        with lock:
            try:
                events.write(to_line(event))
                events.flush()
            except OSError:
                os._exit(0)  # the window is gone, and so is the reason for this process

    inbox = Inbox()

    def read() -> None:
        inbox.read(sys.stdin.buffer, send)
        os._exit(0)  # as above; loading a large model, for one, would go on for minutes

    threading.Thread(target=read, daemon=True).start()
    serve(inbox, send)


if __name__ == "__main__":
    main()

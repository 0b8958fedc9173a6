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
from collections.abc import Callable, Generator, Iterator
from collections.abc import Sequence as Items
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO, NoReturn, cast

from dsvl2_runtime import load_model
from dsvl2_runtime.answers.answer import Answer
from dsvl2_runtime.answers.generate import TextChunk
from dsvl2_runtime.bundle.bundle import Bundle
from dsvl2_runtime.bundle.model_names import find_model
from dsvl2_runtime.engine.load_meter import measured_load, memory_bytes
from dsvl2_runtime.engine.protocol import (
    LONGEST_LINE,
    Ask,
    BadMessage,
    ChatMessage,
    Event,
    Failed,
    Finished,
    Hello,
    ImagePart,
    Load,
    Loaded,
    LoadFailed,
    Measured,
    NoModelError,
    Prepared,
    Progressed,
    ProtocolError,
    Stop,
    TokenPart,
    Wrote,
    greet,
    named_turn,
    read_command,
    to_line,
)
from dsvl2_runtime.engine.read_images import ReadImages
from dsvl2_runtime.engine.wire_error import wire_error
from dsvl2_runtime.errors import Dsvl2Error, ImageError
from dsvl2_runtime.graphs.sequence import Sequence
from dsvl2_runtime.graphs.target import CPU, CUDA
from dsvl2_runtime.inputs.prompt import ContentPart, ImagePlace, Message, SpecialToken, special_parts
from dsvl2_runtime.machine.mapped_files import report_lost_files
from dsvl2_runtime.machine.provider import Provider, asked_provider
from dsvl2_runtime.machine.speeds import SpeedMeter, Speeds, known_speeds, remember_speeds
from dsvl2_runtime.model import VisionLanguageModel
from dsvl2_runtime.progress import Progress, ProgressCallback, Stopped, Watch

PROGRESS_SECONDS = 0.05
"""Progress within a phase is sent at most this often."""
OTHER_VERSION_EXIT_CODE = 2

Send = Callable[[Event], None]


@dataclass(frozen=True, slots=True)
class Question:
    """An `Ask` that was read."""

    ask: Ask
    deadline: float | None
    """On the clock of `time.monotonic`."""


@dataclass(slots=True)
class Kept:
    """What one answer leaves for the next one of the same model."""

    sequence: Sequence
    """What a prompt has in common with it is not computed again."""
    images: ReadImages

    @classmethod
    def nothing(cls, model: VisionLanguageModel) -> Kept:
        """Before the first question."""
        return cls(model.new_sequence(), ReadImages(model.config, threads=model.threads))


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
        )
    )
    send(Measured(known_speeds(model.speed_key)))
    return model


def answer(
    model: VisionLanguageModel | None,
    question: Question,
    inbox: Inbox,
    send: Send,
    kept: Kept | None = None,
) -> Speeds | None:
    """Answer one question, piece by piece.

    Args:
        model: that is loaded, if any.
        question: that was read.
        inbox: says whether it was stopped.
        send: takes the events.
        kept: of the questions before.

    Returns:
        What is known by now of the model's speeds.

    Raises:
        NoModelError: there is no model to answer it.
        Dsvl2Error: as `VisionLanguageModel.generate`.
    """
    if model is None:
        raise NoModelError
    ask, start, tokens, first_token_seconds = question.ask, time.monotonic(), 0, 0.0
    kept = kept or Kept.nothing(model)
    meter, send_progress = SpeedMeter(), progress_sender(send, ask.turn)

    def on_progress(progress: Progress) -> None:
        meter.note(progress)
        send_progress(progress)

    watch = Watch(on_progress, lambda: inbox.is_stopped(ask.turn), question.deadline)
    messages, images = model_messages(ask.messages, special_tokens=ask.special_tokens)

    def before_each(number: int) -> None:
        send(Progressed("images", number, len(images), ask.turn))
        watch.check()

    try:
        with users_names(images):
            inputs = model.prepare(messages, kept.images.read(images, before_each))
    except Stopped as end:
        send(Finished(ask.turn, end.reason, 0, round(time.monotonic() - start, 3)))
        return known_speeds(model.speed_key)
    sizes = tuple(image.size for image in inputs.images)
    send(Prepared(ask.turn, inputs.notices, len(inputs.input_ids), inputs.num_image_tokens, sizes))
    chunks = model.answer(inputs, ask.options, watch, kept.sequence)
    answer = Answer(cast("Generator[TextChunk, None, None]", chunks), inputs, kept.sequence, inputs.notices)
    for chunk in answer:
        if chunk.token_id is not None:
            tokens += 1
            first_token_seconds = first_token_seconds or round(time.monotonic() - start, 3)
        if chunk.text:
            send(Wrote(ask.turn, chunk.text))
        if chunk.finish_reason is not None:
            if chunk.finish_reason == "stop":
                meter.answered(tokens)
            seconds, reused = round(time.monotonic() - start, 3), kept.sequence.reused
            finished = Finished(
                ask.turn, chunk.finish_reason, tokens, seconds, reused, first_token_seconds, memory_bytes(),
                answer.confidence,
            )  # fmt: skip
            send(finished)
    return remember_speeds(model.speed_key, meter.take())


def model_messages(
    messages: Items[ChatMessage], *, special_tokens: bool = False
) -> tuple[list[Message], list[ImagePart]]:
    """The messages as the prompt builder takes them, and their images in the order of their places.

    Args:
        messages: of an `Ask`.
        special_tokens: whether the names of the grounding tokens in texts mean these tokens.
    """
    images: list[ImagePart] = []
    converted = []
    for message in messages:
        content: list[ContentPart] = []
        for part in message.content:
            if isinstance(part, ImagePart):
                images.append(part)
                content += [ImagePlace(), "\n"]
            elif isinstance(part, TokenPart):
                content.append(SpecialToken(part.name))
            else:
                content.append(part.text)
        converted.append(Message(message.role, special_parts(content) if special_tokens else content))
    return converted, images


@contextmanager
def users_names(images: Items[ImagePart]) -> Iterator[None]:
    """Call an image in errors as its user calls it, and not by the path of a copy."""
    names = {image.path: image.name for image in images if image.name is not None}
    try:
        yield
    except ImageError as error:
        if error.source not in names:
            raise
        raise ImageError(names[error.source], error.found, error.advice) from error


def progress_sender(send: Send, turn: int | None) -> ProgressCallback:
    """A callback that sends start and end of each phase, and progress at most every `PROGRESS_SECONDS`."""
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

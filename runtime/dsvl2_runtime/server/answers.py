"""Questions of many clients to one engine: a bounded queue, one answer at a time, and a new engine for a dead one.

One thread owns the engine. It takes question after question, keeps the pictures of each in a folder of its own while it
is answered, and hands the events to the event loop of the client that waits.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from dsvl2_runtime.engine.client import ENGINE_ARGUMENTS, EngineClient, EngineEnd
from dsvl2_runtime.engine.image_store import ImageStore, open_store
from dsvl2_runtime.engine.prompt_parts import ChatMessage, ImagePart, Part, TextPart
from dsvl2_runtime.engine.protocol import (
    Ask,
    BadMessage,
    Failed,
    Finished,
    Load,
    Loaded,
    LoadFailed,
    Prepared,
    Progressed,
    Replaced,
    Stop,
    Wrote,
)
from dsvl2_runtime.engine.wire_error import wire_error
from dsvl2_runtime.server.chat_request import ChatRequest, text_and_images
from dsvl2_runtime.server.errors import EngineError, QueueFullError, engine_ended

log = logging.getLogger(__name__)

IDLE_SECONDS = 0.5
"""After so long without a question the thread looks whether the engine is alive."""

AnswerEvent = Prepared | Wrote | Replaced | Finished


@dataclass(slots=True)
class Counts:
    """What has happened since the start, for `/metrics`."""

    ends: dict[str, int] = field(default_factory=dict)
    """How answers ended: a finish reason, or the name of an error."""
    prompt_tokens: int = 0
    answer_tokens: int = 0
    seconds: float = 0.0
    """Of all finished answers together."""
    engine_starts: int = 0

    def end(self, how: str) -> None:
        """Count the end of an answer."""
        self.ends[how] = self.ends.get(how, 0) + 1


class Answer:
    """One question and what comes back for it; for the event loop that asked."""

    def __init__(self, request: ChatRequest, turn: int) -> None:
        self.request = request
        self.turn = turn
        self.is_cancelled = False
        self._loop = asyncio.get_running_loop()
        self._events: asyncio.Queue[AnswerEvent | EngineError] = asyncio.Queue()

    def push(self, event: AnswerEvent | EngineError) -> None:
        """Hand an event over, from any thread; after the end of the loop nobody wants it."""
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._events.put_nowait, event)

    async def events(self) -> AsyncIterator[AnswerEvent]:
        """What comes, up to `Finished`.

        Raises:
            EngineError: the answer ended in an error.
        """
        while True:
            event = await self._events.get()
            if isinstance(event, EngineError):
                raise event
            yield event
            if isinstance(event, Finished):
                return


class Place:
    """A place in the queue; taken before the body of a request is read, so that a full server reads nothing."""

    def __init__(self, answers: Answers) -> None:
        self._answers = answers
        self._is_taken = True

    def ask(self, request: ChatRequest) -> Answer:
        """Put a question there; the place is free again when its answer has ended."""
        answer = self._answers.put(request)
        self._is_taken = False
        return answer

    def release(self) -> None:
        """Give up a place where no question was put."""
        if self._is_taken:
            self._is_taken = False
            self._answers.free_place()


class Answers:
    """The engine and the questions that wait for it."""

    def __init__(
        self,
        load: Load,
        longest_queue: int,
        arguments: Sequence[str] = ENGINE_ARGUMENTS,
        seconds: float | None = None,
    ) -> None:
        """Nothing is started yet.

        Args:
            load: what the engine has to load.
            longest_queue: questions that may wait while one is answered.
            arguments: of Python, for the engine process.
            seconds: after which an answer ends as "timeout", counted from when the engine begins with it; None for no
                limit.
        """
        self._load, self._longest_queue, self._arguments, self._seconds = load, longest_queue, arguments, seconds
        self._lock = threading.Lock()
        self._taken = 0
        self._turn = 0
        self._is_closing = False
        self._waiting: queue.SimpleQueue[Answer | None] = queue.SimpleQueue()
        self._client: EngineClient | None = None
        self._thread = threading.Thread(target=self._work, name="answers", daemon=True)
        self.counts = Counts()
        self.running: Answer | None = None
        self.loaded: Loaded | None = None
        """What the engine says of its model; None while there is none."""

    def start(self, on_progress: Callable[[Progressed], None] = lambda progress: None) -> Loaded:
        """Start the engine, wait for its model, and begin to answer.

        Args:
            on_progress: told how far the model is loaded, in this thread.

        Raises:
            EngineError: the model cannot be loaded.
        """
        _, loaded = self._ready_engine(on_progress)
        self._thread.start()
        return loaded

    def close(self) -> None:
        """End the engine and the thread; answers that are open end in an error."""
        with self._lock:
            self._is_closing = True
            self._waiting.put(None)
        if (client := self._client) is not None:
            client.close()
        if self._thread.ident is not None:
            self._thread.join()

    @property
    def taken(self) -> int:
        """Places that are taken: answers that run or wait, and requests that are read."""
        return self._taken

    @property
    def engine_id(self) -> int | None:
        """Process id of the engine."""
        return self._client.process_id if self._client is not None else None

    def take_place(self) -> Place:
        """Reserve a place.

        Raises:
            QueueFullError: none is free.
        """
        with self._lock:
            if self._taken > self._longest_queue:  # one more is being answered
                raise QueueFullError(self._longest_queue)
            self._taken += 1
        return Place(self)

    def free_place(self) -> None:
        """Let somebody else have a place."""
        with self._lock:
            self._taken -= 1

    def put(self, request: ChatRequest) -> Answer:
        """Queue a question whose place is taken."""
        self._turn += 1
        answer = Answer(request, self._turn)
        with self._lock:  # nothing is queued after the end, where nobody would read it
            is_late = self._is_closing
            if not is_late:
                self._waiting.put(answer)
        if is_late:
            self._fail(answer, engine_ended(EngineEnd("closed")))
            self.free_place()
        return answer

    def cancel(self, answer: Answer) -> None:
        """End an answer that nobody waits for; one that has not begun never begins."""
        answer.is_cancelled = True
        client = self._client
        if client is not None and self.running is answer:
            client.send(Stop(answer.turn))

    def _work(self) -> None:
        while True:
            try:
                answer = self._waiting.get(timeout=IDLE_SECONDS)
            except queue.Empty:
                self._replace_dead_engine()
                continue
            if answer is None:
                return
            try:
                if self._is_closing:
                    raise engine_ended(EngineEnd("closed"))
                self._answer(answer)
            except Exception as error:  # whatever it is, its client must hear of it
                self._fail(answer, error if isinstance(error, EngineError) else EngineError(wire_error(error)))
            finally:
                self.running = None
                self.free_place()

    def _fail(self, answer: Answer, error: EngineError) -> None:
        self.counts.end(error.error.name)
        if not self._is_closing:  # then every answer ends, as it was asked for
            log.warning("an answer ended in an error: %s", error.error.name)  # its sentence may hold words of the user
        answer.push(error)

    def _answer(self, answer: Answer) -> None:
        if answer.is_cancelled:
            self.counts.end("cancelled")
            answer.push(Finished(answer.turn, "cancelled", 0, 0.0))
            return
        client, _ = self._ready_engine()
        with open_store() as store:
            request = answer.request
            ask = Ask(
                answer.turn,
                _messages(request, store),
                request.options,
                self._seconds,
                special_tokens=request.special_tokens,
                look_again=request.look_again,
            )
            self.running = answer
            client.send(ask)
            if answer.is_cancelled:  # in the meantime, when there was nothing to stop yet
                client.send(Stop(answer.turn))
            self._forward(client, answer)

    def _forward(self, client: EngineClient, answer: Answer) -> None:
        """Pass the events of a turn on, to the last one."""
        while True:
            event = client.next_event()
            if isinstance(event, EngineEnd):
                self._forget_engine(event)
                raise engine_ended(event)
            if isinstance(event, Failed | BadMessage):
                if event.turn == answer.turn:
                    raise EngineError(event.error)
            elif isinstance(event, AnswerEvent) and event.turn == answer.turn:
                if isinstance(event, Prepared):
                    self.counts.prompt_tokens += event.prompt_tokens
                if isinstance(event, Finished):
                    self._count(event)
                answer.push(event)
                if isinstance(event, Finished):
                    return

    def _count(self, end: Finished) -> None:
        self.counts.end(end.reason)
        self.counts.answer_tokens += end.tokens
        self.counts.seconds += end.seconds

    def _ready_engine(
        self, on_progress: Callable[[Progressed], None] = lambda progress: None
    ) -> tuple[EngineClient, Loaded]:
        """The engine with its model, which may have to be loaded first."""
        if self._client is not None and self.loaded is not None and self._client.state == "ready":
            return self._client, self.loaded
        if self._client is not None:
            self._client.close()
        client = self._client = EngineClient(self._load, self._arguments)
        self.counts.engine_starts += 1
        if self._is_closing:  # just now, so that it closed another one or none
            client.close()
        while True:
            event = client.next_event()
            if isinstance(event, Progressed):
                on_progress(event)
            if isinstance(event, Loaded):
                self.loaded = event
                return client, event
            if isinstance(event, LoadFailed):
                self._client = None
                client.close()
                raise EngineError(event.error)
            if isinstance(event, EngineEnd):
                self._forget_engine(event)
                raise engine_ended(event)

    def _forget_engine(self, end: EngineEnd) -> None:
        if not self._is_closing:
            log.warning("the engine ended: %s %s", end.reason, end.code)
        self._client = self.loaded = None

    def _replace_dead_engine(self) -> None:
        """Start the engine again if it died while it had nothing to do; one that cannot load waits for a question."""
        if self.loaded is not None and self._client is not None and self._client.state == "failed":
            self.loaded = None
            with suppress(EngineError):
                self._ready_engine()


def _messages(request: ChatRequest, store: ImageStore) -> tuple[ChatMessage, ...]:
    """The messages for the engine, with their images in the store."""
    images = iter(request.images)
    messages = []
    for message in request.messages:
        content: list[Part] = []
        for text in text_and_images(message):
            if text is not None:
                content.append(TextPart(text))
                continue
            image = next(images)
            kept = store.keep(image)
            content.append(ImagePart(str(kept.path), image.name, kept.sha256))
        messages.append(ChatMessage(message.role, tuple(content)))
    return tuple(messages)

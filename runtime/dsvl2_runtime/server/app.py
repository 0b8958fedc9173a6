"""The addresses of the server and what each answers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route, Router
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dsvl2_runtime.answers.schema_trial import try_schema
from dsvl2_runtime.engine.protocol import Finished, Prepared, Wrote
from dsvl2_runtime.errors import Dsvl2Error, OutOfMemoryError
from dsvl2_runtime.server.answers import Answer, AnswerEvent, Answers
from dsvl2_runtime.server.body import BodyLimits, discard_body, read_body
from dsvl2_runtime.server.chat_request import ChatRequest, read_chat_request
from dsvl2_runtime.server.completions import DONE, Completion, event_bytes, to_json
from dsvl2_runtime.server.errors import RETRY_SECONDS, EngineError, UnknownModelError, error_object
from dsvl2_runtime.server.gate import Gate
from dsvl2_runtime.server.metrics import CONTENT_TYPE, metrics_text
from dsvl2_runtime.server.page import page_routes

log = logging.getLogger(__name__)

SEND_SECONDS = 60.0
"""A client that takes nothing for so long has left."""
HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
"""Of every response; there is none of CORS among them, so that no foreign page can read one."""


@dataclass(frozen=True, slots=True)
class ServedModel:
    """The model by the names that requests may use."""

    name: str
    """What the bundle calls itself."""
    asked: str
    """What the server was told to load."""
    since: int
    """Seconds since 1970."""


class Service:
    """The answers of the addresses under `/v1`, and those about the server itself."""

    def __init__(self, answers: Answers, model: ServedModel, limits: BodyLimits) -> None:
        self._answers, self._model, self._limits = answers, model, limits

    async def chat_completions(self, request: Request) -> Response:
        """Answer a question, whole or piece by piece."""
        place = self._answers.take_place()
        try:
            body = await read_body(request, self._limits)
            asked = await asyncio.to_thread(read_chat_request, body)
            del body
            self._require_model(asked.model)
            if asked.options.json_schema:
                await asyncio.to_thread(try_schema, asked.options.json_schema)
            answer = place.ask(asked)
        finally:
            place.release()
        completion = Completion(self._model.name)
        if asked.stream:
            return await self._streamed(request, answer, completion)
        async with self._cancelled_without_client(request, answer):
            async for event in answer.events():
                completion.take(event)
        return json_response(completion.whole())

    async def models(self, _request: Request) -> Response:
        """The one model."""
        model = {"id": self._model.name, "object": "model", "created": self._model.since, "owned_by": "dsvl2-onnx"}
        return json_response({"object": "list", "data": [model]})

    async def model(self, request: Request) -> Response:
        """The one model by its name."""
        self._require_model(request.path_params["name"])
        return json_response(
            {"id": self._model.name, "object": "model", "created": self._model.since, "owned_by": "dsvl2-onnx"}
        )

    async def health(self, _request: Request) -> Response:
        """Whether a question would be answered at once, or after the model is loaded again."""
        is_ready = self._answers.loaded is not None
        return json_response({"status": "ok" if is_ready else "loading"}, 200 if is_ready else 503)

    async def metrics(self, _request: Request) -> Response:
        """Counts for Prometheus."""
        return Response(metrics_text(self._answers), headers={"content-type": CONTENT_TYPE})

    def _require_model(self, name: str | None) -> None:
        if name not in (None, self._model.name, self._model.asked):
            raise UnknownModelError(str(name), self._model.name)

    async def _streamed(self, request: Request, answer: Answer, completion: Completion) -> Response:
        """A stream; an error before the first word is still a response of its own with its status."""
        events = answer.events()
        async with self._cancelled_without_client(request, answer):
            event = await anext(events)
            while isinstance(event, Prepared):
                completion.take(event)
                event = await anext(events)
        pieces = stream_pieces(completion, event, events, answer.request)
        return EventStream(pieces, self._cancelled_without_client(request, answer))

    @asynccontextmanager
    async def _cancelled_without_client(self, request: Request, answer: Answer) -> AsyncIterator[None]:
        """Cancel an answer when its client leaves, or when the block ends in an error."""

        async def wait_until_gone() -> None:
            while (await request.receive())["type"] != "http.disconnect":
                pass
            self._answers.cancel(answer)

        watching = asyncio.create_task(wait_until_gone())
        try:
            yield
        except BaseException:
            self._answers.cancel(answer)
            raise
        finally:
            watching.cancel()


async def stream_pieces(
    completion: Completion, first: AnswerEvent, events: AsyncIterator[AnswerEvent], asked: ChatRequest
) -> AsyncIterator[bytes]:
    """An answer as server-sent events; an error in its middle is one of them.

    Where the model may look again, the answer is one piece: nobody can take back what was sent.
    """
    yield event_bytes(completion.chunk({"role": "assistant", "content": ""}))
    event: AnswerEvent | None = first
    try:
        while event is not None:
            completion.take(event)
            if isinstance(event, Wrote) and not asked.look_again:
                yield event_bytes(completion.chunk({"content": event.text}))
            if isinstance(event, Finished) and asked.look_again and completion.text:
                yield event_bytes(completion.chunk({"content": completion.text}))
            event = None if isinstance(event, Finished) else await anext(events)
        yield event_bytes(completion.chunk({}, is_last=True))
        if asked.include_usage:
            yield event_bytes(completion.usage_chunk())
    except EngineError as error:
        yield event_bytes(error_object(error.error.name, str(error), error.http_status))
    yield DONE


class EventStream(Response):
    """Sends pieces as they come; while it does, another task watches whether the client is there."""

    media_type = "text/event-stream"

    def __init__(self, pieces: AsyncIterator[bytes], watched: AbstractAsyncContextManager[None]) -> None:
        super().__init__()
        del self.headers["content-length"]  # nobody knows it yet
        self._pieces, self._watched = pieces, watched

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        """Send them all."""
        async with self._watched:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            async for piece in self._pieces:
                await send({"type": "http.response.body", "body": piece, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})


class Guarded:
    """Lets requests through the gate; what goes wrong inside becomes a response, and its words are never logged."""

    def __init__(self, app: ASGIApp, gate: Gate, limits: BodyLimits) -> None:
        self._app, self._gate, self._limits = app, gate, limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        is_begun = is_read = False

        async def noted_receive() -> Message:
            nonlocal is_read
            message = await receive()
            is_read = is_read or not message.get("more_body", False)
            return message

        async def send_with_headers(message: Message) -> None:
            nonlocal is_begun
            if message["type"] == "http.response.start":
                is_begun = True
                message = {**message, "headers": [*message["headers"], *HEADERS]}
            async with asyncio.timeout(SEND_SECONDS):
                await send(message)

        scope = {**scope, "app": self._app}  # with which the router raises errors instead of answering them itself
        request = Request(scope, noted_receive)
        try:
            self._gate.require(request)
            await self._app(scope, noted_receive, send_with_headers)
        except ClientDisconnect:
            return
        except Exception as error:
            if not isinstance(error, (Dsvl2Error, HTTPException)):
                # Its words may be those of a user, so only its class and place are written down.
                log.error("internal error %s at %s", type(error).__name__, place_of(error))
            if is_begun:
                raise BrokenResponseError from None
            if not is_read:
                await discard_body(request, self._limits)
            await error_response(error)(scope, receive, send_with_headers)


class BrokenResponseError(Exception):
    """A response that has begun cannot be completed; the HTTP server closes its connection."""


def place_of(error: BaseException) -> str:
    """File and line where an error was raised."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return "nowhere" if trace is None else f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}"


def error_response(error: Exception) -> Response:
    """The response for an error, with the status that its class names."""
    if isinstance(error, HTTPException):
        return json_response(error_object("HTTPError", error.detail, error.status_code), error.status_code)
    if isinstance(error, MemoryError):
        error = OutOfMemoryError()
    if isinstance(error, EngineError):
        name, message, status = error.error.name, str(error), error.http_status
    elif isinstance(error, Dsvl2Error):
        name, message, status = type(error).__name__, str(error), error.http_status
    else:
        name, message, status = type(error).__name__, "internal error", 500
    response = json_response(error_object(name, message, status), status)
    if status in (429, 503):
        response.headers["retry-after"] = str(RETRY_SECONDS)
    if status == 401:
        response.headers["www-authenticate"] = "Bearer"
    return response


def json_response(document: dict[str, object], status: int = 200) -> Response:
    """A response of JSON."""
    return Response(to_json(document), status, media_type="application/json")


def make_app(answers: Answers, model: ServedModel, gate: Gate, limits: BodyLimits | None = None) -> ASGIApp:
    """The whole server as an ASGI application."""
    limits = limits or BodyLimits()
    service = Service(answers, model, limits)
    routes = [
        Route("/v1/chat/completions", service.chat_completions, methods=["POST"]),
        Route("/v1/models", service.models),
        Route("/v1/models/{name:path}", service.model),
        Route("/health", service.health),
        Route("/metrics", service.metrics),
        *page_routes(),
    ]
    router = Router(routes, redirect_slashes=False, default=not_found)
    return Guarded(router, gate, limits)


async def not_found(scope: Scope, _receive: Receive, _send: Send) -> None:
    """Say so as an error of ours."""
    raise HTTPException(404, f"there is nothing at {scope['path'][:100]}")

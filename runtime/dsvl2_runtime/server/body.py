"""Reads the body of a request within limits that hold before anything of it is kept."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from dataclasses import dataclass

from starlette.requests import ClientDisconnect, Request

from dsvl2_runtime.server.errors import BodyTooLargeError, ContentTypeError, SlowBodyError

MEGABYTE = 1_000_000


@dataclass(frozen=True, slots=True)
class BodyLimits:
    """How long a body may be, and how long it may take."""

    size: int = 40 * MEGABYTE
    """Bytes; a picture as base64 takes four thirds of its file."""
    seconds: float = 30.0
    """Until it is complete."""
    discarded: int = 400 * MEGABYTE
    """Bytes of a refused body that are read and thrown away: many a client reads the answer only afterwards."""
    discard_seconds: float = 10.0


async def read_body(request: Request, limits: BodyLimits) -> bytes:
    """The body of a request.

    Raises:
        ContentTypeError: it is not plain JSON.
        BodyTooLargeError: it is too long, by its header or by what comes.
        SlowBodyError: it does not come in time.
        ClientDisconnect: the client has left.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise ContentTypeError(f"the body is {kind or 'of no type'}; it must be application/json")
    if encoding := request.headers.get("content-encoding", ""):
        raise ContentTypeError(f"the body is encoded with {encoding[:40]}; send plain JSON")
    if _declared_size(request) > limits.size:
        raise BodyTooLargeError(limits.size)
    body = bytearray()
    try:
        async with asyncio.timeout(limits.seconds), aclosing(_pieces(request)) as pieces:
            async for piece in pieces:
                body += piece
                if len(body) > limits.size:
                    raise BodyTooLargeError(limits.size)
    except TimeoutError:
        raise SlowBodyError(limits.seconds) from None
    return bytes(body)


async def discard_body(request: Request, limits: BodyLimits) -> None:
    """Read what is left of a refused body and keep nothing of it; of one that is far too long, nothing is read."""
    left = limits.discarded
    if _declared_size(request) > left:
        return
    with suppress(TimeoutError, ClientDisconnect):
        async with asyncio.timeout(limits.discard_seconds), aclosing(_pieces(request)) as pieces:
            async for piece in pieces:
                left -= len(piece)
                if left < 0:
                    return


async def _pieces(request: Request) -> AsyncGenerator[bytes, None]:
    while True:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        yield message.get("body", b"")
        if not message.get("more_body", False):
            return


def _declared_size(request: Request) -> int:
    text = request.headers.get("content-length", "0")
    return int(text)  # the HTTP server has refused what is no number

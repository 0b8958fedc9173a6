"""What a server refuses, and errors as clients of OpenAI's API expect them."""

from __future__ import annotations

from collections.abc import Mapping

from dsvl2_runtime.engine.client import EngineEnd
from dsvl2_runtime.engine.wire_error import WireError
from dsvl2_runtime.errors import BusyError, Dsvl2Error, UsageError

RETRY_SECONDS = 1
"""What a refused client is told to wait."""


class ForbiddenError(UsageError):
    """A request that a foreign web page has sent, or may have."""

    http_status = 403


class WrongKeyError(UsageError):
    """A request without the API key."""

    http_status = 401

    def __init__(self) -> None:
        super().__init__("the API key is missing or wrong; send it as Authorization: Bearer KEY")


class UnknownModelError(UsageError):
    """A request for a model that is not served."""

    http_status = 404

    def __init__(self, asked: str, served: str) -> None:
        super().__init__(f"there is no model {asked!r} here; this server answers with {served!r}")


class BodyTooLargeError(UsageError):
    """A request whose body is longer than is read."""

    http_status = 413

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"the request has more than {limit} bytes, which is the most that is read; use smaller pictures"
        )


class SlowBodyError(UsageError):
    """A request whose body does not come."""

    http_status = 408

    def __init__(self, seconds: float) -> None:
        super().__init__(f"the request was not complete after {seconds:g} seconds; send it again")


class ContentTypeError(UsageError):
    """A body that is not plain JSON."""

    http_status = 415


class QueueFullError(BusyError):
    """As many questions wait as may."""

    http_status = 429

    def __init__(self, waiting: int) -> None:
        super().__init__(f"{waiting} questions are waiting, which is the most; ask again later")


class EngineError(Dsvl2Error):
    """What went wrong in the engine process, with its codes."""

    def __init__(self, error: WireError) -> None:
        super().__init__(error.message)
        self.error = error
        self.exit_code, self.http_status = error.exit_code, error.http_status


def engine_ended(end: EngineEnd) -> EngineError:
    """The error of a question whose engine is gone; what it wrote may hold a user's text, so it is left out."""
    if end.reason == "closed":
        text = "the server was closed before this was answered"
    else:
        why = end.error.message if end.error is not None else f"{end.reason} {'' if end.code is None else end.code}"
        text = f"the engine is gone ({why.strip()}); it is started again, so ask once more"
    return EngineError(WireError("EngineEndedError", text, 1, 503))


def error_type(http_status: int) -> str:
    """The word of OpenAI's API for a kind of error."""
    words: Mapping[int, str] = {
        401: "authentication_error", 403: "permission_error", 404: "not_found_error", 429: "rate_limit_error",
    }  # fmt: skip
    return words.get(http_status, "invalid_request_error" if http_status < 500 else "server_error")


def error_object(name: str, message: str, http_status: int) -> dict[str, object]:
    """The body of an error response, or the data of an event in the middle of a stream."""
    return {"error": {"message": message, "type": error_type(http_status), "param": None, "code": name}}

"""What a start of the program asks for: done by its own window, or sent to the one that is open."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dsvl2_app.state.app_request import AUTO, AppRequest, CaptureKind, PictureBytes
from dsvl2_app.state.intake import Source
from dsvl2_runtime.engine.protocol import Load
from dsvl2_runtime.errors import BusyError
from dsvl2_runtime.inputs.images import ImageBytes


@dataclass(frozen=True, slots=True)
class Opening:
    """Pictures to open or to capture, and a question about them."""

    images: Sequence[Source] = ()
    capture: CaptureKind | None = None
    delay: float = 0.0
    """Seconds before the capture."""
    ask: str | None = None
    model: str | None = None
    """The folder of the model that was asked for by name; None if any will do."""
    threads: int | None = None
    provider: str = AUTO
    activation: str = ""
    """With this a desktop lets a window come to the front."""


def request_of(opening: Opening) -> AppRequest:
    """The same for the window of another process."""
    pictures = tuple(_picture(source) for source in opening.images if isinstance(source, Path | ImageBytes))
    return AppRequest(
        pictures=pictures,
        capture=opening.capture,
        delay=opening.delay,
        ask=opening.ask,
        model=opening.model,
        threads=opening.threads,
        provider=opening.provider,
        activation=opening.activation,
    )


def opening_of(request: AppRequest) -> Opening:
    """What another process asks for.

    Raises:
        RequestError: the content of a picture cannot be read.
    """
    images = [
        Path(picture) if isinstance(picture, str) else ImageBytes(picture.name, picture.data)
        for picture in request.pictures
    ]
    return Opening(
        images,
        request.capture,
        request.delay,
        request.ask,
        request.model,
        request.threads,
        request.provider,
        request.activation,
    )


def require_same_model(opening: Opening, load: Load) -> None:
    """Refuse what the open window cannot do: it has one model, which it has loaded in its own way.

    Raises:
        BusyError: another model, number of threads or provider was asked for.
    """
    if opening.model is not None and Path(opening.model) != Path(load.model):
        raise BusyError(
            f"a window is open with the model {Path(load.model).name}, and {Path(opening.model).name} was asked for; "
            "close it, or add --new-window"
        )
    others = {
        "--threads": opening.threads not in (None, load.threads),
        "--provider": opening.provider not in (AUTO, str(load.provider)),
    }
    for option, differs in others.items():
        if differs:
            raise BusyError(
                f"a window is open, and {option} counts when a model is loaded; close it, or add --new-window"
            )


def _picture(source: Path | ImageBytes) -> str | PictureBytes:
    if isinstance(source, Path):
        return str(source)
    return PictureBytes(source.name, base64.b64encode(source.data).decode("ascii"))

"""Turns of a session as records that are kept, and back."""

from __future__ import annotations

from typing import get_args

from PIL import Image
from pydantic import TypeAdapter, ValidationError

from dsvl2_app.state.history.pictures import Pictures
from dsvl2_app.state.history.records import (
    SavedBox,
    SavedConversation,
    SavedEnd,
    SavedImage,
    SavedNotice,
    SavedState,
    SavedTurn,
)
from dsvl2_app.state.session import Conversation
from dsvl2_app.state.turn import Attachment, Task, Turn, TurnState
from dsvl2_runtime.answers.parts_look import read_in_of
from dsvl2_runtime.engine.client import EndReason, EngineEnd
from dsvl2_runtime.engine.image_store import KeptImage
from dsvl2_runtime.engine.protocol import Finished, Loaded
from dsvl2_runtime.engine.wire_error import WireError
from dsvl2_runtime.errors import Dsvl2Error
from dsvl2_runtime.notices import Notice
from dsvl2_runtime.progress import FinishReason
from dsvl2_runtime.texts import notice_text

ENGINE = "engine: "
"""Before the reason of an engine that ended."""
_FINISHED = TypeAdapter(FinishReason)
_NOTICE = TypeAdapter(Notice)


def saved_turn(turn: Turn, model: Loaded | None) -> SavedTurn:
    """A turn as it is kept."""
    states: dict[TurnState, SavedState] = {"done": "done", "stopped": "stopped", "failed": "failed"}
    return SavedTurn(
        id=turn.id,
        question=turn.question,
        asked_at=turn.asked_at,
        answer=turn.answer,
        state="done" if turn.is_looking else states.get(turn.state, "open"),  # the first answer is whole
        images=tuple(_saved_image(image) for image in turn.images),
        boxes=tuple(SavedBox(box.label, box.image, box.norm999) for box in turn.boxes),
        end=_saved_end(turn.end),
        model=f"{model.name}, {model.precision}" if model is not None else "",
        task=turn.task,
        image_sizes=turn.image_sizes,
        notices=tuple(SavedNotice(notice.code, dict(notice.values)) for notice in turn.notices),
        is_dropped=turn.is_dropped,
        is_alone=turn.is_alone,
        confidence=turn.end.confidence if isinstance(turn.end, Finished) else None,
        looks=turn.looks,
        first_answer=turn.first_answer,
    )


def _saved_image(image: Attachment) -> SavedImage:
    return SavedImage(image.name, image.content.sha256, *image.size, image.page, image.document)


def _saved_end(end: Finished | WireError | EngineEnd | None) -> SavedEnd | None:
    if isinstance(end, Finished):
        return SavedEnd(end.reason, end.tokens, end.seconds, end.cached_tokens, end.first_token_seconds)
    if isinstance(end, WireError):
        return SavedEnd(end.name, message=end.message)
    return None if end is None else SavedEnd(f"{ENGINE}{end.reason}")


def restored(saved: SavedConversation, pictures: Pictures) -> Conversation:
    """A conversation to be shown; images whose content is lost are left out. It decodes, so it is for a thread."""
    turns: list[Turn] = []
    images: list[Attachment] = []
    for number, turn in enumerate(saved.turns):
        own = tuple(image for image in (_attachment(one, pictures) for one in turn.images) if image is not None)
        images += own
        turns.append(_turn(number, turn, own, own if turn.is_alone else tuple(images)))
    return Conversation(saved.id, saved.title, tuple(turns), tuple(images))


def _attachment(image: SavedImage, pictures: Pictures) -> Attachment | None:
    try:
        path = pictures.thumbnail(image.sha256)
        if path is None:
            return None
        with Image.open(path, formats=["PNG"]) as opened:
            thumbnail = opened.convert("RGB")
    except (OSError, ValueError, Dsvl2Error):
        return None
    kept = KeptImage(pictures.path(image.sha256), image.sha256)
    return Attachment(image.name, kept, (image.width, image.height), thumbnail, image.page, image.document)


def _turn(number: int, saved: SavedTurn, images: tuple[Attachment, ...], present: tuple[Attachment, ...]) -> Turn:
    states: dict[SavedState, TurnState] = {"open": "stopped", "done": "done", "stopped": "stopped", "failed": "failed"}
    task: Task = saved.task if saved.task in get_args(Task) else "question"  # type: ignore[assignment]
    return Turn(
        number=number,
        question=saved.question,
        images=images,
        answer=saved.answer,
        state=states[saved.state],
        end=_end(number, saved),
        notices=tuple(notice for notice in map(_notice, saved.notices) if notice is not None),
        id=saved.id,
        asked_at=saved.asked_at,
        task=task,
        is_dropped=saved.is_dropped,
        is_alone=saved.is_alone,
        image_sizes=saved.image_sizes,
        present=present,
        first_answer=saved.first_answer,
    )


def _end(number: int, saved: SavedTurn) -> Finished | WireError | EngineEnd | None:
    end = saved.end
    if end is None:
        return None
    if end.reason.startswith(ENGINE):
        reason = end.reason.removeprefix(ENGINE)
        return EngineEnd(reason if reason in get_args(EndReason) else "exit")  # type: ignore[arg-type]
    try:
        reason = _FINISHED.validate_python(end.reason)
    except ValidationError:
        return WireError(end.reason, end.message, Dsvl2Error.exit_code, Dsvl2Error.http_status)
    return Finished(
        number, reason, end.tokens, end.seconds, end.cached_tokens, end.first_token_seconds,
        confidence=saved.confidence, looks=saved.looks,
    )  # fmt: skip


def _notice(saved: SavedNotice) -> Notice | None:
    try:
        notice = _NOTICE.validate_python({"code": saved.code, "values": saved.values})
        notice_text(notice)  # raises where its sentence, or the part that it names, cannot be made of its values
        read_in_of([notice])
    except (ValidationError, LookupError, ValueError):  # of another version, with other values
        return None
    return notice

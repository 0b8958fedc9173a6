"""What of a conversation the engine is told with its next question, so that it reads only what is new.

Each image belongs to the turn in which it was first asked about. A question whose answer never began, or that ended in
an error, is left out as if it had not been asked, and its images come with the next question instead.
"""

from __future__ import annotations

from collections.abc import Sequence

from dsvl2_app.state.turn import Attachment, Turn
from dsvl2_runtime.answers import tasks
from dsvl2_runtime.engine.prompt_parts import ChatMessage, Part, TextPart, TokenPart, grounded_parts


def told_turns(turns: Sequence[Turn], turn: Turn | None = None) -> list[Turn]:
    """The turns before one, or all, that a prompt holds."""
    if turn is not None and turn.is_alone:
        return []
    before = turns if turn is None else turns[: turns.index(turn)]
    return [earlier for earlier in before if earlier.is_told]


def conversation_images(turns: Sequence[Turn]) -> list[Attachment]:
    """All images of some turns, in the order of the prompt."""
    return [image for turn in turns for image in turn.images]


def shown_images(turns: Sequence[Turn], turn: Turn) -> list[Attachment]:
    """The images of the prompt of a turn, in their order; the boxes of its answer lie in the last one."""
    return conversation_images([*told_turns(turns, turn), turn])


def new_images(present: Sequence[Attachment], earlier: Sequence[Turn]) -> tuple[Attachment, ...]:
    """Those images that no earlier turn has; an image is its content."""
    known = {image.content.sha256 for image in conversation_images(earlier)}
    return tuple(image for image in present if image.content.sha256 not in known)


def look_images(turn: Turn, earlier: Sequence[Turn]) -> tuple[Attachment, ...]:
    """The new images of a turn that is looked at again: as before, with those of turns given up since."""
    if len(conversation_images([*earlier, turn])) == len(turn.image_sizes):
        return turn.images
    return new_images(turn.present or turn.images, earlier)


def prompt_messages(earlier: Sequence[Turn], turn: Turn) -> tuple[ChatMessage, ...]:
    """The messages of a prompt: the turns before, as they were said, and the question."""
    messages = []
    for told in earlier:
        messages += [_asked(told), ChatMessage("assistant", grounded_parts(told.answer.strip()))]
    return (*messages, _asked(turn))


def _asked(turn: Turn) -> ChatMessage:
    parts = [image.part for image in turn.images]
    return ChatMessage("user", (*parts, *question_parts(turn)))


def question_parts(turn: Turn) -> tuple[Part, ...]:
    """The question as the model knows it; what a user typed never becomes a special token."""
    if turn.task == "locate":
        return TokenPart("<|ref|>"), TextPart(turn.question), TokenPart("<|/ref|>")
    if turn.task == "fields":
        return (TextPart(tasks.fields_question(field_names(turn.question))),)
    return (TextPart(turn.question),)


def field_names(text: str) -> list[str]:
    """The names that a user typed, between commas, semicolons or line ends; each once."""
    for separator in (";", "\n", "，", "、", "；"):
        text = text.replace(separator, ",")
    return list(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))

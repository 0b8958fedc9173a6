"""Conversations to token ids, byte for byte as the model was trained.

Source: `conversation.py`, format "deepseek", and `DeepseekVLV2Processor.tokenize_with_images` of the reference: text
pieces are tokenised separately around images; there is one space after `<|User|>:` and none after `<|Assistant|>:`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from dsvl2_runtime.errors import UsageError
from dsvl2_runtime.inputs import tokenizer as tokens
from dsvl2_runtime.inputs.tokenizer import Tokenizer

GROUNDING_TOKENS = (tokens.REF, tokens.REF_END, tokens.DET, tokens.DET_END, tokens.GROUNDING)
GROUNDING_NAMES = re.compile("(" + "|".join(re.escape(name) for name in GROUNDING_TOKENS) + ")")
"""Splits a text so that every other piece is one of the names."""


@dataclass(frozen=True, slots=True)
class ImagePlace:
    """Where the next image of a prompt belongs; the image itself is given beside the messages."""


@dataclass(frozen=True, slots=True)
class SpecialToken:
    """A special token that the program, never a user's text, puts into a prompt."""

    name: str


ContentPart = str | ImagePlace | SpecialToken
Content = str | Sequence[ContentPart]


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation."""

    role: Literal["system", "user", "assistant"]
    content: Content


@dataclass(frozen=True, slots=True)
class Prompt:
    """A conversation as the model reads it, up to where it has to answer."""

    input_ids: NDArray[np.int64]
    """[seq] int64."""
    images_seq_mask: NDArray[np.bool_]
    """[seq] bool, true at every image token."""


def question_content(question: Content, num_images: int) -> list[ContentPart]:
    """A question, typed text or parts such as those of `locate`, after its images, each on a line of its own.

    Raises:
        UsageError: there is neither a question nor an image.
    """
    if isinstance(question, str) and not question.strip() and not num_images:
        raise UsageError("the question is empty; ask something or add a picture")
    parts: list[ContentPart] = []
    for _ in range(num_images):
        parts += [ImagePlace(), "\n"]
    return [*parts, *_parts(question)]


def locate(expression: str) -> list[ContentPart]:
    """The request for the boxes of what an expression describes."""
    return [SpecialToken(tokens.REF), expression, SpecialToken(tokens.REF_END)]


def special_parts(question: Content) -> list[ContentPart]:
    """A question in which the names of the grounding tokens mean these tokens.

    Only for a user who asks for it: by default typed text is text. The tokens of roles, images and ends stay text.
    """
    parts: list[ContentPart] = []
    for part in _parts(question):
        if isinstance(part, str):
            pieces = (piece for piece in GROUNDING_NAMES.split(part) if piece)
            parts += [SpecialToken(piece) if piece in GROUNDING_TOKENS else piece for piece in pieces]
        else:
            parts.append(part)
    return parts


def build_prompt(messages: Sequence[Message], tokenizer: Tokenizer, image_token_counts: Sequence[int]) -> Prompt:
    """Tokenise a conversation that ends with a user's turn.

    Args:
        messages: a system message at most at the start, then user and assistant in turn.
        tokenizer: of the model.
        image_token_counts: image tokens of each image, in order of appearance.

    Raises:
        UsageError: the roles are out of order, or there are not as many images as places for them.
    """
    _check_roles(messages)
    places = sum(isinstance(part, ImagePlace) for message in messages for part in _parts(message.content))
    if places != len(image_token_counts):
        raise UsageError(f"the messages have places for {places} pictures, but {len(image_token_counts)} were given")
    ids = [tokenizer.bos_id]
    counts = iter(image_token_counts)
    for message in messages:
        for part in _merged(_turn(message)):
            if isinstance(part, ImagePlace):
                ids += [tokenizer.image_id] * next(counts)
            elif isinstance(part, SpecialToken):
                ids.append(tokenizer.special_id(part.name))
            else:
                ids += tokenizer.encode(part)
    input_ids = np.array(ids, np.int64)
    return Prompt(input_ids, input_ids == tokenizer.image_id)


def _turn(message: Message) -> list[ContentPart]:
    """A message as the model was trained on it; a blank one of a user has neither a space nor an end of lines."""
    content = _stripped(message.content)
    if message.role == "assistant":
        return [*content, SpecialToken(tokens.EOS)]
    if message.role == "system":
        return content
    asked = [": ", *content, "\n\n"] if content else [":"]
    return [SpecialToken(tokens.USER), *asked, SpecialToken(tokens.ASSISTANT), ":"]


def _parts(content: Content) -> list[ContentPart]:
    return [content] if isinstance(content, str) else list(content)


def _stripped(content: Content) -> list[ContentPart]:
    """Parts without white space at the two ends; none for blank content."""
    parts = list(_merged(_parts(content)))
    if parts and isinstance(parts[0], str):
        parts[0] = parts[0].lstrip()
    if parts and isinstance(parts[-1], str):
        parts[-1] = parts[-1].rstrip()
    return list(_merged(parts))


def _merged(parts: Sequence[ContentPart]) -> Iterator[ContentPart]:
    """Neighbouring texts joined, since they are tokenised as one; empty ones left out."""
    text = ""
    for part in parts:
        if isinstance(part, str):
            text += part
            continue
        if text:
            yield text
            text = ""
        yield part
    if text:
        yield text


def _check_roles(messages: Sequence[Message]) -> None:
    roles = [message.role for message in messages]
    turns = roles[1:] if roles[:1] == ["system"] else roles
    expected = ["user" if index % 2 == 0 else "assistant" for index in range(len(turns))]
    if not turns or turns != expected or turns[-1] != "user":
        raise UsageError(
            f"the roles are {', '.join(roles) or 'none'}; a system message may come first, then user and assistant in "
            "turn, with a user's message at the end"
        )

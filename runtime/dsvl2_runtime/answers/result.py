"""A whole answer as data: its text, why it ends, the boxes in it, and what should be said about them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from dsvl2_runtime.answers.boxes import Box, parse_boxes
from dsvl2_runtime.answers.generate import TextChunk
from dsvl2_runtime.inputs.processor import ModelInputs
from dsvl2_runtime.notices import Notice
from dsvl2_runtime.progress import FinishReason


@dataclass(frozen=True, slots=True)
class Result:
    """An answer that has come to its end."""

    text: str
    """As the model wrote it; boxes stand in it by the names of its special tokens."""
    finish_reason: FinishReason
    boxes: tuple[Box, ...]
    completion_tokens: int
    notices: tuple[Notice, ...]
    """About the images of the prompt and the boxes of the answer."""


def result_of(chunks: Iterable[TextChunk], inputs: ModelInputs) -> Result:
    """Read an answer to its end.

    Args:
        chunks: of `generate.generate`; the last one has the reason.
        inputs: what was asked, with the sizes of its images.
    """
    texts: list[str] = []
    tokens, reason = 0, None
    for chunk in chunks:
        texts.append(chunk.text)
        tokens += chunk.token_id is not None
        reason = chunk.finish_reason
    if reason is None:
        raise ValueError("an answer without a last chunk has no reason for its end")
    text = "".join(texts)
    boxes, notices = parse_boxes(text, [image.size for image in inputs.images], is_cut=reason != "stop")
    return Result(text, reason, boxes, tokens, (*inputs.notices, *notices))

"""What the tests of conversations share: questions, counts of what was computed, and answers without any cache."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from PIL import Image

from dsvl2_runtime import Chat, GenerationOptions, VisionLanguageModel, Watch
from dsvl2_runtime.inputs.prompt import ImagePlace, Message, SpecialToken
from dsvl2_runtime.progress import Progress

QUESTION, NEXT, THIRD = "What is the total?", "And the date?", "Who signed it?"
OPTIONS = GenerationOptions(max_new_tokens=8)


@dataclass
class Counted:
    """What was computed, by the progress that was reported."""

    tiles: int = 0
    positions: int = 0
    watch: Watch = field(init=False)

    def __post_init__(self) -> None:
        self.watch = Watch(self._note)

    def _note(self, progress: Progress) -> None:
        if progress.phase == "vision":
            self.tiles = progress.done
        elif progress.phase == "prefill":
            self.positions = progress.done


def without_cache(model: VisionLanguageModel, chat: Chat, question: str, images: list[Image.Image]) -> list[int]:
    """The tokens of an answer to the same messages in a new sequence, with nothing kept.

    Small models with random weights have these tokens for certain in fp32 alone: what was read in other pieces has the
    same logits up to 1e-6, and float16 rows up to 3e-4, below the distances between the likeliest tokens. In int4,
    activations are rounded to 8 bit: a last bit that differs moves some to the next step, and logits by up to 0.05.
    """
    kept, model.image_cache.max_bytes = model.image_cache.max_bytes, 0
    model.image_cache.clear()
    content = [part for image in images[chat.num_images :] for part in (ImagePlace(), "\n")]
    try:
        chunks = list(model.generate([*chat.messages, Message("user", [*content, question])], images, OPTIONS))
    finally:
        model.image_cache.max_bytes = kept
    return [chunk.token_id for chunk in chunks if chunk.token_id is not None]


def said(message: Message) -> str:
    """Its text, with special tokens by name."""
    parts = [message.content] if isinstance(message.content, str) else message.content
    return "".join(part.name if isinstance(part, SpecialToken) else str(part) for part in parts)


def stopped_after(checks: int) -> Watch:
    answers: Iterator[bool] = iter([False] * checks + [True] * 1000)
    return Watch(should_stop=answers.__next__)

"""What a user should be told beside an answer, as data; `texts.notice_text` makes the sentence where it is shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field, replace
from typing import Literal, Self

from pydantic.dataclasses import dataclass

from dsvl2_runtime.config import STRICT

NoticeCode = Literal[
    "answer.unsure",
    "answer.unsure_of",
    "chat.dropped",
    "chat.one_tile",
    "chat.tiled",
    "boxes.cut",
    "boxes.dropped",
    "boxes.last_image",
    "boxes.numbered",
    "image.alpha_ignored",
    "image.exif_damaged",
    "image.first_frame",
    "image.first_page",
    "image.ground",
    "image.one_tile",
    "image.read_in_part",
    "image.scaled_down",
    "image.stretched",
    "image.uniform",
    "model.note",
    "pdf.placeholder",
    "provider.fallback",
    "threads.capped",
]
"""`image.…` is about one image of the prompt, numbered from 1 by the value `image`."""


@dataclass(frozen=True, slots=True, config=STRICT)
class Notice:
    """One thing to tell: what it is, and the numbers and names that its sentence needs."""

    code: NoticeCode
    values: Mapping[str, int | float | str] = field(default_factory=dict)

    @property
    def is_warning(self) -> bool:
        """Whether something may be wrong with the answer, unlike what a model says of itself, and where it read."""
        return self.code not in ("model.note", "image.read_in_part")

    def of_image(self, number: int) -> Self:
        """The same notice about the image with this number, counted from 1 in the order of the prompt."""
        return replace(self, values={"image": number, **self.values})

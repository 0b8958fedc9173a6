"""The sentences of notices."""

from __future__ import annotations

from typing import get_args

from dsvl2_runtime.notices import Notice, NoticeCode
from dsvl2_runtime.texts import SENTENCES, notice_json, notice_text


def test_every_notice_has_a_sentence() -> None:
    """And no sentence is left over."""
    assert set(SENTENCES) == set(get_args(NoticeCode))


def test_a_sentence_is_made_from_the_values() -> None:
    """A value with braces stays as it is."""
    notice = Notice("model.note", {"note": "{image} is {0}"})
    assert notice_text(notice) == "{image} is {0}"
    assert notice_json(notice.of_image(3)) == {"code": "model.note", "text": "{image} is {0}"}
    assert notice.of_image(3).values["image"] == 3

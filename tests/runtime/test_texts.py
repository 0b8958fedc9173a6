"""The sentences of notices."""

from __future__ import annotations

from typing import get_args

from dsvl2_runtime.notices import Notice, NoticeCode
from dsvl2_runtime.texts import SENTENCES, notice_json, notice_text


def test_every_notice_has_a_sentence() -> None:
    """And no sentence is left over."""
    assert set(SENTENCES) == set(get_args(NoticeCode))


SIZES: dict[str, int | float | str] = {"width": 4000, "height": 3000, "seen_width": 1152, "seen_height": 864}
SAID: list[tuple[Notice, str]] = [
    (Notice("image.first_page"), "picture 2 has several pages; only the first one is shown"),
    (Notice("image.first_frame"), "picture 2 has several frames; only the first one is shown"),
    (Notice("image.ground", {"ground": "black"}), "it is shown on black"),
    (Notice("image.alpha_ignored"), "picture 2 is transparent everywhere"),
    (Notice("image.exif_damaged"), "picture 2 has damaged EXIF data"),
    (Notice("image.stretched", {"lowest": -1.5, "highest": 4095.0}), "-1.5 is shown as black and 4095 as white"),
    (Notice("image.uniform"), "picture 2 has one colour all over"),
    (
        Notice("image.scaled_down", SIZES),
        "4000x3000 pixels, but the model sees it at 1152x864; small print",
    ),
    (
        Notice("image.read_in_part", {"left": 823, "top": 0, "right": 1920, "bottom": 617}),
        "was read in an enlarged part: 823 to 1920 pixels from the left, 0 to 617 from the top",
    ),
    (
        Notice("image.one_tile", SIZES | {"most_tiled": 2}),
        "more than 2 pictures get one tile each; ask about 2",
    ),
]


def test_the_sentences_of_images() -> None:
    """Each has its number and its values; the list names every notice of an image."""
    assert {notice.code for notice, _ in SAID} == {code for code in get_args(NoticeCode) if code.startswith("image.")}
    for notice, part in SAID:
        text = notice_text(notice.of_image(2))
        assert text.startswith("picture 2 ")
        assert part in text


def test_a_sentence_is_made_from_the_values() -> None:
    """A value with braces stays as it is."""
    notice = Notice("model.note", {"note": "{image} is {0}"})
    assert notice_text(notice) == "{image} is {0}"
    assert notice_json(notice.of_image(3)) == {"code": "model.note", "text": "{image} is {0}"}
    assert notice.of_image(3).values["image"] == 3

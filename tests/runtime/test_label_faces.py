"""Labels of boxes in any script: in a typeface that has them, or as numbers that are explained."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFont

from dsvl2_runtime.answers import label_faces
from dsvl2_runtime.answers.boxes import Box
from dsvl2_runtime.answers.draw_boxes import draw_boxes, write_drawing
from dsvl2_runtime.answers.label_faces import choose_labels, has_all
from dsvl2_runtime.texts import notice_text

OPEN_SANS = str(Path(__file__).parents[2] / "models/dsvl2_demo/fonts/OpenSans-Regular.ttf")
"""Has Latin, Greek and Cyrillic letters, and no Chinese ones."""


def box(label: str, left: int = 20) -> Box:
    return Box(label, 1, (0, 0, 999, 999), (left, 60, left + 40, 90))


def test_a_face_has_a_character_or_not() -> None:
    """White space is nothing to have."""
    face = ImageFont.truetype(OPEN_SANS, 14)
    assert has_all(face, "Total é Ж α €")
    assert not has_all(face, "Total 合計")
    assert has_all(face, " \n\t")


def test_plain_labels_ask_for_no_face_of_the_system(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a drawing is the same everywhere."""
    monkeypatch.setattr(label_faces, "FACES", ("unreadable",))
    labels = choose_labels(["Total", "Date", "Total"], 14)
    assert labels.texts == {"Total": "Total", "Date": "Date"}
    assert not labels.are_numbers


def test_the_first_face_that_has_all_letters_is_taken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """One that is missing, or is no typeface, is passed over."""
    (tmp_path / "no face.ttf").write_bytes(b"nothing")
    monkeypatch.setattr(label_faces, "FACES", ("missing.ttf", str(tmp_path / "no face.ttf"), OPEN_SANS))
    labels = choose_labels(["Сумма", "Prénom"], 14)
    assert isinstance(labels.face, ImageFont.FreeTypeFont)
    assert labels.face.getname()[0] == "Open Sans"
    assert labels.texts == {"Сумма": "Сумма", "Prénom": "Prénom"}


def test_numbers_stand_for_labels_that_no_face_has(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """And it is said what they mean; the same label has the same number, and the drawing is that of the numbers."""
    monkeypatch.setattr(label_faces, "FACES", (OPEN_SANS,))
    page = Image.new("RGB", (200, 120), "white")
    chinese = [box("合計"), box("日付", 120), box("合計", 70)]
    (notice,) = write_drawing(tmp_path / "out.png", page, chinese)
    assert notice.code == "boxes.numbered"
    assert notice_text(notice).endswith("so the drawing has numbers: 1 合計, 2 日付")
    numbers = draw_boxes(page, [box("1"), box("2", 120), box("1", 70)])
    with Image.open(tmp_path / "out.png") as drawn:
        assert np.array_equal(np.asarray(drawn.convert("RGB")), np.asarray(numbers))
    assert write_drawing(tmp_path / "plain.png", page, [box("Total")]) == ()

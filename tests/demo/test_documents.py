"""Pages and their ground truth."""

from __future__ import annotations

import random

import numpy as np
import pytest

from dsvl2_demo.evaluation.held_out import EVALUATED_TASKS, held_out_cases
from dsvl2_demo.pages import words
from dsvl2_demo.pages.degrade import worn
from dsvl2_demo.pages.documents import PAINTERS, PageRange, draw_page
from dsvl2_demo.pages.fonts import HELD_OUT_FACES, TRAINING_FACES, held_out_faces
from dsvl2_demo.pages.page import Page
from dsvl2_demo.pages.style import StyleRange
from dsvl2_demo.questions.tasks import COORDINATES, box_text, locatable
from dsvl2_demo.training.geometry import TILE, demo_config
from dsvl2_demo.training.layout import CHARACTERS, SLOTS, layout_of, views_of

KINDS = sorted(PAINTERS)


def page(kind: str, seed: int, size: tuple[int, int] = (224, 224)) -> Page:
    return draw_page(PageRange(sizes=(size,)), "train", random.Random(seed), kind)


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_seed_draws_the_same_page(kind: str) -> None:
    """Pixels and truth both."""
    first, second = page(kind, 5), page(kind, 5)
    assert first.transcript == second.transcript
    assert np.array_equal(np.asarray(first.image), np.asarray(second.image))
    assert page(kind, 6).transcript != first.transcript


@pytest.mark.parametrize("kind", KINDS)
def test_every_run_of_text_is_drawn_where_it_is_said_to_be(kind: str) -> None:
    """Inside each box there is ink; boxes lie on the page and do not overlap."""
    for seed in range(12):
        one = page(kind, seed)
        pixels = np.asarray(one.image.convert("L"), np.float32)
        boxes = [run.box for run in one.runs]
        for left, top, right, bottom in boxes:
            assert 0 <= left < right <= 224
            assert 0 <= top < bottom <= 224
            inside = pixels[int(top) : int(bottom), int(left) : int(right)]
            assert inside.max() - inside.min() > 20
        for index, first in enumerate(boxes):
            for second in boxes[index + 1 :]:
                shared_x = min(first[2], second[2]) - max(first[0], second[0])
                shared_y = min(first[3], second[3]) - max(first[1], second[1])
                assert min(shared_x, shared_y) <= 2, (kind, seed)  # descenders may touch the line below


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "text"])
def test_entries_stand_in_the_transcript(kind: str) -> None:
    """Labels and values that can be asked for are part of what is written."""
    entries = 0
    for seed in range(12):
        one = page(kind, seed)
        for entry in one.entries:
            entries += 1
            assert entry.value in one.transcript
            assert entry.label.lower() in one.transcript.lower()
    assert entries > 12


def test_what_stands_twice_is_not_asked_to_be_located() -> None:
    """There would be two right answers."""
    one = page("text", 1)
    before = {text for text, _, _ in locatable(one)}
    assert before
    twice = next(run for run in one.runs if run.text in before)
    one.lines.append([twice])
    assert {text for text, _, _ in locatable(one)} == before - {twice.text}


def test_words_kept_back_are_drawn_in_no_training_page() -> None:
    """Not even where a word stands in two lists and is kept back in one of them alone."""
    rng = random.Random(7)
    drawn = {words.choose(words.PROSE, "train", rng).casefold() for _ in range(4000)}
    assert "receipt" in drawn
    assert not drawn & {"room", "morning", "winter"}
    kept = {words.choose(words.PROSE, "held_out", rng) for _ in range(400)}
    assert "winter" in kept


def test_worn_pages_are_the_same_pages() -> None:
    """Wear changes pixels a little, and neither the truth nor the size."""
    clean = draw_page(PageRange(), "train", random.Random(4), "form")
    changed = 0
    for seed in range(8):
        found = worn(clean.image, random.Random(seed))
        difference = np.abs(np.asarray(found, np.float32) - np.asarray(clean.image, np.float32))
        assert found.size == clean.image.size
        assert difference.mean() < 12
        changed += bool(difference.max())
    assert changed > 4
    assert draw_page(PageRange(worn=1.0), "train", random.Random(4), "form").transcript == clean.transcript


def test_layout_names_each_character_in_its_patch() -> None:
    """Read row by row, the classes of the patches are the characters of each line from left to right."""
    config = demo_config().vision_config
    one = draw_page(
        PageRange(kinds=("form",), style=StyleRange(smallest_em=18, largest_em=20)), "train", random.Random(2)
    )
    views = views_of((224, 224), (1, 1), config.image_size)[:1]
    layout = layout_of(one, views, config.image_size, config.patch_size)[0]
    found = ["" for _ in range(config.grid)]
    for patch, cell in enumerate(layout):
        found[patch // config.grid] += "".join(CHARACTERS[class_ - 1] for class_ in cell[:SLOTS] if class_)
    expected = ["".join(run.text.replace(" ", "") for run in line) for line in one.lines]
    assert [line for line in found if line] == expected


def test_views_put_a_point_where_padding_puts_it() -> None:
    """A mark in the picture is found in the global view and in its tile where the geometry says."""
    from PIL import Image

    from dsvl2_demo.training.batches import picture_tiles
    from dsvl2_runtime.inputs.tiling import plan_tiling

    config = demo_config()
    image = Image.new("RGB", (400, 200))
    image.paste((255, 255, 255), (300, 120, 304, 124))
    (tiling,) = plan_tiling([image.size], config)
    tiles = picture_tiles(image, tiling, TILE)
    seen = 0
    for view, tile in zip(views_of(image.size, (tiling.tiles_wide, tiling.tiles_high), TILE), tiles, strict=True):
        x, y = 302 * view.scale_x + view.offset_x, 122 * view.scale_y + view.offset_y
        if not (0 <= x < TILE and 0 <= y < TILE):
            continue
        pixels = np.asarray(tile.convert("L"), np.float32)
        row, column = (float(places.mean()) for places in np.nonzero(pixels > 0.8 * pixels.max()))
        assert abs(column - x) <= 2.5
        assert abs(row - y) <= 2.5
        seen += 1
    assert seen == 2


def test_held_out_words_and_faces_are_not_those_of_training() -> None:
    """Nothing that evaluation draws by name was drawn in training."""
    assert not set(TRAINING_FACES) & set(HELD_OUT_FACES)
    assert {face.name for face in held_out_faces()} == set(HELD_OUT_FACES)  # shipped, so everywhere the same
    rng = random.Random(0)
    for entries in (words.VENDORS, words.CITIES, words.LAST_NAMES):
        seen = {split: {words.choose(entries, split, rng) for _ in range(600)} for split in ("train", "held_out")}
        assert seen["train"]
        assert seen["held_out"]
        assert not seen["train"] & seen["held_out"]


def test_the_held_out_set_is_made_from_its_seed() -> None:
    """All tasks in turn, the same cases again for the same seed."""
    first, second = list(held_out_cases(8, 3)), list(held_out_cases(8, 3))
    assert [case.task for case in first] == [*EVALUATED_TASKS, *EVALUATED_TASKS]
    assert [case.answer for case in first] == [case.answer for case in second]
    assert [case.answer for case in first] != [case.answer for case in held_out_cases(8, 4)]
    assert [len(case.images) for case in first[:4]] == [1, 1, 1, 2]
    assert all((case.box is not None) == (case.task == "locate") for case in first)


def test_boxes_are_written_in_thousandths_of_the_picture() -> None:
    """0 and 999 are the edges; nothing beyond."""
    assert box_text((0, 0, 640, 480), (640, 480)) == f"[[0, 0, {COORDINATES}, {COORDINATES}]]"
    assert box_text((-5, 240, 320, 900), (640, 480)) == "[[0, 500, 500, 999]]"

"""Training examples against the runtime: what is learned is what is asked later."""

from __future__ import annotations

import random

import numpy as np
import pytest

from dsvl2_demo.evaluation.held_out import question_parts
from dsvl2_demo.pages.documents import PageRange, draw_page
from dsvl2_demo.pages.page import Page
from dsvl2_demo.questions.tasks import Turn, locate_turn, value_turn
from dsvl2_demo.training.batches import (
    FIRST_CELL_ROW,
    BatchBuilder,
    BatchRange,
    draw_batches,
    page_views,
    table_rows_of,
)
from dsvl2_demo.training.conversation import IGNORED, conversation
from dsvl2_demo.training.geometry import demo_config, tiny_config
from dsvl2_demo.training.vocabulary import IMAGE_ID, demo_tokenizer, encode
from dsvl2_runtime.graphs.token_layout import lay_out
from dsvl2_runtime.inputs.processor import prepare_inputs
from dsvl2_runtime.inputs.prompt import Message, question_content
from dsvl2_runtime.inputs.tiling import plan_tiling
from dsvl2_runtime.inputs.tokenizer import Tokenizer

CONFIG = demo_config()


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    path = tmp_path_factory.mktemp("tokenizer") / "tokenizer.json"
    demo_tokenizer().save(str(path))
    return Tokenizer.from_file(path)


def page(seed: int, size: tuple[int, int] = (224, 224)) -> Page:
    return draw_page(PageRange(sizes=(size,)), "train", random.Random(seed))


@pytest.mark.parametrize("num_images", [1, 2, 3])
@pytest.mark.parametrize("kind", ["value", "locate"])
def test_a_training_prompt_is_the_prompt_of_the_runtime(tokenizer: Tokenizer, num_images: int, kind: str) -> None:
    """Up to the answer, the ids that are learned from are those that the runtime builds."""
    pages = [page(seed) for seed in range(7, 7 + num_images)]
    turn: Turn | None = (value_turn if kind == "value" else locate_turn)(pages[0], random.Random(1))
    assert turn is not None
    builder = BatchBuilder(CONFIG)
    builder.add(page_views(pages, CONFIG), [turn])
    batch = builder.batch()
    message = Message("user", question_content(question_parts(turn), num_images))
    inputs = prepare_inputs([message], [one.image for one in pages], CONFIG, tokenizer)
    _, _, first, last = batch.tasks[0]
    assert batch.input_ids[0, : first + 1].tolist() == inputs.input_ids.tolist()
    answer = batch.targets[0, first:last].tolist()
    assert tokenizer.decode(answer[:-1]) == turn.answer
    assert answer[-1] == tokenizer.eos_id
    assert set(batch.targets[0, :first].tolist()) == {IGNORED}


@pytest.mark.parametrize("size", [(224, 224), (448, 224), (300, 700), (90, 60)])
def test_training_pixels_and_places_are_those_of_the_runtime(tokenizer: Tokenizer, size: tuple[int, int]) -> None:
    """The same tiles in the same order, and the gather of the batch is the runtime's layout."""
    one = page(3, size)
    turn = Turn("title", "What is the title?", "none")
    builder = BatchBuilder(CONFIG)
    builder.add(page_views([one], CONFIG), [turn])
    batch = builder.batch()
    inputs = prepare_inputs([Message("user", question_content(turn.question, 1))], [one.image], CONFIG, tokenizer)
    pixels = (batch.pixels.numpy().astype(np.float32) / 255 - 0.5) / 0.5
    # The same operations on the same bytes; NumPy may fuse them differently by the last bit.
    np.testing.assert_allclose(pixels, inputs.pixel_values, atol=1e-6)

    tiles, cells = len(inputs.pixel_values), CONFIG.cells
    features = np.arange(tiles * cells * cells, dtype=np.float32).reshape(tiles, cells * cells, 1) + FIRST_CELL_ROW
    expected = lay_out(features, inputs.images[0].tiling, np.array([0.0], np.float32), np.array([1.0], np.float32))
    rows = batch.table_rows[0]
    assert rows[batch.input_ids[0] == IMAGE_ID].tolist() == expected[:, 0].astype(int).tolist()


def test_each_answer_is_learned_at_its_own_place() -> None:
    """Answers and their end tokens are targets, questions are not."""
    turns = [Turn("value", "What is the total?", "$3.10"), Turn("value", "Date?", "2024-05-01")]
    talk = conversation(turns, [5])
    assert [task for task, _, _ in talk.tasks] == ["value", "value"]
    for turn, (_, first, last) in zip(turns, talk.tasks, strict=True):
        assert talk.targets[first : last - 1].tolist() == list(encode(turn.answer))
    assert (talk.targets != IGNORED).sum() == sum(len(encode(turn.answer)) + 1 for turn in turns)


def test_batches_depend_on_the_seed_alone() -> None:
    """The same seed gives the same batch, another seed another."""
    range_ = BatchRange(PageRange(sizes=((112, 112),)), (("value", 1.0), ("transcribe", 1.0)))

    def ids(seed: int) -> list[int]:
        found = draw_batches(range_, tiny_config(), 3, "train", random.Random(seed))[0]
        return [int(value) for value in found.input_ids.flatten()]

    assert ids(1) == ids(1)
    assert ids(1) != ids(2)


def test_a_picture_of_one_tile_is_drawn_once() -> None:
    """Global view and only tile point at the same features."""
    (tiling,) = plan_tiling([(224, 224)], CONFIG)
    rows = table_rows_of(tiling, CONFIG.cells, [0, 0])
    assert rows.max() == FIRST_CELL_ROW + CONFIG.cells**2 - 1
    assert len(rows) == tiling.token_count(CONFIG.cells)


def test_words_of_the_tokenizer_are_read_back(tokenizer: Tokenizer) -> None:
    """Training and runtime encode alike, digits one by one, any character at all."""
    for text in ("What is the total?", "12.50 €", "naïve 漢字 🙂", "a  b\n\nc", "2041-05-17"):
        assert tokenizer.encode(text) == list(encode(text))
        assert tokenizer.decode(tokenizer.encode(text)) == text
    assert len(tokenizer.encode("2041")) == 4

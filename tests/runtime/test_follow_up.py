"""The first token of a follow-up costs a tenth of the first question's at most, whatever came between the two."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from conversations import OPTIONS, Counted, without_cache
from dsvl2_runtime import Chat, VisionLanguageModel, Watch, load_model
from small_models import FIGURE

EXAMPLES = Path(__file__).parents[2] / "examples"
FIRST, STOPPED, NEXT = "What is the total?", "What is the name?", "What is the date?"
TENTH = 10
"""A follow-up may cost a tenth of the first question: of tiles and positions; seconds are a figure."""


@pytest.fixture(scope="module")
def model() -> VisionLanguageModel:
    return load_model("demo", threads=1)


def at_once(model: VisionLanguageModel, chat: Chat, folder: Path) -> Chat:
    del model, folder
    return chat


def after_a_stop(model: VisionLanguageModel, chat: Chat, folder: Path) -> Chat:
    """Before the first token, and in the middle of an answer."""
    del model, folder
    chat.ask(STOPPED, (), OPTIONS, Watch(should_stop=lambda: True)).read()
    stopped = chat.ask(STOPPED, (), OPTIONS)
    next(stopped)
    stopped.close()
    return chat


def after_another_conversation(model: VisionLanguageModel, chat: Chat, folder: Path) -> Chat:
    """About another picture, which takes the memory of features and the turns of the model."""
    del folder
    model.chat().ask(FIRST, [Image.open(EXAMPLES / "small_receipt.png")], OPTIONS).read()
    return chat


def after_resuming(model: VisionLanguageModel, chat: Chat, folder: Path) -> Chat:
    """From a file, with nothing left in memory."""
    chat.save(folder / "talk")
    model.image_cache.clear()
    return model.resume(folder / "talk")


@pytest.mark.parametrize("between", [at_once, after_a_stop, after_another_conversation, after_resuming])
@pytest.mark.parametrize("names", [("receipt.png",), ("receipt.png", "small_form.png")], ids=["one", "two"])
def test_a_follow_up_computes_a_tenth_and_answers_the_same(
    model: VisionLanguageModel,
    tmp_path: Path,
    names: tuple[str, ...],
    between: Callable[[VisionLanguageModel, Chat, Path], Chat],
    record_property: Callable[[str, object], None],
) -> None:
    """Token for token, greedily; no tile is encoded again, and only the new words are read.

    After one look: a second one at the follow-up has a sequence of its own (`test_chat_looks.py`).
    """
    images: list[Image.Image] = [Image.open(EXAMPLES / name) for name in names]
    model.image_cache.clear()
    chat, first, second = model.chat(), Counted(), Counted()
    start = time.process_time()
    opening = chat.ask(FIRST, images, OPTIONS, first.watch, look_again=False)
    next(opening)
    opened = time.process_time() - start
    opening.read()
    assert first.tiles > 1
    chat = between(model, chat, tmp_path)
    expected = without_cache(model, chat, NEXT, images)
    start = time.process_time()
    answer = chat.ask(NEXT, (), OPTIONS, second.watch, look_again=False)
    next(answer)
    followed = time.process_time() - start
    answer.read()
    assert answer.token_ids == expected
    assert second.tiles == 0
    assert second.positions == answer.usage.prompt_tokens - answer.usage.cached_tokens
    assert first.positions >= TENTH * second.positions
    record_property(
        FIGURE,
        f"{len(names)} pictures, {between.__name__}: first token after {first.tiles} tiles and {first.positions} "
        f"positions, then after {second.positions}; {opened / followed:.0f} times less time of the processor",
    )

"""Answers for an event loop: the loop goes on meanwhile, and a consumer who leaves ends the work."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import aclosing
from typing import Any

import pytest

from dsvl2_runtime import GenerationOptions, VisionLanguageModel, Watch, load_model
from dsvl2_runtime.answers.in_thread import in_thread
from dsvl2_runtime.errors import ImageError
from small_models import MakeBundle, pictures
from waiting import PATIENCE

OPTIONS = GenerationOptions(max_new_tokens=8)


@pytest.fixture(scope="module")
def model(bundle: MakeBundle) -> VisionLanguageModel:
    return load_model(bundle("small", "int4"), threads=1)


def test_the_pieces_are_those_of_generate(model: VisionLanguageModel) -> None:
    """For several questions at the same time, and for a conversation."""

    async def pieces(question: str) -> list[Any]:
        return [piece async for piece in model.agenerate(question, pictures(1), OPTIONS)]

    async def all_of_them() -> list[list[Any]]:
        return await asyncio.gather(*(pieces(question) for question in ("What?", "Who?", "When?")))

    async def talk() -> list[Any]:
        chat = model.chat()
        first = [piece async for piece in chat.aask("What?", pictures(1), OPTIONS)]
        return [first, [piece async for piece in chat.aask("Who?", (), OPTIONS)]]

    expected = [list(model.generate(question, pictures(1), OPTIONS)) for question in ("What?", "Who?", "When?")]
    assert asyncio.run(all_of_them()) == expected
    chat = model.chat()
    assert asyncio.run(talk()) == [list(chat.ask("What?", pictures(1), OPTIONS)), list(chat.ask("Who?", (), OPTIONS))]


def test_errors_reach_the_consumer(model: VisionLanguageModel) -> None:
    async def ask() -> None:
        async for _ in model.agenerate("What?", ["nowhere.png"]):
            pass

    with pytest.raises(ImageError):
        asyncio.run(ask())


class Endless:
    """Counts until its watch ends it, and remembers that it ended."""

    def __init__(self) -> None:
        self.ended = threading.Event()
        self.first = threading.Event()

    def start(self, watch: Watch) -> Iterator[int]:
        should_stop = watch.should_stop
        assert should_stop is not None
        number = 0
        try:
            while not should_stop():
                yield number
                self.first.set()
                number += 1
                threading.Event().wait(0.001)
        finally:
            self.ended.set()


def test_a_consumer_who_leaves_ends_the_work() -> None:
    """By a break, and by the end of the task; the work has ended when control comes back."""
    broken, cancelled = Endless(), Endless()

    async def leave() -> None:
        async with aclosing(in_thread(broken.start, Watch())) as numbers:
            async for number in numbers:
                if number == 2:
                    break
        assert broken.ended.is_set()

        async def consume() -> None:
            async for _ in in_thread(cancelled.start, Watch()):
                pass

        task = asyncio.create_task(consume())
        while not cancelled.first.is_set():
            await asyncio.sleep(0.001)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(asyncio.wait_for(leave(), PATIENCE))
    assert cancelled.ended.wait(PATIENCE)


def test_the_callers_own_stop_still_counts(model: VisionLanguageModel) -> None:
    async def ask() -> list[Any]:
        return [piece async for piece in model.agenerate("What?", (), OPTIONS, Watch(should_stop=lambda: True))]

    (only,) = asyncio.run(ask())
    assert only.finish_reason == "cancelled"


def test_the_model_is_free_after_a_consumer_has_left(model: VisionLanguageModel) -> None:
    """Its next answer is whole, and so is the conversation, which keeps what had come."""
    chat = model.chat()

    async def leave() -> None:
        async with aclosing(chat.aask("What?", pictures(1), OPTIONS)) as pieces:
            async for piece in pieces:
                if piece.text.strip():
                    break

    asyncio.run(asyncio.wait_for(leave(), PATIENCE))
    assert chat.num_images == 1
    assert chat.ask("Who?", (), OPTIONS).read().finish_reason in ("stop", "length")

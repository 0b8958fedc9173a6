"""A second look in the engine: what is sent for it, what a stop leaves, and what the next question goes on from."""

from __future__ import annotations

import gc
import weakref
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dsvl2_runtime.answers.sampling import GenerationOptions
from dsvl2_runtime.answers.second_look import Looks
from dsvl2_runtime.engine import answering
from dsvl2_runtime.engine.answering import Kept, Question, answer
from dsvl2_runtime.engine.prompt_parts import ChatMessage, ImagePart, TextPart, TokenPart, user_message
from dsvl2_runtime.engine.protocol import (
    Ask,
    Event,
    Finished,
    FirstAnswer,
    LooksAgain,
    Prepared,
    Progressed,
    Replaced,
    Wrote,
)
from dsvl2_runtime.graphs import memory_plan
from dsvl2_runtime.inputs.prompt import locate
from dsvl2_runtime.machine.files import sha256
from dsvl2_runtime.model import VisionLanguageModel, load_model
from hard_picture import PICTURE, QUESTION, RIGHT, WRONG
from runtime.test_run_verb import FORM

IMAGE = ImagePart(PICTURE, sha256=sha256(Path(PICTURE)))
ASKING = user_message(QUESTION, [IMAGE])
OPTIONS = GenerationOptions(logprobs=True)
ASK = Ask(1, (ASKING,), OPTIONS)
TOTAL = (TokenPart("<|ref|>"), TextPart("Total"), TokenPart("<|/ref|>"))


class Stops:
    """Stops a turn when so many of an event have been sent."""

    def __init__(self, kind: type[Event] | None = None) -> None:
        self.kind, self.is_over = kind, False
        self.events: list[Event] = []

    def send(self, event: Event) -> None:
        self.events.append(event)
        self.is_over = self.is_over or (self.kind is not None and isinstance(event, self.kind))

    def is_stopped(self, turn: int) -> bool:
        return self.is_over


@pytest.fixture(scope="module")
def model() -> VisionLanguageModel:
    return load_model("demo", threads=1)


def events_of(
    model: VisionLanguageModel, ask: Ask, stops: Stops | None = None, kept: Kept | None = None
) -> list[Event]:
    """What is sent for a question, without progress."""
    stops = stops or Stops()
    answer(model, Question(ask, None), stops, stops.send, kept)
    return [event for event in stops.events if not isinstance(event, Progressed)]


def end_of(events: list[Event]) -> Finished:
    end = events[-1]
    assert isinstance(end, Finished)
    return end


def texts(events: list[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, Wrote))


def test_the_first_answer_streams_and_is_replaced_by_a_surer_one(model: VisionLanguageModel) -> None:
    """Its end is told before the second look as it would be without one."""
    events = events_of(model, ASK)
    kinds = [type(event) for event in events]
    assert kinds == [Prepared, *[Wrote] * kinds.count(Wrote), LooksAgain, Replaced, Finished]
    assert texts(events) == WRONG
    looking, replaced, end = events[-3:]
    assert isinstance(looking, LooksAgain)
    assert isinstance(replaced, Replaced)
    assert isinstance(end, Finished)
    assert replaced.text == RIGHT
    once = end_of(events_of(model, replace(ASK, look_again=False)))
    same = replace(once, seconds=looking.first.seconds, first_token_seconds=looking.first.first_token_seconds)
    assert replace(same, memory_bytes=looking.first.memory_bytes) == looking.first
    asked = model.ask(QUESTION, PICTURE)
    assert (end.reason, end.looks, end.tokens, end.confidence) == ("stop", 2, len(asked.token_ids), asked.confidence)
    assert end.seconds >= looking.first.seconds
    assert end.confidence is not None and once.confidence is not None and end.confidence > once.confidence


def test_the_same_answer_is_not_replaced(model: VisionLanguageModel) -> None:
    """Of a number that is read alike at both looks, with a probability of 0.99 instead of 0.56."""
    settings = ImagePart(str(Path(FORM).parent / "settings.png"))
    ask = Ask(1, (user_message("What is the port?", [settings]),), OPTIONS)
    once, events = end_of(events_of(model, replace(ask, look_again=False))), events_of(model, ask)
    end = end_of(events)
    assert Replaced not in map(type, events)
    assert (texts(events), end.looks) == ("8443", 2)
    assert end.confidence is not None and once.confidence is not None and end.confidence > once.confidence


@pytest.mark.parametrize("looks_again", [False, True])
def test_the_model_decides_where_nobody_else_does(
    model: VisionLanguageModel, monkeypatch: pytest.MonkeyPatch, looks_again: bool
) -> None:
    monkeypatch.setattr(type(model), "looks_again", looks_again)
    assert end_of(events_of(model, ASK)).looks == (2 if looks_again else 1)
    assert end_of(events_of(model, replace(ASK, look_again=True))).looks == 2
    assert end_of(events_of(model, replace(ASK, look_again=False))).looks == 1


def test_a_stop_ends_the_second_look_and_keeps_the_first_answer(model: VisionLanguageModel) -> None:
    """Which ends as the model ended it; a stop before that ends the answer."""
    model.image_cache.clear()
    events = events_of(model, ASK, Stops(LooksAgain))
    end = end_of(events)
    assert [type(event) for event in events[-2:]] == [LooksAgain, Finished]
    assert (texts(events), end.reason, end.looks, end.tokens) == (WRONG, "stop", 2, len(WRONG))
    early = events_of(model, ASK, Stops(Wrote))
    assert (end_of(early).reason, end_of(early).looks) == ("cancelled", 1)
    assert LooksAgain not in map(type, early)


def test_a_second_look_alone_is_taken_at_an_answer_that_was_given(model: VisionLanguageModel) -> None:
    """The first one is not written again; its tokens and seconds count where it stays."""
    once = end_of(events_of(model, replace(ASK, look_again=False)))
    first = FirstAnswer(WRONG, once.confidence, once.tokens, 1000.0)
    events = events_of(model, replace(ASK, first=first, look_again=False))
    assert [type(event) for event in events] == [Prepared, LooksAgain, Replaced, Finished]
    end = end_of(events)
    assert isinstance(events[2], Replaced)
    assert (events[2].text, end.looks, end.confidence) == (RIGHT, 2, model.ask(QUESTION, PICTURE).confidence)
    assert end.seconds > 1000
    sure = events_of(model, replace(ASK, first=FirstAnswer(WRONG, 0.99, 7, 1000.0)))
    assert [type(event) for event in sure] == [Prepared, Finished]
    assert (end_of(sure).tokens, end_of(sure).confidence, end_of(sure).looks) == (7, 0.99, 1)
    nothing = events_of(model, replace(ASK, first=FirstAnswer(WRONG, 0.0)))
    assert isinstance(nothing[2], Replaced)


def test_places_are_looked_at_more_closely(model: VisionLanguageModel) -> None:
    """Two windows are one look to the user, who is told once; the answer is that of a single question."""
    receipt = Path(FORM).parent / "receipt.png"
    ask = Ask(1, (ChatMessage("user", (ImagePart(str(receipt)), *TOTAL)),), OPTIONS)
    events = events_of(model, ask)
    kinds = [type(event) for event in events]
    assert (kinds.count(LooksAgain), kinds.count(Replaced), end_of(events).looks) == (1, 1, 3)
    replaced = events[-2]
    assert isinstance(replaced, Replaced)
    assert replaced.text == model.ask(locate("Total"), str(receipt)).text != texts(events)


def test_a_follow_up_goes_on_from_the_answer_that_counts(model: VisionLanguageModel, tmp_path: Path) -> None:
    """No tile is read again for it, of neither size; nor where the file lies elsewhere by then, as on a server."""
    model.image_cache.clear()
    kept = Kept.nothing(model)
    opening = events_of(model, ASK, None, kept)
    prompt = opening[0]
    assert isinstance(prompt, Prepared)
    moved = tmp_path / "moved.png"
    moved.write_bytes(Path(PICTURE).read_bytes())
    told = ChatMessage("user", (replace(IMAGE, path=str(moved)), TextPart(QUESTION)))
    said = ChatMessage("assistant", (TextPart(RIGHT),))
    stops = Stops()
    events = events_of(model, replace(ASK, turn=2, messages=(told, said, user_message(QUESTION))), stops, kept)
    end = end_of(events)
    assert "vision" not in {event.phase for event in stops.events if isinstance(event, Progressed)}
    assert end.cached_tokens >= prompt.prompt_tokens
    assert end.looks == 2


def test_images_go_with_their_question(model: VisionLanguageModel, monkeypatch: pytest.MonkeyPatch) -> None:
    """At once and not with the next search for cycles."""
    made: list[weakref.ref[Looks]] = []

    class Watched(Looks):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            made.append(weakref.ref(self))

    monkeypatch.setattr(answering, "Looks", Watched)
    gc.collect()
    gc.disable()
    try:
        assert end_of(events_of(model, ASK, None, Kept.nothing(model))).looks == 2
        assert [looks() for looks in made] == [None]
    finally:
        gc.enable()


def test_the_first_answer_counts_where_there_is_no_room_for_a_second(
    model: VisionLanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody is told of a look that is not taken."""
    monkeypatch.setattr(memory_plan, "available_memory", lambda: 0)
    events = events_of(model, ASK)
    assert LooksAgain not in map(type, events)
    assert (texts(events), end_of(events).looks) == (WRONG, 1)

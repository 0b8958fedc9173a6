"""The sentences of the window, made from data."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import pytest

from dsvl2_app import texts
from dsvl2_app.state.session import Turn
from dsvl2_runtime.engine.client import EngineEnd
from dsvl2_runtime.engine.protocol import (
    Finished,
    Hello,
    Loaded,
    MessageTooLongError,
    ProtocolError,
    ProtocolVersionError,
)
from dsvl2_runtime.engine.wire_error import wire_error
from dsvl2_runtime.errors import ContextOverflowError, ModelNotFoundError
from dsvl2_runtime.notices import Notice

NO_FOLDER = wire_error(ModelNotFoundError(Path("m"), "no such folder", "make it"))


@pytest.mark.parametrize(
    ("end", "expected"),
    [
        (Finished(0, "stop", 3, 1.25), "3 tokens in 1.2 s"),
        (Finished(0, "cancelled", 3, 1.25), "stopped, 3 tokens in 1.2 s"),
        (Finished(0, "length", 3, 1.25), "cut off at the longest answer, 3 tokens in 1.2 s"),
        (Finished(0, "timeout", 3, 1.25), "cut off at the time limit, 3 tokens in 1.2 s"),
        (Finished(0, "repetition", 3, 1.25), "cut off because it went round in circles, 3 tokens in 1.2 s"),
        (NO_FOLDER, "m: no such folder; make it"),
        (
            EngineEnd("exit", 1),
            "The engine stopped before the answer was complete: it ended with code 1. "
            "Nothing of this conversation is lost.",
        ),
        (EngineEnd("closed"), "stopped; the engine was started again for that"),
        (
            wire_error(ContextOverflowError(5336, 5300, 4096)),
            "This needs 5,336 of 4,096 tokens: 5,300 for pictures, the rest for what was said.",
        ),
        (wire_error(ProtocolError("not a message: x")), "The engine could not read this question: not a message: x"),
        (None, ""),
    ],
)
def test_how_a_turn_ended(end: Finished | EngineEnd | None, expected: str) -> None:
    assert texts.talk.turn_end(end) == expected


def test_below_an_answer_are_notices_pictures_and_figures() -> None:
    """One line for each notice, then one for the rest."""
    turn = Turn(0, "a", (), end=Finished(0, "stop", 3, 1.25), notices=(Notice("model.note", {"note": "random"}),))
    assert texts.talk.remark(turn) == "random\nno picture · 3 tokens in 1.2 s"


def test_a_model_that_is_not_loaded_is_explained() -> None:
    """With the reason and what happens next."""
    assert texts.engine.failure(NO_FOLDER) == (
        "No model is loaded: m: no such folder; make it\nThe next question tries again."
    )


@pytest.mark.parametrize(
    ("end", "words"),
    [
        (EngineEnd("exit", 3), "it ended with code 3"),
        (EngineEnd("not started"), "it could not be started"),
        (EngineEnd("signal", 0xC0000005), "ended from outside or crashed (3221225477)"),
        (EngineEnd("bad message", error=wire_error(ProtocolVersionError(Hello(), Hello(2, "9.1")))), "dsvl2-onnx 9.1"),
    ],
)
def test_an_engine_that_ended_is_explained(end: EngineEnd, words: str) -> None:
    """In words, with what it said last."""
    assert words in texts.engine.failure(end)
    last = EngineEnd(end.reason, end.code, end.error, ("out of paper",))
    assert texts.engine.failure(last).splitlines()[-2:] == ["The next question starts it again.", "out of paper"]


@pytest.mark.skipif(sys.platform == "win32", reason="no signals there")
def test_a_signal_is_told_by_what_it_means() -> None:
    """A user does not know numbers."""
    assert "memory" in texts.engine.end(EngineEnd("signal", signal.SIGKILL))
    assert "a file of the model was cut short" in texts.engine.end(EngineEnd("signal", signal.SIGBUS))
    assert texts.engine.end(EngineEnd("signal", signal.SIGSEGV)) == "it crashed (SIGSEGV)"


def test_a_question_that_is_too_long_says_by_how_much() -> None:
    assert texts.talk.question_too_long(MessageTooLongError(1_000_012)) == (
        "The question was not sent: it has 1000012 bytes, and at most 1000000 are read. Make it shorter."
    )


def test_a_model_is_named() -> None:
    assert texts.engine.model_name(Loaded("demo", "int4", "")) == "demo · int4"

"""The state of the window, without a window."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from dsvl2_app import texts
from dsvl2_app.state.session import ChatSession, Part, Picture
from dsvl2_runtime.engine.protocol import (
    LONGEST_LINE,
    Ask,
    Command,
    Failed,
    Finished,
    Loaded,
    Progressed,
    Stop,
    Wrote,
    to_line,
)
from dsvl2_runtime.errors import UsageError


class Sent(list[Command]):
    """An engine that only remembers."""

    def send(self, command: Command) -> None:
        self.append(command)


PICTURE = Picture(Path("/bill.png"), (4, 3), Image.new("RGB", (4, 3)))


@pytest.fixture
def sent() -> Sent:
    return Sent()


@pytest.fixture
def session(sent: Sent) -> ChatSession:
    return ChatSession(sent)


def test_a_question_takes_the_pictures_that_are_there(session: ChatSession, sent: Sent) -> None:
    """A picture removed later stays with the question that was asked about it; one added twice counts once."""
    session.add_picture(PICTURE)
    session.add_picture(PICTURE)
    assert session.ask("  What is it? ")
    session.remove_picture(0)
    assert sent == [Ask(0, "What is it?", ("/bill.png",))]
    assert session.turns[0].pictures == (PICTURE,)
    assert session.pictures == []


def test_an_answer_grows_and_ends(session: ChatSession, sent: Sent) -> None:
    """Waiting, streaming, done; one question at a time."""
    changes: list[Part] = []
    session.on_change = changes.append
    session.ask("a")
    assert not session.ask("b")
    assert session.turns[0].state == "waiting"
    session.take(Wrote(0, "12"))
    session.take(Wrote(0, ".50"))
    assert (session.turns[0].answer, session.turns[0].state) == ("12.50", "streaming")
    session.take(Finished(0, "stop", 3, 1.25))
    assert session.turns[0].state == "done"
    assert session.turns[0].remark == "3 tokens in 1.2 s"
    assert changes[0] == "turns"
    assert changes.count("answer") == 3
    assert session.ask("b")
    assert len(sent) == 2


def test_empty_questions_are_not_asked(session: ChatSession, sent: Sent) -> None:
    """White space is no question."""
    assert not session.ask(" \n")
    assert sent == []
    assert session.turns == []


def test_stop_keeps_what_has_come(session: ChatSession, sent: Sent) -> None:
    """The command names the turn; the state follows the engine's word."""
    session.stop()
    assert sent == []
    session.ask("a")
    session.take(Wrote(0, "half"))
    session.stop()
    assert sent[-1] == Stop(0)
    assert session.turns[0].state == "streaming"
    session.take(Finished(0, "cancelled", 1, 0.1))
    assert (session.turns[0].answer, session.turns[0].state) == ("half", "stopped")


def test_a_dead_engine_loses_nothing(session: ChatSession, sent: Sent) -> None:
    """The half answer stays and says so; late events change nothing; the next question is sent."""
    session.take(Loaded("m", "int4", ""))
    session.ask("a")
    session.take(Wrote(0, "half"))
    session.engine_died("killed")
    assert (session.turns[0].answer, session.turns[0].state) == ("half", "failed")
    assert session.turns[0].remark == texts.ANSWER_LOST
    assert session.engine_state == "failed"
    assert "killed" in session.error
    session.take(Wrote(0, " more"))
    assert session.turns[0].answer == "half"
    assert session.ask("b")
    assert session.engine_state == "loading"
    assert isinstance(sent[-1], Ask)


def test_a_failed_turn_is_not_a_failed_engine(session: ChatSession) -> None:
    """A broken picture ends its question alone; a failed load is the engine's."""
    session.take(Loaded("m", "int4", "random weights"))
    assert session.note == "random weights"
    session.ask("a")
    session.take(Failed("picture /x: damaged", 0))
    assert (session.turns[0].state, session.turns[0].remark) == ("failed", "picture /x: damaged")
    assert session.engine_state == "ready"
    session.take(Failed("no such folder"))
    assert session.engine_state == "failed"
    assert "no such folder" in session.error
    assert texts.TRY_AGAIN in session.error


def test_a_failure_without_a_turn_ends_the_open_one(session: ChatSession, sent: Sent) -> None:
    """What was asked while the model was loading fails with it, with the reason, and the next question is sent."""
    session.ask("a")
    session.take(Failed("no such folder"))
    assert (session.turns[0].state, session.turns[0].remark) == ("failed", "no such folder")
    assert session.engine_state == "failed"
    assert session.ask("b")
    assert (session.engine_state, session.error) == ("loading", "")
    assert sent[-1] == Ask(1, "b", ())


def test_a_question_that_the_engine_would_not_read_is_not_sent(session: ChatSession, sent: Sent) -> None:
    """The longest line goes; one byte more is an error that says how much it is and how much goes, and no turn."""
    room = LONGEST_LINE - len(to_line(Ask(0, "", ())))
    with pytest.raises(UsageError, match=rf"{LONGEST_LINE + 1} bytes.*{LONGEST_LINE}.*shorter"):
        session.ask("a" * (room + 1))
    assert (sent, session.turns) == ([], [])
    assert session.ask("a" * room)
    assert len(to_line(sent[0])) == LONGEST_LINE


def test_progress_belongs_to_the_work_at_hand(session: ChatSession) -> None:
    """It is shown while something is done, and gone afterwards."""
    session.take(Progressed("load", 1, 4))
    assert session.progress is not None
    session.take(Loaded("m", "int4", ""))
    assert session.progress is None
    session.ask("a")
    session.take(Progressed("prefill", 100, 400, 0))
    assert session.progress == Progressed("prefill", 100, 400, 0)
    session.take(Finished(0, "stop", 0, 0.1))
    assert session.progress is None


def test_state_and_engine_process_know_no_widgets() -> None:
    """Importing them brings in no Qt: the state can be tested, and the engine started, without it."""
    code = (
        "import sys, dsvl2_app.state.session, dsvl2_runtime.engine.process, dsvl2_app.cli;"
        "print([name for name in sys.modules if name.startswith('PySide6')])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"

"""The state of the window, without a window."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from dsvl2_app.state.session import Attachment, Change, ChatSession
from dsvl2_runtime.engine.client import EngineEnd
from dsvl2_runtime.engine.image_store import KeptImage
from dsvl2_runtime.engine.protocol import (
    LONGEST_LINE,
    Ask,
    BadMessage,
    Command,
    Failed,
    Finished,
    ImagePart,
    Loaded,
    LoadFailed,
    MessageTooLongError,
    Prepared,
    Progressed,
    Stop,
    Wrote,
    to_line,
    user_message,
)
from dsvl2_runtime.engine.wire_error import wire_error
from dsvl2_runtime.errors import ImageError, ModelNotFoundError
from dsvl2_runtime.notices import Notice


class Sent(list[Command]):
    """An engine that only remembers."""

    def send(self, command: Command) -> None:
        self.append(command)


SHA256 = "0123456789abcdef" * 4


def image(name: str, sha256: str = SHA256) -> Attachment:
    return Attachment(name, KeptImage(Path("/kept"), sha256), (4, 3), Image.new("RGB", (4, 3)))


IMAGE = image("/bill.png")


NO_FOLDER = wire_error(ModelNotFoundError(Path("m"), "no such folder", "make it"))
LOADED = Loaded("m", "int4", "")


def question(turn: int, text: str, *images: ImagePart) -> Ask:
    return Ask(turn, (user_message(text, images),))


@pytest.fixture
def sent() -> Sent:
    return Sent()


@pytest.fixture
def session(sent: Sent) -> ChatSession:
    return ChatSession(sent)


def test_a_question_takes_the_pictures_that_are_there(session: ChatSession, sent: Sent) -> None:
    """A picture removed later stays with the question that was asked about it; one added twice counts once."""
    session.add_image(IMAGE)
    session.add_image(IMAGE)
    assert session.ask("  What is it? ")
    session.remove_image(0)
    assert sent == [question(0, "What is it?", ImagePart("/kept", "/bill.png", SHA256))]
    assert session.turns[0].images == (IMAGE,)
    assert session.images == []


def test_an_image_is_its_content(session: ChatSession) -> None:
    """The same file with another content is another image; another file with the same content is not."""
    for added in (IMAGE, image("/bill.png", SHA256[::-1]), image("/copy of bill.png")):
        session.add_image(added)
    assert [(added.name, added.content.sha256) for added in session.images] == [
        ("/bill.png", SHA256),
        ("/bill.png", SHA256[::-1]),
    ]


def test_an_answer_grows_and_ends(session: ChatSession, sent: Sent) -> None:
    """Waiting, streaming, done; one question at a time."""
    changes: list[Change] = []
    session.on_change = changes.append
    session.ask("a")
    assert not session.ask("b")
    states = [session.turns[0].state]
    session.take(Wrote(0, "12"))
    session.take(Wrote(0, ".50"))
    assert session.turns[0].answer == "12.50"
    states.append(session.turns[0].state)
    session.take(Finished(0, "stop", 3, 1.25))
    assert [*states, session.turns[0].state] == ["waiting", "streaming", "done"]
    assert session.turns[0].end == Finished(0, "stop", 3, 1.25)
    assert changes[0] == "turns"
    assert changes.count("answer") == 3
    assert session.ask("b")
    assert len(sent) == 2


def test_empty_questions_are_not_asked(session: ChatSession, sent: Sent) -> None:
    """White space is no question."""
    assert not session.can_ask(" \n")
    assert not session.ask(" \n")
    assert sent == []
    assert session.turns == []
    assert session.can_ask("a")


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
    end = EngineEnd("signal", 9)
    session.take(LOADED)
    session.ask("a")
    session.take(Wrote(0, "half"))
    session.engine_ended(end)
    assert (session.turns[0].answer, session.turns[0].state) == ("half", "failed")
    assert session.turns[0].end == end
    assert (session.engine_state, session.failure) == ("failed", end)
    session.take(Wrote(0, " more"))
    assert session.turns[0].answer == "half"
    assert session.ask("b")
    assert session.engine_state == "loading"
    assert isinstance(sent[-1], Ask)


def test_a_failed_turn_is_not_a_failed_engine(session: ChatSession) -> None:
    """A broken image ends its question alone; a failed load is the engine's."""
    damaged = wire_error(ImageError("/x", "it is damaged", "save it again"))
    session.take(Loaded("m", "int4", "random weights"))
    assert session.model == Loaded("m", "int4", "random weights")
    session.ask("a")
    session.take(Failed(0, damaged))
    assert (session.turns[0].state, session.turns[0].end) == ("failed", damaged)
    assert (session.engine_state, session.failure) == ("ready", None)
    session.take(LoadFailed(NO_FOLDER))
    assert (session.engine_state, session.failure) == ("failed", NO_FOLDER)


def test_a_failed_load_ends_the_open_turn(session: ChatSession, sent: Sent) -> None:
    """What was asked while the model was loading fails with it, with the reason, and the next question is sent."""
    session.ask("a")
    session.take(LoadFailed(NO_FOLDER))
    assert (session.turns[0].state, session.turns[0].end) == ("failed", NO_FOLDER)
    assert session.engine_state == "failed"
    assert session.ask("b")
    assert (session.engine_state, session.failure) == ("loading", None)
    assert sent[-1] == question(1, "b")


@pytest.mark.parametrize("number", [0, None], ids=["that names it", "that nobody could read"])
def test_a_refused_line_fails_its_question_and_no_engine(session: ChatSession, number: int | None) -> None:
    """The model is still there: only this question must not wait for ever."""
    error = wire_error(ValueError("not a message"))
    session.take(LOADED)
    session.ask("a")
    session.take(BadMessage(error, number))
    assert (session.turns[0].state, session.turns[0].end) == ("failed", error)
    assert (session.engine_state, session.failure) == ("ready", None)


def test_a_refused_line_of_another_turn_changes_nothing(session: ChatSession) -> None:
    """Such as a stop of a turn that is over."""
    session.ask("a")
    session.take(Finished(0, "stop", 1, 0.1))
    session.ask("b")
    session.take(BadMessage(NO_FOLDER, 0))
    assert [turn.state for turn in session.turns] == ["done", "waiting"]


def test_what_the_model_does_not_see_is_kept_with_the_turn(session: ChatSession) -> None:
    """As data; its sentence is made where it is shown."""
    notice = Notice("model.note", {"note": "n"})
    session.ask("a")
    session.take(Prepared(0, (notice,)))
    assert session.turns[0].notices == (notice,)


def test_a_question_that_the_engine_would_not_read_is_not_sent(session: ChatSession, sent: Sent) -> None:
    """The longest line goes; one byte more is an error that says how much it is and how much goes, and no turn."""
    room = LONGEST_LINE - len(to_line(question(0, "")))
    with pytest.raises(MessageTooLongError) as caught:
        session.ask("a" * (room + 1))
    assert (caught.value.size, caught.value.limit) == (LONGEST_LINE + 1, LONGEST_LINE)
    assert (sent, session.turns) == ([], [])
    assert session.ask("a" * room)
    assert len(to_line(sent[0])) == LONGEST_LINE


def test_progress_belongs_to_the_work_at_hand(session: ChatSession) -> None:
    """It is shown while something is done, and gone afterwards."""
    session.take(Progressed("load", 1, 4))
    assert session.progress is not None
    session.take(LOADED)
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
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=True)
    assert found.stdout.strip() == "[]"

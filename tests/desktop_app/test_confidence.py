"""How sure the model is of an answer: asked for, shown, marked where it is doubtful, read out, kept and exported."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QLabel
from pytestqt.qtbot import QtBot

from dsvl2_app import texts
from dsvl2_app.state.history.database import FILE
from dsvl2_app.state.history.export import to_json, to_markdown
from dsvl2_app.state.history.records import SavedConversation, SavedTurn
from dsvl2_app.state.history.store import Store
from dsvl2_app.state.history.turns import restored, saved_turn
from dsvl2_app.state.session import ChatSession, Conversation, Turn
from dsvl2_app.widgets import theme
from dsvl2_app.widgets.turn_view import TurnView
from dsvl2_runtime.answers.confidence import SHORT_TOKENS, UNSURE
from dsvl2_runtime.answers.sampling import GenerationOptions
from dsvl2_runtime.bundle.model_names import find_model
from dsvl2_runtime.engine.client import EngineEnd
from dsvl2_runtime.engine.protocol import Finished
from dsvl2_runtime.engine.wire_error import WireError
from histories import new_id
from sessions import LOADED, Sent
from windows import OpenWindow, ask, wait_for

pytestmark = pytest.mark.gui

EXAMPLES = Path(__file__).parents[2] / "examples"
FIGURES = "no picture · 3 tokens in 1.2 s"
DOUBT = "The model is not sure of this answer (23 %)"
SURE = Finished(0, "stop", 3, 1.25, confidence=0.874)
UNSURE_END = replace(SURE, confidence=0.234)


def turn(end: Finished | WireError | EngineEnd | None = SURE) -> Turn:
    if isinstance(end, Finished):
        return Turn(0, "What?", (), "5", "stopped" if end.reason == "cancelled" else "done", end)
    return Turn(0, "What?", (), "5", "queued" if end is None else "failed", end)


def kept(store: Store, *turns: Turn) -> SavedConversation:
    """What the database has after these turns were written."""
    identity = new_id()
    for one in turns:
        store.save_turn(identity, "t", saved_turn(one, LOADED))
    loaded = store.load(identity)
    assert loaded is not None
    return loaded


def test_every_question_asks_for_it(session: ChatSession, sent: Sent) -> None:
    """Whatever its options are; also one that is asked again from a conversation that was kept without them."""
    session.ask("a", options=GenerationOptions(max_new_tokens=3))
    session.take(SURE)
    session.show_conversation(Conversation(turns=(turn(),)))
    session.ask_again(session.turns[0])
    assert [command.options for command in sent.asks] == [
        GenerationOptions(max_new_tokens=3, logprobs=True),
        GenerationOptions(logprobs=True),
    ]


@pytest.mark.parametrize(
    ("confidence", "words"),
    [(0.874, "87 % sure"), (UNSURE, "50 % sure"), (0.99, "99 % sure"), (0.9999, "more than 99 % sure")],
)
def test_the_figures_of_an_answer_say_how_sure_the_model_is(qtbot: QtBot, confidence: float, words: str) -> None:
    """First of all; never that it is quite sure, which it may be of what is wrong."""
    view = TurnView(turn(replace(SURE, confidence=confidence)))
    qtbot.addWidget(view)
    assert view.remark.text() == f"{words} · {FIGURES}"
    assert view.remark.toolTip() == texts.talk.sure_tip()
    assert view.doubt == ""
    assert view.accessibleName() == f"Question: What?. Answer: 5. {words}, 3 tokens in 1.2 s"
    assert texts.talk.announced_end(view.turn) == "The answer is complete: 5"


def test_a_doubtful_answer_is_marked(qtbot: QtBot) -> None:
    """Right below it, and the figures do not say it again; a screen reader says it too."""
    view = TurnView(turn(UNSURE_END))
    qtbot.addWidget(view)
    view.resize(400, 300)
    view.show()
    assert view.doubt == DOUBT
    mark = view._doubt
    assert mark is not None
    assert mark.property("kind") == "note"
    assert mark.toolTip() == texts.talk.sure_tip()
    assert view.answer.geometry().bottom() < mark.geometry().top() < view.remark.geometry().top()
    assert view.remark.text() == FIGURES
    assert view.accessibleName() == f"Question: What?. Answer: 5. {DOUBT}, 3 tokens in 1.2 s"
    assert texts.talk.announced_end(view.turn) == f"The answer is complete: 5\n{DOUBT}"


@pytest.mark.parametrize(
    "end",
    [
        replace(UNSURE_END, tokens=SHORT_TOKENS + 1),
        *(replace(UNSURE_END, reason=reason) for reason in ("length", "repetition", "timeout", "cancelled")),
        replace(SURE, confidence=None),
        WireError("GenerationError", "not finite", 8, 500),
        EngineEnd("closed"),
        None,
    ],
)
def test_of_other_answers_nothing_is_said(qtbot: QtBot, end: Finished | WireError | EngineEnd | None) -> None:
    """Long ones, those that were cut, stopped or failed, those that are still coming, and where it is not known."""
    view = TurnView(turn(end))
    qtbot.addWidget(view)
    assert view.doubt == ""
    said = view.remark.text() + view.accessibleName() + view.remark.toolTip() + texts.talk.announced_end(view.turn)
    assert "sure" not in said


def test_a_mark_comes_with_the_end_of_its_answer(qtbot: QtBot) -> None:
    """Also where it is the card of a question that had waited."""
    shown = turn(None)
    view = TurnView(shown)
    qtbot.addWidget(view)
    shown.state = "streaming"
    view.show_turn()
    assert view.doubt == ""
    shown.take(UNSURE_END)
    view.show_turn()
    assert view.doubt == DOUBT


def test_the_mark_follows_the_theme(qtbot: QtBot) -> None:
    """Its sign too, which is a picture."""
    theme.apply("light")
    view = TurnView(turn(UNSURE_END))
    qtbot.addWidget(view)
    (sign,) = (label for label in view.findChildren(QLabel) if not label.pixmap().isNull())
    try:
        for choice in ("light", "dark"):
            theme.apply(choice)
            view.restyle()
            assert theme.colour("warning").name() in colours(sign.pixmap().toImage())
    finally:
        theme.apply("light")


def colours(image: QImage) -> set[str]:
    """Of all pixels that cover what is below them."""
    pixels = (image.pixelColor(x, y) for x in range(image.width()) for y in range(image.height()))
    return {pixel.name() for pixel in pixels if pixel.alpha() == 255}


def test_it_is_kept_and_shown_again(tmp_path: Path) -> None:
    """Also of an answer that is too long to say it, so that another rule may come later."""
    turns = [turn(SURE), turn(UNSURE_END), turn(replace(UNSURE_END, tokens=100)), turn(replace(SURE, confidence=None))]
    with Store(tmp_path / "history") as store:
        saved = kept(store, *turns)
        again = restored(saved, store.pictures).turns
    assert [one.confidence for one in saved.turns] == [0.874, 0.234, 0.234, None]
    assert [replace(one.end, turn=0) for one in again if isinstance(one.end, Finished)] == [one.end for one in turns]
    assert [texts.talk.doubt(one) for one in again] == ["", DOUBT, "", ""]


def test_a_conversation_of_another_version_opens(tmp_path: Path) -> None:
    """One that was kept before, and one with what a later version keeps."""
    with Store(tmp_path / "history") as store:
        identity = kept(store, turn(SURE), turn(UNSURE_END)).id
    with closing(sqlite3.connect(tmp_path / "history" / FILE)) as database:
        before = "UPDATE turns SET more = json_remove(more, '$.confidence') WHERE row = 1"
        later = "UPDATE turns SET more = json_set(more, '$.sung', 'la') WHERE row = 2"
        assert database.execute(before).rowcount == database.execute(later).rowcount == 1
        database.commit()
    with Store(tmp_path / "history") as store:
        loaded = store.load(identity)
        assert loaded is not None
        old, new = restored(loaded, store.pictures).turns
    assert (old.confidence, new.confidence) == (None, 0.234)
    assert texts.talk.remark(old) == FIGURES


@pytest.mark.parametrize(
    ("end", "told"),
    [
        (SURE, "\n\n*87 % sure*\n"),
        (replace(SURE, confidence=0.9999), "\n\n*more than 99 % sure*\n"),
        (UNSURE_END, "\n\n*the model is not sure of this answer (23 %)*\n"),
        (replace(UNSURE_END, tokens=SHORT_TOKENS + 1), "\n"),
        (replace(UNSURE_END, reason="length"), "\n"),
        (replace(SURE, confidence=None), "\n"),
        (None, "\n"),
    ],
)
def test_exports_have_it(end: Finished | None, told: str) -> None:
    """Markdown as the window says it, JSON as it is."""
    saved: SavedTurn = saved_turn(turn(end), LOADED)
    conversation = SavedConversation(new_id(), "t", 1.0, 1.0, (saved,))
    assert to_markdown(conversation, lambda image: None).endswith(f"> What?\n\n5{told}")
    (exported,) = to_json(conversation)["conversation"]["turns"]
    assert exported["confidence"] == (end.confidence if end is not None else None)


def test_the_demonstration_model_is_asked_how_sure_it_is(open_window: OpenWindow, qtbot: QtBot) -> None:
    """Of a bar of a chart that it misreads, of one that it can read, and of a place, which it can never be sure of."""
    window = open_window(find_model("demo"))
    window.session.looks_again = False
    window.add_images([EXAMPLES / "chart.png"])
    wait_for(qtbot, lambda: len(window.session.images) == 1)
    for question in ("What is the value for Thu?", "What is the value for Fri?"):
        ask(window, qtbot, question)
        wait_for(qtbot, lambda: window.session.open_turn is None)
    window.session.ask("Thu", task="locate")
    wait_for(qtbot, lambda: window.session.open_turn is None)
    misread, read, place = window.session.turns
    assert misread.confidence is not None and misread.confidence < UNSURE
    assert read.confidence is not None and read.confidence > 0.9
    assert place.boxes and place.confidence is None
    wait_for(qtbot, lambda: len(window.talk.turn_views) == 3)
    window.talk.refresh()
    marked = [view.doubt for view in window.talk.turn_views]
    assert marked == [f"The model is not sure of this answer ({round(100 * misread.confidence)} %)", "", ""]
    assert ["sure" in view.remark.text() for view in window.talk.turn_views] == [False, True, False]

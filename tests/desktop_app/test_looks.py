"""A second look in the window: said in words, replaced in place, stopped, asked for by a button, kept and exported."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtCore import QRectF, Qt
from pytestqt.qtbot import QtBot

from dsvl2_app import texts
from dsvl2_app.history_client import History
from dsvl2_app.settings_keeper import SettingsKeeper
from dsvl2_app.state.history.export import to_json, to_markdown
from dsvl2_app.state.history.pictures import Pictures
from dsvl2_app.state.history.records import SavedConversation
from dsvl2_app.state.history.store import Store
from dsvl2_app.state.history.turns import restored, saved_turn
from dsvl2_app.state.session import ChatSession, Turn
from dsvl2_app.widgets.choices import Choices
from dsvl2_app.widgets.keeping import Keeping
from dsvl2_app.widgets.main_window import MainWindow
from dsvl2_app.widgets.picture_items import ReadInItem
from dsvl2_app.widgets.picture_view import PictureView
from dsvl2_app.widgets.turn_view import TurnView
from dsvl2_runtime.bundle.model_names import find_model
from dsvl2_runtime.bundle.releases import official_config
from dsvl2_runtime.engine.client import EngineEnd
from dsvl2_runtime.engine.protocol import (
    Failed,
    FirstAnswer,
    LooksAgain,
    Prepared,
    Replaced,
    Stop,
    Wrote,
)
from dsvl2_runtime.machine.speeds import Measured, Speeds
from dsvl2_runtime.notices import Notice
from event_loop import LONGEST_GAP, Watchdog
from hard_picture import PICTURE, QUESTION, RIGHT, WRONG
from histories import new_id
from sessions import DOUBTFUL, LOADED, NOT_FINITE, Sent, image
from small_models import FIGURE
from windows import PATIENCE, OpenWindow, ask, wait_for

pytestmark = pytest.mark.gui

SECOND = replace(DOUBTFUL, seconds=1.25, confidence=0.875, looks=2)
LOOKS_AGAIN = replace(LOADED, looks_again=True)
FAILED = Failed(0, NOT_FINITE)


def doubtful() -> Turn:
    """An answer about a picture after one look."""
    return Turn(0, "What?", (image(),), "38", "done", DOUBTFUL, present=(image(),))


def looking(session: ChatSession) -> Turn:
    """A turn whose first answer is there, and the model looks again."""
    session.add_image(image())
    session.ask("What?")
    for event in (Prepared(0, (), 90, 80, ((4, 3),)), Wrote(0, "38"), LooksAgain(0, DOUBTFUL)):
        session.take(event)
    return session.turns[0]


def test_the_first_answer_stays_until_a_surer_one_replaces_it(session: ChatSession, qtbot: QtBot) -> None:
    """What is shown, read out and told later is what counts; a tip has what was read first."""
    turn = looking(session)
    view = TurnView(turn)
    qtbot.addWidget(view)
    assert (turn.state, turn.answer, turn.is_looking) == ("streaming", "38", True)
    assert (view.doubt, view.answer.toPlainText()) == ("", "38")
    assert view.accessibleName() == f"Question: What?. Answer: 38. {texts.second_look.looking()}"
    session.take(Replaced(0, "47"))
    session.take(SECOND)
    view.show_turn()
    assert (turn.state, turn.answer, turn.first_answer, turn.is_looking) == ("done", "47", "38", False)
    assert view.answer.toPlainText() == "47"
    assert view.remark.text() == "88 % sure · looked at again · 1 picture · 2 tokens in 1.2 s"
    assert view.remark.toolTip() == f"{texts.talk.sure_tip()}\nRead at first: 38"
    assert "looked at again" in view.accessibleName()
    assert texts.talk.announced_end(turn) == "The answer is complete: 47"
    session.ask("And now?")
    assert isinstance(session.engine, Sent)
    (said,) = [message.content for message in session.engine.asks[-1].messages if message.role == "assistant"]
    assert [getattr(part, "text", None) for part in said] == ["47"]


def test_an_answer_that_stays_is_marked_too(qtbot: QtBot) -> None:
    """Its doubt stays, and there is nothing more to try; exact places are called so."""
    turn = doubtful()
    turn.end = replace(DOUBTFUL, looks=2)
    view = TurnView(turn)
    qtbot.addWidget(view)
    assert view.doubt == "The model is not sure of this answer (25 %)"
    assert not turn.can_look
    assert view.remark.text().startswith("looked at again · ")
    assert view.remark.toolTip().endswith("A second look at larger pictures led to no other answer.")
    box = "<|ref|>Total<|/ref|><|det|>[[{}, 0, 999, 500]]<|/det|>"
    turn.answer, turn.first_answer = box.format(1), box.format(2)
    assert texts.second_look.looked_tip(turn) == "The places were looked at again in larger pictures."
    turn.answer, turn.first_answer = "a", "b" * 1000
    assert texts.second_look.looked_tip(turn) == f"Read at first: {'b' * texts.second_look.LONGEST_FIRST}…"


@pytest.mark.parametrize("how", ["stopped", "failed", "engine", "deaf engine", "closed"])
def test_whatever_ends_the_second_look_the_first_answer_counts(session: ChatSession, how: str) -> None:
    """As it ended, with how sure the model was of it."""
    turn = looking(session)
    if how == "failed":
        session.take(FAILED)
    elif how == "engine":
        session.engine_ended(EngineEnd("exit", 7))
    elif how == "deaf engine":
        session.stop()
        session.engine_ended(EngineEnd("closed"))
    elif how == "closed":
        session.new_conversation()
    else:
        session.stop()
        assert turn.state == "stopping"
        session.take(replace(DOUBTFUL, looks=2))
    assert (turn.state, turn.answer, turn.is_looking, turn.is_told) == ("done", "38", False, True)
    assert (turn.confidence, turn.looks, turn.can_look) == (0.25, 1, True)
    failures = {"failed": FAILED.error, "engine": EngineEnd("exit", 7)}
    assert turn.look_failure == failures.get(how)
    assert isinstance(session.engine, Sent)
    assert (Stop(0) in session.engine) == (how in ("stopped", "deaf engine", "closed"))


@pytest.mark.parametrize(("is_on", "gains"), [(True, True), (True, False), (False, True)])
def test_a_button_looks_where_nothing_did_so_by_itself(
    session: ChatSession, sent: Sent, qtbot: QtBot, is_on: bool, gains: bool
) -> None:
    """Because the model gains nothing by it or the user does not want it; then once."""
    session.take(replace(LOADED, looks_again=gains))
    session.looks_again = is_on
    session.add_image(image())
    session.ask("What?")
    assert [asked.look_again for asked in sent.asks] == [None if is_on else False]
    for event in (Prepared(0, (), 90, 80, ((4, 3),)), Wrote(0, "38"), DOUBTFUL):
        session.take(event)
    (turn,) = session.turns
    view = TurnView(turn)
    qtbot.addWidget(view)
    view.show()
    assert view._doubt is not None
    assert view._doubt.look.isVisible() == turn.can_look == (not (is_on and gains))
    if not turn.can_look:
        return
    acts: list[str] = []
    view.acted.connect(acts.append)
    qtbot.mouseClick(view._doubt.look, Qt.MouseButton.LeftButton)
    assert acts == ["look closer"]
    session.look_closer(turn)
    asked = sent.asks[-1]
    assert (asked.turn, asked.messages) == (0, sent.asks[0].messages)
    assert asked.first == FirstAnswer("38", 0.25, 2, 0.5)
    assert (turn.state, turn.is_looking, turn.answer) == ("streaming", True, "38")
    session.look_closer(turn)
    assert sent.asks[-1] is asked
    session.take(LooksAgain(0, DOUBTFUL))
    session.take(Replaced(0, "47"))
    session.take(SECOND)
    assert (turn.state, turn.answer, turn.first_answer, turn.can_look) == ("done", "47", "38", False)


@pytest.mark.parametrize(
    "turn",
    [
        replace(doubtful(), images=(), present=()),
        replace(doubtful(), end=replace(DOUBTFUL, confidence=0.75)),
        replace(doubtful(), end=None, state="streaming"),
        replace(doubtful(), end=replace(DOUBTFUL, reason="length")),
    ],
)
def test_other_answers_are_not_offered_a_look(turn: Turn) -> None:
    """Without a picture, of which the model is sure enough, which still come or were cut."""
    assert not turn.can_look


def test_an_answer_that_nobody_believes_has_less_than_a_percent() -> None:
    """And never none."""
    turn = replace(doubtful(), end=replace(DOUBTFUL, confidence=0.004))
    assert texts.talk.doubt(turn) == "The model is not sure of this answer (less than 1 %)"
    turn.end = replace(DOUBTFUL, confidence=0.006)
    assert texts.talk.doubt(turn) == "The model is not sure of this answer (1 %)"


def test_where_it_was_read_is_said_instead_of_how_small_it_is_seen(session: ChatSession) -> None:
    """Below the answer, and kept with it."""
    session.add_image(image())
    session.ask("What?")
    scaled = Notice("image.scaled_down", {"width": 1920, "height": 1080, "seen_width": 1365, "seen_height": 768})
    first = Notice("image.first_frame").of_image(1)
    prepared = Prepared(0, (first, scaled.of_image(1)), 90, 80, ((1920, 1080),))
    for event in (prepared, Wrote(0, "38"), LooksAgain(0, DOUBTFUL), Replaced(0, "47")):
        session.take(event)
    (turn,) = session.turns
    assert turn.notices == prepared.notices
    session.take(replace(SECOND, looks=4, read_in=(823, 0, 1920, 617)))
    values = {"image": 1, "left": 823, "top": 0, "right": 1920, "bottom": 617}
    assert turn.notices == (first, Notice("image.read_in_part", values))
    assert "in an enlarged part: 823 to 1920 pixels from the left, 0 to 617 from the top" in texts.talk.remark(turn)
    assert "but the model sees it at" not in texts.talk.remark(turn)
    assert saved_turn(turn, LOADED).notices[1].values == values


def test_the_part_that_was_read_is_framed_in_the_picture(
    fake_window: MainWindow, image_file: Path, qtbot: QtBot
) -> None:
    """As soon as the answer is there, without a click; another question about the picture takes it away."""
    window = fake_window
    wait_for(qtbot, lambda: window.session.engine_state == "ready")
    window.add_images([image_file])
    wait_for(qtbot, lambda: bool(window.session.images) and not window.reader.unread)
    ask(window, qtbot, "part")
    wait_for(qtbot, lambda: not window.session.turns[0].is_open)
    view = window.picture_pane.view
    wait_for(qtbot, lambda: bool(parts_in(view)))
    assert parts_in(view) == [QRectF(8, 0, 16, 12)]
    ask(window, qtbot, "box")
    wait_for(qtbot, lambda: bool(window.session.turns[1].boxes))
    wait_for(qtbot, lambda: not parts_in(view))
    window.talk.turn_chosen.emit(window.session.turns[0])
    assert parts_in(view) == [QRectF(8, 0, 16, 12)]


def parts_in(view: PictureView) -> list[QRectF]:
    return [item.rect() for item in view.scene().items() if isinstance(item, ReadInItem)]


def test_what_counts_is_kept_and_exported(tmp_path: Path) -> None:
    """With the number of looks and what was read first; while the model looks again the first answer is kept."""
    turn = doubtful()
    turn.image_sizes = ((4, 3),)
    turn.take(LooksAgain(0, DOUBTFUL))
    turn.state = "streaming"
    assert (saved_turn(turn, LOADED).state, saved_turn(turn, LOADED).answer) == ("done", "38")
    turn.take(Replaced(0, "47"))
    turn.take(SECOND)
    store, identity = Store(tmp_path), new_id()
    try:
        store.save_turn(identity, "t", replace(saved_turn(turn, LOADED), images=()))
        saved = store.load(identity)
    finally:
        store.close()
    assert isinstance(saved, SavedConversation)
    exported = json.loads(json.dumps(to_json(saved)))["conversation"]["turns"][0]
    assert (exported["answer"], exported["looks"], exported["first_answer"]) == ("47", 2, "38")
    title, time, *rest = to_markdown(saved, lambda one: None).split("\n\n")
    assert (title, time[0], time[-1]) == ("# t", "*", "*")  # a time may have any number in it
    assert "47" in "".join(rest) and "38" not in "".join(rest)
    again = restored(saved, Pictures(tmp_path)).turns[0]
    assert (again.answer, again.first_answer, again.looks, again.can_look) == ("47", "38", 2, False)
    assert again.confidence == 0.875


def test_it_is_said_that_the_model_looks_closer_and_a_stop_keeps_the_first_answer(
    fake_window: MainWindow, qtbot: QtBot
) -> None:
    """In the card, in words, while the first answer can be read."""
    window = fake_window
    wait_for(qtbot, lambda: window.session.engine_state == "ready")
    ask(window, qtbot, "look")
    (turn,) = window.session.turns
    wait_for(qtbot, lambda: turn.is_looking)
    window.talk.refresh()
    view = window.talk.turn_views[0]
    assert view._progress is not None
    assert view._progress.step.text() == "Looking closer…"
    assert view._progress.isVisible()
    assert view.answer.toPlainText() == "38"
    qtbot.keyClick(window.prompt.edit, Qt.Key.Key_Escape)
    assert view._progress.step.text() == texts.talk.stopping()
    wait_for(qtbot, lambda: not turn.is_open)
    window.talk.refresh()
    assert (turn.state, turn.answer) == ("done", "38")
    assert view.doubt == "The model is not sure of this answer (25 %)"
    assert not view._progress.isVisible()


def test_what_a_second_look_takes_at_most_is_in_the_estimate(session: ChatSession) -> None:
    """A second for each tile, of which there is one at first, and three of the enlarged picture."""
    session.take(replace(LOOKS_AGAIN, config=official_config("small")))
    second, nothing = Measured(units=1, total=1.0), Measured(units=1, total=0.0)
    session.speeds = Speeds(tile=second, prompt_token=nothing, answer_token=nothing, answer=second)
    session.add_image(replace(image(), size=(384, 240)))
    cost = session.cost("What?")
    assert cost is not None and cost.second_look is not None
    assert (cost.expected.num_tiles, cost.second_look.num_tiles) == (1, 3)
    assert (cost.expected.seconds, cost.most_seconds) == (1.0, 4.0)
    assert texts.talk.cost(cost).endswith("1 tile, about 1 to 4 s on this computer")
    session.looks_again = False
    cost = session.cost("What?")
    assert cost is not None
    assert (cost.second_look, cost.most_seconds) == (None, 1.0)
    assert texts.talk.cost(cost).endswith("1 tile, about 1 s on this computer")


def test_the_demonstration_model_reads_better_at_a_second_look(
    open_window: OpenWindow, qtbot: QtBot, record_property: Callable[[str, object], None]
) -> None:
    """By itself; and by the button where that is turned off. The event loop goes on in the meantime."""
    window = open_window(find_model("demo"))
    session, watchdog = window.session, Watchdog()
    window.add_images([Path(PICTURE)])
    wait_for(qtbot, lambda: len(session.images) == 1)
    ask(window, qtbot, QUESTION, pause=1)
    wait_for(qtbot, lambda: session.open_turn is None)
    (turn,) = session.turns
    assert (turn.answer, turn.first_answer, turn.looks) == (RIGHT, WRONG, 2)
    window.talk.refresh()
    assert window.talk.turn_views[0].answer.toPlainText() == RIGHT
    session.new_conversation(keep_images=True)
    session.looks_again = False
    ask(window, qtbot, QUESTION, pause=1)
    wait_for(qtbot, lambda: bool(session.turns) and session.open_turn is None)
    (turn,) = session.turns
    assert (turn.answer, turn.looks, turn.can_look) == (WRONG, 1, True)
    window.talk.refresh()
    view = window.talk.turn_views[0]
    assert view._doubt is not None
    qtbot.mouseClick(view._doubt.look, Qt.MouseButton.LeftButton)
    assert turn.is_looking
    wait_for(qtbot, lambda: not turn.is_open)
    assert (turn.answer, turn.first_answer, turn.looks, turn.can_look) == (RIGHT, WRONG, 2, False)
    record_property(FIGURE, watchdog.figure("two looks at a picture, twice"))
    assert watchdog.longest_own < LONGEST_GAP


def test_a_conversation_that_was_kept_is_looked_at_again_in_another_window(
    open_window: OpenWindow, qtbot: QtBot, tmp_path: Path
) -> None:
    """With another engine, from the picture that was kept, when the file that was added is gone."""
    picture, history = tmp_path / "picture.png", tmp_path / "history"
    picture.write_bytes(Path(PICTURE).read_bytes())
    with a_window(open_window, history) as window:
        window.add_images([picture])
        wait_for(qtbot, lambda: len(window.session.images) == 1)
        ask(window, qtbot, QUESTION)
        assert looked(window, qtbot) == (WRONG, 1)
    picture.unlink()
    with a_window(open_window, history) as window:
        wait_for(qtbot, lambda: len(window.session.turns) == 1)
        window.session.look_closer(window.session.turns[0])
        assert looked(window, qtbot) == (RIGHT, 2)


@contextmanager
def a_window(open_window: OpenWindow, folder: Path) -> Iterator[MainWindow]:
    """That shows the newest conversation of a history, and does not look again by itself."""
    window, history = open_window(find_model("demo")), History(folder)
    window.session.looks_again = False
    keeping = Keeping(window, history, opens_last=True)
    yield window
    keeping.close()
    window.close()
    keeping.wait_until_gone(PATIENCE / 1000)


def looked(window: MainWindow, qtbot: QtBot) -> tuple[str, int]:
    """The answer of its one turn, and after how many looks."""
    session = window.session
    wait_for(qtbot, lambda: bool(session.turns) and session.open_turn is None)
    (turn,) = session.turns
    return turn.answer, turn.looks


def test_the_setting_turns_the_automatic_look_off(
    fake_window: MainWindow, keeper: SettingsKeeper, qtbot: QtBot, tmp_path: Path
) -> None:
    """From the next question on, and it is kept."""
    history = History(tmp_path / "history")
    keeping = Keeping(fake_window, history)
    try:
        choices = Choices(fake_window, keeper, history)
        assert fake_window.session.looks_again
        dialog = choices.open_dialog()
        assert dialog.model.looks_again.isChecked()
        dialog.model.looks_again.click()
        assert not fake_window.session.looks_again
        assert not keeper.settings.looks_again
        dialog.close()
    finally:
        keeping.close()
        keeping.wait_until_gone(PATIENCE / 1000)

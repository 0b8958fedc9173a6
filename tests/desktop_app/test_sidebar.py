"""The list of conversations: read in pages, searched, renamed, pinned, deleted and put back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QFont
from PySide6.QtWidgets import QLineEdit, QMenu, QStyleOptionViewItem
from pytestqt.qtbot import QtBot

from dsvl2_app import texts
from dsvl2_app.history_client import History
from dsvl2_app.state.history.database import FILE
from dsvl2_app.state.history.store import PAGE, Store
from dsvl2_app.widgets import theme
from dsvl2_app.widgets.conversation_list import ROW_ROLE, Heading
from dsvl2_app.widgets.sidebar import Sidebar
from histories import kept, new_id, turn
from windows import PATIENCE, wait_for

DAY = 86_400.0


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """With four conversations of long ago."""
    with Store(tmp_path / "history") as store:
        for number, question in enumerate(
            ("What is the total?", "Table of the invoice", "发票上的合计", "Which port?")
        ):
            kept(store, question, f"answer {number}", at=number * DAY)
    return tmp_path / "history"


@pytest.fixture
def history(folder: Path) -> Iterator[History]:
    made = History(folder)
    yield made
    made.close()
    made.wait_until_gone(PATIENCE / 1000)


@pytest.fixture
def sidebar(qtbot: QtBot, history: History) -> Sidebar:
    made = Sidebar()
    qtbot.addWidget(made)
    made.resize(230, 600)
    made.show_history(history)
    made.show()
    wait_for(qtbot, lambda: bool(titles(made)))
    return made


def rows(sidebar: Sidebar) -> list[object]:
    model = sidebar.list.model()
    return [model.index(row, 0).data(ROW_ROLE) for row in range(model.rowCount())]


def titles(sidebar: Sidebar) -> list[str]:
    """Without headings."""
    model = sidebar.list.model()
    indices = [model.index(row, 0) for row in range(model.rowCount())]
    return [index.data() for index in indices if not isinstance(index.data(ROW_ROLE), Heading)]


def choose(sidebar: Sidebar, title: str) -> None:
    model = sidebar.list.model()
    row = next(row for row in range(model.rowCount()) if model.index(row, 0).data() == title)
    sidebar.list.setCurrentIndex(model.index(row, 0))
    sidebar.list.setFocus()


def test_conversations_are_listed_under_headings(sidebar: Sidebar) -> None:
    assert titles(sidebar) == ["Which port?", "发票上的合计", "Table of the invoice", "What is the total?"]
    assert rows(sidebar)[0] == Heading("older")
    assert not sidebar.empty.isVisible()
    index = sidebar.list.model().index(0, 0)
    assert index.data() == "Older"
    assert sidebar.list.model().flags(index) == Qt.ItemFlag.NoItemFlags
    named = sidebar.list.model().index(1, 0).data(Qt.ItemDataRole.AccessibleTextRole)
    assert named == "Which port?, 1 question"


@pytest.mark.parametrize(
    ("query", "found"), [("合计", "发票上的合计"), ("t", None), ("invoice", "Table of the invoice")]
)
def test_typing_searches(sidebar: Sidebar, qtbot: QtBot, query: str, found: str | None) -> None:
    sidebar.focus_search()
    sidebar.search.setText(query)
    expected = {found} if found else {"What is the total?", "Table of the invoice", "Which port?"}
    # "answer 1" holds no t.
    wait_for(qtbot, lambda: set(titles(sidebar)) == expected)
    assert not any(isinstance(row, Heading) for row in rows(sidebar))
    sidebar.search.clear()
    wait_for(qtbot, lambda: len(titles(sidebar)) == 4)


def test_a_search_that_finds_nothing_says_so(sidebar: Sidebar, qtbot: QtBot) -> None:
    sidebar.search.setText("nowhere")
    wait_for(qtbot, sidebar.empty.isVisible)
    assert sidebar.empty.text() == texts.history.nothing_found("nowhere")


def test_a_conversation_is_renamed_in_its_place(sidebar: Sidebar, qtbot: QtBot) -> None:
    choose(sidebar, "Which port?")
    qtbot.keyClick(sidebar.list, Qt.Key.Key_F2)
    editor = sidebar.list.findChild(QLineEdit)
    assert isinstance(editor, QLineEdit)
    editor.setText("The port")
    qtbot.keyClick(editor, Qt.Key.Key_Return)
    wait_for(qtbot, lambda: titles(sidebar)[0] == "The port")


def test_a_conversation_is_pinned_to_the_top(sidebar: Sidebar, qtbot: QtBot) -> None:
    choose(sidebar, "What is the total?")
    trigger(sidebar, texts.history.pin())
    wait_for(qtbot, lambda: titles(sidebar)[0] == "What is the total?")
    assert rows(sidebar)[0] == Heading("pinned")
    choose(sidebar, "What is the total?")
    trigger(sidebar, texts.history.unpin())
    wait_for(qtbot, lambda: titles(sidebar)[-1] == "What is the total?")


def trigger(sidebar: Sidebar, text: str) -> None:
    menu = sidebar.menu_for(sidebar.list.currentIndex())
    assert isinstance(menu, QMenu)
    next(action for action in menu.actions() if action.text() == text).trigger()


def test_what_is_deleted_can_be_put_back(sidebar: Sidebar, qtbot: QtBot) -> None:
    choose(sidebar, "Which port?")
    with qtbot.waitSignal(sidebar.deleted, timeout=PATIENCE):
        qtbot.keyClick(sidebar.list, Qt.Key.Key_Delete)
    wait_for(qtbot, lambda: "Which port?" not in titles(sidebar))
    assert sidebar.undo.isVisible()
    assert sidebar.undo.text() == "“Which port?” was deleted."
    qtbot.mouseClick(sidebar.undo.button, Qt.MouseButton.LeftButton)
    wait_for(qtbot, lambda: titles(sidebar)[0] == "Which port?")
    assert not sidebar.undo.isVisible()


def test_enter_opens_a_conversation_and_a_hit_names_its_turn(sidebar: Sidebar, qtbot: QtBot) -> None:
    choose(sidebar, "Which port?")
    with qtbot.waitSignal(sidebar.opened, timeout=PATIENCE) as opened:
        qtbot.keyClick(sidebar.list, Qt.Key.Key_Return)
    assert opened.args is not None
    assert opened.args[1] == ""
    sidebar.search.setText("answer 3")
    wait_for(qtbot, lambda: titles(sidebar) == ["Which port?"])
    choose(sidebar, "Which port?")
    with qtbot.waitSignal(sidebar.opened, timeout=PATIENCE) as hit:
        qtbot.keyClick(sidebar.list, Qt.Key.Key_Return)
    assert hit.args is not None
    assert hit.args[0] == opened.args[0]
    assert len(hit.args[1]) == 32


def test_private_mode_shows_nothing_and_says_so(sidebar: Sidebar, history: History, qtbot: QtBot) -> None:
    qtbot.mouseClick(sidebar.private, Qt.MouseButton.LeftButton)
    assert history.is_private
    assert titles(sidebar) == []
    assert sidebar.empty.text() == texts.history.private_list()
    history.worker.save(new_id(), "t", turn("private"), {})
    qtbot.mouseClick(sidebar.private, Qt.MouseButton.LeftButton)
    wait_for(qtbot, lambda: len(titles(sidebar)) == 4)


def test_a_problem_is_told_and_the_window_goes_on(qtbot: QtBot, folder: Path) -> None:
    (folder / FILE).write_bytes(b"damaged " * 1000)
    history = History(folder)
    sidebar = Sidebar()
    qtbot.addWidget(sidebar)
    sidebar.show_history(history)
    sidebar.show()
    wait_for(qtbot, sidebar.problem.isVisible)
    assert "history.damaged-" in sidebar.problem.text()
    wait_for(qtbot, sidebar.empty.isVisible)
    assert sidebar.empty.text() == texts.history.nothing_kept()
    history.close()
    history.wait_until_gone(PATIENCE / 1000)


def test_the_list_is_read_in_pages(qtbot: QtBot, tmp_path: Path) -> None:
    """However many conversations there are, the first page is enough to begin with."""
    with Store(tmp_path / "many") as store, store._writing():
        for number in range(2 * PAGE + 5):
            question = turn(f"q{number}", "", number * DAY)
            store._save_turn(store._conversation_row(new_id(), question.question, question), question)
    history = History(tmp_path / "many")
    sidebar = Sidebar()
    qtbot.addWidget(sidebar)
    sidebar.resize(230, 400)
    sidebar.show_history(history)
    wait_for(qtbot, lambda: len(titles(sidebar)) == PAGE)
    sidebar.show()
    end: Callable[[], None] = sidebar.list.scrollToBottom
    wait_for(qtbot, lambda: (end(), len(titles(sidebar)) == 2 * PAGE + 5)[1])
    assert len(set(titles(sidebar))) == 2 * PAGE + 5
    assert sum(isinstance(row, Heading) for row in rows(sidebar)) == 1
    history.close()
    history.wait_until_gone(PATIENCE / 1000)


def test_the_sidebar_is_usable_without_a_mouse(sidebar: Sidebar) -> None:
    stops = [sidebar.new_button, sidebar.hide_button, sidebar.search, sidebar.list, sidebar.private]
    for stop in stops:
        assert stop.focusPolicy() & Qt.FocusPolicy.TabFocus
        assert stop.accessibleName()


def test_rows_are_measured_once_for_each_size_of_texts(
    sidebar: Sidebar, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A list asks for the size of hundreds of rows at once, and each took as long as two typefaces take."""
    asked: list[str] = []
    font = theme.font

    def counted(size: theme.TextSize) -> QFont:
        asked.append(size)
        return font(size)

    monkeypatch.setattr(theme, "font", counted)
    delegate, model = sidebar.list.itemDelegate(), sidebar.list.model()
    option = QStyleOptionViewItem()

    def heights() -> list[int]:
        return [delegate.sizeHint(option, model.index(row, 0)).height() for row in range(model.rowCount())]

    before = heights()
    assert len(set(before)) == 2  # of headings and of conversations
    assert heights() * 100 == before * 100
    assert len(asked) <= 2
    asked.clear()
    theme.apply(theme.choice(), 200)
    try:
        assert [after > earlier for after, earlier in zip(heights(), before, strict=True)] == [True] * len(before)
    finally:
        theme.apply(theme.choice(), 100)

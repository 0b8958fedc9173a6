"""Joins the kept conversations with the window: its session is kept, its sidebar opens, exports and forgets."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QObject, QTimer
from PySide6.QtGui import QKeySequence
from PySide6.QtWidgets import QFileDialog, QMenu

from dsvl2_app import texts
from dsvl2_app.history_client import History
from dsvl2_app.state.history.export import export_json, export_markdown, file_name
from dsvl2_app.state.history.keeper import Keeper
from dsvl2_app.state.history.store import Store
from dsvl2_app.state.history.turns import restored
from dsvl2_app.state.session import Change, Conversation
from dsvl2_app.texts.mnemonics import plain
from dsvl2_app.widgets import theme
from dsvl2_app.widgets.main_window import MainWindow
from dsvl2_runtime.errors import Dsvl2Error

LIST_MILLISECONDS = 200
"""After which the list is read again, so that many changes cost one reading."""


class Keeping(QObject):
    """Of one window and one history."""

    def __init__(self, window: MainWindow, history: History, *, opens_last: bool = False) -> None:
        super().__init__(window)
        self._window, self._session, self._sidebar = window, window.session, window.sidebar
        self.history = history
        self._keeper = Keeper(
            window.session,
            history.worker,
            lambda turn: history.ask(lambda store: store.remove_turn(turn)),
            lambda identity, title: history.ask(lambda store: store.rename(identity, title)),
        )
        self._reading = QTimer(self)
        self._reading.setSingleShot(True)
        self._reading.setInterval(LIST_MILLISECONDS)
        self._reading.timeout.connect(self._sidebar.read_again)
        # The session has one listener, which is the window; what it hears is passed on.
        self._show = window.session.on_change
        window.session.on_change = self._take
        self._connect()
        self._add_actions()
        self._sidebar.show_history(history)
        self._sidebar.set_current(self._session.id)
        if opens_last:
            history.ask(Store.newest, self._open_newest)

    def close(self) -> None:
        """Keep what has come of an open answer, and close the database, without waiting."""
        self._keeper.write_open_turns()
        self.history.close()

    def wait_until_gone(self, seconds: float) -> None:
        """Wait for `close`. It blocks, so it is for the end of a program that shows nothing more."""
        self.history.wait_until_gone(seconds)

    def open(self, identity: str, turn: str = "") -> None:
        """Show a conversation that was kept, and bring the turn with this id into view."""
        if identity == self._session.id:
            self._show_turn(turn)
            return

        def show(conversation: Conversation | None) -> None:
            self._show_conversation(conversation)
            self._show_turn(turn)

        self.history.ask(lambda store: _restored(store, identity), show, key="open")

    def export(self, identity: str, title: str, form: str) -> None:
        """Let the user say where, then write a conversation for other programs."""
        name = file_name(title)
        folder = self._window.layout_now().last_folder
        if form == "json":
            path, _ = QFileDialog.getSaveFileName(
                self._window,
                plain(texts.history.export_json()),
                str(Path(folder, f"{name}.json")),
                texts.history.json_filter(),
            )
        else:
            path, _ = QFileDialog.getSaveFileName(
                self._window, plain(texts.history.export_markdown()), str(Path(folder, name))
            )
        if path:
            self.export_to(identity, form, Path(path))

    def export_to(self, identity: str, form: str, out: Path) -> None:
        """Write a conversation, in the thread of the database."""
        self.history.ask(lambda store: _export(store, identity, form, out), self._window.notify)

    def _connect(self) -> None:
        sidebar = self._sidebar
        sidebar.new_asked.connect(self._begin)
        sidebar.hide_asked.connect(self._window.panes.toggle_sidebar)
        sidebar.opened.connect(self.open)
        sidebar.deleted.connect(self._forget)
        sidebar.renamed.connect(self._rename)
        sidebar.export_asked.connect(self.export)

    def _add_actions(self) -> None:
        file, conversation = self._window.menu("file"), self._window.menu("conversation")
        new = file.addAction(texts.history.new_conversation())
        theme.set_icon(new, "message-square-plus", "muted")
        new.setShortcut(QKeySequence(QKeySequence.StandardKey.New))
        new.triggered.connect(self._begin)
        find = conversation.addAction(texts.history.find_conversation())
        theme.set_icon(find, "search", "muted")
        find.setShortcut(QKeySequence("Ctrl+Shift+F"))
        find.triggered.connect(self._find)
        self._add_exports(conversation)

    def _add_exports(self, menu: QMenu) -> None:
        menu.addSeparator()
        for text, form in ((texts.history.export_markdown(), "markdown"), (texts.history.export_json(), "json")):
            action = menu.addAction(text)
            theme.set_icon(action, "file-down", "muted")
            action.triggered.connect(
                lambda _checked=False, form=form: self.export(self._session.id, self._session.title, form)
            )

    def _begin(self) -> None:
        self._session.new_conversation()

    def _find(self) -> None:
        if not self._sidebar.isVisible():
            self._window.panes.toggle_sidebar()
        self._sidebar.focus_search()

    def _take(self, change: Change) -> None:
        self._show(change)
        if change == "conversation":
            self._sidebar.set_current(self._session.id)
        if self._keeper.take(change):
            self._reading.start()

    def _open_newest(self, identity: str | None) -> None:
        if identity is not None and not self._session.turns and not self._session.images:
            self.open(identity)

    def _show_conversation(self, conversation: Conversation | None) -> None:
        if conversation is None:
            self._window.notify(texts.history.not_there())
        else:
            self._session.show_conversation(conversation)
            self._window.panes.close_drawer()

    def _show_turn(self, identity: str) -> None:
        turn = next((turn for turn in self._session.turns if turn.id == identity), None)
        if turn is not None:
            self._window.talk.show_turn(turn)

    def _forget(self, identity: str) -> None:
        if identity == self._session.id:
            self._session.new_conversation()

    def _rename(self, identity: str, title: str) -> None:
        if identity == self._session.id:
            self._session.rename(title)


def _restored(store: Store, identity: str) -> Conversation | None:
    saved = store.load(identity)
    return None if saved is None else restored(saved, store.pictures)


def _export(store: Store, identity: str, form: str, out: Path) -> str:
    """What to tell."""
    saved = store.load(identity)
    if saved is None:
        return texts.history.not_there()
    try:
        if form == "json":
            export_json(saved, out)
        else:
            export_markdown(saved, store.pictures, out)
    except (Dsvl2Error, OSError) as error:
        return texts.history.not_exported(str(error))
    return texts.history.exported(out)

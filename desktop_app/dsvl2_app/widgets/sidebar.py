"""The pane at the left: kept conversations, to search, open, rename, pin and delete; and the switch that keeps none."""

from __future__ import annotations

from functools import partial

from PySide6.QtCore import QModelIndex, QPoint, Qt, QTimer, Signal
from PySide6.QtGui import QAction, QKeyEvent, QKeySequence
from PySide6.QtWidgets import QAbstractItemView, QHBoxLayout, QLineEdit, QListView, QMenu, QVBoxLayout, QWidget

from dsvl2_app import texts
from dsvl2_app.history_client import History
from dsvl2_app.state.history.problems import Problem
from dsvl2_app.state.history.records import Hit, Summary
from dsvl2_app.state.history.store import UNDO_SECONDS
from dsvl2_app.widgets import controls, theme
from dsvl2_app.widgets.conversation_delegate import ConversationDelegate
from dsvl2_app.widgets.conversation_list import ROW_ROLE, ConversationList, summary_of
from dsvl2_app.widgets.note_bar import NoteBar
from dsvl2_app.widgets.undo_bar import UndoBar

LEAST_WIDTH = 200
TYPING_MILLISECONDS = 120
"""Of rest before a search begins."""


class ConversationView(QListView):
    """The list, with the keys that change a conversation."""

    delete_asked = Signal(QModelIndex)
    opened = Signal(QModelIndex)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName(texts.window.conversations())
        self.setFrameShape(QListView.Shape.NoFrame)
        self.setMouseTracking(True)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setEditTriggers(QAbstractItemView.EditTrigger.EditKeyPressed)  # F2
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.viewport().setAutoFillBackground(False)
        self.clicked.connect(self.opened)

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802 - Qt's name
        """Enter opens, Delete deletes."""
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.opened.emit(self.currentIndex())
        elif event.key() == Qt.Key.Key_Delete:
            self.delete_asked.emit(self.currentIndex())
        else:
            super().keyPressEvent(event)


class Sidebar(QWidget):
    """Shows a `History`, once it is given one; what is opened or exported it leaves to others."""

    new_asked = Signal()
    hide_asked = Signal()
    opened = Signal(str, str)
    """Id of a conversation, and of its turn that was searched, or nothing."""
    deleted = Signal(str)
    """Id of a conversation that is not listed any more."""
    renamed = Signal(str, str)
    """Id and new title."""
    export_asked = Signal(str, str, str)
    """Id, title, and "markdown" or "json"."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName(texts.window.conversations())
        self.setMinimumWidth(LEAST_WIDTH)
        self._history: History | None = None
        self._model: ConversationList | None = None
        self._current: str | None = None
        self.new_button = controls.button(texts.history.new(), "message-square-plus")
        self.new_button.clicked.connect(self.new_asked)
        self.hide_button = controls.button("", "panel-left", "flat", texts.history.hide())
        self.hide_button.clicked.connect(self.hide_asked)
        self.search = QLineEdit()
        self.search.setPlaceholderText(texts.history.search())
        self.search.setAccessibleName(texts.history.search())
        self.search.setClearButtonEnabled(True)
        self.search.setFixedHeight(theme.BUTTON_HEIGHT)  # else its icons are placed for another height
        glass = QAction(self)
        theme.set_icon(glass, "search", "muted")
        self.search.addAction(glass, QLineEdit.ActionPosition.LeadingPosition)
        self._typing = QTimer(self)
        self._typing.setSingleShot(True)
        self._typing.setInterval(TYPING_MILLISECONDS)
        self._typing.timeout.connect(self._search)
        self.search.textChanged.connect(self._typing.start)
        self.list = ConversationView()
        self.list.setItemDelegate(ConversationDelegate(self.list))
        self.list.opened.connect(self._open)
        self.list.delete_asked.connect(self._delete)
        self.list.customContextMenuRequested.connect(self._show_menu)
        self.empty = controls.label(texts.history.nothing_kept(), "muted", "small", wraps=True)
        self.problem = NoteBar()
        self.undo = UndoBar(int(UNDO_SECONDS * 1000))
        self.undo.undo_asked.connect(self._undelete)
        self.private = controls.button(texts.history.keep_nothing(), "eye", "flat", texts.history.keep_nothing_tip())
        self.private.setCheckable(True)
        self.private.toggled.connect(self._set_private)
        self._arrange()
        theme.signals.changed.connect(self.list.viewport().update)

    def _arrange(self) -> None:
        top = QHBoxLayout()
        top.addWidget(self.new_button)
        top.addStretch(1)
        top.addWidget(self.hide_button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(theme.NORMAL, theme.NORMAL, theme.NORMAL, theme.NORMAL)
        layout.setSpacing(theme.SMALL)
        layout.addLayout(top)
        layout.addWidget(self.search)
        layout.addWidget(self.empty)
        layout.addWidget(self.list, 1)
        for widget in (self.problem, self.undo, self.private):
            layout.addWidget(widget)

    def show_history(self, history: History) -> None:
        """Begin to list what a history keeps."""
        self._history = history
        self._model = ConversationList(history, parent=self)
        self._model.shown.connect(self._after_rows)
        self._model.renamed.connect(self.renamed)
        self.list.setModel(self._model)
        history.problem_changed.connect(self._show_problem)
        self.private.setChecked(history.is_private)
        self._show_private(history.is_private)
        self.read_again()

    def read_again(self) -> None:
        """Something was kept or deleted."""
        if self._model is not None and self._history is not None and not self._history.is_private:
            self._model.read_again()

    def set_current(self, identity: str) -> None:
        """Mark the conversation that is open."""
        self._current = identity
        self._mark()

    def focus_search(self) -> None:
        """Go to the field."""
        self.search.setFocus()
        self.search.selectAll()

    def menu_for(self, index: QModelIndex) -> QMenu | None:
        """What can be done with a conversation; None for a heading."""
        row = index.data(ROW_ROLE)
        if not isinstance(row, Summary | Hit):
            return None
        summary = summary_of(row)
        menu = QMenu(self)
        rename = menu.addAction(texts.history.rename(), lambda: self.list.edit(index))
        rename.setShortcut(QKeySequence(Qt.Key.Key_F2))
        pin = texts.history.unpin() if summary.is_pinned else texts.history.pin()
        menu.addAction(pin, lambda: self._pin(summary))
        menu.addSeparator()
        for text, form in ((texts.history.export_markdown(), "markdown"), (texts.history.export_json(), "json")):
            menu.addAction(text, partial(self.export_asked.emit, summary.id, summary.title, form))
        menu.addSeparator()
        delete = menu.addAction(texts.history.delete(), lambda: self._delete(index))
        delete.setShortcut(QKeySequence(Qt.Key.Key_Delete))
        return menu

    def _search(self) -> None:
        if self._model is not None and self._history is not None and not self._history.is_private:
            self._model.search(self.search.text())

    def _open(self, index: QModelIndex) -> None:
        row = index.data(ROW_ROLE)
        if isinstance(row, Summary | Hit):
            turn = row.turn if isinstance(row, Hit) else None
            self.opened.emit(summary_of(row).id, turn or "")

    def _show_menu(self, place: QPoint) -> None:
        menu = self.menu_for(self.list.indexAt(place))
        if menu is not None:
            menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
            menu.popup(self.list.viewport().mapToGlobal(place))

    def _pin(self, summary: Summary) -> None:
        if self._history is not None:
            pinned = not summary.is_pinned
            self._history.ask(lambda store: store.pin(summary.id, pinned), lambda _: self.read_again())

    def _delete(self, index: QModelIndex) -> None:
        row = index.data(ROW_ROLE)
        if self._history is None or not isinstance(row, Summary | Hit):
            return
        summary = summary_of(row)

        def after(_: object) -> None:
            self.undo.offer(summary.id, texts.history.deleted(summary.title))
            self.read_again()
            self.deleted.emit(summary.id)

        self._history.ask(lambda store: store.delete(summary.id), after)

    def _undelete(self, identity: str) -> None:
        if self._history is not None:
            self._history.ask(lambda store: store.undelete(identity), lambda _: self.read_again())

    def _set_private(self, is_private: bool) -> None:
        if self._history is not None and is_private != self._history.is_private:
            self._history.set_private(is_private)
            self._show_private(is_private)
            self.read_again()

    def _show_private(self, is_private: bool) -> None:
        theme.set_icon(self.private, "eye-off" if is_private else "eye", "accent" if is_private else "muted")
        self.search.setEnabled(not is_private)
        self.undo.hide()
        if self._model is not None and is_private:
            self._model.clear()

    def _show_problem(self, problem: Problem | None) -> None:
        self.problem.show_note("" if problem is None else texts.history.problem(problem), is_error=True)

    def _after_rows(self) -> None:
        model, history = self._model, self._history
        if model is None or history is None:
            return
        if history.is_private:
            text = texts.history.private_list()
        elif model.rowCount():
            text = ""
        else:
            text = texts.history.nothing_found(model.query) if model.query else texts.history.nothing_kept()
        self.empty.setText(text)
        self.empty.setVisible(bool(text))
        self._mark()

    def _mark(self) -> None:
        if self._model is None:
            return
        row = self._model.row_of(self._current)
        if row >= 0:
            self.list.setCurrentIndex(self._model.index(row))
        else:
            self.list.clearSelection()
            self.list.setCurrentIndex(QModelIndex())

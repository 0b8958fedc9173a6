"""The list of conversations as Qt's views read it: pages of the database under headings, or what a search has found."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from PySide6.QtCore import QAbstractListModel, QModelIndex, QObject, QPersistentModelIndex, Qt, Signal

from dsvl2_app import texts
from dsvl2_app.history_client import History
from dsvl2_app.state.history.days import Group, group_of
from dsvl2_app.state.history.records import Hit, Summary
from dsvl2_app.state.history.store import PAGE, Page, Place

ROW_ROLE = Qt.ItemDataRole.UserRole
"""Of the data: a `Heading`, a `Summary` or a `Hit`."""
MOST_READ_AGAIN = 600
"""Conversations that are read again when one has changed; those below come by scrolling."""

Index = QModelIndex | QPersistentModelIndex
NOWHERE = QModelIndex()


@dataclass(frozen=True, slots=True)
class Heading:
    """A row that groups those below it."""

    group: Group


Row = Heading | Summary | Hit


class ConversationList(QAbstractListModel):
    """Reads pages when a view wants them; nothing here waits for the database."""

    shown = Signal()
    """The rows are others now."""
    renamed = Signal(str, str)
    """Id and new title of a conversation."""

    def __init__(self, history: History, today: Callable[[], date] = date.today, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._history = history
        self._today = today
        self._rows: list[Row] = []
        self._next: Place | None = None
        self._reads = False
        self.query = ""
        """What is searched; empty for the list."""

    def rowCount(self, parent: Index = NOWHERE) -> int:  # noqa: N802 - Qt's name
        """Of those that were read."""
        return 0 if parent.isValid() else len(self._rows)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Texts for the view, its editor and screen readers."""
        row = self._rows[index.row()]
        if role == ROW_ROLE:
            return row
        if isinstance(row, Heading):
            return texts.history.group(row.group) if role in TEXT_ROLES else None
        summary = summary_of(row)
        if role == Qt.ItemDataRole.AccessibleTextRole:
            return f"{summary.title}, {row.excerpt if isinstance(row, Hit) else texts.history.summary_line(summary)}"
        return summary.title if role in (*TEXT_ROLES, Qt.ItemDataRole.EditRole, Qt.ItemDataRole.ToolTipRole) else None

    def setData(self, index: Index, value: Any, role: int = Qt.ItemDataRole.EditRole) -> bool:  # noqa: N802 - Qt's name
        """Rename a conversation."""
        row = self._rows[index.row()]
        if role != Qt.ItemDataRole.EditRole or isinstance(row, Heading) or not str(value).strip():
            return False
        identity = summary_of(row).id
        self._history.ask(lambda store: store.rename(identity, str(value)), lambda _: self.read_again())
        self.renamed.emit(identity, str(value))
        return True

    def flags(self, index: Index) -> Qt.ItemFlag:
        """Headings can be neither chosen nor changed."""
        if not index.isValid() or isinstance(self._rows[index.row()], Heading):
            return Qt.ItemFlag.NoItemFlags
        return Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable | Qt.ItemFlag.ItemIsEditable

    def canFetchMore(self, parent: Index) -> bool:  # noqa: N802 - Qt's name
        """Whether the database has more, and none of it is on its way."""
        return not parent.isValid() and self._next is not None and not self._reads

    def fetchMore(self, parent: Index) -> None:  # noqa: N802, ARG002 - Qt's name; a list has one parent
        """Read the next page."""
        if (place := self._next) is None or self._reads:
            return
        self._reads = True
        self._history.ask(lambda store: store.page(place), self._add, key="next page")

    def search(self, query: str) -> None:
        """Show what a search finds; an empty query shows the list."""
        self.query = query.strip()
        self.read_again()

    def read_again(self) -> None:
        """Read what is shown once more, because it has changed."""
        query = self.query
        count = min(max(PAGE, len(self._rows)), MOST_READ_AGAIN)
        self._reads = True
        if query:
            self._history.ask(lambda store: store.search(query), lambda hits: self._found(query, hits), key="list")
        else:
            self._history.ask(lambda store: store.page(limit=count), lambda page: self._listed(query, page), key="list")

    def clear(self) -> None:
        """Show nothing."""
        self._next, self._reads = None, False
        self._show([])

    def row_of(self, identity: str | None) -> int:
        """Where a conversation stands; -1 if it is not shown."""
        rows = (
            n for n, row in enumerate(self._rows) if not isinstance(row, Heading) and summary_of(row).id == identity
        )
        return next(rows, -1)

    def _found(self, query: str, hits: Sequence[Hit]) -> None:
        if query == self.query:
            self._next, self._reads = None, False
            self._show(list(hits))

    def _listed(self, query: str, page: Page) -> None:
        if query == self.query:
            self._next, self._reads = page.next, False
            self._show(self._under_headings(page.summaries, None))

    def _add(self, page: Page) -> None:
        if self.query or not self._reads:
            return
        self._reads = False
        self._next = page.next
        last = next((row.group for row in reversed(self._rows) if isinstance(row, Heading)), None)
        known = {row.id for row in self._rows if isinstance(row, Summary)}
        rows = self._under_headings([summary for summary in page.summaries if summary.id not in known], last)
        if rows:
            self.beginInsertRows(QModelIndex(), len(self._rows), len(self._rows) + len(rows) - 1)
            self._rows += rows
            self.endInsertRows()

    def _under_headings(self, summaries: Sequence[Summary], last: Group | None) -> list[Row]:
        rows: list[Row] = []
        today = self._today()
        for summary in summaries:
            if (group := group_of(summary, today)) != last:
                rows.append(Heading(group))
                last = group
            rows.append(summary)
        return rows

    def _show(self, rows: list[Row]) -> None:
        if rows != self._rows:
            self.beginResetModel()
            self._rows = rows
            self.endResetModel()
        self.shown.emit()


TEXT_ROLES = (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.AccessibleTextRole)


def summary_of(row: Summary | Hit) -> Summary:
    """The conversation of a row."""
    return row.summary if isinstance(row, Hit) else row

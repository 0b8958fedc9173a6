"""The conversation: cards of questions and answers, the newest at the bottom.

Only the newest turns have cards, since a card costs memory and time; a button shows earlier ones. Cards of a
conversation that is opened are made one after the other, so that none holds up the window.
"""

from __future__ import annotations

from PySide6.QtCore import QEvent, Qt, QTimer, Signal
from PySide6.QtGui import QAccessible, QAccessibleAnnouncementEvent, QGuiApplication
from PySide6.QtWidgets import QScrollArea, QVBoxLayout, QWidget

from dsvl2_app import texts
from dsvl2_app.state.answer_text import visible
from dsvl2_app.state.page_queue import copied_pages, page_turns
from dsvl2_app.state.session import ChatSession
from dsvl2_app.state.turn import Turn
from dsvl2_app.widgets import controls, theme
from dsvl2_app.widgets.icons_ahead import IconsAhead
from dsvl2_app.widgets.turn_view import TurnView

REFRESH_MILLISECONDS = 33
"""Tokens that come faster than this are drawn together."""
PROGRESS_MILLISECONDS = 500
MOST_CARDS = 30
"""That are there at first, and that the button adds."""
LEAST_HEIGHT = 24
"""Pixels: in the smallest window the question comes first."""


class TalkView(QScrollArea):
    """A column of cards; stays at the bottom unless the user has scrolled up."""

    edit_asked = Signal(object)
    """A `Turn` whose question is to be changed and asked again."""
    copied = Signal()
    box_hovered = Signal(object, object)
    """A `Turn` and the number of one of its boxes, from 0, or None."""
    box_chosen = Signal(object, int)
    turn_chosen = Signal(object)
    """The `Turn` that the keyboard or the pointer went to."""
    rest_came = Signal()
    """The last words of an answer that was shown in part are there."""

    def __init__(self, session: ChatSession, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.session = session
        self.setWidgetResizable(True)
        self.setMinimumHeight(LEAST_HEIGHT)
        self.setFrameShape(QScrollArea.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setAccessibleName(texts.talk.conversation())
        self.viewport().setAutoFillBackground(False)
        self.turn_views: list[TurnView] = []
        """Of the newest turns, in their order."""
        self._most = MOST_CARDS
        self._over: dict[str, bool] = {}
        self._current: TurnView | None = None
        self._empty = controls.label(texts.talk.empty_chat(), "muted", wraps=True)
        self._empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._earlier = controls.button("", "chevron-down", "flat")
        self._earlier.clicked.connect(self.show_earlier)
        self._earlier.hide()
        column = QWidget()
        column.setAutoFillBackground(False)
        self._layout = QVBoxLayout(column)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.setSpacing(theme.NORMAL)
        self._layout.addWidget(self._empty, 1)
        self._layout.addWidget(self._earlier, 0, Qt.AlignmentFlag.AlignCenter)
        self._layout.addStretch(1)
        self.setWidget(column)
        self._follow = True
        bar = self.verticalScrollBar()
        bar.rangeChanged.connect(self._on_range)
        bar.valueChanged.connect(self._on_scroll)
        self._refresh = self._timer(REFRESH_MILLISECONDS, self.refresh, is_single=True)
        self._build = self._timer(0, self._build_next, is_single=True)
        self._progress = self._timer(PROGRESS_MILLISECONDS, self.show_progress, is_single=False)
        theme.signals.changed.connect(self._restyle)
        self.icons_ahead = IconsAhead(self)
        self.show_turns()

    def show_turns(self) -> None:
        """Show the turns that the session has now."""
        turns = self.session.turns
        wanted = {turn.id for turn in turns[-self._most :]}
        for view in [view for view in self.turn_views if view.turn.id not in wanted or view.turn not in turns]:
            self._forget(view)
        self._empty.setVisible(not turns)
        # One that was just asked is made at once; those of a conversation that was opened follow one by one.
        missing = self._missing()
        if missing and missing[-1] is turns[-1] and missing[-1].is_open:
            self._add(missing[-1])
            self._follow = True
        if self._missing():
            self._build.start()
        self.refresh()

    def show_conversation(self) -> None:
        """Show another conversation from its end."""
        for view in list(self.turn_views):
            self._forget(view)
        self._most, self._follow = MOST_CARDS, True
        self._over = {turn.id: True for turn in self.session.turns}
        self.show_turns()

    def refresh_soon(self) -> None:
        """Show how far the answer is within a moment."""
        if not self._refresh.isActive():
            self._refresh.start()

    def refresh(self) -> None:
        """Show how far all turns are; a turn that has just ended is announced."""
        for view in self.turn_views:
            view.show_turn()
        shown = [view.turn for view in self.turn_views]  # earlier ones too, which may be looked at again
        for turn in {turn.id: turn for turn in (*self.session.turns[-MOST_CARDS:], *shown)}.values():
            was_over, self._over[turn.id] = self._over.get(turn.id), not turn.is_open
            if was_over is False and not turn.is_open:
                self.announce(visible(texts.talk.announced_end(turn)))
        if self.session.open_turn is not None:
            self.show_progress()
            if not self._progress.isActive():
                self._progress.start()
        else:
            self._progress.stop()

    def show_progress(self) -> None:
        """What is done for the open turn, how long it will take, and where others wait."""
        session, asked, waiting = self.session, self.session.asked_turn, self.session.queued_turns
        for place, turn in enumerate(waiting, 1):
            if (view := self.view_of(turn)) is not None:
                view.show_place(self._place(turn, place), len(waiting) if place == 1 else 0)
        if asked is None or (view := self.view_of(asked)) is None:
            return
        left, looking = session.time_left, texts.second_look.looking() if asked.is_looking else ""
        if left is None or session.progress is None:
            view.show_progress(looking, "", None)
            return
        remaining = left.remaining()
        time_left = "" if asked.state == "stopping" else texts.talk.time_left(remaining.seconds)
        view.show_progress(looking or texts.talk.step(remaining), time_left, remaining.share)

    def _place(self, turn: Turn, place: int) -> str:
        is_loading = self.session.engine_state == "loading" and place == 1
        if turn.look_number is not None:
            return texts.second_look.waits_for_model() if is_loading else texts.second_look.waits(place)
        return texts.talk.waits_for_model(self.session.loading.seconds) if is_loading else texts.talk.queued(place)

    def view_of(self, turn: Turn) -> TurnView | None:
        """The card of a turn, if it has one."""
        return next((view for view in self.turn_views if view.turn is turn), None)

    def show_earlier(self) -> None:
        """Make cards for more turns; what is in view stays there."""
        self._most += MOST_CARDS
        self._follow = False
        self.show_turns()

    def show_turn(self, turn: Turn) -> TurnView | None:
        """Bring a turn into view; its card is made if it has none."""
        turns = self.session.turns
        self._most = max(self._most, len(turns) - turns.index(turn))
        while (view := self.view_of(turn)) is None and self._missing():
            self._build_one()
        if view is not None:
            self._follow = False
            self._layout.activate()
            self.ensureWidgetVisible(view, 0, theme.LARGE)
        self.show_turns()
        return view

    def choose(self, view: TurnView) -> None:
        """Make a card the one that Tab comes to."""
        if self._current is not None:
            self._current.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        self._current = view
        view.setFocusPolicy(Qt.FocusPolicy.StrongFocus)

    @property
    def current_turn(self) -> Turn | None:
        """The turn that was chosen, or the last one."""
        if self._current is not None:
            return self._current.turn
        return self.session.turns[-1] if self.session.turns else None

    def copy_current(self) -> None:
        """Copy the answer of the chosen turn."""
        turn = self.current_turn
        view = self.view_of(turn) if turn is not None else None
        if view is not None:
            view.act("copy")

    def highlight_box(self, turn: Turn, number: int | None) -> None:
        """Mark the chip of a box, as the pointer is on it in the picture."""
        view = self.view_of(turn)
        if view is not None:
            view.answer.highlight_box(number)

    def announce(self, text: str) -> None:
        """Let a screen reader say something."""
        QAccessible.updateAccessibility(QAccessibleAnnouncementEvent(self, text))

    def _timer(self, milliseconds: int, slot: object, *, is_single: bool) -> QTimer:
        timer = QTimer(self)
        timer.setInterval(milliseconds)
        timer.setSingleShot(is_single)
        timer.timeout.connect(slot)
        return timer

    def _missing(self) -> list[Turn]:
        """Turns that shall have a card and have none, in their order."""
        shown = {view.turn.id for view in self.turn_views}
        return [turn for turn in self.session.turns[-self._most :] if turn.id not in shown]

    def _build_next(self) -> None:
        # The scroll bar that the first cards bring makes all of them narrower, so what is there is laid out first.
        if all(view.answer.is_whole for view in self.turn_views):
            self._build_one()

    def _build_one(self) -> None:
        missing = self._missing()
        if missing:
            bar = self.verticalScrollBar()
            below = bar.maximum() - bar.value()
            self._add(missing[-1])
            if not self._follow:  # a card came above: what is in view stays
                self._layout.activate()
                bar.setValue(bar.maximum() - below)
        if len(missing) > 1:
            self._build.start()
        self._show_earlier_button()

    def _add(self, turn: Turn) -> None:
        view = TurnView(turn)
        view.acted.connect(lambda action: self._act(view, action))
        view.left.connect(lambda steps: self._go(view, steps))
        view.came.connect(lambda: self._came(view))
        view.copied.connect(self._copy)
        view.answer.rest_came.connect(lambda pixels: self._rest_came(view, pixels))
        view.box_hovered.connect(lambda number: self.box_hovered.emit(turn, number))
        view.box_chosen.connect(lambda number: self.box_chosen.emit(turn, number))
        order = {known.id: index for index, known in enumerate(self.session.turns)}
        at = sum(order[known.turn.id] < order[turn.id] for known in self.turn_views)
        self.turn_views.insert(at, view)
        self._layout.insertWidget(2 + at, view)
        self._over.setdefault(turn.id, not turn.is_open)
        if at == len(self.turn_views) - 1 and not (self._current is not None and self._current.hasFocus()):
            self.choose(view)
        self._show_earlier_button()

    def _forget(self, view: TurnView) -> None:
        self.turn_views.remove(view)
        if self._current is view:
            self._current = None
        self._layout.removeWidget(view)
        view.hide()
        view.deleteLater()

    def _show_earlier_button(self) -> None:
        hidden = len(self.session.turns) - self._most
        self._earlier.setVisible(hidden > 0)
        if hidden > 0:
            self._earlier.setText(texts.talk.show_earlier(min(hidden, MOST_CARDS)))

    def _act(self, view: TurnView, action: str) -> None:
        session, turn = self.session, view.turn
        if action == "ask again":
            session.ask_again(turn)
        elif action == "look closer":
            session.look_closer(turn)
            self.refresh()
        elif action == "take back":
            is_question = turn.state == "queued"
            session.take_back(turn)
            if is_question:
                self.edit_asked.emit(turn)
        elif action == "copy pages":
            self._copy(copied_pages(page_turns(session.turns, turn), texts.pictures.page_short))
        elif action in ("stop", "stop all"):
            (session.stop_all if action == "stop all" else session.stop)()
            self.show_progress()
        elif action == "edit":
            self.edit_asked.emit(turn)
        elif action == "start anew":
            session.new_conversation(keep_images=True)
            self.edit_asked.emit(turn)
        elif action == "drop oldest":
            session.drop_oldest(turn.question, at_least=1)
            session.ask_again(turn)

    def _copy(self, text: str) -> None:
        QGuiApplication.clipboard().setText(text)
        self.copied.emit()

    def _go(self, view: TurnView, steps: int) -> None:
        at = min(max(self.turn_views.index(view) + steps, 0), len(self.turn_views) - 1)
        target = self.turn_views[at]
        self.choose(target)
        target.setFocus(Qt.FocusReason.TabFocusReason)
        self.ensureWidgetVisible(target, 0, theme.LARGE)

    def _came(self, view: TurnView) -> None:
        self.choose(view)
        self.turn_chosen.emit(view.turn)

    def _rest_came(self, view: TurnView, pixels: int) -> None:
        bar = self.verticalScrollBar()
        if pixels and not self._follow and view.geometry().bottom() <= bar.value():  # what is in view stays
            self._layout.activate()
            bar.setValue(bar.value() + pixels)
        if view.answer.is_whole:
            self.rest_came.emit()
            self._build.start()

    def _restyle(self) -> None:
        for view in self.turn_views:
            view.restyle()

    def _on_range(self, _lowest: int, highest: int) -> None:
        if self._follow:
            self.verticalScrollBar().setValue(highest)

    def _on_scroll(self, position: int) -> None:
        self._follow = position >= self.verticalScrollBar().maximum() - 4

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802 - Qt's name
        """The empty state is said in the language of the moment."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.LanguageChange:
            self._empty.setText(texts.talk.empty_chat())

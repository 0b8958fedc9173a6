"""The window: images at the left, the conversation at the right, the question below. Shows a `ChatSession`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import QMimeData, Qt
from PySide6.QtGui import QAction, QCloseEvent, QDragEnterEvent, QDropEvent, QGuiApplication, QKeySequence
from PySide6.QtWidgets import QFileDialog, QHBoxLayout, QLabel, QMainWindow, QProgressBar, QVBoxLayout, QWidget

from dsvl2_app import texts
from dsvl2_app.engine_client import Engine
from dsvl2_app.image_reader import ImageReader
from dsvl2_app.mime_images import image_sources
from dsvl2_app.state.intake import PastedImage, Source
from dsvl2_app.state.session import Change, ChatSession
from dsvl2_app.widgets.chat_view import ChatView
from dsvl2_app.widgets.image_panel import ImagePanel
from dsvl2_app.widgets.prompt_bar import PromptBar
from dsvl2_runtime.engine.protocol import MessageTooLongError
from dsvl2_runtime.engine.wire_error import wire_error
from dsvl2_runtime.errors import ImageError
from dsvl2_runtime.inputs.formats import IMAGE_ENDINGS

MESSAGE_MILLISECONDS = 10_000


class MainWindow(QMainWindow):
    """One window with its engine; closing it ends both."""

    def __init__(self, engine: Engine) -> None:
        super().__init__()
        self.setWindowTitle(texts.APP_NAME)
        self.resize(900, 640)
        self.setAcceptDrops(True)
        self.engine = engine
        self.session = ChatSession(engine, self._show)
        self._pasted_count = 0
        self.reader = ImageReader(self)
        self.reader.was_read.connect(self.session.add_image)
        self.reader.failed.connect(lambda error: self._show_message(texts.refused_image(error)))
        self._build()
        engine.event_came.connect(self.session.take)
        engine.ended.connect(self.session.engine_ended)
        engine.start()
        self._show("status")

    def _build(self) -> None:
        self.panel = ImagePanel()
        self.chat = ChatView()
        self.prompt = PromptBar()
        self.note = QLabel()
        self.note.setTextFormat(Qt.TextFormat.PlainText)
        self.note.setWordWrap(True)
        self.note.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.note.setMinimumWidth(1)  # a long path in an error must not widen the window
        self.note.setVisible(False)
        self.note.setMargin(8)
        self.note.setStyleSheet("background: palette(alternate-base); border: 1px solid palette(mid);")
        right = QVBoxLayout()
        right.addWidget(self.note)
        right.addWidget(self.chat, 1)
        right.addWidget(self.prompt)
        central = QWidget()
        layout = QHBoxLayout(central)
        layout.setSpacing(12)
        layout.addWidget(self.panel)
        layout.addLayout(right, 1)
        self.setCentralWidget(central)

        self.phase = QLabel()
        self.phase.setTextFormat(Qt.TextFormat.PlainText)
        self.progress = QProgressBar()
        self.progress.setFixedWidth(180)
        self.progress.setTextVisible(False)
        self.statusBar().addWidget(self.phase, 1)
        self.statusBar().addPermanentWidget(self.progress)

        menu = self.menuBar().addMenu(texts.file_menu())
        for text, keys, slot in (
            (texts.open_image(), QKeySequence.StandardKey.Open, self.choose_images),
            (texts.paste_image(), "Ctrl+Shift+V", self.paste_images),
            (texts.quit_app(), QKeySequence.StandardKey.Quit, self.close),
        ):
            action = QAction(text, self)
            action.setShortcut(QKeySequence(keys))
            action.triggered.connect(slot)
            menu.addAction(action)

        self.panel.open_asked.connect(self.choose_images)
        self.panel.remove_asked.connect(self.session.remove_image)
        self.prompt.asked.connect(self._ask)
        self.prompt.edited.connect(self._show_prompt)
        self.prompt.stop_asked.connect(self.session.stop)
        self.prompt.image_pasted.connect(self._paste)
        QWidget.setTabOrder(self.prompt.edit, self.prompt.button)
        self.prompt.edit.setFocus()

    def add_images(self, sources: Sequence[Source]) -> None:
        """Read images in the background and add those that can be read."""
        for source in sources:
            self.reader.read(source)

    def choose_images(self) -> None:
        """Let the user choose files."""
        names, _ = QFileDialog.getOpenFileNames(self, texts.open_image(), "", texts.file_filter(IMAGE_ENDINGS))
        self.add_images([Path(name) for name in names])

    def paste_images(self) -> None:
        """Take the image, or the files, that the clipboard holds."""
        self._paste(QGuiApplication.clipboard().mimeData())

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:  # noqa: N802 - Qt's name
        """Files and images may be dropped."""
        if event.mimeData().hasUrls() or event.mimeData().hasImage():
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:  # noqa: N802 - Qt's name
        """Take what was dropped."""
        if self._take_images(event.mimeData()):
            event.acceptProposedAction()

    def closeEvent(self, event: QCloseEvent) -> None:  # noqa: N802 - Qt's name
        """End the engine and forget the images; nothing here waits."""
        self.engine.close()
        self.reader.close()
        super().closeEvent(event)

    def wait_until_gone(self, seconds: float) -> None:
        """Wait for what `close` has ended. It blocks, so it is for the end of a program that shows nothing more."""
        self.engine.wait_until_gone(int(seconds * 1000))
        self.reader.wait_until_gone(seconds)

    def _paste(self, data: QMimeData | None) -> None:
        # The system may have no clipboard to give.
        if data is None or not self._take_images(data):
            self._show_message(texts.no_image_to_paste())

    def _take_images(self, data: QMimeData) -> bool:
        try:
            sources = image_sources(data, texts.pasted_image(self._pasted_count + 1))
        except ImageError as error:
            self._show_message(texts.refused_image(wire_error(error)))
            return True
        self._pasted_count += any(isinstance(source, PastedImage) for source in sources)
        self.add_images(sources)
        return bool(sources)

    def _ask(self, question: str) -> None:
        if self.reader.unread and self.session.can_ask(question):
            self._show_message(texts.still_reading())
            return
        try:
            asked = self.session.ask(question)
        except MessageTooLongError as error:
            self._show_message(texts.question_too_long(error))
            return
        if asked:
            self.prompt.clear()

    def _show(self, change: Change) -> None:
        session = self.session
        if change == "images":
            self.panel.show_images(session.images)
        elif change == "turns":
            self.chat.show_turns(session.turns)
        elif change == "answer":
            self.chat.refresh_soon()
        self._show_prompt()
        if change == "status":
            self._show_status()

    def _show_prompt(self) -> None:
        can_ask = self.session.can_ask(self.prompt.text())
        self.prompt.set_answering(self.session.open_turn is not None, can_ask)

    def _show_status(self) -> None:
        session, progress = self.session, self.session.progress
        if session.failure is not None:
            note = texts.engine_failure(session.failure)
        else:
            note = session.model.note if session.model is not None else ""
        self.note.setText(note)
        self.note.setVisible(bool(note))
        self.progress.setVisible(progress is not None)
        if progress is not None:
            self.progress.setRange(0, max(1, progress.total))
            self.progress.setValue(progress.done)
            self.phase.setText(texts.phase(progress.phase))
        elif session.engine_state == "failed":
            self.phase.setText(texts.no_model())
        elif session.engine_state == "ready" and session.model is not None:
            self.phase.setText(texts.ready(session.model))
        else:
            self.phase.setText(texts.loading())

    def _show_message(self, message: str) -> None:
        self.statusBar().showMessage(message, MESSAGE_MILLISECONDS)

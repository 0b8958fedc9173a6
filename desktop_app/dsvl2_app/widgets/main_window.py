"""The window: pictures at the left, the conversation at the right, the question below. Shows a `ChatSession`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from PySide6.QtCore import QMimeData, Qt
from PySide6.QtGui import QAction, QCloseEvent, QDragEnterEvent, QDropEvent, QGuiApplication, QImage, QKeySequence
from PySide6.QtWidgets import QFileDialog, QHBoxLayout, QLabel, QMainWindow, QProgressBar, QVBoxLayout, QWidget

from dsvl2_app import texts
from dsvl2_app.engine_client import CLOSING_MILLISECONDS, Engine
from dsvl2_app.state.session import ChatSession, Part
from dsvl2_app.widgets.chat_view import ChatView
from dsvl2_app.widgets.image_panel import ImagePanel, PictureReader
from dsvl2_app.widgets.prompt_bar import PromptBar
from dsvl2_runtime.errors import UsageError

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
        self._pasted = TemporaryDirectory(prefix="dsvl2-pasted-")
        self._pasted_count = 0
        self.reader = PictureReader(self)
        self.reader.was_read.connect(self.session.add_picture)
        self.reader.failed.connect(self._show_message)
        self._build()
        engine.event_came.connect(self.session.take)
        engine.died.connect(self.session.engine_died)
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

        menu = self.menuBar().addMenu(texts.MENU)
        for text, keys, slot in (
            (texts.OPEN, QKeySequence.StandardKey.Open, self.choose_pictures),
            (texts.PASTE, "Ctrl+Shift+V", self.paste_picture),
            (texts.QUIT, QKeySequence.StandardKey.Quit, self.close),
        ):
            action = QAction(text, self)
            action.setShortcut(QKeySequence(keys))
            action.triggered.connect(slot)
            menu.addAction(action)

        self.panel.open_asked.connect(self.choose_pictures)
        self.panel.remove_asked.connect(self.session.remove_picture)
        self.prompt.asked.connect(self._ask)
        self.prompt.stop_asked.connect(self.session.stop)
        self.prompt.picture_pasted.connect(self._paste)
        QWidget.setTabOrder(self.prompt.edit, self.prompt.button)
        self.prompt.edit.setFocus()

    def open_pictures(self, paths: Sequence[Path]) -> None:
        """Read pictures in the background and add those that can be read."""
        for path in paths:
            self.reader.read(path.absolute())

    def choose_pictures(self) -> None:
        """Let the user choose files."""
        names, _ = QFileDialog.getOpenFileNames(self, texts.OPEN, "", texts.PICTURE_FILTER)
        self.open_pictures([Path(name) for name in names])

    def paste_picture(self) -> None:
        """Take the picture, or the files, that the clipboard holds."""
        self._paste(QGuiApplication.clipboard().mimeData())

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:  # noqa: N802 - Qt's name
        """Files and pictures may be dropped."""
        if event.mimeData().hasUrls() or event.mimeData().hasImage():
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:  # noqa: N802 - Qt's name
        """Take what was dropped."""
        if self._take_pictures(event.mimeData()):
            event.acceptProposedAction()

    def closeEvent(self, event: QCloseEvent) -> None:  # noqa: N802 - Qt's name
        """End the engine and remove what was pasted."""
        self.engine.close()
        self.reader.close(CLOSING_MILLISECONDS)
        self._pasted.cleanup()
        super().closeEvent(event)

    def _paste(self, data: QMimeData | None) -> None:
        # The system may have no clipboard to give.
        if data is None or not self._take_pictures(data):
            self._show_message(texts.NO_PICTURE_TO_PASTE)

    def _take_pictures(self, data: QMimeData) -> bool:
        files = [Path(url.toLocalFile()) for url in data.urls() if url.isLocalFile()]
        if files:
            self.open_pictures(files)
            return True
        image = data.imageData() if data.hasImage() else None
        if not isinstance(image, QImage) or image.isNull():
            return False
        self._pasted_count += 1
        path = Path(self._pasted.name) / f"pasted {self._pasted_count}.png"
        image.save(str(path))
        self.open_pictures([path])
        return True

    def _ask(self, question: str) -> None:
        if self.reader.unread:
            self._show_message(texts.STILL_READING)
            return
        try:
            asked = self.session.ask(question)
        except UsageError as error:
            self._show_message(str(error))
            return
        if asked:
            self.prompt.clear()

    def _show(self, part: Part) -> None:
        session = self.session
        if part == "pictures":
            self.panel.show_pictures(session.pictures)
        elif part == "turns":
            self.chat.show_turns(session.turns)
        elif part == "answer":
            self.chat.refresh_soon()
        self.prompt.set_answering(session.open_turn is not None)
        if part == "status":
            self._show_status()

    def _show_status(self) -> None:
        session, progress = self.session, self.session.progress
        note = session.error or session.note
        self.note.setText(note)
        self.note.setVisible(bool(note))
        self.progress.setVisible(progress is not None)
        if progress is not None:
            self.progress.setRange(0, max(1, progress.total))
            self.progress.setValue(progress.done)
            self.phase.setText(texts.PHASES[progress.phase])
        else:
            idle = {"loading": texts.loading(), "ready": texts.ready(session.model), "failed": texts.NO_MODEL}
            self.phase.setText(idle[session.engine_state])

    def _show_message(self, message: str) -> None:
        self.statusBar().showMessage(message, MESSAGE_MILLISECONDS)

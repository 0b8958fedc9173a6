"""The window: conversations at the left, the picture in the middle, the conversation at the right.

It shows a `ChatSession` and owns nothing else: each pane is a widget of its own, and what others add goes into its
menus (`MainWindow.menu`), its tools (`PicturePane.add_tool`) and its status bar.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from PySide6.QtCore import QByteArray, QRect, QSize, Qt, Signal
from PySide6.QtGui import (
    QAction,
    QCloseEvent,
    QDragEnterEvent,
    QDragLeaveEvent,
    QDropEvent,
    QGuiApplication,
    QKeyEvent,
    QKeySequence,
    QResizeEvent,
)
from PySide6.QtWidgets import QMainWindow, QMenu, QVBoxLayout, QWidget

from dsvl2_app import texts
from dsvl2_app.engine_client import Engine
from dsvl2_app.image_reader import ImageReader
from dsvl2_app.state.cost import most_images
from dsvl2_app.state.examples import Example
from dsvl2_app.state.intake import Source
from dsvl2_app.state.layout import Layout, load_layout, save_layout
from dsvl2_app.state.picture_order import ordered, without
from dsvl2_app.state.session import Attachment, Change, ChatSession, Turn
from dsvl2_app.state.turn import Task
from dsvl2_app.widgets import theme
from dsvl2_app.widgets.asking import Asking
from dsvl2_app.widgets.document_desk import DocumentDesk
from dsvl2_app.widgets.drop_zone import example_path
from dsvl2_app.widgets.note_bar import NoteBar
from dsvl2_app.widgets.panes import Panes
from dsvl2_app.widgets.password_desk import PasswordDesk
from dsvl2_app.widgets.picture_intake import PictureIntake, drag_text
from dsvl2_app.widgets.picture_pane import PicturePane
from dsvl2_app.widgets.prompt_bar import PromptBar
from dsvl2_app.widgets.sidebar import Sidebar
from dsvl2_app.widgets.status_bar import StatusBar
from dsvl2_app.widgets.talk_view import TalkView
from dsvl2_app.widgets.toasts import Kind, Toasts
from dsvl2_app.widgets.view_menu import ViewMenu
from dsvl2_runtime.engine.protocol import Loaded
from dsvl2_runtime.engine.wire_error import WireError
from dsvl2_runtime.inputs.tiling import plan_tiling

FIRST_SIZE, LEAST_SIZE = QSize(1180, 760), QSize(420, 320)
LOW = 440
"""Pixels of height below which notes have one line."""
SCREEN_SHARE = 0.9
"""Of the screen, that a window covers at most when it is first shown."""
MenuName = Literal["file", "view", "conversation", "help"]


class MainWindow(QMainWindow):
    """One window with its engine; closing it ends both.

    Args:
        engine: answers its questions; it is started.
        layout_file: where size, place and division are kept; None keeps nothing.
    """

    low_changed = Signal()
    """`is_low` is another now."""

    def __init__(self, engine: Engine, layout_file: Path | None = None) -> None:
        super().__init__()
        self.is_low = False
        """Whether the window is not high, so that what can be said in one line has one line."""
        self._layout_file = layout_file
        self._layout = load_layout(layout_file)
        theme.apply(self._layout.theme, self._layout.text_percent)
        self.setWindowTitle(texts.window.APP_NAME)
        self.setAcceptDrops(True)
        self.engine = engine
        self.session = ChatSession(engine, self._show)
        self._asked_turn: Turn | None = None
        """Of which the status bar was told last."""
        self._measured_model: Loaded | None = None
        """By which the pictures were measured last."""
        self.reader = ImageReader(self)
        self.reader.was_read.connect(self._take_image)
        self.reader.failed.connect(self._refuse)
        self.intake = PictureIntake(self.reader, self._layout.last_folder, self)
        self.intake.refused.connect(self._refuse)
        self.intake.told.connect(self.notify)
        self._build()
        self.documents = DocumentDesk(self.session, self.reader, self.picture_pane, self)
        self.passwords = PasswordDesk(self.reader, self)
        self._build_menus()
        self._connect()
        self._restore()
        engine.event_came.connect(self.session.take)
        engine.ended.connect(self.session.engine_ended)
        engine.start()
        self._show("status")

    def _build(self) -> None:
        self.sidebar = Sidebar()
        self.picture_pane = PicturePane()
        self.talk = TalkView(self.session)
        self.prompt = PromptBar()
        self.asking = Asking(self.session, self.prompt, self.talk, self.picture_pane, self.reader, self.intake, self)
        self.asking.told.connect(self.notify)
        self.note = NoteBar()
        self.status = StatusBar()
        self.setStatusBar(self.status)
        right = QWidget()
        right.setAccessibleName(texts.window.conversation())
        layout = QVBoxLayout(right)
        layout.setContentsMargins(theme.LARGE, theme.NORMAL, theme.LARGE, theme.NORMAL)
        layout.setSpacing(theme.SMALL)
        layout.addWidget(self.note)
        layout.addWidget(self.asking.find_bar)
        layout.addWidget(self.talk, 1)
        layout.addWidget(self.prompt)
        self.panes = Panes(self.sidebar, self.picture_pane, right)
        self.setCentralWidget(self.panes)
        self.toasts = Toasts(self.panes)
        self.setMinimumSize(LEAST_SIZE)

    def _build_menus(self) -> None:
        bar = self.menuBar()
        self._menus: dict[MenuName, QMenu] = {
            "file": bar.addMenu(texts.window.file_menu()),
            "view": ViewMenu(self.panes, bar),
            "conversation": bar.addMenu(texts.window.conversation_menu()),
            "help": bar.addMenu(texts.window.help_menu()),
        }
        bar.insertMenu(self._menus["conversation"].menuAction(), self._menus["view"])
        self.asking.add_actions(self._menus["conversation"])
        file = self._menus["file"]
        for text, icon, keys, slot in (
            (texts.pictures.open_image(), "image-plus", QKeySequence.StandardKey.Open, self.choose_images),
            (texts.pictures.paste_image(), "clipboard-paste", "Ctrl+Shift+V", self.paste_images),
        ):
            action = QAction(text, self)
            theme.set_icon(action, icon, "muted")
            action.setShortcut(QKeySequence(keys))
            action.triggered.connect(slot)
            file.addAction(action)
        file.addActions([self.picture_pane.tools.save, self.picture_pane.tools.copy])
        self._quit = file.addAction(texts.window.quit_app())
        self._quit.setShortcut(QKeySequence(QKeySequence.StandardKey.Quit))
        self._quit.triggered.connect(self.close)
        file.insertSeparator(self._quit)
        file.aboutToShow.connect(self._put_quit_last)

    def _put_quit_last(self) -> None:
        file = self._menus["file"]
        if file.actions()[-1] is not self._quit:
            file.addSeparator()
            file.addAction(self._quit)

    def _connect(self) -> None:
        pane = self.picture_pane
        pane.open_asked.connect(self.choose_images)
        pane.sidebar_asked.connect(self.panes.toggle_sidebar)
        self.panes.sidebar_shown.connect(lambda shown: pane.tools.show_sidebar_button(not shown))
        pane.remove_asked.connect(self._remove)
        self.prompt.stop_asked.connect(self._leave_notes)
        pane.order_asked.connect(lambda wanted: self.session.set_images(ordered(self.session.images, wanted)))
        pane.add_asked.connect(self.session.add_image)
        pane.region_asked.connect(self._ask_about_part)
        pane.example_asked.connect(self._open_example)
        pane.save_asked.connect(self.intake.save)
        pane.copy_asked.connect(self.intake.copy)
        pane.failed.connect(self._refuse)
        pane.strip.failed.connect(self._refuse)
        self.reader.document_came.connect(self.documents.open)
        QWidget.setTabOrder(self.prompt.edit, self.prompt.button)
        self.prompt.edit.setFocus()

    def menu(self, name: MenuName) -> QMenu:
        """One of the menus, so that others can add what they can do; what ends the program stays last."""
        return self._menus[name]

    def notify(self, text: str, kind: Kind = "info") -> None:
        """Tell the user something that nothing else in the window shows; an error stays until it is closed."""
        self.toasts.tell(text, kind)

    def add_images(self, sources: Sequence[Source]) -> None:
        """Read images in the background and add those that can be read."""
        self.intake.add(sources)

    def choose_images(self) -> None:
        """Let the user choose files."""
        self.intake.choose()

    def paste_images(self) -> None:
        """Take the image, or the files, that the clipboard holds."""
        self.intake.paste(QGuiApplication.clipboard().mimeData())

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:  # noqa: N802 - Qt's name
        """Files, images and links may be dropped; the pane says what would come of it."""
        if event.mimeData().hasUrls() or event.mimeData().hasImage():
            self.picture_pane.show_drag(*drag_text(event.mimeData()))
            event.acceptProposedAction()
        elif event.mimeData().hasText():
            event.acceptProposedAction()

    def dragLeaveEvent(self, event: QDragLeaveEvent) -> None:  # noqa: N802 - Qt's name
        """Nothing is dropped after all."""
        self.picture_pane.show_drag("")
        super().dragLeaveEvent(event)

    def dropEvent(self, event: QDropEvent) -> None:  # noqa: N802 - Qt's name
        """Take what was dropped."""
        self.picture_pane.show_drag("")
        if self.intake.take(event.mimeData()):
            event.acceptProposedAction()
        elif event.mimeData().hasText():  # a text is a question, or a part of one
            self.prompt.edit.insertPlainText(event.mimeData().text())
            event.acceptProposedAction()

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 - Qt's name
        """A window that is not high keeps its room for the conversation."""
        super().resizeEvent(event)
        is_low = self.height() < LOW
        self.note.set_compact(is_low)
        self.prompt.set_compact(is_low)
        if is_low != self.is_low:
            self.is_low = is_low
            self.low_changed.emit()

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802 - Qt's name
        """A picture is pasted, and Escape closes what is told, unless what has the focus takes the key for itself."""
        if event.matches(QKeySequence.StandardKey.Paste):
            self.paste_images()
        elif event.key() == Qt.Key.Key_Escape:
            self._leave_notes()
        else:
            super().keyPressEvent(event)

    def closeEvent(self, event: QCloseEvent) -> None:  # noqa: N802 - Qt's name
        """End the engine, forget the images, keep the layout; nothing here waits."""
        save_layout(self._layout_file, self.layout_now())
        self.engine.close()
        self.reader.close()
        self.intake.close()
        self.documents.stop()
        self.picture_pane.close_loader()
        super().closeEvent(event)

    def wait_until_gone(self, seconds: float) -> None:
        """Wait for what `close` has ended. It blocks, so it is for the end of a program that shows nothing more."""
        self.engine.wait_until_gone(int(seconds * 1000))
        self.reader.wait_until_gone(seconds)

    def layout_now(self) -> Layout:
        """What is kept of how the window looks."""
        return Layout(
            geometry=bytes(self.saveGeometry().toBase64().data()).decode("ascii"),
            sidebar_width=self.panes.sidebar_width,
            picture_share=self.panes.picture_share,
            shows_sidebar=self.panes.wants_sidebar,
            theme=theme.choice(),
            text_percent=theme.text_percent(),
            last_folder=self.intake.last_folder,
        )

    def _restore(self) -> None:
        geometry = QByteArray.fromBase64(self._layout.geometry.encode("ascii", "replace"))
        if geometry.isEmpty() or not self.restoreGeometry(geometry):
            self.resize(FIRST_SIZE.boundedTo(self.screen().availableGeometry().size() * SCREEN_SHARE))
        self.panes.restore(self._layout)

    def _remove(self, rows: Sequence[int]) -> None:
        self.session.set_images(without(self.session.images, rows))
        if not self.session.images:
            self.documents.leave_unused()

    def _leave_notes(self) -> None:
        """Escape, where there was nothing to stop."""
        if self.session.open_turn is None:
            self.toasts.clear()

    def _ask_about_part(self, image: Attachment, region: QRect) -> None:
        self.intake.add_part(image, region)
        self.prompt.edit.setFocus()

    def _open_example(self, example: Example) -> None:
        self.add_images([example_path(example)])
        self.prompt.edit.setPlainText(example.question)
        self.prompt.edit.setFocus()

    def _take_image(self, image: Attachment) -> None:
        if self.documents.take(image):
            self.session.add_image(image)

    def _refuse(self, error: WireError) -> None:
        self.notify(texts.pictures.refused_image(error), "error")

    def ask(self, question: str, task: Task = "question") -> None:
        """Ask about the pictures that are there, or as soon as they are."""
        self.asking.ask(question, task)

    def _show(self, change: Change) -> None:
        session = self.session
        if change in ("turns", "conversation"):
            self.setWindowTitle(texts.window.title(session.title))
        if change == "conversation":
            self.documents.leave_unused()
        if change in ("images", "conversation"):
            self._show_images()
        self.asking.show(change)
        if change != "answer" or session.asked_turn is not self._asked_turn:  # not for each token
            self._asked_turn = session.asked_turn
            self.status.show_session(session, self.engine.process_id)
        if change == "status":
            if session.model is not self._measured_model:
                self._measured_model = session.model
                self._show_images()
            self._show_note()

    def _show_images(self) -> None:
        """With what each takes of the context, as soon as the model is known."""
        images = self.session.images
        self.documents.follow()
        config = self.session.model.config if self.session.model is not None else None
        if config is None:
            self.picture_pane.show_images(images)
            return
        sizes = [image.size for image in images]
        if self.session.separate_pages:
            tilings, most = [plan_tiling([size], config)[0] for size in sizes], len(images)
        else:
            tilings, most = plan_tiling(sizes, config), most_images(sizes, config)
        self.picture_pane.show_images(images, [tiling.token_count(config.cells) for tiling in tilings], most)
        grids = [(tiling.tiles_wide, tiling.tiles_high) for tiling in tilings]
        self.picture_pane.show_tilings({image.content.sha256: grid for image, grid in zip(images, grids, strict=True)})

    def _show_note(self) -> None:
        session = self.session
        if session.failure is not None:
            self.note.show_note(texts.engine.failure(session.failure), is_error=True)
        else:
            self.note.show_note("\n".join(texts.engine.model_notes(session.model)) if session.model is not None else "")

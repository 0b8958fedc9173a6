"""One capture from beginning to end: the window steps aside, the screens are frozen, a part is chosen."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from PySide6.QtCore import QObject, Qt, QTimer, Signal
from PySide6.QtGui import QCursor, QImage
from PySide6.QtWidgets import QWidget

from dsvl2_app.capture.handler import CaptureHandler, FrozenScreen
from dsvl2_app.capture.handlers import all_handlers, usable_handlers
from dsvl2_app.mime_images import write_image
from dsvl2_app.state.app_request import CaptureKind
from dsvl2_app.state.intake import PastedImage, Source
from dsvl2_app.texts import capture as texts
from dsvl2_app.widgets import theme
from dsvl2_app.widgets.capture_overlay import Describe, Overlay, screen_under
from dsvl2_runtime.engine.wire_error import WireError, wire_error
from dsvl2_runtime.errors import Dsvl2Error
from dsvl2_runtime.inputs.images import ImageBytes

ASIDE_MILLISECONDS = 300
"""A desktop fades a window out in a quarter of a second; until then it would be in the picture."""


def image_tokens(width: int, height: int) -> str:
    """What an image of this size costs a model of the three releases, in words."""
    from dsvl2_runtime import geometry
    from dsvl2_runtime.inputs.tiling import choose_resolution

    wide, high = choose_resolution(width, height, geometry.official_resolutions())
    side = geometry.TILE_PIXELS
    cells = geometry.cells_along(geometry.patches_along(side, geometry.PATCH_PIXELS), geometry.CELL_PATCHES)
    return texts.area_tokens(geometry.tokens_of_image(wide // side, high // side, cells))


class CaptureFlow(QObject):
    """Captures for one window; while one goes on, another cannot begin."""

    captured = Signal(object)
    """A `Source` of an image."""
    failed = Signal(object)
    """A `WireError`: nothing works here."""
    ended = Signal()
    """However it ended; the window is back."""

    def __init__(
        self,
        window: QWidget,
        handlers: Callable[[], Sequence[CaptureHandler]] = all_handlers,
        describe: Describe = image_tokens,
    ) -> None:
        super().__init__(window)
        self._window, self._make_handlers = window, handlers
        self.describe = describe
        self.overlay: Overlay | None = None
        """While a part is being chosen."""
        self._handlers: list[CaptureHandler] = []
        self._kind: CaptureKind | None = None
        self._was_visible = self._was_active = False
        self._count = 0
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)

    @property
    def is_running(self) -> bool:
        """Whether a capture goes on."""
        return self._kind is not None

    def start(self, kind: CaptureKind, seconds: float = 0.0) -> bool:
        """Capture, after so many seconds in which the user can open a menu elsewhere; False if one goes on already."""
        if self.is_running:
            return False
        try:
            self._handlers = usable_handlers(self._make_handlers())
        except Dsvl2Error as error:
            self.failed.emit(wire_error(error))
            self.ended.emit()
            return True
        self._kind = kind
        self._was_visible = self._window.isVisible() and not self._window.isMinimized()
        self._was_active = self._window.isActiveWindow()
        wait = round(seconds * 1000)
        if self._was_visible:
            self._window.hide()
            wait = max(wait, ASIDE_MILLISECONDS)
        self._timer.timeout.connect(self._freeze, Qt.ConnectionType.SingleShotConnection)
        self._timer.start(wait)
        return True

    def stop(self) -> None:
        """Give up, as when the program ends; nothing is emitted any more."""
        self._timer.stop()
        self._kind = None
        if self.overlay is not None:
            self.overlay.close()
        for handler in self._handlers[:1]:
            handler.disconnect(self)
            handler.stop()

    def _freeze(self) -> None:
        if self._kind is None:
            return
        handler = self._handlers[0]
        handler.froze.connect(self._choose)
        handler.chose.connect(self._take_file)
        handler.cancelled.connect(self._end)
        handler.failed.connect(self._try_next)
        handler.start(self._kind)

    def _try_next(self, error: WireError) -> None:
        del self._handlers[0]
        if self._handlers:
            self._freeze()
            return
        self._come_back()
        self.failed.emit(error)
        self.ended.emit()

    def _choose(self, screens: tuple[FrozenScreen, ...]) -> None:
        if self._kind == "screen":
            self._take_image(screen_under(screens, QCursor.pos()).image)
            return
        self.overlay = Overlay(screens, theme.colour("accent"), self.describe)
        self.overlay.chose.connect(self._take_image)
        self.overlay.cancelled.connect(self._end)
        self.overlay.show()

    def _take_image(self, image: QImage) -> None:
        name = self._name()
        self._take(PastedImage(name, lambda path: write_image(image, name, path)))

    def _take_file(self, content: bytes) -> None:
        self._take(ImageBytes(self._name(), content))

    def _name(self) -> str:
        self._count += 1
        return texts.captured_image(self._count)

    def _take(self, source: Source) -> None:
        self._was_active = True
        self._come_back()
        self.captured.emit(source)
        self.ended.emit()

    def _end(self) -> None:
        self._come_back()
        self.ended.emit()

    def _come_back(self) -> None:
        self.overlay, self._kind, self._handlers = None, None, []
        if self._was_active:
            bring_to_front(self._window)
        elif self._was_visible:
            self._window.setAttribute(Qt.WidgetAttribute.WA_ShowWithoutActivating)
            self._window.show()
            self._window.setAttribute(Qt.WidgetAttribute.WA_ShowWithoutActivating, False)


def bring_to_front(window: QWidget) -> None:
    """Show a window and give it the keys, as far as the desktop lets us."""
    window.setWindowState(window.windowState() & ~Qt.WindowState.WindowMinimized)
    window.show()
    window.raise_()
    window.activateWindow()

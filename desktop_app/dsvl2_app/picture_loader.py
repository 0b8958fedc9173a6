"""Pictures for the screen, from the thread that decodes them to the window's own."""

from __future__ import annotations

from PySide6.QtCore import QObject, Signal

from dsvl2_app.background import Background
from dsvl2_app.state.decoding import shown_picture
from dsvl2_app.state.display import ShownPicture
from dsvl2_app.state.session import Attachment


class PictureLoader(QObject):
    """Decodes the picture that is looked at; those that nobody looks at any more are left out."""

    was_loaded = Signal(object)
    """A `display.ShownPicture`."""
    failed = Signal(object)
    """A `WireError`."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._background = Background("show images", self)
        self._background.failed.connect(self.failed)
        self._wanted: Attachment | None = None

    def load(self, image: Attachment) -> None:
        """Begin; only the last one that was asked for is sure to come."""
        self._wanted = image
        self._background.run(lambda: self._decoded(image), self._take)

    def close(self) -> None:
        """End the thread, without waiting for the picture that it decodes."""
        self._wanted = None
        self._background.close()

    def _decoded(self, image: Attachment) -> ShownPicture | None:
        """Called on the thread."""
        return shown_picture(image.content.sha256, image.content.path) if image is self._wanted else None

    def _take(self, picture: ShownPicture | None) -> None:
        if picture is not None:
            self.was_loaded.emit(picture)

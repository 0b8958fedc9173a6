"""Documents in the window: chosen pages become pictures, pages that are chosen no more are taken away."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from PySide6.QtCore import QObject

from dsvl2_app import texts
from dsvl2_app.image_reader import ImageReader
from dsvl2_app.state.cost import most_images
from dsvl2_app.state.document import A4_PIXELS, Document, write_page
from dsvl2_app.state.intake import PastedImage
from dsvl2_app.state.session import ChatSession
from dsvl2_app.state.turn import Attachment
from dsvl2_app.widgets.page_strip import PageStrip
from dsvl2_app.widgets.picture_pane import PicturePane
from dsvl2_runtime.geometry import MOST_TILED_IMAGES


class DocumentDesk(QObject):
    """Joins the strip of pages with the pictures of the session."""

    def __init__(self, session: ChatSession, reader: ImageReader, pane: PicturePane, parent: QObject) -> None:
        super().__init__(parent)
        self._session, self._reader, self._pane = session, reader, pane
        self._asked: dict[tuple[str, int], bool] = {}
        """(document, page) that are being drawn, and whether they are still wanted."""
        strip = pane.strip
        strip.pages_chosen.connect(self._choose)
        strip.page_shown.connect(self._show_page)
        strip.each_toggled.connect(self._ask_each)
        strip.closed.connect(lambda document: self._choose(document, []))
        for signal in (reader.failed, reader.given_up):
            signal.connect(self._forget_failed)

    @property
    def strip(self) -> PageStrip:
        """Of the pane."""
        return self._pane.strip

    def open(self, document: Document) -> None:
        """Show a document; as many of its first pages as fit are chosen."""
        fitting = self.fitting(document)
        chosen = list(range(1, min(document.count, fitting, MOST_TILED_IMAGES) + 1)) or [1]
        self.strip.show_document(document, chosen, fitting)
        self._choose(document, chosen)

    def fitting(self, document: Document) -> int:
        """How many pages the model can read at once; a guess, by pages of A4."""
        model = self._session.model
        if model is None or model.config is None:
            return 1
        # More pictures than these fit as well, but each as one tile, in which nobody can read a page.
        count = min(document.count, MOST_TILED_IMAGES)
        return max(1, most_images([A4_PIXELS] * count, model.config))

    def follow(self) -> None:
        """A picture was taken away, or did not come: its page is chosen no more."""
        document = self.strip.document
        if document is None:
            return
        self.strip.show_fitting(self.fitting(document), self._session.asks_each_page)
        sha256 = document.content.sha256
        waiting = {page for (asked, page), is_wanted in self._asked.items() if asked == sha256 and is_wanted}
        self.strip.select(sorted(waiting | {page for page, _ in self._present(sha256)}))

    def leave_unused(self) -> None:
        """Take a document away of which no page is a picture of what is asked now, nor will be one."""
        document = self.strip.document
        if document is not None and not self._present(document.content.sha256):
            self._choose(document, [])
            self.strip.close_document()

    def take(self, image: Attachment) -> bool:
        """A picture was read; False if it is a page that is not chosen any more."""
        if image.document is None or image.page is None:
            return True
        return self._asked.pop((image.document, image.page), True)

    def stop(self) -> None:
        """Draw no more."""
        self.strip.stop()

    def _choose(self, document: Document, numbers: Sequence[int]) -> None:
        sha256 = document.content.sha256
        present = self._present(sha256)
        unwanted = {image.content.sha256 for page, image in present if page not in numbers}
        there = {page for page, _ in present}
        for asked, page in self._asked:
            if asked == sha256:
                there.add(page)
                self._asked[asked, page] = page in numbers
        for number in numbers:
            if number not in there:
                self._asked[sha256, number] = True
                name = texts.pictures.page_name(Path(document.name).name, number)
                self._reader.read(PastedImage(name, _writer(document, number), number, sha256))
        if unwanted:
            images = [image for image in self._session.images if image.content.sha256 not in unwanted]
            self._session.set_images(images)

    def _ask_each(self, asks_each: bool) -> None:
        if asks_each != self._session.asks_each_page:
            self._session.ask_each_page(asks_each)

    def _present(self, sha256: str) -> list[tuple[int, Attachment]]:
        return [
            (image.page, image) for image in self._session.images if image.document == sha256 and image.page is not None
        ]

    def _show_page(self, document: Document, number: int) -> None:
        for page, image in self._present(document.content.sha256):
            if page == number:
                self._pane.look_at(image)

    def _forget_failed(self) -> None:
        if not self._reader.unread:  # an error does not say of which page it is, but then no page is being drawn
            self._asked.clear()
            self.follow()


def _writer(document: Document, number: int) -> Callable[[Path], None]:
    return lambda out: write_page(document, number, out)

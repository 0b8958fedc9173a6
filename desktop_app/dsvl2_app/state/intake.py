"""Where images come in: their contents are kept, then they are decoded, away from the thread that shows them."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from dsvl2_app.state import picture_memory
from dsvl2_app.state.decoding import small_version
from dsvl2_app.state.document import Document, LockedDocument, opened_document
from dsvl2_app.state.turn import Attachment
from dsvl2_runtime.engine.image_store import ImageStore, KeptImage, delete_abandoned, open_store
from dsvl2_runtime.engine.wire_error import WireError, wire_error
from dsvl2_runtime.errors import ImageError
from dsvl2_runtime.inputs.images import ImageBytes

THUMBNAIL = 176
"""Longest side in pixels."""


@dataclass(frozen=True, slots=True)
class PastedImage:
    """An image that has no file yet; writing one takes seconds, so that is done by the thread too."""

    name: str
    write: Callable[[Path], None]
    """Writes an image file to the path that it is given."""
    page: int | None = None
    """If it is a page of a document, its number from 1."""
    document: str | None = None
    """And the hash of the document's content."""


@dataclass(frozen=True, slots=True)
class Unlocking:
    """A document that was added before, with what the user takes for its password."""

    document: LockedDocument
    password: str = field(repr=False)


Source = Path | ImageBytes | PastedImage | Unlocking
Result = Attachment | Document | LockedDocument | WireError
"""Of one source: the image, the document whose pages are images, that it needs a password, or why there is neither."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A source whose content is kept."""

    source: Source
    content: KeptImage


class Intake:
    """Two threads that take in images.

    One keeps their contents as soon as they are added, because a file may vanish or change while others are decoded,
    which takes seconds. The other decodes them, one after the other, so that they stay in their order and never fill
    the memory together.
    """

    def __init__(self, on_result: Callable[[Result], None]) -> None:
        self._on_result = on_result
        """Called on the decoding thread, once for each source, in their order."""
        picture_memory.keep_blocks()
        self._closed = False
        self._sources: queue.SimpleQueue[Source | None] = queue.SimpleQueue()
        self._kept: queue.SimpleQueue[Kept | WireError | None] = queue.SimpleQueue()
        self._decoder = threading.Thread(target=self._decode_all, name="decode images", daemon=True)
        self._keeper = threading.Thread(target=self._keep_all, name="keep images", daemon=True)
        self._decoder.start()
        self._keeper.start()

    def add(self, source: Source) -> None:
        """Take in one more image."""
        self._sources.put(source)

    def close(self) -> None:
        """Give up what waits, and return without waiting; the threads end after the images that they work on."""
        self._closed = True
        self._sources.put(None)

    def wait_until_gone(self, seconds: float) -> None:
        """Wait until the contents are deleted; for a program that shows nothing more."""
        self._keeper.join(seconds)

    def _keep_all(self) -> None:
        delete_abandoned()
        with ExitStack() as stack:
            store: ImageStore | None = None
            while (source := self._sources.get()) is not None and not self._closed:
                try:
                    store = store or stack.enter_context(open_store())
                    self._kept.put(Kept(source, _keep(store, source)))
                except Exception as error:  # the window must hear of it: a question waits for its images
                    self._kept.put(wire_error(error))
            self._kept.put(None)
            self._decoder.join()  # it reads what is deleted next

    def _decode_all(self) -> None:
        while (kept := self._kept.get()) is not None:
            if not self._closed:
                self._on_result(kept if isinstance(kept, WireError) else _decoded(kept))
            picture_memory.give_back()


def _name(source: Source) -> str:
    if isinstance(source, Unlocking):
        return source.document.name
    return str(source) if isinstance(source, Path) else source.name


def _keep(store: ImageStore, source: Source) -> KeptImage:
    if isinstance(source, PastedImage):
        return store.keep_written(source.write)
    if isinstance(source, Unlocking):
        return source.document.content
    if isinstance(source, Path) and source.is_dir():
        raise ImageError(str(source), "it is a folder", "open it and choose the pictures that you want to ask about")
    return store.keep(source)


def _decoded(kept: Kept) -> Result:
    name, content = _name(kept.source), kept.content
    page = kept.source.page if isinstance(kept.source, PastedImage) else None
    document = kept.source.document if isinstance(kept.source, PastedImage) else None
    password = kept.source.password if isinstance(kept.source, Unlocking) else None
    try:
        opened = opened_document(name, content, password)
        if opened is not None:
            return opened
        small = small_version(content.path, THUMBNAIL)
        return Attachment(name, content, small.size, small.image, page, document)
    except ImageError as error:
        return wire_error(ImageError(name, error.found, error.advice))
    except Exception as error:  # as above
        return wire_error(error)

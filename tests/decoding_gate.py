"""Images that are decoded only when a test allows it."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from dsvl2_app.state import thumbnail
from dsvl2_runtime.inputs.images import DecodedImage, decode_image
from waiting import PATIENCE


class Gate:
    """Holds up decoding until it is opened."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.reached = threading.Event()
        """An image is being decoded."""
        self._opened = threading.Event()
        monkeypatch.setattr(thumbnail, "decode_image", self._decode)

    def open(self) -> None:
        """Let all images pass."""
        self._opened.set()

    def _decode(self, path: Path) -> DecodedImage:
        self.reached.set()
        assert self._opened.wait(PATIENCE)
        return decode_image(path)

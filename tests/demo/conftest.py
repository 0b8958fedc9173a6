"""What the tests of the demonstration model have in common: one thread, and the same typefaces on every machine."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from dsvl2_demo.pages import fonts

# Tests run side by side, and networks this small gain nothing from a second thread.
torch.set_num_threads(1)


@pytest.fixture(autouse=True, scope="module")
def shipped_faces_only() -> Iterator[None]:
    """Draw with the typefaces of this repository, whatever is installed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fonts, "font_folders", lambda: (fonts.SHIPPED_FACES,))
        yield

"""The memory of decoded pictures, given back a little at a time.

Pillow frees a picture in one go while it holds Python's interpreter: 14 ms for 48 million pixels, in which the window
waits. So its blocks of 16 MiB are kept when a picture goes, and are freed one by one.
"""

from __future__ import annotations

import time

from PIL import _imaging

MOST_BLOCKS = 24
"""That are kept: two pictures of 48 million pixels."""
PAUSE_SECONDS = 0.001
"""Between two blocks, in which others can have the interpreter."""


def keep_blocks() -> None:
    """Let pictures that go leave their blocks; whoever decodes calls `give_back` then."""
    _imaging.set_blocks_max(MOST_BLOCKS)


def kept_blocks() -> int:
    """How many blocks belong to no picture."""
    return int(_imaging.get_stats()["blocks_cached"])


def give_back() -> None:
    """Free the blocks that are kept."""
    while kept := kept_blocks():
        _imaging.clear_cache(kept - 1)
        time.sleep(PAUSE_SECONDS)

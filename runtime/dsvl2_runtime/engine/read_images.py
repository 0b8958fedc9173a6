"""Images of a conversation as they were read, so that a question that goes on from it does not decode them again."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from dsvl2_runtime.config import ModelConfig
from dsvl2_runtime.engine.prompt_parts import ImagePart
from dsvl2_runtime.errors import ImageError
from dsvl2_runtime.inputs.processor import ReadImage, read_image
from dsvl2_runtime.inputs.tiling import is_tiled
from dsvl2_runtime.machine.files import sha256

MOST_BYTES = 64_000_000
"""Of tiles that are kept; an image has 4.4 MB at most."""


class ReadImages:
    """The images that were read last, by the hash that their client gave; others are read anew each time."""

    def __init__(self, config: ModelConfig, most_bytes: int = MOST_BYTES, threads: int = 1) -> None:
        self._config, self._most_bytes, self._threads = config, most_bytes, threads
        self._kept: OrderedDict[tuple[str, bool], ReadImage] = OrderedDict()

    def read(self, parts: list[ImagePart], before_each: Callable[[int], None] = lambda number: None) -> list[ReadImage]:
        """The images of one prompt.

        Args:
            parts: in the order of their places.
            before_each: called with the number of an image, from 0, before it is decoded.

        Raises:
            ImageError: an image cannot be read, or its bytes are not those that its client kept.
        """
        return [self._one(part, number, len(parts), before_each) for number, part in enumerate(parts)]

    def _one(self, part: ImagePart, number: int, total: int, before_each: Callable[[int], None]) -> ReadImage:
        if part.sha256 is not None:
            # What was cut into tiles serves as one tile as well, since the global view comes first.
            for key in ((part.sha256, True), (part.sha256, is_tiled(total))):
                if key in self._kept:
                    self._kept.move_to_end(key)
                    return replace(self._kept[key], source=part.path)  # the file may lie elsewhere by now
        before_each(number)
        require_content(part)
        image = read_image(part.path, self._config, total, threads=self._threads)
        if part.sha256 is not None:
            self._kept[part.sha256, is_tiled(total)] = image
            while sum(kept.tiles.nbytes for kept in self._kept.values()) > self._most_bytes:
                self._kept.popitem(last=False)
        return image


def require_content(image: ImagePart) -> None:
    """Refuse a file that is no longer what the client kept; one that is not there is refused on opening.

    Raises:
        ImageError: its bytes are others.
    """
    path = Path(image.path)
    if image.sha256 is not None and path.is_file() and sha256(path) != image.sha256:
        raise ImageError(image.path, "its content is not what was added", "add it again")

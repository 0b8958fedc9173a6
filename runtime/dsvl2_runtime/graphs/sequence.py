"""One conversation as the decoder has read it: the state that a run over the graphs continues."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Sequence as Items
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from dsvl2_runtime.errors import BusyError
from dsvl2_runtime.graphs.graph_io import CacheTensor


@dataclass(frozen=True, slots=True)
class ImageSpan:
    """The positions that one image takes, and which features stand there."""

    start: int
    stop: int
    sha256: str
    """Of the image's content, as `ImageInput.sha256`."""
    tiles: tuple[int, int]
    """(wide, high): the same content in another tiling has other features."""


class Cache(Protocol):
    """The rows of one sequence, wherever they lie."""

    length: int
    """How many are valid."""

    @property
    def context_tokens(self) -> int:
        """Positions that there is room for."""

    @property
    def tensors(self) -> tuple[CacheTensor, ...]:
        """What is cached."""

    @property
    def nbytes(self) -> int:
        """Bytes at full context."""

    def rows(self, length: int) -> Iterator[NDArray[Any]]:
        """The first rows of each tensor, [length, row], to be read."""

    def put(self, index: int, rows: NDArray[np.floating]) -> None:
        """Set the first rows of one tensor, [length, row]; `advance` counts them when all are set."""

    def advance(self, seq: int) -> None:
        """Count `seq` rows that have just been written as valid."""

    def truncate(self, length: int) -> None:
        """Forget all rows from `length` on.

        Raises:
            UsageError: there are not so many valid rows.
        """


class RemoteLogits(Protocol):
    """Logits [vocab] of one position on another device, which are copied when NumPy wants them."""

    def __len__(self) -> int: ...

    def argmax(self) -> Any:
        """The id of the highest; the first of several."""

    def known_logprob(self, token_id: int) -> float | None:
        """Natural logarithm of a token's probability, where the device has computed it; None where it has not."""

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]: ...


Logits = NDArray[np.float32] | RemoteLogits


class Sequence:
    """Owns the token ids of one sequence, its images, its cache and its logits.

    A model works on any number of sequences; each keeps its own state, so an answer that is left unfinished disturbs no
    other. `token_ids` may be ahead of the cache: the rows of the first `cache.length` positions are there, and the
    others are still to be read.
    """

    def __init__(self, cache: Cache, logits: Logits) -> None:
        self.cache = cache
        self.token_ids: list[int] = []
        self.images: tuple[ImageSpan, ...] = ()
        self.logits: Any = logits
        """`Logits` [vocab] float32, of the last position that was read; the decoder writes them in place."""
        self.reused = 0
        """Positions of the prompt whose rows were there when it was taken."""
        self._run = 0

    def begin_run(self) -> int:
        """Take the sequence for one answer; an older answer that was left unfinished loses it.

        Returns:
            A number for `require_run`.
        """
        self._run += 1
        self.reused = 0
        return self._run

    def require_run(self, run: int) -> None:
        """Refuse to continue an answer whose sequence has been taken by a newer one.

        Raises:
            BusyError: it has.
        """
        if run != self._run:
            raise BusyError("a newer answer has taken this sequence; ask the older question again, in its own sequence")

    def take_prompt(self, input_ids: NDArray[np.int64], images: Items[ImageSpan]) -> int:
        """Make a prompt the content of this sequence and keep the rows that both have in common.

        Args:
            input_ids: [seq] int64, the whole prompt.
            images: the spans of its images, in order.

        Returns:
            The number of positions whose rows are kept; at least one is left to be read, since only a run gives logits.
        """
        kept = min(self.cache.length, len(self.token_ids), len(input_ids) - 1)
        differing = np.flatnonzero(input_ids[:kept] != np.array(self.token_ids[:kept], np.int64))
        if len(differing):
            kept = int(differing[0])
        mine = set(self.images)
        for image in images:
            # All image tokens have one id, so equal ids do not mean equal images; and no image is read in part.
            if image.start < kept and (image not in mine or image.stop > kept):
                kept = image.start
        self.cache.truncate(max(kept, 0))
        self.token_ids = input_ids.tolist()
        self.images = tuple(images)
        self.reused = self.cache.length
        return self.reused

    def append(self, token_id: int) -> None:
        """Add a token of the answer, which the next run reads."""
        self.token_ids.append(token_id)

    def truncate(self, length: int) -> None:
        """Forget all positions from `length` on, and the images that reach beyond it."""
        self.cache.truncate(min(length, self.cache.length))
        del self.token_ids[length:]
        self.images = tuple(image for image in self.images if image.stop <= length)

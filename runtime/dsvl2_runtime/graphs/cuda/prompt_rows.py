"""What the decoder reads, before any of it is on the GPU: ids, and which rows of features stand in their places."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class PromptRows:
    """Positions of a prompt, or one of an answer."""

    input_ids: NDArray[np.int64]
    """[seq]."""
    images_seq_mask: NDArray[np.bool_]
    """[seq]."""
    feature_ids: NDArray[np.int64]
    """[seq]: rows of the store of features; 0 where none stands."""

    def __len__(self) -> int:
        return len(self.input_ids)

    def part(self, start: int, stop: int) -> PromptRows:
        """Some of the positions."""
        cut = slice(start, stop)
        return PromptRows(self.input_ids[cut], self.images_seq_mask[cut], self.feature_ids[cut])

    def filled(self, length: int) -> PromptRows:
        """With positions behind the last one that nobody will read."""
        more = max(0, length - len(self))
        arrays = (self.input_ids, self.images_seq_mask, self.feature_ids)
        return PromptRows(*(np.concatenate([array, np.zeros(more, array.dtype)]) for array in arrays))


class PromptEmbedding:
    """Stands where the CPU has a graph: the graphs of this target look up the rows of the table themselves."""

    def tokens(self, input_ids: NDArray[np.int64]) -> PromptRows:
        """Of text alone, [seq] int64."""
        zeros = np.zeros(len(input_ids), np.int64)
        return PromptRows(np.asarray(input_ids, np.int64), zeros.astype(np.bool_), zeros)

    def prompt(
        self,
        input_ids: NDArray[np.int64],
        images_seq_mask: NDArray[np.bool_],
        image_features: Sequence[NDArray[np.int64]],
    ) -> PromptRows:
        """Of a prompt.

        Args:
            input_ids: [seq] int64.
            images_seq_mask: [seq] bool.
            image_features: of each image [num_image_tokens] rows of the store, in order.
        """
        feature_ids = np.zeros(len(input_ids), np.int64)
        if image_features:
            feature_ids[images_seq_mask] = np.concatenate(image_features)
        return PromptRows(np.asarray(input_ids, np.int64), images_seq_mask, feature_ids)

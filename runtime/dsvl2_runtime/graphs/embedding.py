"""Token ids to embedding rows, with the image features in their places."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dsvl2_runtime.config import LanguageConfig
from dsvl2_runtime.graphs import graph_io
from dsvl2_runtime.graphs.session import open_session, run_graph
from dsvl2_runtime.progress import UNWATCHED, Watch


class Embedding:
    """Owns the session of `embed_tokens`."""

    def __init__(self, path: Path, config: LanguageConfig, watch: Watch = UNWATCHED) -> None:
        inputs, outputs = {graph_io.INPUT_IDS: (None, None)}, {graph_io.INPUTS_EMBEDS: (None, None, config.hidden_size)}
        self._session = open_session(path, inputs, outputs, 1, watch)

    def tokens(self, input_ids: NDArray[np.int64]) -> NDArray[np.float32]:
        """Rows of the embedding table: [seq] int64 -> [1, seq, hidden] float32."""
        feeds = {graph_io.INPUT_IDS: input_ids[None]}
        rows: NDArray[np.float32] = run_graph(self._session, [graph_io.INPUTS_EMBEDS], feeds)[0]
        return rows

    def prompt(
        self,
        input_ids: NDArray[np.int64],
        images_seq_mask: NDArray[np.bool_],
        image_features: Sequence[NDArray[np.float32]],
    ) -> NDArray[np.float32]:
        """Rows of a prompt, those under the mask replaced by image features in order.

        Args:
            input_ids: [seq] int64.
            images_seq_mask: [seq] bool.
            image_features: of each image [num_image_tokens, hidden] float32, in order.

        Returns:
            [1, seq, hidden] float32.
        """
        rows = self.tokens(input_ids)  # [1, seq, hidden]
        if image_features:
            rows[0, images_seq_mask] = np.concatenate(image_features)  # [num_image_tokens of all images, hidden]
        return rows

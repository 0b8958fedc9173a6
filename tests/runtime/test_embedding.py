"""Token ids to rows, with image features in their places."""

from __future__ import annotations

import numpy as np
import pytest

from dsvl2_runtime import load_model
from dsvl2_runtime.graphs.embedding import Embedding
from small_models import MakeBundle, MakeCheckpoint, small_config

IDS = np.array([3, 1, 1, 1, 9, 1, 4], np.int64)
HIDDEN = small_config("small").language_config.hidden_size


@pytest.fixture(scope="module")
def embedding(bundle: MakeBundle) -> Embedding:
    found = load_model(bundle("small", "fp32"), threads=1).components.embedding
    assert isinstance(found, Embedding)
    return found


def test_rows_are_those_of_the_table(embedding: Embedding, checkpoint: MakeCheckpoint) -> None:
    """Of the checkpoint's, which is stored in bfloat16 and read back without loss."""
    from dsvl2_export.checkpoint.checkpoint import Checkpoint

    table = Checkpoint.open(checkpoint("small")).array("language.model.embed_tokens.weight")
    np.testing.assert_array_equal(embedding.tokens(IDS), table[IDS][None])


def test_image_features_take_their_places_in_order(embedding: Embedding) -> None:
    """Three tokens of one image and one of the next; everything else is as it was."""
    mask = np.array([0, 1, 1, 1, 0, 1, 0], bool)
    features = [np.arange(rows * HIDDEN, dtype=np.float32).reshape(rows, HIDDEN) + 100 * rows for rows in (3, 1)]
    found = embedding.prompt(IDS, mask, features)
    np.testing.assert_array_equal(found[0, 1:4], features[0])
    np.testing.assert_array_equal(found[0, 5:6], features[1])
    np.testing.assert_array_equal(found[0, ~mask], embedding.tokens(IDS)[0, ~mask])


def test_a_prompt_without_images_is_its_tokens(embedding: Embedding) -> None:
    """Also where a part of a prompt with images is read that has none."""
    found = embedding.prompt(IDS, np.zeros(len(IDS), bool), [])
    np.testing.assert_array_equal(found, embedding.tokens(IDS))

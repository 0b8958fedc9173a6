"""What a sequence keeps of one prompt for the next."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsvl2_runtime.errors import BusyError
from dsvl2_runtime.graphs.graph_io import cache_tensors
from dsvl2_runtime.graphs.kv_cache import KVCache
from dsvl2_runtime.graphs.sequence import ImageSpan, Sequence
from small_models import small_config

IMAGE_ID = 1
CONTEXT = 64


def sequence_of(ids: list[int], *images: ImageSpan, read: int | None = None) -> Sequence:
    """A sequence whose first `read` positions have rows, by default all of them."""
    sequence = Sequence(
        KVCache(cache_tensors(small_config("small").language_config), CONTEXT), np.zeros(640, np.float32)
    )
    sequence.take_prompt(np.array(ids, np.int64), images)
    sequence.cache.advance(len(ids) if read is None else read)
    return sequence


def image(start: int, stop: int, content: str = "a", tiles: tuple[int, int] = (1, 1)) -> ImageSpan:
    return ImageSpan(start, stop, content * 64, tiles)


@given(
    st.lists(st.integers(2, 4), max_size=8),
    st.lists(st.integers(2, 4), min_size=1, max_size=8),
    st.integers(0, 8),
)
def test_the_common_beginning_is_kept(old: list[int], new: list[int], read: int) -> None:
    """As far as it was read, but for the last position of the prompt, whose logits are wanted."""
    sequence = sequence_of(old, read=min(read, len(old)))
    kept = sequence.take_prompt(np.array(new, np.int64), ())
    common = next((at for at, (one, other) in enumerate(zip(old, new, strict=False)) if one != other), len(old))
    assert kept == sequence.cache.length == min(common, read, len(old), len(new) - 1)
    assert sequence.token_ids == new


PROMPT = [0, IMAGE_ID, IMAGE_ID, IMAGE_ID, 5, 6, 7]


@pytest.mark.parametrize(
    ("other", "kept"),
    [
        (image(1, 4), 6),
        (image(1, 4, "b"), 1),
        (image(1, 4, tiles=(2, 1)), 1),
    ],
    ids=["the same", "another content", "another tiling"],
)
def test_an_image_is_kept_only_as_the_same_image(other: ImageSpan, kept: int) -> None:
    """All image tokens have the same id, so the ids alone would say that any image is the same."""
    sequence = sequence_of(PROMPT, image(1, 4))
    assert sequence.take_prompt(np.array(PROMPT, np.int64), [other]) == kept
    assert sequence.images == (other,)


def test_an_image_is_not_kept_in_part() -> None:
    """One that was read by half when its answer was stopped is read again from its first token."""
    sequence = sequence_of(PROMPT, image(1, 4), read=3)
    assert sequence.take_prompt(np.array(PROMPT, np.int64), [image(1, 4)]) == 1


def test_a_text_in_the_place_of_an_image_ends_what_is_kept() -> None:
    """And an image in the place of a text."""
    text = np.array([0, 9, 9, 9, 5, 6, 7], np.int64)
    sequence = sequence_of(PROMPT, image(1, 4))
    assert sequence.take_prompt(text, ()) == 1
    sequence.cache.advance(6)
    assert sequence.take_prompt(np.array(PROMPT, np.int64), [image(1, 4)]) == 1


def test_truncating_forgets_tokens_rows_and_images() -> None:
    """An image whose end is cut is gone; tokens that were not read yet are cut without a row."""
    sequence = sequence_of([0, IMAGE_ID, IMAGE_ID, 5, IMAGE_ID, IMAGE_ID, 6], image(1, 3), image(4, 6, "b"), read=4)
    sequence.truncate(5)
    assert (len(sequence.token_ids), sequence.cache.length, sequence.images) == (5, 4, (image(1, 3),))
    sequence.truncate(2)
    assert (sequence.token_ids, sequence.cache.length, sequence.images) == ([0, IMAGE_ID], 2, ())


def test_an_older_run_loses_the_sequence() -> None:
    """It is told so, instead of going on from a state that is not its own."""
    sequence = sequence_of([0])
    older = sequence.begin_run()
    sequence.require_run(older)
    newer = sequence.begin_run()
    sequence.require_run(newer)
    with pytest.raises(BusyError, match="a newer answer"):
        sequence.require_run(older)

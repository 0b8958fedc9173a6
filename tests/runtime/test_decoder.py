"""The decoder over sequences: each keeps its own state."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from dsvl2_runtime import VisionLanguageModel, load_model
from dsvl2_runtime.errors import GenerationError, SequenceFullError
from dsvl2_runtime.graphs import session as session_module
from dsvl2_runtime.graphs.decoder import Decoder
from dsvl2_runtime.progress import Stopped, Watch
from small_models import VARIANTS, MakeBundle
from tolerances import LOGITS_FP32

Embeds = Callable[[int, int], NDArray[np.float32]]
"""(seq, seed) -> [1, seq, hidden] float32, of about the size of embedding rows."""


@pytest.fixture(scope="module", params=VARIANTS)
def model(request: pytest.FixtureRequest, bundle: MakeBundle) -> VisionLanguageModel:
    return load_model(bundle(request.param, "fp32"), threads=1)


@pytest.fixture
def decoder(model: VisionLanguageModel) -> Decoder:
    decoder = model.components.decoder
    assert isinstance(decoder, Decoder)
    return decoder


@pytest.fixture
def embeds(model: VisionLanguageModel) -> Embeds:
    hidden = model.config.language_config.hidden_size
    return lambda seq, seed: np.random.default_rng(seed).standard_normal((1, seq, hidden), np.float32)


def test_sequences_do_not_disturb_each_other(decoder: Decoder, embeds: Embeds) -> None:
    """Two that are read in turn, step by step, give to the last bit what each gives alone."""
    alone = []
    for seed in (1, 2):
        sequence = decoder.new_sequence()
        alone.append([decoder.run(sequence, embeds(seq, seed)).copy() for seq in (9, 1, 1)])
    first, second = decoder.new_sequence(), decoder.new_sequence()
    for step, seq in enumerate((9, 1, 1)):
        one, other = decoder.run(first, embeds(seq, 1)), decoder.run(second, embeds(seq, 2))
        np.testing.assert_array_equal(one, alone[0][step])
        np.testing.assert_array_equal(other, alone[1][step])


def test_a_truncated_sequence_goes_on_as_if_it_had_been_no_longer(decoder: Decoder, embeds: Embeds) -> None:
    """To the last bit: nothing of the rows that were cut is read."""
    sequence = decoder.new_sequence()
    decoder.run(sequence, embeds(6, 1))
    expected = decoder.run(sequence, embeds(3, 2)).copy()
    decoder.run(sequence, embeds(5, 3))
    sequence.cache.truncate(6)
    np.testing.assert_array_equal(decoder.run(sequence, embeds(3, 2)), expected)


def test_chunks_do_not_change_the_logits(decoder: Decoder, embeds: Embeds) -> None:
    """Up to the order of float32 sums."""
    whole = decoder.prefill(decoder.new_sequence(), embeds(23, 1))
    for chunk in (1, 7, 22):
        found = decoder.prefill(decoder.new_sequence(), embeds(23, 1), chunk=chunk)
        assert np.abs(found - whole).max() <= LOGITS_FP32


def test_a_prefill_that_is_stopped_can_be_gone_on_with(decoder: Decoder, embeds: Embeds) -> None:
    """The chunks that were read count; the rest gives the logits of the whole."""
    whole = decoder.prefill(decoder.new_sequence(), embeds(20, 1), chunk=5).copy()
    sequence, answers = decoder.new_sequence(), iter([False, False, True])
    with pytest.raises(Stopped):
        decoder.prefill(sequence, embeds(20, 1), Watch(should_stop=answers.__next__), chunk=5)
    assert sequence.cache.length == 10
    np.testing.assert_array_equal(decoder.prefill(sequence, embeds(20, 1)[:, 10:], chunk=5), whole)


def test_a_stop_ends_a_chunk_that_runs(decoder: Decoder, embeds: Embeds, monkeypatch: pytest.MonkeyPatch) -> None:
    """A chunk of a large model takes seconds: ONNX Runtime leaves its graph, and the sequence is as it was before."""
    whole = decoder.prefill(decoder.new_sequence(), embeds(20, 1), chunk=10).copy()
    run, ends, is_asked = session_module.run_bound, list[Exception](), threading.Event()

    def slow(session: Any, binding: Any, options: Any) -> None:
        while is_asked.is_set() and not options.terminate:
            time.sleep(0.001)
        try:
            run(session, binding, options)
        except GenerationError as error:
            ends.append(error)
            raise

    monkeypatch.setattr(session_module, "run_bound", slow)
    watch = Watch(None, lambda: False)
    monkeypatch.setattr(session_module, "RUN_POLL_SECONDS", 0.001)
    sequence = decoder.new_sequence()
    decoder.prefill(sequence, embeds(20, 1)[:, :10], watch, chunk=10)
    answers = iter([False])
    is_asked.set()
    with pytest.raises(Stopped):
        decoder.prefill(sequence, embeds(20, 1)[:, 10:], Watch(should_stop=lambda: next(answers, True)), chunk=10)
    assert "terminate" in str(ends[0])
    assert sequence.cache.length == 10
    is_asked.clear()
    np.testing.assert_array_equal(decoder.prefill(sequence, embeds(20, 1)[:, 10:], watch, chunk=10), whole)


def test_a_full_sequence_takes_no_more(decoder: Decoder, embeds: Embeds) -> None:
    """And is as it was."""
    sequence = decoder.new_sequence()
    sequence.cache.advance(decoder.context_tokens - 1)
    with pytest.raises(SequenceFullError):
        decoder.run(sequence, embeds(2, 1))
    decoder.run(sequence, embeds(1, 1))
    assert sequence.cache.length == decoder.context_tokens


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_logits_that_are_not_finite_are_an_error(
    decoder: Decoder, embeds: Embeds, monkeypatch: pytest.MonkeyPatch, value: float
) -> None:
    """With the position; the rows of that run do not count."""
    sequence = decoder.new_sequence()
    decoder.run(sequence, embeds(3, 1))

    def run_bound(session: Any, binding: Any) -> None:
        sequence.logits[5] = value

    monkeypatch.setattr(session_module, "run_bound", run_bound)
    with pytest.raises(GenerationError, match="not finite at position 4"):
        decoder.run(sequence, embeds(2, 1))
    assert sequence.cache.length == 3

"""What a loaded model asks a GPU to do, counted: copies and their bytes, captured steps, sizes that are new."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from dsvl2_runtime import GenerationOptions, load_model
from dsvl2_runtime.graphs.cuda.cache import DeviceCache
from dsvl2_runtime.graphs.cuda.decoder import CudaDecoder
from dsvl2_runtime.graphs.gpu_memory import CACHE_SLOTS, GPU_CHUNK
from dsvl2_runtime.graphs.sequence import Sequence
from dsvl2_runtime.model import VisionLanguageModel
from small_models import VARIANTS, pictures
from standin_cuda.conftest import Load
from standin_cuda.launch_log import Event, LaunchLog, copies, kinds

QUESTION = "What is in the pictures?"
TO_GPU, FROM_GPU = "host-device", "device-host"
ID_AND_POSITION, RESULT = 16, 8
"""Bytes: two int64, two float32."""


def run(model: VisionLanguageModel, sequence: Sequence, ids: list[int]) -> None:
    model.components.decoder.run(sequence, model.components.embedding.tokens(np.array(ids)))


def only_repeats_a_graph(events: list[Event]) -> bool:
    """Whether nothing is computed but by launching a captured graph."""
    return {event.said for event in kinds(events, "launch", "captured")} == {"captured_graph"}


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_step_sends_an_id_and_a_position_and_gets_two_numbers(variant: str, on_gpu: Load, log: LaunchLog) -> None:
    """Each is one launch of the graph that was captured at load; the numbers are read once the stream has ended."""
    model = on_gpu(variant)
    sequence = model.new_sequence()
    run(model, sequence, [1, 2, 3])
    for token in range(5):
        mark = log.mark()
        run(model, sequence, [token])
        events = log.since(mark)
        assert copies(events, TO_GPU) == [ID_AND_POSITION]
        assert copies(events, FROM_GPU) == [RESULT]
        assert len(kinds(events, "graph")) == 1
        assert only_repeats_a_graph(events)
        assert not kinds(events, "capture", "allocate", "free", "refused")
        order = [event.kind for event in events if event.kind in ("graph", "synchronize") or FROM_GPU in event.said]
        assert order.index("graph") < len(order) - 2
        assert order[-2:] == ["synchronize", "copy"]


def test_steps_are_captured_at_load(gpu_bundle: Callable[[str], Path], log: LaunchLog) -> None:
    """One for each slot, without a copy from or to the computer and without anything that CUDA refuses then."""
    mark = log.mark()
    load_model(gpu_bundle("small"), threads=1, provider="cuda")
    events = log.since(mark)
    begun = [event for event in kinds(events, "capture") if event.said.startswith("begin")]
    ended = [event for event in kinds(events, "capture") if event.said.startswith("end")]
    assert len(begun) == len(ended) == CACHE_SLOTS
    inside = kinds(events, "captured-copy")
    assert not [event for event in inside if TO_GPU in event.said or FROM_GPU in event.said]
    assert len(kinds(events, "captured")) > 50
    assert not kinds(events, "refused")


def test_an_answer_of_the_likeliest_tokens_fetches_no_logits(small: VisionLanguageModel, log: LaunchLog) -> None:
    """Also where their probabilities are wanted. A temperature fetches them: all, once for each token."""
    inputs, vocab = small.prepare(QUESTION), small.config.language_config.vocab_size
    for options, fetched in (
        (GenerationOptions(max_new_tokens=6), 0),
        (GenerationOptions(max_new_tokens=6, logprobs=True), 0),
        (GenerationOptions(6, temperature=0.7, seed=1), 1),
        (GenerationOptions(6, temperature=0.7, seed=1, logprobs=True), 1),
    ):
        mark = log.mark()
        tokens = [chunk.token_id for chunk in small.answer(inputs, options) if chunk.token_id is not None]
        read = copies(log.since(mark), FROM_GPU)
        assert read.count(vocab * 4) == fetched * len(tokens)
        assert set(read) <= {RESULT, vocab * 4}
        assert len(tokens) > 1


def test_features_of_pictures_never_leave_the_gpu(small: VisionLanguageModel, log: LaunchLog) -> None:
    """Pixels go there; back come two numbers for each run of the prompt. A second question sends no pixels."""
    small.image_cache.clear()
    pixels = sum(part.nbytes for image in small.prepare(QUESTION, pictures(2)).images for part in (image.pixel_values,))
    sent = []
    for _ in range(2):
        mark = log.mark()
        small.next_token_logits(QUESTION, pictures(2))
        events = log.since(mark)
        sent.append(sum(copies(events, TO_GPU)))
        read = copies(events, FROM_GPU)
        assert set(read) == {RESULT, small.config.language_config.vocab_size * 4}  # this call wants the logits
    assert sent[0] > pixels > 0
    assert sent[1] < 100_000 < pixels


def test_rows_of_two_conversations_stay_and_those_of_a_third_wait_outside(
    small: VisionLanguageModel, log: LaunchLog
) -> None:
    """Two take turns without a row being copied; a third sends the one unused for longest to the computer's memory."""
    gc.collect()
    conversations = [small.new_sequence() for _ in range(CACHE_SLOTS + 1)]
    for sequence in conversations[:CACHE_SLOTS]:
        run(small, sequence, list(range(10)))
    mark = log.mark()
    for _ in range(3):
        for sequence in conversations[:CACHE_SLOTS]:
            run(small, sequence, [7])
    assert copies(log.since(mark), FROM_GPU) == [RESULT] * 3 * CACHE_SLOTS
    mark = log.mark()
    run(small, conversations[-1], list(range(10)))
    events = log.since(mark)
    left = conversations[0].cache
    assert isinstance(left, DeviceCache)
    assert left.slot is None
    rows = [13 * row_bytes for row_bytes in small.components.decoder._slots.layout.row_bytes]  # type: ignore[attr-defined]
    read = copies(events, FROM_GPU)
    assert [nbytes for nbytes in read if nbytes in rows] == rows
    assert sum(read) == sum(rows) + small.config.language_config.vocab_size * 4 + RESULT
    mark = log.mark()
    run(small, conversations[0], [7])
    assert [nbytes for nbytes in copies(log.since(mark), TO_GPU) if nbytes in rows] == rows


def test_no_size_is_met_for_the_first_time_in_the_middle(small: VisionLanguageModel, log: LaunchLog) -> None:
    """Prompts of every length and pictures of every number of tiles: no kernel is timed that was not timed at load."""
    decoder = small.components.decoder
    assert isinstance(decoder, CudaDecoder)
    mark = log.mark()
    for seq in (2, 3, 5, 33, 63, 64, 65, 100, 257, 511, 512, 513, 1025, 1415, 2047, 3000):
        decoder.prefill(small.new_sequence(), small.components.embedding.tokens(np.ones(seq, np.int64)))
    small.image_cache.clear()
    for count in range(1, 4):
        small.next_token_logits(QUESTION, pictures(count))
    assert not kinds(log.since(mark), "timed")


def test_sizes_are_tried_out_at_load(gpu_bundle: Callable[[str], Path], log: LaunchLog) -> None:
    """And a size that was not is timed when it is met, so the test above can fail."""
    mark = log.mark()
    model = load_model(gpu_bundle("small"), threads=1, provider="cuda")
    assert kinds(log.since(mark), "timed")
    assert isinstance(model.components.decoder, CudaDecoder)
    model.components.decoder.known_sizes = ()
    mark = log.mark()
    run(model, model.new_sequence(), [1] * 200)
    assert kinds(log.since(mark), "timed")


def test_a_tuned_model_reads_long_prompts_in_fewer_runs(gpu_bundle: Callable[[str], Path], log: LaunchLog) -> None:
    """No kernel is timed for them afterwards, whatever their length; to tune again finds nothing new."""
    model = load_model(gpu_bundle("small"), threads=1, provider="cuda")
    decoder, embedding = model.components.decoder, model.components.embedding
    lengths = (513, 1025, 1415, 2047, 2048, 3000)

    def results(length: int) -> int:
        mark = log.mark()
        decoder.prefill(model.new_sequence(), embedding.tokens(np.ones(length, np.int64)))
        events = log.since(mark)
        assert not kinds(events, "timed")
        return copies(events, FROM_GPU).count(RESULT)

    assert [results(length) for length in lengths] == [-(-length // 512) for length in lengths]
    mark = log.mark()
    model.tune()
    assert kinds(log.since(mark), "timed")
    assert [results(length) for length in lengths] == [-(-length // GPU_CHUNK) for length in lengths]
    mark = log.mark()
    model.tune()
    assert not log.since(mark)


def test_attention_needs_no_plan_for_a_new_length(small: VisionLanguageModel, log: LaunchLog) -> None:
    """cuDNN would build one for each length, of the past too, and for each thread; answers come from many threads."""
    small.image_cache.clear()
    mark = log.mark()

    def ask() -> None:
        sequence = small.new_sequence()
        for seq in (40, 41, 300):
            run(small, sequence, [1] * seq)
        small.next_token_logits(QUESTION, pictures(1))

    for _ in range(2):
        thread = threading.Thread(target=ask)
        thread.start()
        thread.join()
    events = log.since(mark)
    assert not kinds(events, "built")
    assert [event for event in kinds(events, "launch") if "flash_fwd" in event.said]

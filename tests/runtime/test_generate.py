"""Answers from a bundle: where they end, what they report, and that nothing is left behind."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsvl2_runtime import GenerationOptions, VisionLanguageModel, load_model
from dsvl2_runtime.answers.generate import StopText, TextChunk
from dsvl2_runtime.errors import ContextOverflowError, ImageError, UsageError
from dsvl2_runtime.inputs.prompt import locate
from dsvl2_runtime.inputs.tiling import Tiling
from dsvl2_runtime.progress import Progress, Watch
from small_models import MakeBundle, edit_manifest, pictures

QUESTION = "What is the total?"


@pytest.fixture(scope="module")
def model(bundle: MakeBundle) -> VisionLanguageModel:
    return load_model(bundle("small", "int4"), threads=1)


def answer(model: VisionLanguageModel, num_images: int = 0, **options: Any) -> list[TextChunk]:
    chosen = GenerationOptions(**{"max_new_tokens": 12, **options})
    return list(model.generate(QUESTION, pictures(num_images), chosen))


def ids(chunks: list[TextChunk]) -> list[int]:
    return [chunk.token_id for chunk in chunks if chunk.token_id is not None]


def test_a_greedy_answer_is_the_argmax_of_each_step(model: VisionLanguageModel) -> None:
    """Token by token what `next_token_logits` and the decoder say."""
    found = ids(answer(model, 1, max_new_tokens=5))
    sequence = model.new_sequence()
    logits = model.next_token_logits(QUESTION, pictures(1), sequence=sequence)
    for token in found:
        assert token == int(logits.argmax())
        embeds = model.components.embedding.tokens(np.array([token], np.int64))
        logits = model.components.decoder.run(sequence, embeds)


def test_an_answer_ends_at_its_longest(model: VisionLanguageModel) -> None:
    """One chunk per token, then one that says why."""
    chunks = answer(model, max_new_tokens=3)
    assert [chunk.finish_reason for chunk in chunks] == [None, None, None, "length"]
    assert chunks[-1].token_id is None


def test_an_answer_ends_at_the_end_token(model: VisionLanguageModel, monkeypatch: pytest.MonkeyPatch) -> None:
    """The end token itself is not part of the answer."""
    eos = model.components.tokenizer.eos_id
    plan = iter([70, 71, eos, 72])
    monkeypatch.setattr("dsvl2_runtime.answers.sampling.Sampler.next_id", lambda self, logits: next(plan))
    chunks = answer(model)
    assert ids(chunks) == [70, 71]
    assert chunks[-1].finish_reason == "stop"


def test_the_same_question_has_the_same_answer(model: VisionLanguageModel) -> None:
    """Nothing of the last answer stays in the cache; a seed repeats a sampled answer."""
    first, _, again = answer(model, 2), answer(model, 1), answer(model, 2)
    assert ids(first) == ids(again)
    sampled = [ids(answer(model, temperature=1.5, seed=seed)) for seed in (5, 5, 6)]
    assert sampled[0] == sampled[1] != sampled[2]


def test_an_answer_can_be_stopped_at_any_point(model: VisionLanguageModel) -> None:
    """In the picture, in the prompt, in the text: the reason is "cancelled" and the next answer is whole."""
    complete = ids(answer(model, 2))
    for limit in (0, 1, 3, 6, 9):
        answers = iter([False] * limit + [True])
        model.image_cache.clear()
        options = GenerationOptions(max_new_tokens=12)
        chunks = list(model.generate(QUESTION, pictures(2), options, Watch(should_stop=answers.__next__)))
        assert next(answers, None) is None  # it was asked so often, and not once more
        assert chunks[-1].finish_reason == "cancelled"
        assert ids(chunks) == complete[: len(ids(chunks))]
        assert ids(answer(model, 2)) == complete


def test_an_answer_ends_at_its_deadline(model: VisionLanguageModel, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the picture, before the prompt, in the text: what has come stays, and the reason is "timeout"."""
    complete = ids(answer(model, 2))
    tiles = len(model.prepare(QUESTION, pictures(2)).pixel_values)
    for passed, tokens in ((0, 0), (tiles, 0), (tiles + 1, 0), (tiles + 1 + 3, 3)):  # the prompt is one chunk
        clock = iter([0.0] * passed + [1.0])
        monkeypatch.setattr("dsvl2_runtime.progress.time", SimpleNamespace(monotonic=clock.__next__))
        model.image_cache.clear()
        chunks = list(model.generate(QUESTION, pictures(2), GenerationOptions(max_new_tokens=12), Watch(deadline=1.0)))
        assert chunks[-1].finish_reason == "timeout"
        assert ids(chunks) == complete[:tokens]


@pytest.mark.parametrize("chunk", [0, -1, 2.5, "7"])
def test_a_chunk_of_no_positions_is_refused(model: VisionLanguageModel, chunk: Any) -> None:
    """With the value that was given."""
    with pytest.raises(
        UsageError, match=re.escape(f"prefill_chunk is {chunk!r}; it must be a whole number, at least 1")
    ):
        model.next_token_logits(QUESTION, prefill_chunk=chunk)


def test_a_failing_question_frees_the_model(model: VisionLanguageModel) -> None:
    """A broken picture does not keep the lock."""
    with pytest.raises(ImageError):
        list(model.generate(QUESTION, ["nowhere.png"]))
    assert answer(model, max_new_tokens=1)


def test_progress_goes_through_the_phases(model: VisionLanguageModel) -> None:
    """Tiles, prompt tokens, answer tokens, each to its end, in this order."""
    told: list[Progress] = []
    model.image_cache.clear()
    inputs = model.prepare(QUESTION, pictures(2))
    list(model.generate(QUESTION, pictures(2), GenerationOptions(max_new_tokens=4), Watch(told.append)))
    order = list(dict.fromkeys(progress.phase for progress in told))
    assert order == ["vision", "prefill", "decode"]
    last = {progress.phase: progress for progress in told}
    assert last["vision"].done == last["vision"].total == len(inputs.pixel_values)
    assert last["prefill"].done == last["prefill"].total == len(inputs.input_ids)
    for phase in order:
        done = [progress.done for progress in told if progress.phase == phase]
        assert done == sorted(done)


def test_too_long_a_prompt_is_an_error_with_its_numbers(model: VisionLanguageModel) -> None:
    """The tokens it needs, those of pictures, and those there are."""
    context = model.config.language_config.max_position_embeddings
    with pytest.raises(ContextOverflowError) as caught:
        model.next_token_logits("word " * context, pictures(1))
    assert caught.value.context_tokens == context
    assert caught.value.prompt_tokens > context
    assert str(context) in str(caught.value)
    assert caught.value.image_tokens == Tiling(1, 1).token_count(model.config.cells)
    with pytest.raises(ContextOverflowError) as caught:  # by the tiles of its images alone
        words = (context - 100) // len(model.components.tokenizer.encode("word "))
        model.next_token_logits("word " * words, pictures(2))
    assert caught.value.image_tokens == model.prepare(QUESTION, pictures(2)).num_image_tokens


def test_an_answer_stops_at_the_end_of_the_context(folder: Path) -> None:
    """The last position can be used, none behind it."""
    edit_manifest(folder, lambda document: document["config"]["language_config"].update(max_position_embeddings=40))
    short = load_model(folder, threads=1)
    prompt = len(short.prepare(QUESTION).input_ids)
    assert prompt < 40
    chunks = list(short.generate(QUESTION, options=GenerationOptions(max_new_tokens=100)))
    assert len(ids(chunks)) <= 40 - prompt
    assert chunks[-1].finish_reason in ("length", "stop")
    if chunks[-1].finish_reason == "length":
        assert len(ids(chunks)) == 40 - prompt


def test_a_prompt_that_fills_the_context_leaves_no_place_for_an_answer(folder: Path) -> None:
    """One position less has an answer of one token; a longer answer that was asked for is cut to it."""
    prompt = len(load_model(folder, threads=1).prepare(QUESTION).input_ids)

    def with_context(positions: int) -> VisionLanguageModel:
        edit_manifest(
            folder, lambda document: document["config"]["language_config"].update(max_position_embeddings=positions)
        )
        return load_model(folder, threads=1)

    with pytest.raises(ContextOverflowError) as caught:
        with_context(prompt).prepare(QUESTION)
    assert (caught.value.prompt_tokens, caught.value.context_tokens) == (prompt, prompt)
    assert (caught.value.exit_code, caught.value.http_status) == (6, 422)
    chunks = list(with_context(prompt + 1).generate(QUESTION, options=GenerationOptions(max_new_tokens=100)))
    assert (len(ids(chunks)), chunks[-1].finish_reason) == (1, "length")


def test_a_request_for_a_place_is_another_prompt_than_its_letters(model: VisionLanguageModel) -> None:
    """Parts may hold special tokens, typed text never does."""
    asked = model.prepare(locate("Save"), pictures(1)).input_ids
    typed = model.prepare("<|ref|>Save<|/ref|>", pictures(1)).input_ids
    reference = model.components.tokenizer.special_id("<|ref|>")
    assert (asked == reference).sum() == 1
    assert (typed == reference).sum() == 0


@given(st.lists(st.text("abc", max_size=4), max_size=12), st.lists(st.text("abc", min_size=1, max_size=4), max_size=3))
def test_stop_texts_cut_a_stream_where_they_would_cut_the_whole(pieces: list[str], stops: list[str]) -> None:
    """However the text is cut into pieces, and nothing of a stop text is ever shown."""
    whole = "".join(pieces)
    ends = [whole.find(stop) for stop in stops if stop in whole]
    stream = StopText(tuple(stops))
    shown, stopped = "", False
    for piece in pieces:
        text, stopped = stream.push(piece)
        shown += text
        if stopped:
            break
    if not stopped:
        shown += stream.flush()
    assert stopped == bool(ends)
    if not ends:
        assert shown == whole
    else:
        # A longer stop text may begin earlier and end later than a shorter one, which is noticed first.
        assert whole.startswith(shown)
        assert len(shown) >= min(ends)
        assert not any(stop in shown for stop in stops)


def test_options_are_values(model: VisionLanguageModel) -> None:
    """They cannot change under a running answer."""
    with pytest.raises(dataclasses.FrozenInstanceError):
        GenerationOptions().seed = 3  # type: ignore[misc]


def test_one_stop_text_ends_an_answer_as_a_whole(model: VisionLanguageModel) -> None:
    """Not at its first letter."""
    whole = "".join(chunk.text for chunk in answer(model))
    start = next(at for at in range(1, len(whole) - 2) if whole.find(whole[at : at + 3]) == at > whole.find(whole[at]))
    chunks = answer(model, stop=whole[start : start + 3])
    assert "".join(chunk.text for chunk in chunks) == whole[:start]
    assert chunks[-1].finish_reason == "stop"

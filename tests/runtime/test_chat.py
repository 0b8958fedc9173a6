"""Conversations: what a follow-up computes, that this changes no token, and what stays after a stop or an error."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from conversations import NEXT, OPTIONS, QUESTION, THIRD, Counted, said, stopped_after, without_cache
from dsvl2_runtime import Chat, GenerationOptions, VisionLanguageModel, Watch, load_model
from dsvl2_runtime.answers.answer import answer_content
from dsvl2_runtime.answers.generate import read_prompt
from dsvl2_runtime.errors import BusyError, ImageError, UsageError
from dsvl2_runtime.inputs.prompt import Message, SpecialToken, locate
from dsvl2_runtime.inputs.tokenizer import StreamDecoder, Tokenizer
from dsvl2_runtime.progress import Progress
from small_models import FIGURE, VARIANTS, MakeBundle, pictures

INT8_ROWS = 0.005
"""Relative distance of the logits behind cached rows that were rounded to int8; measured 0.0011 to 0.0019."""


@pytest.fixture(scope="module")
def model(bundle: MakeBundle) -> VisionLanguageModel:
    """In fp32: see `conversations.without_cache`."""
    return load_model(bundle("small", "fp32"), threads=1)


@pytest.mark.parametrize("num_images", [0, 1, 2])
def test_a_follow_up_has_the_answer_that_it_has_without_the_cache(model: VisionLanguageModel, num_images: int) -> None:
    """Token for token, and neither a tile nor the first question is computed again."""
    images = pictures(num_images)
    chat, first, second = model.chat("Answer briefly."), Counted(), Counted()
    model.image_cache.clear()
    opening = chat.ask(QUESTION, images, OPTIONS, first.watch).read()
    assert first.positions == opening.usage.prompt_tokens
    assert opening.usage.cached_tokens == 0
    assert (first.tiles > 0) == (num_images > 0)
    expected = without_cache(model, chat, NEXT, images)
    answer = chat.ask(NEXT, (), OPTIONS, second.watch).read()
    assert answer.token_ids == expected
    assert second.tiles == 0
    assert second.positions == answer.usage.prompt_tokens - answer.usage.cached_tokens
    assert answer.usage.cached_tokens >= opening.usage.prompt_tokens
    assert answer.usage.image_tokens == opening.usage.image_tokens
    assert answer.usage.completion_tokens == len(answer.token_ids)


def test_the_shipped_model_goes_on_at_once(record_property: Any) -> None:
    """The answers of the two ways are equal, and the follow-up reads at most its own words and the last answer."""
    model = load_model("demo", threads=1)
    images: list[Image.Image] = [Image.open(Path(__file__).parents[2] / "examples/small_form.png")]
    chat, first, second = model.chat(), Counted(), Counted()
    start = time.perf_counter()
    opening = chat.ask("What is the name?", images, OPTIONS, first.watch, look_again=False)
    next(opening)
    opened = time.perf_counter() - start
    opening.read()
    own_words = len(model.prepare("What is the date?").input_ids) + len(opening.token_ids) + 1
    start = time.perf_counter()
    answer = chat.ask("What is the date?", (), OPTIONS, second.watch, look_again=False)
    next(answer)
    followed = time.perf_counter() - start
    answer.read()
    assert (second.tiles, first.tiles > 0) == (0, True)
    assert second.positions <= own_words
    assert first.positions + first.tiles > 10 * second.positions
    record_property(
        FIGURE,
        f"first token of the demo: {opened:.3f} s for {first.tiles} tiles and {first.positions} positions, then "
        f"{followed:.3f} s for {second.positions} positions ({opened / followed:.0f} times shorter)",
    )
    again = model.chat()
    again.ask("What is the name?", images, OPTIONS, look_again=False).read()
    assert answer.token_ids == without_cache(model, again, "What is the date?", images)


@pytest.mark.parametrize("num_images", [1, 2])
def test_a_conversation_goes_on_after_a_stop_in_any_phase(model: VisionLanguageModel, num_images: int) -> None:
    """In the first tile, in a later one, before the prompt, in the text; what had come of the answer stays."""
    images = pictures(num_images)
    tiles = sum(image.tiling.num_tiles for image in model.prepare(QUESTION, images).images)
    for checks in (0, 1, tiles, tiles + 1, tiles + 4):
        chat = model.chat()
        model.image_cache.clear()
        answer = chat.ask(QUESTION, images, OPTIONS, stopped_after(checks)).read()
        assert answer.finish_reason == "cancelled"
        begun = bool(answer.text.strip())
        assert begun == (checks == tiles + 4)
        assert chat.num_images == (num_images if begun else 0)
        if begun:
            assert said(chat.messages[-1]) == answer.text
        expected = without_cache(model, chat, NEXT, images)
        assert chat.ask(NEXT, () if begun else images, OPTIONS).read().token_ids == expected


def test_a_stop_between_two_prompt_chunks_keeps_what_was_read(
    model: VisionLanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """But for an image that was read in part; the answer is that without the stop."""
    monkeypatch.setattr("dsvl2_runtime.answers.generate.read_prompt", partial(read_prompt, chunk=24))
    images = pictures(2)
    inputs = model.prepare(QUESTION, images).images
    tiles = sum(image.tiling.num_tiles for image in inputs)
    expected = model.chat().ask(QUESTION, images, OPTIONS).read()
    chunks = -(-expected.usage.prompt_tokens // 24)
    assert chunks > 4
    for read in range(chunks):
        chat, counted = model.chat(), Counted()
        model.image_cache.clear()
        stopped = chat.ask(QUESTION, images, OPTIONS, stopped_after(tiles + read)).read()
        assert (stopped.finish_reason, stopped.text) == ("cancelled", "")
        answer = chat.ask(QUESTION, images, OPTIONS, counted.watch).read()
        assert answer.token_ids == expected.token_ids
        assert counted.tiles == 0
        assert counted.positions == answer.usage.prompt_tokens - answer.usage.cached_tokens
        assert answer.usage.cached_tokens <= read * 24
    assert answer.usage.cached_tokens > inputs[0].tiling.token_count(model.config.cells)


def test_a_stop_in_the_answer_to_a_follow_up_leaves_the_rest(model: VisionLanguageModel) -> None:
    """The images and the first question are still there, and are not computed again."""
    images = pictures(2)
    chat, counted = model.chat(), Counted()
    chat.ask(QUESTION, images, OPTIONS).read()
    for checks in (0, 1, 3):
        chat.ask(NEXT, (), OPTIONS, stopped_after(checks)).read()
    expected = without_cache(model, chat, THIRD, images)
    assert chat.ask(THIRD, (), OPTIONS, counted.watch).read().token_ids == expected
    assert counted.tiles == 0


def test_conversations_take_turns_without_spoiling_each_other(model: VisionLanguageModel) -> None:
    """One after the other, and token by token at the same time."""
    images = pictures(2)
    chat, other = model.chat(), model.chat()
    chat.ask(QUESTION, images[:1], OPTIONS).read()
    other.ask(THIRD, images[1:], OPTIONS).read()
    expected = without_cache(model, chat, NEXT, images[:1]), without_cache(model, other, QUESTION, images[1:])
    answers = chat.ask(NEXT, (), OPTIONS), other.ask(QUESTION, (), OPTIONS)
    for _ in zip(*answers, strict=False):
        pass
    found = tuple(answer.read().token_ids for answer in answers)
    assert found == expected


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_variant_goes_on_from_its_cache_and_from_a_file(bundle: MakeBundle, tmp_path: Path, variant: str) -> None:
    """Plain and latent attention keep other rows."""
    model, images = load_model(bundle(variant, "fp32"), threads=1), pictures(1)
    chat = model.chat()
    chat.ask(QUESTION, images, OPTIONS).read()
    chat.save(tmp_path / "talk")
    expected = without_cache(model, chat, NEXT, images)
    for talk in (chat, model.resume(tmp_path / "talk")):
        counted = Counted()
        answer = talk.ask(NEXT, (), OPTIONS, counted.watch).read()
        assert answer.token_ids == expected
        assert counted.positions == answer.usage.prompt_tokens - answer.usage.cached_tokens < 100


@pytest.mark.parametrize("num_images", [1, 2])
@pytest.mark.parametrize("row_type", ["float16", "float32"])
def test_a_resumed_conversation_goes_on_as_if_it_had_not_been_closed(
    bundle: MakeBundle, model: VisionLanguageModel, tmp_path: Path, num_images: int, row_type: Any
) -> None:
    """In another process's model; nothing of the first question is computed again."""
    images, counted = pictures(num_images), Counted()
    chat = model.chat("Be brief.")
    chat.ask(QUESTION, images, OPTIONS).read()
    chat.save(tmp_path / "talk", row_type)
    other = load_model(bundle("small", "fp32"), threads=1)
    resumed = other.resume(tmp_path / "talk")
    assert [message.role for message in resumed.messages] == ["system", "user", "assistant"]
    expected = without_cache(model, chat, NEXT, images)
    answer = resumed.ask(NEXT, (), OPTIONS, counted.watch).read()
    assert answer.token_ids == expected
    assert counted.tiles == 0
    assert counted.positions == answer.usage.prompt_tokens - answer.usage.cached_tokens < 100


@pytest.mark.parametrize("precision", ["int4", "int8", "fp32"])
@pytest.mark.parametrize("variant", VARIANTS)
def test_float32_rows_in_a_file_change_no_bit(bundle: MakeBundle, tmp_path: Path, variant: str, precision: str) -> None:
    """Whatever the weights are stored as, the closed conversation and the one that stayed open compute the same."""
    folder = bundle(variant, precision)
    chat = load_model(folder, threads=1).chat("Be brief.")
    chat.ask(QUESTION, pictures(2), OPTIONS).read()
    chat.save(tmp_path / "talk", "float32")
    resumed = load_model(folder, threads=1).resume(tmp_path / "talk")
    answers = [talk.ask(NEXT, (), OPTIONS).read().token_ids for talk in (chat, resumed)]
    assert answers[0] == answers[1]
    opened, closed = chat._sequences.first, resumed._sequences.first
    assert opened.cache.length == closed.cache.length > opened.reused > 0
    for rows, same in zip(opened.cache.rows(opened.cache.length), closed.cache.rows(closed.cache.length), strict=True):
        assert np.array_equal(rows, same)
    assert np.array_equal(opened.logits, closed.logits)


@pytest.mark.parametrize("variant", VARIANTS)
def test_int8_rows_in_a_file_change_the_logits_a_little(
    bundle: MakeBundle, tmp_path: Path, variant: str, record_property: Any
) -> None:
    """So that an answer may differ where two tokens are about as likely; nothing of the first question is computed."""
    model, counted = load_model(bundle(variant, "fp32"), threads=1), Counted()
    chat = model.chat("Be brief.")
    chat.ask(QUESTION, pictures(2), OPTIONS).read()
    chat.save(tmp_path / "talk", "int8")
    resumed = model.resume(tmp_path / "talk")
    one = GenerationOptions(max_new_tokens=1)
    chat.ask(NEXT, (), one).read()
    usage = resumed.ask(NEXT, (), one, counted.watch).read().usage
    assert counted.tiles == 0
    assert counted.positions == usage.prompt_tokens - usage.cached_tokens < 100
    expected, found = chat._sequences.first.logits, resumed._sequences.first.logits
    difference = float(np.linalg.norm(found - expected) / np.linalg.norm(expected))
    record_property(FIGURE, f"{variant}: logits behind int8 rows of a file differ by {difference:.4f}")
    assert 0 < difference < INT8_ROWS


def test_a_question_that_fails_is_taken_back(model: VisionLanguageModel, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the answer, or in the middle of it."""
    chat = model.chat()
    chat.ask(QUESTION, pictures(1), OPTIONS).read()
    before = chat.messages
    with pytest.raises(ImageError):
        chat.ask(NEXT, ["nowhere.png"], OPTIONS)
    with pytest.raises(UsageError):
        chat.ask(" ", (), OPTIONS)
    answer = chat.ask(NEXT, (), OPTIONS)
    next(answer)
    with monkeypatch.context() as patch:
        patch.setattr(model.components.embedding, "tokens", lambda ids: np.full((1, 1, 80), np.nan, np.float32))
        with pytest.raises(RuntimeError):
            answer.read()
    assert chat.messages == before
    assert chat.ask(NEXT, (), OPTIONS).read().token_ids == without_cache_after(model, chat, before)


def without_cache_after(model: VisionLanguageModel, chat: Chat, messages: tuple[Message, ...]) -> list[int]:
    chunks = list(model.generate([*messages, Message("user", NEXT)], pictures(1), OPTIONS))
    return [chunk.token_id for chunk in chunks if chunk.token_id is not None]


def test_an_answer_that_nobody_reads_to_its_end(model: VisionLanguageModel) -> None:
    """Is ended by the next question and stays as far as it came; one that was not begun was not asked."""
    chat = model.chat()
    chat.ask(QUESTION, (), OPTIONS)
    assert not chat.messages
    answer = chat.ask(QUESTION, pictures(1), OPTIONS)
    while not answer.text.strip():
        next(answer)
    expected_text = answer.text
    following = chat.ask(NEXT, (), OPTIONS).read()
    assert said(chat.messages[1]) == expected_text
    assert next(answer, None) is None
    assert following.finish_reason in ("stop", "length")


def test_an_answer_that_another_thread_reads_is_not_ended(model: VisionLanguageModel) -> None:
    """A question from a callback of the running answer stands for it: it is refused."""
    chat, refused = model.chat(), []

    def ask_again(progress: Progress) -> None:
        with pytest.raises(BusyError, match="another thread"):
            chat.ask(NEXT)
        refused.append(progress)

    answer = chat.ask(QUESTION, (), OPTIONS, Watch(ask_again)).read()
    assert refused
    assert said(chat.messages[-1]) == answer.text


def test_clearing_keeps_the_system_message_alone(model: VisionLanguageModel) -> None:
    chat = model.chat("Be brief.")
    chat.ask(QUESTION, pictures(1), OPTIONS).read()
    chat.clear()
    assert chat.messages == (Message("system", "Be brief."),)
    assert chat.ask(NEXT, (), OPTIONS).read().usage.image_tokens == 0


def test_special_tokens_of_an_answer_are_special_in_the_history(
    model: VisionLanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the model wrote them; those that belong to the prompt stay words. A stop text cuts what follows it."""
    tokenizer = model.components.tokenizer
    special = [tokenizer.special_id(name) for name in ("<|ref|>", "<|/ref|>", "<|det|>", "<|/det|>", "<|User|>")]
    ref, ref_end, det, det_end, user = special
    word = tokenizer.encode("Save")
    plan = [ref, *word, ref_end, det, *word, det_end, user, tokenizer.eos_id]
    steps = iter(plan * 2)
    monkeypatch.setattr("dsvl2_runtime.answers.sampling.Sampler.next_id", lambda self, logits: next(steps))
    chat = model.chat()
    chat.ask(locate("Save"), pictures(1), GenerationOptions(max_new_tokens=40)).read()
    tokens = [SpecialToken(name) for name in ("<|ref|>", "<|/ref|>", "<|det|>", "<|/det|>")]
    assert chat.messages[-1].content == [tokens[0], "Save", tokens[1], tokens[2], "Save", tokens[3], "<|User|>"]
    ids = model.prepare([*chat.messages, Message("user", NEXT)], pictures(1)).input_ids.tolist()
    assert [ids.count(token) for token in special] == [2, 2, 1, 1, 2]
    cut = model.chat()
    cut.ask(QUESTION, (), GenerationOptions(max_new_tokens=40, stop="ve<|/ref|>")).read()
    assert cut.messages[-1].content == [tokens[0], "Sa"]


@given(st.lists(st.integers(0, 639), max_size=12), st.integers(0, 60))
def test_an_answer_in_the_history_reads_as_it_was_shown(tokenizer: Tokenizer, token_ids: list[int], cut: int) -> None:
    """Whatever tokens it has, characters that are incomplete among them, and wherever a stop text cut it."""
    ids = [*token_ids[:4], tokenizer.special_id("<|ref|>"), *token_ids[4:], tokenizer.special_id("<|/det|>")]
    stream = StreamDecoder(tokenizer)
    text = "".join(map(stream.push, ids)) + stream.flush()
    for shown in (text, text[:cut]):
        assert said(Message("assistant", answer_content(ids, shown, tokenizer))) == shown

"""Conversations: what a follow-up computes, that this changes no token, and what stays after a stop or an error."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from dsvl2_runtime import Chat, GenerationOptions, VisionLanguageModel, Watch, load_model
from dsvl2_runtime.errors import BusyError, ContextOverflowError, ImageError, UsageError
from dsvl2_runtime.inputs.prompt import ImagePlace, Message, SpecialToken, build_prompt, locate
from dsvl2_runtime.notices import Notice
from dsvl2_runtime.progress import Progress
from dsvl2_runtime.texts import notice_text
from small_models import FIGURE, MakeBundle, pictures

QUESTION, NEXT, THIRD = "What is the total?", "And the date?", "Who signed it?"
OPTIONS = GenerationOptions(max_new_tokens=8)


@pytest.fixture(scope="module")
def model(bundle: MakeBundle) -> VisionLanguageModel:
    return load_model(bundle("small", "int4"), threads=1)


@dataclass
class Counted:
    """What was computed, by the progress that was reported."""

    tiles: int = 0
    positions: int = 0
    watch: Watch = field(init=False)

    def __post_init__(self) -> None:
        self.watch = Watch(self._note)

    def _note(self, progress: Progress) -> None:
        if progress.phase == "vision":
            self.tiles = progress.done
        elif progress.phase == "prefill":
            self.positions = progress.done


def without_cache(model: VisionLanguageModel, chat: Chat, question: str, images: list[Image.Image]) -> list[int]:
    """The tokens of an answer to the same messages in a new sequence, with nothing kept."""
    kept, model.image_cache.max_bytes = model.image_cache.max_bytes, 0
    model.image_cache.clear()
    content = [part for image in images[chat.num_images :] for part in (ImagePlace(), "\n")]
    try:
        chunks = list(model.generate([*chat.messages, Message("user", [*content, question])], images, OPTIONS))
    finally:
        model.image_cache.max_bytes = kept
    return [chunk.token_id for chunk in chunks if chunk.token_id is not None]


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
    opening = chat.ask("What is the name?", images, OPTIONS, first.watch)
    next(opening)
    opened = time.perf_counter() - start
    opening.read()
    own_words = len(model.prepare("What is the date?").input_ids) + len(opening.token_ids) + 1
    start = time.perf_counter()
    answer = chat.ask("What is the date?", (), OPTIONS, second.watch)
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
    again.ask("What is the name?", images, OPTIONS).read()
    assert answer.token_ids == without_cache(model, again, "What is the date?", images)


def said(message: Message) -> str:
    """Its text, with special tokens by name."""
    parts = [message.content] if isinstance(message.content, str) else message.content
    return "".join(part.name if isinstance(part, SpecialToken) else str(part) for part in parts)


def stopped_after(checks: int) -> Watch:
    answers: Iterator[bool] = iter([False] * checks + [True] * 1000)
    return Watch(should_stop=answers.__next__)


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
    other = load_model(bundle("small", "int4"), threads=1)
    resumed = other.resume(tmp_path / "talk")
    assert [message.role for message in resumed.messages] == ["system", "user", "assistant"]
    expected = without_cache(model, chat, NEXT, images)
    answer = resumed.ask(NEXT, (), OPTIONS, counted.watch).read()
    assert answer.token_ids == expected
    assert counted.tiles == 0
    assert counted.positions == answer.usage.prompt_tokens - answer.usage.cached_tokens < 100


def test_a_third_image_changes_the_tiling_of_the_others(model: VisionLanguageModel) -> None:
    """A notice says so, no tile is encoded twice, and the answer is that of the three images from the beginning."""
    images = pictures(3)
    chat, counted = model.chat(), Counted()
    model.image_cache.clear()
    assert not [n for n in chat.ask(QUESTION, images[:2], OPTIONS).read().notices if n.code.startswith("chat")]
    answer = chat.ask(NEXT, images[2:], OPTIONS, counted.watch).read()
    assert counted.tiles == 1
    assert answer.usage.cached_tokens < 20
    (told,) = [notice for notice in answer.notices if notice.code.startswith("chat")]
    assert (told.code, told.values["images"]) == ("chat.one_tile", 3)
    assert "read again" in notice_text(told)
    again = model.chat()
    again.ask(QUESTION, images[:2], OPTIONS).read()
    assert answer.token_ids == without_cache(model, again, NEXT, images)
    assert not chat.ask(THIRD, (), OPTIONS).read().notices


def test_a_third_image_after_resuming(model: VisionLanguageModel, tmp_path: Path) -> None:
    """The file holds what the images look like, so they can be seen anew."""
    images = pictures(3)
    chat = model.chat()
    chat.ask(QUESTION, images[:2], OPTIONS).read()
    chat.save(tmp_path / "talk")
    resumed = model.resume(tmp_path / "talk")
    expected = without_cache(model, chat, NEXT, images)
    assert resumed.ask(NEXT, images[2:], OPTIONS).read().token_ids == expected


def test_what_is_about_an_image_is_said_once(model: VisionLanguageModel) -> None:
    """With the question that brings it, and with its number in the conversation."""
    large = [Image.new("RGB", (2000, 1500), colour) for colour in ("red", "blue")]
    chat = model.chat()
    told = [chat.ask(QUESTION, [image], OPTIONS).read().notices for image in large]
    assert [[(notice.code, notice.values["image"]) for notice in notices] for notices in told] == [
        [("image.scaled_down", 1)], [("image.scaled_down", 2)],
    ]  # fmt: skip


def test_an_image_stays_what_it_was_when_it_was_added(model: VisionLanguageModel, tmp_path: Path) -> None:
    """Also where its tiling changes after its file has gone."""
    images = pictures(3)
    paths = [tmp_path / f"{number}.png" for number in range(3)]
    for path, image in zip(paths, images, strict=True):
        image.save(path)
    chat = model.chat()
    chat.ask(QUESTION, paths[:2], OPTIONS).read()
    expected = without_cache(model, chat, NEXT, images)
    paths[0].unlink()
    images[2].save(paths[1])
    assert chat.ask(NEXT, paths[2], OPTIONS).read().token_ids == expected


def test_a_history_that_does_not_fit_is_an_error_with_its_numbers(model: VisionLanguageModel) -> None:
    """And the conversation is as it was."""
    chat = model.chat()
    chat.ask(QUESTION, pictures(1), OPTIONS).read()
    before = chat.messages
    with pytest.raises(ContextOverflowError, match="begin a new conversation") as caught:
        chat.ask("word " * 480, (), OPTIONS)
    assert caught.value.context_tokens == model.config.language_config.max_position_embeddings
    assert caught.value.prompt_tokens > caught.value.context_tokens
    assert caught.value.earlier_turns == 1
    assert chat.messages == before
    assert chat.ask(NEXT, (), OPTIONS).read().text


def test_the_oldest_turns_are_dropped_where_that_is_asked_for(model: VisionLanguageModel) -> None:
    """No more of them than needed, with a notice, and room is left for the answer."""
    chat = model.chat("Be brief.", drop_oldest=True)
    context = model.config.language_config.max_position_embeddings
    told, last = list[Notice](), ""
    for number in range(8):
        before, last = chat.messages, f"{number} " + "word " * 40
        answer = chat.ask(last, pictures(1) if number == 0 else (), OPTIONS).read()
        assert answer.usage.prompt_tokens + OPTIONS.max_new_tokens <= context
        dropped = [notice for notice in answer.notices if notice.code == "chat.dropped"]
        if dropped and chat.num_images == 0 and told:
            turns = int(dropped[0].values["turns"])
            assert chat.messages[1:-2] == before[1 + 2 * turns :]
            one_more = [before[0], *before[2 * turns - 1 :], Message("user", last)]
            assert (
                len(build_prompt(one_more, model.components.tokenizer, ()).input_ids) + OPTIONS.max_new_tokens > context
            )
        told += dropped
    assert told[0].values == {"turns": 1, "images": 1}
    assert len(told) > 2
    assert "pictures (1)" in notice_text(told[0])
    assert chat.num_images == 0
    assert chat.messages[0] == Message("system", "Be brief.")
    with pytest.raises(ContextOverflowError, match="shorter text"):
        chat.ask("word " * context, (), OPTIONS)
    assert said(chat.messages[-2]) == last


def test_a_dropped_image_lets_the_others_be_seen_in_full(model: VisionLanguageModel) -> None:
    """With two images left, each has its tiles again; that is said too."""
    chat, images = model.chat(drop_oldest=True), pictures(3)
    small = [image.resize((60, 60)) for image in images]
    chat.ask("word " * 60, small[:1], OPTIONS).read()
    chat.ask(QUESTION, small[1:], OPTIONS).read()
    answer = chat.ask("word " * 60, (), GenerationOptions(max_new_tokens=60)).read()
    while not [notice for notice in answer.notices if notice.code == "chat.dropped"]:
        answer = chat.ask("word " * 30, (), GenerationOptions(max_new_tokens=60)).read()
    codes = [notice.code for notice in answer.notices]
    assert codes[:2] == ["chat.dropped", "chat.tiled"]
    assert chat.num_images == 2
    assert notice_text(answer.notices[1]).startswith("the conversation has only 2")


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

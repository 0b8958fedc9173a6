"""What a conversation keeps of its history: tilings that change, images whose files go, turns that do not fit."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from conversations import NEXT, OPTIONS, QUESTION, THIRD, Counted, said, without_cache
from dsvl2_runtime import GenerationOptions, VisionLanguageModel, load_model
from dsvl2_runtime.errors import ContextOverflowError
from dsvl2_runtime.inputs.prompt import Message, build_prompt
from dsvl2_runtime.notices import Notice
from dsvl2_runtime.texts import notice_text
from small_models import MakeBundle, pictures


@pytest.fixture(scope="module")
def model(bundle: MakeBundle) -> VisionLanguageModel:
    """In fp32: see `conversations.without_cache`."""
    return load_model(bundle("small", "fp32"), threads=1)


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
        [(code, number) for code in ("image.uniform", "image.scaled_down")] for number in (1, 2)
    ]


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

"""Prompts and tokens: byte for byte the trained format, and out of reach of what users type."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer as Encoder

from dsvl2_runtime.errors import UsageError
from dsvl2_runtime.inputs.prompt import ImagePlace, Message, build_prompt, locate, question_content
from dsvl2_runtime.inputs.tokenizer import Tokenizer
from fuzzing import examples


@pytest.fixture(scope="module")
def official(tokenizer_folder: Path) -> Encoder:
    """The tokenizer as the reference uses it: special tokens in a text are recognised."""
    return Encoder.from_file(str(tokenizer_folder / "tokenizer.json"))


def ids_of(official: Encoder, text: str) -> list[int]:
    ids: list[int] = official.encode(text, add_special_tokens=False).ids
    return ids


@pytest.mark.parametrize("num_images", [0, 1, 2, 3])
def test_the_prompt_is_the_official_one(tokenizer: Tokenizer, official: Encoder, num_images: int) -> None:
    """Text between pictures is tokenised by itself; one space after the user's colon, none after the assistant's."""
    counts = [5, 3, 4][:num_images]
    prompt = build_prompt([Message("user", question_content("  What is it? ", num_images))], tokenizer, counts)
    expected = [tokenizer.bos_id]
    # Without pictures the string is one piece; the space and the question then meet in one token.
    pieces = ["<|User|>: ", *["\n"] * num_images]
    pieces[-1] += ("  What is it? " if num_images else "What is it?").rstrip() + "\n\n<|Assistant|>:"
    for index, piece in enumerate(pieces):
        expected += ids_of(official, piece)
        if index < num_images:
            expected += [tokenizer.image_id] * counts[index]
    assert prompt.input_ids.tolist() == expected
    assert prompt.images_seq_mask.sum() == sum(counts)
    assert np.array_equal(prompt.images_seq_mask, prompt.input_ids == tokenizer.image_id)


def test_history_ends_each_answer_and_the_next_turn_follows_directly(tokenizer: Tokenizer, official: Encoder) -> None:
    """An answer has no space before it and the end token after it; the system text comes first, with nothing added."""
    messages = [
        Message("system", "Be brief."),
        Message("user", "One?"),
        Message("assistant", " 1 "),
        Message("user", "Two?"),
    ]
    found = build_prompt(messages, tokenizer, []).input_ids.tolist()
    first, second = (f"<|User|>: {number}?\n\n<|Assistant|>:" for number in ("One", "Two"))
    text = ("Be brief.", first, "1", "<｜end▁of▁sentence｜>", second)
    assert found == [tokenizer.bos_id, *[token for piece in text for token in ids_of(official, piece)]]


def test_a_request_for_a_place(tokenizer: Tokenizer, official: Encoder) -> None:
    """The form of the reference's own example."""
    content = [ImagePlace(), "\n", *locate("The giraffe at the back."), "."]
    found = build_prompt([Message("user", content)], tokenizer, [4]).input_ids.tolist()
    text = "\n<|ref|>The giraffe at the back.<|/ref|>.\n\n<|Assistant|>:"
    start = [tokenizer.bos_id, *ids_of(official, "<|User|>: ")]
    assert found == [*start, *[tokenizer.image_id] * 4, *ids_of(official, text)]


def official_ids(encoder: Encoder, messages: list[tuple[str, str]], image_token_counts: list[int]) -> list[int]:
    """The reference's steps on strings: `Conversation.get_prompt`, `format_messages_v2`, `tokenize_with_images`.

    `<image>` in a text is the place of an image, special tokens in it are recognised, and nothing is shared with the
    code under test.
    """

    def one(name: str) -> int:
        token_id = encoder.token_to_id(name)
        assert isinstance(token_id, int)
        return token_id

    counts = iter(image_token_counts)
    ids = [one("<｜begin▁of▁sentence｜>")]
    for role, content in messages:
        text = content.strip()
        if role == "user":
            asked = f"<|User|>: {text}\n\n" if text else "<|User|>:"
            pieces = f"{asked}<|Assistant|>:".split("<image>")
            for piece in pieces[:-1]:
                ids += [*ids_of(encoder, piece), *[one("<image>")] * next(counts)]
            ids += ids_of(encoder, pieces[-1])
        else:
            ids += ids_of(encoder, text)
            if role == "assistant":
                ids.append(one("<｜end▁of▁sentence｜>"))
    return ids


BLANKS = st.sampled_from(["", " ", "\n", " \t\n", "\u3000", "\x1f"])
WORDS = st.sampled_from(["", "What is it?", " 42.50", "图", "a\n\nb", "Be brief."])
PLAIN = st.builds(lambda *pieces: "".join(pieces), BLANKS, WORDS, BLANKS, WORDS, BLANKS)


@examples(300)
@given(
    st.one_of(st.none(), PLAIN),
    st.lists(st.tuples(PLAIN, PLAIN), max_size=3),
    st.lists(st.one_of(st.just("<image>"), PLAIN), max_size=5),
)
def test_any_conversation_has_the_official_ids(
    tokenizer: Tokenizer, official: Encoder, system: str | None, history: list[tuple[str, str]], last: list[str]
) -> None:
    """Blank turns, blanks around system messages and images, images anywhere in the last turn."""
    texts = [] if system is None else [("system", system)]
    for asked, answered in history:
        texts += [("user", asked), ("assistant", answered)]
    messages = [Message(role, text) for role, text in texts]  # type: ignore[arg-type]
    messages.append(Message("user", [ImagePlace() if part == "<image>" else part for part in last]))
    counts = [3 + index for index in range(last.count("<image>"))]
    expected = official_ids(official, [*texts, ("user", "".join(last))], counts)
    assert build_prompt(messages, tokenizer, counts).input_ids.tolist() == expected


def test_blanks_around_a_system_message_and_a_blank_turn(tokenizer: Tokenizer, official: Encoder) -> None:
    """The two cases by themselves: nothing but the roles of a blank turn is left."""
    messages = [Message("system", "  Be brief. \n"), Message("user", " \n "), Message("assistant", "1")]
    found = build_prompt([*messages, Message("user", "Two?")], tokenizer, []).input_ids.tolist()
    text = ("Be brief.", "<|User|>:<|Assistant|>:", "1", "<｜end▁of▁sentence｜>", "<|User|>: Two?\n\n<|Assistant|>:")
    assert found == [tokenizer.bos_id, *[token for piece in text for token in ids_of(official, piece)]]


@pytest.mark.parametrize(
    "roles",
    [[], ["assistant"], ["user", "user"], ["user", "assistant"], ["user", "system"], ["system"]],
    ids=str,
)
def test_roles_out_of_order_are_refused(tokenizer: Tokenizer, roles: list[str]) -> None:
    """The model has never seen them."""
    with pytest.raises(UsageError):
        build_prompt([Message(role, "x") for role in roles], tokenizer, [])  # type: ignore[arg-type]


def test_images_and_their_places_must_agree(tokenizer: Tokenizer) -> None:
    """The message has both numbers."""
    with pytest.raises(UsageError, match="1 pictures, but 2"):
        build_prompt([Message("user", question_content("x", 1))], tokenizer, [4, 4])


def test_an_empty_question_needs_a_image() -> None:
    """With a picture, an empty question is one too."""
    with pytest.raises(UsageError, match="empty"):
        question_content("  \n", 0)
    assert question_content("", 1)[0] == ImagePlace()

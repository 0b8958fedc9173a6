"""A loaded bundle as programs use it: questions, messages, sequences, several answers at a time."""

from __future__ import annotations

import gc
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from dsvl2_runtime import GenerationOptions, VisionLanguageModel, load_model
from dsvl2_runtime.answers.generate import TextChunk
from dsvl2_runtime.errors import BusyError, UsageError
from dsvl2_runtime.inputs.prompt import ImagePlace, Message
from dsvl2_runtime.progress import Progress, Watch
from small_models import MakeBundle, pictures
from tolerances import LOGITS_FP32
from waiting import PATIENCE

QUESTION, OTHER = "What is the total?", "Which date is on it?"
OPTIONS = GenerationOptions(max_new_tokens=8)


@pytest.fixture(scope="module")
def model(bundle: MakeBundle) -> VisionLanguageModel:
    return load_model(bundle("small", "fp32"), threads=1)


def test_a_question_is_the_message_of_a_user(model: VisionLanguageModel) -> None:
    """The same prompt, images and answer, whichever way it is asked."""
    images = pictures(2)
    message = Message("user", [ImagePlace(), "\n", ImagePlace(), "\n", QUESTION])
    short, long = model.prepare(QUESTION, images), model.prepare([message], images)
    np.testing.assert_array_equal(short.input_ids, long.input_ids)
    assert [image.sha256 for image in short.images] == [image.sha256 for image in long.images]
    assert list(model.generate(QUESTION, images, OPTIONS)) == list(model.generate([message], images, OPTIONS))


def test_a_conversation_is_asked_with_all_its_messages(model: VisionLanguageModel) -> None:
    """What was said before is part of the prompt."""
    (image,) = pictures(1)
    history = [
        Message("system", "Answer briefly."),
        Message("user", [ImagePlace(), "\n", QUESTION]),
        Message("assistant", "12.50"),
    ]
    prompt = model.prepare([*history, Message("user", OTHER)], [image])
    tokenizer = model.components.tokenizer
    assert tokenizer.encode("12.50")[-1] in prompt.input_ids
    assert (prompt.input_ids == tokenizer.eos_id).sum() == 1
    logits = model.next_token_logits([*history, Message("user", OTHER)], [image])
    assert np.abs(logits - model.next_token_logits(OTHER, [image])).max() > 1e-3


def test_messages_of_other_programs_are_the_same_question(model: VisionLanguageModel) -> None:
    """With the image inside or beside them."""
    (image,) = pictures(1)
    expected = model.prepare([Message("user", [ImagePlace(), "\n", QUESTION])], [image])
    text = {"type": "text", "text": QUESTION}
    inside = model.prepare([{"role": "user", "content": [{"type": "image", "image": image}, text]}])
    beside = model.prepare([{"role": "user", "content": [{"type": "image"}, text]}], [image])
    for found in (inside, beside):
        np.testing.assert_array_equal(found.input_ids, expected.input_ids)
        assert found.images[0].sha256 == expected.images[0].sha256


@pytest.mark.parametrize(
    ("question", "wrong"),
    [
        (None, "NoneType"),
        (5, "int"),
        (b"What?", "bytes"),
        (Message("user", "What?"), "Message"),
        ([Message("user", "What?"), "and this?"], "side by side"),
        ([Message("user", "What?"), Message("assistant", "That.")], "user's message at the end"),
    ],
    ids=["none", "number", "bytes", "one message", "mixed", "no question"],
)
def test_what_is_no_question_is_refused(model: VisionLanguageModel, question: Any, wrong: str) -> None:
    """With what it is."""
    with pytest.raises(UsageError, match=wrong):
        model.prepare(question)


def test_a_single_image_is_one_image(model: VisionLanguageModel, tmp_path: Path) -> None:
    """A path is not taken letter by letter, nor an array row by row."""
    (image,) = pictures(1)
    path = tmp_path / "bill.png"
    image.save(path)
    expected = model.prepare(QUESTION, [image]).images[0].sha256
    for single in (image, str(path), path, path.read_bytes(), np.asarray(image)):
        (found,) = model.prepare(QUESTION, single).images
        assert found.sha256 == expected


@pytest.mark.parametrize("images", [None, 5, {"bill.png"}], ids=["none", "number", "set"])
def test_what_is_no_list_of_images_is_refused(model: VisionLanguageModel, images: Any) -> None:
    """With what it is; a set has no order."""
    with pytest.raises(UsageError, match=f"images is a {type(images).__name__}"):
        model.prepare(QUESTION, images)


def test_options_and_watch_are_not_mixed_up(model: VisionLanguageModel) -> None:
    """What stands in the wrong place is named."""
    with pytest.raises(UsageError, match="a dict was given where a GenerationOptions belongs"):
        next(model.generate(QUESTION, options={"seed": 1}))  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="a function was given where a Watch belongs"):
        next(model.generate(QUESTION, watch=lambda progress: None))  # type: ignore[arg-type]


def text(chunks: list[TextChunk]) -> str:
    return "".join(chunk.text for chunk in chunks)


def test_an_answer_left_in_a_cycle_keeps_nobody_waiting(model: VisionLanguageModel) -> None:
    """A generator that only the collector can find, in the middle of its answer."""
    expected = list(model.generate(OTHER, options=OPTIONS))
    gc.collect()
    gc.disable()
    try:
        cycle: list[Any] = [model.generate(QUESTION, pictures(1), OPTIONS)]
        next(cycle[0])
        cycle.append(cycle)
        del cycle
        assert list(model.generate(OTHER, options=OPTIONS)) == expected
    finally:
        gc.enable()


def test_two_answers_that_are_read_in_turn_are_each_their_own(model: VisionLanguageModel) -> None:
    """Chunk by chunk in one thread: to the last token what each is alone."""
    alone = [list(model.generate(QUESTION, pictures(2), OPTIONS)), list(model.generate(OTHER, pictures(1), OPTIONS))]
    assert text(alone[0]) != text(alone[1])
    streams = model.generate(QUESTION, pictures(2), OPTIONS), model.generate(OTHER, pictures(1), OPTIONS)
    found: list[list[TextChunk]] = [[], []]
    for _ in range(OPTIONS.max_new_tokens + 1):
        for chunks, stream in zip(found, streams, strict=True):
            chunks.extend(chunk for chunk in [next(stream, None)] if chunk is not None)
    assert found == alone


def test_threads_that_ask_at_the_same_time_get_their_own_answers(model: VisionLanguageModel) -> None:
    """Four of them, whose steps mix as they happen to."""
    questions = [QUESTION, OTHER, "Who sent it?", "How many lines?"]
    alone = [list(model.generate(question, pictures(1), OPTIONS)) for question in questions]
    found: dict[str, list[TextChunk]] = {}

    def ask(question: str) -> None:
        found[question] = list(model.generate(question, pictures(1), OPTIONS))

    threads = [threading.Thread(target=ask, args=(question,)) for question in questions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert [found[question] for question in questions] == alone


def test_a_progress_callback_cannot_ask_the_model_that_calls_it(model: VisionLanguageModel) -> None:
    """It would wait for itself; the error comes out of the answer, and the model is free."""

    def ask_back(progress: Progress) -> None:
        model.next_token_logits(OTHER)

    with pytest.raises(BusyError, match="progress callback"):
        list(model.generate(QUESTION, pictures(1), OPTIONS, Watch(ask_back)))
    assert model.next_token_logits(OTHER).shape == (640,)


def test_a_sequence_spares_what_two_prompts_have_in_common(model: VisionLanguageModel) -> None:
    """The second question about an image encodes none and reads only what differs, with the logits of a new one."""
    told: list[Progress] = []
    images, sequence = pictures(2), model.new_sequence()
    first = model.prepare(QUESTION, images)
    model.next_token_logits(QUESTION, images, sequence=sequence)
    found = model.next_token_logits(OTHER, images, sequence=sequence, watch=Watch(told.append))
    assert {progress.phase for progress in told} == {"prefill"}
    second = model.prepare(OTHER, images)
    common = int(
        np.flatnonzero(first.input_ids[: len(second.input_ids)] != second.input_ids[: len(first.input_ids)])[0]
    )
    assert told[-1].total == len(second.input_ids) - common
    assert np.abs(found - model.next_token_logits(OTHER, images)).max() <= LOGITS_FP32


def test_a_sequence_with_another_image_reads_it_anew(model: VisionLanguageModel) -> None:
    """Two images of one size have the same token ids; the answer is about the one that was given."""
    first, _ = pictures(2)
    turned = first.transpose(Image.Transpose.FLIP_TOP_BOTTOM)
    sequence = model.new_sequence()
    model.next_token_logits(QUESTION, [first], sequence=sequence)
    found = model.next_token_logits(QUESTION, [turned], sequence=sequence)
    assert np.abs(found - model.next_token_logits(QUESTION, [turned])).max() <= LOGITS_FP32


def test_a_conversation_goes_on_in_its_sequence(model: VisionLanguageModel) -> None:
    """After an answer, the next turn reads only what is new, and answers as a model that reads all of it."""
    images, sequence, told = pictures(1), model.new_sequence(), list[Progress]()
    asked = Message("user", [ImagePlace(), "\n", QUESTION])
    answer = text(list(model.generate([asked], images, OPTIONS, sequence=sequence)))
    messages = [asked, Message("assistant", answer), Message("user", OTHER)]
    expected = list(model.generate(messages, images, OPTIONS))
    assert list(model.generate(messages, images, OPTIONS, Watch(told.append), sequence)) == expected
    read = next(progress.total for progress in told if progress.phase == "prefill")
    assert read < len(model.prepare(messages, images).input_ids) - len(model.prepare([asked], images).input_ids) + 8


def test_a_newer_answer_takes_the_sequence(model: VisionLanguageModel) -> None:
    """The older one is told so at its next step; the newer one is as in a sequence of its own."""
    expected = list(model.generate(OTHER, options=OPTIONS))
    sequence = model.new_sequence()
    older = model.generate(QUESTION, options=OPTIONS, sequence=sequence)
    next(older)
    assert list(model.generate(OTHER, options=OPTIONS, sequence=sequence)) == expected
    with pytest.raises(BusyError, match="a newer answer"):
        next(older)

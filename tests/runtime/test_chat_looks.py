"""A second look in a conversation: which answer counts, what the next question goes on from, and what it computes."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from conversations import OPTIONS, Counted, said, without_cache
from dsvl2_runtime import Chat, GenerationOptions, VisionLanguageModel, Watch, load_model
from dsvl2_runtime.answers import second_look
from dsvl2_runtime.cli import chat as chat_verb
from dsvl2_runtime.cli.stop_signals import stop_behind
from dsvl2_runtime.errors import GenerationError, ImageError, UsageError
from dsvl2_runtime.graphs import memory_plan
from dsvl2_runtime.inputs.processor import read_image
from dsvl2_runtime.inputs.prompt import locate
from dsvl2_runtime.progress import Progress
from hard_picture import ANOTHER_QUESTION, PICTURE, QUESTION, RIGHT, WRONG
from runtime.test_chat_verb import chat as chat_lines
from runtime.test_run_verb import FORM
from small_models import pictures

RECEIPT = str(Path(FORM).parent / "receipt.png")


@pytest.fixture(scope="module")
def model() -> VisionLanguageModel:
    return load_model("demo", threads=1)


def test_the_surer_answer_is_what_was_said(model: VisionLanguageModel) -> None:
    """By default as the bundle says; the answer is that of a single question."""
    chat = model.chat()
    answer = chat.ask(QUESTION, PICTURE).read()
    assert (answer.text, answer.looks, said(chat.messages[-1])) == (RIGHT, 2, RIGHT)
    assert answer.confidence == model.ask(QUESTION, PICTURE).confidence
    once = model.chat()
    answer = once.ask(QUESTION, PICTURE, look_again=False).read()
    assert (answer.text, answer.looks, said(once.messages[-1])) == (WRONG, 1, WRONG)


def test_a_follow_up_goes_on_from_the_answer_that_counts(model: VisionLanguageModel) -> None:
    """Neither a tile nor the first question is read again; the tokens are those without anything that was kept."""
    chat, counted = model.chat(), Counted()
    opening = chat.ask(QUESTION, PICTURE).read()
    assert opening.text == RIGHT
    expected = without_cache(model, chat, ANOTHER_QUESTION, [Image.open(PICTURE)])
    answer = chat.ask(ANOTHER_QUESTION, (), OPTIONS, counted.watch, look_again=False).read()
    assert answer.token_ids == expected
    assert counted.tiles == 0
    assert answer.usage.cached_tokens >= opening.usage.prompt_tokens
    assert counted.positions == answer.usage.prompt_tokens - answer.usage.cached_tokens
    own_words = len(model.prepare(ANOTHER_QUESTION).input_ids) + len(opening.token_ids) + 1
    assert counted.positions <= own_words


def test_the_second_look_of_a_follow_up_reads_what_is_new(model: VisionLanguageModel) -> None:
    """Its sequence is kept: of both sizes no tile is read again, and of the prompts the new words alone."""
    phases: list[Progress] = []
    chat = model.chat()
    chat.ask(QUESTION, PICTURE).read()
    watch = Watch(phases.append)
    answer = chat.ask(QUESTION, (), OPTIONS, watch, look_again=True).read()
    assert "vision" not in {phase.phase for phase in phases}
    read = sum(phase.total for phase in phases if phase.phase == "prefill" and phase.done == phase.total)
    own_words = len(model.prepare(QUESTION).input_ids) + len(RIGHT) + 1
    assert answer.looks == 2
    assert 0 < read <= 2 * own_words


def test_places_are_looked_at_more_closely(model: VisionLanguageModel) -> None:
    """In a conversation as in a single question; the history has the exact ones, as tokens."""
    alone = model.ask(locate("Total"), RECEIPT)
    chat = model.chat()
    answer = chat.ask(locate("Total"), RECEIPT).read()
    once = model.chat().ask(locate("Total"), RECEIPT, look_again=False).read()
    assert answer.looks == alone.looks == 3
    assert answer.text == alone.text != once.text
    assert said(chat.messages[-1]) == answer.text
    ids = model.prepare([*chat.messages, *chat.messages[:1]], [RECEIPT, RECEIPT]).input_ids.tolist()
    assert ids.count(model.components.tokenizer.special_id("<|det|>")) == 1


def test_pixels_and_bytes_are_looked_at_again_as_files_are(model: VisionLanguageModel) -> None:
    for image in (Image.open(PICTURE).copy(), np.array(Image.open(PICTURE).convert("RGB")), Path(PICTURE).read_bytes()):
        assert model.chat().ask(QUESTION, image).read().text == RIGHT


@pytest.mark.parametrize("what", ["changed", "gone"])
def test_a_file_that_is_another_by_now_is_seen_as_it_was(model: VisionLanguageModel, tmp_path: Path, what: str) -> None:
    """The first answer counts, which is about what was added."""
    path = tmp_path / "picture.png"
    path.write_bytes(Path(PICTURE).read_bytes())
    image = read_image(str(path), model.config)
    if what == "gone":
        path.unlink()
    else:
        pictures(1)[0].save(path)
    answer = model.chat().ask(QUESTION, image).read()
    assert (answer.text, answer.looks) == (WRONG, 1)
    found = model.chat().ask(locate("Thu"), image).read()
    assert found.looks == 1


def test_the_first_answer_counts_where_there_is_no_room_for_a_second(
    model: VisionLanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the memory plan says: one byte less than a sequence takes is not enough."""
    plan = memory_plan.plan_memory(model.bundle, 1)
    assert plan.second_look == plan.cache == model.new_sequence().cache.nbytes
    assert plan.total == plan.weights + plan.cache + plan.scratch + plan.images + plan.program
    for available, text, looks in ((plan.second_look - 1, WRONG, 1), (plan.second_look, RIGHT, 2)):
        monkeypatch.setattr(memory_plan, "available_memory", lambda available=available: available)
        answer = model.chat().ask(QUESTION, PICTURE).read()
        assert (answer.text, answer.looks) == (text, looks)
    monkeypatch.setattr(memory_plan, "available_memory", lambda: 0)
    place = model.chat().ask(locate("Total"), RECEIPT).read()
    assert (place.text, place.looks) == (model.ask(locate("Total"), RECEIPT, look_again=False).text, 1)


def stopped_at_the_second(phase: str) -> Watch:
    """Stopped as soon as a phase begins for the second time."""
    begun: list[int] = []

    def note(progress: Progress) -> None:
        if progress.phase == phase and progress.done == progress.total:
            begun.append(progress.done)

    return Watch(note, lambda: len(begun) > 1)


@pytest.mark.parametrize("phase", ["vision", "prefill"])
def test_a_stop_ends_the_second_look_and_keeps_the_first_answer(model: VisionLanguageModel, phase: str) -> None:
    """Whole, as it was said; so it is with places, of which none is moved."""
    model.image_cache.clear()
    chat = model.chat()
    answer = chat.ask(QUESTION, PICTURE, None, stopped_at_the_second(phase)).read()
    assert (answer.text, answer.finish_reason, answer.looks) == (WRONG, "stop", 2)
    assert said(chat.messages[-1]) == WRONG
    once = model.ask(locate("Total"), RECEIPT, look_again=False)
    model.image_cache.clear()
    place = model.chat().ask(locate("Total"), RECEIPT, None, stopped_at_the_second(phase)).read()
    assert (place.text, place.finish_reason) == (once.text, "stop")


def test_an_error_in_the_second_look_takes_the_question_back(
    model: VisionLanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one in the first look does; the next question is answered."""

    def fail(*_: object) -> None:
        raise GenerationError("the model gave something that is not finite")

    chat = model.chat()
    with monkeypatch.context() as patched:
        patched.setattr(second_look.Looks, "_surer", fail)
        with pytest.raises(GenerationError):
            chat.ask(QUESTION, PICTURE).read()
    assert (chat.messages, chat.num_images) == ((), 0)
    assert chat.ask(QUESTION, PICTURE).read().text == RIGHT


def test_images_beyond_a_bound_are_seen_as_they_were_cut(
    model: VisionLanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The newest stay; files on the disk take no memory, so they stay all."""
    pixels = Image.open(PICTURE).convert("RGB")
    monkeypatch.setattr("dsvl2_runtime.chat.MOST_SOURCE_BYTES", pixels.width * pixels.height * 3)
    chat = model.chat()
    chat.ask(QUESTION, pixels, OPTIONS).read()
    chat.ask(QUESTION, PICTURE, OPTIONS).read()
    assert [image.source for image in chat._images(chat._turns)] == [pixels, PICTURE]
    chat.ask(QUESTION, pixels.copy(), OPTIONS).read()
    assert [image.source is None for image in chat._images(chat._turns)] == [True, False, False]


def test_a_conversation_from_a_file_goes_on_after_a_second_look(model: VisionLanguageModel, tmp_path: Path) -> None:
    """With the answer that counts. The file holds its images as they were cut, so they are looked at once."""
    chat = model.chat()
    chat.ask(QUESTION, PICTURE).read()
    chat.save(tmp_path / "talk")
    resumed: Chat = model.resume(tmp_path / "talk")
    assert said(resumed.messages[-1]) == RIGHT
    counted = Counted()
    answer = resumed.ask(QUESTION, (), GenerationOptions(), counted.watch).read()
    assert (answer.looks, counted.tiles) == (1, 0)
    assert answer.text == chat.ask(QUESTION, (), look_again=False).read().text


@pytest.mark.parametrize("look_again", [False, True])
def test_what_was_computed_goes_with_the_conversation(model: VisionLanguageModel, look_again: bool) -> None:
    """At once and not with the next search for cycles, also where its answer is kept; so it is with one question."""
    gc.collect()
    gc.disable()
    made, new_sequence = list[weakref.ref[object]](), model.new_sequence

    def watched() -> object:
        sequence = new_sequence()
        made.append(weakref.ref(sequence))
        return sequence

    try:
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(model, "new_sequence", watched)
            chat = model.chat()
            answer = chat.ask(QUESTION, PICTURE, look_again=look_again).read()
            looks = 2 if look_again else 1
            assert [row() is None for row in made] == [False] * looks
            del chat
            assert [row() is None for row in made] == [True] * looks
            assert answer.looks == looks
            made.clear()
            answer = model.ask(QUESTION, PICTURE, look_again=look_again)
            assert [row() is None for row in made] == [True] * looks
            assert answer.looks == looks
    finally:
        gc.enable()


def test_the_verb_looks_again() -> None:
    """By default as the bundle says, and says what it is not sure of."""
    demo = Path("demo")
    assert chat_lines(f"{QUESTION}\n", demo, "-i", PICTURE).stdout == f"{RIGHT}\n"
    once = chat_lines(f"{QUESTION}\n", demo, "-i", PICTURE, "--look-once")
    assert once.stdout == f"{WRONG}\n"
    assert "the model is not sure of this answer" in once.stderr
    assert chat_lines(f"{QUESTION}\n", demo, "-q", "-i", PICTURE, "--look-once").stderr == ""


def test_what_was_said_before_an_interrupt_keeps_its_images(
    model: VisionLanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are in the conversation, so they do not come with the next question again."""
    written: list[str] = []

    def interrupted(text: str) -> None:
        written.append(text)
        if len(written) == 2:
            raise KeyboardInterrupt

    request = chat_verb.ChatRequest((), "demo", GenerationOptions(), quiet=True, look_again=False)
    repl = chat_verb.Repl(model, model.chat(), request)
    repl.add_image(RECEIPT)
    monkeypatch.setattr(chat_verb, "write_answer", interrupted)
    with pytest.raises(KeyboardInterrupt):
        repl.ask("What is the shop?")
    assert "".join(written[:1]).strip()
    assert (repl.chat.num_images, repl.waiting) == (1, [])


@pytest.mark.parametrize("made", [None, ImageError("/a.png", "it is damaged", "save it again"), OSError("no file")])
def test_ctrl_c_on_a_terminal_ends_the_answer_whatever_was_made_of_it(
    model: VisionLanguageModel,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    made: Exception | None,
) -> None:
    """A library that is interrupted may raise an error of its own; the chat goes on. From a pipe, the program ends."""
    asked: list[str] = []

    def ask(repl: chat_verb.Repl, question: str) -> None:
        asked.append(question)
        if question == "b":
            return
        try:
            raise KeyboardInterrupt
        except KeyboardInterrupt as stop:
            if made is None:
                raise
            raise made from stop

    monkeypatch.setattr(chat_verb.Repl, "ask", ask)
    repl = chat_verb.Repl(model, model.chat(), chat_verb.ChatRequest((), "demo", GenerationOptions()))
    assert repl.run(iter(["a", "b"]), on_terminal=True) == 0
    assert asked == ["a", "b"]
    assert capsys.readouterr().err == f"{chat_verb.ENDINGS['cancelled']}\n"
    with pytest.raises(KeyboardInterrupt if made is None else type(made)) as raised:
        repl.run(iter(["a", "b"]), on_terminal=False)
    assert isinstance(stop_behind(raised.value), KeyboardInterrupt)
    assert asked == ["a", "b", "a"]


@pytest.mark.parametrize("on_terminal", [True, False])
def test_what_nobody_expects_ends_a_chat(
    model: VisionLanguageModel, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], on_terminal: bool
) -> None:
    """Errors of ours are said, and the first is that of the program at its end; another is a fault of ours."""
    first, second = ImageError("/a.png", "it is damaged", "save it again"), UsageError("nothing was asked")
    errors: Iterator[Exception] = iter([first, second, OSError("no file")])

    def ask(repl: chat_verb.Repl, question: str) -> None:
        raise next(errors)

    monkeypatch.setattr(chat_verb.Repl, "ask", ask)
    repl = chat_verb.Repl(model, model.chat(), chat_verb.ChatRequest((), "demo", GenerationOptions()))
    assert repl.run(iter(["a", "b"]), on_terminal=on_terminal) == first.exit_code != second.exit_code
    assert capsys.readouterr().err == f"dsvl2-onnx: {first}\ndsvl2-onnx: {second}\n"
    with pytest.raises(OSError, match="no file"):
        repl.run(iter(["a"]), on_terminal=on_terminal)

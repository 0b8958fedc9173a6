"""The process that owns the model, without a window."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from dsvl2_runtime.answers.sampling import GenerationOptions
from dsvl2_runtime.engine import process as engine_process
from dsvl2_runtime.engine import read_images as engine_read_images
from dsvl2_runtime.engine.answering import Kept, Question, answer, model_messages
from dsvl2_runtime.engine.process import Inbox, serve
from dsvl2_runtime.engine.prompt_parts import ChatMessage, ImagePart, TextPart, TokenPart, user_message
from dsvl2_runtime.engine.protocol import (
    LONGEST_LINE,
    PROTOCOL_VERSION,
    Ask,
    BadMessage,
    Command,
    Event,
    Failed,
    Finished,
    Hello,
    Load,
    Loaded,
    LoadFailed,
    Measured,
    Prepared,
    Progressed,
    ProtocolError,
    ProtocolVersionError,
    Stop,
    Wrote,
    to_line,
)
from dsvl2_runtime.engine.read_images import ReadImages
from dsvl2_runtime.errors import ImageError, ModelNotFoundError
from dsvl2_runtime.inputs.processor import ReadImage, read_image
from dsvl2_runtime.inputs.prompt import ImagePlace, Message, SpecialToken
from dsvl2_runtime.machine import speeds
from dsvl2_runtime.machine.files import sha256
from dsvl2_runtime.machine.provider import Provider
from dsvl2_runtime.model import VisionLanguageModel, load_model
from dsvl2_runtime.progress import Watch
from small_models import MakeBundle, picture

HELLO = to_line(Hello())
QUESTION = Ask(3, (user_message("What?"),))


@pytest.fixture(scope="module")
def model(bundle: MakeBundle) -> VisionLanguageModel:
    return load_model(bundle("small", "int4"), 1)


@pytest.fixture
def image_file(tmp_path: Path) -> Path:
    path = tmp_path / "bill.png"
    picture(170, 90, 1).save(path)
    return path


class EndOfTestError(BaseException):
    """Ends `serve`, which otherwise never returns; no `Exception`, which it would report."""


def serve_all(commands: bytes, monkeypatch: pytest.MonkeyPatch) -> list[Event]:
    """The events for all these commands."""
    inbox, events = Inbox(), list[Event]()
    inbox.read(io.BytesIO(HELLO + commands), events.append)
    take = inbox.next_command

    def next_command() -> Load | Question:
        if inbox._waiting.empty():  # the test ends where the process would wait
            raise EndOfTestError
        return take()

    monkeypatch.setattr(inbox, "next_command", next_command)
    with pytest.raises(EndOfTestError):
        serve(inbox, events.append)
    return events


def test_it_ends_at_once_when_its_input_closes() -> None:
    """Also while a model is being loaded, which can take minutes."""
    code = (
        "import time; from dsvl2_runtime.engine import process as engine;"
        "engine.load_model = lambda *arguments, **options: time.sleep(600);"
        "engine.main()"
    )
    commands = HELLO + to_line(Load("m"))
    ended = subprocess.run([sys.executable, "-c", code], input=commands, timeout=120, check=False)
    assert ended.returncode == 0


@pytest.mark.parametrize("force", [False, True])
def test_a_model_too_large_for_the_memory_is_loaded_only_by_force(force: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command's words, and the provider that it names, reach the loader, which asks for force in its error."""
    asked: list[tuple[bool, str]] = []

    def load(*arguments: object, force: bool, provider: str) -> None:
        asked.append((force, provider))
        raise EndOfTestError

    monkeypatch.setattr(engine_process, "load_model", load)
    assert serve_all(to_line(Load("m", force=force, provider=Provider.CUDA)), monkeypatch) == []
    assert asked == [(force, "cuda")]


@pytest.mark.parametrize("tune", [False, True])
def test_a_model_that_shall_answer_for_long_is_tuned_before_it_is_ready(
    tune: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is said to be loaded before, and how far it is is told."""

    class Tuned:
        def tune(self, watch: Watch) -> None:
            watch.report("tune", 0, 1)
            raise EndOfTestError("tuned")

        @property
        def name(self) -> str:
            raise EndOfTestError("ready")

    monkeypatch.setattr(engine_process, "load_model", lambda *_, **__: Tuned())
    events: list[Event] = []
    with pytest.raises(EndOfTestError, match="tuned" if tune else "ready"):
        engine_process.load(Load("m", tune=tune), events.append)
    assert (Progressed("tune", 0, 1) in events) == tune


def test_it_greets_before_it_is_asked_and_refuses_another_version() -> None:
    """Its own hello comes first, so the client can name both versions; the exit code says why it ended."""
    command = [sys.executable, "-m", "dsvl2_runtime.engine.process"]
    other = json.dumps({"kind": "hello", "version": PROTOCOL_VERSION + 1, "program": "9.1"}).encode() + b"\n"
    ended = subprocess.run(command, input=other + to_line(Load("m")), capture_output=True, timeout=120, check=False)
    assert ended.stdout == HELLO
    assert ended.returncode == engine_process.OTHER_VERSION_EXIT_CODE
    assert b"9.1" in ended.stderr
    assert b"Traceback" not in ended.stderr


def test_the_first_line_must_be_a_hello() -> None:
    """A client that does not begin with it is none of ours, whatever else it sends."""
    with pytest.raises(ProtocolError, match="no hello"):
        Inbox().read(io.BytesIO(to_line(Load("m"))), lambda event: None)
    later = json.dumps({"kind": "hello", "version": PROTOCOL_VERSION + 1, "program": "9.1"}).encode() + b"\n"
    with pytest.raises(ProtocolVersionError):
        Inbox().read(io.BytesIO(later), lambda event: None)


@pytest.mark.parametrize(
    ("line", "turn"),
    [
        (b"{\n", None),
        (b'{"kind": "ask", "turn": 3, "question": "of version 0"}\n', 3),
        (HELLO, None),
        (b'{"kind": "stop", "turn": 3, "text": "' + b"a" * 3 * LONGEST_LINE + b'"}\n', None),
    ],
    ids=["broken", "of another form", "second hello", "three times too long"],
)
def test_a_malformed_command_is_its_own_error(line: bytes, turn: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """One event for one line, with the turn it named; loading has not failed, and the next command is carried out."""
    loaded: list[str] = []

    def load(name: str, *arguments: object, **options: object) -> None:
        loaded.append(name)
        raise ModelNotFoundError(Path(name), "no such folder", "make it")

    monkeypatch.setattr(engine_process, "load_model", load)
    bad, failed = serve_all(line + to_line(Load("m")), monkeypatch)
    assert isinstance(bad, BadMessage)
    assert (bad.error.name, bad.turn) == ("ProtocolError", turn)
    assert loaded == ["m"]
    assert isinstance(failed, LoadFailed)
    assert (failed.error.name, failed.error.exit_code) == ("ModelNotFoundError", 3)
    assert failed.error.values["path"] == "m"


def test_a_question_without_a_model_fails_with_its_own_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is the question's error: it has the question's turn."""
    (failed,) = serve_all(to_line(QUESTION), monkeypatch)
    assert isinstance(failed, Failed)
    assert (failed.turn, failed.error.name, failed.error.http_status) == (3, "NoModelError", 503)


def test_a_stop_of_a_turn_that_is_not_open_is_forgotten() -> None:
    """A number that is used again is not stopped by an old stop; one for a waiting turn counts."""
    inbox = Inbox()
    inbox.read(io.BytesIO(HELLO + to_line(Stop(3)) + to_line(QUESTION)), lambda event: None)
    assert not inbox.is_stopped(3)
    inbox.read(io.BytesIO(HELLO + to_line(Stop(3))), lambda event: None)
    assert inbox.is_stopped(3)
    inbox.close_turn(3)
    assert not inbox.is_stopped(3)


def test_images_stand_where_the_messages_put_them() -> None:
    """Each on a line of its own, their files in the order of their places."""
    first, second = ImagePart("/a.png"), ImagePart("/b.png")
    messages = (
        ChatMessage("system", (TextPart("Be brief."),)),
        user_message("What?", [first]),
        ChatMessage("assistant", (TextPart("A bill."),)),
        ChatMessage("user", (TextPart("And this? "), second)),
    )
    converted, images = model_messages(messages)
    assert images == [first, second]
    assert converted == [
        Message("system", ["Be brief."]),
        Message("user", [ImagePlace(), "\n", "What?"]),
        Message("assistant", ["A bill."]),
        Message("user", ["And this? ", ImagePlace(), "\n"]),
    ]


def test_a_part_that_is_a_token_becomes_one() -> None:
    """The request for a place, and the boxes of an earlier answer."""
    converted, _ = model_messages((ChatMessage("user", (TokenPart("<|ref|>"), TextPart("<|/ref|>"))),))
    assert converted == [Message("user", [SpecialToken("<|ref|>"), "<|/ref|>"])]


def test_loading_tells_what_a_client_needs_to_know(bundle: MakeBundle, monkeypatch: pytest.MonkeyPatch) -> None:
    """The configuration tells what a picture costs; more threads than there are is said."""
    events = serve_all(to_line(Load(str(bundle("small", "int4")), 1000)), monkeypatch)
    loaded, measured = events[-2:]
    assert isinstance(loaded, Loaded)
    assert isinstance(measured, Measured)
    model = load_model(bundle("small", "int4"), 1000)
    assert loaded.config == model.config
    assert (loaded.manifest_sha256, loaded.threads) == (model.manifest_sha256, model.threads)
    assert [notice.code for notice in loaded.notices] == ["threads.capped"]
    assert loaded.memory_bytes > 10_000_000


def test_an_image_of_a_conversation_is_decoded_once(
    model: VisionLanguageModel, image_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A follow-up takes the tiles that are kept under the hash; another image and a change of tiling are read."""
    decoded: list[str] = []

    def counted(source: str, *arguments: Any, **options: Any) -> ReadImage:
        decoded.append(Path(source).name)
        return read_image(source, *arguments, **options)

    monkeypatch.setattr(engine_read_images, "read_image", counted)
    paths = [image_file]
    for number in range(2):
        paths.append(tmp_path / f"{number}.png")
        picture(170, 90, 7 + number).save(paths[-1])
    parts = [ImagePart(str(path), sha256=sha256(path)) for path in paths]
    kept, options = Kept.nothing(model), GenerationOptions(max_new_tokens=1)
    for count in (1, 1, 2, 3):
        asked = Question(Ask(count, (user_message("What?", parts[:count]),), options), None)
        answer(model, asked, Inbox(), lambda event: None, kept)
    assert decoded == ["bill.png", "0.png", "1.png"]
    few = ReadImages(model.config, most_bytes=1)
    assert [few.read(parts[:1])[0].sha256 for _ in range(2)] == [kept.images.read(parts[:1])[0].sha256] * 2
    assert decoded[3:] == ["bill.png"] * 2


def test_a_stop_acts_before_the_next_image_is_decoded(model: VisionLanguageModel, image_file: Path) -> None:
    """Twenty photographs take seconds."""
    inbox, events = Inbox(), list[Event]()
    part = ImagePart(str(image_file))
    inbox.read(io.BytesIO(HELLO + to_line(Ask(3, (user_message("What?", [part] * 20),)))), events.append)
    question = inbox.next_command()
    assert isinstance(question, Question)

    def send(event: Event) -> None:
        events.append(event)
        if event == Progressed("images", 2, 20, 3):
            inbox.read(io.BytesIO(HELLO + to_line(Stop(3))), events.append)

    answer(model, question, inbox, send)
    assert isinstance(events[-1], Finished)
    assert (events[-1].reason, events[-1].tokens) == ("cancelled", 0)
    assert [event for event in events if isinstance(event, Progressed)][-1] == Progressed("images", 2, 20, 3)
    assert not any(isinstance(event, Prepared) for event in events)


def test_a_conversation_is_answered_with_its_options(model: VisionLanguageModel, image_file: Path) -> None:
    """The answer is the one that the Python API gives to the same messages and options."""
    options = GenerationOptions(max_new_tokens=4, temperature=0.7, seed=11)
    events: list[Event] = []
    image = ImagePart(str(image_file), sha256=sha256(image_file))
    answer(model, Question(Ask(5, (user_message("What?", [image]),), options), None), Inbox(), events.append)
    expected = "".join(chunk.text for chunk in model.generate("What?", [image_file], options))
    assert "".join(event.text for event in events if isinstance(event, Wrote)) == expected
    inputs = model.prepare("What?", [image_file])
    assert events[:2] == [
        Progressed("images", 0, 1, 5),
        Prepared(5, (), len(inputs.input_ids), inputs.num_image_tokens, ((170, 90),)),
    ]
    last = events[-1]
    assert isinstance(last, Finished)
    assert (last.turn, last.tokens) == (5, 4)
    assert 0 < last.first_token_seconds <= last.seconds
    assert last.memory_bytes > 10_000_000


def test_an_image_with_another_content_than_was_kept_is_refused(model: VisionLanguageModel, image_file: Path) -> None:
    """A question is about what was added, or it fails."""
    kept = ImagePart(str(image_file), sha256=sha256(image_file))
    picture(170, 90, 2).save(image_file)
    with pytest.raises(ImageError, match=r"bill\.png: its content is not what was added"):
        answer(model, Question(Ask(5, (user_message("What?", [kept]),)), None), Inbox(), lambda event: None)


def test_an_error_calls_an_image_as_its_user_does(model: VisionLanguageModel, image_file: Path) -> None:
    """The path of a copy says nothing to anybody."""
    image_file.write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    kept = ImagePart(str(image_file), "holiday.png", sha256(image_file))
    with pytest.raises(ImageError, match=r"^picture holiday\.png: ") as caught:
        answer(model, Question(Ask(5, (user_message("What?", [kept]),)), None), Inbox(), lambda event: None)
    assert caught.value.source == "holiday.png"


def test_a_deadline_ends_the_answer(model: VisionLanguageModel) -> None:
    """It counts from when the question was read; one that has passed leaves no token."""
    inbox, events = Inbox(), list[Event]()
    inbox.read(io.BytesIO(HELLO + to_line(Ask(3, (user_message("What?"),), seconds=1e-9))), events.append)
    question = inbox.next_command()
    assert isinstance(question, Question)
    answer(model, question, inbox, events.append)
    last = events[-1]
    assert isinstance(last, Finished)
    assert (last.reason, last.tokens) == ("timeout", 0)


def test_an_unforeseen_error_reaches_the_client(monkeypatch: pytest.MonkeyPatch) -> None:
    """A question that waits for ever would be worse than an internal error."""

    def fail(*arguments: object) -> None:
        raise KeyError("lost")

    monkeypatch.setattr(engine_process, "answer", fail)
    (failed,) = serve_all(to_line(QUESTION), monkeypatch)
    assert isinstance(failed, Failed)
    assert failed.error.message == "internal error: KeyError: 'lost'"
    assert failed.error.exit_code == 1


def test_what_libraries_print_does_not_disturb_the_events() -> None:
    """Standard output is for events; everything else goes to standard error."""
    code = "import os; from dsvl2_runtime.engine import process; process.Inbox.read = read; process.main()"
    code = (
        "def read(inbox, stream, send):\n    print('noise', flush=True)\n    os.write(1, b'more')\n"
        + "import os\n"
        + code
    )
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    ended = subprocess.run(
        [sys.executable, "-c", code], input=b"", capture_output=True, timeout=120, check=True, env=environment
    )
    assert ended.stdout == HELLO
    assert b"noise" in ended.stderr
    assert b"more" in ended.stderr


def test_a_follow_up_computes_its_own_words_alone(
    bundle: MakeBundle, model: VisionLanguageModel, image_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its image and the first question are not computed again, and its answer is that of a new sequence."""
    options = GenerationOptions(max_new_tokens=4)
    first = user_message("What?", [ImagePart(str(image_file))])
    said = "".join(chunk.text for chunk in model.generate("What?", [image_file], options))
    messages = (first, ChatMessage("assistant", (TextPart(said),)), user_message("And?"))
    commands: list[Command] = [
        Load(str(bundle("small", "int4")), 1),
        Ask(1, (first,), options),
        Ask(2, messages, options),
    ]
    reads, read = list[Path](), speeds._read
    monkeypatch.setattr(speeds, "_read", lambda path: reads.append(path) or read(path))
    events = serve_all(b"".join(to_line(command) for command in commands), monkeypatch)
    assert isinstance(events[-1], Measured)
    assert events[-1].speeds is not None  # of the answers that came before
    assert events[-1].speeds == speeds.known_speeds(model.speed_key)
    assert len(reads) == 1 + 2 + 1  # at the load, after each answer, and here
    opening, ending = (event for event in events if isinstance(event, Finished))
    prompt = model.prepare("What?", [image_file])
    assert opening.cached_tokens == 0
    assert ending.cached_tokens >= len(prompt.input_ids)
    phases = {event.phase for event in events if isinstance(event, Progressed) and event.turn == 2}
    assert phases == {"images", "prefill", "decode"}  # without a hash nobody knows that its file is the same
    converted, _ = model_messages(messages)
    expected = "".join(chunk.text for chunk in model.generate(converted, [image_file], options))
    assert "".join(event.text for event in events if isinstance(event, Wrote) and event.turn == 2) == expected

"""The lines between window and engine."""

from __future__ import annotations

import json
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsvl2_runtime.answers.sampling import GenerationOptions
from dsvl2_runtime.engine.prompt_parts import (
    ChatMessage,
    GroundingToken,
    ImagePart,
    TextPart,
    TokenPart,
    grounded_parts,
    user_message,
)
from dsvl2_runtime.engine.protocol import (
    LONGEST_LINE,
    PROTOCOL_VERSION,
    Ask,
    BadMessage,
    Command,
    Event,
    Failed,
    Finished,
    FirstAnswer,
    Hello,
    Load,
    Loaded,
    LoadFailed,
    LooksAgain,
    Measured,
    MessageTooLongError,
    Prepared,
    Progressed,
    ProtocolError,
    ProtocolVersionError,
    Replaced,
    Stop,
    Wrote,
    greet,
    named_turn,
    read_command,
    read_event,
    to_line,
)
from dsvl2_runtime.engine.wire_error import WireError
from dsvl2_runtime.inputs.prompt import GROUNDING_TOKENS
from dsvl2_runtime.machine.provider import Provider
from dsvl2_runtime.machine.speeds import Measured as SpeedSum
from dsvl2_runtime.machine.speeds import Speeds
from dsvl2_runtime.notices import Notice
from small_models import small_config

IMAGES = [ImagePart("/a b.png"), ImagePart("/c.png", "c", "0123456789abcdef" * 4)]
ERROR = WireError("ImageError", "picture /a.png: damaged", 5, 400, {"source": "/a.png", "count": 2, "none": None})
CONVERSATION = (
    ChatMessage("system", (TextPart("Be brief."),)),
    user_message("What?", IMAGES),
    ChatMessage("assistant", (TextPart("A bill."),)),
    ChatMessage("user", (TextPart("Whose?"), ImagePart("/d.png"), TokenPart("<|grounding|>"))),
)
CONFIG = small_config("small")
SPEEDS = Speeds(tile=SpeedSum(units=3, total=1.5))
COMMANDS = [
    Hello(),
    Load("models/a", 2),
    Load("demo", force=True),
    Ask(3, CONVERSATION),
    Ask(4, CONVERSATION[1:2], GenerationOptions(7, 0.5, 0.9, 3, 1.1, 5, ("end",)), 2.5),
    Ask(5, CONVERSATION, look_again=False),
    Ask(6, CONVERSATION, look_again=True, first=FirstAnswer("38", 0.25, 2, 1.5)),
    Stop(3),
]
EVENTS = [
    Progressed("vision", 1, 9, 3),
    Progressed("load", 0, 4),
    Progressed("images", 1, 2, 3),
    Loaded("a", "int4", "random"),
    Loaded(
        "a",
        "int4",
        "",
        Provider.CPU,
        (Notice("threads.capped", {"asked": 9}),),
        CONFIG,
        "0123456789abcdef" * 4,
        2,
        5_000_000,
        True,
    ),
    Measured(None),
    Measured(SPEEDS),
    LoadFailed(ERROR),
    BadMessage(ERROR),
    BadMessage(ERROR, 3),
    Prepared(
        3, (Notice("model.note", {"note": "random"}).of_image(2), Notice("model.note")), 90, 80, ((170, 90), (1, 2))
    ),
    Wrote(3, "x\n<b>"),
    Finished(3, "timeout", 12, 0.5, 40, 0.25, 5_000_000),
    Finished(3, "stop", 2, 0.5, confidence=0.25, looks=2),
    LooksAgain(3, Finished(3, "stop", 2, 0.25, confidence=0.125)),
    Replaced(3, "47"),
    Failed(3, ERROR),
]


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_come_back(command: Command) -> None:
    """One line each, whatever is in it."""
    line = to_line(command)
    assert line.count(b"\n") == 1
    assert read_command(line) == command


@pytest.mark.parametrize("event", EVENTS)
def test_events_come_back(event: Event) -> None:
    """One line each, and no event is taken for a command."""
    assert read_event(to_line(event)) == event
    with pytest.raises(ProtocolError):
        read_command(to_line(event))


def test_a_message_may_hold_each_grounding_token_and_no_other() -> None:
    assert get_args(GroundingToken) == GROUNDING_TOKENS


def test_names_of_grounding_tokens_are_tokens_only_where_a_program_says_so() -> None:
    """What the model wrote becomes tokens again, in its order; what a user typed stays text."""
    answer = "<|ref|>the total<|/ref|><|det|>[[1, 2, 3, 4]]<|/det|> and <|User|>"
    assert grounded_parts(answer) == (
        TokenPart("<|ref|>"),
        TextPart("the total"),
        TokenPart("<|/ref|>"),
        TokenPart("<|det|>"),
        TextPart("[[1, 2, 3, 4]]"),
        TokenPart("<|/det|>"),
        TextPart(" and <|User|>"),
    )
    assert user_message(answer).content == (TextPart(answer),)


@given(st.text())
def test_any_text_survives(text: str) -> None:
    """Line ends, quotes, characters of all planes."""
    line = to_line(Wrote(1, text))
    assert line.isascii()
    assert line.count(b"\n") == 1
    assert read_event(line) == Wrote(1, text)


def test_a_line_is_never_longer_than_the_other_side_reads() -> None:
    """The longest one goes; one byte more is an error with both numbers."""
    room = LONGEST_LINE - len(to_line(Wrote(1, "")))
    assert read_event(to_line(Wrote(1, "a" * room))) == Wrote(1, "a" * room)
    with pytest.raises(MessageTooLongError) as caught:
        to_line(Wrote(1, "a" * (room + 1)))
    assert (caught.value.size, caught.value.limit) == (LONGEST_LINE + 1, LONGEST_LINE)


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{",
        b"[1]",
        b'{"kind": "wrote"}',
        b'{"kind": "wrote", "turn": 1, "text": "a", "more": 2}',
        b'{"kind": "unheard of"}',
        b'{"kind": "prepared", "turn": 1, "notices": [{"code": "unheard of", "values": {}}]}',
        b'{"kind": "prepared", "turn": 1, "notices": [{"code": "model.note", "values": {}, "more": 2}]}',
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"kind": "wrote", "turn": 1, "text": "' + b"a" * LONGEST_LINE + b'"}',
    ],
    ids=[
        "empty",
        "broken",
        "array",
        "lacking",
        "unknown key",
        "unknown kind",
        "unknown notice",
        "notice with more",
        "bytes",
        "nested",
        "long",
    ],
)
def test_other_lines_are_refused(line: bytes) -> None:
    """Anything that is not exactly one of our messages is an error of ours."""
    with pytest.raises(ProtocolError):
        read_event(line)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("options", {"max_new_tokens": 0}),
        ("options", {"temprature": 1.0}),
        ("options", {"temperature": float("inf")}),
        ("seconds", 0),
        ("seconds", -1),
        ("seconds", 1e300),
        ("messages", []),
        ("messages", [{"role": "robot", "content": []}]),
        ("messages", [{"role": "user", "content": [{"kind": "video", "path": "/a"}]}]),
        ("messages", [{"role": "user", "content": [{"kind": "image", "path": "/a", "sha256": "../../etc"}]}]),
    ],
)
def test_a_question_that_cannot_be_answered_is_refused_with_its_turn(name: str, value: object) -> None:
    """The options have bounds, roles and kinds of content are known; what is refused still names its turn."""
    document = json.loads(to_line(Ask(3, CONVERSATION)))
    document[name] = value
    line = json.dumps(document).encode()
    with pytest.raises(ProtocolError, match=name):
        read_command(line)
    assert named_turn(line) == 3


@pytest.mark.parametrize("line", [b"{", b"[1]", b'{"turn": "3"}', b"[" * 100_000, b'{"turn": 3' + b" " * LONGEST_LINE])
def test_a_line_without_a_readable_turn_names_none(line: bytes) -> None:
    assert named_turn(line) is None


def test_a_hello_of_this_version_is_met() -> None:
    """The version of the program may differ: it is for messages alone."""
    assert greet(to_line(Hello(program="7.0"))) == Hello(program="7.0")


def test_another_version_is_its_own_error() -> None:
    """Both programs are named, and what else a later hello may hold does not matter."""
    later = {"kind": "hello", "version": PROTOCOL_VERSION + 1, "program": "9.1", "codec": "binary"}
    with pytest.raises(ProtocolVersionError, match=r"9\.1.*start it again") as caught:
        greet(json.dumps(later).encode())
    assert caught.value.their_version == PROTOCOL_VERSION + 1
    assert (caught.value.our_version, caught.value.their_program) == (PROTOCOL_VERSION, "9.1")


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"usage: python [-h]",
        b'{"kind": "load", "model": "m"}',
        b'{"kind": "hello"}',
        b'{"kind": "hello", "version": "1"}',
    ],
)
def test_a_first_line_that_is_no_hello_is_refused(line: bytes) -> None:
    with pytest.raises(ProtocolError) as caught:
        greet(line)
    assert not isinstance(caught.value, ProtocolVersionError)

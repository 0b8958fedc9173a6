"""The lines between window and engine."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsvl2_runtime.engine.protocol import (
    LONGEST_LINE,
    Ask,
    Failed,
    Finished,
    Load,
    Loaded,
    Prepared,
    Progressed,
    ProtocolError,
    Stop,
    Wrote,
    read_command,
    read_event,
    to_line,
)
from dsvl2_runtime.notices import Notice

COMMANDS = [Load("models/a", 2), Load("demo", force=True), Ask(3, "What?", ("/a b.png", "/c.png"), 7), Stop(3)]
EVENTS = [
    Progressed("vision", 1, 9, 3),
    Progressed("load", 0, 4),
    Loaded("a", "int4", "random"),
    Prepared(3, (Notice("model.note", {"note": "random"}).of_image(2), Notice("model.note"))),
    Wrote(3, "x\n<b>"),
    Finished(3, "stop", 12, 0.5),
    Failed("broken"),
    Failed("broken", 3),
]


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_come_back(command: Load | Ask | Stop) -> None:
    """One line each, whatever is in it."""
    line = to_line(command)
    assert line.count(b"\n") == 1
    assert read_command(line) == command


@pytest.mark.parametrize("event", EVENTS)
def test_events_come_back(event: Wrote) -> None:
    """One line each, and no event is taken for a command."""
    assert read_event(to_line(event)) == event
    with pytest.raises(ProtocolError):
        read_command(to_line(event))


@given(st.text())
def test_any_text_survives(text: str) -> None:
    """Line ends, quotes, characters of all planes."""
    line = to_line(Wrote(1, text))
    assert line.isascii()
    assert line.count(b"\n") == 1
    assert read_event(line) == Wrote(1, text)


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

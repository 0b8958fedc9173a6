"""The client's side of an engine, without Qt."""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path

import psutil
import pytest

from dsvl2_runtime.engine.client import LAST_LINES, Connection, EngineClient, EngineEnd
from dsvl2_runtime.engine.prompt_parts import user_message
from dsvl2_runtime.engine.protocol import (
    LONGEST_LINE,
    PROTOCOL_VERSION,
    Ask,
    BadMessage,
    Event,
    Failed,
    Finished,
    Hello,
    Load,
    Loaded,
    LoadFailed,
    Measured,
    MessageTooLongError,
    ProtocolError,
    ProtocolVersionError,
    Stop,
    Wrote,
    to_line,
)
from dsvl2_runtime.engine.wire_error import WireError
from running_server import FAKE_ENGINE
from small_models import MakeBundle
from waiting import PATIENCE, wait_until

ERROR = WireError("ImageError", "damaged", 5, 400)
LOADED = Loaded("m", "int4", "")


def question(turn: int) -> Ask:
    return Ask(turn, (user_message("What?"),))


def received(connection: Connection, data: bytes) -> list[Event]:
    connection.receive(data)
    return list(connection.events())


def test_the_first_command_brings_the_hello() -> None:
    """Once; the engine reads it before everything else."""
    connection = Connection()
    assert connection.send(Load("m")) == to_line(Hello()) + to_line(Load("m"))
    assert connection.send(Stop(1)) == to_line(Stop(1))


def test_events_come_in_any_pieces() -> None:
    """A pipe cuts where it likes."""
    connection, found = Connection(), list[Event]()
    for byte in to_line(Hello()) + to_line(LOADED) + to_line(Wrote(1, "é\n")):
        found += received(connection, bytes([byte]))
    assert found == [LOADED, Wrote(1, "é\n")]


def test_events_before_a_bad_line_are_not_lost() -> None:
    """The answer that came is the user's."""
    connection, found = Connection(), list[Event]()
    connection.receive(to_line(Hello()) + to_line(Wrote(1, "half")) + b"nonsense\n")
    with pytest.raises(ProtocolError, match="not a message"):
        found += connection.events()  # adds what comes before the error
    assert found == [Wrote(1, "half")]


def test_a_command_that_is_too_long_leaves_no_open_turn() -> None:
    """The engine will say nothing about it, so nobody may wait."""
    connection = Connection()
    with pytest.raises(MessageTooLongError):
        connection.send(Ask(1, (user_message("x" * LONGEST_LINE),)))
    assert connection.open_turns == set()
    assert connection.send(Stop(1)) == to_line(Hello()) + to_line(Stop(1))


def test_the_state_follows_what_is_said() -> None:
    """Loading, ready, failed; a turn is open until its last event, also if that is the refusal of its line."""
    connection = Connection()
    connection.send(Load("m"))
    for turn in (1, 2, 3):
        connection.send(question(turn))
    states = [connection.state]
    received(connection, to_line(Hello()) + to_line(LOADED))
    states.append(connection.state)
    received(connection, to_line(Failed(1, ERROR)) + to_line(Finished(2, "stop", 1, 0.1)))
    assert connection.open_turns == {3}
    received(connection, to_line(BadMessage(ERROR, 3)))
    assert connection.open_turns == set()
    states.append(connection.state)
    received(connection, to_line(LoadFailed(ERROR)))
    assert [*states, connection.state] == ["loading", "ready", "ready", "failed"]


def test_an_engine_of_another_version_is_its_own_error() -> None:
    """Also if everything it says besides is readable."""
    connection = Connection()
    connection.receive(to_line(Hello(PROTOCOL_VERSION + 1, "9.1")) + to_line(LOADED))
    with pytest.raises(ProtocolVersionError, match=r"9\.1"):
        list(connection.events())


def test_a_line_without_an_end_is_refused() -> None:
    """It would fill the memory."""
    connection = Connection()
    connection.receive(to_line(Hello()) + b"x" * (LONGEST_LINE + 1))
    with pytest.raises(ProtocolError, match=str(LONGEST_LINE)):
        list(connection.events())


def test_the_end_carries_the_last_lines_of_standard_error() -> None:
    """Not all of them, none that is empty, and the one without a line end too."""
    connection = Connection()
    connection.send(question(1))
    connection.receive_errors(b"".join(b"line %d\n\n" % number for number in range(20)) + b"last \xff")
    end = connection.end("signal", 7)
    assert len(end.last_lines) == LAST_LINES
    assert end.last_lines[-2:] == ("line 19", "last \ufffd")
    assert (connection.state, connection.open_turns) == ("failed", set())


def test_nothing_is_reported_from_an_engine() -> None:
    """The variable that silences ONNX Runtime is there before anything is imported."""
    client = EngineClient(Load("m"), ["-c", "import os, sys; sys.exit(os.environ['ORT_DISABLE_TELEMETRY'])"])
    assert client.next_event(PATIENCE) == EngineEnd("exit", 1, last_lines=("1",))


def test_a_question_is_answered_by_a_real_engine(bundle: MakeBundle) -> None:
    """Start, load, ask, read the events to the last one of the turn, close; the speeds may come before the end."""
    client = EngineClient(Load(str(bundle("small", "int4")), 1))
    try:
        client.send(question(4))
        events: list[Event | EngineEnd] = []
        while not events or not isinstance(events[-1], Finished | Failed | EngineEnd):
            events.append(client.next_event(PATIENCE))
        assert isinstance(events[-1], Finished), events[-1]
        assert client.state == "ready"
        assert events[-1].turn == 4
        assert any(isinstance(event, Wrote) for event in events)
    finally:
        client.close()
    rest = [*iter(lambda: client.next_event(PATIENCE), EngineEnd("closed"))]
    assert all(isinstance(event, Measured) for event in rest), rest


def test_what_an_engine_said_before_it_was_closed_comes_before_the_end(tmp_path: Path) -> None:
    """What it measured is sent after the last event of a turn, here certainly before the client closes it."""
    client = EngineClient(Load(str(tmp_path)), FAKE_ENGINE)
    try:
        client.send(question(4))
        while not isinstance(event := client.next_event(PATIENCE), Finished):
            assert not isinstance(event, Failed | EngineEnd), event
        wait_until(lambda: not client._events.empty(), "what was measured does not come")
    finally:
        client.close()
    assert [client.next_event(PATIENCE), client.next_event(PATIENCE)] == [Measured(None), EngineEnd("closed")]


@pytest.mark.skipif(sys.platform == "win32", reason="no signals there")
def test_ctrl_c_is_left_to_the_client(bundle: MakeBundle) -> None:
    """A terminal sends it to all processes of a window or server; the engine goes on until it is told to end."""
    client = EngineClient(Load(str(bundle("small", "int4")), 1))
    try:
        while not isinstance(event := client.next_event(PATIENCE), Loaded):
            assert not isinstance(event, LoadFailed | EngineEnd), event
        os.kill(client.process_id, signal.SIGINT)
        client.send(question(4))
        while not isinstance(event := client.next_event(PATIENCE), Finished):
            assert not isinstance(event, Failed | EngineEnd), event
    finally:
        client.close()


STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
"""An engine that reads nothing, says nothing, and does not mind that its input closes."""


def test_closing_does_not_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """The caller's thread never waits for the process; another one reaps it."""
    client = EngineClient(Load("m"), ["-c", STUBBORN])
    caller = threading.current_thread()
    wait = client._process.wait

    def guarded(*arguments: object, **options: object) -> int:
        assert threading.current_thread() is not caller, "closing waited"
        return wait()

    monkeypatch.setattr(client._process, "wait", guarded)
    client.close()
    assert client.next_event(PATIENCE) == EngineEnd("closed")
    assert not psutil.pid_exists(client.process_id)


@pytest.mark.parametrize(
    ("code", "reason", "number"),
    [
        ("import sys; print('out of paper', file=sys.stderr); sys.exit(3)", "exit", 3),
        pytest.param(
            "import os, signal, sys; print('out of paper', file=sys.stderr, flush=True);"
            "os.kill(os.getpid(), signal.SIGKILL)",
            "signal",
            getattr(signal, "SIGKILL", 9),
            marks=pytest.mark.skipif(sys.platform == "win32", reason="no signals there"),
        ),
    ],
)
def test_an_end_from_outside_is_told_with_its_reason(code: str, reason: str, number: int) -> None:
    """With the code or the signal and what the process said last."""
    client = EngineClient(Load("m"), ["-c", code])
    assert client.next_event(PATIENCE) == EngineEnd(reason, number, last_lines=("out of paper",))  # type: ignore[arg-type]
    client.send(Stop(1))  # to a process that is gone: nothing happens


def test_a_program_that_is_no_engine_is_found_out() -> None:
    """Its first line is no hello; it is killed."""
    client = EngineClient(Load("m"), ["-c", "import time; print('Hello!', flush=True); time.sleep(600)"])
    end = client.next_event(PATIENCE)
    assert isinstance(end, EngineEnd)
    assert end.reason == "bad message"
    assert end.error is not None
    assert end.error.name == "ProtocolError"
    assert not psutil.pid_exists(client.process_id)


def test_waiting_for_an_event_has_an_end() -> None:
    """A caller's own patience."""
    client = EngineClient(Load("m"), ["-c", STUBBORN])
    try:
        with pytest.raises(TimeoutError, match="nothing for"):
            client.next_event(0.01)
    finally:
        client.close()

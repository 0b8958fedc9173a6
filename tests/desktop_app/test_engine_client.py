"""The engine's client in the window, with engines that misbehave."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator

import psutil
import pytest
from PySide6.QtCore import QProcess
from pytestqt.qtbot import QtBot

from dsvl2_app.engine_client import Engine
from dsvl2_runtime.engine.client import EngineEnd
from dsvl2_runtime.engine.protocol import PROTOCOL_VERSION, BadMessage, Hello, Load, Loaded, LoadFailed, to_line
from dsvl2_runtime.engine.wire_error import WireError
from event_loop import LONGEST_GAP, Watchdog
from small_models import FIGURE
from windows import PATIENCE, wait_for

pytestmark = pytest.mark.gui


SAY = "import sys, time\ndef say(line): sys.stdout.buffer.write(line); sys.stdout.flush()\n"
STUBBORN = "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\ntime.sleep(600)\n"
"""Neither the end of its input nor a polite request ends such an engine."""
HELLO = f"say({to_line(Hello())!r})\n"

OpenEngine = Callable[[str], Engine]


@pytest.fixture
def start(qtbot: QtBot) -> Iterator[OpenEngine]:
    """Starts engines with the code of their process, and closes them at the end."""
    engines: list[Engine] = []

    def make(code: str) -> Engine:
        engine = Engine(Load("m"), ["-c", SAY + code])
        engines.append(engine)
        engine.start()
        return engine

    yield make
    for engine in engines:
        engine.close()
        engine.wait_until_gone(PATIENCE)


def events_of(engine: Engine) -> list[object]:
    events: list[object] = []
    engine.event_came.connect(events.append)
    return events


def ends_of(engine: Engine) -> list[EngineEnd]:
    ends: list[EngineEnd] = []
    engine.ended.connect(ends.append)
    return ends


def running_process(engine: Engine) -> int:
    process_id = engine.process_id
    assert process_id
    return process_id


def test_closing_never_holds_up_the_window(
    start: OpenEngine, qtbot: QtBot, record_property: Callable[[str, object], None]
) -> None:
    """An engine that ignores its closed input is gone soon, and the event loop goes on meanwhile."""
    engine = start(HELLO + f"say({to_line(Loaded('m', 'int4', ''))!r})\n" + STUBBORN)
    events, ends = events_of(engine), ends_of(engine)
    wait_for(qtbot, lambda: len(events) == 1)
    process_id = running_process(engine)
    watchdog = Watchdog()
    engine.close()
    wait_for(qtbot, lambda: not psutil.pid_exists(process_id))
    record_property(FIGURE, watchdog.figure("an engine that does not want to end is closed"))
    assert watchdog.longest_own < LONGEST_GAP
    assert ends == []
    assert engine.process_id is None


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (HELLO + "say(b'nonsense\\n')\n" + STUBBORN, "bad message"),
        ("say(b'Usage: dsvl2-onnx\\n')\n" + STUBBORN, "bad message"),
        (HELLO + "say(b'x' * 1_500_000)\n" + STUBBORN, "bad message"),
        (HELLO + f"say({to_line(LoadFailed(WireError('E', 'm', 1, 500)))!r})\n" + STUBBORN, None),
    ],
    ids=["no event", "no hello", "a line without end", "load failed"],
)
def test_giving_up_an_engine_never_holds_up_the_window(
    start: OpenEngine, qtbot: QtBot, code: str, reason: str | None
) -> None:
    """Nothing waits inside the handler of what was read either."""
    engine = start(code)
    ends = ends_of(engine)
    process_id = running_process(engine)
    watchdog = Watchdog()
    wait_for(qtbot, lambda: engine.process_id is None and not psutil.pid_exists(process_id))
    assert watchdog.longest_own < LONGEST_GAP
    assert [end.reason for end in ends] == ([] if reason is None else [reason])


def test_nothing_in_the_client_waits(start: OpenEngine, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same without a clock: none of Qt's waiting calls is made."""
    waits: list[str] = []
    for name in ("waitForFinished", "waitForStarted", "waitForReadyRead", "waitForBytesWritten"):
        monkeypatch.setattr(QProcess, name, lambda *arguments, name=name: waits.append(name))
    engine = start(HELLO + STUBBORN)
    process_id = running_process(engine)
    engine.close()
    wait_for(qtbot, lambda: not psutil.pid_exists(process_id))
    assert waits == []


def test_a_process_that_is_dying_does_not_speak_for_the_next_one(start: OpenEngine, qtbot: QtBot) -> None:
    """Neither its last events nor its end reach the session, which has a new engine by then."""
    engine = start(HELLO + 'while True: say(b\'{"kind": "wrote", "turn": 0, "text": "old"}\\n\')\n')
    events, ends = events_of(engine), ends_of(engine)
    wait_for(qtbot, lambda: len(events) > 0)
    first = running_process(engine)
    engine.close()
    events.clear()
    engine._arguments = ["-c", SAY + HELLO + f"say({to_line(Loaded('new', 'int4', ''))!r})\n" + STUBBORN]
    engine.send(Load("m"))
    wait_for(qtbot, lambda: len(events) > 0 and not psutil.pid_exists(first))
    assert events == [Loaded("new", "int4", "")]
    assert ends == []
    assert running_process(engine) != first


def test_a_refused_line_closes_no_engine(start: OpenEngine, qtbot: QtBot) -> None:
    """A malformed command is no reason to load a model of gigabytes again."""
    bad = BadMessage(WireError("ProtocolError", "not a message", 1, 500), 3)
    engine = start(HELLO + f"say({to_line(bad)!r})\n" + STUBBORN)
    events = events_of(engine)
    process_id = running_process(engine)
    wait_for(qtbot, lambda: events == [bad])
    qtbot.wait(1)
    assert engine.process_id == process_id


def test_an_engine_of_another_version_is_named(start: OpenEngine, qtbot: QtBot) -> None:
    """As after an update of the program while its window is open."""
    engine = start(f"say({to_line(Hello(PROTOCOL_VERSION + 1, '9.1'))!r})\n" + STUBBORN)
    ends = ends_of(engine)
    wait_for(qtbot, lambda: len(ends) == 1)
    error = ends[0].error
    assert error is not None
    assert error.name == "ProtocolVersionError"
    assert error.values["their_program"] == "9.1"


@pytest.mark.skipif(sys.platform == "win32", reason="no signals there")
def test_an_engine_that_is_killed_tells_the_signal_and_its_last_words(start: OpenEngine, qtbot: QtBot) -> None:
    """What explains it best is often what a library wrote before."""
    code = "import os\nprint('out of paper', file=sys.stderr, flush=True)\nos.kill(os.getpid(), 9)\n"
    engine = start(HELLO + code)
    ends = ends_of(engine)
    wait_for(qtbot, lambda: len(ends) == 1)
    assert ends == [EngineEnd("signal", 9, last_lines=("out of paper",))]


def test_a_program_that_cannot_be_started_is_an_end(qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    """As when the folder of a virtual environment was deleted under the window."""
    monkeypatch.setattr("sys.executable", "/nowhere/python")
    engine = Engine(Load("m"))
    ends = ends_of(engine)
    engine.start()
    wait_for(qtbot, lambda: len(ends) == 1)
    assert ends == [EngineEnd("not started")]
    assert engine.process_id is None


def test_nothing_is_reported_from_an_engine(start: OpenEngine, qtbot: QtBot) -> None:
    """The variable that silences ONNX Runtime is there before anything is imported."""
    engine = start("import os\nsys.exit(os.environ['ORT_DISABLE_TELEMETRY'])\n")
    ends = ends_of(engine)
    wait_for(qtbot, lambda: len(ends) == 1)
    assert ends == [EngineEnd("exit", 1, last_lines=("1",))]


def test_the_end_of_the_program_waits_for_what_was_closed(start: OpenEngine) -> None:
    """So that no process is left behind when no event loop runs any more."""
    engine = start(HELLO + STUBBORN)
    process_id = running_process(engine)
    engine.close()
    engine.wait_until_gone(PATIENCE)
    assert not psutil.pid_exists(process_id)

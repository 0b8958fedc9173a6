"""Qt without a screen, and windows with a real engine process and a real, small bundle."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator, Sequence
from functools import partialmethod
from pathlib import Path

import pytest

os.environ["QT_QPA_PLATFORM"] = "offscreen"
os.environ.setdefault("QT_LOGGING_RULES", "qt.qpa.fonts.warning=false")

from PySide6.QtGui import QClipboard, QGuiApplication
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from dsvl2_app.background import give_way_soon
from dsvl2_app.engine_client import Engine
from dsvl2_app.settings_keeper import SettingsKeeper
from dsvl2_app.state.session import ChatSession
from dsvl2_app.widgets.main_window import MainWindow
from dsvl2_runtime.engine.client import ENGINE_ARGUMENTS
from dsvl2_runtime.engine.protocol import Load
from sessions import LOADED, Sent
from small_models import MakeBundle, picture
from windows import FAKE_ENGINE, PATIENCE, OpenWindow

SLOW = (
    "import time\nimport dsvl2_runtime.answers.sampling as sampling\nfrom dsvl2_runtime.engine import process\n"
    "next_id = sampling.Sampler.next_id\n"
    "sampling.Sampler.next_id = lambda self, logits: (time.sleep(0.05), next_id(self, logits))[1]\n"
    "process.main()\n"
)
"""An engine that takes 50 ms for a token; a small model would be done before anybody could stop it."""


class PatientBot(QtBot):
    """Waits for what is to come as long as every other test; on its own it gives up after five seconds."""

    waitUntil = partialmethod(QtBot.waitUntil, timeout=PATIENCE)  # noqa: N815 - Qt's way of names
    waitSignal = partialmethod(QtBot.waitSignal, timeout=PATIENCE)  # noqa: N815
    waitSignals = partialmethod(QtBot.waitSignals, timeout=PATIENCE)  # noqa: N815
    waitExposed = partialmethod(QtBot.waitExposed, timeout=PATIENCE)  # noqa: N815
    waitActive = partialmethod(QtBot.waitActive, timeout=PATIENCE)  # noqa: N815


@pytest.fixture
def qtbot(qapp: QApplication, request: pytest.FixtureRequest) -> QtBot:
    return PatientBot(request)


@pytest.fixture(autouse=True)
def as_in_the_program() -> Iterator[None]:
    """Cycles are searched in this thread alone (`collector.py`), here after each test; other threads give way to it."""
    give_way_soon()
    gc.disable()
    yield
    gc.collect()
    gc.freeze()  # what is left belongs to the session
    left = QApplication.activeModalWidget()
    assert left is None, f"{left!r} takes all input from the windows of other tests"


@pytest.fixture
def sent() -> Sent:
    return Sent()


@pytest.fixture
def session(sent: Sent) -> ChatSession:
    """With its model, and without a window."""
    made = ChatSession(sent)
    made.take(LOADED)
    return made


@pytest.fixture
def open_window(qtbot: QtBot) -> Iterator[OpenWindow]:
    """Opens windows and closes them at the end."""
    windows: list[MainWindow] = []

    def make(model: Path, arguments: Sequence[str] = ENGINE_ARGUMENTS) -> MainWindow:
        window = MainWindow(Engine(Load(str(model), 1), arguments))
        windows.append(window)
        qtbot.addWidget(window)
        window.show()
        return window

    yield make
    for window in windows:
        window.close()
        window.wait_until_gone(PATIENCE / 1000)


@pytest.fixture
def window(open_window: OpenWindow, bundle: MakeBundle) -> MainWindow:
    return open_window(bundle("small", "int4"))


@pytest.fixture
def slow_window(open_window: OpenWindow, bundle: MakeBundle) -> MainWindow:
    """Its engine writes an answer for many seconds, so that something can happen in the middle of it."""
    return open_window(bundle("small", "int4"), ["-c", SLOW])


@pytest.fixture
def keeper(tmp_path: Path) -> Iterator[SettingsKeeper]:
    made = SettingsKeeper(tmp_path / "settings.toml")
    yield made
    made.wait_until_gone()


@pytest.fixture
def fake_window(open_window: OpenWindow, tmp_path: Path) -> MainWindow:
    """Its engine has no model and answers at once."""
    return open_window(tmp_path, FAKE_ENGINE)


@pytest.fixture
def image_file(tmp_path: Path) -> Path:
    path = tmp_path / "bill.png"
    picture(170, 90, 1).save(path)
    return path


@pytest.fixture
def clipboard(window: MainWindow) -> Iterator[QClipboard]:
    """Empty afterwards: what it held is deleted before Qt ends."""
    yield QGuiApplication.clipboard()
    QGuiApplication.clipboard().clear()

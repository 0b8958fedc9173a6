"""Starts the window, or gives what was asked for to the one that is open."""

from __future__ import annotations

import os
import signal
import sys
from dataclasses import replace

from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QApplication

from dsvl2_app import language, texts
from dsvl2_app.activity_log import ActivityLog, log_path, start_log, stop_log
from dsvl2_app.app_icon import app_icon
from dsvl2_app.background import give_way_soon
from dsvl2_app.collector import Collector
from dsvl2_app.display import require_display
from dsvl2_app.engine_client import Engine
from dsvl2_app.history_client import History
from dsvl2_app.menu_entry import ENTRY
from dsvl2_app.settings_keeper import SettingsKeeper
from dsvl2_app.single_instance import Instance, NoPlaceError, claim_quietly, find_instance
from dsvl2_app.state.app_request import AppRequest
from dsvl2_app.state.history.place import data_folder
from dsvl2_app.state.layout import layout_path
from dsvl2_app.state.opening import Opening, opening_of, request_of, require_same_model
from dsvl2_app.state.settings import Settings, settings_path
from dsvl2_app.widgets.capture_flow import CaptureFlow
from dsvl2_app.widgets.capture_tools import CaptureButton, area_cost, capture_menu
from dsvl2_app.widgets.choices import Choices
from dsvl2_app.widgets.help_menu import HelpMenu
from dsvl2_app.widgets.keeping import Keeping
from dsvl2_app.widgets.main_window import MainWindow
from dsvl2_app.widgets.models.guide import Guide
from dsvl2_app.widgets.opener import ACTIVATION, Opener
from dsvl2_app.widgets.tray import Tray
from dsvl2_runtime.cli.streams import print_message
from dsvl2_runtime.engine.protocol import Load
from dsvl2_runtime.errors import Dsvl2Error

CLOSING_SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")
"""Ctrl-C, a request to end, a terminal that is closed; Windows knows no third one."""
SIGNAL_MILLISECONDS = 100
GONE_SECONDS = 2.0
"""For an engine that was killed, whose memory takes a second to be given back, and for an image that is being read."""
SIGNAL_EXIT_CODE = 128
"""Plus the number of the signal, as shells count: 130 for Ctrl-C."""


def run_app(load: Load, opening: Opening, *, new_window: bool = False) -> int:
    """Show the window until it is closed, by its user or by a signal; if one is open, let it do what is asked for.

    Returns:
        The exit code.

    Raises:
        UsageError: there is no screen, which Qt would answer by aborting the process.
        RefusedError: the open window does not do it.
        BusyError: it does not answer.
    """
    require_display()
    instance: Instance | None = None
    if new_window:
        instance = claim_quietly()
    else:
        token = os.environ.get(ACTIVATION, "")
        try:
            instance = find_instance(request_of(replace(opening, activation=token)))
        except NoPlaceError as error:
            print_message(f"dsvl2-onnx: {error}; a second start will not find this window")
        else:
            if instance is None:
                return 0
    try:
        return _show_window(load, opening, instance)
    finally:
        if instance is not None:
            instance.close()


def _show_window(load: Load, opening: Opening, instance: Instance | None) -> int:
    caught = catch_signals()
    application = QApplication(sys.argv[:1])
    give_way_soon()
    Collector(application)
    application.setApplicationName(texts.window.APP_NAME)
    start_log(log_path())
    settings = SettingsKeeper(settings_path())
    application.setDesktopFileName(ENTRY)
    application.setWindowIcon(app_icon())
    language.install(settings.settings.language)
    window = MainWindow(Engine(_chosen(load, opening, settings.settings)), layout_path())
    history = History(data_folder(), is_private=settings.settings.keeps_nothing)
    keeping = Keeping(window, history, opens_last=settings.settings.opens_last)
    guide = Guide(window, settings)
    choices = Choices(window, settings, history, guide.open_dialog)
    flow = CaptureFlow(window)
    opener = Opener(window, flow)

    _furnish(window, settings, flow)

    def handle(request: AppRequest) -> None:
        asked = opening_of(request)
        require_same_model(asked, window.engine.load)
        opener.open(asked)

    if instance is not None:
        try:
            instance.listen(handle)
        except NoPlaceError as error:
            print_message(f"dsvl2-onnx: {error}; a second start will not find this window")
    try:
        opener.open(opening)
    except Dsvl2Error:
        window.show()
        raise

    def close_when_caught() -> None:
        if caught:
            window.close()
            application.exit()  # closing does not end the loop while a dialog is open

    # Python handles signals only when it runs, and an idle window never leaves Qt's loop.
    timer = QTimer()
    timer.timeout.connect(close_when_caught)
    timer.start(SIGNAL_MILLISECONDS)
    choices.apply_keys()  # now that every action is there
    code = application.exec()
    flow.stop()
    guide.close()
    keeping.close()
    settings.close()
    window.wait_until_gone(GONE_SECONDS)
    keeping.wait_until_gone(GONE_SECONDS)
    stop_log()
    return SIGNAL_EXIT_CODE + caught[0] if caught else code


def _chosen(load: Load, opening: Opening, settings: Settings) -> Load:
    """What the command line names counts more than the settings."""
    model = load.model if opening.model is not None else settings.model or load.model
    return replace(load, model=model, threads=load.threads or settings.threads or None)


def _furnish(window: MainWindow, settings: SettingsKeeper, flow: CaptureFlow) -> None:
    """Add what the window itself knows nothing of."""
    flow.describe = area_cost(window.session)
    menu = capture_menu(flow, window)
    window.menu("file").addMenu(menu)
    window.picture_pane.add_tool(CaptureButton(flow, menu))
    window.picture_pane.drop_zone.add_button(CaptureButton(flow, menu, is_first=True))
    tray = Tray(window, flow, app_icon())
    tray.set_shown(settings.settings.tray)
    settings.changed.connect(lambda changed: tray.set_shown(changed.tray))
    places = [
        (texts.guide.conversations(), data_folder()),
        (texts.guide.settings(), settings_path()),
        (texts.guide.log(), log_path()),
    ]
    HelpMenu(window, settings, places, log_path())
    ActivityLog(window.engine, window)


def catch_signals() -> list[int]:
    """A list to which the signals that ask for the end are added; those that are ignored, as by nohup, stay so."""
    caught: list[int] = []
    for name in CLOSING_SIGNALS:
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, lambda found, _frame: caught.append(found))
    return caught

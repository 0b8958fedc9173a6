"""Cycles are searched in the window's thread alone."""

from __future__ import annotations

import gc
import threading
import weakref

import pytest
from pytestqt.qtbot import QtBot

from dsvl2_app.collector import Collector

pytestmark = pytest.mark.gui


class Cycle:
    def __init__(self) -> None:
        self.itself = self


def test_a_cycle_dies_in_the_thread_of_the_loop(qtbot: QtBot) -> None:
    """Not in the one that makes objects, however many it makes."""
    collector = Collector()
    threads: list[int] = []
    cycle = Cycle()
    weakref.finalize(cycle, lambda: threads.append(threading.get_ident()))
    del cycle
    kept: list[list[int]] = []
    worker = threading.Thread(target=lambda: kept.extend([] for _ in range(gc.get_threshold()[0] * 20)))
    worker.start()
    worker.join()
    assert not threads
    qtbot.waitUntil(lambda: bool(threads))
    assert threads == [threading.get_ident()]
    collector.deleteLater()

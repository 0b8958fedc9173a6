"""The letters by which buttons and entries of menus are pressed with Alt."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from xml.etree import ElementTree

import pytest
from pytestqt.qtbot import QtBot

import dsvl2_app
from dsvl2_app.widgets import controls

pytestmark = pytest.mark.gui

MARKED = re.compile(r"(?<!&)&(\w)")
TRANSLATIONS = sorted((Path(dsvl2_app.__file__).parent / "translations").glob("*.ts"))


def letter(text: str) -> str | None:
    found = MARKED.search(text)
    return found.group(1).upper() if found else None


def clashes(texts: Iterable[str]) -> list[str]:
    """The letters that two different texts have."""
    counts = Counter(letter(text) for text in set(texts))
    return [mark for mark, count in counts.items() if mark is not None and count > 1]


TELLS_TEXTS = """
import json
from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QApplication, QPushButton
from dsvl2_app import app
from dsvl2_app.widgets import main_window

def buttons(widget):
    return [button.text() for button in widget.findChildren(QPushButton) if button.isVisibleTo(widget)]

def entries(menu):
    found = {menu.title(): [action.text() for action in menu.actions() if action.text()]}
    for action in menu.actions():
        if action.menu() is not None:
            found |= entries(action.menu())
    return found

class Telling(main_window.MainWindow):
    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.resize(1280, 700)
        self.timer = QTimer(self)
        self.timer.timeout.connect(self.tell)
        self.timer.start(100)

    def tell(self):
        if self.session.engine_state != "ready":
            return
        self.timer.stop()
        groups = {"bar": [action.text() for action in self.menuBar().actions()]}
        groups["window"] = groups["bar"] + [text for text in buttons(self) if text]
        for action in self.menuBar().actions():
            groups |= entries(action.menu())
        self.status.settings_button.click()
        self.status.model_button.click()
        for dialog in QApplication.topLevelWidgets():
            pages = getattr(dialog, "pages", None)
            if pages is not None:
                for row in range(pages.count()):
                    pages.setCurrentRow(row)
                    groups["settings " + str(row)] = [text for text in buttons(dialog) if text]
            elif hasattr(dialog, "page"):
                groups["models"] = buttons(dialog.list)
                groups["conversion"] = [text for text in buttons(dialog.page) if text]
        print(json.dumps(groups))
        QApplication.closeAllWindows()
        QApplication.exit()

main_window.MainWindow = app.MainWindow = Telling
from dsvl2_runtime.cli.main import main
main()
"""
WITHOUT_LETTER = {"Read text", "Table", "Locate", "Fields", "Describe", "Chart"}
"""Ready-made questions have keys of their own, which their tips name."""
NAMES = re.compile(r"demo|A receipt|A form|Some settings|简体.*|English")


def test_the_letters_of_the_program_do_not_clash(tmp_path: Path) -> None:
    """In each menu, in the window beside its menus, on each page of the settings, in the models and the conversion."""
    environment = os.environ | {"LANG": "C", "LC_ALL": "C", "TMPDIR": str(tmp_path)}
    environment |= {f"XDG_{name}_HOME": str(tmp_path) for name in ("CONFIG", "DATA", "STATE", "CACHE")}
    found = subprocess.run(
        [sys.executable, "-c", TELLS_TEXTS, "app", "--new-window"],
        capture_output=True,
        encoding="utf-8",
        env=environment,
        check=False,
    )
    assert found.returncode == 0, found.stderr
    groups: dict[str, list[str]] = json.loads(found.stdout)
    assert {"bar", "window", "&File", "&View", "&Help", "&Conversation", "models", "settings 0"} <= set(groups)
    assert {name: shown for name, shown in groups.items() if clashes(shown)} == {}
    unmarked = {text for shown in groups.values() for text in shown if letter(text) is None}
    assert {text for text in unmarked - WITHOUT_LETTER if not NAMES.match(text)} == set()


@pytest.mark.parametrize("path", TRANSLATIONS, ids=lambda path: path.stem)
def test_a_translation_has_the_letter_of_its_source(path: Path) -> None:
    """So that what does not clash in English does not clash there; in brackets where the word has no such letter."""
    for message in ElementTree.parse(path).iter("message"):  # noqa: S314
        source, translation = message.findtext("source", ""), message.findtext("translation", "")
        assert letter(source) == letter(translation), source


def test_a_tip_and_a_name_do_not_show_the_mark(qtbot: QtBot) -> None:
    made = controls.button("", "copy", "flat", "&Copy answer")
    qtbot.addWidget(made)
    assert (made.toolTip(), made.accessibleName()) == ("Copy answer", "Copy answer")

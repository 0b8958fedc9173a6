"""Texts in other languages: complete, with the same gaps as in English, and shown by the program."""

from __future__ import annotations

import ast
import os
import re
import string
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest
from PySide6.QtCore import QCoreApplication, QLibraryInfo, QTranslator
from pytestqt.qtbot import QtBot

from dsvl2_app import language
from dsvl2_app.texts import capture, errors
from dsvl2_app.texts.mnemonics import plain
from dsvl2_runtime.bundle.model_names import find_model
from dsvl2_runtime.engine.wire_error import wire_error
from dsvl2_runtime.errors import ContextOverflowError, ImageError
from dsvl2_runtime.notices import Notice
from dsvl2_runtime.texts import SENTENCES

pytestmark = pytest.mark.gui

APP = Path(errors.__file__).parents[1]
FUNCTIONS = {"translate": 0, "QT_TRANSLATE_NOOP": 0}
CHINESE = re.compile(r"[\u4e00-\u9fff]")
SAME_IN_CHINESE = {"{size} GB", "{size} MB", "Enter", "Shift+Enter", "Esc", "context {used} / {most}"}
"""Names of keys and units."""


def written() -> set[tuple[str, str]]:
    """(area, English) of every text, as Python reads them; Qt's lupdate reads them in its own way."""
    found = set()
    for path in (APP / "texts").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            name = getattr(getattr(node, "func", None), "attr", getattr(getattr(node, "func", None), "id", ""))
            if isinstance(node, ast.Call) and name in FUNCTIONS and len(node.args) >= 2:
                area, text = node.args[:2]
                if isinstance(area, ast.Constant) and isinstance(text, ast.Constant):
                    found.add((str(area.value), str(text.value)))
    return found


def translated(name: str) -> dict[tuple[str, str], tuple[str, bool]]:
    """(area, English) to the translation, and whether it is finished."""
    found = {}
    for area in ElementTree.parse(APP / "translations" / f"dsvl2_{name}.ts").iter("context"):  # noqa: S314 - ours
        for message in area.iter("message"):
            target = message.find("translation")
            assert target is not None
            key = (area.findtext("name") or "", message.findtext("source") or "")
            found[key] = (target.text or "", target.get("type") is None)
    return found


def gaps(text: str) -> list[str]:
    """What is put in later, in no order."""
    return sorted(
        {f"{name}{conversion or ''}{form}" for _, name, form, conversion in string.Formatter().parse(text) if name}
    )


@pytest.fixture
def chinese(qtbot: QtBot) -> Iterator[None]:
    """Of the whole application, until the end of the test."""
    assert language.install("zh_CN") == "zh_CN"
    yield
    language.install("en")


@pytest.mark.parametrize("name", language.TRANSLATED)
def test_every_text_is_translated_and_no_other(name: str) -> None:
    """`make translations` takes new texts in; whoever adds one translates it."""
    found = translated(name)
    assert len(found) > 100
    assert set(found) == written()
    assert {key for key, (text, finished) in found.items() if not finished or not text.strip()} == set()


@pytest.mark.parametrize("name", language.TRANSLATED)
def test_a_translation_has_the_gaps_and_keys_of_its_text(name: str) -> None:
    """A gap that is missing would lose a number, one too many would be an error; & marks a key, and dots a dialog."""
    for (_, source), (text, _) in translated(name).items():
        assert gaps(text) == gaps(source), source
        assert len(re.findall(r"&[^&\s]", text)) == len(re.findall(r"&[^&\s]", source)), source
        assert source.endswith("…") == text.endswith("…"), source
        assert (source[:1] == " ") == (text[:1] == " "), source
        if source not in SAME_IN_CHINESE:
            assert CHINESE.search(text), source


@pytest.mark.parametrize("name", language.TRANSLATED)
def test_the_compiled_file_says_what_its_source_says(name: str) -> None:
    """It is made by `make translations` and read by the program."""
    translator = QTranslator()
    assert translator.load(f"dsvl2_{name}", str(APP / "translations"))
    for (area, source), (text, _) in translated(name).items():
        assert translator.translate(area, source) == text
    assert (Path(QLibraryInfo.path(QLibraryInfo.LibraryPath.TranslationsPath)) / f"qtbase_{name}.qm").is_file()


@pytest.mark.parametrize(
    ("choice", "system", "spoken"),
    [
        ("system", ["zh-Hans-CN", "zh"], "zh_CN"),
        ("system", ["de-DE", "zh-CN", "en"], "zh_CN"),
        ("system", ["en-US", "zh-CN"], "en"),
        ("system", ["zh-Hant-TW"], "en"),
        ("system", ["C"], "en"),
        ("system", [], "en"),
        ("en", ["zh-CN"], "en"),
        ("zh_CN", ["en-US"], "zh_CN"),
    ],
)
def test_the_language_is_the_first_that_we_have_of_those_that_the_system_wants(
    choice: language.Choice, system: list[str], spoken: str
) -> None:
    assert language.chosen_language(choice, system) == spoken


def test_qts_own_texts_are_translated_too(chinese: None) -> None:
    assert CHINESE.search(QCoreApplication.translate("QPlatformTheme", "Cancel"))
    language.install("en")
    assert QCoreApplication.translate("QPlatformTheme", "Cancel") == "Cancel"
    assert plain(capture.quit_program()) == "Quit"


def test_what_the_runtime_says_is_listed() -> None:
    """The sentences of all notices, and what the demonstration model says of itself."""
    listed = {text for area, text in written() if area == "errors"}
    assert set(SENTENCES.values()) - {"{note}"} <= listed
    import json

    manifest = json.loads((find_model("demo") / "manifest.json").read_text("utf-8"))
    assert manifest["note"] in listed


def test_errors_and_notices_are_said_in_chinese(chinese: None) -> None:
    """With what they are about; what is not known stays in English."""
    missing = errors.message(wire_error(ImageError("a; b: c.png", "no such file", "check the path")))
    assert CHINESE.search(missing)
    assert "no such file" not in missing
    large = errors.message(wire_error(ImageError("x.png", "it is damaged (broken data)", "save it again")))
    assert "broken data" in large
    assert "damaged" not in large
    full = errors.message(wire_error(ContextOverflowError(5336, 5300, 4096)))
    for number in ("5336", "5300", "4096"):
        assert number in full
    assert CHINESE.search(full)
    assert errors.said("something that nobody has translated") == "something that nobody has translated"
    told = errors.notice(Notice("image.first_page", {"image": 2}))
    assert CHINESE.search(told)
    assert "2" in told


def test_in_english_an_error_is_as_the_runtime_spells_it(qtbot: QtBot) -> None:
    for error in (ImageError("x.png", "it is damaged (x)", "save it again"), ContextOverflowError(9, 8, 7)):
        assert errors.message(wire_error(error)) == str(error)


SAYS_ALL = """
import sys
from pathlib import Path
from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QAbstractButton, QApplication, QLabel, QMenu, QPlainTextEdit, QWidget
from dsvl2_app import app
from dsvl2_app.widgets import main_window

class Telling(main_window.MainWindow):
    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.timer = QTimer(self)
        self.timer.timeout.connect(self.tell)
        self.timer.start(100)

    def tell(self):
        if self.session.engine_state != "ready" or self.reader.unread:
            return
        self.timer.stop()
        said = [action.text() for menu in self.findChildren(QMenu) for action in menu.actions()]
        said += [action.text() for action in self.menuBar().actions()]
        for widget in self.findChildren(QWidget):
            said += [widget.toolTip(), widget.accessibleName()]
            if isinstance(widget, QAbstractButton | QLabel):
                said.append(widget.text())
            if isinstance(widget, QPlainTextEdit):
                said.append(widget.placeholderText())
        said.append(self.status.currentMessage())
        print(*(text.replace(chr(10), " ") for text in said if text.strip()), sep=chr(10))
        self.close()

main_window.MainWindow = app.MainWindow = Telling
from dsvl2_runtime.cli.main import main
main()
"""
NAMES = re.compile(
    r"What is the \w+\?|(?:(?:Ctrl|Shift|Alt)\+)+\w|dsvl2-onnx|demo|int4|简体|PDF|JSON|Markdown|CSV|English|[\W\d_]+",
    re.IGNORECASE,
)
"""What is the same in every language: names, keys, numbers and signs, and questions for a model that reads English."""


def test_the_program_speaks_the_language_of_the_system(tmp_path: Path) -> None:
    """Started with LANG=zh_CN, with a picture that it refuses: every menu, button, label, tip and message."""
    broken = tmp_path / "1.png"
    broken.touch()
    environment = os.environ | {"LANG": "zh_CN.UTF-8", "LC_ALL": "zh_CN.UTF-8", "PYTHONIOENCODING": "utf-8"}
    environment |= {"TMPDIR": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path)}
    found = subprocess.run(
        [sys.executable, "-c", SAYS_ALL, "app", "--new-window", str(broken)],
        capture_output=True,
        encoding="utf-8",
        env=environment,
        check=False,
    )
    assert found.returncode == 0, found.stderr
    lines = found.stdout.splitlines()
    assert len(lines) > 60
    assert any("空文件" in line for line in lines), lines
    assert {line for line in lines if not CHINESE.search(line) and NAMES.sub("", line)} == set()


@pytest.mark.parametrize(
    ("text", "words"),
    [("&File", "File"), ("文件(&F)", "文件"), ("设置(&S)…", "设置…"), ("A & B", "A & B"), ("Un&pin", "Unpin")],
)
def test_a_title_has_the_words_of_its_entry_alone(text: str, words: str) -> None:
    assert plain(text) == words

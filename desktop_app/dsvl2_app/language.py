"""In which language the window speaks: that of the system, or one that was chosen."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import as_file, files
from typing import Literal

from PySide6.QtCore import QCoreApplication, QLibraryInfo, QLocale, QTranslator

Choice = Literal["system", "en", "zh_CN"]
TRANSLATED: tuple[Choice, ...] = ("zh_CN",)
"""Beside English, which the texts are written in."""


def chosen_language(choice: Choice, system: Sequence[str]) -> Choice:
    """The language to speak.

    Args:
        choice: in the settings.
        system: what the system prefers, such as `zh-Hans-CN`, the best first.
    """
    if choice != "system":
        return choice
    for name in system:
        locale = QLocale(name)
        if locale.language() == QLocale.Language.English:
            return "en"
        if locale.language() == QLocale.Language.Chinese and locale.script() != QLocale.Script.TraditionalChineseScript:
            return "zh_CN"
    return "en"


def install(choice: Choice = "system") -> Choice:
    """Let all texts that are made from now on be in a language, those of Qt's own dialogs too.

    Returns:
        The language.
    """
    application = QCoreApplication.instance()
    if application is None:
        raise RuntimeError("a language needs an application")
    for translator in application.findChildren(QTranslator):
        QCoreApplication.removeTranslator(translator)
        translator.deleteLater()
    language = chosen_language(choice, QLocale.system().uiLanguages())
    if language in TRANSLATED:
        QLocale.setDefault(QLocale(language))
        qts_own = QLibraryInfo.path(QLibraryInfo.LibraryPath.TranslationsPath)
        with as_file(files("dsvl2_app") / "translations") as ours:
            for name, folder in ((f"qtbase_{language}", qts_own), (f"dsvl2_{language}", str(ours))):
                translator = QTranslator(application)
                if translator.load(name, folder):
                    QCoreApplication.installTranslator(translator)
    return language

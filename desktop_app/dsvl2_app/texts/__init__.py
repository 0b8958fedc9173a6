"""Every sentence of the window, made from data when it is shown; one file for each area of the window.

Each function returns `QCoreApplication.translate(area, English)`, which is where Qt's `lupdate` finds the English and
where a translation takes its place. Numbers and names are put in afterwards, so that a translation can move them.
"""

from dsvl2_app.texts import (
    capture,
    engine,
    errors,
    find,
    guide,
    history,
    models,
    password,
    pictures,
    prompt,
    second_look,
    settings,
    talk,
    window,
)

__all__ = [
    "capture",
    "engine",
    "errors",
    "find",
    "guide",
    "history",
    "models",
    "password",
    "pictures",
    "prompt",
    "second_look",
    "settings",
    "talk",
    "window",
]

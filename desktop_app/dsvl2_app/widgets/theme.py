"""How everything looks: Fusion with a palette of our own, light or dark, and icons in the colours of the palette.

theme.apply("system")
label.setStyleSheet(f"color: {theme.colour('muted').name()}")
theme.set_icon(button, "copy")
theme.signals.changed.connect(widget.update)
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Literal, Protocol

from PySide6.QtCore import QByteArray, QObject, QSize, Qt, Signal
from PySide6.QtGui import QAction, QColor, QFont, QGuiApplication, QIcon, QPainter, QPalette, QPixmap
from PySide6.QtSvg import QSvgRenderer
from PySide6.QtWidgets import QApplication

from dsvl2_app.widgets.colours import BOXES, DARK, LIGHT, Role
from dsvl2_app.widgets.style_sheet import style_sheet

Choice = Literal["system", "light", "dark"]
TextSize = Literal["heading", "body", "small"]

TINY, SMALL, NORMAL, LARGE, HUGE = 4, 8, 12, 16, 24
"""Spaces in pixels between and around things."""
BUTTON_HEIGHT, LEAST_TARGET = 32, 28
BUTTON_RADIUS, CARD_RADIUS, DROP_RADIUS = 8, 12, 16
ICON = 18
"""Side of an icon on a button."""
LEAST_PERCENT, MOST_PERCENT = 80, 200
"""Of the text size."""
POINTS: dict[TextSize, float] = {"heading": 13.0, "body": 10.0, "small": 8.5}
STROKE = ('stroke-width="2"', 'stroke-width="1.75"')
ICON_SIDES = (16, 18, 20, 24, 27, 32, 36, 40, 48, 64, 72, 96)
"""In which icons are drawn: from these Qt takes the one that fits the scale of the screen."""
ICON_NAME, ICON_ROLE = "themeIcon", "themeIconRole"
"""Dynamic properties that say which icon something has, so that a change of theme can draw it anew."""


class Signals(QObject):
    """What the theme tells."""

    changed = Signal()
    """Colours, icons or the text size are others now."""


class HasIcon(Protocol):
    """A button, an action, a menu."""

    def setIcon(self, icon: QIcon) -> None: ...  # noqa: D102, N802 - Qt's name
    def setProperty(self, name: str, value: object) -> bool: ...  # noqa: D102, N802 - Qt's name


class _State:
    """What was chosen; the application has one look."""

    choice: Choice = "system"
    is_dark = False
    percent = 100
    system_is_dark = False
    is_applied = False


signals = Signals()
_state = _State()


def apply(choice: Choice | None = None, percent: int | None = None) -> None:
    """Give the application its look; what is None stays as it is. The first call also begins to follow the system."""
    application = QApplication.instance()
    if not isinstance(application, QApplication):
        raise TypeError("a theme needs a QApplication")
    if not _state.is_applied:
        _state.is_applied = True
        # Where the system says nothing of light and dark, its own palette does.
        _state.system_is_dark = application.palette().color(QPalette.ColorRole.Window).lightness() < 128
        application.setStyle("Fusion")
        application.styleHints().colorSchemeChanged.connect(_follow_system)
    _state.choice = choice or _state.choice
    _state.percent = min(max(percent or _state.percent, LEAST_PERCENT), MOST_PERCENT)
    _state.is_dark = _wants_dark()
    application.setPalette(_palette())
    application.setFont(font("body"))
    application.setStyleSheet(style_sheet(colours(), {size: points(size) for size in POINTS}))
    _draw_icons_anew(application)
    signals.changed.emit()


def choice() -> Choice:
    """What was chosen."""
    return _state.choice


def text_percent() -> int:
    """The size of all texts, 100 by default."""
    return _state.percent


def is_dark() -> bool:
    """Whether colours are those of the dark palette."""
    return _state.is_dark


def colours() -> dict[Role, str]:
    """All colours, as `#RRGGBB`."""
    return DARK if _state.is_dark else LIGHT


def colour(role: Role) -> QColor:
    """A colour by what it is for."""
    return QColor(colours()[role])


def box_colour(number: int) -> QColor:
    """Of a box on a picture, by its number from 1."""
    return QColor(BOXES[(number - 1) % len(BOXES)])


def points(size: TextSize) -> float:
    """Of a text size, with the chosen percentage."""
    return POINTS[size] * _state.percent / 100


def font(size: TextSize) -> QFont:
    """The system's typeface in one of our sizes."""
    made = QFont(QGuiApplication.font())
    made.setPointSizeF(points(size))
    made.setWeight(QFont.Weight.DemiBold if size == "heading" else QFont.Weight.Normal)
    return made


def icon(name: str, role: Role = "text") -> QIcon:
    """An icon of the folder `icons` in a colour of the palette; pale where what it stands on is disabled."""
    return _icon(name, colours()[role], colours()["line" if role == "muted" else "muted"])


def set_icon(target: HasIcon, name: str, role: Role = "text") -> None:
    """Give a button or an action an icon, which is drawn anew when the theme changes."""
    target.setProperty(ICON_NAME, name)
    target.setProperty(ICON_ROLE, role)
    target.setIcon(icon(name, role))


@cache
def _icon(name: str, enabled: str, disabled: str) -> QIcon:
    made = QIcon()
    modes = QIcon.Mode
    for shown, wanted in ((enabled, (modes.Normal, modes.Selected)), (disabled, (modes.Disabled,))):
        svg = _svg(name).replace("currentColor", shown).replace(*STROKE)
        renderer = QSvgRenderer(QByteArray(svg.encode()))
        for side in ICON_SIDES:
            pixmap = QPixmap(side, side)
            pixmap.fill(Qt.GlobalColor.transparent)
            painter = QPainter(pixmap)
            renderer.render(painter)
            painter.end()
            for mode in wanted:
                made.addPixmap(pixmap, mode)
    return made


@cache
def _svg(name: str) -> str:
    return (files("dsvl2_app") / "icons" / f"{name}.svg").read_text("utf-8")


def icon_size() -> QSize:
    """Of an icon on a button."""
    return QSize(ICON, ICON)


def _wants_dark() -> bool:
    if _state.choice != "system":
        return _state.choice == "dark"
    scheme = QGuiApplication.styleHints().colorScheme()
    if scheme == Qt.ColorScheme.Unknown:
        return _state.system_is_dark
    return scheme == Qt.ColorScheme.Dark


def _follow_system() -> None:
    if _state.choice == "system" and _wants_dark() != _state.is_dark:
        apply()


def _palette() -> QPalette:
    role = QPalette.ColorRole
    palette = QPalette()
    named: dict[QPalette.ColorRole, Role] = {
        role.Window: "background", role.WindowText: "text", role.Base: "surface", role.AlternateBase: "sunken",
        role.Text: "text", role.Button: "surface", role.ButtonText: "text", role.BrightText: "on_accent",
        role.Highlight: "accent", role.HighlightedText: "on_accent", role.PlaceholderText: "muted",
        role.Link: "accent", role.LinkVisited: "accent", role.ToolTipBase: "surface", role.ToolTipText: "text",
        role.Light: "surface", role.Midlight: "hover", role.Mid: "line", role.Dark: "line", role.Shadow: "sunken",
        role.Accent: "accent",
    }  # fmt: skip
    for target, name in named.items():
        palette.setColor(target, colour(name))
    for target in (role.WindowText, role.Text, role.ButtonText):
        palette.setColor(QPalette.ColorGroup.Disabled, target, colour("muted"))
    return palette


def _draw_icons_anew(application: QApplication) -> None:
    for widget in application.topLevelWidgets():
        for owner in (widget, *widget.findChildren(QObject)):
            name = owner.property(ICON_NAME)
            if isinstance(name, str) and (isinstance(owner, QAction) or hasattr(owner, "setIcon")):
                owner.setIcon(icon(name, owner.property(ICON_ROLE)))

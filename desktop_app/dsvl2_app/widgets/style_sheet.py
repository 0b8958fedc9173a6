"""The style sheet of the application; what a widget is, it says by a dynamic property (`widgets/controls.py`)."""

from __future__ import annotations

from collections.abc import Mapping

from dsvl2_app.widgets.colours import Role


def style_sheet(colours: Mapping[Role, str], points: Mapping[str, float]) -> str:
    """For a palette and text sizes in points."""
    c = colours
    return f"""
    QToolTip {{ background: {c["surface"]}; color: {c["text"]}; border: 1px solid {c["line"]}; padding: 4px; }}

    QPushButton, QToolButton {{
        border: 1px solid {c["line"]}; border-radius: 8px; padding: 0 12px; min-height: 30px;
        background: {c["surface"]}; color: {c["text"]}; }}
    QPushButton:hover, QToolButton:hover {{ background: {c["hover"]}; }}
    QPushButton:pressed, QToolButton:pressed {{ background: {c["line"]}; }}
    QPushButton:disabled, QToolButton:disabled {{ color: {c["muted"]}; }}
    QPushButton:focus, QToolButton:focus {{ border: 2px solid {c["accent"]}; padding: 0 11px; min-height: 28px; }}
    QToolButton::menu-indicator {{ image: none; }}
    QPushButton::menu-indicator {{ image: none; }}

    QLineEdit QToolButton {{ border: none; background: transparent; padding: 0; min-height: 0; }}

    QPushButton[kind="primary"] {{
        background: {c["accent"]}; color: {c["on_accent"]}; border: 1px solid {c["accent"]}; font-weight: 600; }}
    QPushButton[kind="primary"]:hover {{ border-color: {c["text"]}; }}
    QPushButton[kind="primary"]:focus {{ border: 2px solid {c["text"]}; }}
    QPushButton[kind="primary"]:disabled {{
        background: {c["line"]}; color: {c["muted"]}; border-color: {c["line"]}; }}
    QPushButton[kind="pill"] {{ border-radius: 14px; min-height: 26px; }}
    QPushButton[kind="pill"]:focus {{ min-height: 24px; }}
    QPushButton[kind="flat"], QToolButton[kind="flat"] {{
        border: 1px solid transparent; background: transparent; padding: 0 5px; }}
    QPushButton[kind="flat"]:hover, QToolButton[kind="flat"]:hover {{ background: {c["hover"]}; }}
    QPushButton[kind="flat"]:focus, QToolButton[kind="flat"]:focus {{
        border: 2px solid {c["accent"]}; padding: 0 4px; }}
    QPushButton[kind="flat"]:checked, QToolButton[kind="flat"]:checked {{ background: {c["accent_soft"]}; }}

    QFrame[kind="card"] {{
        background: {c["surface"]}; border: 1px solid {c["line"]}; border-radius: 12px; }}
    QFrame[kind="popup"] {{ background: {c["surface"]}; border: 1px solid {c["line"]}; }}
    QFrame[kind="toast"] {{
        background: {c["surface"]}; border: 1px solid {c["line"]}; border-radius: 8px; }}
    QFrame[kind="toast-error"] {{
        background: {c["error_soft"]}; border: 1px solid {c["error"]}; border-radius: 8px; }}
    QFrame[kind="toast-error"] QLabel {{ color: {c["error"]}; }}
    QFrame[kind="note"] {{ background: {c["warning_soft"]}; border-radius: 8px; }}
    QFrame[kind="note"] QLabel {{ color: {c["warning"]}; background: transparent; }}
    QFrame[kind="error"] {{ background: {c["error_soft"]}; border-radius: 8px; }}
    QFrame[kind="error"] QLabel {{ color: {c["error"]}; background: transparent; }}

    QLabel[tone="muted"] {{ color: {c["muted"]}; }}
    QLabel[tone="error"] {{ color: {c["error"]}; }}
    QLabel[tone="accent"] {{ color: {c["accent"]}; }}
    QLabel[textSize="heading"] {{ font-size: {points["heading"]}pt; font-weight: 600; }}
    QLabel[textSize="small"], QPushButton[textSize="small"] {{ font-size: {points["small"]}pt; }}

    QLineEdit {{
        border: 1px solid {c["line"]}; border-radius: 8px; padding: 6px 7px;
        background: {c["surface"]}; selection-background-color: {c["accent"]}; }}
    QLineEdit QToolButton {{ border: none; background: transparent; padding: 0; min-height: 0; }}
    QLineEdit:focus {{ border: 2px solid {c["accent"]}; padding: 5px 6px; }}

    QListWidget {{ background: {c["surface"]}; border: 1px solid {c["line"]}; border-radius: 8px; padding: 4px; }}
    QListWidget::item {{ border-radius: 6px; padding: 4px; color: {c["text"]}; }}
    QListWidget::item:hover {{ background: {c["hover"]}; }}
    QListWidget::item:selected {{ background: {c["accent_soft"]}; color: {c["text"]}; }}
    QListWidget[kind="chips"] {{
        padding: 0; background: transparent; border: 2px solid transparent; border-radius: 12px; }}
    QListWidget[kind="chips"]:focus {{ border-color: {c["accent_soft"]}; }}

    QListWidget[kind="navigation"] {{ background: transparent; border: none; outline: none; }}
    QListWidget[kind="navigation"]::item {{ border-radius: 8px; padding-left: 6px; color: {c["text"]}; }}
    QListWidget[kind="navigation"]::item:selected {{ background: {c["accent_soft"]}; color: {c["text"]}; }}
    QListWidget[kind="navigation"]:focus::item:selected {{ border: 2px solid {c["accent"]}; padding-left: 4px; }}

    QListWidget[kind="pages"] {{ background: {c["sunken"]}; border: 1px solid {c["line"]}; border-radius: 8px; }}
    QListWidget[kind="pages"]:focus {{ border: 2px solid {c["accent"]}; }}
    QListWidget[kind="pages"]::item {{ border-radius: 6px; padding: 2px; color: {c["text"]}; }}
    QListWidget[kind="pages"]::item:selected {{ background: {c["accent_soft"]}; border: 2px solid {c["accent"]}; }}

    QCheckBox::indicator {{
        width: 14px; height: 14px; border: 2px solid {c["muted"]}; border-radius: 5px; background: {c["surface"]}; }}
    QCheckBox::indicator:checked {{ background: {c["accent"]}; }}
    QCheckBox::indicator:focus, QCheckBox::indicator:hover {{ border-color: {c["accent"]}; }}

    QSplitter::handle {{ background: {c["line"]}; }}
    QSplitter::handle:hover {{ background: {c["accent"]}; }}
    QProgressBar {{ border: none; border-radius: 3px; background: {c["line"]}; max-height: 6px; min-height: 6px; }}
    QProgressBar::chunk {{ background: {c["accent"]}; border-radius: 3px; }}

    QMenuBar {{ background: {c["background"]}; border: none; padding: 2px 8px; }}
    QMenuBar::item {{ background: transparent; padding: 4px 10px; border-radius: 6px; }}
    QMenuBar::item:selected {{ background: {c["hover"]}; }}
    QMenu {{ background: {c["surface"]}; border: 1px solid {c["line"]}; padding: 4px; }}
    QMenu::item {{ padding: 6px 24px 6px 28px; border-radius: 6px; color: {c["text"]}; }}
    QMenu::item:selected {{ background: {c["accent_soft"]}; }}
    QMenu::item:disabled {{ color: {c["muted"]}; }}
    QMenu::separator {{ height: 1px; background: {c["line"]}; margin: 4px 8px; }}
    QMenu::icon {{ padding-left: 8px; }}

    QStatusBar {{ background: {c["background"]}; border-top: 1px solid {c["line"]}; color: {c["muted"]}; }}
    QStatusBar::item {{ border: none; }}
    QScrollBar:vertical {{ background: transparent; width: 12px; margin: 2px; }}
    QScrollBar:horizontal {{ background: transparent; height: 12px; margin: 2px; }}
    QScrollBar::handle {{ background: {c["line"]}; border-radius: 4px; min-height: 28px; min-width: 28px; }}
    QScrollBar::handle:hover {{ background: {c["muted"]}; }}
    QScrollBar::add-line, QScrollBar::sub-line {{ width: 0; height: 0; }}
    QScrollBar::add-page, QScrollBar::sub-page {{ background: transparent; }}
    """

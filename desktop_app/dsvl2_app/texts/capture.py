"""Texts of taking a picture of the screen."""

from __future__ import annotations

from collections.abc import Mapping

from PySide6.QtCore import QCoreApplication


def capture_button() -> str:
    """The button over the picture, and the menu entry."""
    return QCoreApplication.translate("capture", "Capture &region")


def capture_menu() -> str:
    """The menu inside the file menu, and what a screen reader calls the arrow beside the button."""
    return QCoreApplication.translate("capture", "&Capture the screen")


def capture_region() -> str:
    """An entry of the button's menu."""
    return QCoreApplication.translate("capture", "A &region")


def capture_window() -> str:
    """An entry of the button's menu."""
    return QCoreApplication.translate("capture", "A &window")


def capture_screen() -> str:
    """An entry of the button's menu."""
    return QCoreApplication.translate("capture", "The whole &screen")


def capture_later(seconds: int) -> str:
    """An entry of the button's menu."""
    return QCoreApplication.translate("capture", "A region &after {seconds} seconds").format(seconds=seconds)


def show_window() -> str:
    """An entry of the icon's menu."""
    return QCoreApplication.translate("capture", "Show the &window")


def quit_program() -> str:
    """An entry of the icon's menu."""
    return QCoreApplication.translate("capture", "&Quit")


def captured_image(number: int) -> str:
    """What a captured image is called."""
    return QCoreApplication.translate("capture", "captured {number}.png").format(number=number)


def overlay_title() -> str:
    """What a screen reader calls the frozen screen."""
    return QCoreApplication.translate("capture", "Choose a part of the screen")


def overlay_hint(has_frames: bool) -> str:
    """Over the frozen screen."""
    if has_frames:
        return QCoreApplication.translate(
            "capture", "Drag a rectangle or click a window.  Enter: whole screen.  Space: set a corner.  Esc: cancel."
        )
    return QCoreApplication.translate(
        "capture", "Drag a rectangle.  Enter: whole screen.  Space: set a corner.  Esc: cancel."
    )


def area_label(width: int, height: int, cost: str) -> str:
    """Beside the rectangle."""
    size = f"{width} × {height}"
    return f"{size}, {cost}" if cost else size


def area_tokens(tokens: int) -> str:
    """What an area costs."""
    return QCoreApplication.translate("capture", "{tokens} tokens").format(tokens=f"{tokens:,}")


def area_cost(tokens: int, seconds: int) -> str:
    """What an area costs, where earlier answers say how long it takes."""
    return QCoreApplication.translate("capture", "{tokens} tokens, about {seconds} s").format(
        tokens=f"{tokens:,}", seconds=seconds
    )


def wayland_shows_nothing() -> str:
    """Why a way to capture does not work."""
    return QCoreApplication.translate("capture", "Wayland shows the screen to no program")


def platform_without_screens(platform: str) -> str:
    """Why a way to capture does not work."""
    return QCoreApplication.translate("capture", "it does not show the screen on the platform {platform}").format(
        platform=platform
    )


def no_picture_of(screen: str) -> str:
    """Why a way to capture does not work."""
    return QCoreApplication.translate("capture", "the system gives no picture of the screen {screen}").format(
        screen=screen
    )


def only_on_linux() -> str:
    """Why a way to capture does not work."""
    return QCoreApplication.translate("capture", "it belongs to Linux desktops")


def only_on_macos() -> str:
    """Why a way to capture does not work."""
    return QCoreApplication.translate("capture", "it belongs to macOS")


def no_session_bus() -> str:
    """Why a way to capture does not work."""
    return QCoreApplication.translate("capture", "there is no session bus (D-Bus)")


def missing_package(name: str) -> str:
    """Why a way to capture does not work."""
    return QCoreApplication.translate("capture", "the Python package {name} is not installed").format(name=name)


def missing_program(path: str) -> str:
    """Why a way to capture does not work."""
    return QCoreApplication.translate("capture", "there is no program {path}").format(path=path)


def program_failed(path: str, found: str) -> str:
    """A program of the system did not work."""
    text = QCoreApplication.translate(
        "capture",
        "{path} did not work: {found}. In the system's settings, allow this program to record the screen "
        "(Privacy and Security, Screen Recording), and start it again.",
    )
    return text.format(path=path, found=found)


def portal_failed(found: str) -> str:
    """The desktop's portal did not work."""
    return QCoreApplication.translate("capture", "the desktop's screenshot portal did not work: {found}").format(
        found=found
    )


def portal_ended(code: int) -> str:
    """Why the portal did not work."""
    return QCoreApplication.translate("capture", "it ended with code {code}").format(code=code)


def no_file_named(uri: str) -> str:
    """Why the portal did not work."""
    return QCoreApplication.translate("capture", "it names no file of this computer ({uri})").format(uri=uri[:200])


def not_a_file(name: str) -> str:
    """Why the portal did not work."""
    return QCoreApplication.translate("capture", "{name} is not a regular file").format(name=name)


def useless_file(name: str, size: int) -> str:
    """Why the portal did not work."""
    return QCoreApplication.translate("capture", "{name} has {size} bytes").format(name=name, size=size)


def nothing_captures(reasons: Mapping[str, str]) -> str:
    """No way to capture works here."""
    listed = "; ".join(f"{name}: {reason}" for name, reason in reasons.items())
    text = QCoreApplication.translate(
        "capture",
        "The screen cannot be captured here ({reasons}). Take a screenshot with the system's own key, then paste it.",
    )
    return text.format(reasons=listed)

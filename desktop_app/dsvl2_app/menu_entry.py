"""An entry in the menu of the desktop, for this user: on Linux a desktop entry with icons, on macOS an application.

Sources: "Desktop Entry Specification" and "Icon Theme Specification" (freedesktop.org); "Bundle Structures" (Apple).
"""

from __future__ import annotations

import os
import plistlib
import shlex
import shutil
import sys
from pathlib import Path

from PySide6.QtGui import QImage

from dsvl2_app import app_icon
from dsvl2_runtime.errors import ResourceError, UsageError
from dsvl2_runtime.machine.files import disk_errors
from dsvl2_runtime.machine.own_modules import command_line

ENTRY = "dsvl2-onnx"
"""Name of the entry and of its icon; windows carry it too, so that a desktop knows to which entry they belong."""
COMMENT = {"": "Ask your screen and your documents, offline", "zh_CN": "离线询问屏幕与文档"}
GRAB = {"": "Capture a region", "zh_CN": "截取区域"}
IMAGE_TYPES = ("png", "jpeg", "webp", "bmp", "gif", "tiff")
RESERVED = '"`$\\'
"""Characters that stay themselves within quotes only behind a backslash."""


def add_to_menu() -> list[Path]:
    """Write the entry, over an older one.

    Returns:
        What was written.

    Raises:
        UsageError: this system's menu is not made of files.
        ResourceError: they cannot be written.
    """
    if sys.platform == "win32":
        raise UsageError("on Windows a shortcut makes the entry; docs/desktop.md shows the one command that adds it")
    return _add_application(Path.home() / "Applications") if sys.platform == "darwin" else _add_entry(_data_folder())


def remove_from_menu() -> list[Path]:
    """Delete what `add_to_menu` has written, as far as it is there."""
    if sys.platform == "darwin":
        places = [Path.home() / "Applications" / f"{ENTRY}.app"]
    else:
        places = _entry_files(_data_folder())
    there = [path for path in places if path.exists()]
    for path in there:
        with disk_errors(path):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    return there


def _data_folder() -> Path:
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")


def _entry_files(data: Path) -> list[Path]:
    icons = data / "icons" / "hicolor"
    drawn = [icons / f"{side}x{side}" / "apps" / f"{ENTRY}.png" for side in app_icon.SIDES]
    return [data / "applications" / f"{ENTRY}.desktop", icons / "scalable" / "apps" / f"{ENTRY}.svg", *drawn]


def _add_entry(data: Path) -> list[Path]:
    entry, drawing, *drawn = _entry_files(data)
    for path in (entry, drawing, *drawn):
        with disk_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
    with disk_errors(entry):
        entry.write_text(desktop_entry(command_line()), "utf-8")
        drawing.write_bytes(app_icon.svg())
    for path, side in zip(drawn, app_icon.SIDES, strict=True):
        if not app_icon.draw(side).save(str(path), "PNG"):  # type: ignore[call-overload]
            raise ResourceError(f"{path} cannot be written; check its permissions and its disk")
    return [entry, drawing, *drawn]


def desktop_entry(program: list[str]) -> str:
    """The text of the entry.

    Args:
        program: starts `dsvl2-onnx`.
    """
    run = " ".join(quoted(part) for part in program)
    lines = [
        "[Desktop Entry]",
        "Type=Application",
        f"Name={ENTRY}",
        *_in_languages("Comment", COMMENT),
        f"Exec={run} app %F",
        f"Icon={ENTRY}",
        f"StartupWMClass={ENTRY}",
        "StartupNotify=true",
        "Terminal=false",
        "Categories=Office;Graphics;Utility;",
        f"MimeType={''.join(f'image/{name};' for name in IMAGE_TYPES)}",
        "Actions=grab;",
        "",
        "[Desktop Action grab]",
        *_in_languages("Name", GRAB),
        f"Exec={run} grab",
    ]
    return "\n".join(lines) + "\n"


def _in_languages(key: str, texts: dict[str, str]) -> list[str]:
    return [f"{key}[{language}]={text}" if language else f"{key}={text}" for language, text in texts.items()]


def quoted(argument: str) -> str:
    """One argument of a desktop entry's `Exec`: quoted, then escaped once more as every string of the file is."""
    if any(character in argument for character in "\n\r\t"):
        raise UsageError(f"the program lies at {argument!r}, which no entry of a menu can name; move it")
    inner = "".join(f"\\{character}" if character in RESERVED else character for character in argument)
    return f'"{inner}"'.replace("\\", "\\\\").replace("%", "%%")


def _add_application(folder: Path) -> list[Path]:
    contents = folder / f"{ENTRY}.app" / "Contents"
    program, description = contents / "MacOS" / ENTRY, contents / "Info.plist"
    with disk_errors(contents):
        program.parent.mkdir(parents=True, exist_ok=True)
        program.write_text(f'#!/bin/sh\nexec {shlex.join(command_line())} app "$@"\n', "utf-8")
        program.chmod(0o755)
        icons = contents / "Resources"
        icons.mkdir(exist_ok=True)
    names = {"CFBundleName": ENTRY, "CFBundleExecutable": ENTRY, "CFBundleIdentifier": "org.dsvl2_onnx.window"}
    with disk_errors(description):
        description.write_bytes(plistlib.dumps({**names, "CFBundlePackageType": "APPL", "CFBundleIconFile": ENTRY}))
    icon = icons / f"{ENTRY}.icns"
    write_icns(icon)
    return [program, description, icon]


def write_icns(path: Path) -> None:
    """The icon as macOS keeps it.

    Raises:
        ResourceError: it cannot be written.
    """
    from PIL import Image

    image = app_icon.draw(512).convertToFormat(QImage.Format.Format_RGBA8888)
    with disk_errors(path):
        Image.frombytes("RGBA", (512, 512), bytes(image.constBits())).save(path, "ICNS")

"""A file about this computer and this program, to be sent by the user to whoever helps; it has no private content."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from dsvl2_app.state.settings import Settings
from dsvl2_runtime import __version__
from dsvl2_runtime.machine.files import disk_errors, new_file
from dsvl2_runtime.machine.own_modules import command_line

PACKAGES = (
    "PySide6_Essentials", "onnxruntime", "onnxruntime-gpu", "numpy", "pillow", "tokenizers", "pydantic", "pypdfium2",
    "jeepney", "platformdirs", "psutil", "filelock",
)  # fmt: skip
PRIVATE = ("model", "models", "keys")
"""Settings that name folders, or what a user does."""
LONGEST_LOG = 100_000
"""Bytes at the end of the log."""
DOCTOR_SECONDS = 60.0


def save_diagnostics(path: Path, settings: Settings, log_file: Path, screens: list[dict[str, Any]]) -> None:
    """Write the file; it takes a second, so that is done on a thread.

    Raises:
        ResourceError: it cannot be written.
    """
    document = {
        "program": __version__,
        "doctor": examine(),
        "packages": versions(),
        "screens": screens,
        "session": {name: os.environ.get(name, "") for name in ("XDG_SESSION_TYPE", "XDG_CURRENT_DESKTOP", "LANG")},
        "settings": {name: value for name, value in asdict(settings).items() if name not in PRIVATE},
        "log": last_lines(log_file),
    }
    with disk_errors(path), new_file(path) as unfinished:
        unfinished.write_text(json.dumps(without_home(document), indent=2, ensure_ascii=False) + "\n", "utf-8")


def examine() -> Any:
    """What `dsvl2-onnx doctor` finds, in a process of its own, because it opens ONNX Runtime."""
    try:
        found = subprocess.run(  # noqa: S603 - our own command
            [*command_line(), "doctor", "--format", "json"],
            stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=DOCTOR_SECONDS,
        )  # fmt: skip
        return json.loads(found.stdout)
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        return f"doctor gave nothing: {type(error).__name__}"


def versions() -> Mapping[str, str]:
    """Of the packages that the window uses, as far as they are installed."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def last_lines(path: Path) -> list[str]:
    """The end of the log; nothing where there is none."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - LONGEST_LOG))
            return file.read(LONGEST_LOG).decode("utf-8", "replace").splitlines()
    except OSError:
        return []


def without_home(value: Any) -> Any:
    """The same with ~ in place of the home folder, whose name is that of its user."""
    if isinstance(value, dict):
        return {name: without_home(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [without_home(part) for part in value]
    try:
        home = str(Path.home())
    except RuntimeError:  # there is none
        return value
    return value.replace(home, "~") if isinstance(value, str) and len(home) > 1 else value

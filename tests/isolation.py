"""Keeps the machine and its user away from the tests: their variables, home, caches and network.

Importing this module does it, so that nothing is imported before that reads the environment. Workers and processes that
tests start inherit the environment.
"""

from __future__ import annotations

import importlib
import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path
from xml.sax.saxutils import escape

GUARD = Path(__file__).parent / "guard"
INTERNET_ATTEMPTS = "DSVL2_TESTS_INTERNET_ATTEMPTS"
FOLDER = "DSVL2_TESTS_FOLDER"
"""Names the folder of this run, which the process that made it removes."""

TERMINAL = ("FORCE_COLOR", "NO_COLOR", "PY_COLORS", "CLICOLOR_FORCE", "COLUMNS", "LINES")
"""Variables that change what a command prints."""
PROGRAM = "dsvl2-onnx"
"""Name of its cache folder."""
SWITCHES = (
    *TERMINAL,
    # With one of these libraries behave otherwise: some are silent that would send something.
    "CI", "GITHUB_ACTIONS",
    "PYTHONPATH", "PYTHONWARNINGS", "PYTHONUTF8", "PYTHONIOENCODING",
    # The Qt tests choose their own platform.
    "DISPLAY", "WAYLAND_DISPLAY",
)  # fmt: skip
FAMILIES = ("DSVL2_", "FONTCONFIG_", "ORT_", "HF_", "TRANSFORMERS_", "QT_", "XDG_", "TYPER_", "_TYPER_")
"""Variables of ours and of libraries begin like this."""
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")
"""Of NumPy and PyTorch: one, because those of two workers on two cores wait for each other, which takes three times the
processor's time. What the tests try has threads of its own."""
REQUIRED = "DSVL2_BUILD_KERNELS"
"""Stays: where it is `require`, as in continuous integration, no test does without a library (`own_library.py`)."""


def _forget(names: tuple[str, ...], families: tuple[str, ...] = ()) -> None:
    for name in list(os.environ):
        if name in names or (name.startswith(families) and name != REQUIRED):
            del os.environ[name]


def _isolate() -> None:
    _forget(SWITCHES, FAMILIES)
    folder = Path(tempfile.mkdtemp(prefix="dsvl2-tests-"))
    home = folder / "home"
    home.mkdir()
    os.environ[FOLDER] = str(folder)
    os.environ["HOME"] = os.environ["USERPROFILE"] = str(home)
    if sys.platform == "win32":
        os.environ |= {"LOCALAPPDATA": str(home / "Local"), "APPDATA": str(home / "Roaming")}
    # Qt asks fontconfig, which keeps a cache in the home folder where the system's cannot be written.
    faces = Path(__file__).parent.parent / "models" / "dsvl2_demo" / "fonts"
    settings = folder / "fonts.conf"
    folders = f"<dir>{escape(str(faces))}</dir><cachedir>{escape(str(folder / 'fontconfig'))}</cachedir>"
    settings.write_text(f"<fontconfig>{folders}</fontconfig>\n", "utf-8")
    os.environ["FONTCONFIG_FILE"] = str(settings)
    os.environ[INTERNET_ATTEMPTS] = str(folder / "internet")
    os.environ["PYTHONPATH"] = str(GUARD)
    os.environ |= dict.fromkeys(THREADS, "1")
    # A shell that starts them in the background has it ignored, which processes of tests would inherit.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def _guard() -> None:
    sys.path.insert(0, str(GUARD))
    sys.modules.pop("sitecustomize", None)  # the one of the system
    importlib.import_module("sitecustomize")
    sys.path.remove(str(GUARD))


def run_folder() -> Path:
    """The folder of this run; its home is `home`."""
    return Path(os.environ[FOLDER])


def internet_attempts() -> list[str]:
    """What Python processes of this run wanted from the internet, one line each."""
    path = Path(os.environ[INTERNET_ATTEMPTS])
    return path.read_text("utf-8").splitlines() if path.is_file() else []


def left_in_home() -> list[str]:
    """Files that the run has left in its home, which was empty, outside the program's own cache folder."""
    home = run_folder() / "home"
    files = [path.relative_to(home) for path in home.rglob("*") if not path.is_dir()]
    return sorted(path.as_posix() for path in files if PROGRAM not in path.parts)


def remove() -> None:
    """Remove the folder of this run."""
    shutil.rmtree(run_folder(), ignore_errors=True)


if FOLDER not in os.environ:
    _isolate()
else:  # a worker, whose parent has done this; xdist tells it the size of the terminal
    _forget(TERMINAL)
_guard()

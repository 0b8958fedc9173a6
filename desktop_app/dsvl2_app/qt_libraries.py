"""The libraries of the system that Qt needs: without some it cannot be imported, without others it aborts."""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path

from dsvl2_runtime.errors import Dsvl2Error

DEBIAN_PACKAGES = "libegl1 libgl1 libglib2.0-0 libxkbcommon0 libdbus-1-3 libfontconfig1 libgssapi-krb5-2"
DEBIAN_X11_PACKAGES = "libxcb-cursor0 libxcb-icccm4 libxcb-keysyms1 libxcb-shape0 libxkbcommon-x11-0"


class QtLibraryError(Dsvl2Error, ImportError):
    """Qt is installed, but not all that it needs of the system."""

    exit_code = 2
    http_status = 501

    def __init__(self, found: str) -> None:
        super().__init__(
            f"the window needs a library of the system that cannot be loaded ({found}); on Debian or Ubuntu install "
            f"{DEBIAN_PACKAGES}, and for X11 also {DEBIAN_X11_PACKAGES}"
        )


def require_qt() -> None:
    """Import Qt and see whether it will find what it loads later.

    Raises:
        QtLibraryError: a library of the system is missing.
        ModuleNotFoundError: Qt itself is.
    """
    try:
        from PySide6.QtCore import QLibraryInfo
        from PySide6.QtNetwork import QLocalServer  # noqa: F401 - what is wanted is that it can be imported
        from PySide6.QtWidgets import QApplication  # noqa: F401 - as above
    except ModuleNotFoundError:
        raise
    except ImportError as error:
        raise QtLibraryError(str(error)) from error
    if _draws_on_x11():
        require_loadable(Path(QLibraryInfo.path(QLibraryInfo.LibraryPath.PluginsPath), "platforms", "libqxcb.so"))


def require_loadable(library: Path) -> None:
    """Load a library, as Qt would only try after the point of no return; one that is not there is left to Qt.

    Raises:
        QtLibraryError: it, or one that it needs, cannot be loaded.
    """
    if library.is_file():
        try:
            ctypes.CDLL(str(library))
        except OSError as error:
            raise QtLibraryError(str(error)) from error


def _draws_on_x11() -> bool:
    chosen = any(os.environ.get(name) for name in ("WAYLAND_DISPLAY", "QT_QPA_PLATFORM"))
    return sys.platform.startswith("linux") and bool(os.environ.get("DISPLAY")) and not chosen

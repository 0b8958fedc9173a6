"""The picture in the system's clipboard.

On Linux and the like a program of the desktop hands it over, as bytes that go through the same checks as a file. On
Windows and macOS Pillow takes it from the system.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from typing import IO, cast

from dsvl2_runtime.errors import ImageError
from dsvl2_runtime.inputs.images import LARGEST_FILE_BYTES, ImageBytes, ImageSource

NAME = "clipboard"
"""What messages call it."""
SECONDS = 20
"""For the program that owns the clipboard, which may encode a large picture first."""
WAYLAND = ("wl-paste", "--no-newline", "--type", "image/png")
X11 = ("xclip", "-selection", "clipboard", "-target", "image/png", "-out")


def clipboard_images() -> list[ImageSource]:
    """The image in the clipboard, or the files that were copied in a file manager (Windows alone).

    Raises:
        ImageError: it holds no image, or there is no way to it.
    """
    if sys.platform in ("win32", "darwin"):
        return _from_pillow()
    return [ImageBytes(NAME, _from_desktop())]


def _from_desktop() -> bytes:
    command = WAYLAND if os.environ.get("WAYLAND_DISPLAY") else X11
    if shutil.which(command[0]) is None:
        package = "wl-clipboard" if command is WAYLAND else "xclip"
        raise ImageError(NAME, f"the program {command[0]}, which reads it, is not installed", f"install {package}")
    with subprocess.Popen(  # noqa: S603 - one of the two commands above
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        stream = cast(IO[bytes], process.stdout)
        too_late = threading.Timer(SECONDS, process.kill)
        too_late.start()
        data = stream.read(LARGEST_FILE_BYTES + 1)
        stream.close()  # what is left of too much need not be written
        code = process.wait()
        too_late.cancel()
    if len(data) > LARGEST_FILE_BYTES:
        raise ImageError(NAME, f"it holds more than {LARGEST_FILE_BYTES} bytes", "copy a smaller picture")
    if code < 0:
        raise ImageError(NAME, f"nothing came from it in {SECONDS} s", "copy the picture again")
    if code or not data:
        raise ImageError(NAME, "no picture is in it", "copy a picture first")
    return data


def _from_pillow() -> list[ImageSource]:
    from PIL import ImageGrab

    try:
        found = ImageGrab.grabclipboard()
    except (OSError, ValueError, SyntaxError) as error:
        raise ImageError(NAME, f"it cannot be read ({error})", "copy the picture again") from error
    if not found:
        raise ImageError(NAME, "no picture is in it", "copy a picture first")
    return list(found) if isinstance(found, list) else [found]

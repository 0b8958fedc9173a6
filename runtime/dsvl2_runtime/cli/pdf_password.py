"""Where the password of a protected PDF comes from: a file, a variable, or the terminal; never an argument.

Other users of a machine can read the arguments of a process. What was asked for is neither kept nor logged.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

from dsvl2_runtime.errors import UsageError

VARIABLE = "DSVL2_PDF_PASSWORD"
LONGEST = 1000
"""Characters; the formats of PDF take 127 bytes at most."""


def pdf_password(file: str | None, *, may_ask: bool = True) -> Callable[[str], str | None]:
    """A function that gives the password of a document by its name, or None where nobody knows it.

    Args:
        file: holds the password in its first line, and counts more than the variable.
        may_ask: ask on the terminal, if there is one.

    The function raises UsageError where the file cannot be read or holds no password.
    """

    def password(name: str) -> str | None:
        if file is not None:
            return _first_line(Path(file))
        if VARIABLE in os.environ:
            return os.environ[VARIABLE]
        if not may_ask or not (_is_terminal(sys.stdin) and _is_terminal(sys.stderr)):
            return None
        from getpass import getpass

        return getpass(f"password of {name}: ", sys.stderr)

    return password


def _is_terminal(stream: object) -> bool:
    return stream is not None and bool(getattr(stream, "isatty", lambda: False)())


def _first_line(path: Path) -> str:
    try:
        with path.expanduser().open(encoding="utf-8") as file:
            line = file.readline(LONGEST + 1).rstrip("\r\n")
    except (OSError, ValueError) as error:
        found = error.strerror if isinstance(error, OSError) else "it is not text in UTF-8"
        raise UsageError(
            f"{path}: {found}; --pdf-password-file names a file with the password in its first line"
        ) from None
    if not line or len(line) > LONGEST:
        found = "its first line is empty" if not line else f"its first line has more than {LONGEST} characters"
        raise UsageError(f"{path}: {found}; --pdf-password-file names a file with the password in its first line")
    return line

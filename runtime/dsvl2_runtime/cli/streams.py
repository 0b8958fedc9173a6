"""What is written to the standard streams: text that a terminal only shows, and streams that are there.

Answers, file names and names of models come from others. On a terminal their control characters would be obeyed: they
can change its title, clear it, or turn the reading direction of what follows. So on a terminal each becomes a sign
that can be seen. Into a pipe or a file the text goes as it is; in JSON they are escaped everywhere.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from dsvl2_runtime.notices import Notice


BIDI_CONTROLS = (0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
"""Unicode's property `Bidi_Control`."""
C1_CONTROLS = range(0x80, 0xA0)
DELETE = 0x7F
CONTROL_PICTURES = 0x2400
"""Unicode's signs for the control characters from 0 on: ␛ for ESC, ␇ for BEL."""

_SHOWN = (
    {code: chr(CONTROL_PICTURES + code) for code in range(0x20) if chr(code) not in "\n\t"}
    | {DELETE: "\u2421"}
    | dict.fromkeys((*C1_CONTROLS, *BIDI_CONTROLS), "\ufffd")
)
_ESCAPED = {code: f"\\u{code:04x}" for code in (DELETE, *C1_CONTROLS, *BIDI_CONTROLS)}


def shown(text: str, stream: TextIO) -> str:
    """A text as it may be written to a stream: on a terminal without control characters, but for line end and tab."""
    return text.translate(_SHOWN) if stream.isatty() else text


def write_answer(text: str) -> None:
    """Write a piece of an answer to standard output at once."""
    sys.stdout.write(shown(text, sys.stdout))
    sys.stdout.flush()


def print_message(text: str) -> None:
    """Write one line to standard error."""
    sys.stderr.write(shown(text, sys.stderr) + "\n")
    sys.stderr.flush()


def json_line(document: Any) -> str:
    """One JSON object and a line end; control characters in its strings are escaped."""
    return json.dumps(document, ensure_ascii=False).translate(_ESCAPED) + "\n"


def print_json(document: Any) -> None:
    """Write one JSON object and a line end to standard output."""
    sys.stdout.write(json_line(document))
    sys.stdout.flush()


class _MessageHandler(logging.Handler):
    """Warnings of libraries, one line each on standard error."""

    def emit(self, record: logging.LogRecord) -> None:
        print_message(self.format(record))


def prepare_streams() -> None:
    """Make the streams fit for use: there, in UTF-8, and with warnings on standard error."""
    _replace_closed_streams()
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(encoding="utf-8", errors="replace")  # Windows consoles default to a code page
    logging.getLogger().addHandler(_MessageHandler(logging.WARNING))


def _replace_closed_streams() -> None:
    """Let what goes to a stream that was closed by the caller (`>&-`) vanish.

    Its number is taken too, or the next file that is opened would get it, and with it what is meant for the stream.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            lowest_free = os.open(os.devnull, os.O_RDWR)
            setattr(sys, name, os.fdopen(lowest_free, "w" if number else "r", encoding="utf-8"))


def print_notices(notices: Iterable[Notice]) -> None:
    """Write notices to standard error, each in a line."""
    from dsvl2_runtime.texts import notice_text  # with pydantic, for which `--help` need not wait

    for notice in notices:
        kind = "warning" if notice.is_warning else "note"
        print_message(f"{kind}: {notice_text(notice)}")

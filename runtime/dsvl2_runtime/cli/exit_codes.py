"""Errors and signals to exit codes, with one line on standard error where there is something to say."""

from __future__ import annotations

import errno
import os
import signal
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

from dsvl2_runtime.cli.streams import print_message
from dsvl2_runtime.errors import DISK_ERRNOS, Dsvl2Error, MissingExtraError, OutOfMemoryError, ResourceError

INTERRUPTED = 128 + signal.SIGINT
TERMINATED = 128 + signal.SIGTERM
"""As shells count a program that a signal ended: 130 and 143."""
CLOSED_PIPE = 128 + 13
"""As for a program that SIGPIPE ended, which Python ignores and Windows does not have."""
EXTRA_OF_MODULE = {
    "onnxruntime": "cpu",
    "jsonschema": "schema",
    "llguidance": "schema",
    "torch": "export",
    "onnx": "export",
    "optimum": "export",
    "safetensors": "export",
    "transformers": "export",
    "PySide6": "app",
    "huggingface_hub": "pull",
    "ray": "cluster",
    "starlette": "server",
    "uvicorn": "server",
}


class Terminated(BaseException):
    """SIGTERM came; raised wherever the program is, as `KeyboardInterrupt` is for Ctrl-C, so that it can clean up."""


def exit_code_of(call: Callable[[], Any]) -> int:
    """Run a call to its end, an error or a signal.

    Usage errors, and Ctrl-C within a verb, are handled by Typer, which leaves with 2 and 130.
    """
    if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:  # where it is ignored, as by nohup, it stays so
        signal.signal(signal.SIGTERM, _terminate)
    try:
        return _exit_code_of(call)
    except KeyboardInterrupt:
        return INTERRUPTED
    except Terminated:
        return TERMINATED
    finally:
        # What is left is a moment of tidying up: a signal that comes now must not turn a whole answer into a failure.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)


def _terminate(_number: int, _frame: FrameType | None) -> None:
    raise Terminated


def _exit_code_of(call: Callable[[], Any]) -> int:
    try:
        call()
    except SystemExit as end:
        return _code_of_exit(end)
    except (Dsvl2Error, MemoryError) as error:
        return print_error(error if isinstance(error, Dsvl2Error) else OutOfMemoryError())
    except ImportError as error:
        if isinstance(error.__cause__, KeyboardInterrupt):  # Ctrl-C while a compiled module was loaded
            return INTERRUPTED
        module = (error.name or "").split(".")[0]
        if not isinstance(error, ModuleNotFoundError) or module not in EXTRA_OF_MODULE:
            raise
        return print_error(MissingExtraError(module, EXTRA_OF_MODULE[module]))
    except OSError as error:
        if error.errno not in DISK_ERRNOS:
            raise
        return _print_system_error(error)
    return 0


def _code_of_exit(end: SystemExit) -> int:
    cause = end.__context__  # Typer leaves with 1 where nobody reads the output any more, as behind `| head -1`
    if isinstance(cause, OSError) and cause.errno == errno.EPIPE:
        return CLOSED_PIPE
    return end.code if isinstance(end.code, int) else int(end.code is not None)


def _print_system_error(error: OSError) -> int:
    if error.filename:  # to be read or written, which the system does not tell
        return print_error(
            ResourceError(f"cannot use {error.filename}: {error.strerror}; check its permissions and its disk")
        )
    code = print_error(ResourceError(f"cannot write standard output: {error.strerror}"))
    # What could not be written would be tried once more at the end, with a traceback.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return code


def print_error(error: Dsvl2Error) -> int:
    """Say what is wrong, in one line.

    Returns:
        The error's exit code.
    """
    print_message(f"dsvl2-onnx: {error}")
    return error.exit_code

"""Errors and signals to exit codes, with one line on standard error where there is something to say."""

from __future__ import annotations

import errno
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from dsvl2_runtime.cli.stop_signals import StopSignals, Terminated, stop_behind
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


def exit_code_of(call: Callable[[], Any]) -> int:
    """Run a call to its end, an error or a signal.

    Usage errors, and Ctrl-C within a verb, are handled by Typer, which leaves with 2 and 130.
    """
    signals = StopSignals()
    try:
        signals.take()
        return _exit_code_of(call)
    except KeyboardInterrupt:
        return INTERRUPTED
    except Terminated:
        return TERMINATED
    finally:
        signals.has_ended = True


def _exit_code_of(call: Callable[[], Any]) -> int:
    try:
        call()
    except SystemExit as end:
        return _code_of_exit(end)
    except Exception as error:
        if (stop := stop_behind(error)) is not None:
            raise stop from None
        return _code_of_error(error)
    return 0


def _code_of_error(error: Exception) -> int:
    """Of an error that a user can cause, which is told in a line; any other one is raised, with its traceback."""
    if isinstance(error, MemoryError):
        error = OutOfMemoryError()
    if isinstance(error, Dsvl2Error):
        return print_error(error)
    if isinstance(error, ModuleNotFoundError):
        module = (error.name or "").split(".")[0]
        if module in EXTRA_OF_MODULE:
            return print_error(MissingExtraError(module, EXTRA_OF_MODULE[module]))
    if isinstance(error, OSError) and error.errno in DISK_ERRNOS:
        return _print_system_error(error)
    raise error


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

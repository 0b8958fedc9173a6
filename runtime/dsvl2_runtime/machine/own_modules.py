"""Modules of this program that run in a process of their own, also where there is no Python to start them with.

A packaged program (PyInstaller) is its own interpreter: `sys.executable` is the program, which takes no `-m`. It starts
such a module by a first argument of its own instead.
"""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

RUN_MODULE = "--run-module"
OUR_PACKAGES = "dsvl2_"
"""What the names of our packages begin with; a packaged program runs nothing else."""


def module_arguments(module: str) -> tuple[str, ...]:
    """What `sys.executable` has to be told to run a module; its own arguments come after these.

    -P, because a file in the working folder must not be imported as a module; a packaged program never does that.
    """
    return (RUN_MODULE, module) if getattr(sys, "frozen", False) else ("-P", "-m", module)


def run_asked_module(arguments: list[str]) -> bool:
    """In a packaged program: run the module that `module_arguments` names, and say whether it was asked for."""
    if len(arguments) < 3 or arguments[1] != RUN_MODULE or not arguments[2].startswith(OUR_PACKAGES):
        return False
    module = arguments[2]
    del arguments[1:3]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
    return True


def command_line() -> list[str]:
    """What starts `dsvl2-onnx`, wherever this program was installed; a verb comes after it."""
    if getattr(sys, "frozen", False):
        return [sys.executable]
    script = Path(sys.executable).with_name("dsvl2-onnx")
    return [str(script)] if script.is_file() else [sys.executable, "-P", "-m", "dsvl2_runtime.cli"]

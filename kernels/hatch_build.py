"""Build hook: compiles the library of operators where there is a C++ compiler, and goes on without it elsewhere.

`DSVL2_BUILD_KERNELS` is `auto` (the default), `skip`, or `require`: then a missing compiler is an error.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

sys.path.insert(0, str(Path(__file__).parent))
from build_library import build_library, compiler, missing_tools, wheel_platform

SETTING = "DSVL2_BUILD_KERNELS"
CHOICES = ("auto", "skip", "require")


class KernelsBuildHook(BuildHookInterface):  # type: ignore[misc]  # hatchling is there only during a build
    """Adds the library to a wheel, which then is one of this platform, for every Python 3."""

    def dependencies(self) -> list[str]:
        """What pip has to bring for the build."""
        return missing_tools() if self._wanted() and compiler() else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build before the wheel is put together; an editable install finds the library in the source tree."""
        if not self._wanted():
            return
        try:
            if compiler() is None:
                raise FileNotFoundError("there is no C++ compiler")
            library = build_library()
        except (OSError, subprocess.CalledProcessError) as error:
            if os.environ.get(SETTING) == "require":
                raise
            self.app.display_warning(f"dsvl2-onnx is installed without its own kernels, and slower: {error}")
            return
        if version != "editable":
            build_data["pure_python"] = False
            build_data["tag"] = f"py3-none-{wheel_platform()}"
            for path in (library, library.with_name("library.json")):
                build_data["force_include"][str(path)] = f"dsvl2_kernels/{path.name}"

    def _wanted(self) -> bool:
        choice = os.environ.get(SETTING) or "auto"
        if choice not in CHOICES:
            raise ValueError(f"{SETTING} is {choice!r}; it must be one of {', '.join(CHOICES)}")
        return choice != "skip" and self.target_name == "wheel"

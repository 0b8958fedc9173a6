"""Builds the library of operators with CMake and puts it beside its Python package.

python kernels/build_library.py [CMake options, such as -DDSVL2_SANITIZE=ON]
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

SOURCE = Path(__file__).resolve().parent
PACKAGE = SOURCE / "dsvl2_kernels"
BUILD = SOURCE.parent / "build" / "kernels"
COMPILERS = ("c++", "g++", "clang++", "cl")


def compiler() -> str | None:
    """The C++ compiler that CMake would find, or None; `CXX` names another one."""
    named = os.environ.get("CXX")
    candidates = named.split()[:1] if named else COMPILERS
    return next((found for name in candidates if (found := shutil.which(name))), None)


def missing_tools() -> list[str]:
    """Packages that bring what CMake needs and this machine has not."""
    missing = [] if shutil.which("cmake") else ["cmake>=3.18"]
    if not any(shutil.which(name) for name in ("ninja", "make", "nmake")):
        missing.append("ninja")
    return missing


def build_library(build: Path = BUILD, package: Path = PACKAGE, options: tuple[str, ...] = ()) -> Path:
    """Build, copy the library into `package` and describe it there; returns its path.

    Raises:
        OSError, subprocess.CalledProcessError: a tool is missing or failed; its output was printed.
    """
    generator = ("-G", "Ninja") if shutil.which("ninja") else ()
    build.mkdir(parents=True, exist_ok=True)
    subprocess.run(["cmake", "-S", str(SOURCE), "-B", str(build), *generator, *options], check=True)
    jobs = str(os.cpu_count() or 1)
    subprocess.run(["cmake", "--build", str(build), "--config", "Release", "--parallel", jobs], check=True)
    subprocess.run(
        ["cmake", "--install", str(build), "--config", "Release", "--prefix", str(build / "out")], check=True
    )
    (built,) = (path for path in (build / "out").iterdir() if path.suffix in (".so", ".dll"))
    target = package / built.name
    library = _library_module()
    partial = target.with_suffix(".partial")
    shutil.copyfile(built, partial)
    partial.replace(target)  # a process that has the old one mapped keeps it
    (package / library.DESCRIPTION).write_text(json.dumps(library.describe(target)) + "\n", "utf-8")
    return target


def _library_module() -> ModuleType:
    """`dsvl2_kernels.library` from its file: the package is not installed yet."""
    spec = importlib.util.spec_from_file_location("dsvl2_kernels_library", PACKAGE / "library.py")
    assert spec is not None and spec.loader is not None  # noqa: S101  # the file lies beside this one
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    print(build_library(options=tuple(sys.argv[1:])))

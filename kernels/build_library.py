"""Builds the library of operators with CMake and puts it beside its Python package.

python kernels/build_library.py [CMake options, such as -DDSVL2_SANITIZE=ON]
"""

from __future__ import annotations

import importlib.util
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from types import ModuleType

SOURCE = Path(__file__).resolve().parent
PACKAGE = SOURCE / "dsvl2_kernels"
BUILD = SOURCE.parent / "build" / "kernels"
COMPILERS = ("c++", "g++", "clang++", "cl")
OLDEST_MACOS_OF_ARM64 = FIRST_MACOS_OF_WHOLE_VERSIONS = 11


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


def mac_architecture() -> str:
    """The architecture that the library is built for on macOS: that of ARCHFLAGS, or this machine's.

    Raises:
        OSError: ARCHFLAGS names several; the library has the kernels of one.
    """
    named = list(dict.fromkeys(re.findall(r"-arch\s+(\S+)", os.environ.get("ARCHFLAGS", ""))))
    if len(named) > 1:
        found = " and ".join(named)
        raise OSError(f"ARCHFLAGS asks for {found}, but one library is for one of them: build a wheel for each")
    return named[0] if named else platform.machine()


def mac_version() -> str:
    """The oldest macOS that the library is built for and its wheel names, such as "10.13" or "11.0".

    It is that of MACOSX_DEPLOYMENT_TARGET, or Python's own. From 11 on pip knows wheels for whole versions alone, so
    13.3 becomes 13.0.
    """
    named = os.environ.get("MACOSX_DEPLOYMENT_TARGET") or sysconfig.get_platform().split("-")[1]
    major, _, minor = named.partition(".")
    if mac_architecture() == "arm64" and int(major) < OLDEST_MACOS_OF_ARM64:
        return f"{OLDEST_MACOS_OF_ARM64}.0"  # the first one for arm64
    return f"{major}.0" if int(major) >= FIRST_MACOS_OF_WHOLE_VERSIONS else f"{major}.{minor or 0}"


def wheel_platform() -> str:
    """The platform in the name of a wheel that has the library in it.

    On macOS Python's own name may be that of two architectures (`universal2`), or of another one than the library's.
    """
    mac = platform.system() == "Darwin"
    found = f"macosx-{mac_version()}-{mac_architecture()}" if mac else sysconfig.get_platform()
    return found.replace("-", "_").replace(".", "_")


def configure_command(build: Path, options: tuple[str, ...] = ()) -> list[str]:
    """CMake's command line that prepares `build`.

    On macOS it always names the architecture and the oldest system, which are those of the wheel's name. CMake would
    take the machine's, or those of the build before.
    """
    generator = ["-G", "Ninja"] if shutil.which("ninja") else []
    target = []
    if platform.system() == "Darwin":
        target = [
            f"-DCMAKE_OSX_ARCHITECTURES={mac_architecture()}",
            f"-DCMAKE_OSX_DEPLOYMENT_TARGET={mac_version()}",
        ]
    return ["cmake", "-S", str(SOURCE), "-B", str(build), *generator, *target, *options]


def build_library(build: Path = BUILD, package: Path = PACKAGE, options: tuple[str, ...] = ()) -> Path:
    """Build, copy the library into `package` and describe it there; returns its path.

    Raises:
        OSError, subprocess.CalledProcessError: a tool is missing or failed, and its output was printed; or ARCHFLAGS
            names several architectures.
    """
    build.mkdir(parents=True, exist_ok=True)
    subprocess.run(configure_command(build, options), check=True)
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

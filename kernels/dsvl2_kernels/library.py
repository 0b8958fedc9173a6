"""The library of operators that ONNX Runtime loads: is it there, whole and of this version, and what can it do here.

A library that is damaged can stop the process while it is being loaded, so its sum is compared before that.
"""

from __future__ import annotations

import ctypes
import hashlib
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

VERSION = 4
"""Of the operators and their attributes; `CMakeLists.txt` has the same number. Graphs of an earlier version run too."""
SINCE = {"PlainStep": 4}
"""The version that has an operator first, of those that came after the third."""
EARLIEST = 3
"""The version that a graph without any of these names: a library of it runs that graph as well."""
DOMAIN = "dsvl2"
"""Of the operators in a graph."""
SETTING = "DSVL2_KERNELS"
"""Environment variable: the level to use instead of the fastest one, or `off`."""
OFF = "off"
"""ONNX Runtime's own operators are used."""
FOLDER = Path(__file__).parent
DESCRIPTION = "library.json"
"""Beside the library: what `build_library` says about it."""
SOURCES = FOLDER.parent
"""In a checkout what the library is built from lies here; in an installed package there is none of it."""


class KernelsError(Exception):
    """Why there are no operators of our own; the text goes on after "because" or a colon."""


class KernelsAbsentError(KernelsError):
    """There are none, and nothing is wrong: they were not built, or are not wanted."""


@dataclass(frozen=True, slots=True)
class Kernels:
    """A library that can be used."""

    path: Path
    level: str
    """The instruction set that is used."""
    levels: tuple[str, ...]
    """All that can be used here, the slowest first."""
    stale: bool = False
    """It lies in a checkout whose sources have changed since it was built."""


def version_of(operators: Iterable[str]) -> int:
    """The earliest version of the library that runs a graph with these operators as it is written today."""
    return max((SINCE.get(operator, EARLIEST) for operator in operators), default=EARLIEST)


def describe(path: Path) -> dict[str, object]:
    """What `library.json` says about a library that was just built."""
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    return {"version": VERSION, "file": path.name, "sha256": sha256, "sources": sources_sha256()}


def sources_sha256(folder: Path | None = None) -> str | None:
    """SHA-256 over names and contents of what the library is built from; None where there are no sources."""
    folder = folder or SOURCES
    paths = [folder / "CMakeLists.txt", *sorted((folder / "source").glob("*.*"))]
    if len(paths) == 1 or not paths[0].is_file():
        return None
    found = hashlib.sha256()
    for path in paths:
        # Line ends are those of the system where git says so.
        content = path.read_bytes().replace(b"\r\n", b"\n")
        found.update(f"{path.name} {len(content)}\n".encode() + content)
    return found.hexdigest()


def open_kernels(folder: Path | None = None) -> Kernels:
    """Find the library, check it and ask it what it can do.

    Args:
        folder: where it lies; by default beside this file.

    Raises:
        KernelsAbsentError: there is none, or the environment says that it shall not be used.
        KernelsError: it is damaged, of another version or another platform, or has not the level that the environment
            asks for.
    """
    wanted = os.environ.get(SETTING)
    if wanted == OFF:
        raise KernelsAbsentError(f"{SETTING} is {OFF}")
    folder = folder or FOLDER
    description = folder / DESCRIPTION
    if not description.is_file():
        raise KernelsAbsentError("they were not built: install a C++ compiler and install dsvl2-onnx again")
    again = "install dsvl2-onnx again"
    try:
        document = json.loads(description.read_text("utf-8"))
        version, name, sha256 = (document[key] for key in ("version", "file", "sha256"))
        path = folder / Path(str(name)).name
        found = hashlib.sha256(path.read_bytes()).hexdigest()
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise KernelsError(f"their library cannot be read ({error}); {again}") from error
    if version != VERSION:
        raise KernelsError(f"their library is of version {version}, this program needs {VERSION}; {again}")
    if found != sha256:
        raise KernelsError(f"{path.name} is damaged; {again}")
    levels = _levels(path)
    level = wanted or levels[-1]
    if level not in levels:
        raise KernelsError(f"{SETTING} is {level!r}; this processor and this build have {', '.join(levels)}, or {OFF}")
    built_from, sources = document.get("sources"), sources_sha256()
    return Kernels(path, level, levels, stale=None not in (built_from, sources) and built_from != sources)


def _levels(path: Path) -> tuple[str, ...]:
    try:
        library = ctypes.CDLL(str(path))
        built = int(library.dsvl2_kernels_version())
        names = library.dsvl2_kernels_levels
    except (OSError, AttributeError) as error:
        raise KernelsError(f"{path.name} cannot be loaded on this system ({error})") from error
    if built != VERSION:
        raise KernelsError(f"{path.name} is of version {built}, this program needs {VERSION}")
    names.restype = ctypes.c_char_p
    return tuple(names().decode("ascii").split())

"""What a folder for a machine with a GPU and without a network holds, whatever it is for: code and packages."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

CACHES = ("__pycache__", "*.pyc", "*.so")
LEFT_OUT = {"dsvl2_demo": ("bundle", "checkpoint", "docs", "runs")}
"""Of a package, what is packed otherwise or not at all."""


def copy_code(out: Path, packages: Sequence[str]) -> None:
    """Packages of this project, each as a folder of that name."""
    for name in packages:
        source = Path(str(__import__(name).__file__)).parent
        shutil.copytree(source, out / name, ignore=shutil.ignore_patterns(*CACHES, *LEFT_OUT.get(name, ())))


def fetch_wheels(out: Path, python: str, names: Sequence[str], others: Sequence[str] = ()) -> None:
    """Packages for another machine's Python, Linux on x86-64.

    Args:
        out: the folder for them.
        python: version of the Python there.
        names: of packages that are installed here; the same versions are fetched.
        others: further requirements, as pip takes them.
    """
    command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary=:all:", "-d", str(out)]
    platforms = [f"--platform=manylinux{name}_x86_64" for name in ("_2_28", "_2_27", "_2_17", "2014", "1")]
    versions = [f"{name}=={version(name)}" for name in names]
    subprocess.run([*command, f"--python-version={python}", *platforms, *versions, *others], check=True)  # noqa: S603


def write_script(path: Path, text: str) -> None:
    """A script that can be run."""
    path.write_text(text, "utf-8")
    path.chmod(0o755)

"""What an installation brings with it."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
EXTRAS: dict[str, list[str]] = PROJECT["optional-dependencies"]
OWN = PROJECT["name"]


def name_of(requirement: str) -> str:
    return re.split(r"[\[<>=!~ ;]", requirement)[0].lower()


def packages_of(extra: str) -> set[str]:
    """Names of an extra's packages, those of other extras that it includes among them."""
    found: set[str] = set()
    for requirement in EXTRAS[extra]:
        if name_of(requirement) == OWN:
            for inner in re.split(r"[\[\],]", requirement)[1:-1]:
                found |= packages_of(inner.strip())
        else:
            found.add(name_of(requirement))
    return found


@pytest.mark.parametrize("extra", EXTRAS)
def test_only_cpu_and_cuda_bring_a_runtime(extra: str) -> None:
    """The two packages of ONNX Runtime hold the same module; a third extra with one would collide with the other."""
    runtimes = {name for name in packages_of(extra) if name.startswith("onnxruntime")}
    assert runtimes == {"cpu": {"onnxruntime"}, "cuda": {"onnxruntime-gpu"}}.get(extra, set())


def test_every_package_that_the_checks_install_has_its_version_pinned() -> None:
    """Those of the other engines too, whose figures are published with a version; `cuda` no check installs."""
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    pinned = {name_of(line) for line in lines if line and not line.startswith("#")}
    wanted = {name_of(requirement) for requirement in PROJECT["dependencies"]}
    for extra in EXTRAS:
        wanted |= packages_of(extra)
    assert wanted - {"onnxruntime-gpu"} <= {name.lower() for name in pinned}

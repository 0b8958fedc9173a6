"""A missing library is a failure wherever one could have been built, or had to be."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import own_library
from dsvl2_kernels.library import KernelsAbsentError
from isolation import FOLDER, REQUIRED

SAY = f"import isolation, os; print(os.environ.get({REQUIRED!r})); isolation.remove()"


@pytest.mark.parametrize(
    ("required", "compilers", "outcome"),
    [
        ("auto", (), pytest.skip.Exception),
        ("auto", ("g++",), pytest.fail.Exception),
        ("require", (), pytest.fail.Exception),
    ],
)
def test_a_missing_library(
    required: str,
    compilers: tuple[str, ...],
    outcome: type[BaseException],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def absent() -> None:
        raise KernelsAbsentError("they were not built")

    monkeypatch.setattr(own_library, "open_kernels", absent)
    monkeypatch.setattr(own_library, "which", lambda name: name if name in compilers else None)
    monkeypatch.setenv(REQUIRED, required)
    with pytest.raises(outcome, match="they were not built"):
        own_library.need_library()


def test_what_continuous_integration_requires_reaches_the_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    """Although other variables of ours are kept away from them."""
    monkeypatch.delenv(FOLDER)
    monkeypatch.setenv(REQUIRED, "require")
    command = [sys.executable, "-c", SAY]
    found = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, encoding="utf-8", check=True)
    assert found.stdout.split() == ["require"]

"""Prints a constraint for each dependency of the program: the oldest version that `pyproject.toml` allows.

`make test-oldest` installs those beside the newest of everything else, and runs the tests with them: a version that is
allowed and does not work is a defect of the bound.
"""

from __future__ import annotations

import tomllib
from pathlib import Path

from packaging.requirements import Requirement

EXTRAS = ("cpu", "export", "app", "schema", "server", "pull")
"""What a user installs; development itself needs no old tools."""
NEWEST = ("torch",)
"""Large, and the same in everything that exporting asks of it."""


def oldest_versions(pyproject: Path) -> list[str]:
    """Lines for `pip install -c`."""
    project = tomllib.loads(pyproject.read_text("utf-8"))["project"]
    written = [
        *project["dependencies"],
        *(line for extra in EXTRAS for line in project["optional-dependencies"][extra]),
    ]
    lines = []
    for requirement in map(Requirement, written):
        bounds = [bound.version for bound in requirement.specifier if bound.operator == ">="]
        if bounds and requirement.name not in NEWEST:
            lines.append(f"{requirement.name}=={bounds[0]}")
    return sorted(set(lines))


if __name__ == "__main__":
    print("\n".join(oldest_versions(Path(__file__).parents[1] / "pyproject.toml")))

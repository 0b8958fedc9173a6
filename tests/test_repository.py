"""The repository as a whole: sizes of files, links, and nothing that belongs to one machine."""

from __future__ import annotations

import re
import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent
LONGEST_FILE = 400
BINARY = {".png", ".safetensors", ".ttf", ".onnx", ".data"}
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")
MACHINE = re.compile(r"(?<![\w.])/(?:root|home|Users|work|tmp|mnt)/[\w.]")


@cache
def tracked() -> tuple[Path, ...]:
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return tuple(path for name in names.split("\0") if name and (path := ROOT / name).is_file())


def texts() -> dict[Path, str]:
    return {path: path.read_text("utf-8") for path in tracked() if path.suffix not in BINARY}


def test_files_stay_short() -> None:
    """A file of more than 400 lines has more than one subject."""
    long = {str(path): text.count("\n") for path, text in texts().items() if path.suffix == ".py"}
    assert len(long) > 60
    assert not {path: lines for path, lines in long.items() if lines > LONGEST_FILE}


def test_links_lead_somewhere() -> None:
    """Relative links of the documentation."""
    broken = []
    count = 0
    for path, text in texts().items():
        if path.suffix != ".md":
            continue
        for target in LINK.findall(text):
            if "://" not in target:
                count += 1
                if not (path.parent / target).exists():
                    broken.append(f"{path.relative_to(ROOT)}: {target}")
    assert count > 5
    assert broken == []


def test_nothing_names_a_place_on_one_machine() -> None:
    """Paths of somebody's home or work folder do not belong into a repository."""
    found = {
        f"{path.relative_to(ROOT)}: {match.group()}"
        for path, text in texts().items()
        for match in MACHINE.finditer(text)
        if path != Path(__file__)
    }
    assert found == set()


def test_documentation_that_code_names_is_there() -> None:
    """Comments may send a reader to docs/."""
    missing = {
        name
        for path, text in texts().items()
        if path.suffix == ".py" and path != Path(__file__)
        for name in re.findall(r"docs/[\w/-]+\.md", text)
        if not (ROOT / name).is_file()
    }
    # ContribOperators.md is a page of ONNX Runtime's own repository.
    assert missing - {"docs/ContribOperators.md"} == set()

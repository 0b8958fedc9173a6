"""The repository as a whole: sizes of files, links, and nothing that belongs to one machine."""

from __future__ import annotations

import os
import re
import subprocess
import tomllib
from functools import cache
from pathlib import Path, PurePath

import pytest

from dsvl2_app.qt_libraries import DEBIAN_PACKAGES

ROOT = Path(__file__).parent.parent
LONGEST_FILE = 400
BINARY = {".png", ".safetensors", ".ttf", ".onnx", ".data", ".qm"}
WRITTEN_BY_PROGRAMS = {".json", ".jsonl", ".ts"}
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")
MACHINE = re.compile(r"(?<![\w.])/(?:root|home|Users|work|tmp|mnt)/[\w.]")
ONE_MACHINE = re.compile(
    r"\b(?:10\.\d+|192\.168|172\.(?:1[6-9]|2\d|3[01]))(?:\.\d{1,3}){2}\b|\b[\w-]+\.(?:local|lan|internal|corp)\b"
    r"|file:///\w|[A-Z]:\\Users|\b(?:my|our) (?:machine|laptop|server|workstation|cluster)\b|\broot@"
)


def walked(root: Path) -> set[Path]:
    """The files below a folder that .gitignore does not name; only the rules that it has are understood."""
    rules = [rule for rule in (ROOT / ".gitignore").read_text("utf-8").split() if not rule.startswith("#")]
    kept = {rule[1:].rstrip("/") for rule in rules if rule.startswith("!")}

    def ignored(path: Path, is_folder: bool) -> bool:
        name = path.relative_to(root)
        fitting = [PurePath(rule) for rule in rules if is_folder or not rule.endswith("/")]
        return name.as_posix() not in kept and any(
            name.match(str(rule)) and len(rule.parts) in (1, len(name.parts)) for rule in fitting
        )

    found = set()
    for at, folders, files in os.walk(root):
        folder = Path(at)
        folders[:] = [name for name in folders if name != ".git" and not ignored(folder / name, True)]
        found |= {folder / name for name in files if name != ".git" and not ignored(folder / name, False)}
    return found


@cache
def tracked() -> tuple[Path, ...]:
    """The files of the repository: those that git lists, or all of a source archive, which has no git."""
    command = ["git", "-c", f"safe.directory={ROOT}", "-C", str(ROOT), "ls-files", "-z"]
    try:
        listed = subprocess.run(command, capture_output=True, encoding="utf-8", check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        listed = ""  # also where the archive was unpacked inside somebody's repository
    return tuple(path for name in listed.split("\0") if name and (path := ROOT / name).is_file()) or tuple(walked(ROOT))


def texts() -> dict[Path, str]:
    return {path: path.read_text("utf-8") for path in tracked() if path.suffix not in BINARY}


def test_files_stay_short() -> None:
    """A file of more than 400 lines has more than one subject; data that programs write may be as long as it is."""
    lengths = {str(path): text.count("\n") for path, text in texts().items() if path.suffix not in WRITTEN_BY_PROGRAMS}
    assert len(lengths) > 60
    assert not {path: lines for path, lines in lengths.items() if lines > LONGEST_FILE}


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


def test_documentation_is_about_no_machine_in_particular() -> None:
    """Private addresses, names of a local network and "my machine" mean nothing to a reader."""
    found = {
        f"{path.relative_to(ROOT)}: {match.group()}"
        for path, text in texts().items()
        if path.suffix == ".md"
        for match in ONE_MACHINE.finditer(text)
    }
    assert found == set()
    assert len(ONE_MACHINE.findall("at 10.0.0.7, on nas.local, file:///opt/x, C:\\Users\\x, on my laptop")) == 5


def test_python_files_that_documentation_names_are_there() -> None:
    """By their whole path, or by the end of one."""
    ours = {path.relative_to(ROOT).as_posix() for path in tracked()}
    names = {
        (path.relative_to(ROOT).as_posix(), name)
        for path, text in texts().items()
        if path.suffix == ".md"
        for name in re.findall(r"(?<![\w/:.-])[\w/.-]*\w\.py\b", text)
    }
    assert len(names) > 10
    missing = {(where, name) for where, name in names if not any(f"/{path}".endswith(f"/{name}") for path in ours)}
    assert missing == set()


def test_the_libraries_of_the_system_are_the_same_wherever_they_are_listed() -> None:
    """What the program says is missing is what documentation and continuous integration install."""
    lists = {
        str(path.relative_to(ROOT)): found.group()
        for path, text in texts().items()
        if path != Path(__file__) and (found := re.search(r"libegl1( lib[\w.+-]+)+", text))
    }
    assert len(lists) >= 5
    assert set(lists.values()) == {DEBIAN_PACKAGES}


def test_continuous_integration_installs_as_contributing_says() -> None:
    """Without make there is nothing else that keeps both the same."""

    def install(path: str) -> str:
        lines = (ROOT / path).read_text("utf-8").replace("/Scripts/", "/bin/").splitlines()
        return next(line.strip() for line in lines if "constraints.txt -e" in line and "python -m pip" in line)

    assert install(".github/workflows/check.yml") == install("CONTRIBUTING.md")


def test_contributing_has_every_room_of_the_runtime_in_order() -> None:
    """As the import contract has them."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]
    (contract,) = (entry for entry in settings["contracts"] if entry.get("containers") == ["dsvl2_runtime"])
    order = re.findall(r"\w+", " ".join(contract["layers"]))
    table = (ROOT / "CONTRIBUTING.md").read_text("utf-8").partition("| room |")[2].partition("\n\n")[0]
    rooms = [name for line in table.splitlines()[2:] for name in re.findall(r"`([\w.]+)`", line.split("|")[1])]
    assert [name.removesuffix(".py") for name in rooms] == order
    assert {path.name for path in (ROOT / "runtime" / "dsvl2_runtime").glob("*.py")} == {
        "__init__.py",
        *(name for name in rooms if name.endswith(".py")),
    }


def test_output_of_processes_is_read_in_a_named_encoding() -> None:
    """With `text=True` it is that of the machine, which cannot read the frames of tables everywhere."""
    found = {
        str(path.relative_to(ROOT))
        for path, text in texts().items()
        if path.suffix == ".py" and path != Path(__file__) and re.search(r"text=True|universal_newlines", text)
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


def test_a_source_archive_is_read_like_a_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without git the same files are looked at, and none of those that tools have left."""
    names = ["README.md", ".ci/run", "models/dsvl2_demo/__init__.py", "kernels/dsvl2_kernels/library.py"]
    made = [".venv/bin/python", "tests/__pycache__/a.pyc", "x.egg-info/PKG-INFO", ".hypothesis/examples/0", ".git/HEAD"]
    made += ["models/synthetic/a.json", "models/dsvl2_demo/runs/log.jsonl", "kernels/dsvl2_kernels/a.so"]
    for name in [*names, *made]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert walked(tmp_path) == {tmp_path / name for name in names}
    assert set(tracked()) <= walked(ROOT)
    assert not [path for path in walked(ROOT) if path.suffix in {".pyc", ".so"}]

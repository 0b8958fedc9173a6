"""A test that depends on the machine it runs on is known by what it does; .ci/bare repeats those."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import isolation
import reach

CONFTEST = """
import os, pathlib, subprocess, sys
import isolation, pytest, reach

def pytest_configure(config):
    config.pluginmanager.register(reach.Recorder(pathlib.Path(os.environ["RECORD"])))
    if left_out := os.environ.get("LEFT_OUT"):
        config.pluginmanager.register(reach.LeftOut(pathlib.Path(left_out)))

def pytest_unconfigure(config):
    isolation.remove()

@pytest.fixture(scope="module")
def started():
    subprocess.run([sys.executable, "-c", ""], check=True)

@pytest.fixture(scope="module")
def qapp():
    return None
"""
IMPORTS = "import multiprocessing, os, pathlib, shutil, socket, subprocess, sys\nimport pytest, reach\n"
BODIES = {
    "a_process": ("subprocess.run([sys.executable, '-c', ''])", "process"),
    "a_fork": ("os.waitpid(os.fork() or os._exit(0), 0)", "process"),
    "a_worker": (
        "worker = multiprocessing.get_context('spawn').Process(target=len, args=('',))\nworker.start()\nworker.join()",
        "process",
    ),
    "a_socket": ("socket.socket(socket.AF_UNIX).bind(str(tmp_path / 'socket'))", "network"),
    "a_name": ("socket.getaddrinfo('localhost', 1)", "network"),
    "typefaces": ("[*pathlib.Path('/usr/share/fonts').rglob('*.ttf')]", "file"),
    "settings_of_the_system": ("open('/etc/passwd').close()", "file"),
    "another_process": ("open('/proc/1/stat').close()", "file"),
    "all_processes": ("os.listdir('/proc')", "file"),
    "writing_into_the_checkout": (
        "try:\n    open(pathlib.Path(reach.__file__).with_name('no folder') / 'x', 'w')\nexcept OSError:\n    pass",
        "file",
    ),
    "the_user": ("os.getuid()", "user"),
    "permissions": ("tmp_path.chmod(0o700)", "user"),
    "what_may_be_written": ("os.access(reach.__file__, os.W_OK)", "file"),
    "colours": ("'FORCE_COLOR' in os.environ", "variable"),
    "the_language": ("os.environ.get('LANG')", "variable"),
    "the_search_path": ("os.environ['PATH']", "variable"),
    "all_variables": ("dict(os.environ)", "variable"),
    "names_of_variables": ("[name for name in os.environ if name == 'CI']", "variable"),
    "sums": ("assert sum(range(10)) == 45", ""),
    "temporary_files": (
        "(tmp_path / 'a').mkdir()\n(tmp_path / 'a' / 'b').write_text('x')\nos.rename(tmp_path / 'a', tmp_path / 'c')\n"
        "shutil.rmtree(tmp_path / 'c')",
        "",
    ),
    "the_home_of_the_run": ("(pathlib.Path.home() / '.cache').mkdir()", ""),
    "reading_the_checkout": ("pathlib.Path(reach.__file__).read_text()", ""),
    "copies": ("shutil.copy(reach.__file__, tmp_path)\nos.access(tmp_path / 'reach.py', os.W_OK)", ""),
    "a_variable_that_was_set_later": ("os.environ['LATER'] = 'x'\nos.environ['LATER']", ""),
    "the_kernel": ("open('/proc/meminfo').close()\nopen('/proc/self/status').close()", ""),
    "a_variable_of_ours": ("os.environ.get('DSVL2_THREADS')", ""),
}
OTHERS = """
def test_made_here(started): ...
def test_found_made(started): ...
def test_drawn(qapp): ...
def test_skipped(): pytest.skip("here")
"""
MODES = "def test_modes(tmp_path): assert tmp_path.stat().st_mode\n"
FAILING = "def test_failing(): assert False\n"


def recorded(folder: Path, *options: str, **variables: str) -> tuple[dict[str, str], str]:
    """(test -> what it reached for, what pytest printed) of a run of its own in a folder."""
    record = folder / "record"
    mine = {name: value for name, value in os.environ.items() if name != isolation.FOLDER}
    found = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            "-c",
            os.devnull,
            f"--rootdir={folder}",
            *options,
        ],
        env=mine | {"RECORD": str(record), "PYTHONPATH": str(Path(reach.__file__).parent)} | variables,
        cwd=folder,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    lines = [line.partition("\t") for line in record.read_text("utf-8").splitlines()]
    return {name.partition("::test_")[2]: reached for name, _, reached in lines}, found.stdout + found.stderr


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of tests."""
    folder = tmp_path_factory.mktemp("suite")
    functions = [f"def test_{name}(tmp_path):\n{textwrap.indent(body, '    ')}\n" for name, (body, _) in BODIES.items()]
    (folder / "conftest.py").write_text(CONFTEST, "utf-8")
    (folder / "test_bodies.py").write_text(IMPORTS + "".join(functions) + OTHERS + FAILING, "utf-8")
    (folder / "test_other.py").write_text(MODES, "utf-8")
    return folder


@pytest.fixture(scope="module")
def found(suite: Path) -> dict[str, str]:
    """What the tests of that folder reach for."""
    return recorded(suite)[0]


@pytest.mark.skipif(sys.platform == "win32", reason="the record is for .ci/bare, which is for Linux")
class TestRecorder:
    @pytest.mark.parametrize("name", BODIES)
    def test_what_a_test_does_tells_what_it_depends_on(self, name: str, found: dict[str, str]) -> None:
        """Starting a process also asks who the user is, in some releases of Python."""
        what = BODIES[name][1]
        assert what in found[name].split() if what else found[name] == ""

    def test_what_a_fixture_did_once_counts_for_all_tests_that_have_it(self, found: dict[str, str]) -> None:
        assert (found["made_here"], found["found_made"]) == ("process", "process")

    def test_qt_and_modes_of_files_are_the_machines(self, found: dict[str, str]) -> None:
        """Neither raises an event."""
        assert (found["drawn"], found["modes"]) == ("screen", "user")

    def test_only_what_passed_is_recorded(self, found: dict[str, str]) -> None:
        """What was skipped here may run elsewhere."""
        assert {*BODIES, "made_here", "found_made", "drawn", "modes"} == found.keys()

    def test_tests_are_left_out_by_their_whole_names(self, suite: Path, tmp_path: Path) -> None:
        listed = tmp_path / "listed"
        listed.write_text("test_bodies.py::test_sums\ntest_other.py::test_modes\n", "utf-8")
        (suite / "record").unlink(missing_ok=True)
        found, printed = recorded(suite, LEFT_OUT=str(listed))
        assert BODIES.keys() - found.keys() == {"sums"}
        assert "modes" not in found
        assert "\nleft out: 2 tests\n" in printed

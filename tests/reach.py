"""What of the machine a test reaches for, recorded while it runs, so that `.ci/bare` need not repeat the other tests.

A test depends on the machine if it starts a process, opens a socket, draws with Qt, asks who the user is or looks at
the modes of files, reads a variable that `isolation.py` has not set, or touches a file elsewhere than in the temporary
folder or, reading, in the checkout, in Python's folders and in what the kernel tells everybody. Python says so as it
happens (audit events); the few calls that raise none are watched. What a fixture reaches for counts for every test that
has it. Only tests that passed are recorded: those that are not in the record are repeated.
"""

from __future__ import annotations

import inspect
import multiprocessing.util
import os
import shutil
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Collection, Generator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import isolation

ROOT = Path(__file__).parent.parent

PROCESSES = ("subprocess.", "os.fork", "os.exec", "os.posix_spawn", "os.spawn", "os.system", "os.kill", "pty.")
OF_THE_USER = ("os.chmod", "os.chown", "os.setxattr")
QUESTIONS = ("getuid", "geteuid", "getgid", "getegid", "getlogin", "umask")
"""Functions of `os` about the user, which raise no event."""
MODES = "st_mode"
"""A file of tests that has this word compares modes, which differ with the umask; looking at them raises no event."""
WRITERS = {
    "os.mkdir": (0,), "os.rmdir": (0,), "os.remove": (0,), "os.truncate": (0,), "os.utime": (0,),
    "sqlite3.connect": (0,), "os.rename": (0, 1), "os.link": (0, 1), "os.symlink": (1,),
}  # fmt: skip
"""Event to the places of those arguments that are paths of what changes."""
READERS = ("os.listdir", "os.scandir")
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC

LOCALE = ("LANG", "LANGUAGE", "LC_ALL", "LC_CTYPE", "LC_MESSAGES")
NORMALISED = ("HOME", "USERPROFILE", "PYTHONPATH", "TMPDIR", "TEMP", "TMP", *isolation.THREADS)
"""Variables that mean the same in every run, besides those of `isolation.FAMILIES`."""
BY_TOOLS = (f"{os.sep}__pycache__{os.sep}", f"{os.sep}.hypothesis{os.sep}")
"""What Python and Hypothesis keep in the checkout, where they may."""


def is_of_the_machine(variable: str, found: Collection[str]) -> bool:
    """Whether a variable that was read is one in which machines differ, or would differ without `isolation.py`.

    Args:
        variable: its name.
        found: the names of all that were set before the first test.
    """
    if variable in NORMALISED or variable.startswith(("PYTEST_", *isolation.FAMILIES)):
        return False
    return variable in (*found, *isolation.SWITCHES, *LOCALE)


class Places:
    """The folders that are the same for every user and on every machine."""

    def __init__(self) -> None:
        def spelt(*folders: str | Path) -> tuple[str, ...]:
            ways = (os.path.abspath, os.path.realpath)
            return tuple({f"{way(folder)}{os.sep}" for folder in folders for way in ways})

        self._checkout = spelt(ROOT)
        self._temporary = spelt(tempfile.gettempdir(), isolation.run_folder())
        # The checkout may lie in the temporary folder, and this in the checkout: the inner one counts.
        self._is_inner = any(folder.startswith(self._temporary) for folder in self._checkout)
        self._readable = (*self._checkout, *spelt(sys.prefix, sys.base_prefix), "/sys/", "/dev/")

    def are_left(self, path: object, writing: bool) -> bool:
        """Whether this path is in none of them; an open file has been judged when it was opened."""
        if isinstance(path, int):
            return False
        given = os.fsdecode(path) if isinstance(path, str | bytes | os.PathLike) else "."
        name = f"{os.path.abspath(given)}{os.sep}"  # noqa: PTH100 - `resolve` would look at the disk for each event
        if name.startswith(self._temporary) and not (self._is_inner and name.startswith(self._checkout)):
            return False
        if writing:
            return name != "/dev/null/" and not any(part in name for part in BY_TOOLS)
        if name == "/proc/":
            return True  # the processes of all users
        if name.startswith("/proc/"):
            entry = Path(name).parts[2]
            return entry.isdigit() and entry != str(os.getpid())
        return not name.startswith(self._readable)


class Recorder:
    """A plugin of pytest that adds `TEST<tab>WHAT IT REACHED FOR` to a file, into which all workers write."""

    def __init__(self, record: Path) -> None:
        self._record = record
        self._places = Places()
        self._now: set[str] | None = None
        self._of_fixtures: dict[str, set[str]] = defaultdict(set)
        self._results: dict[str, str] = {}
        sys.addaudithook(self._hear)
        calls: list[tuple[ModuleType, str, Callable[..., str]]] = [
            *((os, name, lambda *_: "user") for name in QUESTIONS),
            (os, "access", self._access),
            (multiprocessing.util, "spawnv_passfds", lambda *_: "process"),
        ]
        for module, name, judge in calls:
            if hasattr(module, name):
                setattr(module, name, self._before(getattr(module, name), judge))
        self._watch_variables(frozenset(os.environ))

    def _before(self, function: Callable[..., Any], judge: Callable[..., str]) -> Callable[..., Any]:
        """The same function, whose calls are judged; "" is nothing."""

        def watched(*arguments: Any, **options: Any) -> Any:
            if self._now is not None and (what := judge(*arguments)):
                self._note(what)
            return function(*arguments, **options)

        return watched

    def _access(self, path: object, mode: int = os.W_OK) -> str:
        """What everybody may do with a file does not depend on who asks."""
        return "file" if self._places.are_left(path, bool(mode & os.W_OK)) else ""

    def _watch_variables(self, at_the_start: Collection[str]) -> None:
        environment: type[Any] = type(os.environ)

        def one(_: object, name: object) -> str:
            return "variable" if isinstance(name, str) and is_of_the_machine(name, at_the_start) else ""

        for method, judge in (("__getitem__", one), ("__iter__", lambda *_: "variable")):
            setattr(environment, method, self._before(getattr(environment, method), judge))

    def _note(self, what: str) -> None:
        if self._now is not None:
            self._now.add(what)

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self._now is None:
            return
        if event == "open":
            path, _, flags = arguments
            if self._places.are_left(path, bool(flags & WRITING)):
                self._note("file")
        elif event in READERS:
            if self._places.are_left(arguments[0], False):
                self._note("file")
        elif event in WRITERS:
            # Relative to an open folder a path means nothing here, and its folder was judged when it was opened.
            if not any(type(entry) is int and entry > 0 for entry in arguments[1:] if event != "os.mkdir"):
                for place in WRITERS[event]:
                    if self._places.are_left(arguments[place], True):
                        self._note("file")
        elif event.startswith(PROCESSES):
            self._note("process")
        elif event.startswith("socket.") and event != "socket.__new__":
            self._note("network")
        elif event in OF_THE_USER and sys._getframe(1).f_code.co_filename != shutil.__file__:
            self._note("user")  # unless a file is copied, with its mode

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef: pytest.FixtureDef[Any]) -> Generator[None, Any, Any]:
        """What is made once is recorded under its name, for the tests that find it made."""
        around, self._now = self._now, set()
        try:
            return (yield)
        finally:
            if fixturedef.scope != "function":
                self._of_fixtures[fixturedef.argname] |= self._now
            if around is not None:
                around |= self._now
            self._now = around

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, Any, Any]:
        """One test, with what it sets up and takes down."""
        self._results.clear()
        if faces := sys.modules.get("dsvl2_demo.pages.fonts"):
            faces._files.cache_clear()  # a list that was made for another test would hide that this one asks
        self._now = set()
        try:
            return (yield)
        finally:
            reached, self._now = self._now, None
            if self._results == dict.fromkeys(("setup", "call", "teardown"), "passed"):
                self._write(item, reached)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Only what passed is known to need nothing else."""
        self._results[report.when or ""] = report.outcome

    def _write(self, item: pytest.Item, reached: set[str]) -> None:
        fixtures: list[str] = getattr(item, "fixturenames", [])
        for name in fixtures:
            reached |= self._of_fixtures[name]
        if "qapp" in fixtures:
            reached.add("screen")  # Qt is C++, which raises no events
        module = inspect.getmodule(getattr(item, "function", None))
        if module is None or MODES in inspect.getsource(module):
            reached.add("user")
        with self._record.open("a", encoding="utf-8") as file:
            file.write(f"{item.nodeid}\t{' '.join(sorted(reached))}\n")


class LeftOut:
    """A plugin of pytest that leaves out the tests of a list, one on each line, and says how many they are."""

    def __init__(self, tests: Path) -> None:
        self._tests = frozenset(tests.read_text("utf-8").splitlines())

    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """Deselect them."""
        kept = [item for item in items if item.nodeid not in self._tests]
        config.hook.pytest_deselected(items=[item for item in items if item.nodeid in self._tests])
        items[:] = kept

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """`.ci/bare` adds the number to that of the tests that ran; the sum has to be that of the whole suite."""
        terminalreporter.line(f"left out: {len(self._tests)} tests")

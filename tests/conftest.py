"""An isolated run, and bundles of the small models, exported once per test run for all its processes."""

from __future__ import annotations

import isolation  # first, because it sets the environment that others read when they are imported

# isort: split

import os
import shutil
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import hypothesis
import pytest
from filelock import FileLock

from reach import LeftOut, Recorder
from small_models import FIGURE, MakeBundle, MakeCheckpoint, small_config

# A busy machine is no reason to fail, so no example has a deadline.
hypothesis.settings.register_profile("tests", deadline=None)
hypothesis.settings.register_profile("nightly", deadline=None, max_examples=10_000)
hypothesis.settings.load_profile("tests")


def pytest_addoption(parser: pytest.Parser) -> None:
    """As a machine with one core has it, and which tests depend on a machine: for `.ci/run` and `.ci/bare`."""
    parser.addoption("--one-core", action="store_true", help="a core for each process and what it starts")
    parser.addoption("--record-reach", type=Path, metavar="FILE", help="what of the machine each test reaches for")
    parser.addoption("--leave-out", type=Path, metavar="FILE", help="tests that do not run, one on each line")


def pytest_configure(config: pytest.Config) -> None:
    """Keep a worker on a core of its own, so that threads of two models do not wait for each other (Linux)."""
    if record := config.getoption("--record-reach"):
        config.pluginmanager.register(Recorder(record))
    if tests := config.getoption("--leave-out"):
        config.pluginmanager.register(LeftOut(tests))
    worker = getattr(config, "workerinput", None)
    if worker and config.getoption("--one-core") and sys.platform == "linux":
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {cores[int(worker["workerid"].removeprefix("gw")) % len(cores)]})


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail a run that wanted something from the internet or wrote into the user's home, whichever test it was."""
    if not hasattr(session.config, "workerinput") and (isolation.internet_attempts() or isolation.left_in_home()):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_unconfigure(config: pytest.Config) -> None:
    """Remove the home of this run."""
    if not hasattr(config, "workerinput"):
        isolation.remove()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show what a run should not have done, and the figures that tests measured, which workers cannot print."""
    for title, lines in (
        ("wanted from the internet", isolation.internet_attempts()),
        ("left in the home folder", isolation.left_in_home()),
    ):
        if lines:
            terminalreporter.section(title)
            for line in lines:
                terminalreporter.line(line)
    figures = [
        str(text)
        for report in terminalreporter.getreports("passed")
        for name, text in report.user_properties
        if name == FIGURE and report.when == "call"
    ]
    if figures:
        terminalreporter.section("measured")
        for figure in figures:
            terminalreporter.line(figure)


@pytest.fixture
def nightly(request: pytest.FixtureRequest) -> bool:
    """Whether this is the long run: `make nightly`, which chooses that profile."""
    return bool(request.config.getoption("--hypothesis-profile") == "nightly")


@pytest.fixture
def onnxruntime_operators(monkeypatch: pytest.MonkeyPatch) -> None:
    """The decoder runs with ONNX Runtime's operators: for tests of that graph, and of what is packed for it."""
    monkeypatch.setenv("DSVL2_KERNELS", "off")


def made_once(name: str, make: Callable[[Path], object]) -> Path:
    """A folder that all processes of this run read, made by the first that wants it."""
    out = isolation.run_folder() / name
    out.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(out.with_name(f"{out.name}.lock")):
        if not out.exists():
            unfinished = out.with_name(f"{out.name}.unfinished")
            shutil.rmtree(unfinished, ignore_errors=True)  # of a test that was ended
            make(unfinished)
            unfinished.rename(out)
    return out


@pytest.fixture(scope="session")
def checkpoint() -> MakeCheckpoint:
    """variant -> folder of a small synthetic checkpoint; nobody may change it."""

    @cache
    def make(variant: str) -> Path:
        # PyTorch and Transformers are imported by the processes that export, not by the one that hands out the tests.
        from dsvl2_export.synth.writer import write_synthetic_checkpoint

        def write(out: Path) -> None:
            write_synthetic_checkpoint(out, variant, config=small_config(variant), seed=5)

        return made_once(f"checkpoints/{variant}", write)

    return make


@pytest.fixture(scope="session")
def bundle(checkpoint: MakeCheckpoint) -> MakeBundle:
    """(variant, precision) -> folder of its bundle; nobody may change it, and `folder` is a copy."""

    @cache
    def make(variant: str, precision: str) -> Path:
        from dsvl2_export.exporter import export_bundle

        source = checkpoint(variant)
        return made_once(f"bundles/{variant}-{precision}", lambda out: export_bundle(source, out, precision))

    return make


@pytest.fixture
def folder(tmp_path: Path, bundle: MakeBundle) -> Path:
    """A copy of a bundle, to change or damage."""
    return Path(shutil.copytree(bundle("small", "int4"), tmp_path / "bundle"))

"""An isolated run, and bundles of the small models, exported once per test run and process."""

from __future__ import annotations

import isolation  # first, because it sets the environment that others read when they are imported

# isort: split

import shutil
from functools import cache
from pathlib import Path

import hypothesis
import pytest

from dsvl2_export.exporter import export_bundle
from dsvl2_export.synth.writer import write_synthetic_checkpoint
from small_models import FIGURE, MakeBundle, MakeCheckpoint, small_config

# A busy machine is no reason to fail, so no example has a deadline.
hypothesis.settings.register_profile("tests", deadline=None)
hypothesis.settings.register_profile("nightly", deadline=None, max_examples=10_000)
hypothesis.settings.load_profile("tests")


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


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> MakeCheckpoint:
    """variant -> folder of a small synthetic checkpoint."""

    @cache
    def make(variant: str) -> Path:
        out = tmp_path_factory.mktemp("checkpoints") / variant
        write_synthetic_checkpoint(out, variant, config=small_config(variant), seed=5)
        return out

    return make


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory, checkpoint: MakeCheckpoint) -> MakeBundle:
    """(variant, precision) -> folder of its bundle."""

    @cache
    def make(variant: str, precision: str) -> Path:
        out = tmp_path_factory.mktemp("bundles") / f"{variant}-{precision}"
        export_bundle(checkpoint(variant), out, precision)
        return out

    return make


@pytest.fixture
def folder(tmp_path: Path, bundle: MakeBundle) -> Path:
    """A copy of a bundle, to change or damage."""
    return Path(shutil.copytree(bundle("small", "int4"), tmp_path / "bundle"))

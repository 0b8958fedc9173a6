"""How many threads are started, by what the process may use of the machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from dsvl2_runtime import load_model
from dsvl2_runtime.errors import UsageError
from dsvl2_runtime.machine import cores
from dsvl2_runtime.machine.cores import MOST_PER_PROCESSOR, choose_threads, usable_cores
from dsvl2_runtime.texts import notice_text
from small_models import MakeBundle

CLI = (sys.executable, "-c", "from dsvl2_runtime.cli.main import main; main()")


def lay_out(root: Path, processors: list[tuple[int, int]], quota: str) -> Path:
    """A file system of a machine whose logical processors are (package, core), with a group that has a quota."""
    for number, (package, core) in enumerate(processors):
        folder = root / f"sys/devices/system/cpu/cpu{number}/topology"
        folder.mkdir(parents=True)
        (folder / "physical_package_id").write_text(f"{package}\n")
        (folder / "core_id").write_text(f"{core}\n")
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text("0::/outer/inner\n")
    (root / "proc/self/mountinfo").write_text("31 22 0:27 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n")
    (root / "sys/fs/cgroup/outer/inner").mkdir(parents=True)
    (root / "sys/fs/cgroup/outer/cpu.max").write_text(f"{quota} 100000\n")
    return root


FOUR_CORES_OF_TWO_THREADS = [(0, 0), (0, 1), (1, 0), (1, 1)] * 2


@pytest.mark.parametrize(
    ("allowed", "quota", "expected"),
    [
        (range(8), "max", 4),
        (range(4), "max", 4),
        ((0, 4), "max", 1),  # two threads of one core
        ((0, 1, 4, 5), "max", 2),
        ((7,), "max", 1),
        (range(8), "300000", 3),
        (range(8), "250000", 2),  # with three threads all would be halted for a sixth of the time
        (range(8), "50000", 1),
        (range(8), "800000", 4),
        ((0, 1), "300000", 2),
    ],
)
def test_cores_that_may_be_used(tmp_path: Path, allowed: tuple[int, ...], quota: str, expected: int) -> None:
    """Affinity, shared cores and the quota of an outer group, whichever leaves least."""
    root = lay_out(tmp_path, FOUR_CORES_OF_TWO_THREADS, quota)
    assert usable_cores(root, allowed) == expected


def test_a_system_that_says_nothing_has_the_cores_that_it_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As macOS and Windows; and no more than the process may run on."""
    monkeypatch.setattr(psutil, "cpu_count", lambda logical=True: 16 if logical else 8)
    assert usable_cores(tmp_path, range(16)) == 8
    assert usable_cores(tmp_path, (3,)) == 1
    monkeypatch.setattr(psutil, "cpu_count", lambda logical=True: None)
    assert usable_cores(tmp_path, range(3)) == 3


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="the system has no affinity")
def test_a_process_on_one_core_starts_one_thread(bundle: MakeBundle) -> None:
    """As `taskset -c 0` leaves it; ONNX Runtime would start as many as it is told."""
    code = (
        "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n"
        "from dsvl2_runtime import load_model\nfrom dsvl2_runtime.graphs.target import Target\n"
        "plain = Target.session_options\n"
        "Target.session_options = lambda self, threads: print(threads) or plain(self, threads)\n"
        f"load_model({str(bundle('small', 'int4'))!r})"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=True)
    assert set(found.stdout.split()) == {"1"}
    found = subprocess.run(
        [*CLI[:2], code.splitlines()[0] + "\n" + CLI[2], "doctor", "--format", "json"],
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    assert json.loads(found.stdout)["machine"]["usable_cores"] == 1


def test_more_threads_than_make_sense_are_not_started(monkeypatch: pytest.MonkeyPatch) -> None:
    """And the user is told; a few more than there are processors may be wanted."""
    monkeypatch.setattr(cores, "allowed_processors", lambda: frozenset((0, 1)))
    assert choose_threads(2 * MOST_PER_PROCESSOR).notices == ()
    choice = choose_threads(1000)
    assert choice.count == 2 * MOST_PER_PROCESSOR
    (notice,) = choice.notices
    text = notice_text(notice)
    assert "8 threads are used instead of 1000" in text
    assert "2 logical processors" in text


@pytest.mark.parametrize("asked", [0, -1, 1025, 99_999_999_999])
def test_a_number_that_cannot_be_meant_is_refused(asked: int) -> None:
    """Before anything is loaded."""
    with pytest.raises(UsageError, match="threads"):
        choose_threads(asked)


def test_a_model_and_the_command_line_tell_it(bundle: MakeBundle) -> None:
    """In `notices`, on standard error, and among the warnings of a JSON report."""
    folder = bundle("small", "int4")
    codes = [notice.code for notice in load_model(folder, threads=1000).notices]
    assert codes == ["model.note", "threads.capped"]
    run = [*CLI, "run", "?", "--model", str(folder), "--threads", "1000", "-n", "1"]
    found = subprocess.run(run, capture_output=True, encoding="utf-8", check=True)
    assert "threads are used instead of 1000" in found.stderr
    found = subprocess.run([*run, "--format", "json"], capture_output=True, encoding="utf-8", check=True)
    report: dict[str, Any] = json.loads(found.stdout)
    assert [warning["code"] for warning in report["warnings"]] == codes

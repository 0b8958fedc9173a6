"""`batch --cluster` on a cluster of two workers of this machine, one of which is killed."""

from __future__ import annotations

import ipaddress
import json
import os
import pickle
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

import ray_cluster
from batches import CODE, FORM, NAME, RECEIPT, answers_of, call, lines_of, wait_for_lines
from dsvl2_runtime.cli.batch.cluster import NO_REPORTS, ONLY_HERE, with_whole_paths
from dsvl2_runtime.cli.batch.question import BatchQuestion
from dsvl2_runtime.cli.run_options import RunOptions
from dsvl2_runtime.errors import MissingExtraError, ResourceError

PATIENCE = 400
"""Seconds that a busy machine may take to begin a cluster and load two models."""
ENVIRONMENT = {
    **NO_REPORTS,
    **ONLY_HERE,
    "RAY_AUTH_MODE": "disabled",  # it would write a token into the home folder
    "RAY_health_check_period_ms": "500",  # a killed worker is noticed sooner: 30 s for the test instead of 45
}

needs_ray = pytest.mark.skipif(find_spec("ray") is None, reason="the extra cluster is not installed")

LOCAL_CLUSTER = """
import json, os, psutil, signal, time
from dsvl2_runtime.cli.batch.cluster import LOCAL, connected
from dsvl2_runtime.cli.stop_signals import StopSignals, Terminated

def listening():
    own = psutil.Process()
    return [c.laddr.ip for process in (own, *own.children(recursive=True)) for c in process.net_connections("inet")
            if c.status == psutil.CONN_LISTEN]

StopSignals().take()
try:
    with connected(LOCAL) as ray:
        print(json.dumps(listening() + ray.get(ray.remote(listening).remote())))
        begun = psutil.Process().children(recursive=True)
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(60)
except Terminated:
    print("terminated", len(begun) > 3, [process for process in begun if process.is_running()])
"""


@pytest.fixture
def cluster() -> Iterator[subprocess.Popen[str]]:
    """The process that owns a cluster, whose first line is its address."""
    # Not pytest's folder, whose name is too long for sockets.
    with tempfile.TemporaryDirectory(prefix="ray-", dir="/tmp", ignore_cleanup_errors=True) as folder:
        process = subprocess.Popen(
            [sys.executable, ray_cluster.__file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            encoding="utf-8",
            env=os.environ | ENVIRONMENT | {"RAY_TMPDIR": folder},
        )
        try:
            yield process
        finally:
            assert process.stdin is not None
            process.stdin.close()
            process.wait(PATIENCE)


def by_name(out: Path) -> list[dict[str, Any]]:
    return sorted(lines_of(out), key=lambda line: str(line["file"]))


@needs_ray
@pytest.mark.skipif(sys.platform != "linux", reason="Ray's clusters are made for Linux")
def test_what_a_lost_worker_had_in_hand_is_done_again(cluster: subprocess.Popen[str], tmp_path: Path) -> None:
    """Each file has its line once, as a run without a cluster writes it; a bad file is a line here too."""
    assert cluster.stdin is not None
    assert cluster.stdout is not None
    address = cluster.stdout.readline().strip()
    folder, out, alone = tmp_path / "folder", tmp_path / "out.jsonl", tmp_path / "alone.jsonl"
    folder.mkdir()
    for number in range(10):
        shutil.copy(RECEIPT if number % 2 else FORM, folder / f"{number}.png")
    (folder / "bad.png").write_text("no picture")
    command = [sys.executable, "-c", CODE, "batch", str(folder), "--ask", NAME, "--out", str(out)]
    process = subprocess.Popen([*command, "--cluster", address], env=os.environ | ENVIRONMENT, stderr=subprocess.PIPE)
    wait_for_lines(out, 1, process)
    cluster.stdin.write("kill\n")
    cluster.stdin.flush()
    assert cluster.stdout.readline().strip() == "killed"
    _, said = process.communicate(timeout=PATIENCE)
    assert process.returncode == 5, said
    names = [line["file"] for line in lines_of(out)]
    assert sorted(names) == sorted(set(names)) == sorted(path.name for path in folder.iterdir())
    assert call(folder, alone).exit_code == 5
    assert answers_of(out) == answers_of(alone)
    assert [sorted(line) for line in by_name(out)] == [sorted(line) for line in by_name(alone)]
    assert call(folder, out).exit_code == 5  # which goes on where it was, and asks nothing but the bad file
    assert len(lines_of(out)) == 11


@needs_ray
@pytest.mark.parametrize("address", ["127.0.0.1:9", "nowhere", "127.0.0.1:x", "127.0.0.1:99999999"])
def test_a_cluster_that_is_not_there_is_an_error(tmp_path: Path, address: str) -> None:
    """At once, and before the file of results is begun."""
    found = call(FORM, tmp_path / "out.jsonl", "--cluster", address)
    assert isinstance(found.exception, ResourceError)
    assert repr(address) in str(found.exception)
    assert not (tmp_path / "out.jsonl").exists()


@needs_ray
@pytest.mark.skipif(sys.platform == "win32", reason="Ray of Windows is another one")
def test_a_cluster_of_this_machine_is_closed_to_others_and_leaves_nothing() -> None:
    """Also where it is ended by SIGTERM.

    By itself Ray listens on all networks, keeps logs for everybody's eyes and a token in the home folder, and makes of
    SIGTERM an end with 15 and a traceback.
    """
    with tempfile.TemporaryDirectory(prefix="ray-") as folder:
        variables = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
        found = subprocess.run(
            [sys.executable, "-c", LOCAL_CLUSTER],
            env=variables | {"HOME": folder, "TMPDIR": folder},
            capture_output=True,
            encoding="utf-8",
            check=False,
            timeout=PATIENCE,
        )
        assert found.returncode == 0, found.stderr
        assert not list(Path(folder).iterdir())
    listening, end = found.stdout.splitlines()
    assert end == "terminated True []"
    addresses = [ipaddress.ip_address(name.removeprefix("::ffff:")) for name in json.loads(listening)]
    assert len(addresses) > 2
    assert all(address.is_loopback for address in addresses)
    assert "SIGTERM" not in found.stderr
    assert "uthentication" not in found.stderr


def test_a_worker_gets_the_path_of_a_password_and_not_the_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The path leads to the same file from every working folder; what stands in it, or in the variable, is not sent."""
    (tmp_path / "word.txt").write_text("open sesame\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DSVL2_PDF_PASSWORD", "open sesame")
    options = RunOptions(pdf_password_file="word.txt")  # noqa: S106 - a path
    sent = with_whole_paths(BatchQuestion.of(NAME, None, options))
    assert sent.options.pdf_password_file == str(tmp_path / "word.txt")
    assert b"sesame" not in pickle.dumps(sent)
    plain = BatchQuestion.of(NAME, None, RunOptions())
    assert with_whole_paths(plain) == plain
    assert b"sesame" not in pickle.dumps(plain)


def test_without_the_extra_it_is_named(tmp_path: Path) -> None:
    """As where ray cannot be imported."""
    prelude = "import sys; sys.modules['ray'] = None\n"
    command = [sys.executable, "-c", prelude + CODE, "batch", str(FORM), "--ask", NAME, "--cluster", "local"]
    found = subprocess.run(
        [*command, "--out", str(tmp_path / "out")], capture_output=True, encoding="utf-8", check=False
    )
    assert found.returncode == MissingExtraError.exit_code
    assert "dsvl2-onnx[cluster]" in found.stderr

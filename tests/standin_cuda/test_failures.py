"""What a user sees when a GPU fails: at load, in the middle of an answer, or where something is missing."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from dsvl2_runtime.errors import GenerationError, ProviderError, ResourceError

VERB = [sys.executable, "-c", "from dsvl2_runtime.cli.main import main; main()"]


class Verbs:
    """Runs the program with the stand-ins as the libraries of the machine."""

    def __init__(self, bundle: Path, libraries: Path) -> None:
        self.bundle, self.libraries = bundle, libraries

    def run(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        # Our operators for the CPU have a line of their own where they are older than their sources.
        environment = {**os.environ, "LD_LIBRARY_PATH": str(self.libraries), "DSVL2_KERNELS": "off", **variables}
        return subprocess.run(
            [*VERB, *arguments, "--model", str(self.bundle)],
            env=environment, capture_output=True, encoding="utf-8", timeout=300, check=False,
        )  # fmt: skip

    def ask(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return self.run("run", "What is this?", "-n", "8", *arguments, **variables)


@pytest.fixture
def verbs(gpu_bundle: Callable[[str], Path], libraries: Path) -> Verbs:
    return Verbs(gpu_bundle("small"), libraries)


def lines_of(ended: subprocess.CompletedProcess[str]) -> list[str]:
    """What it says beside the answer, but for the note about random weights."""
    return [line for line in ended.stderr.splitlines() if line.strip() and "random" not in line]


def test_auto_takes_the_gpu_and_says_nothing(verbs: Verbs) -> None:
    ended = verbs.ask("--format", "json")
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout)["model"]["provider"] == "cuda"
    assert lines_of(ended) == []


@pytest.mark.parametrize("launch", ["flash_fwd@1", "captured_graph@1", "cublas@1"])
def test_a_launch_that_fails_at_load_falls_back_with_one_line(verbs: Verbs, launch: str) -> None:
    """And is an error for somebody who asked for the GPU, in few words though ONNX Runtime says many."""
    ended = verbs.ask("--format", "json", STANDIN_CUDA_FAIL_LAUNCH=launch)
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout)["model"]["provider"] == "cpu"
    (line,) = lines_of(ended)
    assert "the GPU is not used: loading it there failed" in line
    assert len(line) < 700
    ended = verbs.ask("--provider", "cuda", STANDIN_CUDA_FAIL_LAUNCH=launch)
    assert ended.returncode == GenerationError.exit_code
    assert len(lines_of(ended)) == 1


def test_a_launch_that_fails_in_an_answer_is_an_error(verbs: Verbs) -> None:
    """Two steps were captured at load, so the fifth launch of one is in the answer."""
    ended = verbs.ask(STANDIN_CUDA_FAIL_LAUNCH="captured_graph@5")
    assert ended.returncode == GenerationError.exit_code
    (line,) = lines_of(ended)
    assert "the GPU failed: " in line
    assert "illegal memory access" in line
    assert "use --provider cpu" in line
    assert len(line) < 400


def test_too_little_memory_falls_back_with_one_line(verbs: Verbs) -> None:
    """Found by the plan before anything is taken, or by the card with --force."""
    ended = verbs.ask("--format", "json", STANDIN_CUDA_MEMORY="500000000")
    assert json.loads(ended.stdout)["model"]["provider"] == "cpu"
    (line,) = lines_of(ended)
    assert "GB of GPU memory" in line
    ended = verbs.ask("--provider", "cuda", STANDIN_CUDA_MEMORY="500000000")
    assert ended.returncode == ResourceError.exit_code
    for memory in ("3000000", "20000000", "40000000"):  # weights, buffers, what the first runs need
        ended = verbs.ask("--format", "json", "--force", STANDIN_CUDA_MEMORY=memory)
        assert ended.returncode == 0, ended.stderr
        assert json.loads(ended.stdout)["model"]["provider"] == "cpu"
        (line,) = lines_of(ended)
        assert "there is not enough memory" in line


def test_libraries_are_found_where_pip_puts_them(verbs: Verbs, tmp_path: Path) -> None:
    """The driver alone lies where the loader searches; without a library the line names it."""
    packages, driver = tmp_path / "site" / "nvidia" / "cu13" / "lib", tmp_path / "driver"
    driver.mkdir()
    shutil.copytree(verbs.libraries, packages)
    shutil.move(packages / "libcuda.so.1", driver)
    verbs.libraries = driver
    found = verbs.ask("--format", "json", PYTHONPATH=str(tmp_path / "site"))
    assert json.loads(found.stdout)["model"]["provider"] == "cuda", found.stderr
    (packages / "libcudnn.so.9").unlink()
    ended = verbs.ask("--provider", "cuda", PYTHONPATH=str(tmp_path / "site"))
    assert ended.returncode == ProviderError.exit_code
    (line,) = lines_of(ended)
    assert "libcudnn.so.9 cannot be loaded" in line


def test_without_a_driver_the_line_says_so(verbs: Verbs, tmp_path: Path) -> None:
    verbs.libraries = tmp_path
    ended = verbs.ask("--provider", "cuda")
    assert ended.returncode == ProviderError.exit_code
    (line,) = lines_of(ended)
    assert "there is no NVIDIA driver (libcuda.so.1 cannot be loaded" in line


def test_doctor_names_the_card_and_what_the_bundle_needs(verbs: Verbs) -> None:
    ended = verbs.run("doctor", "--format", "json")
    report = json.loads(ended.stdout)["gpu"]
    assert report["card"]["name"] == "Stand-in H100"
    assert report["missing_libraries"] == []
    assert report["obstacle"] is None
    assert report["wheels"].keys() == {"onnxruntime-gpu"}
    assert report["needs"]["total"] > 900_000_000
    text = " ".join(verbs.run("doctor", COLUMNS="200").stdout.split())
    assert "Stand-in H100, compute capability 9.0, 80.00 GB free of 80.00 GB, driver for CUDA 13.0" in text
    assert "all libraries are there" in text
    assert "auto runs on │ the GPU" in text

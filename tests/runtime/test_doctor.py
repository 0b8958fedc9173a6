"""What the machine has and what a model needs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from dsvl2_runtime import load_model
from dsvl2_runtime.bundle.bundle import Bundle
from dsvl2_runtime.cli import doctor
from dsvl2_runtime.cli.doctor import examine
from dsvl2_runtime.errors import ModelNotFoundError, ResourceError
from dsvl2_runtime.graphs import memory_plan
from dsvl2_runtime.graphs.decoder_graph import decoder_graphs
from dsvl2_runtime.graphs.graph_io import cache_tensors
from dsvl2_runtime.graphs.kv_cache import KVCache
from dsvl2_runtime.graphs.memory_plan import plan_memory
from dsvl2_runtime.machine import machine
from dsvl2_runtime.machine.machine import bytes_saturate, describe_machine
from small_models import MakeBundle, edit_manifest


def test_the_plan_counts_weights_and_the_whole_cache(bundle: MakeBundle) -> None:
    """The cache to the byte; weights at least as large as their files."""
    opened = Bundle.open(bundle("small", "int4"))
    language = opened.manifest.config.language_config
    plan = plan_memory(opened, 2)
    tensors = cache_tensors(language, next(decoder_graphs(opened)).cache)
    assert plan.cache == KVCache(tensors, language.max_position_embeddings).nbytes
    assert plan.weights + plan.mapped >= sum(entry.size for entry in opened.manifest.files)
    assert plan.images == load_model(bundle("small", "int4"), threads=1).image_cache.max_bytes > 0
    assert plan.total == plan.weights + plan.cache + plan.scratch + plan.images + plan.program


def test_a_model_that_does_not_fit_is_refused_with_the_numbers(
    bundle: MakeBundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before anything is loaded; --force overrides."""
    monkeypatch.setattr(memory_plan, "available_memory", lambda: 100_000_000)
    with pytest.raises(ResourceError, match=r"needs about 0\.\d GB.*but 0\.1 GB are available") as caught:
        load_model(bundle("small", "int4"), threads=1)
    assert caught.value.exit_code == 7
    assert load_model(bundle("small", "int4"), threads=1, force=True).name


def test_what_is_kept_and_sent_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The folder, how much lies in it, and that nothing is sent; in both forms."""
    monkeypatch.setattr(doctor, "cache_folder", lambda: tmp_path)
    (tmp_path / "packed").mkdir()
    (tmp_path / "packed" / "decoder.data").write_bytes(b"x" * 20_000_000)
    examine(None, 1, as_json=True)
    document = json.loads(capsys.readouterr().out)
    assert document["cache"] == {"folder": str(tmp_path), "bytes": 20_000_000}
    assert document["sent"] == []
    examine(None, 1, as_json=False)
    lines = [line.strip("│ ") for line in capsys.readouterr().out.splitlines()]
    assert any(line.startswith("sent") and "nothing" in line for line in lines)
    assert any("0.02 GB" in line for line in lines)


@pytest.mark.parametrize("as_json", [False, True])
def test_a_model_that_cannot_be_opened_hides_nothing_of_the_machine(
    as_json: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever asks for help with one wants to know about the other; then comes the error."""
    with pytest.raises(ModelNotFoundError, match="no such folder"):
        examine(str(tmp_path / "none"), 1, as_json=as_json)
    said = capsys.readouterr().out
    assert "ONNX Runtime" in said or "available_bytes" in json.loads(said)["machine"]
    assert "weights" not in said


def test_brackets_in_a_name_are_letters(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A manifest may hold what looks like the markup of the table."""
    edit_manifest(folder, lambda document: document.update(name="x[/b]"))
    examine(str(folder), 1, as_json=False)
    assert "x[/b]" in capsys.readouterr().out


def test_the_machine_is_described() -> None:
    """Numbers that the system confirms."""
    found = describe_machine()
    assert found.memory_bytes == psutil.virtual_memory().total
    assert 0 < found.available_bytes <= found.memory_bytes
    assert 1 <= found.usable_cores <= found.physical_cores <= found.logical_cores
    assert "CPUExecutionProvider" in found.providers


def test_a_system_without_cpuinfo_is_no_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As on macOS and Windows: the features are then not known, which is not the same as none."""
    monkeypatch.setattr(machine, "CPU_INFO", tmp_path / "none")
    assert describe_machine().features is None


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ("fpu sse2", "neither AVX2 nor NEON dot products: very slow"),
        ("fpu sse2 avx2 fma", "without VNNI, slower (avx2, fma)"),
        ("fpu sse2 avx2 fma avx512f avx512_vnni", "fast (avx2, fma, avx512f, avx512_vnni)"),
    ],
)
def test_an_old_processor_is_told_what_it_is_slow_for(
    bundle: MakeBundle,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    flags: str,
    said: str,
) -> None:
    """It can run a model all the same."""
    (tmp_path / "cpuinfo").write_text(f"processor\t: 0\nflags\t\t: {flags}\n\nprocessor\t: 1\n", "utf-8")
    monkeypatch.setattr(machine, "CPU_INFO", tmp_path / "cpuinfo")
    monkeypatch.setenv("COLUMNS", "300")
    examine(str(bundle("small", "int4")), 1, as_json=False)
    assert said in capsys.readouterr().out


def test_the_verb_reports_in_both_forms(bundle: MakeBundle) -> None:
    """A table for people, one object for programs."""

    def call(*arguments: str) -> str:
        code = "from dsvl2_runtime.cli.main import main; main()"
        command = [sys.executable, "-c", code, "doctor", *arguments]
        return subprocess.run(command, capture_output=True, encoding="utf-8", check=True).stdout

    model = str(bundle("small", "int4"))
    report: dict[str, Any] = json.loads(call("--model", model, "--format", "json"))
    assert report["fits"] is True
    assert report["model"]["needs"]["total"] == sum(
        report["model"]["needs"][part] for part in ("weights", "cache", "scratch", "images", "program")
    )
    table = call("--model", model)
    assert "it fits" in table
    assert "weights" in table
    assert report["model"]["needs"]["second_look"] == report["model"]["needs"]["cache"] > 0
    assert "more, where there is room" in table
    assert "weights" not in call()


@pytest.mark.parametrize(
    ("flags", "saturate"),
    [("avx2 fma", True), ("avx2 avx512f avx512_vnni", False), ("avx2 avx_vnni", False), ("", False)],
)
def test_bytes_saturate_without_dot_products(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, flags: str, saturate: bool
) -> None:
    info = tmp_path / "cpuinfo"
    info.write_text(f"model name : one\nflags : {flags}\n" if flags else "")
    monkeypatch.setattr("dsvl2_runtime.machine.machine.CPU_INFO", info)
    assert bytes_saturate() is saturate

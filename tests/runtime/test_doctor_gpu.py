"""What `doctor` says about GPUs that are not here."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from dsvl2_runtime.bundle.bundle import Bundle
from dsvl2_runtime.cli import doctor_gpu
from dsvl2_runtime.cli.doctor import examine
from dsvl2_runtime.graphs import gpu_checks, gpu_choice
from dsvl2_runtime.graphs.gpu_memory import CACHE_SLOTS, plan_gpu_memory
from dsvl2_runtime.machine.cuda_libraries import CudaLibrary
from dsvl2_runtime.machine.gpu import Gpu, GpuError
from small_models import MakeBundle

CARD = Gpu("NVIDIA Fake", (8, 9), 24_000_000_000, 23_000_000_000, (13, 1))
CUDNN = CudaLibrary("cudnn", "libcudnn.so.9", "", "no such file")


@pytest.fixture
def with_card(monkeypatch: pytest.MonkeyPatch) -> None:
    """A card, ONNX Runtime for it and all libraries but cuDNN."""
    for module in (doctor_gpu, gpu_checks):
        monkeypatch.setattr(module, "load_cuda_libraries", lambda: (CUDNN,))
    monkeypatch.setattr(doctor_gpu, "find_gpu", lambda: CARD)  # the only one who asks the driver
    monkeypatch.setattr(gpu_choice, "has_provider", lambda target: True)


def shown(capsys: pytest.CaptureFixture[str]) -> str:
    """The table, its lines joined."""
    lines = [line.strip("│ ").replace("│", " ") for line in capsys.readouterr().out.splitlines()]
    return " ".join(" ".join(lines).split())


@pytest.mark.usefixtures("with_card")
def test_a_card_without_cudnn(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Each part is named, and what is missing; in both forms."""
    monkeypatch.setenv("COLUMNS", "300")
    examine(None, 1, as_json=False)
    text = shown(capsys)
    assert "NVIDIA Fake, compute capability 8.9, 23.00 GB free of 24.00 GB, driver for CUDA 13.1" in text
    assert "not found: libcudnn.so.9" in text
    assert "the CPU: libcudnn.so.9 cannot be loaded (no such file); install it" in text
    examine(None, 1, as_json=True)
    report = json.loads(capsys.readouterr().out)["gpu"]
    assert report["card"]["compute_capability"] == [8, 9]
    assert report["missing_libraries"] == ["libcudnn.so.9"]
    assert report["obstacle"]["kind"] == "libraries"
    assert report["libraries"] == {"libcudnn.so.9": None}


def test_no_driver_is_said(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def find() -> Gpu:
        raise GpuError("there is no NVIDIA driver")

    monkeypatch.setattr(doctor_gpu, "find_gpu", find)
    monkeypatch.setattr(doctor_gpu, "load_cuda_libraries", lambda: (CUDNN,))
    monkeypatch.setattr(doctor_gpu, "installed_wheels", lambda: {"onnxruntime": "1.31", "onnxruntime-gpu": "1.31"})
    monkeypatch.setenv("COLUMNS", "300")
    examine(None, 1, as_json=False)
    text = shown(capsys)
    assert "there is no NVIDIA driver" in text
    assert "onnxruntime 1.31 and onnxruntime-gpu 1.31 overwrite each other" in text


@pytest.mark.usefixtures("with_card")
def test_what_a_bundle_needs_there(bundle: MakeBundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The weights of this target alone, the cache of all slots to the byte."""
    from dsvl2_export.graphs.cuda.form import ON_CPU
    from dsvl2_export.upgrade import add_cuda_graphs

    folder = tmp_path / "bundle"
    shutil.copytree(bundle("small", "int4"), folder)
    examine(str(folder), 1, as_json=True)
    assert "needs" not in json.loads(capsys.readouterr().out)["gpu"]
    add_cuda_graphs(folder, ON_CPU)
    examine(str(folder), 1, as_json=True)
    needs = json.loads(capsys.readouterr().out)["gpu"]["needs"]
    opened = Bundle.open(folder)
    listed = {entry.path: entry.size for entry in opened.manifest.files if "cuda" in entry.path}
    assert needs["weights"] == sum(listed.values())
    language = opened.manifest.config.language_config
    row = language.latent_rank + language.qk_rope_head_dim
    assert needs["cache"] == CACHE_SLOTS * language.num_hidden_layers * language.max_position_embeddings * row * 2
    assert needs["total"] == plan_gpu_memory(opened).total

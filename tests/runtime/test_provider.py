"""Which provider runs a bundle, what is said where the GPU cannot, and that the CPU pays nothing for the question."""

from __future__ import annotations

import ctypes
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dsvl2_runtime import load_model
from dsvl2_runtime import model as model_module
from dsvl2_runtime.bundle.bundle import Bundle
from dsvl2_runtime.errors import (
    Dsvl2Error,
    GenerationError,
    ModelCorruptError,
    OutOfMemoryError,
    ProviderError,
    ResourceError,
    UsageError,
)
from dsvl2_runtime.graphs import gpu_checks, gpu_choice, graph_io
from dsvl2_runtime.graphs.gpu_choice import gpu_obstacle
from dsvl2_runtime.graphs.gpu_memory import plan_gpu_memory
from dsvl2_runtime.machine.cuda_libraries import LINUX, NEEDED, WINDOWS, CudaLibrary, find_libraries, missing_libraries
from dsvl2_runtime.machine.gpu import NO_DEVICE, Gpu, GpuError, ask_driver
from dsvl2_runtime.model import VisionLanguageModel
from dsvl2_runtime.texts import notice_text
from small_models import MakeBundle

CARD = Gpu("a card", (9, 0), 80_000_000_000, 79_000_000_000, (13, 0))


class FakeDriver:
    """A driver's library with one GPU; fields of the base class set what is found."""

    count, code, version = 1, 0, 13_020

    def __getattr__(self, name: str) -> Callable[..., int]:
        numbers = {"cuDriverGetVersion": (0, self.version), "cuDeviceGetCount": (0, self.count)}
        numbers |= {"cuDeviceTotalMem_v2": (0, 80_000), "cuMemGetInfo_v2": (0, 70_000)}

        def call(*arguments: Any) -> int:
            if name in numbers:
                at, value = numbers[name]
                arguments[at]._obj.value = value
            elif name == "cuDeviceGetName":
                arguments[0].value = b"NVIDIA Fake"
            elif name == "cuDeviceGetAttribute":
                arguments[0]._obj.value = {75: 8, 76: 9}[arguments[1]]
            return self.code if name == "cuInit" else 0

        return call


@pytest.fixture
def with_card(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if ONNX Runtime for CUDA, a driver, a card and all libraries were there."""
    monkeypatch.setattr(gpu_choice, "has_provider", lambda target: True)
    monkeypatch.setattr(gpu_checks, "find_gpu", lambda: CARD)
    monkeypatch.setattr(gpu_checks, "load_cuda_libraries", lambda: ())


def test_with_the_cpu_wheel_auto_asks_nothing_and_says_nothing(
    bundle: MakeBundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither driver nor libraries are touched, so that `run` starts as fast as ever."""

    def refuse() -> None:
        raise AssertionError("the GPU was asked")

    monkeypatch.setattr(gpu_checks, "find_gpu", refuse)
    monkeypatch.setattr(gpu_checks, "load_cuda_libraries", refuse)
    model = load_model(bundle("tiny", "int4"), threads=1)
    assert model.provider == "cpu"
    assert "for the CPU alone" in model.provider_reason
    assert not [notice for notice in model.notices if notice.code == "provider.fallback"]


def test_cuda_with_the_cpu_wheel_is_one_line(bundle: MakeBundle) -> None:
    """It says what is installed and what to install."""
    folder = bundle("tiny", "int4")
    with pytest.raises(ProviderError, match=r"for the CPU alone; .*pip install 'dsvl2-onnx\[cuda\]'.* --provider cpu"):
        load_model(folder, threads=1, provider="cuda")
    verb = [sys.executable, "-c", "from dsvl2_runtime.cli.main import main; main()", "run", "What?"]
    ended = subprocess.run(
        [*verb, "--model", str(folder), "--provider", "cuda"],
        capture_output=True,
        encoding="utf-8",
        timeout=300,
        check=False,
    )
    assert ended.returncode == ProviderError.exit_code == 2
    assert ended.stderr.count("\n") == 1
    assert "the provider cuda cannot be used" in ended.stderr


def test_the_environment_is_asked_where_the_caller_says_nothing(
    bundle: MakeBundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the caller says counts more."""
    monkeypatch.setenv("DSVL2_PROVIDER", "cuda")
    with pytest.raises(ProviderError):
        load_model(bundle("tiny", "int4"), threads=1)
    assert load_model(bundle("tiny", "int4"), threads=1, provider="cpu").provider_reason == "the CPU was asked for"
    monkeypatch.setenv("DSVL2_PROVIDER", "tpu")
    with pytest.raises(UsageError, match="'tpu'; it must be one of auto, cpu, cuda"):
        load_model(bundle("tiny", "int4"), threads=1)


@pytest.mark.usefixtures("with_card")
def test_a_bundle_without_graphs_for_it_names_the_command_that_adds_them(bundle: MakeBundle) -> None:
    """Under `auto` this is a notice, for somebody has installed CUDA on purpose."""
    folder = bundle("tiny", "int4")
    with pytest.raises(ProviderError, match=f"dsvl2-onnx upgrade {folder} --target cuda"):
        load_model(folder, threads=1, provider="cuda")
    model = load_model(folder, threads=1)
    (notice,) = [notice for notice in model.notices if notice.code == "provider.fallback"]
    assert notice_text(notice).startswith("the GPU is not used: the bundle has no graphs for it; add them with")
    assert model.provider == "cpu"


@pytest.mark.usefixtures("with_card")
def test_each_obstacle_is_found_in_turn(bundle: MakeBundle, monkeypatch: pytest.MonkeyPatch) -> None:
    """Driver, generation, libraries, memory; then there is none."""
    opened = Bundle.open(bundle("tiny", "int4"))
    monkeypatch.setattr(graph_io, "CUDA_GRAPHS", ())
    assert gpu_obstacle(opened) is None

    asked = iter([CARD])
    monkeypatch.setattr(gpu_checks, "find_gpu", lambda: next(asked))  # once
    assert gpu_obstacle(opened) is None
    assert list(asked) == []

    small = Gpu("a card", (9, 0), 80_000_000_000, 1_000_000, (13, 0))
    monkeypatch.setattr(gpu_checks, "find_gpu", lambda: small)
    found = gpu_obstacle(opened)
    assert found is not None
    assert f"needs about {plan_gpu_memory(opened).total / 1e9:.1f} GB of GPU memory" in found.found
    assert isinstance(found.error(), ResourceError)
    assert gpu_obstacle(opened, force=True) is None

    lost = CudaLibrary("cudnn", "libcudnn.so.9", "", "no such file")
    monkeypatch.setattr(gpu_checks, "load_cuda_libraries", lambda: (lost,))
    found = gpu_obstacle(opened)
    assert found is not None
    assert found.found == "libcudnn.so.9 cannot be loaded (no such file)"

    monkeypatch.setattr(gpu_checks, "find_gpu", lambda: Gpu("a card", (9, 0), 1, 1, (12, 8)))
    found = gpu_obstacle(opened)
    assert found is not None
    assert (found.kind, found.found) == ("driver", "the NVIDIA driver runs CUDA 12.8, and not CUDA 13.0")

    monkeypatch.setattr(gpu_checks, "find_gpu", lambda: Gpu("an old card", (7, 5), 1, 1, (12, 0)))
    found = gpu_obstacle(opened)
    assert found is not None
    assert "an old card has compute capability 7.5" in found.found

    def no_driver() -> Gpu:
        raise GpuError("there is no NVIDIA driver")

    monkeypatch.setattr(gpu_checks, "find_gpu", no_driver)
    found = gpu_obstacle(opened)
    assert found is not None
    assert found.found == "there is no NVIDIA driver"
    assert isinstance(found.error(), ProviderError)


@pytest.mark.usefixtures("with_card")
def test_a_failure_to_load_falls_back_with_one_notice(bundle: MakeBundle, monkeypatch: pytest.MonkeyPatch) -> None:
    """And is an error for somebody who asked for the GPU."""
    monkeypatch.setattr(gpu_choice, "gpu_obstacle", lambda bundle, force: None)
    folder = bundle("tiny", "int4")
    model = load_model(folder, threads=1)
    (notice,) = [notice for notice in model.notices if notice.code == "provider.fallback"]
    assert "loading it there failed" in notice_text(notice)
    assert model.provider == "cpu"
    with pytest.raises(ModelCorruptError):
        load_model(folder, threads=1, provider="cuda")


@pytest.mark.parametrize("error", [GenerationError("the GPU failed"), OutOfMemoryError(), ProviderError("a", "b")])
def test_whatever_fails_at_load_falls_back(
    error: Dsvl2Error, bundle: MakeBundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first runs on a GPU are part of the load, so a kernel that fails there is no error of an answer yet."""
    opened = model_module._opened

    def fails(*arguments: Any) -> VisionLanguageModel:
        if arguments[4].is_gpu:
            raise error
        return opened(*arguments)

    monkeypatch.setattr(gpu_choice, "gpu_obstacle", lambda bundle, force: None)
    monkeypatch.setattr(model_module, "_opened", fails)
    folder = bundle("tiny", "int4")
    model = load_model(folder, threads=1)
    (notice,) = [notice for notice in model.notices if notice.code == "provider.fallback"]
    assert str(error) in notice_text(notice)
    assert "\n" not in notice_text(notice)
    assert model.provider == "cpu"
    with pytest.raises(type(error)):
        load_model(folder, threads=1, provider="cuda")


def test_a_driver_tells_its_first_card() -> None:
    """Name, generation, memory and the newest CUDA."""
    assert ask_driver(FakeDriver()) == Gpu("NVIDIA Fake", (8, 9), 80_000, 70_000, (13, 2))


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [("count", 0, "finds no GPU"), ("code", NO_DEVICE, "finds no GPU"), ("code", 999, "cuInit gives error 999")],
)
def test_a_driver_without_a_card_says_so(field: str, value: int, words: str) -> None:
    driver = FakeDriver()
    setattr(driver, field, value)
    with pytest.raises(GpuError, match=words):
        ask_driver(driver)


def test_a_driver_without_a_function_is_too_old() -> None:
    class Old:
        def cuInit(self, _flags: int) -> int:  # noqa: N802
            return 0

    with pytest.raises(GpuError, match="too old: it has no cuDriverGetVersion"):
        ask_driver(Old())


@pytest.mark.parametrize(("platform", "names"), [("linux", LINUX), ("win32", WINDOWS)])
def test_libraries_are_taken_from_packages_before_the_loader_searches(
    platform: str, names: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One lies in a package, one is damaged there, one the loader finds, the others are nowhere."""
    monkeypatch.setattr("sys.platform", platform)
    folder = tmp_path / "nvidia" / "cu13" / "lib"
    folder.mkdir(parents=True)
    inside, damaged = folder / names["cublas"], folder / names["curand"]
    inside.touch()
    damaged.touch()

    def load(path: str) -> ctypes.CDLL:
        if path in (str(inside), names["cudart"]):
            return ctypes.CDLL(None)
        raise OSError("damaged" if path == str(damaged) else "not found")

    found = {library.name: library for library in find_libraries([tmp_path], load)}
    assert list(found) == list(names)
    assert found["cublas"].found == str(inside)
    assert found["cudart"].found == names["cudart"]
    assert (found["curand"].found, found["curand"].error) == ("", "damaged")
    missing = [library.name for library in missing_libraries(list(found.values()))]
    assert missing == [name for name in NEEDED if name not in ("cublas", "cudart")]

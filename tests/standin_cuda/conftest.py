"""ONNX Runtime's real CUDA provider over stand-ins for CUDA's libraries, which are compiled and loaded here."""

from __future__ import annotations

import ctypes
import os
import shutil
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from dsvl2_export.exporter import export_weights
from dsvl2_export.graphs.cuda.form import ON_GPU
from dsvl2_export.synth.config import synthetic_config
from dsvl2_export.synth.weights import RandomWeights
from dsvl2_export.upgrade import add_cuda_graphs
from dsvl2_runtime import load_model
from dsvl2_runtime.graphs.target import CUDA, has_provider
from dsvl2_runtime.model import VisionLanguageModel
from standin_cuda.build_libraries import LIBRARIES, build_libraries
from standin_cuda.launch_log import VARIABLE, LaunchLog

SCALE, LAYERS = 0.12, 3
"""Of the small bundles: widths that the GPU's kernels take, one dense layer and two with experts."""

Load = Callable[[str], VisionLanguageModel]


def pytest_sessionstart(session: pytest.Session) -> None:
    """Build and load them, before anything else loads CUDA's libraries."""
    if not has_provider(CUDA):
        pytest.exit("these tests need onnxruntime-gpu; run them with `make test-cuda`", returncode=2)
    folder = Path(tempfile.mkdtemp(prefix="dsvl2-standin-"))
    os.environ[VARIABLE] = str(folder / "log")
    build_libraries(folder / "lib")
    for name in LIBRARIES:  # whoever asks for them by their names gets those that are loaded
        ctypes.CDLL(str(folder / "lib" / name), mode=ctypes.RTLD_GLOBAL)


def pytest_sessionfinish() -> None:
    """What is loaded stays loaded."""
    if VARIABLE in os.environ:
        shutil.rmtree(_log().parent)


def _log() -> Path:
    return Path(os.environ[VARIABLE])


@pytest.fixture(scope="session")
def libraries() -> Path:
    """The folder of the stand-ins, for processes that tests start."""
    return _log().parent / "lib"


@pytest.fixture(scope="session")
def log() -> LaunchLog:
    """Of this process."""
    return LaunchLog(_log())


@pytest.fixture(scope="session")
def gpu_bundle(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """variant -> folder of a small bundle with the graphs for a GPU that a release would have."""

    @cache
    def made(variant: str) -> Path:
        out = tmp_path_factory.mktemp("gpu") / variant
        export_weights(RandomWeights(synthetic_config(variant, SCALE, layers=LAYERS), seed=9), out, "int4")
        add_cuda_graphs(out, ON_GPU)
        return out

    return made


@pytest.fixture(scope="session")
def on_gpu(gpu_bundle: Callable[[str], Path]) -> Load:
    """variant -> its model, loaded once on the stand-in."""

    @cache
    def loaded(variant: str) -> VisionLanguageModel:
        return load_model(gpu_bundle(variant), threads=1, provider="cuda")

    return loaded


@pytest.fixture
def small(on_gpu: Load) -> VisionLanguageModel:
    return on_gpu("small")

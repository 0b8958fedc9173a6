"""CUDA's libraries: where they lie, and whether they can be loaded.

ONNX Runtime's CUDA provider is linked against them by name. pip installs them in folders that no loader searches, so
they are loaded here first, by path; the loader then takes those that are there already.
"""

from __future__ import annotations

import ctypes
import logging
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

log = logging.getLogger(__name__)

LINUX = {
    "cudart": "libcudart.so.13",
    "nvJitLink": "libnvJitLink.so.13",
    "nvrtc": "libnvrtc.so.13",
    "cublasLt": "libcublasLt.so.13",
    "cublas": "libcublas.so.13",
    "curand": "libcurand.so.10",
    "cudnn": "libcudnn.so.9",
}
WINDOWS = {
    "cudart": "cudart64_13.dll",
    "nvJitLink": "nvJitLink_130_0.dll",
    "nvrtc": "nvrtc64_130_0.dll",
    "cublasLt": "cublasLt64_13.dll",
    "cublas": "cublas64_13.dll",
    "curand": "curand64_10.dll",
    "cudnn": "cudnn64_9.dll",
}
"""In the order in which they need each other; the numbers are those of CUDA 13 and cuDNN 9, which `onnxruntime-gpu` is
built for."""
NEEDED = ("cudart", "cublasLt", "cublas", "curand", "cudnn")
"""The others are loaded where they are found: some of cuDNN's kernels ask for them."""
FOLDERS = ("nvidia/*/lib", "nvidia/*/bin", "nvidia/*/bin/x86_64", "nvidia/*/lib/x86_64", "torch/lib")
"""Where pip puts them, below a folder of packages."""

LoadLibrary = Callable[[str], ctypes.CDLL]


@dataclass(frozen=True, slots=True)
class CudaLibrary:
    """One library, by what was found."""

    name: str
    """Without prefix, version and ending."""
    file: str
    """As the loader knows it."""
    found: str
    """Its path, or its file name where the loader found it by itself; empty where it cannot be loaded."""
    error: str = ""


@cache
def load_cuda_libraries() -> tuple[CudaLibrary, ...]:
    """Load all that can be loaded; they stay in the process."""
    return find_libraries([Path(entry) for entry in sys.path if entry], _load)


def find_libraries(packages: Sequence[Path], load: LoadLibrary) -> tuple[CudaLibrary, ...]:
    """Load each library from the packages of pip, or else wherever the loader finds it.

    Args:
        packages: folders in which pip installs packages.
        load: takes a path or file name; raises `OSError`.
    """
    folders = [folder for root in packages for pattern in FOLDERS for folder in sorted(root.glob(pattern))]
    names = WINDOWS if sys.platform == "win32" else LINUX
    return tuple(_find(name, file, folders, load) for name, file in names.items())


def missing_libraries(libraries: Sequence[CudaLibrary]) -> list[CudaLibrary]:
    """Those without which the provider cannot be loaded."""
    return [library for library in libraries if library.name in NEEDED and not library.found]


def _find(name: str, file: str, folders: Sequence[Path], load: LoadLibrary) -> CudaLibrary:
    error = ""
    for path in [*(str(folder / file) for folder in folders if (folder / file).is_file()), file]:
        try:
            load(path)
        except OSError as reason:
            error = error or str(reason)  # that of a file which is there says more than that of the loader's search
        else:
            return CudaLibrary(name, file, path)
    return CudaLibrary(name, file, "", error)


def _load(path: str) -> ctypes.CDLL:
    return ctypes.CDLL(path, mode=ctypes.RTLD_GLOBAL)

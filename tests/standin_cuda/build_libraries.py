"""Builds the stand-ins for CUDA's libraries with the C compiler that is there: `python build_libraries.py OUT`."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

SOURCE = Path(__file__).parent / "source"
RUNTIME, DRIVER = "libcudart.so.13", "libcuda.so.1"
LIBRARIES = {
    RUNTIME: ("cudart.c", "memory.c"),
    DRIVER: ("cuda.c",),
    "libcublas.so.13": ("cublas.c",),
    "libcublasLt.so.13": ("cublasLt.c",),
    "libcurand.so.10": ("curand.c",),
    "libcudnn.so.9": ("cudnn.c",),
}
"""Named as the CUDA provider of ONNX Runtime asks for them; the first is what the others but the driver write into."""


def build_libraries(out: Path, compiler: str | None = None) -> None:
    """Compile all of them.

    Args:
        out: the folder for them.
        compiler: of C; by default `CC` of the environment, or `cc`.
    """
    out.mkdir(parents=True, exist_ok=True)
    for name, sources in LIBRARIES.items():
        with tempfile.TemporaryDirectory() as folder:
            # The provider asks for symbols of a version that is named like the library.
            versions = Path(folder) / "versions"
            versions.write_text(f"{name} {{ global: *; }};\n", "utf-8")
            command = [compiler or os.environ.get("CC") or "cc", "-O1", "-g", "-Wall", "-Werror", "-fPIC", "-shared"]
            command += [f"-Wl,-soname,{name}", f"-Wl,--version-script,{versions}", "-o", str(out / name)]
            command += [*(str(SOURCE / source) for source in sources), "-lpthread"]
            if name not in (RUNTIME, DRIVER):
                command += [f"-L{out}", f"-l:{RUNTIME}"]
            subprocess.run(command, check=True)


if __name__ == "__main__":
    build_libraries(Path(sys.argv[1]))

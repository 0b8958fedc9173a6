"""Exporting needs no ONNX Runtime, so either of its two packages may be installed beside it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from small_models import MakeCheckpoint

EXPORT = """
import importlib.util, sys
from pathlib import Path

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "onnxruntime":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

found = importlib.util.find_spec
importlib.util.find_spec = lambda name, package=None: None if name == "onnxruntime" else found(name, package)
sys.meta_path.insert(0, Missing())
from dsvl2_export.exporter import export_bundle
export_bundle(Path(sys.argv[1]), Path(sys.argv[2]), "int4")
"""


def test_an_export_without_onnxruntime(tmp_path: Path, checkpoint: MakeCheckpoint) -> None:
    """In a process that cannot import it."""
    out = tmp_path / "bundle"
    command = [sys.executable, "-c", EXPORT, str(checkpoint("small")), str(out)]
    found = subprocess.run(command, check=False, capture_output=True, encoding="utf-8")
    assert found.returncode == 0, found.stderr
    assert (out / "manifest.json").is_file()


def test_a_plan_without_transformers(tmp_path: Path, checkpoint: MakeCheckpoint) -> None:
    """Only tracing needs it, and it takes as long to import as all the rest."""
    code = (
        "import atexit, sys\natexit.register(lambda: print('transformers' in sys.modules, file=sys.stderr))\n"
        "from dsvl2_runtime.cli.main import main; main()"
    )
    command = [
        sys.executable,
        "-c",
        code,
        "export",
        str(checkpoint("small")),
        "--plan",
        "--out",
        str(tmp_path / "bundle"),
    ]
    found = subprocess.run(command, check=False, capture_output=True, encoding="utf-8")
    assert (found.returncode, found.stderr) == (0, "False\n")
    assert '"variant": "small"' in found.stdout

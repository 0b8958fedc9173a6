"""A file of a model that is cut while it is mapped ends the program with a line that names it."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from small_models import MakeBundle

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGBUS"), reason="a mapped file cannot be cut there")

CUT_AFTER_LOADING = """
import os, sys
from dsvl2_runtime.cli import run
from dsvl2_runtime.cli.main import main
folder, name = sys.argv[1:]
plain = run.load_model
def load(*given, **named):
    model = plain(*given, **named)
    os.truncate(os.path.join(folder, name), 0)
    return model
run.load_model = load
sys.argv[1:] = ["run", "?", "--model", folder, "-n", "2"]
main()
"""


@pytest.fixture
def fp32_folder(tmp_path: Path, bundle: MakeBundle) -> Path:
    """A bundle whose embedding table is read where it is mapped, at every prompt."""
    return Path(shutil.copytree(bundle("small", "fp32"), tmp_path / "bundle"))


def test_a_file_cut_while_it_is_mapped_is_named(fp32_folder: Path) -> None:
    """With the exit code of a resource, instead of the system's signal."""
    command = [sys.executable, "-c", CUT_AFTER_LOADING, str(fp32_folder), "embed_tokens.data"]
    found = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=120, check=False)
    assert found.returncode == 7
    line = found.stderr.splitlines()[-1]
    assert f"{fp32_folder / 'embed_tokens.data'} was cut" in line
    assert "Traceback" not in found.stderr

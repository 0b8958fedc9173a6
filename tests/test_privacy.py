"""Nothing is sent and nothing is written unasked: by this program, or by what it stands on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import no_internet
from small_models import MakeCheckpoint

ROOT = Path(__file__).parent.parent
PACKAGES: list[str] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"][
    "root_packages"
]
BELOW_THE_RUNTIME = "dsvl2_kernels"
"""It is loaded by ONNX Runtime, so it imports neither that nor anything of ours."""
CLI = (sys.executable, "-c", "from dsvl2_runtime.cli.main import main; main()")
LONGER_THAN_THE_FIRST_UPLOAD = 14
"""Seconds. ONNX Runtime 1.32 with its telemetry on opens its first socket nine seconds after the import."""

on_linux = pytest.mark.skipif(not no_internet.SUPPORTED, reason="the filter for sockets is one of Linux")


def call(home: Path, *command: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a command offline with nothing in its environment, since `CI` among others keeps ONNX Runtime quiet."""
    environment = {name: os.environ[name] for name in ("PATH", "SYSTEMROOT") if name in os.environ}
    wrapper = [sys.executable, str(Path(no_internet.__file__))] if no_internet.SUPPORTED else []
    return subprocess.run(
        [*wrapper, *command],
        env={**environment, "HOME": str(home), "PYTHONDONTWRITEBYTECODE": "1", **variables},
        cwd=ROOT,
        capture_output=True,
        encoding="utf-8",
        timeout=300,
        check=False,
    )


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """An empty one."""
    folder = tmp_path / "home"
    folder.mkdir()
    return folder


@on_linux
@pytest.mark.parametrize("make", ["socket.socket()", "socket.getaddrinfo('example.org', 443)"])
def test_an_internet_socket_would_be_seen(home: Path, make: str) -> None:
    """Also in a child of the process: the tests below rest on this."""
    inner = [sys.executable, "-c", f"import socket; {make}"]
    found = call(home, sys.executable, "-c", f"import subprocess; print(subprocess.run({inner}).returncode)")
    assert found.stdout.strip() == str(-signal.SIGSYS)
    assert call(home, *inner).returncode == -signal.SIGSYS
    assert call(home, sys.executable, "-c", "import socket; socket.socket(socket.AF_UNIX)").returncode == 0


@pytest.mark.parametrize("package", [name for name in PACKAGES if name != BELOW_THE_RUNTIME])
@pytest.mark.parametrize("value", [None, "0"])
def test_telemetry_is_off_before_onnxruntime_comes(home: Path, package: str, value: str | None) -> None:
    """ONNX Runtime reads the variable at its first import; whichever part is imported first, it is set by then."""
    code = f"import os, sys, {package}; print(os.environ['ORT_DISABLE_TELEMETRY'], 'onnxruntime' in sys.modules)"
    found = call(home, sys.executable, "-c", code, **({"ORT_DISABLE_TELEMETRY": value} if value else {}))
    assert (found.stdout, found.stderr) == ("1 False\n", "")


def test_what_is_below_the_runtime_needs_no_switch(home: Path) -> None:
    """Its module brings no ONNX Runtime with it."""
    code = f"import sys, {BELOW_THE_RUNTIME}.library; print('onnxruntime' in sys.modules)"
    assert call(home, sys.executable, "-c", code).stdout == "False\n"


def test_telemetry_is_off_before_the_first_session(home: Path) -> None:
    """Where the variable counts for nothing, as on Windows, the call does."""
    code = (
        "import onnxruntime\nonnxruntime.disable_telemetry_events = lambda: print('off')\n"
        "onnxruntime.InferenceSession = lambda *_, **__: print('session')\n"
        "import dsvl2_runtime.graphs.target\nonnxruntime.InferenceSession()"
    )
    assert call(home, sys.executable, "-c", code, ORT_DISABLE_TELEMETRY="1").stdout == "off\nsession\n"


def test_an_answer_sends_nothing_and_writes_nothing(home: Path) -> None:
    """In a process that lives on long enough for what others would send later."""
    code = (
        "import time; from dsvl2_runtime import load_model\n"
        "chunks = load_model('demo', threads=1).generate('What is the name?', ['examples/small_form.png'])\n"
        f"print(''.join(chunk.text for chunk in chunks)); time.sleep({LONGER_THAN_THE_FIRST_UPLOAD})"
    )
    found = call(home, sys.executable, "-c", code)
    assert (found.returncode, found.stderr) == (0, "")
    assert found.stdout == "Anna Weber\n"
    assert list(home.rglob("*")) == []


@pytest.mark.parametrize(
    "broken", ["no home", "home is a file", "cache is a file", "cache cannot be written", "state cannot be written"]
)
def test_a_home_that_cannot_be_used_is_not_needed(home: Path, broken: str) -> None:
    """Not one line about it, and nothing is written elsewhere instead; speeds are remembered where that is possible."""
    cache, state = home / ".cache", home / ".local"
    if broken == "no home":
        home.rmdir()
    elif broken == "home is a file":
        home.rmdir()
        home.write_text("a file")
    elif broken == "cache is a file":
        cache.write_text("a file")
    elif broken == "state cannot be written":
        state.write_text("a file")
    else:
        cache.symlink_to("/proc/self/no-such-folder")  # nobody can write there, root neither
    before = set(home.parent.rglob("*"))
    found = call(home, *CLI, "run", "What is the name?", "-q", "-i", str(ROOT / "examples" / "small_form.png"))
    assert (found.returncode, found.stdout, found.stderr) == (0, "Anna Weber\n", "")
    new = {path for path in set(home.parent.rglob("*")) - before if not path.is_dir()}
    speeds = home / ".local" / "state" / "dsvl2-onnx" / "speeds.json"
    if sys.platform == "linux":
        assert new == ({speeds} if broken.startswith("cache") else set())


def test_an_export_asks_nobody(home: Path, tmp_path: Path, checkpoint: MakeCheckpoint) -> None:
    """Its libraries can fetch models; given a folder they have no reason to."""
    out = tmp_path / "bundle"
    found = call(home, *CLI, "export", str(checkpoint("tiny")), "--out", str(out))
    assert found.returncode == 0, found.stderr
    assert (out / "manifest.json").is_file()
    assert list(home.rglob("*")) == []


def test_the_peers_report_nothing(home: Path, tmp_path: Path) -> None:
    """OpenVINO and NNCF take a stub instead where the package that reports cannot be imported."""
    (tmp_path / "openvino_telemetry.py").write_text("print('imported')")
    imports = (
        "import dsvl2_bench.peers\ntry:\n    import openvino_telemetry\nexcept ImportError:\n    print('not to be had')"
    )
    found = call(home, sys.executable, "-c", imports, PYTHONPATH=str(tmp_path))
    assert (found.stdout, found.stderr) == ("not to be had\n", "")

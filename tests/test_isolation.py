"""The tests are kept away from the machine they run on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import platformdirs
import pytest

import isolation

ATTEMPTS = {
    "connect": "socket.create_connection(('192.0.2.1', 80), timeout=5)",
    "name": "socket.getaddrinfo('example.org', 80)",
    "datagram": "socket.socket(type=socket.SOCK_DGRAM).sendto(b'?', ('192.0.2.1', 53))",
    "bytes": "socket.getaddrinfo(b'example.org', 80)",
    "IPv6": "socket.socket(socket.AF_INET6).connect(('2001:db8::1', 80))",
}


@pytest.mark.parametrize("attempt", ATTEMPTS.values(), ids=ATTEMPTS)
def test_no_process_of_a_test_reaches_the_internet(attempt: str, tmp_path: Path) -> None:
    """It fails there, and it is written down for the end of the run even where the error is swallowed."""
    code = f"import socket\ntry:\n    {attempt}\nexcept OSError as error:\n    print(error)\n"
    environment = os.environ | {isolation.INTERNET_ATTEMPTS: str(tmp_path / "attempts")}
    found = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, encoding="utf-8", check=True
    )
    assert "the tests forbid the internet" in found.stdout
    (line,) = (tmp_path / "attempts").read_text("utf-8").splitlines()
    assert line.startswith("tests/test_isolation.py::test_no_process_of_a_test_reaches_the_internet")


def test_sockets_of_this_machine_stay_open() -> None:
    """A server on loopback can be tested."""
    code = (
        "import socket\n"
        "server = socket.create_server(('127.0.0.1', 0))\n"
        "client = socket.create_connection(('127.0.0.1', server.getsockname()[1]))\n"
        "client.sendall(b'here'); print(server.accept()[0].recv(4).decode())\n"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=True)
    assert found.stdout.strip() == "here"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signals that a child inherits as ignored")
def test_ctrl_c_reaches_processes_of_tests_that_run_in_the_background() -> None:
    code = (
        "import isolation, subprocess, sys\n"
        "subprocess.run([sys.executable, '-c', sys.argv[1]], check=True)\n"
        "isolation.remove()\n"
    )
    child = "import signal; print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)"
    environment = {name: value for name, value in os.environ.items() if name != isolation.FOLDER}
    found = subprocess.run(
        [sys.executable, "-c", code, child],
        env=environment,
        cwd=Path(__file__).parent,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    assert found.stdout.strip() == "True"


def test_what_the_user_has_set_does_not_arrive() -> None:
    """Neither switches, nor packed weights and other files in the home of whoever runs the tests."""
    assert not {name for name in os.environ if name in isolation.SWITCHES} - {"PYTHONPATH"}
    home = isolation.run_folder() / "home"
    assert Path.home() == home
    if sys.platform != "win32":  # the shell API of Windows has no such switch
        assert home in platformdirs.user_cache_path("dsvl2-onnx").parents

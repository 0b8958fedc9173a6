"""The verb `serve`, as a process."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import openai
import psutil
import pytest
import typer
from typer.testing import CliRunner

from dsvl2_runtime.cli import serve as serve_verb
from dsvl2_runtime.cli.console import ProgressBars
from dsvl2_runtime.engine.protocol import Load, Progressed
from dsvl2_runtime.server import listen
from dsvl2_runtime.server.answers import Answers
from dsvl2_runtime.server.listen import ServeOptions, open_socket
from running_server import FAKE_ENGINE, data_url, image_part
from served import CLI, served
from waiting import PATIENCE

EXAMPLE = Path(__file__).parent.parent.parent / "examples" / "small_form.png"


def refused(*options: str) -> tuple[int, str, str]:
    found = subprocess.run([*CLI, *options], capture_output=True, encoding="utf-8", check=False, timeout=PATIENCE)
    return found.returncode, found.stdout, found.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="no signals there")
@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGINT])
def test_one_line_when_ready_and_an_end_without_leftovers(end: signal.Signals) -> None:
    """The answer is there at once, standard error stays empty, and the engine ends with the server."""
    with served("--model", "demo", DSVL2_API_KEY="k") as (process, line):
        found = re.fullmatch(r"listening on (http://127\.0\.0\.1:[1-9][0-9]*)\n", line)
        assert found is not None, line
        client = openai.OpenAI(base_url=f"{found[1]}/v1", api_key="k", max_retries=0, timeout=PATIENCE)
        content = [image_part(data_url(EXAMPLE)), {"type": "text", "text": "What is the name?"}]
        messages: list[Any] = [{"role": "user", "content": content}]
        answer = client.chat.completions.create(model="demo", messages=messages)
        assert answer.choices[0].message.content == "Anna Weber"
        with pytest.raises(openai.AuthenticationError):
            client.with_options(api_key="other").models.list()
        stream = client.chat.completions.create(model="demo", messages=messages, stream=True)
        next(stream)  # a stream that nobody reads to its end does not keep the server
        engines = psutil.Process(process.pid).children(recursive=True)
        assert engines
        process.send_signal(end)
        out, err = process.communicate(timeout=PATIENCE)
        assert (process.returncode, out, err) == (128 + end, "", "")
        psutil.wait_procs(engines, PATIENCE)
        assert not [engine for engine in engines if engine.is_running()]


def test_a_load_says_how_far_it_is() -> None:
    """To whoever starts the server; later ones, of an engine that died, have nobody who looks."""
    answers, seen = Answers(Load("measured", 1), 2, FAKE_ENGINE), list[Progressed]()
    try:
        answers.start(seen.append)
    finally:
        answers.close()
    assert seen == [Progressed("load", 10, 40), Progressed("tune", 0, 1)]


def test_what_is_loaded_has_a_bar_until_the_address_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """In percent of its bytes; a total that is not known shows that something goes on."""
    said: list[object] = []

    class Bars(ProgressBars):
        def update(self, phase: str, done: int, total: int | None) -> None:
            said.append((phase, done, total))

        def close(self) -> None:
            said.append("closed")

    @contextmanager
    def bars(keep: bool) -> Iterator[ProgressBars]:
        yield Bars()

    def listened(
        options: ServeOptions, on_ready: Callable[[str], None], on_progress: Callable[[Progressed], None]
    ) -> None:
        for progress in (Progressed("load", 0, 0), Progressed("load", 10, 40), Progressed("tune", 1, 1)):
            on_progress(progress)
        on_ready("http://127.0.0.1:1")

    monkeypatch.setattr(serve_verb, "progress_bars", bars)
    monkeypatch.setattr(listen, "serve", listened)
    verb = typer.Typer()
    verb.command()(serve_verb.serve)
    found = CliRunner().invoke(verb, ["--port", "0"])
    assert (found.exit_code, found.stdout) == (0, "listening on http://127.0.0.1:1\n")
    assert said == [("load", 0, None), ("load", 25, 100), ("tune", 100, 100), "closed"]


def test_a_port_in_use_is_busy() -> None:
    """Before the model is loaded."""
    with open_socket("127.0.0.1", 0) as listening:
        port = listening.getsockname()[1]
        code, out, err = refused("--port", str(port))
    assert (code, out) == (9, "")
    assert err == f"dsvl2-onnx: port {port} is in use; choose another one, or 0 for any that is free\n"


def test_other_machines_are_refused_without_a_key() -> None:
    """A usage error."""
    code, out, err = refused("--host", "0.0.0.0")  # noqa: S104 - it is refused
    assert (code, out) == (2, "")
    assert "--api-key" in err


def test_a_model_that_is_not_there_keeps_its_exit_code(tmp_path: Path) -> None:
    """Across the pipe from the engine."""
    code, out, err = refused("--port", "0", "--model", str(tmp_path / "none"))
    assert (code, out) == (3, "")
    assert len(err.splitlines()) == 1

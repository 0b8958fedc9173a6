"""The process that owns the model, without a window."""

from __future__ import annotations

import io
import subprocess
import sys

import pytest

from dsvl2_runtime.engine import process as engine_process
from dsvl2_runtime.engine.process import Inbox, serve
from dsvl2_runtime.engine.protocol import Event, Load, to_line


def test_it_ends_at_once_when_its_input_closes() -> None:
    """Also while a model is being loaded, which can take minutes."""
    code = (
        "import time; from dsvl2_runtime.engine import process as engine;"
        "engine.load_model = lambda *arguments, **options: time.sleep(600);"
        "engine.main()"
    )
    ended = subprocess.run([sys.executable, "-c", code], input=to_line(Load("m")), timeout=120, check=False)
    assert ended.returncode == 0


@pytest.mark.parametrize("force", [False, True])
def test_a_model_too_large_for_the_memory_is_loaded_only_by_force(force: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command's word reaches the loader, which asks for it in its error."""
    asked: list[bool] = []

    def load(*arguments: object, force: bool) -> None:
        asked.append(force)
        raise SystemExit

    monkeypatch.setattr(engine_process, "load_model", load)
    inbox, events = Inbox(), list[Event]()
    inbox.read(io.BytesIO(to_line(Load("m", force=force))), events.append)
    with pytest.raises(SystemExit):
        serve(inbox, events.append)
    assert asked == [force]
    assert events == []

"""Every block of docs/server.md does what the page says."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from dsvl2_runtime.server.chat_request import NEUTRAL, Body, Extension
from running_server import REAL_ENGINE, running

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/server.md").read_text("utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def test_the_blocks_run_one_after_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Against a server with the demonstration model."""
    shutil.copy(ROOT / "examples/receipt.png", tmp_path / "receipt.png")
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"__name__": "server_page"}
    with running(REAL_ENGINE) as server:
        for block in BLOCKS:
            here = block.replace("http://127.0.0.1:11535", server.url)
            exec(compile(here, "server.md", "exec", dont_inherit=True), names)  # noqa: S102 - our own page
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "$22.03"
    assert lines[1].startswith("kind=")
    assert re.fullmatch(r"Total \[\d+, \d+, \d+, \d+\]", lines[2])


def test_every_field_is_on_the_page() -> None:
    """Those that are followed, those of ours, and those that are refused."""
    assert len(BLOCKS) == 3
    for name in {*Body.model_fields, *NEUTRAL, *Extension.model_fields} - {
        "tool_choice",
        "function_call",
        "top_logprobs",
    }:
        assert f"`{name}`" in PAGE, name

"""The stage of the check that asks by the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from dsvl2_bench.gpu_check import program
from dsvl2_bench.gpu_check.packed_cases import PackedCase, write_cases
from dsvl2_demo.evaluation.held_out import Case
from small_models import MakeBundle

PAGE = Image.new("RGB", (60, 40), "white")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """As the check is packed, with an answer that no model gives, and a question that is no plain text."""
    answered = PackedCase(Case("value", (PAGE,), ("What is the total?",), "1", None), {"float32": "of the CPU"})
    other = PackedCase(Case("compare", (PAGE, PAGE), ("Which is larger?",), "1", None), {"float32": "1"})
    write_cases(tmp_path / "answers", "0" * 64, [other, answered])
    return tmp_path


def said(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_an_answer_from_the_cpu_is_a_failure(
    folder: Path, bundle: MakeBundle, capsys: pytest.CaptureFixture[str]
) -> None:
    """It says where it ran, why, and that the answer is another one; only the plain question is asked."""
    (folder / "demo").symlink_to(bundle("tiny", "int4"))
    program.program(folder, "cuda")
    (found,) = said(capsys)
    assert (found["provider"], found["ok"], found["equal"]) == ("cpu", False, False)
    assert "ONNX Runtime" in found["reason"]
    assert found["program_s"] > 0


def test_a_program_that_fails_is_told_with_what_it_said(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Here for want of a model."""
    program.program(folder, "cuda")
    (found,) = said(capsys)
    assert (found["ok"], found["ended_with"]) == (False, 3)
    assert "no such folder" in found["said"]


def test_nothing_is_asked_where_the_check_is_only_tried_out(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The command line has no target for a GPU's graphs on the CPU."""
    program.program(folder, "cpu")
    (found,) = said(capsys)
    assert "skipped" in found

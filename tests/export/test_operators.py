"""The operators beyond the ONNX standard, which one file writes."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

import dsvl2_export
from dsvl2_export.graphs.operators import interleave_gate_up

SOURCE = Path(dsvl2_export.__file__).parent
ALLOWED = {
    "graphs/operators.py",
    "graphs/builder.py",  # declares the domain in every graph
    "graphs/own_operators.py",  # replaces nodes of it in finished graphs, as the four below do
    "graphs/own_fusions.py",
    "graphs/own_plain_step.py",
    "graphs/own_vision.py",
    "graphs/cuda/writer.py",
}


def test_gate_and_up_rows_alternate() -> None:
    """g0, u0, g1, u1: the order of the expert kernel."""
    gate, up = (np.random.default_rng(seed).standard_normal((3, 4), np.float32) for seed in (1, 2))
    rows = interleave_gate_up(gate, up)
    assert np.array_equal(rows[0::2], gate)
    assert np.array_equal(rows[1::2], up)


def test_no_other_file_writes_operators_of_a_domain() -> None:
    """Operators of another target then have one place to be written in; `own_operators` rewrites finished graphs."""
    sign = re.compile(r"\bdomain=|com\.microsoft|CONTRIB_DOMAIN|::\w+\"")
    named = {str(path.relative_to(SOURCE)) for path in SOURCE.rglob("*.py") if sign.search(path.read_text("utf-8"))}
    assert "graphs/operators.py" in named
    assert named <= ALLOWED

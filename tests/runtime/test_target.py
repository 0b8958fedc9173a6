"""Where a graph runs is said in one file, and arrays are bound where they lie."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

import dsvl2_runtime
from dsvl2_runtime.graphs import graph_io
from dsvl2_runtime.graphs.target import CPU, CUDA
from small_models import MakeBundle


def test_only_one_file_names_a_provider_or_a_device() -> None:
    """So that another kind of processor is one more target, not branches everywhere."""
    named = {
        path.name
        for path in Path(dsvl2_runtime.__file__).parent.rglob("*.py")
        if re.search(
            r"""ExecutionProvider["']|["']cpu["']|\.bind_(in|out)put\(\w+, ["']|_ortvalue""", path.read_text("utf-8")
        )
    }
    # In exit_codes.py it is the extra that installs ONNX Runtime, in graph_entry.py what an old manifest means, in
    # control_groups.py a controller of Linux, in provider.py the words that users type.
    assert named == {"target.py", "exit_codes.py", "graph_entry.py", "control_groups.py", "provider.py"}


def test_arrays_are_read_and_written_where_they_lie(bundle: MakeBundle) -> None:
    """A row in the middle of an array, without a copy of the array and without touching its neighbours."""
    session = CPU.new_session(bundle("tiny", "fp32") / "embed_tokens.onnx", CPU.session_options(1))
    hidden = session.get_outputs()[0].shape[2]
    binding = session.io_binding()
    input_ids = np.array([[9, 3, 7]], np.int64)
    rows = np.full((1, 4, hidden), -1, np.float32)
    CPU.bind_input(binding, graph_io.INPUT_IDS, input_ids[:, 1:2])
    CPU.bind_output(binding, graph_io.INPUTS_EMBEDS, rows[:, 2:3])
    session.run_with_iobinding(binding)
    expected = session.run([graph_io.INPUTS_EMBEDS], {graph_io.INPUT_IDS: np.array([[3]], np.int64)})[0]
    np.testing.assert_array_equal(rows[:, 2:3], expected)
    assert (rows[:, [0, 1, 3]] == -1).all()


def test_an_array_with_gaps_is_not_bound(bundle: MakeBundle) -> None:
    """ONNX Runtime would read its neighbours as if they were its elements."""
    session = CPU.new_session(bundle("tiny", "fp32") / "embed_tokens.onnx", CPU.session_options(1))
    with pytest.raises(ValueError, match="contiguous"):
        CPU.bind_input(session.io_binding(), graph_io.INPUT_IDS, np.zeros((4, 4), np.int64)[:, ::2])


@pytest.mark.filterwarnings("ignore:Specified provider:UserWarning")
def test_a_provider_that_onnx_runtime_leaves_out_is_an_error(bundle: MakeBundle) -> None:
    """It goes on with the CPU, which would take addresses in a GPU's memory for its own."""
    options = CPU.session_options(1)
    with pytest.raises(RuntimeError, match="could not load its CUDAExecutionProvider"):
        CUDA.new_session(bundle("tiny", "fp32") / "embed_tokens.onnx", options)

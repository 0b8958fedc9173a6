"""Opens an ONNX Runtime session for one graph of a bundle and checks its inputs and outputs."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import onnxruntime
import psutil
from onnxruntime.capi import onnxruntime_pybind11_state as states

from dsvl2_runtime.errors import GenerationError, ModelCorruptError
from dsvl2_runtime.machine import bytes_saturate

LOAD_ERRORS = (
    states.Fail,
    states.InvalidArgument,
    states.InvalidGraph,
    states.InvalidProtobuf,
    states.NoSuchFile,
    states.NotImplemented,
    states.RuntimeException,
)
ONLY_ERRORS = 3
"""ORT's log severity; warnings about graphs that we write ourselves help no user."""


def default_threads() -> int:
    """Physical cores: the products are bound by arithmetic units and memory, which hyper-threads share."""
    return psutil.cpu_count(logical=False) or psutil.cpu_count() or 1


def open_session(
    path: Path, inputs: Collection[str], outputs: Collection[str], threads: int, *, prepared: bool = False
) -> onnxruntime.InferenceSession:
    """Load one graph on the CPU.

    Args:
        path: the `.onnx` file; its external data is mapped, not read.
        inputs: names the graph must take, in any order.
        outputs: names the graph must give.
        threads: of one operator.
        prepared: `prepare_graph` made the file, so that nothing is left to optimise.

    Raises:
        ModelCorruptError: the file cannot be loaded, or has other inputs or outputs.
    """
    options = _options(threads)
    if prepared:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = _loaded(path, options)
    for kind, wanted, entries in (
        ("inputs", inputs, session.get_inputs()),
        ("outputs", outputs, session.get_outputs()),
    ):
        found = {entry.name for entry in entries}
        if found != set(wanted):
            differing = sorted(found.symmetric_difference(wanted))[:6]
            raise ModelCorruptError(
                path, f"its {kind} differ from this version's in {', '.join(differing)}", "export it again"
            )
    return session


def prepare_graph(path: Path, out: Path, threads: int) -> None:
    """Load a graph and write it as it was optimised and packed (`onnxruntime_session_options_config_keys.h`).

    Args:
        path: the `.onnx` file.
        out: the new one; its weights come into one file beside it.
        threads: of one operator.

    Raises:
        ModelCorruptError: the file cannot be loaded.
    """
    options = _options(threads)
    options.optimized_model_filepath = str(out)
    options.add_session_config_entry(
        "session.optimized_model_external_initializers_file_name", out.with_suffix(".data").name
    )
    options.add_session_config_entry("session.save_external_prepacked_constant_initializers", "1")
    _loaded(path, options)


def _options(threads: int) -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = ONLY_ERRORS
    if bytes_saturate():  # another kernel, which elsewhere only costs time: 2.5 s a tile instead of 1.4
        options.add_session_config_entry("session.x64quantprecision", "1")
    return options


def _loaded(path: Path, options: onnxruntime.SessionOptions) -> onnxruntime.InferenceSession:
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except LOAD_ERRORS as error:
        first_line = str(error).strip().splitlines()[0]
        advice = "verify the bundle with `dsvl2-onnx verify`, or export it again"
        raise ModelCorruptError(path, f"ONNX Runtime cannot load it ({first_line})", advice) from error


def run_bound(session: onnxruntime.InferenceSession, binding: onnxruntime.IOBinding) -> None:
    """Run a bound session.

    Raises:
        GenerationError: ONNX Runtime failed in the middle of the graph.
    """
    try:
        session.run_with_iobinding(binding)
    except LOAD_ERRORS as error:
        raise GenerationError(f"ONNX Runtime stopped inside the graph: {str(error).strip().splitlines()[0]}") from error

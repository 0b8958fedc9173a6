"""Opens an ONNX Runtime session for one graph of a bundle and checks its inputs and outputs."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state as states

from dsvl2_runtime.bundle.bundle import Bundle
from dsvl2_runtime.bundle.manifest import MANIFEST
from dsvl2_runtime.errors import (
    Dsvl2Error,
    GenerationError,
    ModelCorruptError,
    OutOfMemoryError,
)
from dsvl2_runtime.graphs.target import CPU, Target
from dsvl2_runtime.progress import UNWATCHED, Watch

T = TypeVar("T")
Shape = tuple[int | None, ...]
"""Of a graph's input or output; None for an axis of any length."""

GRAPH_ERRORS: tuple[type[Exception], ...] = (
    # All that its C++ code raises: they have no base in common, and a release may add one.
    *(error for error in vars(states).values() if isinstance(error, type) and issubclass(error, Exception)),
    MemoryError,
    RuntimeError,  # what a bound run raises
    ValueError,  # what its Python code raises
)
TYPES = {
    "float32": "tensor(float)",
    "float16": "tensor(float16)",
    "bfloat16": "tensor(bfloat16)",
    "int8": "tensor(int8)",
    "uint8": "tensor(uint8)",
}
"""ONNX Runtime's names of the types that a manifest names."""
NO_DTYPES: Mapping[str, str] = MappingProxyType({})
NO_SHAPES: Mapping[str, Shape] = MappingProxyType({})

SIGNS_OF_SHORTAGE = ("bad_alloc", "Failed to allocate memory", "Cannot allocate memory", "CUDA failure 2: ")
"""In the messages of ONNX Runtime, which raises no class of its own when memory runs out."""
SIGNS_OF_GPU = ("CUDA failure", "CUDA error", "CUBLAS failure", "CUDNN failure", "cuDNN")
"""In the messages of ONNX Runtime where it is a library of CUDA that failed."""
LONGEST_MESSAGE = 400
"""Characters of what ONNX Runtime says; the class, the node and the reason stand at its beginning."""
POLL_SECONDS = 0.05
"""Between two looks at whether a load shall go on; the end of a load is noticed at once."""
RUN_POLL_SECONDS = 0.25
"""Between two looks at the watch while a graph runs; short runs are over before the first."""


def require_onnxruntime(bundle: Bundle) -> None:
    """Refuse a bundle whose graphs the installed ONNX Runtime is too old for.

    Raises:
        ModelCorruptError: it is older than the manifest asks for.
    """
    wanted, found = bundle.manifest.minimum_onnxruntime, onnxruntime.__version__
    if version_numbers(found) < version_numbers(wanted):
        raise ModelCorruptError(
            bundle.folder / MANIFEST,
            f"it needs ONNX Runtime {wanted} or newer, and {found} is installed",
            "update it: pip install -U onnxruntime",
        )


def version_numbers(version: str) -> tuple[int, ...]:
    """The first three numbers of a release, to compare it by."""
    return tuple(int(number) for number in re.findall(r"\d+", version)[:3])


def open_session(
    path: Path,
    inputs: Mapping[str, Shape],
    outputs: Mapping[str, Shape],
    threads: int,
    watch: Watch = UNWATCHED,
    *,
    target: Target = CPU,
    packed: bool = False,
    library: Path | None = None,
    dtypes: Mapping[str, str] = NO_DTYPES,
    prepare: Callable[[onnxruntime.SessionOptions], None] = lambda options: None,
    capture: bool = False,
    newer_outputs: Mapping[str, Shape] = NO_SHAPES,
) -> onnxruntime.InferenceSession:
    """Load one graph.

    Args:
        path: the `.onnx` file; its external data is mapped, not read.
        inputs: what the graph must take, in any order.
        outputs: what the graph must give.
        threads: of one operator.
        watch: checked before and during the load.
        target: where it shall run.
        packed: `pack_graph` made the file, so that nothing is left to optimise.
        library: with operators that the graph needs.
        dtypes: of inputs and outputs whose type a manifest may choose, by its names.
        prepare: given the session's options before the load.
        capture: as for `Target.new_session`.
        newer_outputs: what it gives besides, unless an older version has written it.

    Raises:
        ModelCorruptError: the file cannot be loaded, or has other inputs or outputs, or of other sizes.
        OutOfMemoryError: there is too little memory.
        Stopped: the watch ended it.
    """
    watch.check()
    options = target.session_options(threads)
    if packed:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    if library is not None:
        options.register_custom_ops_library(str(library))
    prepare(options)
    session = _load_session(path, target, options, watch, capture=capture)
    for kind, always, newer, entries in (
        ("inputs", inputs, NO_SHAPES, session.get_inputs()),
        ("outputs", outputs, newer_outputs, session.get_outputs()),
    ):
        found = {entry.name: entry.shape for entry in entries}
        wanted = {**always, **{name: shape for name, shape in newer.items() if name in found}}
        if found.keys() != wanted.keys():
            differing = sorted(found.keys() ^ wanted.keys())[:6]
            raise ModelCorruptError(
                path, f"its {kind} differ from this version's in {', '.join(differing)}", "export it again"
            )
        for name, shape in wanted.items():
            if not _fits(found[name], shape):
                sizes = f"{name} is {found[name]}, but by the manifest {['any' if n is None else n for n in shape]}"
                raise ModelCorruptError(path, sizes, "copy or export the bundle again")
        for entry in entries:
            if entry.type != TYPES.get(dtypes.get(entry.name, ""), entry.type):
                types = f"{entry.name} is {entry.type}, but by the manifest {dtypes[entry.name]}"
                raise ModelCorruptError(path, types, "copy or export the bundle again")
    return session


def _fits(found: Sequence[int | str | None], wanted: Shape) -> bool:
    """Whether axes agree where both have a length; a name stands for any."""
    pairs = list(zip(found, wanted, strict=False))
    return len(found) == len(wanted) and all(
        one == other for one, other in pairs if isinstance(one, int) and other is not None
    )


def pack_graph(path: Path, out: Path, threads: int, target: Target = CPU) -> None:
    """Load a graph and write it as it was optimised and packed (`onnxruntime_session_options_config_keys.h`).

    Args:
        path: the `.onnx` file.
        out: the new one; its weights come into one file beside it.
        threads: of one operator.
        target: for which the weights are packed.

    Raises:
        ModelCorruptError: the file cannot be loaded.
        OutOfMemoryError: there is too little memory.
    """
    options = target.session_options(threads)
    options.optimized_model_filepath = str(out)
    options.add_session_config_entry(
        "session.optimized_model_external_initializers_file_name", out.with_suffix(".data").name
    )
    options.add_session_config_entry("session.save_external_prepacked_constant_initializers", "1")
    _load_session(path, target, options, UNWATCHED)


def _load_session(
    path: Path, target: Target, options: onnxruntime.SessionOptions, watch: Watch, *, capture: bool = False
) -> onnxruntime.InferenceSession:
    """Load in a second thread, so that this one can notice a stop or Ctrl-C while a large graph is packed."""
    loading = _finished(
        lambda: target.new_session(path, options, capture=capture),
        watch,
        POLL_SECONDS,
        lambda: options.set_load_cancellation_flag(True),
    )
    try:
        return loading.result()
    except GRAPH_ERRORS as error:
        advice = "verify the bundle with `dsvl2-onnx verify`, or export it again"
        damage = ModelCorruptError(path, f"ONNX Runtime cannot load it ({_first_line(error)})", advice)
        raise _memory_error(error) or damage from error


def _finished(work: Callable[[], T], watch: Watch, poll_seconds: float, end: Callable[[], None]) -> Future[T]:
    """What became of work in a second thread; where the watch ends it, `end` lets the thread stop early."""
    with ThreadPoolExecutor(1) as executor:
        working = executor.submit(work)
        try:
            while not wait([working], poll_seconds).done:
                watch.check()
        except BaseException:
            end()  # the executor then waits for the thread
            raise
    return working


def run_graph(session: onnxruntime.InferenceSession, names: Sequence[str], feeds: Mapping[str, Any]) -> list[Any]:
    """Run a session once; returns the arrays of the named outputs.

    Raises:
        GenerationError: ONNX Runtime failed in the middle of the graph.
        OutOfMemoryError: there is too little memory.
    """
    try:
        outputs: list[Any] = session.run(list(names), dict(feeds))
    except GRAPH_ERRORS as error:
        raise _memory_error(error) or _generation_error(error) from error
    return outputs


def run_bound(
    session: onnxruntime.InferenceSession,
    binding: onnxruntime.IOBinding,
    options: onnxruntime.RunOptions | None = None,
) -> None:
    """Run a bound session.

    Raises:
        GenerationError: ONNX Runtime failed in the middle of the graph.
        OutOfMemoryError: there is too little memory.
    """
    try:
        session.run_with_iobinding(binding, options)
    except GRAPH_ERRORS as error:
        raise _memory_error(error) or _generation_error(error) from error


def bind_copies(binding: onnxruntime.IOBinding, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Copy arrays to where a session runs, as inputs of the next run of a binding.

    Raises:
        GenerationError: the copy failed.
        OutOfMemoryError: there is too little memory there.
    """
    try:
        for name, array in arrays.items():
            binding.bind_cpu_input(name, np.ascontiguousarray(array))
    except GRAPH_ERRORS as error:
        raise _memory_error(error) or _generation_error(error) from error


def run_watched(session: onnxruntime.InferenceSession, binding: onnxruntime.IOBinding, watch: Watch) -> None:
    """Run a bound session in a second thread, so that a stop or a deadline ends it between two operators of the graph.

    Raises:
        Stopped: the watch ended it; what the run has written is of no use.
        GenerationError, OutOfMemoryError: as `run_bound`.
    """
    if watch.should_stop is None and watch.deadline is None:
        run_bound(session, binding)
        return
    options = onnxruntime.RunOptions()
    end = functools.partial(setattr, options, "terminate", True)
    _finished(lambda: run_bound(session, binding, options), watch, RUN_POLL_SECONDS, end).result()


def _generation_error(error: Exception) -> Dsvl2Error:
    if any(sign in str(error) for sign in SIGNS_OF_GPU):
        advice = "ask again, or use --provider cpu; see `dsvl2-onnx doctor`"
        return GenerationError(f"the GPU failed: {_first_line(error).partition(' ; GPU=')[0]}; {advice}")
    return GenerationError(f"ONNX Runtime stopped inside the graph: {_first_line(error)}")


def _memory_error(error: Exception) -> Dsvl2Error | None:
    """The error to report where memory ran out, which is no damage."""
    if isinstance(error, MemoryError) or any(sign in str(error) for sign in SIGNS_OF_SHORTAGE):
        return OutOfMemoryError()
    return None


def _first_line(error: Exception) -> str:
    """What an error begins with; some of ONNX Runtime's hold a whole graph in one line."""
    line = (str(error).strip() or type(error).__name__).splitlines()[0]
    return line if len(line) <= LONGEST_MESSAGE else f"{line[:LONGEST_MESSAGE]} …"

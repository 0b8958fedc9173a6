"""Where a graph runs: the one place that names an execution provider or a device of ONNX Runtime.

Everything else asks a `Target` for session options, sessions and bindings. Another kind of processor is another target
here, not another branch elsewhere.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnxruntime
from numpy.typing import NDArray

from dsvl2_runtime.bundle.graph_entry import CPU_TARGET, CUDA_TARGET
from dsvl2_runtime.machine.machine import bytes_saturate

WARNINGS, ONLY_ERRORS, ONLY_FATAL = 2, 3, 4
"""ORT's log severity; warnings about graphs that we write ourselves help no user. On a GPU it writes its errors too,
several lines each, before it raises them."""
SHOW_LOG = "DSVL2_ONNXRUNTIME_LOG"
"""Of the environment: where it is set, ONNX Runtime writes its warnings all the same."""

GPU_DEVICE = "cuda"
CUDA_OPTIONS = {
    "device_id": "0",
    "arena_extend_strategy": "kSameAsRequested",  # the arena would double in size with each extension
    "use_tf32": "0",  # the router computes in float32, and means it
    # ONNX Runtime's own kernels for attention (flash 1, memory-efficient 2, plain 16). cuDNN's, which it would take on
    # the newest cards, needs a new plan for each length of a prompt, in each thread.
    "sdpa_kernel": "19",
}
MORE_OPTIONS = "DSVL2_CUDA_OPTIONS"
"""Of the environment: options of the CUDA provider as `name=value,name=value`, which count more than ours. To find out
what is at fault on a card; `enable_cuda_graph=0` runs each step kernel by kernel."""

onnxruntime.disable_telemetry_events()  # the switch on Windows, where ORT_DISABLE_TELEMETRY counts for nothing


@dataclass(frozen=True, slots=True)
class Target:
    """One kind of processor."""

    name: str
    """What a manifest calls it in the entries of its graphs."""
    provider: str
    """ONNX Runtime's execution provider."""
    device: str
    """ONNX Runtime's name for the memory that its arrays lie in."""
    device_id: int = 0

    @property
    def is_gpu(self) -> bool:
        """Whether its arrays lie in the memory of a GPU."""
        return self.device == GPU_DEVICE

    def session_options(self, threads: int) -> onnxruntime.SessionOptions:
        """Options for one graph.

        Args:
            threads: of one operator.
        """
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = ONLY_ERRORS
        if bytes_saturate():
            # A kernel that does not saturate; with VNNI it would only be slower (2.5 s a tile instead of 1.4).
            options.add_session_config_entry("session.x64quantprecision", "1")
        return options

    def new_session(
        self, path: Path, options: onnxruntime.SessionOptions, *, capture: bool = False
    ) -> onnxruntime.InferenceSession:
        """Load a graph; raises whatever ONNX Runtime raises, and `RuntimeError` where it did not take the provider.

        Args:
            path: of the graph.
            options: from `session_options`.
            capture: record its first run with `captured_run` as a CUDA graph, which later runs repeat.
        """
        if self.is_gpu and not os.environ.get(SHOW_LOG):
            # Some of what it warns of, for each session, is no matter of a session and goes to its default logger.
            onnxruntime.set_default_logger_severity(ONLY_FATAL)
            options.log_severity_level = ONLY_FATAL
        elif self.is_gpu:
            options.log_severity_level = WARNINGS
        own = CUDA_OPTIONS | {"enable_cuda_graph": str(int(capture))} | _more_options() if self.is_gpu else {}
        session = onnxruntime.InferenceSession(str(path), options, providers=[(self.provider, own)])
        if self.provider not in session.get_providers():
            # ONNX Runtime goes on without a provider that it cannot load; addresses of a GPU would crash the CPU then.
            raise RuntimeError(f"ONNX Runtime could not load its {self.provider}; see `dsvl2-onnx doctor`")
        return session

    def captured_run(self, number: int) -> onnxruntime.RunOptions:
        """Options of runs that repeat one captured graph of a session, each with its own number, from 1."""
        options = onnxruntime.RunOptions()
        if self.is_gpu:
            options.add_run_config_entry("gpu_graph_id", str(number))
        return options

    def shrinking_run(self) -> onnxruntime.RunOptions:
        """Options of a run of its own kernels, behind which what no run holds goes back to the card.

        ONNX Runtime keeps the memory of each session for its next run, also what it took to find the fastest kernels.
        """
        options = onnxruntime.RunOptions()
        if self.is_gpu:
            options.add_run_config_entry("gpu_graph_id", "-1")  # neither captured nor repeated
            options.add_run_config_entry("memory.enable_memory_arena_shrinkage", f"gpu:{self.device_id}")
        return options

    def bind_input_at(
        self, binding: onnxruntime.IOBinding, name: str, element: int, shape: tuple[int, ...], address: int
    ) -> None:
        """Let runs read memory of this target where it lies.

        Args:
            binding: of a session of this target.
            name: of the graph's input.
            element: its type, of `TensorProto.DataType`.
            shape: its axes; the memory is contiguous.
            address: of the first element; it must outlive the runs.
        """
        binding.bind_input(name, self.device, self.device_id, element, shape, address)

    def bind_output_at(
        self, binding: onnxruntime.IOBinding, name: str, element: int, shape: tuple[int, ...], address: int
    ) -> None:
        """Let runs write into memory of this target where it lies; as `bind_input_at`."""
        binding.bind_output(name, self.device, self.device_id, element, shape, address)

    def bind_input(self, binding: onnxruntime.IOBinding, name: str, array: NDArray[Any]) -> None:
        """Let the next run read an array where it lies.

        Args:
            binding: of a session of this target.
            name: of the graph's input.
            array: contiguous, of the input's type and shape; it must outlive the run.
        """
        binding.bind_input(name, self.device, self.device_id, array.dtype.type, array.shape, _address(array))

    def bind_output(self, binding: onnxruntime.IOBinding, name: str, array: NDArray[Any]) -> None:
        """Let the next run write into an array where it lies; as `bind_input`."""
        binding.bind_output(name, self.device, self.device_id, array.dtype.type, array.shape, _address(array))


def _more_options() -> dict[str, str]:
    pairs = (pair.partition("=") for pair in os.environ.get(MORE_OPTIONS, "").split(",") if pair)
    return {name.strip(): value.strip() for name, _, value in pairs}


def _address(array: NDArray[Any]) -> int:
    """Of an array's first element, also of one without elements."""
    if not array.flags.c_contiguous:
        raise ValueError("only a contiguous array can be bound")
    return array.ctypes.data


CPU = Target(CPU_TARGET, "CPUExecutionProvider", "cpu")
CUDA = Target(CUDA_TARGET, "CUDAExecutionProvider", GPU_DEVICE)
CUDA_ON_CPU = Target(CUDA.name, CPU.provider, CPU.device)
"""Runs graphs that were written for the target cuda in float32, to test what runs them where there is no GPU."""


def has_provider(target: Target) -> bool:
    """Whether the installed ONNX Runtime was built with a target's provider; nothing is loaded for the answer."""
    return target.provider in onnxruntime.get_available_providers()

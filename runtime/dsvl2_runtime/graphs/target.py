"""Where a graph runs: the one place that names an execution provider or a device of ONNX Runtime.

Everything else asks a `Target` for session options, sessions and bindings. Another kind of processor is another target
here, not another branch elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnxruntime
from numpy.typing import NDArray

from dsvl2_runtime.machine.machine import bytes_saturate

ONLY_ERRORS = 3
"""ORT's log severity; warnings about graphs that we write ourselves help no user."""

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

    def new_session(self, path: Path, options: onnxruntime.SessionOptions) -> onnxruntime.InferenceSession:
        """Load a graph; raises whatever ONNX Runtime raises."""
        return onnxruntime.InferenceSession(str(path), options, providers=[self.provider])

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


def _address(array: NDArray[Any]) -> int:
    """Of an array's first element, also of one without elements."""
    if not array.flags.c_contiguous:
        raise ValueError("only a contiguous array can be bound")
    return array.ctypes.data


CPU = Target("cpu", "CPUExecutionProvider", "cpu")
CUDA = Target("cuda", "CUDAExecutionProvider", "cuda")


def has_provider(target: Target) -> bool:
    """Whether the installed ONNX Runtime was built with a target's provider; nothing is loaded for the answer."""
    return target.provider in onnxruntime.get_available_providers()

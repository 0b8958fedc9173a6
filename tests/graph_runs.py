"""Running one graph in a test as the program runs it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from dsvl2_runtime.machine.machine import bytes_saturate


def computed(graph: Path | bytes, **feeds: NDArray[Any]) -> NDArray[np.float32]:
    """The one output of a graph, by the kernels that the program would use on this processor."""
    options = onnxruntime.SessionOptions()
    if bytes_saturate():
        options.add_session_config_entry("session.x64quantprecision", "1")
    session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    (output,) = session.run(None, feeds)
    return np.asarray(output, np.float32)

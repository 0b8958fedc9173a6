"""Running one graph in a test as the program runs it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from dsvl2_runtime.graphs.target import CPU


def computed(graph: Path | bytes, **feeds: NDArray[Any]) -> NDArray[np.float32]:
    """The one output of a graph, by the kernels that the program would use on this processor."""
    session = onnxruntime.InferenceSession(graph, CPU.session_options(1), providers=[CPU.provider])
    (output,) = session.run(None, feeds)
    return np.asarray(output, np.float32)

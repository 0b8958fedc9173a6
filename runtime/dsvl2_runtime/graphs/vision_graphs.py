"""Which of a bundle's graphs of the vision part can run here: the better ones first, those that always can last."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dsvl2_kernels.library import SETTING, Kernels
from dsvl2_runtime.bundle.bundle import Bundle
from dsvl2_runtime.bundle.graph_entry import GraphEntry
from dsvl2_runtime.graphs import graph_io
from dsvl2_runtime.graphs.own_graph import own_graph
from dsvl2_runtime.graphs.target import CPU, Target
from dsvl2_runtime.machine.machine import bytes_saturate

PARTS = (graph_io.VISION_ENCODER, graph_io.PROJECTOR)
FASTER_LEVELS = ("amx",)
"""Where our operators were measured to take less time than ONNX Runtime's (docs/performance-vision.md); a level that
the user forces is taken as asked."""


@dataclass(frozen=True, slots=True)
class VisionGraphs:
    """Two files to load."""

    encoder: Path
    projector: Path
    kernels: Kernels | None = None
    """The library with operators that they need."""


def vision_graphs(bundle: Bundle, target: Target = CPU) -> Iterator[VisionGraphs]:
    """The graphs to try, in this order: with our operators, as ONNX Runtime runs them by itself."""
    if target == CPU and (own := _own_graphs(bundle)):
        encoder, projector = (bundle.folder / entry.file for entry, _ in own)
        yield VisionGraphs(encoder, projector, own[0][1])
    encoder, projector = (bundle.graph(name, target.name) for name in PARTS)
    yield VisionGraphs(encoder, projector)


def mapped_bytes(bundle: Bundle) -> int:
    """Bytes of the files whose weights our operators read where they are mapped; 0 where ONNX Runtime copies them."""
    return sum(bundle.data_bytes(entry) for entry, _ in _own_graphs(bundle))


def _own_graphs(bundle: Bundle) -> list[tuple[GraphEntry, Kernels]]:
    own = [found for name in PARTS if (found := own_graph(bundle, name)) is not None]
    is_better = len(own) == len(PARTS) and (_is_better(own[0][1].level) or SETTING in os.environ)
    return own if is_better else []


def _is_better(level: str) -> bool:
    """Whether our operators are the better choice.

    Where the processor has AVX2 and no VNNI a tile takes a tenth more than with ONNX Runtime's, but those need five
    seconds and a gigabyte to pack the weights of a release, which ours read where they lie. Where it has VNNI and the
    library was built without it, ONNX Runtime's are left to run.
    """
    return level in FASTER_LEVELS or (level == "avx2" and bytes_saturate())

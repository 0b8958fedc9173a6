"""Which of a bundle's decoder graphs can run here: the fastest first, the one that always can last."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dsvl2_kernels.library import Kernels
from dsvl2_runtime.bundle.bundle import Bundle
from dsvl2_runtime.bundle.graph_entry import CacheFormat
from dsvl2_runtime.graphs import graph_io
from dsvl2_runtime.graphs.own_graph import REMEDY, own_graph
from dsvl2_runtime.graphs.packed_weights import packed_decoder
from dsvl2_runtime.graphs.target import CPU


@dataclass(frozen=True, slots=True)
class DecoderGraph:
    """One file to load."""

    path: Path
    cache: CacheFormat | None
    kernels: Kernels | None = None
    """The library with operators that it needs."""
    packed: bool = False
    """Its weights are a copy in the order of this processor's kernels."""
    remedy: str = ""
    """What to do if it cannot be loaded; the next one is taken then."""


def decoder_graphs(bundle: Bundle) -> Iterator[DecoderGraph]:
    """The graphs to try, in this order: with our operators, with packed weights, as it lies in the bundle."""
    if (own := own_decoder(bundle)) is not None:
        yield own
    plain = bundle.graph_entry(graph_io.DECODER, CPU.name)
    if (packed := packed_decoder(bundle)) is not None:
        remedy = "delete the packed weights with `dsvl2-onnx optimize --remove`, or run it again"
        yield DecoderGraph(packed, plain.cache, packed=True, remedy=remedy)
    yield DecoderGraph(bundle.folder / plain.file, plain.cache)


def own_decoder(bundle: Bundle) -> DecoderGraph | None:
    """The graph with our operators, where the bundle has one and the library for it can be used."""
    if (found := own_graph(bundle, graph_io.DECODER)) is None:
        return None
    entry, kernels = found
    return DecoderGraph(bundle.folder / entry.file, entry.cache, kernels, remedy=REMEDY)

"""A bundle's graph with operators of our own, where this machine can run it."""

from __future__ import annotations

from dsvl2_kernels.library import DOMAIN, VERSION, Kernels, version_of
from dsvl2_runtime.bundle.bundle import Bundle
from dsvl2_runtime.bundle.graph_entry import CPU_TARGET, GraphEntry
from dsvl2_runtime.graphs.graph_io import DECODER
from dsvl2_runtime.machine.kernels import usable_kernels

REMEDY = "verify the bundle with `dsvl2-onnx verify`, or export it again"
"""What to do about one that cannot be loaded."""


def has_older_decoder(bundle: Bundle) -> bool:
    """Whether the decoder with our operators is not what `upgrade` would write today."""
    found = own_graph(bundle, DECODER)
    attention = "LatentStep" if bundle.manifest.config.language_config.use_mla else "PlainStep"
    return found is not None and found[0].opsets[DOMAIN] < version_of([attention])


def own_graph(bundle: Bundle, name: str) -> tuple[GraphEntry, Kernels] | None:
    """What the manifest says about the graph of that name with our operators, and the library that has them.

    None where the bundle has no such graph, or only one for a later version, or there is no library that can be used.
    """
    for entry in bundle.manifest.graphs:
        ours = (entry.name, entry.target, entry.domains) == (name, CPU_TARGET, frozenset({DOMAIN}))
        if ours and entry.opsets[DOMAIN] <= VERSION and (kernels := usable_kernels()) is not None:
            return entry, kernels
    return None

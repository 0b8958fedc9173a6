"""The embedding table as a graph: `Gather`, or `GatherBlockQuantized`, which dequantises only the rows it takes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dsvl2_export.graphs.builder import GraphBuilder, value
from dsvl2_export.graphs.operators import ContribOperators
from dsvl2_quant.formats.blocks import BlockFormat
from dsvl2_quant.formats.float32 import Float32
from dsvl2_quant.methods.quantizer import Quantizer
from dsvl2_runtime.graphs import graph_io


def write_embed_tokens(
    path: Path, weight: NDArray[np.float32], form: Float32 | BlockFormat, quantizer: Quantizer
) -> None:
    """Write input_ids [batch, seq] int64 -> inputs_embeds [batch, seq, hidden] float32.

    Args:
        path: of the graph.
        weight: [vocab, hidden].
        form: of the weight.
        quantizer: quantises it where the format asks for that.
    """
    vocab, hidden = weight.shape
    with GraphBuilder(path) as builder:
        name = "language.model.embed_tokens"
        if isinstance(form, Float32):
            inputs = [builder.weight(name, weight), graph_io.INPUT_IDS]
            builder.node("Gather", inputs, into=graph_io.INPUTS_EMBEDS)
        else:
            blocks = quantizer.blocks(weight, form, None)
            packed = builder.weight(name, blocks.packed.reshape(vocab, -1))
            scales = builder.weight(f"{name}.scales", blocks.scales)
            ContribOperators(builder).gather_rows(packed, scales, graph_io.INPUT_IDS, form, into=graph_io.INPUTS_EMBEDS)
        builder.save(
            [value(graph_io.INPUT_IDS, ["batch", "seq"], integer=True)],
            [value(graph_io.INPUTS_EMBEDS, ["batch", "seq", hidden])],
        )

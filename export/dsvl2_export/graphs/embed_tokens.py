"""The embedding table as a graph: `Gather`, or `GatherBlockQuantized`, which dequantises only the rows it takes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dsvl2_export.graphs.builder import MICROSOFT, GraphBuilder, value
from dsvl2_quant.formats.blocks import quantize_blocks
from dsvl2_quant.recipe import BlockFormat
from dsvl2_runtime.graphs import graph_io


def write_embed_tokens(path: Path, weight: NDArray[np.float32], form: BlockFormat | None) -> None:
    """Write the graph of an embedding table [vocab, hidden]."""
    hidden = weight.shape[1]
    with GraphBuilder(path) as builder:
        name = "language.model.embed_tokens"
        if form is None:
            inputs = [builder.weight(name, weight), graph_io.INPUT_IDS]
            builder.node("Gather", inputs, into=graph_io.INPUTS_EMBEDS)
        else:
            blocks = quantize_blocks(weight, form.bits, form.block_size)
            builder.node(
                "GatherBlockQuantized",
                [
                    builder.weight(name, blocks.packed.reshape(len(weight), -1)),
                    graph_io.INPUT_IDS,
                    builder.weight(f"{name}.scales", blocks.scales.reshape(len(weight), -1)),
                ],
                domain=MICROSOFT,
                into=graph_io.INPUTS_EMBEDS,
                bits=form.bits,
                block_size=form.block_size,
                gather_axis=0,
                quantize_axis=1,
            )
        builder.save(
            [value(graph_io.INPUT_IDS, ["batch", "seq"], integer=True)],
            [value(graph_io.INPUTS_EMBEDS, ["batch", "seq", hidden])],
        )

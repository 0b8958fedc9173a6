"""The vision encoder's graph, traced piece by piece so that never more than one block is in memory unquantised.

The tower of the releases has 400 million parameters. Traced at once it would be in memory as PyTorch weights, as the
tracer's copy and as the loaded graph: 7 GB at its peak. The blocks are alike and follow one another, so each is traced,
quantised and appended by itself.
"""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import onnx
import torch
from onnx import GraphProto, ModelProto, TensorProto, ValueInfoProto
from torch import Tensor, nn

from dsvl2_export.graphs.fused_ops import fused_attend, fused_gelu
from dsvl2_export.graphs.tracing import Axes, Traced, TracedOnnxConfig, trace
from dsvl2_export.network.vision import VisionBlock, VisionTower
from dsvl2_export.weight_source import WeightSource, load_into
from dsvl2_runtime.graphs import graph_io

HIDDEN_IN, HIDDEN_OUT = "hidden_in", "hidden_out"
TILES: Axes = {0: "num_tiles"}


class StemTrace(TracedOnnxConfig):
    """pixel_values [num_tiles, 3, image_size, image_size] -> hidden states [num_tiles, patches, width]."""

    NAMED_INPUT = graph_io.PIXEL_VALUES
    NAMED_OUTPUTS: ClassVar = {HIDDEN_OUT: TILES}


class BlockTrace(TracedOnnxConfig):
    """Hidden states [num_tiles, patches, width] -> the same."""

    NAMED_INPUT = HIDDEN_IN
    NAMED_OUTPUTS: ClassVar = {HIDDEN_OUT: TILES}


class TracedStem(Traced):
    """The vision tower before its first block: patches and their positions."""

    def __init__(self, tower: VisionTower) -> None:
        super().__init__()
        self.tower = tower

    def forward(self, pixel_values: Tensor) -> Tensor:
        """[num_tiles, 3, image_size, image_size] -> [num_tiles, patches, width]."""
        hidden: Tensor = self.tower.patch_embed(pixel_values) + self.tower.pos_embed
        return hidden


class TracedBlock(Traced):
    """One block of the vision tower, or the norm after the last one."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, hidden_in: Tensor) -> Tensor:
        """[num_tiles, patches, width] -> the same, under the input name of the graph."""
        hidden: Tensor = self.module(hidden_in)
        return hidden


class GrowingGraph:
    """The graph of the vision tower, put together of pieces that are traced one by one."""

    def __init__(self, folder: Path, rewrite: Callable[[ModelProto], object]) -> None:
        self._folder = folder
        self._rewrite = rewrite
        self.model: ModelProto | None = None
        self._end = ""

    def append(self, name: str, module: Traced, config: TracedOnnxConfig) -> None:
        """Trace a module, rewrite its graph, and append it to the others."""
        path = self._folder / "piece.onnx"
        trace(path, module, config)
        piece = onnx.load(str(path))
        self._rewrite(piece)
        first, last = piece.graph.input[0].name, piece.graph.output[0].name
        kept = {first: self._end} if self.model is not None else {first: first}
        rename_all(piece.graph, lambda old: kept.get(old, f"{name}.{old}"))
        if self.model is None:
            self.model = piece
        else:
            self.model.graph.node.extend(piece.graph.node)
            self.model.graph.initializer.extend(piece.graph.initializer)
            known = {opset.domain for opset in self.model.opset_import}
            self.model.opset_import.extend(opset for opset in piece.opset_import if opset.domain not in known)
        self._end = f"{name}.{last}"

    def finish(self, output: ValueInfoProto) -> ModelProto:
        """The whole model; its last value gets the name and shape of `output`."""
        if self.model is None:
            raise ValueError("no piece was appended")
        rename_all(self.model.graph, lambda old: output.name if old == self._end else old)
        del self.model.graph.output[:]
        self.model.graph.output.append(output)
        return self.model


def rename_all(graph: GraphProto, rename: Callable[[str], str]) -> None:
    """Rename every node and value of a graph, in place; the empty name means that an input is left out, and stays."""
    for node in graph.node:
        node.name = rename(node.name)
        for names in (node.input, node.output):
            names[:] = [rename(name) if name else name for name in names]
    for entry in [*graph.initializer, *graph.input, *graph.output]:
        entry.name = rename(entry.name)
    del graph.value_info[:]


def write_vision_encoder(
    path: Path,
    source: WeightSource,
    rewrite: Callable[[ModelProto], object] = lambda model: None,
    on_block: Callable[[], None] = lambda: None,
) -> None:
    """Write pixel_values [num_tiles, 3, image_size, image_size] -> patch_features [num_tiles, patches, width].

    Args:
        path: of the graph.
        source: of the weights.
        rewrite: called with each piece's model, to quantise it in place.
        on_block: called when a block is traced.
    """
    config = source.config.vision_config
    ends = VisionTower(dataclasses.replace(config, layers=0))
    load_into(source, ends, "vision.")
    pixels = torch.zeros(2, 3, config.image_size, config.image_size)
    hidden = torch.zeros(2, config.grid**2, config.width)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        graph = GrowingGraph(Path(folder), rewrite)
        graph.append("start", TracedStem(ends.eval()), StemTrace(pixels))
        for index in range(config.layers):
            block = VisionBlock(config, fused_attend, fused_gelu)
            load_into(source, block, f"vision.blocks.{index}.")
            graph.append(f"blocks.{index}", TracedBlock(block.eval()), BlockTrace(hidden))
            on_block()
        graph.append("norm", TracedBlock(ends.norm), BlockTrace(hidden))
        axes: list[str | int] = ["num_tiles", config.grid**2, config.width]
        output = onnx.helper.make_tensor_value_info(graph_io.PATCH_FEATURES, TensorProto.FLOAT, axes)
        onnx.save(graph.finish(output), str(path))

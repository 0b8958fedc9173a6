"""The projector's graph, with the two format vectors beside it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import onnx
import torch
from onnx import ModelProto, TensorProto, helper, numpy_helper
from torch import Tensor

from dsvl2_export.checkpoint.checkpoint import load_projector
from dsvl2_export.graphs.tracing import Traced, TracedOnnxConfig, trace
from dsvl2_export.network import Projector
from dsvl2_export.weight_source import WeightSource
from dsvl2_runtime.graphs import graph_io


class ProjectorTrace(TracedOnnxConfig):
    """patch_features [num_tiles, patches, width] -> tile_features [num_tiles, cells * cells, hidden]."""

    NAMED_INPUT = graph_io.PATCH_FEATURES
    NAMED_OUTPUTS: ClassVar = {graph_io.TILE_FEATURES: {0: "num_tiles"}}


class TracedProjector(Traced):
    """The projector under the input name of its graph."""

    def __init__(self, projector: Projector) -> None:
        super().__init__()
        self.projector = projector

    def forward(self, patch_features: Tensor) -> Tensor:
        """[num_tiles, patches, width] -> [num_tiles, cells * cells, hidden]."""
        features: Tensor = self.projector(patch_features)
        return features


def write_projector(
    path: Path, source: WeightSource, rewrite: Callable[[ModelProto], object] = lambda model: None
) -> None:
    """Write the projector; `rewrite` is called with its model, to quantise it in place."""
    vision = source.config.vision_config
    example = torch.zeros(2, vision.grid**2, vision.width)
    trace(path, TracedProjector(load_projector(source)), ProjectorTrace(example))
    model = onnx.load(str(path))
    rewrite(model)
    # The tracer folds a parameter that goes straight to an output and loses its name, so these two are added here.
    for name, stored in ((graph_io.IMAGE_NEWLINE, "image_newline"), (graph_io.VIEW_SEPARATOR, "view_seperator")):
        vector = source.array(stored)
        tensor = numpy_helper.from_array(vector, name)
        model.graph.node.append(helper.make_node("Constant", [], [name], value=tensor))
        model.graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, list(vector.shape)))
    onnx.save(model, str(path))

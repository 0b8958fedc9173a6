"""The vision encoder and the projector, traced from the reference network through Optimum's ONNX exporter."""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import onnx
import torch
from onnx import helper, numpy_helper
from optimum.exporters.onnx import OnnxConfig, export
from optimum.utils import NormalizedConfig
from torch import Tensor, nn
from transformers import PretrainedConfig

from dsvl2_export.fused_ops import fused_vision
from dsvl2_export.network import Projector, VisionTower
from dsvl2_runtime import graph_io
from dsvl2_runtime.config import ModelConfig

OPSET = 18
Axes = Mapping[int, str]


class TracedOnnxConfig(OnnxConfig):  # type: ignore[misc]  # optimum ships no types
    """An `OnnxConfig` for one traced module: what goes in, what comes out, and an example."""

    NORMALIZED_CONFIG_CLASS = NormalizedConfig
    NAMED_INPUT: ClassVar[str]
    NAMED_OUTPUTS: ClassVar[Mapping[str, Axes]]

    def __init__(self, example: Tensor) -> None:
        super().__init__(PretrainedConfig(), task="feature-extraction")
        self._example = example

    @property
    def inputs(self) -> dict[str, Axes]:
        """Dynamic axes of the input."""
        return OrderedDict({self.NAMED_INPUT: {0: "num_tiles"}})

    @property
    def outputs(self) -> dict[str, Axes]:
        """Dynamic axes of the outputs."""
        return OrderedDict(self.NAMED_OUTPUTS)

    def generate_dummy_inputs(self, framework: str = "pt", **_: Any) -> dict[str, Tensor]:  # noqa: ARG002
        """The example to trace with."""
        return {self.NAMED_INPUT: self._example}

    def patch_model_for_export(
        self,
        model: nn.Module,  # noqa: ARG002
        model_kwargs: dict[str, Any] | None = None,  # noqa: ARG002
    ) -> contextlib.AbstractContextManager[None]:
        """Nothing to patch: the reference network is traceable as it is."""
        return contextlib.nullcontext()


class VisionEncoderOnnxConfig(TracedOnnxConfig):
    """pixel_values [num_tiles, 3, image_size, image_size] -> patch_features [num_tiles, patches, width]."""

    NAMED_INPUT = graph_io.PIXEL_VALUES
    NAMED_OUTPUTS: ClassVar[Mapping[str, Axes]] = {graph_io.PATCH_FEATURES: {0: "num_tiles"}}

    def patch_model_for_export(
        self,
        model: nn.Module,  # noqa: ARG002
        model_kwargs: dict[str, Any] | None = None,  # noqa: ARG002
    ) -> contextlib.AbstractContextManager[None]:
        """Trace with the fused operators of ONNX Runtime."""
        return fused_vision()


class ProjectorOnnxConfig(TracedOnnxConfig):
    """patch_features [num_tiles, patches, width] -> tile_features [num_tiles, cells * cells, hidden]."""

    NAMED_INPUT = graph_io.PATCH_FEATURES
    NAMED_OUTPUTS: ClassVar[Mapping[str, Axes]] = {graph_io.TILE_FEATURES: {0: "num_tiles"}}


class TracedVisionEncoder(nn.Module):
    """The vision tower under the input name of its graph."""

    def __init__(self, tower: VisionTower) -> None:
        super().__init__()
        self.tower = tower
        self.config = PretrainedConfig()  # optimum sets `return_dict` on it

    def forward(self, pixel_values: Tensor) -> Tensor:
        """[num_tiles, 3, image_size, image_size] -> [num_tiles, patches, width]."""
        features: Tensor = self.tower(pixel_values)
        return features


class TracedProjector(nn.Module):
    """The projector under the input name of its graph."""

    def __init__(self, projector: Projector) -> None:
        super().__init__()
        self.projector = projector
        self.config = PretrainedConfig()

    def forward(self, patch_features: Tensor) -> Tensor:
        """[num_tiles, patches, width] -> [num_tiles, cells * cells, hidden]."""
        features: Tensor = self.projector(patch_features)
        return features


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Without the tracer's warnings about Python values in shapes: every shape but `num_tiles` is fixed."""
    previous = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(previous)


def trace_vision_encoder(path: Path, tower: VisionTower, config: ModelConfig) -> None:
    """Write the vision encoder in fp32."""
    size = config.vision_config.image_size
    example = torch.zeros(2, 3, size, size)
    with quiet():
        export(
            TracedVisionEncoder(tower),
            VisionEncoderOnnxConfig(example),
            path,
            opset=OPSET,
            disable_dynamic_axes_fix=True,
        )


def trace_projector(
    path: Path, projector: Projector, image_newline: Tensor, view_separator: Tensor, config: ModelConfig
) -> None:
    """Write the projector and the format vectors in fp32."""
    vision = config.vision_config
    example = torch.zeros(2, vision.grid**2, vision.width)
    with quiet():
        export(
            TracedProjector(projector),
            ProjectorOnnxConfig(example),
            path,
            opset=OPSET,
            disable_dynamic_axes_fix=True,
        )
    # The tracer folds a parameter that goes straight to an output and loses its name, so these two are added here.
    model = onnx.load(str(path))
    for name, vector in ((graph_io.IMAGE_NEWLINE, image_newline), (graph_io.VIEW_SEPARATOR, view_separator)):
        tensor = numpy_helper.from_array(vector.detach().float().numpy(), name)
        model.graph.node.append(helper.make_node("Constant", [], [name], value=tensor))
        model.graph.output.append(helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, list(vector.shape)))
    onnx.save(model, str(path))

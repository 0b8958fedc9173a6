"""Vision encoder and projector for a GPU as one graph: pixels in, rows of features for the decoder out.

It is written by hand, since what is traced for the CPU computes shapes while it runs, which happens outside the GPU.
The matrices are those of the CPU's graphs, dequantised: there is no kernel for int8 columns on a GPU.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dsvl2_export.graphs.cuda.stored_weights import StoredWeights
from dsvl2_export.graphs.cuda.writer import CudaWriter, float_value
from dsvl2_export.network.vision import NORM_EPS
from dsvl2_runtime.config import ModelConfig, VisionConfig
from dsvl2_runtime.errors import UsageError
from dsvl2_runtime.graphs import graph_io


@dataclass(frozen=True, slots=True)
class TracedWeights:
    """The weights of a traced graph, found by the layer that they belong to."""

    stored: StoredWeights

    def find(self, *parts: str) -> str:
        """The one initializer whose name has all parts, in this order, slashes and dots being the same.

        Raises:
            UsageError: there is none, or several.
        """
        pattern = ".*".join(re.escape(part) for part in parts) + "$"
        found = [name for name in self.stored.names if re.search(pattern, name.replace("/", "."))]
        if len(found) != 1:
            raise UsageError(f"{len(found)} weights of the traced graph are called {'…'.join(parts)}; one was expected")
        return found[0]

    def vector(self, *parts: str) -> Callable[[], NDArray[np.float32]]:
        """Of a norm or bias, when it is wanted."""
        return lambda: self.stored.array(self.find(*parts))

    def matrix(self, *layer: str) -> Callable[[], NDArray[np.float32]]:
        """[in_features, out_features] of a linear layer."""
        return lambda: self.stored.columns(
            self.find(*layer, "MatMul.int8.weight"), self.find(*layer, "MatMul.int8.scale")
        )


def write_image_encoder(
    writer: CudaWriter, vision: StoredWeights, projector: StoredWeights, config: ModelConfig
) -> None:
    """Write pixel_values [num_tiles, 3, size, size] float32 -> tile_features [num_tiles, cells * cells, hidden].

    The features have the decoder's type; image_newline and view_separator [1, hidden] come beside them.
    """
    tower = TracedWeights(vision)
    hidden = _patches(writer, tower, config.vision_config)
    for index in range(config.vision_config.layers):
        hidden = _block(writer, tower, config.vision_config, hidden, f"blocks.{index}.")
    hidden = _layer_norm(writer, hidden, "vision.norm", tower, "norm.module")
    features = _project(writer, TracedWeights(projector), config, hidden)
    decoder = writer.form.decoder
    writer.cast(features, decoder, writer.form.vision, into=graph_io.TILE_FEATURES)
    outputs = [
        float_value(graph_io.TILE_FEATURES, ["num_tiles", config.cells**2, config.language_config.hidden_size], decoder)
    ]
    for name in (graph_io.IMAGE_NEWLINE, graph_io.VIEW_SEPARATOR):
        row = writer.typed(f"projector.{name}", lambda name=name: projector.array(name)[None], decoder)  # type: ignore[misc]
        writer.node("Identity", [row], into=name)
        outputs.append(float_value(name, [1, config.language_config.hidden_size], decoder))
    side = config.vision_config.image_size
    writer.save_graph([float_value(graph_io.PIXEL_VALUES, ["num_tiles", 3, side, side], "float32")], outputs)


def _linear(writer: CudaWriter, x: str, name: str, weights: TracedWeights, *layer: str) -> tuple[str, str]:
    """(`x W`, name of the bias that is still to be added)."""
    element = writer.form.vision
    product = writer.node("MatMul", [x, writer.typed(name, weights.matrix(*layer), element)])
    return product, writer.typed(f"{name}.bias", weights.vector(*layer, "bias"), element)


def _layer_norm(writer: CudaWriter, x: str, name: str, weights: TracedWeights, *layer: str) -> str:
    element = writer.form.vision
    parts = [writer.typed(f"{name}.{part}", weights.vector(*layer, part), element) for part in ("weight", "bias")]
    return writer.node("LayerNormalization", [x, *parts], axis=-1, epsilon=NORM_EPS)


def _patches(writer: CudaWriter, tower: TracedWeights, config: VisionConfig) -> str:
    """Each patch as a row times the convolution's matrix: [num_tiles, 3, size, size] -> [num_tiles, patches, width]."""
    element, grid, patch = writer.form.vision, config.grid, config.patch_size
    pixels = writer.cast(graph_io.PIXEL_VALUES, element, "float32")
    if config.image_size != grid * patch:  # pixels beyond the last whole patch are never seen
        for axis in (2, 3):
            pixels = writer.slice_of(pixels, 0, grid * patch, axis)
    rows = writer.reshape(pixels, -1, 3, grid, patch, grid, patch)
    rows = writer.node("Transpose", [rows], perm=[0, 2, 4, 1, 3, 5])  # [num_tiles, grid, grid, 3, patch, patch]
    rows = writer.reshape(rows, -1, grid**2, 3 * patch**2)
    kernel = tower.vector("patch_embed.proj.weight")
    matrix = writer.typed("vision.patch_embed", lambda: kernel().reshape(config.width, -1).T, element)
    bias = tower.vector("patch_embed.proj.bias")

    def positions() -> NDArray[np.float32]:
        table: NDArray[np.float32] = tower.vector("pos_embed")() + bias()
        return table

    return writer.node(
        "Add", [writer.node("MatMul", [rows, matrix]), writer.typed("vision.pos_embed", positions, element)]
    )


def _block(writer: CudaWriter, tower: TracedWeights, config: VisionConfig, x: str, block: str) -> str:
    """Pre-norm transformer block."""
    name = f"vision.{block}"
    normed = _layer_norm(writer, x, f"{name}norm1", tower, block, "norm1")
    qkv = writer.node("Add", [*_linear(writer, normed, f"{name}qkv", tower, block, "attn.qkv")])
    parts = writer.split(qkv, *[config.width] * 3)
    scale = float((config.width // config.heads) ** -0.5)
    attended = writer.contrib("MultiHeadAttention", parts, num_heads=config.heads, scale=scale)
    attended = writer.node("Add", [*_linear(writer, attended, f"{name}proj", tower, block, "attn.proj")])
    x = writer.node("Add", [x, attended])
    normed = _layer_norm(writer, x, f"{name}norm2", tower, block, "norm2")
    inner = writer.contrib("FastGelu", [*_linear(writer, normed, f"{name}fc1", tower, block, "mlp.fc1")])
    inner = writer.node("Add", [*_linear(writer, inner, f"{name}fc2", tower, block, "mlp.fc2")])
    return writer.node("Add", [x, inner])


def _project(writer: CudaWriter, projector: TracedWeights, config: ModelConfig, x: str) -> str:
    """[num_tiles, patches, width] -> [num_tiles, cells * cells, hidden]; see `network.projector.Projector`."""
    grid, width, cells = config.vision_config.grid, config.vision_config.width, config.cells
    ratio, element = config.projector_config.downsample_ratio, writer.form.vision
    x = writer.reshape(x, -1, grid, grid, width)
    if missing := cells * ratio - grid:
        pads = writer.int64(0, 0, 0, 0, 0, missing, missing, 0)
        x = writer.node("Pad", [x, pads, writer.number(0.0, element)])
    x = writer.reshape(x, -1, cells, ratio, cells, ratio, width)
    x = writer.node("Transpose", [x], perm=[0, 1, 3, 5, 2, 4])
    x = writer.reshape(x, -1, cells**2, width * ratio**2)
    x = writer.node("Add", [*_linear(writer, x, "projector.0", projector, "projector", "layers.0.")])
    x = writer.contrib("Gelu", [x])
    return writer.node("Add", [*_linear(writer, x, "projector.2", projector, "projector", "layers.2.")])

"""What the CPU says in float32: a bundle whose weights are the values of the quantised one, and its logits.

Integers are the same in both, so what differs on a GPU are the types that it computes in and nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dsvl2_bench.gpu_check.other_choices import ChoosingDecoder, other_choices
from dsvl2_bench.gpu_check.reference_cases import PICTURES, STEPS, case_logits, case_tokens, picture
from dsvl2_export.exporter import export_weights
from dsvl2_export.weight_source import WeightSource
from dsvl2_quant.formats.blocks import BlockFormat, dequantize_blocks
from dsvl2_quant.formats.columns import ColumnFormat, dequantize_columns
from dsvl2_quant.methods.nearest import quantize_blocks, quantize_columns
from dsvl2_quant.recipe import RECIPES, Recipe
from dsvl2_runtime import load_model
from dsvl2_runtime.config import ModelConfig
from dsvl2_runtime.graphs import graph_io


@dataclass(frozen=True)
class Dequantized:
    """A `WeightSource` whose tensors are what a recipe makes of another one's."""

    source: WeightSource
    recipe: Recipe

    @property
    def config(self) -> ModelConfig:
        """The same sizes."""
        return self.source.config

    @property
    def note(self) -> str:
        """The same note."""
        return self.source.note

    @property
    def identity(self) -> str:
        """Changes with the weights and with the recipe."""
        return f"dequantized {self.recipe} {self.source.identity}"

    def array(self, name: str) -> NDArray[np.float32]:
        """One tensor as the quantised graphs use it."""
        weight = self.source.array(name)
        form = self.recipe.formats_of(name)[0]
        if isinstance(form, BlockFormat):
            return dequantize_blocks(quantize_blocks(weight, form))
        if isinstance(form, ColumnFormat):
            return np.ascontiguousarray(dequantize_columns(quantize_columns(weight.T)).T)
        return weight

    def tensor(self, name: str) -> Tensor:
        """The same for PyTorch."""
        return torch.from_numpy(self.array(name))

    def write_tokenizer(self, folder: Path) -> None:
        """The same tokenizer."""
        self.source.write_tokenizer(folder)


def write_reference(folder: Path, source: WeightSource, precision: str, out: Path) -> None:
    """Export the float32 bundle of a quantised one's values, and keep its logits of all cases.

    Where two experts are nearly tied, those of the other choice are kept as well.

    Args:
        folder: for the bundle.
        source: of the quantised bundle.
        precision: of it.
        out: the `.npz` file.
    """
    recipe = RECIPES[precision].fitted(source.config.language_config)
    export_weights(Dequantized(source, recipe), folder, "fp32")
    model = load_model(folder, provider="cpu")
    config = model.config.language_config
    tokens, decoder = case_tokens(config.vocab_size), ChoosingDecoder(folder / f"{graph_io.DECODER}.onnx", config)
    found: dict[str, Any] = {}
    for count in PICTURES:
        images, sequence = [picture(number) for number in range(count)], model.new_sequence()
        found[f"prompt{count}"], found[f"steps{count}"] = case_logits(model, images, tokens, None, sequence)
        others = other_choices(decoder, model, sequence, 1 + STEPS)
        found[f"others{count}"], found[f"others_at{count}"] = others
    np.savez_compressed(out, **found)

"""What every layer of a decoder is written with."""

from __future__ import annotations

from dataclasses import dataclass

from dsvl2_export.graphs.builder import GraphBuilder
from dsvl2_export.graphs.operators import ContribOperators
from dsvl2_export.weight_source import WeightSource
from dsvl2_quant.methods.quantizer import Quantizer
from dsvl2_quant.recipe import Recipe
from dsvl2_runtime.config import LanguageConfig


@dataclass(frozen=True, slots=True)
class DecoderContext:
    """One decoder in the making."""

    builder: GraphBuilder
    operators: ContribOperators
    config: LanguageConfig
    weights: WeightSource
    recipe: Recipe
    quantizer: Quantizer

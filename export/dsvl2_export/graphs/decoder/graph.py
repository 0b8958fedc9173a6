"""The whole decoder graph: embeddings and cached rows in, logits of the last position and new rows out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from dsvl2_export.graphs.builder import GraphBuilder, value
from dsvl2_export.graphs.decoder.context import DecoderContext
from dsvl2_export.graphs.decoder.experts import experts
from dsvl2_export.graphs.decoder.latent_attention import latent_attention
from dsvl2_export.graphs.decoder.linear import gated_mlp, linear
from dsvl2_export.graphs.decoder.plain_attention import plain_attention
from dsvl2_export.graphs.decoder.positions import Positions, write_positions
from dsvl2_export.graphs.operators import ContribOperators
from dsvl2_export.weight_source import WeightSource
from dsvl2_quant.methods.quantizer import Quantizer
from dsvl2_quant.recipe import Recipe
from dsvl2_runtime.graphs import graph_io
from dsvl2_runtime.graphs.graph_io import CacheTensor


def write_decoder(
    path: Path,
    weights: WeightSource,
    recipe: Recipe,
    quantizer: Quantizer,
    on_layer: Callable[[], None] = lambda: None,
) -> None:
    """Write `path` and its external data, one layer's weights in memory at a time.

    Args:
        path: the `.onnx` file; the journal of its data stays beside it until the bundle is complete.
        weights: tensors by their checkpoint names (`language.model.…`), and their sizes.
        recipe: formats of the parts.
        quantizer: quantises those that are not fp32.
        on_layer: called when a layer is on the disk, where a later attempt finds it.
    """
    config = weights.config.language_config
    with GraphBuilder(path) as builder:
        context = DecoderContext(builder, ContribOperators(builder), config, weights, recipe, quantizer)
        cache = graph_io.cache_tensors(config)
        per_layer = len(cache) // config.num_hidden_layers
        at = write_positions(builder, graph_io.INPUTS_EMBEDS, graph_io.POSITION_IDS, cache[0].past, config)
        residual, delta = graph_io.INPUTS_EMBEDS, ""

        for layer in range(config.num_hidden_layers):
            name = f"language.model.layers.{layer}"
            rows = cache[layer * per_layer : (layer + 1) * per_layer]
            normed, residual = _norm(context, residual, delta, f"{name}.input_layernorm")
            delta = _attention(context, normed, f"{name}.self_attn", rows, at)
            if layer == config.num_hidden_layers - 1:
                # Logits follow from the last position; for earlier positions the last layer only has to write its
                # cache rows.
                residual, delta = (builder.node("Gather", [x, builder.int64(-1)], axis=1) for x in (residual, delta))
            normed, residual = _norm(context, residual, delta, f"{name}.post_attention_layernorm")
            delta = (experts if config.is_moe(layer) else gated_mlp)(context, normed, f"{name}.mlp")
            builder.data.commit()
            on_layer()

        normed, _ = _norm(context, residual, delta, "language.model.norm")  # [1, 1, hidden]
        logits = linear(context, normed, "language.lm_head")  # [1, 1, vocab]
        builder.data.commit()
        builder.node("Reshape", [logits, builder.int64(1, config.vocab_size)], into=graph_io.LOGITS)

        inputs = [
            value(graph_io.INPUTS_EMBEDS, [1, "seq", config.hidden_size]),
            value(graph_io.POSITION_IDS, [1, "seq"], integer=True),
            *(value(tensor.past, ["past", tensor.row]) for tensor in cache),
        ]
        outputs = [
            value(graph_io.LOGITS, [1, config.vocab_size]),
            *(value(tensor.new, ["seq", tensor.row]) for tensor in cache),
        ]
        builder.save(inputs, outputs)


def _norm(context: DecoderContext, residual: str, delta: str, name: str) -> tuple[str, str]:
    """(normalised sum, sum) of residual and delta, [1, seq, hidden] each; the first norm has nothing to add."""
    weight = context.builder.weight(name, context.weights.array(f"{name}.weight"))
    if not delta:
        return context.operators.rms_norm(residual, weight, context.config.rms_norm_eps), residual
    return context.operators.add_and_rms_norm(residual, delta, weight, context.config.rms_norm_eps)


def _attention(context: DecoderContext, x: str, name: str, cache: Sequence[CacheTensor], at: Positions) -> str:
    """[1, seq, hidden] -> [1, seq, hidden]."""
    if context.config.use_mla:
        return latent_attention(context, x, name, cache[0], at)
    return plain_attention(context, x, name, (cache[0], cache[1]), at)

"""The whole decoder graph: embeddings and cached rows in, logits of the last position and new rows out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from dsvl2_export.graphs.builder import MICROSOFT, GraphBuilder, value
from dsvl2_export.graphs.decoder.attention import Weights, latent_attention, plain_attention, positions, rms_norm
from dsvl2_export.graphs.decoder.experts import experts, mlp_weights
from dsvl2_export.graphs.decoder.linear import gated_mlp, linear
from dsvl2_quant.recipe import Recipe
from dsvl2_runtime.config import LanguageConfig
from dsvl2_runtime.graphs import graph_io


def write_decoder(
    path: Path,
    config: LanguageConfig,
    weights: Weights,
    recipe: Recipe,
    on_layer: Callable[[], None] = lambda: None,
) -> None:
    """Write `path` and its external data, one layer's weights in memory at a time.

    Args:
        path: the `.onnx` file; beside it the journal of its data stays, for what is still to be done to the bundle.
        config: sizes.
        weights: tensors by their checkpoint names (`language.model.…`).
        recipe: formats of the parts.
        on_layer: called when a layer is on the disk, where a later attempt finds it.
    """
    with GraphBuilder(path) as builder:
        cache = graph_io.cache_tensors(config)
        per_layer = len(cache) // config.num_hidden_layers
        at = positions(builder, graph_io.INPUTS_EMBEDS, graph_io.POSITION_IDS, cache[0].past, config)
        residual, delta = graph_io.INPUTS_EMBEDS, ""

        def norm(residual: str, delta: str, name: str) -> tuple[str, str]:
            """(normalised sum, sum); the first one has nothing to add."""
            weight = weights.array(f"{name}.weight")
            if not delta:
                return rms_norm(builder, residual, name, weight, config.rms_norm_eps), residual
            inputs = [residual, delta, builder.weight(name, weight)]
            normed, _, _, total = builder.nodes(
                "SkipSimplifiedLayerNormalization", inputs, 4, domain=MICROSOFT, epsilon=config.rms_norm_eps
            )
            return normed, total

        for layer in range(config.num_hidden_layers):
            name = f"language.model.layers.{layer}"
            rows = cache[layer * per_layer : (layer + 1) * per_layer]
            normed, residual = norm(residual, delta, f"{name}.input_layernorm")
            attention = f"{name}.self_attn"
            if config.use_mla:
                delta = latent_attention(builder, normed, attention, weights, rows[0], at, config, recipe)
            else:
                delta = plain_attention(builder, normed, attention, weights, (rows[0], rows[1]), at, config, recipe)
            if layer == config.num_hidden_layers - 1:
                # Logits follow from the last position; of the others the last layer only owes the cached rows.
                residual, delta = (builder.node("Gather", [x, builder.int64(-1)], axis=1) for x in (residual, delta))
            normed, residual = norm(residual, delta, f"{name}.post_attention_layernorm")
            if config.is_moe(layer):
                delta = experts(builder, normed, f"{name}.mlp", weights, config, recipe)
            else:
                delta = gated_mlp(builder, normed, f"{name}.mlp", mlp_weights(weights, f"{name}.mlp"), recipe.dense)
            builder.data.commit()
            on_layer()

        normed, _ = norm(residual, delta, "language.model.norm")  # [1, 1, hidden]
        head = weights.array("language.lm_head.weight")
        logits = linear(builder, normed, "language.lm_head", head, recipe.lm_head)
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

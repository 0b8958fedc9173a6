"""The two graphs of the decoder for a GPU: one that reads prompts, and one that makes a step.

Both take token ids and give the likeliest token and its probability beside the logits, so that between two steps
nothing but these two numbers has to leave the GPU. See `graph_io` for names and axes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, ValueInfoProto

from dsvl2_export.graphs.cuda.attention import Place, latent_attention, plain_attention, rope, row_index
from dsvl2_export.graphs.cuda.experts import experts
from dsvl2_export.graphs.cuda.stored_weights import StoredWeights
from dsvl2_export.graphs.cuda.writer import MASKED, CudaWriter, float_value, int64_value, typed_value
from dsvl2_quant.formats.blocks import BlockWeight
from dsvl2_runtime.config import LanguageConfig
from dsvl2_runtime.graphs import graph_io
from dsvl2_runtime.graphs.graph_io import CacheTensor


@dataclass(frozen=True, slots=True)
class Source:
    """A bundle's weights for the CPU, and the sizes of its language model."""

    decoder: StoredWeights
    embed_tokens: StoredWeights
    config: LanguageConfig


def write_step(writer: CudaWriter, source: Source) -> None:
    """Write the graph of one position over the whole buffers of the cache."""
    config, element, context = source.config, writer.form.decoder, source.config.max_position_embeddings
    positions = writer.shared("positions", lambda: np.arange(context, dtype=np.int64)[None])  # [1, context]
    seen = writer.node("LessOrEqual", [positions, graph_io.POSITION_IDS])
    mask = writer.node("Where", [seen, writer.number(0.0, element), writer.number(MASKED, element)])
    cache = graph_io.cache_tensors(config, writer.form.cache(config))
    (row,) = {tensor.row for tensor in cache}
    at = Place(graph_io.POSITION_IDS, mask, *rope(writer, config), index=row_index(writer, row))
    rows = _embedded(writer, source)  # [1, 1, hidden]
    _write_layers(writer, source, rows, cache, at)
    inputs = [
        int64_value(graph_io.INPUT_IDS, [1, 1]),
        int64_value(graph_io.POSITION_IDS, [1, 1]),
        *(float_value(tensor.past, [context, tensor.row], element) for tensor in cache),
    ]
    new = [float_value(tensor.new, [context, tensor.row], element) for tensor in cache]
    writer.save_graph(inputs, [*result_values(config.vocab_size), *new])


def write_prompt(writer: CudaWriter, source: Source) -> None:
    """Write the graph of many positions behind a past, with rows of image features in their places."""
    config, element, hidden = source.config, writer.form.decoder, source.config.hidden_size
    writer.experts_in = writer.form.prompt_experts
    cache = graph_io.cache_tensors(config, writer.form.cache(config))
    mask = "" if writer.form.causal_kernel else _mask_of_prompt(writer, cache[0].past)
    at = Place(graph_io.POSITION_IDS, mask, *rope(writer, config))
    features = writer.node("Gather", [graph_io.IMAGE_FEATURES, graph_io.FEATURE_IDS], axis=0)  # [1, seq, hidden]
    rows = writer.node("Where", [graph_io.IMAGES_SEQ_MASK, features, _embedded(writer, source)])
    _write_layers(writer, source, rows, cache, at)
    inputs = [
        int64_value(graph_io.INPUT_IDS, [1, "seq"]),
        int64_value(graph_io.POSITION_IDS, [1, "seq"]),
        int64_value(graph_io.FEATURE_IDS, [1, "seq"]),
        int64_value(graph_io.LAST_INDEX, [1]),
        typed_value(graph_io.IMAGES_SEQ_MASK, [1, "seq", 1], TensorProto.BOOL),
        float_value(graph_io.IMAGE_FEATURES, ["features", hidden], element),
        *(float_value(tensor.past, ["past", tensor.row], element) for tensor in cache),
    ]
    new = [float_value(tensor.new, ["seq", tensor.row], element) for tensor in cache]
    writer.save_graph(inputs, [*result_values(config.vocab_size), *new])


def _mask_of_prompt(writer: CudaWriter, past: str) -> str:
    """What hides later positions where the kernel cannot, [1, 1, seq, total]; `past` is an input with cached rows."""
    element, zero, one = writer.form.decoder, writer.constant(np.array(0)), writer.constant(np.array(1))
    lengths = [
        writer.node("Gather", [writer.node("Shape", [name]), axis], axis=0)
        for name, axis in ((past, zero), (graph_io.POSITION_IDS, one))
    ]
    keys = writer.node("Range", [zero, writer.node("Add", lengths), one])  # [total]
    queries = writer.reshape(graph_io.POSITION_IDS, -1, 1)  # [seq, 1]
    hidden_from = writer.node("Greater", [keys, queries])  # [seq, total]
    mask = writer.node("Where", [hidden_from, writer.number(MASKED, element), writer.number(0.0, element)])
    return writer.node("Unsqueeze", [mask, writer.int64(0, 1)])


def _embedded(writer: CudaWriter, source: Source) -> str:
    """Rows of the embedding table, [1, seq, hidden]."""
    name = "language.model.embed_tokens"
    table = writer.typed(
        name, lambda: source.embed_tokens.dequantized(name, source.config.hidden_size), writer.form.decoder
    )
    return writer.node("Gather", [table, graph_io.INPUT_IDS], axis=0)


def _write_layers(writer: CudaWriter, source: Source, rows: str, cache: Sequence[CacheTensor], at: Place) -> None:
    config, stored = source.config, source.decoder
    per_layer = len(cache) // config.num_hidden_layers
    residual, delta = rows, ""
    for layer in range(config.num_hidden_layers):
        name = f"language.model.layers.{layer}"
        tensors = cache[layer * per_layer : (layer + 1) * per_layer]
        normed, residual = _norm(writer, source, residual, delta, f"{name}.input_layernorm")
        if config.use_mla:
            delta = latent_attention(writer, stored, config, normed, f"{name}.self_attn", tensors[0], at)
        else:
            delta = plain_attention(writer, stored, config, normed, f"{name}.self_attn", tensors, at)
        if layer == config.num_hidden_layers - 1 and not at.index:
            # Logits follow from one position; the others only had to write their rows.
            residual, delta = (writer.node("Gather", [x, graph_io.LAST_INDEX], axis=1) for x in (residual, delta))
        normed, residual = _norm(writer, source, residual, delta, f"{name}.post_attention_layernorm")
        if config.is_moe(layer):
            delta = experts(writer, stored, config, normed, f"{name}.mlp")
        else:
            delta = _gated_mlp(writer, stored, config, normed, f"{name}.mlp")
    normed, _ = _norm(writer, source, residual, delta, "language.model.norm")
    _write_results(writer, source, normed)


def _norm(writer: CudaWriter, source: Source, residual: str, delta: str, name: str) -> tuple[str, str]:
    """(normalised sum, sum) of residual and delta; the first norm has nothing to add."""

    def weight() -> NDArray[np.float32]:
        return source.decoder.array(name)

    if not delta:
        return writer.rms_norm(residual, name, weight, source.config.rms_norm_eps), residual
    return writer.add_and_rms_norm(residual, delta, name, weight, source.config.rms_norm_eps)


def _gated_mlp(writer: CudaWriter, stored: StoredWeights, config: LanguageConfig, x: str, name: str) -> str:
    """`down(silu(gate x) * up x)`, gate and up in one product; `QuickGelu` with alpha 1 is silu."""
    hidden, inner, element = config.hidden_size, config.intermediate_size, writer.form.decoder

    def gate_and_up() -> BlockWeight:
        gate, up = (stored.blocks(f"{name}.{part}_proj", hidden) for part in ("gate", "up"))
        packed, scales = np.concatenate([gate.packed, up.packed]), np.concatenate([gate.scales, up.scales])
        return BlockWeight(packed, scales, gate.form, hidden)

    both = writer.block_linear(x, f"{name}.gate_and_up_proj", gate_and_up, element)
    gate, up = writer.split(both, inner, inner)
    activated = writer.node("Mul", [writer.contrib("QuickGelu", [gate], alpha=1.0), up])
    down = f"{name}.down_proj"
    return writer.block_linear(activated, down, lambda: stored.blocks(down, inner), element)


def _write_results(writer: CudaWriter, source: Source, normed: str) -> None:
    """Logits, and what `write_best` makes of them."""
    config, form, name = source.config, writer.form, "language.lm_head"
    x = writer.reshape(normed, 1, config.hidden_size)
    x = writer.cast(x, form.head, form.decoder)
    logits = writer.block_linear(x, name, lambda: source.decoder.blocks(name, config.hidden_size), form.head)
    writer.cast(logits, "float32", form.head, into=graph_io.LOGITS)
    write_best(writer, config.vocab_size)


def write_best(writer: CudaWriter, vocab_size: int) -> None:
    """What has to be read after a step: the likeliest id, or NaN for bad logits, and the logarithm of its probability.

    The powers are summed by `ReduceSum`, whose kernel spreads one long row over many blocks; that of `LogSoftmax` gives
    a row to one block, and for a product with ones another table would lie among the weights.
    """
    writer.node("ArgMax", [graph_io.LOGITS], axis=-1, keepdims=1, into=graph_io.NEXT_ID)  # [1, 1]
    zeros = writer.typed("zeros", lambda: np.zeros((vocab_size, 1), np.float32), "float32")
    check = writer.node("MatMul", [graph_io.LOGITS, zeros])  # [1, 1]: 0, or NaN
    token = writer.node("Cast", [graph_io.NEXT_ID], to=TensorProto.FLOAT)
    writer.node("Add", [token, check], into=graph_io.CHECKED_ID)
    best = writer.node("GatherElements", [graph_io.LOGITS, graph_io.NEXT_ID], axis=-1)  # [1, 1]
    powers = writer.node("Exp", [writer.node("Sub", [graph_io.LOGITS, best])])  # [1, vocab]: 1 for the likeliest
    total = writer.node("ReduceSum", [powers, writer.int64(-1)], keepdims=1)  # [1, 1]
    writer.node("Sub", [check, writer.node("Log", [total])], into=graph_io.LOGPROB)


def result_values(vocab_size: int) -> list[ValueInfoProto]:
    """Of both graphs: logits, and what `write_best` writes."""
    return [
        float_value(graph_io.LOGITS, [1, vocab_size], "float32"),
        int64_value(graph_io.NEXT_ID, [1, 1]),
        float_value(graph_io.CHECKED_ID, [1, 1], "float32"),
        float_value(graph_io.LOGPROB, [1, 1], "float32"),
    ]

"""How many bytes of weights and cache one token reads, counted from the files, of ours and of llama.cpp's."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import Any

import numpy as np
import onnx
from gguf import GGMLQuantizationType as Kind

from dsvl2_bench.peers.gguf_model import BLOCKS, tensor_plans
from dsvl2_export.graphs.attributes import attributes_of
from dsvl2_runtime.bundle.bundle import Bundle
from dsvl2_runtime.config import LanguageConfig
from dsvl2_runtime.graphs import graph_io
from dsvl2_runtime.graphs.decoder_graph import decoder_graphs
from dsvl2_runtime.graphs.elements import BY_NAME
from dsvl2_runtime.graphs.target import CPU

EXPERTS = ("Experts", "QMoE")
LOOKED_UP = ("Gather", "GatherElements", "RotaryEmbedding")
"""Operators that read single rows of a weight."""
FLOAT16_BYTES = 2


def bundle_bytes(bundle: Bundle, context: int) -> int:
    """Bytes that a decode step of a bundle's decoder reads behind so many cached rows.

    Both its graphs read the same weights, and maybe rows of two types.

    Of experts those that are chosen count, the shared ones among them; of two branches that of a single token.
    """
    model = onnx.load(str(bundle.graph(graph_io.DECODER, CPU.name)), load_external_data=False)
    sizes = {entry.name: _tensor_bytes(entry) for entry in model.graph.initializer}
    experts = {entry.name: entry.dims[0] for entry in model.graph.initializer if entry.dims}
    read: dict[str, int] = {}
    for node in _step_nodes(model.graph):
        if node.op_type in LOOKED_UP:
            continue
        for name in node.input:
            if name in sizes:
                chosen = attributes_of(node)["k"] / experts[name] if node.op_type in EXPERTS else 1
                read[name] = round(sizes[name] * chosen)
    return sum(read.values()) + cached_bytes(bundle, context)


def cached_bytes(bundle: Bundle, context: int) -> int:
    """Bytes of so many cached rows of all layers, of the graph that runs here."""
    tensors = graph_io.cache_tensors(bundle.manifest.config.language_config, next(decoder_graphs(bundle)).cache)
    return context * sum(tensor.row * BY_NAME[tensor.dtype].nbytes for tensor in tensors)


def gguf_bytes(config: LanguageConfig, kind: Kind, context: int) -> int:
    """The same of a GGUF file, whose engines keep rows in fp16: latent ones, or those of keys and values."""
    read = 0
    for plan in tensor_plans(config, kind):
        per_block, size = BLOCKS[plan.kind]
        nbytes = prod(plan.shape) // per_block * size
        if "_exps." in plan.name:
            nbytes = nbytes * (config.num_experts_per_tok or 0) // plan.shape[0]
        if not plan.name.startswith("token_embd"):
            read += nbytes
    latent = (config.kv_lora_rank or 0) + config.qk_rope_head_dim
    row = latent if config.use_mla else 2 * config.hidden_size
    return read + context * config.num_hidden_layers * row * FLOAT16_BYTES


def _step_nodes(graph: Any) -> Iterator[Any]:
    """All nodes that run for one token, the first branch of each `If` in its place."""
    for node in graph.node:
        yield node
        if node.op_type == "If":
            yield from _step_nodes(attributes_of(node)["then_branch"])


def _tensor_bytes(entry: Any) -> int:
    return int(prod(entry.dims)) * int(np.dtype(onnx.helper.tensor_dtype_to_np_dtype(entry.data_type)).itemsize)

"""Random weights in a GGUF file of one of llama.cpp's architectures, for measuring speed alone.

Small and Base are `deepseek2` (`src/models/deepseek2.cpp` of llama.cpp: `load_arch_hparams`, `load_arch_tensors`).
Tiny has ordinary heads, which llama.cpp calls `deepseek` and ik_llama.cpp does not know. So it is `ernie4_5-moe`
(`src/models/ernie4-5.cpp`), which both know and which has the same products; it only divides the weights of a token's
experts by their sum as well. Formats are those that `llama-quantize` would choose: the output matrix in Q6_K, rows that
no block of 256 divides in Q5_0.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from gguf import GGMLQuantizationType as Kind
from gguf import GGUFWriter
from numpy.typing import NDArray

from dsvl2_runtime.config import LanguageConfig
from dsvl2_runtime.machine.files import new_file, only_writer

BLOCKS = {Kind.F32: (1, 4), Kind.Q4_0: (32, 18), Kind.Q5_0: (32, 22), Kind.Q4_K: (256, 144), Kind.Q6_K: (256, 210)}
"""Values and bytes of a block (`ggml-common.h`)."""
SCALE_AT = {Kind.Q4_0: (0,), Kind.Q5_0: (0,), Kind.Q4_K: (0, 2), Kind.Q6_K: (208,)}
"""Where a block's fp16 scales begin; every other byte may be any number."""
LATENT_ARCHITECTURE, HEADS_ARCHITECTURE = "deepseek2", "ernie4_5-moe"
SCALE = 0.002
POOL_BLOCKS = 1 << 16


@dataclass(frozen=True, slots=True)
class TensorPlan:
    """One tensor: its name, [.., rows, columns] and format."""

    name: str
    shape: tuple[int, ...]
    kind: Kind


def tensor_plans(config: LanguageConfig, kind: Kind) -> Iterator[TensorPlan]:
    """Every tensor of the file."""
    hidden = config.hidden_size

    def weight(name: str, *shape: int, wanted: Kind = kind) -> TensorPlan:
        fallback = {Kind.Q4_0: Kind.Q4_0, Kind.Q4_K: Kind.Q5_0, Kind.Q6_K: Kind.Q4_0}
        fits = wanted == Kind.F32 or shape[-1] % BLOCKS[wanted][0] == 0
        return TensorPlan(f"{name}.weight", shape, wanted if fits else fallback[wanted])

    def norm(name: str, width: int) -> TensorPlan:
        return weight(name, width, wanted=Kind.F32)

    yield weight("token_embd", config.vocab_size, hidden)
    yield norm("output_norm", hidden)
    yield weight("output", config.vocab_size, hidden, wanted=Kind.Q6_K)
    for layer in range(config.num_hidden_layers):
        at = f"blk.{layer}"
        yield norm(f"{at}.attn_norm", hidden)
        if config.use_mla:
            yield norm(f"{at}.attn_kv_a_norm", config.kv_lora_rank or 0)
            yield from _latent(weight, at, config)
        else:
            for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
                yield weight(f"{at}.{name}", hidden, hidden)
        yield norm(f"{at}.ffn_norm", hidden)
        if not config.is_moe(layer):
            yield from _mlp(weight, at, "", (), hidden, config.intermediate_size)
            continue
        experts, width = config.n_routed_experts or 0, config.moe_intermediate_size
        yield weight(f"{at}.ffn_gate_inp", experts, hidden, wanted=Kind.F32)
        yield from _mlp(weight, at, "_exps", (experts,), hidden, width)
        yield from _mlp(weight, at, "_shexp", (), hidden, width * (config.n_shared_experts or 0))


def _latent(weight, at: str, config: LanguageConfig) -> Iterator[TensorPlan]:  # type: ignore[no-untyped-def]
    hidden, heads, rank = config.hidden_size, config.num_attention_heads, config.kv_lora_rank or 0
    rope, nope, value = config.qk_rope_head_dim, config.qk_nope_head_dim, config.v_head_dim
    yield weight(f"{at}.attn_q", heads * (nope + rope), hidden)
    yield weight(f"{at}.attn_kv_a_mqa", rank + rope, hidden)
    yield weight(f"{at}.attn_k_b", heads, rank, nope)
    yield weight(f"{at}.attn_v_b", heads, value, rank)
    yield weight(f"{at}.attn_output", hidden, heads * value)


def _mlp(weight, at: str, suffix: str, stack: tuple[int, ...], hidden: int, width: int) -> Iterator[TensorPlan]:  # type: ignore[no-untyped-def]
    yield weight(f"{at}.ffn_gate{suffix}", *stack, width, hidden)
    yield weight(f"{at}.ffn_up{suffix}", *stack, width, hidden)
    yield weight(f"{at}.ffn_down{suffix}", *stack, hidden, width)


def write_gguf(path: Path, config: LanguageConfig, kind_name: str) -> None:
    """Write the file, one tensor in memory at a time.

    Args:
        path: of the new file; it appears when it is complete.
        config: with latent attention, of a model of 27 layers, which llama.cpp takes for one without a query rank.
        kind_name: "Q4_0" or "Q4_K".
    """
    kind = Kind[kind_name]
    with only_writer(path), new_file(path) as unfinished:
        writer = GGUFWriter(str(unfinished), LATENT_ARCHITECTURE if config.use_mla else HEADS_ARCHITECTURE)
        _describe(writer, config)
        plans = list(tensor_plans(config, kind))
        for plan in plans:
            per_block, size = BLOCKS[plan.kind]
            columns = plan.shape[-1] // per_block * size
            dtype = np.dtype(np.float32) if plan.kind == Kind.F32 else np.dtype(np.uint8)
            shape = plan.shape if plan.kind == Kind.F32 else (*plan.shape[:-1], columns)
            nbytes = int(np.prod(plan.shape)) // per_block * size
            writer.add_tensor_info(plan.name, shape, dtype, nbytes, None if plan.kind == Kind.F32 else plan.kind)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
        pools = {found: _pool(found) for found in BLOCKS}
        for plan in plans:
            per_block, size = BLOCKS[plan.kind]
            count = int(np.prod(plan.shape)) // per_block
            if plan.name.endswith("norm.weight"):
                data = np.ones(plan.shape, np.float32).view(np.uint8)
            else:
                data = np.resize(pools[plan.kind], (count, size)).reshape(-1)
            writer.write_tensor_data(data)
        writer.close()


def _pool(kind: Kind) -> NDArray[np.uint8]:
    """Random blocks with small scales, [blocks, bytes]."""
    generator = np.random.default_rng(0)
    if kind == Kind.F32:
        return generator.normal(0, 0.02, POOL_BLOCKS).astype(np.float32).view(np.uint8).reshape(-1, 4)
    pool = generator.integers(0, 256, (POOL_BLOCKS, BLOCKS[kind][1]), dtype=np.uint8)
    scale = np.frombuffer(np.float16(SCALE).tobytes(), np.uint8)
    for at in SCALE_AT[kind]:
        pool[:, at : at + 2] = scale
    return pool


def _describe(writer: GGUFWriter, config: LanguageConfig) -> None:
    writer.add_name("random weights")
    writer.add_vocab_size(config.vocab_size)
    writer.add_tokenizer_model("no_vocab")
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(config.rope_theta)
    if config.use_mla:
        rank, rope = config.kv_lora_rank or 0, config.qk_rope_head_dim
        writer.add_head_count_kv(1)  # one latent row for all heads
        writer.add_rope_dimension_count(rope)
        writer.add_kv_lora_rank(rank)
        writer.add_key_length(rank + rope)
        writer.add_value_length(rank)
        writer.add_key_length_mla(config.qk_nope_head_dim + rope)
        writer.add_value_length_mla(config.v_head_dim)
    else:
        writer.add_head_count_kv(config.num_key_value_heads)
        writer.add_rope_dimension_count(config.hidden_size // config.num_attention_heads)
        writer.add_interleave_moe_layer_step(1)
        writer.add_expert_shared_feed_forward_length(config.moe_intermediate_size * (config.n_shared_experts or 0))
    writer.add_leading_dense_block_count(config.first_k_dense_replace)
    writer.add_expert_count(config.n_routed_experts or 0)
    writer.add_expert_used_count(config.num_experts_per_tok or 0)
    writer.add_expert_shared_count(config.n_shared_experts or 0)
    writer.add_expert_feed_forward_length(config.moe_intermediate_size)
    writer.add_expert_weights_scale(config.routed_scaling_factor)
    writer.add_expert_weights_norm(config.norm_topk_prob)

"""What the comparison with other engines is made of; the engines themselves are not needed."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from gguf import GGMLQuantizationType as Kind
from gguf import GGUFReader

from dsvl2_bench import cli
from dsvl2_bench.cli import peer_programs, ratios
from dsvl2_bench.peers import torch_vision
from dsvl2_bench.peers.gguf_model import BLOCKS, tensor_plans, write_gguf
from dsvl2_bench.peers.torch_vision import REPEATS, seconds_per_tile
from dsvl2_bench.phases import TILES
from dsvl2_bench.turns import figures_of, in_turns
from dsvl2_export.checkpoint.tensor_names import expected_tensors
from dsvl2_runtime.bundle.releases import official_config
from dsvl2_runtime.config import LanguageConfig
from dsvl2_runtime.errors import GenerationError, MissingExtraError, UsageError
from small_models import small_config


def test_programs_take_turns_and_medians_count() -> None:
    """Not all runs of one and then all of the other: a slow minute would fall on one alone."""
    order: list[str] = []
    numbers = {"a": iter([1.0, 9.0, 2.0]), "b": iter([5.0, 4.0, 3.0])}

    def program(name: str) -> dict[str, object]:
        order.append(name)
        return {"s": next(numbers[name]), "by": {"1": len(order)}, "none": None}

    found = in_turns({"a": lambda: program("a"), "b": lambda: program("b")}, 3)
    assert order == ["a", "b"] * 3
    assert found == {"a": {"s": 2.0, "by": {"1": 3}, "none": None}, "b": {"s": 4.0, "by": {"1": 4}, "none": None}}


def test_words_have_no_median() -> None:
    """The kernels that ran are said once; where runs differ, all are."""
    assert in_turns({"a": lambda: {"kernels": "avx2"}}, 2) == {"a": {"kernels": "avx2"}}
    names = iter(["avx512", "avx2"])
    assert in_turns({"a": lambda: {"kernels": next(names)}}, 2) == {"a": {"kernels": "avx2, avx512"}}


def test_a_program_that_fails_says_why() -> None:
    """The last line of what it said."""
    with pytest.raises(GenerationError, match=r"measuring with dsvl2_bench\.phases .* failed: .*required"):
        figures_of("dsvl2_bench.phases", "nowhere")


def test_ratios_say_how_much_faster_ours_is() -> None:
    """Seconds and rates the right way round; what only one of them has is left out."""
    ours = {"vision_s_per_tile": 0.5, "prefill_tok_s": {"421": 100.0, "1415": 90.0}, "decode_tok_s": {"0": 10.0}}
    theirs = {"vision_s_per_tile": 1.0, "prefill_tok_s": {"421": 50.0, "7": 1.0}, "decode_tok_s": {"0": 20.0}}
    assert ratios(ours, theirs) == {"vision": 2.0, "prefill of 421 tokens": 2.0, "decode after 0 tokens": 0.5}


def gguf_config() -> LanguageConfig:
    """Widths that blocks of 256 divide, except those of the experts, as in Small."""
    return LanguageConfig(
        vocab_size=512, hidden_size=256, intermediate_size=512, moe_intermediate_size=96, num_hidden_layers=2,
        num_attention_heads=2, num_key_value_heads=2, n_shared_experts=2, n_routed_experts=4, num_experts_per_tok=2,
        kv_lora_rank=64, qk_nope_head_dim=32, qk_rope_head_dim=32, v_head_dim=32,
    )  # fmt: skip


@pytest.mark.parametrize("kind", ["Q4_0", "Q4_K"])
def test_the_file_is_a_whole_one_in_the_wanted_formats(tmp_path: Path, kind: str) -> None:
    """Read back with the reader of its own library: names, shapes, formats, finite scales."""
    config = gguf_config()
    path = tmp_path / "model.gguf"
    write_gguf(path, config, kind)
    reader = GGUFReader(path)
    assert reader.fields["deepseek2.attention.kv_lora_rank"].contents() == 64
    found = {tensor.name: tensor for tensor in reader.tensors}
    plans = list(tensor_plans(config, Kind[kind]))
    assert set(found) == {plan.name for plan in plans}
    for plan in plans:
        tensor = found[plan.name]
        assert tuple(reversed(tensor.shape.tolist())) == plan.shape
        assert tensor.tensor_type == plan.kind
        per_block, size = BLOCKS[plan.kind]
        assert tensor.n_bytes == int(np.prod(plan.shape)) // per_block * size
    assert found["blk.1.ffn_gate_exps.weight"].tensor_type == Kind[kind]
    assert found["blk.1.ffn_down_exps.weight"].tensor_type == (Kind.Q4_0 if kind == "Q4_0" else Kind.Q5_0)
    scales = np.asarray(found["blk.1.attn_q.weight"].data).reshape(-1, BLOCKS[Kind[kind]][1])[:, :2]
    assert 0 < np.ascontiguousarray(scales).view(np.float16).max() < 0.01
    assert list(tmp_path.iterdir()) == [path]


def test_a_model_with_ordinary_heads_has_the_names_of_an_architecture_with_them(tmp_path: Path) -> None:
    """Which both engines know; its own name would be unknown to ik_llama.cpp."""
    config = replace(gguf_config(), use_mla=False, kv_lora_rank=None, first_k_dense_replace=1)
    path = tmp_path / "model.gguf"
    write_gguf(path, config, "Q4_0")
    reader = GGUFReader(path)
    fields = {name: field.contents() for name, field in reader.fields.items()}
    assert fields["general.architecture"] == "ernie4_5-moe"
    assert fields["ernie4_5-moe.attention.head_count_kv"] == 2
    assert fields["ernie4_5-moe.rope.dimension_count"] == 128
    assert fields["ernie4_5-moe.interleave_moe_layer_step"] == 1
    assert fields["ernie4_5-moe.leading_dense_block_count"] == 1
    assert fields["ernie4_5-moe.expert_shared_feed_forward_length"] == 192
    shapes = {tensor.name: tuple(reversed(tensor.shape.tolist())) for tensor in reader.tensors}
    assert shapes["blk.0.attn_k.weight"] == shapes["blk.1.attn_v.weight"] == (256, 256)
    assert shapes["blk.0.ffn_gate.weight"] == (512, 256)
    assert shapes["blk.1.ffn_gate_shexp.weight"] == (192, 256)
    assert "blk.0.attn_kv_a_mqa.weight" not in shapes


@pytest.mark.parametrize("variant", ["tiny", "small"])
def test_it_has_as_many_numbers_as_the_language_model(variant: str) -> None:
    """Same sizes, or the comparison would be worth nothing."""
    config = official_config(variant)
    ours = sum(int(np.prod(shape)) for name, shape in expected_tensors(config).items() if name.startswith("language."))
    theirs = sum(int(np.prod(plan.shape)) for plan in tensor_plans(config.language_config, Kind.Q4_0))
    assert theirs == ours


def test_the_torch_tower_is_measured_tile_by_tile(monkeypatch: pytest.MonkeyPatch) -> None:
    """The median of single tiles, the first one left out; here a clock says how long each takes."""
    seconds = iter([100.0, *range(1, REPEATS * TILES + 1)])
    ticks = (tick for taken in seconds for tick in (0.0, float(taken)))
    monkeypatch.setattr(torch_vision, "perf_counter", lambda: next(ticks))
    threads = torch.get_num_threads()
    try:
        assert seconds_per_tile(small_config("small"), 1) == (REPEATS * TILES + 1) / 2
    finally:
        torch.set_num_threads(threads)
    assert next(ticks, None) is None


@pytest.mark.skipif(sys.platform == "win32", reason="the stand-in for llama-bench is a script")
def test_ik_llama_is_asked_for_our_lengths(tmp_path: Path) -> None:
    """A stand-in answers with one rate for each test of its command line, under the labels that llama-bench gives."""
    program = tmp_path / "llama-bench"
    program.write_text(f"""#!{sys.executable}
import json, sys
words = sys.argv[1:]
after = lambda name: [words[i + 1] for i, word in enumerate(words) if word == name]
assert after("-mla") == ["3"] and after("-m") == ["model.gguf"] and after("-t") == ["3"]
labels = ["pp" + n for n in after("-p")[0].split(",")] + ["tg" + after("-n")[0]]
labels += ["tg%s@pp%s" % tuple(reversed(pair.split(","))) for pair in after("-gp")]
print(json.dumps([{{"test": label, "avg_ts": 100 + i}} for i, label in enumerate(labels)]))
""")
    program.chmod(0o755)
    found = figures_of("dsvl2_bench.peers.ik_llama", "model.gguf", "--program", str(program), "--threads", "3")
    assert found == {
        "prefill_tok_s": {"421": 100, "1415": 101, "2017": 102},
        "decode_tok_s": {"0": 103, "1415": 104, "3500": 105},
    }
    program.write_text(f"#!{sys.executable}\nprint('no model')")
    with pytest.raises(GenerationError, match="not the output of ik_llama"):
        figures_of("dsvl2_bench.peers.ik_llama", "model.gguf", "--program", str(program), "--threads", "3")


def test_ik_llama_needs_its_program(tmp_path: Path) -> None:
    for path in (None, tmp_path / "nowhere"):
        with pytest.raises(UsageError, match="needs --llama-bench with the path"):
            peer_programs(["ik_llama"], "small", 1, path)


def test_a_peer_that_is_not_there_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before 9 GB are written for it."""
    with pytest.raises(UsageError, match="no peer 'ollama' for small"):
        peer_programs(["ollama"], "small", 1)
    with pytest.raises(UsageError, match="no peer 'llamacpp' for tiny"):
        peer_programs(["llamacpp"], "tiny", 1)
    monkeypatch.setattr(cli, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match="peers"):
        peer_programs(["llamacpp"], "small", 1)
    with pytest.raises(MissingExtraError, match=r"openvino.*peers"):
        peer_programs(["openvino"], "tiny", 1)

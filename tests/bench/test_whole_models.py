"""What the measurement of a whole machine is made of; its figures belong to the machine and are asserted nowhere."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from math import prod
from pathlib import Path

import numpy as np
import onnx
import pytest
from gguf import GGMLQuantizationType as Kind

from dsvl2_bench import whole_models
from dsvl2_bench.bytes_read import bundle_bytes, cached_bytes, gguf_bytes
from dsvl2_bench.lengths import Lengths
from dsvl2_bench.memory import process_memory_gb
from dsvl2_bench.peers.gguf_model import BLOCKS, tensor_plans
from dsvl2_bench.summary import summary
from dsvl2_bench.turns import Figures, figures_of
from dsvl2_bench.whole_models import Plan, measure
from dsvl2_runtime.bundle.bundle import Bundle
from dsvl2_runtime.bundle.releases import official_config
from dsvl2_runtime.errors import GenerationError
from dsvl2_runtime.graphs.decoder_graph import decoder_graphs
from small_models import MakeBundle


def programs(*runs: tuple[str, Figures | str]) -> Callable[[Plan], tuple[int, dict[str, Callable[[], Figures]]]]:
    """A part of two rounds whose programs give figures, or fail with a text."""

    def program(found: Figures | str) -> Figures:
        if isinstance(found, str):
            raise GenerationError(found)
        return found

    return lambda plan: (2, {name: (lambda found=found: program(found)) for name, found in runs})  # type: ignore[misc]


def test_each_result_is_written_as_it_comes_and_an_engine_that_fails_stops_no_other(
    tmp_path: Path, bundle: MakeBundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = {"prefill_tok_s": {"421": 30.0}, "decode_tok_s": {"0": 8.0}, "read_gb_s": 2.0, "kernels": "amx"}
    theirs = {"prefill_tok_s": {"421": 20.0}, "decode_tok_s": {"0": 10.0}}
    part = programs(("ours", ours), ("other", theirs), ("broken", "no such file"))
    monkeypatch.setattr(whole_models, "PARTS", {"decoder": part, "vision": programs(("ours", {}))})
    plan = Plan(tmp_path, 1, None, Lengths(), 2)
    monkeypatch.setattr(Plan, "bundle", lambda self, variant: bundle("small", "int4"))
    measure(plan, ["decoder"])
    lines = [json.loads(line) for line in (tmp_path / "measured.jsonl").read_text("utf-8").splitlines()]
    assert [line["name"] for line in lines] == ["ours", "other", "broken"] * 2
    assert lines[0]["figures"] == ours
    assert "no such file" in lines[2]["error"]
    text = (tmp_path / "summary.txt").read_text("utf-8")
    assert "prefill of 421 tokens: ours 30, other 20 (the first is 1.50 times as fast) tokens/s" in text
    assert "decode after 0 tokens: ours 8, other 10 (the first is 0.80 times as fast) tokens/s" in text
    assert "broken failed: no such file" in text
    read = bundle_bytes(Bundle.open(bundle("small", "int4")), 0)
    assert f"ours after 0: {read / 1e9:.3f} GB a token, {8 * read / 1e9:.1f} GB/s, {4 * read / 1e9:.0%}" in text


def test_seconds_are_compared_the_other_way_round(bundle: MakeBundle) -> None:
    """Less is faster."""
    results = [
        {"part": "vision", "name": name, "turn": 0, "figures": {"vision_s_per_tile": seconds}}
        for name, seconds in (("ours", 0.5), ("openvino", 0.6))
    ]
    text = summary(results, bundle("small", "int4"), Kind.Q4_0)
    assert "vision per tile: ours 0.5, openvino 0.6 (the first is 1.20 times as fast) s" in text


@pytest.mark.parametrize("variant", ["small", "base"])
def test_a_token_reads_the_chosen_experts_and_its_own_branch(variant: str, bundle: MakeBundle) -> None:
    """All weights of the file but the experts that are not chosen, what only prompts read, and tables."""
    opened = Bundle.open(bundle(variant, "int4"))
    language = opened.manifest.config.language_config
    model = onnx.load(str(opened.graph("decoder", "cpu")), load_external_data=False)
    expected = 0
    for entry in model.graph.initializer:
        nbytes = prod(entry.dims) * np.dtype(onnx.helper.tensor_dtype_to_np_dtype(entry.data_type)).itemsize
        if ".mlp.gate_up" in entry.name or (".mlp.down" in entry.name and "down_proj" not in entry.name):
            chosen = (language.num_experts_per_tok or 0) + (language.n_shared_experts or 0)
            nbytes = nbytes * chosen // entry.dims[0]
        if entry.name.startswith("language.") and "kv_b_proj" not in entry.name:
            expected += nbytes
    read = bundle_bytes(opened, 0)
    assert expected <= read <= expected + 2000  # sizes and other constants of the graph
    value_bytes = 4 if next(decoder_graphs(opened)).kernels is None else 2
    rows = 7 * value_bytes * language.num_hidden_layers * (language.latent_rank + language.qk_rope_head_dim)
    assert bundle_bytes(opened, 7) - read == cached_bytes(opened, 7) == rows


@pytest.mark.parametrize(("variant", "row"), [("small", 27 * 576), ("tiny", 12 * 2 * 1280)])
def test_llama_cpp_reads_all_but_embeddings_and_other_experts(variant: str, row: int) -> None:
    """Behind some tokens also their rows in fp16, one number for each of `row`."""
    language = official_config(variant).language_config
    expected = 0
    for plan in tensor_plans(language, Kind.Q4_0):
        per_block, size = BLOCKS[plan.kind]
        shape = (6, *plan.shape[1:]) if "_exps" in plan.name else plan.shape
        expected += 0 if "token_embd" in plan.name else prod(shape) * size // per_block
    assert gguf_bytes(language, Kind.Q4_0, 0) == expected
    assert gguf_bytes(language, Kind.Q4_0, 10) - expected == 10 * row * 2


def test_a_start_is_measured_with_another_process_beside_it(bundle: MakeBundle) -> None:
    """Seconds, the first token about a screenshot, and the memory of both processes, which share the mapped weights."""
    found = figures_of("dsvl2_bench.starting", str(bundle("small", "int4")), "--threads", "1")
    assert found["start_to_ready_s"] > found["load_s"] > 0
    assert found["prompt_tokens"] > 9
    assert set(found["first_token_s"]) == {"first", "again"}
    if sys.platform == "linux":
        for name in ("loaded_gb", "after_prompt_gb", "two_processes_this_gb", "two_processes_other_gb"):
            assert set(found[name]) == {"Rss", "Pss", "Anonymous"}
            assert found[name]["Rss"] > found[name]["Anonymous"] > 0
        # Libraries and weights of the first process are now divided among two.
        assert found["two_processes_this_gb"]["Pss"] < found["two_processes_this_gb"]["Rss"]


def test_only_the_parts_and_lengths_that_are_asked_for_are_measured(bundle: MakeBundle) -> None:
    lengths = Lengths((20, 30), (0, 10))
    line = (str(bundle("small", "int4")), "--threads", "1", "--repeats", "1", *lengths.arguments())
    found = figures_of("dsvl2_bench.phases", *line, "--parts", "decoder")
    assert set(found["prefill_tok_s"]) == {"20", "30"}
    assert set(found["decode_tok_s"]) == {"0", "10"}
    assert found["vision_s_per_tile"] is None
    found = figures_of("dsvl2_bench.phases", *line, "--parts", "vision", environment={"DSVL2_KERNELS": "off"})
    assert (found["prefill_tok_s"], found["decode_tok_s"], found["kernels"]) == ({}, {}, None)
    assert found["vision_s_per_tile"] > 0


def test_memory_of_a_process_is_read_by_name(tmp_path: Path) -> None:
    path = tmp_path / "smaps_rollup"
    path.write_text(
        "55d0-7ffd ---p 00000000 00:00 0    [rollup]\nRss:     2000000 kB\nAnonymous:   1000000 kB\n", "ascii"
    )
    assert process_memory_gb(path) == {"Rss": 2.048, "Anonymous": 1.024}
    assert process_memory_gb(tmp_path / "nowhere") == {}

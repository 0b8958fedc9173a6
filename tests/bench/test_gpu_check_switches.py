"""What helps to find a fault of the check of a GPU: switches, several runs into one folder, errors and profiles."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dsvl2_bench.gpu_check import check, said
from dsvl2_bench.gpu_check.folder import OTHER_FORMS, keep_cuda_graphs
from dsvl2_bench.gpu_check.kernel_times import by_operator, summary
from dsvl2_bench.gpu_check.plan import FIRST_KERNEL, FORM, FORMS, OPTIONS, SECONDS, SWITCHES, expanded, limits
from dsvl2_bench.gpu_check.record import stderr_of
from dsvl2_export.exporter import export_weights
from dsvl2_export.graphs.cuda.form import ON_CPU
from dsvl2_export.synth.config import synthetic_config
from dsvl2_export.synth.weights import RandomWeights
from dsvl2_export.upgrade import add_cuda_graphs
from dsvl2_runtime.bundle.bundle import Bundle
from dsvl2_runtime.graphs.target import CUDA_ON_CPU, MORE_OPTIONS
from dsvl2_runtime.model import VisionLanguageModel


def test_a_stage_can_have_a_switch() -> None:
    """What is set in its environment is named there; one word stands for all of them."""
    assert expanded("parity@plain,speed") == ["parity@plain", "speed"]
    assert expanded("switches") == ["quick", *(f"quick@{name}" for name in SWITCHES)]
    assert limits("speed@float16") == ("speed", limits("speed")[1], {FORM: "float16"})
    assert limits("parity@plain")[2] == {OPTIONS: "sdpa_kernel=16"}
    assert limits("speed@first-kernel")[2] == {FIRST_KERNEL: "1"}
    assert set(OTHER_FORMS) == set(FORMS) <= set(SWITCHES)
    assert OPTIONS == MORE_OPTIONS
    for wrong in ("sped", "speed@fast", ""):
        with pytest.raises(ValueError, match="there is no"):
            expanded(wrong)


def test_speed_has_time_in_three_minutes() -> None:
    """Even where each stage before it is ended because it took too long; answers come behind it."""
    stages = list(SECONDS)
    before = stages[: stages.index("speed")]
    assert before == ["environment", "placement", "parity"]
    assert 190 - sum(SECONDS[name] for name in before) >= 60
    assert stages.index("answers") > stages.index("speed")


def test_runs_into_one_folder_are_one_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stage that runs again stands for itself alone; what others said stays."""
    found = iter([1.0, 2.0, 3.0])

    def stage(name: str, *rest: Any) -> list[dict[str, Any]]:
        stderr_of(tmp_path, name).write_text("")
        lines = [{"stage": name, "load_s": next(found)}, {"stage": name, "ended": 0, "s": 1}]
        for line in lines:
            rest[-1](line)
        return lines

    monkeypatch.setattr(check, "run_stage", stage)
    for stages in ("parity,speed@plain", "parity"):
        assert check.main(["folder", str(tmp_path), "--stages", stages]) == 0
    lines = json.loads((tmp_path / "check.json").read_text("utf-8"))
    assert [(line["stage"], line["load_s"]) for line in lines if "load_s" in line] == [
        ("speed@plain", 2.0), ("parity", 3.0),
    ]  # fmt: skip
    text = (tmp_path / "table.txt").read_text("utf-8")
    assert "load_s=2.0" in text
    assert "load_s=3.0" in text
    assert "goal follow_up_s (speed@plain): 0.03, measured None" in text


def test_an_error_says_what_led_to_it_and_where(capsys: pytest.CaptureFixture[str]) -> None:
    """What ONNX Runtime says is behind the error of ours; the next case goes on."""

    def run() -> None:
        try:
            raise RuntimeError("CUDA failure 700 in node /layers.1/QMoE")
        except RuntimeError as error:
            raise ValueError("the GPU failed") from error

    with said.guarded(variant="tiny", pictures=2):
        run()
    line = json.loads(capsys.readouterr().out)
    assert (line["variant"], line["pictures"], line["ok"]) == ("tiny", 2, False)
    assert line["error"] == "ValueError: the GPU failed"
    assert line["because"] == "RuntimeError: CUDA failure 700 in node /layers.1/QMoE"
    assert line["where"].endswith(" run")


def test_times_of_kernels_are_summed_by_name() -> None:
    """Beside the span from the first to the last, of which the rest is waiting."""
    found = summary([("void gemm", 0.0, 1000.0), ("gemm", 2000.0, 500.0), ("copy", 4000.0, 1000.0)])
    assert found == {
        "card_ms": 2.5, "span_ms": 5.0, "count": 3, "most": {"gemm": "1.500 ms, 2x", "copy": "1.000 ms, 1x"},
    }  # fmt: skip
    assert summary([])["card_ms"] is None


def test_of_a_profile_the_last_run_counts(tmp_path: Path) -> None:
    """The first ones look for kernels."""

    def node(start: int, length: int) -> dict[str, Any]:
        arguments = {"op_name": "QMoE", "provider": "CUDAExecutionProvider"}
        return {"cat": "Node", "name": "n_kernel_time", "ts": start, "dur": length, "args": arguments}

    runs = [{"cat": "Session", "name": "model_run", "ts": start, "dur": 40} for start in (0, 100)]
    path = tmp_path / "profile.json"
    path.write_text(json.dumps([*runs, node(10, 9000), node(110, 20), node(130, 10)]))
    assert by_operator(path) == {"nodes_ms": 0.03, "run_ms": 0.04, "most": {"QMoE (CUDA)": "0.030 ms, 2x"}}
    path.write_text("[]")
    assert by_operator(path)["nodes_ms"] is None


def test_a_bundle_without_graphs_for_the_cpu_is_whole(tmp_path: Path) -> None:
    """It is opened and runs; the other graphs and their weights are gone."""
    folder = tmp_path / "bundle"
    export_weights(RandomWeights(synthetic_config("tiny", 0.06, layers=2)), folder, "int4")
    add_cuda_graphs(folder, ON_CPU)
    keep_cuda_graphs(folder)
    names = {path.name for path in folder.iterdir()}
    assert not {"decoder.onnx", "decoder.data", "embed_tokens.data", "vision_encoder.onnx"} & names
    bundle = Bundle.open(folder)
    assert {entry.path for entry in bundle.manifest.files} | {"manifest.json"} == names
    assert VisionLanguageModel(bundle, 1, target=CUDA_ON_CPU).next_token_logits("What is this?").any()


@pytest.fixture
def options_of(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], dict[str, str]]:
    """What the CUDA provider is given where the environment says so."""
    from dsvl2_runtime.graphs import target

    def given(more: str) -> dict[str, str]:
        seen = dict[str, str]()

        class Session:
            def __init__(self, path: str, options: object, providers: list[tuple[str, dict[str, str]]]) -> None:
                seen.update(providers[0][1])

            def get_providers(self) -> list[str]:
                return [target.CUDA.provider]

        monkeypatch.setenv(MORE_OPTIONS, more)
        monkeypatch.setattr("onnxruntime.InferenceSession", Session)
        target.CUDA.new_session(Path("graph.onnx"), target.CUDA.session_options(1), capture=True)
        return seen

    return given


def test_the_environment_can_give_other_options_to_the_provider(options_of: Callable[[str], dict[str, str]]) -> None:
    """They count more than ours."""
    assert options_of("")["enable_cuda_graph"] == "1"
    changed = options_of("enable_cuda_graph=0, sdpa_kernel=16")
    assert (changed["enable_cuda_graph"], changed["sdpa_kernel"], changed["use_tf32"]) == ("0", "16", "0")
    assert os.environ[MORE_OPTIONS]

"""The check for whoever has a GPU, tried out on the CPU: what it packs and finds, and what it says when it fails."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import psutil
import pytest

from dsvl2_bench.gpu_check import folder, sized_graphs, speeds, stages, verdict
from dsvl2_bench.gpu_check import said as said_module
from dsvl2_bench.gpu_check.check import goals, main, run_stage, table
from dsvl2_bench.gpu_check.folder import make_folder, needed_packages
from dsvl2_bench.gpu_check.plan import MORE_SECONDS, ROOM, SECONDS, SECONDS_OF_STAGE
from dsvl2_bench.gpu_check.sized_graphs import complete, fill_at_random, write_sized_graphs
from dsvl2_export.exporter import export_weights
from dsvl2_export.graphs.cuda.form import ON_CPU
from dsvl2_export.synth.config import synthetic_config
from dsvl2_export.synth.weights import RandomWeights
from dsvl2_export.upgrade import add_cuda_graphs
from dsvl2_runtime.bundle.bundle import Bundle
from dsvl2_runtime.graphs.target import CUDA_ON_CPU
from dsvl2_runtime.model import VisionLanguageModel
from tolerances import LOGPROB_FP32
from waiting import PATIENCE, wait_until


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder for one variant, in float32."""
    out = tmp_path_factory.mktemp("check") / "folder"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(folder, "SCALE", 0.06)
        patch.setattr(folder, "LAYERS", 2)
        make_folder(out, on_gpu=False, python="3.12", wheels=False, full=False, variants=("small",), questions=3)
    return out


def test_all_is_well_where_nothing_differs(packed: Path, tmp_path: Path) -> None:
    """Two independent writers of graphs, one from the integers and one from their values, in float32: far below 2 %."""
    arguments = [str(packed), str(tmp_path), "--device", "cpu", "--stages", "environment,placement,parity,answers"]
    assert main(arguments) == 0
    lines = json.loads((tmp_path / "check.json").read_text("utf-8"))
    found = [line for line in lines if "worst_step" in line]
    assert [(line["pictures"], line["chunk"]) for line in found] == [(n, c) for n in range(4) for c in (None, 100)]
    assert all(line["worst_step"] < 1e-4 and line["prompt"] < 1e-4 for line in found)  # sums in another order
    assert all(line["same_best"] == "50/50" for line in found)
    assert all(line["logprob_error"] < LOGPROB_FP32 for line in found)
    text = (tmp_path / "table.txt").read_text("utf-8")
    assert "parity: well, 8 of 8 checks" in text
    assert "answers: well, 1 of 1 checks" in text
    assert "speed: not run" in text


def test_times_say_what_they_go_to(packed: Path, tmp_path: Path) -> None:
    """A stage of its own tells which operators of each graph take the time."""
    assert main([str(packed), str(tmp_path), "--device", "cpu", "--stages", "nodes,quick@no-capture"]) == 0
    lines = json.loads((tmp_path / "check.json").read_text("utf-8"))
    found = {line["graph"]: line for line in lines if "graph" in line}
    assert set(found) == {"image_encoder_cuda", "decoder_prompt_cuda", "decoder_step_cuda"}
    assert all(line["nodes_ms"] > 0 for line in found.values())
    assert "QMoE (CPU)" in found["decoder_prompt_cuda"]["most"] | found["decoder_step_cuda"]["most"]
    assert "quick@no-capture: well, 2 of 2 checks" in (tmp_path / "table.txt").read_text("utf-8")


@pytest.fixture
def timed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is said is looked at, and not how long it takes."""
    monkeypatch.setattr(speeds, "REPEATS", 1)


@pytest.mark.usefixtures("timed_once")
def test_a_screenshot_is_timed_in_parts(packed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Vision and prompt apart from each other, and from what is done before."""
    model = said_module.opened(packed / "small", "cpu")
    speeds._first_tokens(model)
    *_, times, last = map(json.loads, capsys.readouterr().out.splitlines())
    ms = times["all_ms"]
    for vision, prompt, whole in zip(ms["first_vision"], ms["first_prefill"], ms["first"], strict=True):
        assert 0 < vision + prompt <= whole + 0.03  # each is rounded
    assert "follow_up_vision" not in ms  # the features are kept
    assert all(ms["follow_up_prefill"])
    assert last["prepare_and_first_token_s"] == pytest.approx(last["prepare_s"] + last["first_token_s"], abs=2e-4)
    assert last["follow_up_s"] < last["prepare_and_follow_up_s"]


@pytest.mark.usefixtures("timed_once")
def test_an_untuned_model_is_timed_as_a_tuned_one(packed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A question finds it so, for which a model is loaded; its figures are not taken for those that have goals."""
    model = said_module.opened(packed / "small", "cpu")
    capsys.readouterr()
    speeds._tuning(model)
    speeds._first_tokens(model)
    lines = list(map(json.loads, capsys.readouterr().out.splitlines()))
    untuned = next(line for line in lines if "untuned_first_token_s" in line)
    assert untuned.keys() == {f"untuned_{name}" for name in lines[-1]}
    assert not untuned.keys() & lines[-1].keys()
    assert lines.index(untuned) < next(at for at, line in enumerate(lines) if "tune_s" in line)


def test_logits_that_differ_are_a_failure(packed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the figure that tells how much."""
    said: list[dict[str, Any]] = []
    for module in (stages, said_module):
        monkeypatch.setattr(module, "say", lambda **fields: said.append(fields))
    monkeypatch.setattr(np, "load", lambda path: Shifted(np.lib.npyio.NpzFile(path)))
    stages.parity(packed, "cpu")
    judged = [line for line in said if "ok" in line]
    assert judged
    assert not any(line["ok"] for line in judged)
    assert all(line["worst_step"] > verdict.DEEPEST_DIFFERENCE for line in judged)
    lines = [{"stage": "parity", **line} for line in said]
    assert "parity: FAILED, 0 of 8 checks" in table(lines)


class Shifted:
    """Reference logits, all a tenth larger."""

    def __init__(self, file: Any) -> None:
        self._file = file

    def __getitem__(self, name: str) -> Any:
        return self._file[name] * np.float32(1.1)


def test_a_stage_that_fails_says_where(tmp_path: Path) -> None:
    """The error with its traceback is in the output, and the stage counts as failed."""
    lines = run_stage("answers", tmp_path / "nothing", tmp_path, "cpu", 100)
    (error,) = [line for line in lines if "error" in line]
    assert "FileNotFoundError" in error["error"]
    assert "stages.py" in error["where"]
    assert lines[-1]["ended"] == 1
    assert "answers: FAILED" in table(lines)


def test_a_stage_that_hangs_is_ended(packed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With what it had said by then; the others still have their time, and nothing of its large files stays."""
    rooms = tmp_path / "rooms"
    rooms.mkdir()
    monkeypatch.setenv(ROOM, str(rooms))
    lines = run_stage("parity", packed, tmp_path, "cpu", 0.5)
    assert not list(rooms.iterdir())
    assert lines[-1]["ended"] != 0
    assert "timed_out" in lines[-1]
    assert "! ended -9 after its 0 s; it said last: " in table(lines)


def test_a_stage_whose_process_does_not_end_is_left_behind() -> None:
    """As one that waits for a driver; it counts as failed."""
    lines: list[dict[str, Any]] = [{"stage": "parity", "ended": None, "s": 125.0, "timed_out": 120}]
    assert "parity: FAILED" in table(lines)
    assert "! ended None after its 120 s; it said last: nothing" in table(lines)


def test_goals_are_compared_in_their_direction() -> None:
    lines: list[dict[str, Any]] = [
        {"stage": "speed", "decode_tok_s": {"0": 300.0, "1415": 290.0}},
        {"stage": "speed", "prefill_tok_s": {"1415": 20_000.0}},
        {"stage": "speed", "first_token_s": 0.1, "prepare_and_first_token_s": 0.2},
        {"stage": "speed", "follow_up_s": 0.1, "prepare_and_follow_up_s": 0.02},
    ]
    words = ["met", "NOT MET", "met", "NOT MET", "NOT MET", "met"]
    assert [line.rsplit(", ", 1)[1] for line in goals(lines)] == words
    assert all("measured None" in line for line in goals([]))
    slowest = goals([{"stage": "speed", "decode_tok_s": {"0": 300.0, "1415": 270.0}}])
    assert slowest[0].endswith("measured 270.0, NOT MET")


def test_graphs_of_full_size_run_with_weights_made_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Four layers from a bundle of two; its files of weights are holes that nobody reads."""
    two = tmp_path / "two"
    config = synthetic_config("small", 0.06, layers=4)
    export_weights(RandomWeights(synthetic_config("small", 0.06, layers=2)), two, "int4")
    add_cuda_graphs(two, ON_CPU)
    write_sized_graphs(two, tmp_path / "sized", config, ON_CPU)
    assert not list((tmp_path / "sized").glob("*.data"))
    complete(tmp_path / "sized", tmp_path / "full")
    monkeypatch.setattr(sized_graphs, "PIECE_BYTES", 1 << 16)
    model = VisionLanguageModel(Bundle.open(tmp_path / "full"), 1, target=CUDA_ON_CPU, fill=fill_at_random)
    sequence = model.new_sequence()
    logits = model.next_token_logits("What is this?", sequence=sequence)
    assert np.isfinite(logits).all()
    assert logits.std() > 0
    assert sequence.logits.argmax() == logits.argmax()  # what the graph checks is no random number
    assert len(model.new_sequence().cache.tensors) == 4
    light, dark = (
        model.next_token_logits("What is this?", [np.full((90, 90, 3), grey, np.uint8)]) for grey in (240, 20)
    )
    assert np.isfinite(light).all()
    assert np.abs(light - dark).max() > 0  # the image encoder's weights are no zeros


def test_the_packages_of_the_runtime_are_packed() -> None:
    """All that it needs but what comes with PyTorch; never ONNX Runtime for the CPU."""
    names = needed_packages()
    assert {"pydantic", "tokenizers", "psutil", "flatbuffers", "pydantic-core"} <= set(names)
    assert not {"numpy", "pillow", "onnxruntime", "dsvl2-onnx"} & set(names)


def test_the_script_is_a_valid_one(packed: Path) -> None:
    """bash reads it without running it."""
    assert subprocess.run(["bash", "-n", str(packed / "check.sh")], check=False).returncode == 0
    assert [*SECONDS, *MORE_SECONDS] == list(stages.STAGES)
    assert all(seconds < 200 for seconds in SECONDS.values())


def test_where_the_packages_cannot_be_imported_the_table_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each stage is a process that fails with its reason; the check itself imports none of them."""
    broken = tmp_path / "site" / "onnxruntime"
    broken.mkdir(parents=True)
    (broken / "__init__.py").write_text("raise ImportError('libcudart.so.13: cannot open shared object file')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "site"), prepend=os.pathsep)
    command = [sys.executable, "-m", "dsvl2_bench.gpu_check.check", str(tmp_path), str(tmp_path / "out")]
    ended = subprocess.run(
        [*command, "--stages", "environment,placement"], capture_output=True, encoding="utf-8", check=False, timeout=300
    )
    assert ended.returncode == 1
    table_lines = ended.stdout[ended.stdout.index("---- table ----") :]
    assert table_lines.count("libcudart.so.13: cannot open shared object file") == 2
    assert "environment: FAILED" in table_lines
    said = (tmp_path / "out" / "stderr.txt").read_text("utf-8")
    assert [line for line in said.splitlines() if line.startswith("----")] == [
        "---- environment ----", "---- placement ----",
    ]  # fmt: skip
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["check.json", "stderr.txt", "table.txt"]
    assert len(json.loads((tmp_path / "out" / "check.json").read_text("utf-8"))) == 2


def begun(packed: Path, folder: Path) -> subprocess.Popen[bytes]:
    """A check that has told of one case of parity to `out`; its stage makes its files in `room`."""
    out, room = folder / "out", folder / "room"
    room.mkdir()
    check = [sys.executable, "-m", "dsvl2_bench.gpu_check.check", str(packed), str(out)]
    process = subprocess.Popen([*check, "--device", "cpu", "--stages", "parity"], env=os.environ | {ROOM: str(room)})

    def has_told() -> bool:
        assert process.poll() is None
        found = json.loads((out / "check.json").read_text("utf-8")) if (out / "check.json").exists() else []
        return any("worst_step" in line for line in found)

    wait_until(has_told)
    return process


def test_who_ends_it_early_has_what_was_found(packed: Path, tmp_path: Path) -> None:
    """The stage's process ends too, and the table says that it did not end by itself."""
    process = begun(packed, tmp_path)
    (stage,) = psutil.Process(process.pid).children()
    process.terminate()
    assert process.wait(PATIENCE) == 128 + signal.SIGTERM
    wait_until(lambda: not stage.is_running() or stage.status() == psutil.STATUS_ZOMBIE)
    assert not list((tmp_path / "room").iterdir())
    text = (tmp_path / "out" / "table.txt").read_text("utf-8")
    assert "parity: FAILED" in text
    assert "it was ended from outside" in text
    assert "worst_step=" in text or "worst_step" in (tmp_path / "out" / "check.json").read_text("utf-8")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) in (
        ["check.json", "stderr.txt", "table.txt"], ["check.json", "table.txt"],
    )  # fmt: skip


def test_who_kills_it_has_what_was_found(packed: Path, tmp_path: Path) -> None:
    process = begun(packed, tmp_path)
    (stage,) = psutil.Process(process.pid).children()
    process.kill()
    process.wait(PATIENCE)
    wait_until(lambda: not stage.is_running() or stage.status() == psutil.STATUS_ZOMBIE)
    lines = json.loads((tmp_path / "out" / "check.json").read_text("utf-8"))
    assert any("worst_step" in line for line in lines)
    assert not any("ended" in line for line in lines)
    assert "parity: FAILED" in table(lines)


def test_questions_end_where_the_time_does(packed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was asked by then is judged, and it is said that it was not all of them."""
    said: list[dict[str, Any]] = []
    for module in (stages, said_module):
        monkeypatch.setattr(module, "say", lambda **fields: said.append(fields))
    left = iter([100.0, 100.0, 1.0])
    monkeypatch.setattr(stages, "seconds_left", lambda: next(left))
    stages.answers(packed, "cpu")
    last = said[-1]
    assert (last["compared"], last["of"], last["ok"]) == (2, 3, False)
    assert last["equal"]["float32"] == 2
    assert last["why"] == "no time was left"


def test_a_stage_knows_how_long_it_may_take(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(SECONDS_OF_STAGE, raising=False)
    assert said_module.seconds_left() == float("inf")
    monkeypatch.setenv(SECONDS_OF_STAGE, "50")
    monkeypatch.setattr(said_module, "time", SimpleNamespace(monotonic=lambda: said_module.STARTED + 30))
    assert said_module.seconds_left() == pytest.approx(20)

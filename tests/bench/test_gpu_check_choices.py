"""Two experts that are nearly tied have two right answers; the check tells a GPU that takes the other from a fault."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cuda_operators
from cuda_operators import OPERATORS
from dsvl2_bench.gpu_check import reference, stages
from dsvl2_bench.gpu_check.folder import LAYERS, PRECISION, SCALE
from dsvl2_bench.gpu_check.other_choices import NEARLY_TIED
from dsvl2_bench.gpu_check.reference import write_reference
from dsvl2_bench.gpu_check.verdict import DEEPEST_DIFFERENCE, MOST_LOGPROB_ERROR, MOST_OTHER_CHOICES, Verdict
from dsvl2_export.exporter import export_weights
from dsvl2_export.graphs.cuda.form import ON_GPU, CudaForm
from dsvl2_export.synth.config import synthetic_config
from dsvl2_export.synth.weights import RandomWeights
from dsvl2_export.upgrade import add_cuda_graphs
from dsvl2_runtime.bundle.bundle import Bundle
from dsvl2_runtime.model import VisionLanguageModel
from numpy_target import NUMPY
from small_models import FIGURE

IN_FLOAT32 = CudaForm("float32", "float32", "float32", "float32")
"""Packed as for a GPU, without the rounding: what differs then was made on purpose."""
ONLY_SUMS = 1e-3
"""In float32, where sums are taken in another order."""
Judge = Callable[[str, CudaForm], dict[str, Any]]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, CudaForm], Path]:
    """Bundles as the check packs them, with the reference of one picture; made when they are asked for."""
    root = tmp_path_factory.mktemp("choices")

    def made(variant: str, form: CudaForm) -> Path:
        folder = root / form.decoder / variant
        if not folder.exists():
            weights = RandomWeights(synthetic_config(variant, SCALE, layers=LAYERS), seed=9)
            export_weights(weights, folder, PRECISION)
            add_cuda_graphs(folder, form)
        if not (kept := root / f"{variant}.npz").exists():
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(reference, "PICTURES", (1,))
                write_reference(root / f"{variant}-fp32", weights, PRECISION, kept)
        if not (beside := folder.with_suffix(".npz")).exists():
            beside.write_bytes(kept.read_bytes())
        return folder.parent

    return made


@pytest.fixture
def judged(
    folders: Callable[[str, CudaForm], Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Judge:
    """The line that the stage says of one picture, with a GPU that NumPy stands for."""

    def line(variant: str, form: CudaForm) -> dict[str, Any]:
        folder = folders(variant, form)
        monkeypatch.setattr(cuda_operators, "MADE", {})
        monkeypatch.setattr(stages, "opened", lambda path, _: VisionLanguageModel(Bundle.open(path), 1, target=NUMPY))
        capsys.readouterr()
        stages._compare(folder, variant, "cpu", [(1, None)])
        found: dict[str, Any] = json.loads(capsys.readouterr().out.splitlines()[0])
        assert "error" not in found
        return found

    return line


def choosing_others(monkeypatch: pytest.MonkeyPatch, closer: float) -> None:
    """A step takes the first expert that is not chosen for the last that is, where both are so close."""
    honest = OPERATORS["TopK"]

    def top_k(inputs: list[Any], attributes: dict[str, Any]) -> Any:
        values, index = honest(inputs, attributes)
        scores, count = inputs[0], index.shape[-1]
        order = np.argsort(-scores[0])
        last, first = order[count - 1 : count + 1]
        if len(scores) == 1 and scores[0, last] - scores[0, first] < closer:
            index = index.copy()
            index[index == last] = first
        return [values, index]

    monkeypatch.setitem(OPERATORS, "TopK", top_k)


@pytest.mark.parametrize("variant", ["tiny", "base"])
def test_halves_are_near_one_of_the_right_answers(variant: str, judged: Judge, record_property: Any) -> None:
    """Every position, whichever experts rounding makes them choose; softmax and sigmoid."""
    line = judged(variant, ON_GPU)
    record_property(
        FIGURE, f"{variant}: worst step {line['worst_step']:.4f}, {line['as_in_float32']} with equal experts"
    )
    assert line["ok"]
    assert line["worst_step"] < DEEPEST_DIFFERENCE / 3
    assert len(line["steps"]) == 50
    assert max(line["steps"]) == pytest.approx(line["worst_step"], abs=1e-4)


def test_the_other_of_two_tied_experts_is_right(judged: Judge, monkeypatch: pytest.MonkeyPatch) -> None:
    """Such steps are far from the logits of float32, and next to those of its other choice; they are counted."""
    choosing_others(monkeypatch, NEARLY_TIED["sigmoid"] / 10)
    line = judged("base", IN_FLOAT32)
    assert line["as_in_float32"]["worst_step"] > DEEPEST_DIFFERENCE
    assert line["ok"]
    assert line["worst_step"] < ONLY_SUMS
    assert 1 <= len(line["other_experts"]) <= MOST_OTHER_CHOICES


def test_an_expert_that_is_not_nearly_as_good_is_a_fault(judged: Judge, monkeypatch: pytest.MonkeyPatch) -> None:
    """However few steps choose it."""
    choosing_others(monkeypatch, NEARLY_TIED["sigmoid"] * 3)
    line = judged("base", IN_FLOAT32)
    assert not line["ok"]
    assert line["worst_step"] > DEEPEST_DIFFERENCE


def test_weights_of_another_expert_are_a_fault(judged: Judge, monkeypatch: pytest.MonkeyPatch) -> None:
    """No other choice of experts explains two that have changed places in one layer."""
    honest, changed = OPERATORS["QMoE"], dict[int, Any]()

    def experts(inputs: list[Any], attributes: dict[str, Any]) -> Any:
        down = inputs[5]
        if not changed:
            changed[id(down)] = down[[1, 0, *range(2, len(down))]], inputs[6][[1, 0, *range(2, len(down))]]
        if id(down) in changed:
            inputs = [*inputs[:5], *changed[id(down)], *inputs[7:]]
        return honest(inputs, attributes)

    monkeypatch.setitem(OPERATORS, "QMoE", experts)
    line = judged("base", IN_FLOAT32)
    assert not line["ok"]
    assert line["worst_step"] > DEEPEST_DIFFERENCE


def test_neither_many_other_choices_nor_a_number_that_is_none_pass() -> None:
    near = [DEEPEST_DIFFERENCE / 2] * 51
    assert Verdict(near, near, list(range(MOST_OTHER_CHOICES))).ok
    assert not Verdict(near, near, list(range(MOST_OTHER_CHOICES + 1))).ok
    assert not Verdict([*near[:-1], float("nan")], near, []).ok
    assert not Verdict([*near[:-1], DEEPEST_DIFFERENCE], near, []).ok
    assert Verdict(near, near, [], [MOST_LOGPROB_ERROR / 2] * 50).ok
    for error in (float("nan"), MOST_LOGPROB_ERROR):
        assert not Verdict(near, near, [], [0.0, error, 0.0]).ok

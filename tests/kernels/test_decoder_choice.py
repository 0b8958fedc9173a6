"""Which decoder graph a loaded bundle runs with: ours where the library is, ONNX Runtime's everywhere else."""

from __future__ import annotations

import logging
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dsvl2_export.graphs import own_operators
from dsvl2_export.upgrade import upgrade_bundle
from dsvl2_kernels import library
from dsvl2_kernels.library import DOMAIN, SETTING, VERSION, Kernels, open_kernels
from dsvl2_runtime import GenerationOptions, VisionLanguageModel, load_model
from dsvl2_runtime.bundle.bundle import Bundle
from dsvl2_runtime.bundle.graph_entry import GraphEntry
from dsvl2_runtime.cli.doctor import examine
from dsvl2_runtime.graphs import vision_graphs
from dsvl2_runtime.graphs.decoder_graph import decoder_graphs
from dsvl2_runtime.graphs.memory_plan import plan_memory
from small_models import MakeBundle, edit_manifest, list_again, pictures

OWN = "decoder_own_kernels.onnx"
BETWEEN_ENGINES = 0.04
"""Norm-relative, on logits; `test_own_operators.py` has the reason."""


@pytest.mark.parametrize("variant", ["tiny", "small", "base"])
def test_each_level_answers_like_onnxruntime(
    level: str, bundle: MakeBundle, variant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole path, with pictures; a level says its name."""
    folder = bundle(variant, "int4")
    asked = ("What is it?", pictures(2))
    ours = load_model(folder, threads=2)
    found = ours.next_token_logits(*asked)
    monkeypatch.setenv(SETTING, "off")
    theirs = load_model(folder, threads=2)
    expected = theirs.next_token_logits(*asked)
    assert (ours.kernels, theirs.kernels) == (level, None)
    assert np.linalg.norm(found - expected) <= BETWEEN_ENGINES * np.linalg.norm(expected)


def test_levels_agree(bundle: MakeBundle, monkeypatch: pytest.MonkeyPatch) -> None:
    """Products are the same to the bit; attention differs in the order of its sums."""
    logits = []
    for level in open_kernels().levels:
        monkeypatch.setenv(SETTING, level)
        logits.append(load_model(bundle("small", "int4"), threads=2).next_token_logits("What is it?", pictures(1)))
    for found in logits[1:]:
        assert np.linalg.norm(found - logits[0]) <= BETWEEN_ENGINES * np.linalg.norm(logits[0])


def test_the_number_of_threads_changes_no_bit(bundle: MakeBundle) -> None:
    logits = [load_model(bundle("small", "int4"), threads=n).next_token_logits("?", pictures(1)) for n in (1, 2, 3)]
    for found in logits[1:]:
        np.testing.assert_array_equal(found, logits[0])


def test_files_of_a_bundle_without_the_library(folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Everything works as before, nothing is said, and the plan counts the copy that ONNX Runtime makes."""
    monkeypatch.setattr(
        vision_graphs, "FASTER_LEVELS", (open_kernels().level,)
    )  # on any processor as on those with AMX
    assert [graph.path.name for graph in decoder_graphs(Bundle.open(folder))] == [OWN, "decoder.onnx"]
    mapped = plan_memory(Bundle.open(folder), 1)
    monkeypatch.setattr(library, "FOLDER", tmp_path)
    assert [graph.path.name for graph in decoder_graphs(Bundle.open(folder))] == ["decoder.onnx"]
    read_in_place = ("decoder.data", "vision_encoder.onnx", "projector.onnx")
    assert mapped.mapped == sum((folder / name).stat().st_size for name in read_in_place)
    assert plan_memory(Bundle.open(folder), 1).weights > mapped.weights
    assert plan_memory(Bundle.open(folder), 1).cache == 2 * mapped.cache  # float32 instead of bfloat16
    assert load_model(folder, threads=1).kernels is None


@pytest.mark.parametrize(
    ("name", "has_vnni", "ours"),
    [
        ("amx", True, True),
        ("avx512", True, False),
        ("avxvnni", True, False),
        ("avx2", False, True),
        ("avx2", True, False),
    ],
)
def test_which_processors_see_with_our_operators(
    folder: Path, name: str, has_vnni: bool, ours: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where they are the better choice by what was measured, or where the user names a level.

    A library may have been built without VNNI for a processor that has it, as by MSVC.
    """
    bundle, kernels = Bundle.open(folder), replace(open_kernels(), level=name)

    def own_graph(_bundle: Bundle, part: str) -> tuple[GraphEntry, Kernels]:
        entry = next(entry for entry in bundle.manifest.graphs if entry.name == part and DOMAIN in entry.opsets)
        return entry, kernels

    monkeypatch.delenv(SETTING, raising=False)
    monkeypatch.setattr(vision_graphs, "own_graph", own_graph)
    monkeypatch.setattr(vision_graphs, "bytes_saturate", lambda: not has_vnni)
    files = [graphs.encoder.name for graphs in vision_graphs.vision_graphs(bundle)]
    assert files == [*(["vision_encoder_own_kernels.onnx"] if ours else []), "vision_encoder.onnx"]
    monkeypatch.setenv(SETTING, name)
    assert len(list(vision_graphs.vision_graphs(bundle))) == 2


def test_an_older_bundle_has_no_such_graph(folder: Path) -> None:
    edit_manifest(
        folder, lambda document: document.update(graphs=[g for g in document["graphs"] if DOMAIN not in g["opsets"]])
    )
    assert load_model(folder, threads=1).kernels is None


def test_a_graph_for_another_version_of_the_library_is_left_alone(folder: Path) -> None:
    def newer(document: dict[str, object]) -> None:
        for graph in document["graphs"]:  # type: ignore[attr-defined]
            if DOMAIN in graph["opsets"]:
                graph["opsets"][DOMAIN] = VERSION + 1

    edit_manifest(folder, newer)
    assert load_model(folder, threads=1).kernels is None


def test_a_graph_for_an_earlier_version_of_the_library_is_used(folder: Path) -> None:
    def older(document: dict[str, object]) -> None:
        for graph in document["graphs"]:  # type: ignore[attr-defined]
            if DOMAIN in graph["opsets"]:
                graph["opsets"][DOMAIN] = 1

    edit_manifest(folder, older)
    assert load_model(folder, threads=1).kernels is not None


def test_a_graph_of_an_earlier_version_keeps_its_rows_in_float32(
    folder: Path, level: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As the release before wrote it. `doctor` advises `upgrade`, which gives it rows of bfloat16."""
    new = load_model(folder, threads=1)
    halves = new.next_token_logits("?", pictures(1))
    with monkeypatch.context() as patch:
        patch.setattr(own_operators, "version_of", lambda operators: 2)
        patch.setattr(own_operators, "keep_rows_in_bfloat16", lambda graph: None)
        assert upgrade_bundle(folder)
    old, plan = load_model(folder, threads=1), plan_memory(Bundle.open(folder), 1)
    floats = old.next_token_logits("?", pictures(1))
    assert old.kernels == level
    assert [rows_of(model) for model in (old, new)] == [{"float32"}, {"bfloat16"}]
    monkeypatch.setenv("COLUMNS", "500")
    examine(str(folder), 1, as_json=False)
    advice = f"of an earlier version and slower: `dsvl2-onnx upgrade {folder}`"
    assert advice in capsys.readouterr().out
    assert 0 < np.linalg.norm(floats - halves) <= BETWEEN_ENGINES * np.linalg.norm(floats)
    assert upgrade_bundle(folder)
    assert plan_memory(Bundle.open(folder), 1).cache * 2 == plan.cache
    examine(str(folder), 1, as_json=False)
    assert advice not in capsys.readouterr().out
    np.testing.assert_array_equal(load_model(folder, threads=1).next_token_logits("?", pictures(1)), halves)


def test_a_graph_of_plain_attention_without_its_step_is_called_old(
    bundle: MakeBundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As the release before wrote it; it runs, with logits and tokens like those of the new one."""
    folder = Path(shutil.copytree(bundle("tiny", "int4"), tmp_path / "bundle"))
    new = load_model(folder, threads=1)
    asked = ("What is it?", pictures(1))
    with monkeypatch.context() as patch:
        patch.setattr(own_operators, "replace_plain_steps", lambda graph: 0)
        assert upgrade_bundle(folder)
    assert {entry.opsets[DOMAIN] for entry in Bundle.open(folder).manifest.graphs if DOMAIN in entry.opsets} == {3}
    old = load_model(folder, threads=1)
    assert old.kernels == new.kernels
    expected = old.next_token_logits(*asked)
    np.testing.assert_array_equal(new.next_token_logits(*asked), expected)  # of a prompt, which is as it was
    options = GenerationOptions(max_new_tokens=24)
    texts = ["".join(chunk.text for chunk in model.generate(*asked, options)) for model in (old, new)]
    assert texts[0] == texts[1] != ""
    monkeypatch.setenv("COLUMNS", "500")
    plan = plan_memory(Bundle.open(folder), 1)
    for advised in (True, False):
        examine(str(folder), 1, as_json=False)
        assert ("of an earlier version and slower" in capsys.readouterr().out) == advised
        assert upgrade_bundle(folder)
    assert plan_memory(Bundle.open(folder), 1).total <= plan.total


def rows_of(model: VisionLanguageModel) -> set[str]:
    """Types of a model's cached rows."""
    return {tensor.dtype for tensor in model.new_sequence().cache.tensors}


def test_a_graph_that_cannot_be_loaded_is_passed_over(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    """One line, and the answer comes from ONNX Runtime's operators."""
    path = folder / OWN
    path.write_bytes(path.read_bytes().replace(b"BlockLinear", b"BlockLinaer"))
    list_again(folder)
    with caplog.at_level(logging.WARNING):
        model = load_model(folder, threads=1)
    assert model.kernels is None
    assert np.isfinite(model.next_token_logits("?")).all()
    (record,) = caplog.records
    assert f"a slower graph is used, as {path} cannot be loaded" in record.getMessage()
    assert "dsvl2-onnx verify" in record.getMessage()


def test_a_damaged_library_is_one_line(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """One however many bundles are opened, and the run goes on."""
    for path in (open_kernels().path, library.FOLDER / library.DESCRIPTION):
        shutil.copy(path, tmp_path)
    damaged = tmp_path / open_kernels().path.name
    damaged.write_bytes(damaged.read_bytes()[:5000])
    monkeypatch.setattr(library, "FOLDER", tmp_path)
    for _ in range(2):
        assert load_model(folder, threads=1).kernels is None
    assert [record.getMessage().count("is damaged") for record in caplog.records] == [1]


def test_scales_that_are_no_numbers_end_an_answer(folder: Path) -> None:
    """They lie in the weights' file; the operator that reads them first refuses."""
    from dsvl2_runtime.errors import GenerationError

    data = folder / "decoder.data"
    values = np.frombuffer(data.read_bytes(), np.float32).copy()
    scales = placed(folder / "decoder.onnx", "gate_up.scales")
    values[scales] = np.nan
    data.write_bytes(values.tobytes())
    list_again(folder)
    with pytest.raises(GenerationError, match="gate_up has a scale that is not finite"):
        load_model(folder, threads=1).next_token_logits("?")


def placed(graph: Path, ending: str) -> slice:
    """Where the first weight of that name lies in the file, in values of four bytes."""
    import onnx

    model = onnx.load(str(graph), load_external_data=False)
    tensor = next(entry for entry in model.graph.initializer if entry.name.endswith(ending))
    at = {entry.key: entry.value for entry in tensor.external_data}
    start = int(at["offset"]) // 4
    return slice(start, start + int(at["length"]) // 4)

"""The graphs for a GPU as they are shipped, in bfloat16 and float16 with packed experts, evaluated in NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cuda_operators import evaluate
from dsvl2_bench.gpu_check.verdict import DEEPEST_DIFFERENCE
from dsvl2_export.exporter import export_weights
from dsvl2_export.graphs.cuda.bundle_graphs import FILES, write_cuda_graphs
from dsvl2_export.graphs.cuda.form import ON_CPU, ON_GPU
from dsvl2_export.synth.config import synthetic_config
from dsvl2_export.synth.weights import RandomWeights
from dsvl2_export.upgrade import add_cuda_graphs
from dsvl2_runtime.answers.confidence import token_logprob
from dsvl2_runtime.bundle.bundle import Bundle
from dsvl2_runtime.graphs import graph_io
from dsvl2_runtime.graphs.target import CPU
from small_models import FIGURE, VARIANTS
from tolerances import LOGPROB_FP32

HALF = np.float16
SEQ, ROWS = 12, 3


@pytest.fixture(scope="module", params=VARIANTS)
def bundle(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """Three layers at sizes that the GPU's kernels take; the same graphs in float32 lie in a folder of it."""
    folder = tmp_path_factory.mktemp("numbers") / "bundle"
    config = synthetic_config(request.param, 0.06, layers=3)
    export_weights(RandomWeights(config, seed=8), folder, "int4")
    add_cuda_graphs(folder, ON_GPU)
    (folder.parent / "float32").mkdir()
    write_cuda_graphs(folder, folder.parent / "float32", config, ON_CPU)
    return Bundle.open(folder)


def feeds(bundle: Bundle, dtype: Any) -> dict[str, np.ndarray[Any, Any]]:
    """A prompt with three rows of features."""
    language = bundle.manifest.config.language_config
    generator = np.random.default_rng(1)
    mask = np.zeros((1, SEQ, 1), bool)
    mask[0, 4 : 4 + ROWS] = True
    feature_ids = np.zeros((1, SEQ), np.int64)
    feature_ids[0, 4 : 4 + ROWS] = np.arange(ROWS)
    past = {row.past: np.zeros((0, row.row), dtype) for row in graph_io.cache_tensors(language)}
    return {
        graph_io.INPUT_IDS: generator.integers(0, 500, (1, SEQ)),
        graph_io.POSITION_IDS: np.arange(SEQ)[None],
        graph_io.LAST_INDEX: np.array([SEQ - 1]),
        graph_io.FEATURE_IDS: feature_ids,
        graph_io.IMAGES_SEQ_MASK: mask,
        graph_io.IMAGE_FEATURES: generator.standard_normal((ROWS, language.hidden_size)).astype(dtype),
        **past,
    }


def in_float32(bundle: Bundle, name: str, arrays: dict[str, Any]) -> dict[str, Any]:
    session = CPU.new_session(bundle.folder.parent / "float32" / FILES[name], CPU.session_options(1))
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, arrays), strict=True))


def relative(found: Any, expected: Any) -> float:
    return float(np.linalg.norm(found.astype(np.float32) - expected) / np.linalg.norm(expected))


def test_prompts_and_steps_in_halves_are_near_those_in_float32(bundle: Bundle, record_property: Any) -> None:
    """The packed bytes, the folded weights and every type, within what a GPU may differ; computed in two ways."""
    prompt = bundle.folder / FILES[graph_io.DECODER_PROMPT]
    found = evaluate(prompt, feeds(bundle, HALF))
    exact = in_float32(bundle, graph_io.DECODER_PROMPT, feeds(bundle, np.float32))
    difference = relative(found[graph_io.LOGITS], exact[graph_io.LOGITS])
    record_property(FIGURE, f"{bundle.manifest.variant}: a prompt in halves differs by {difference:.4f}")
    assert difference < DEEPEST_DIFFERENCE
    assert found[graph_io.LOGITS].dtype == np.float32
    best = int(found[graph_io.LOGITS].argmax())
    assert found[graph_io.NEXT_ID].tolist() == [[best]]
    assert found[graph_io.CHECKED_ID].tolist() == [[best]]
    expected = token_logprob(found[graph_io.LOGITS][0], best)
    np.testing.assert_allclose(found[graph_io.LOGPROB], [[expected]], atol=LOGPROB_FP32)

    language = bundle.manifest.config.language_config
    step: dict[str, Any] = {graph_io.INPUT_IDS: np.array([[77]]), graph_io.POSITION_IDS: np.array([[SEQ]])}
    exact_step = dict(step)
    for row in graph_io.cache_tensors(language):
        assert found[row.new].dtype == HALF
        for into, source, dtype in ((step, found, HALF), (exact_step, exact, np.float32)):
            into[row.past] = np.zeros((language.max_position_embeddings, row.row), dtype)
            into[row.past][:SEQ] = source[row.new]
    found = evaluate(bundle.folder / FILES[graph_io.DECODER_STEP], step)
    exact = in_float32(bundle, graph_io.DECODER_STEP, exact_step)
    assert relative(found[graph_io.LOGITS], exact[graph_io.LOGITS]) < DEEPEST_DIFFERENCE


def test_tiles_in_halves_are_near_those_in_float32(bundle: Bundle) -> None:
    """float16 has eleven bits, and nothing but its rounding makes a difference."""
    side = bundle.manifest.config.vision_config.image_size
    pixels = np.random.default_rng(2).uniform(-1, 1, (1, 3, side, side)).astype(np.float32)
    arrays: dict[str, Any] = {graph_io.PIXEL_VALUES: pixels}
    found = evaluate(bundle.folder / FILES[graph_io.IMAGE_ENCODER], arrays)
    exact = in_float32(bundle, graph_io.IMAGE_ENCODER, arrays)
    assert found[graph_io.TILE_FEATURES].dtype == HALF
    assert relative(found[graph_io.TILE_FEATURES], exact[graph_io.TILE_FEATURES]) < DEEPEST_DIFFERENCE / 4

"""What a graph for a GPU makes of its logits, so that they can stay there: the likeliest id and its probability."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray

from cuda_operators import Graph
from dsvl2_export.graphs.cuda.decoder import result_values, write_best
from dsvl2_export.graphs.cuda.form import ON_GPU
from dsvl2_export.graphs.cuda.writer import CudaWriter, SharedWeights
from dsvl2_runtime.answers.confidence import token_logprob
from dsvl2_runtime.graphs import graph_io
from dsvl2_runtime.graphs.target import CPU
from tolerances import LOGPROB_FP32

VOCAB = 102_400
"""Of the releases."""


class Results:
    """The end of both graphs of a decoder, with logits as its input, run in two ways."""

    def __init__(self, folder: Path) -> None:
        weights, path = SharedWeights(folder / "results.data"), folder / "results.onnx"
        writer = CudaWriter(path, weights, ON_GPU)
        write_best(writer, VOCAB)
        logits, *found = result_values(VOCAB)
        writer.save_graph([logits], found)
        weights.data.finish()
        self._session: onnxruntime.InferenceSession = CPU.new_session(path, CPU.session_options(1))
        self._graph = Graph(path)

    def of(self, logits: NDArray[np.float32]) -> list[tuple[float, float]]:
        """(checked id, logarithm) by ONNX Runtime's operators for the CPU and by NumPy's."""
        names, feeds = [graph_io.CHECKED_ID, graph_io.LOGPROB], {graph_io.LOGITS: logits[None]}
        with np.errstate(invalid="ignore", over="ignore"):
            evaluated = self._graph.run(dict(feeds))
        both: list[Any] = [self._session.run(names, feeds), [evaluated[name] for name in names]]
        assert {(array.shape, array.dtype.name) for arrays in both for array in arrays} == {((1, 1), "float32")}
        return [(float(checked[0, 0]), float(logprob[0, 0])) for checked, logprob in both]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    return Results(tmp_path_factory.mktemp("results"))


@pytest.mark.parametrize("spread", [0.0, 0.01, 1, 10, 1000, 1e37])
@pytest.mark.parametrize("ahead", [0, 3, 30])
def test_the_logarithm_is_that_of_the_cpu(spread: float, ahead: float, results: Results) -> None:
    """From one as likely as all others to one that is certain, and where powers are too small for a float."""
    generator = np.random.default_rng(7)
    logits = generator.standard_normal(VOCAB).astype(np.float32) * np.float32(spread)
    logits[int(logits.argmax())] += np.float32(ahead)
    best = int(logits.argmax())
    expected = token_logprob(logits, best)
    for checked, logprob in results.of(logits):
        assert checked == best
        assert abs(logprob - expected) < LOGPROB_FP32
        assert logprob <= 0


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("everywhere", [False, True])
def test_a_logit_that_is_not_finite_makes_both_nan(bad: float, everywhere: bool, results: Results) -> None:
    """Also where its power is zero, which changes no sum."""
    logits = np.random.default_rng(8).standard_normal(VOCAB).astype(np.float32)
    logits[slice(None) if everywhere else 77] = bad
    for checked, logprob in results.of(logits):
        assert np.isnan(checked)
        assert np.isnan(logprob)


def test_of_two_that_are_as_likely_the_first_has_half(results: Results) -> None:
    logits = np.full(VOCAB, -200, np.float32)
    logits[[500, 90_000]] = 3
    for checked, logprob in results.of(logits):
        assert checked == 500
        assert abs(logprob - np.log(0.5)) < LOGPROB_FP32

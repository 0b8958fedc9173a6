"""Probabilities of tokens where logits stay on a GPU, with the same graphs in float32 on the CPU."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import onnx
import pytest

from dsvl2_export.graphs.cuda.bundle_graphs import FILES
from dsvl2_export.graphs.cuda.form import ON_CPU
from dsvl2_export.upgrade import add_cuda_graphs
from dsvl2_runtime import GenerationOptions
from dsvl2_runtime.answers.confidence import token_logprob
from dsvl2_runtime.answers.generate import TextChunk
from dsvl2_runtime.bundle.bundle import Bundle
from dsvl2_runtime.graphs import graph_io
from dsvl2_runtime.graphs.cuda.cache import DeviceCache
from dsvl2_runtime.graphs.target import CUDA_ON_CPU
from dsvl2_runtime.model import VisionLanguageModel
from small_models import VARIANTS, MakeBundle, list_again, pictures
from tolerances import LOGPROB_FP32

Load = Callable[..., VisionLanguageModel]
QUESTION = "What is in the pictures?"
SCHEMA = json.dumps({"type": "object", "properties": {"a": {"const": "x"}}, "required": ["a"]})


def without_logprobs(folder: Path) -> None:
    """Make the graphs of a bundle what versions wrote that fetched all logits for a probability."""
    for name in (graph_io.DECODER_PROMPT, graph_io.DECODER_STEP):
        model = onnx.load(str(folder / FILES[name]), load_external_data=False)
        (output,) = (output for output in model.graph.output if output.name == graph_io.LOGPROB)
        (node,) = (node for node in model.graph.node if graph_io.LOGPROB in node.output)
        model.graph.output.remove(output)
        model.graph.node.remove(node)
        onnx.save(model, str(folder / FILES[name]))
    list_again(folder)


@pytest.fixture(scope="module")
def load(bundle: MakeBundle, tmp_path_factory: pytest.TempPathFactory) -> Load:
    """Opens a small model of a variant as if the CPU were a GPU, or an older bundle of it; each once."""

    @cache
    def opened(variant: str, older: bool = False) -> VisionLanguageModel:
        folder = tmp_path_factory.mktemp("cuda") / variant
        shutil.copytree(bundle(variant, "int4"), folder)
        add_cuda_graphs(folder, ON_CPU)
        if older:
            without_logprobs(folder)
        return VisionLanguageModel(Bundle.open(folder), 1, target=CUDA_ON_CPU)

    return opened


@pytest.fixture
def fetched(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Lengths of all logits that are copied from the GPU."""
    found, read = list[int](), DeviceCache.read_logits

    def counted(cache: DeviceCache) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
        logits = read(cache)
        found.append(len(logits))
        return logits

    monkeypatch.setattr(DeviceCache, "read_logits", counted)
    return found


def answer(model: VisionLanguageModel, options: GenerationOptions) -> list[TextChunk]:
    return [chunk for chunk in model.generate(QUESTION, pictures(1), options) if chunk.logprob is not None]


def said(chunks: list[TextChunk]) -> list[float]:
    return [chunk.logprob for chunk in chunks if chunk.logprob is not None]


def logprobs_of(model: VisionLanguageModel, chunks: list[TextChunk]) -> list[float]:
    """By the CPU, from all logits before each token of an answer."""
    sequence, found = model.new_sequence(), []
    logits = model.next_token_logits(QUESTION, pictures(1), sequence=sequence)
    for chunk in chunks:
        token = model.components.tokenizer.eos_id if chunk.token_id is None else chunk.token_id
        found.append(token_logprob(np.array(logits), token))
        logits = model.components.decoder.run(sequence, model.components.embedding.tokens(np.array([token])))
    return found


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_likeliest_tokens_have_their_probabilities_without_a_logit_that_travels(
    variant: str, load: Load, fetched: list[int]
) -> None:
    """The first one's is the prompt's, the others come from steps."""
    model = load(variant)
    chunks = answer(model, GenerationOptions(max_new_tokens=8, logprobs=True))
    assert fetched == []
    assert len(chunks) >= 2
    np.testing.assert_allclose(said(chunks), logprobs_of(model, chunks), atol=LOGPROB_FP32)


@pytest.mark.parametrize(
    "options",
    [
        GenerationOptions(8, temperature=0.9, seed=2, logprobs=True),
        GenerationOptions(8, repetition_penalty=3.0, logprobs=True),
        GenerationOptions(8, no_repeat_ngram=1, logprobs=True),
    ],
    ids=["sampled", "penalty", "ngram"],
)
def test_other_choices_fetch_the_logits_once_for_each_token(
    options: GenerationOptions, load: Load, fetched: list[int]
) -> None:
    """And the probability is exactly that of the CPU, of the raw logits."""
    model = load("small")
    chunks = answer(model, options)
    assert len(fetched) == len(chunks) >= 2
    assert said(chunks) == logprobs_of(model, chunks)


def test_what_a_schema_allows_shares_the_probability(load: Load, fetched: list[int]) -> None:
    """The GPU's number is that of all tokens, so it does not count there."""
    model = load("small")
    chunks = answer(model, GenerationOptions(40, json_schema=SCHEMA, logprobs=True))
    assert len(fetched) == len(chunks) >= 2
    assert any(chunk.logprob == 0 for chunk in chunks)


def test_an_older_bundle_fetches_the_logits(load: Load, fetched: list[int]) -> None:
    """Its graphs lack the output; tokens and probabilities are the same."""
    older, options = load("small", older=True), GenerationOptions(max_new_tokens=8, logprobs=True)
    found = answer(older, options)
    assert len(fetched) == len(found) >= 2
    expected = answer(load("small"), options)
    assert [chunk.token_id for chunk in found] == [chunk.token_id for chunk in expected]
    np.testing.assert_allclose(said(found), said(expected), atol=LOGPROB_FP32)


def test_a_probability_of_another_token_fetches_the_logits(load: Load, fetched: list[int]) -> None:
    """Also that of the likeliest then, as all are there; and the next run counts for itself."""
    model = load("small")
    sequence, embedding = model.new_sequence(), model.components.embedding
    for token in (5, 6):
        logits = model.components.decoder.run(sequence, embedding.tokens(np.array([token])))
        best = int(logits.argmax())
        assert logits.known_logprob(best) is not None
        other = token_logprob(logits, best - 1)
        assert logits.known_logprob(best) is None
        assert other < token_logprob(logits, best) <= 0
    assert len(fetched) == 2

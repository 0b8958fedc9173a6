"""How sure the model is: probabilities of tokens, of answers, and what is said about them."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from dsvl2_runtime import GenerationOptions, VisionLanguageModel, load_model
from dsvl2_runtime.answers.confidence import SHORT_TOKENS, UNSURE, token_logprob, unsure_notices
from dsvl2_runtime.errors import GenerationError
from dsvl2_runtime.notices import Notice
from dsvl2_runtime.texts import notice_text
from hard_picture import ASKED
from runtime.test_run_verb import FORM, call, report
from small_models import MakeBundle, pictures

QUESTION = "What is the total?"
HARD = (*ASKED, "--look-once")
"""The demonstration model is not sure of its answer, and rightly so."""


@pytest.fixture(scope="module")
def model(bundle: MakeBundle) -> VisionLanguageModel:
    return load_model(bundle("small", "int4"), threads=1)


def log_softmax(logits: NDArray[np.float32]) -> NDArray[np.float64]:
    """In double precision."""
    wide = logits.astype(np.float64) - float(logits.max())
    return wide - math.log(float(np.exp(wide).sum()))


@pytest.mark.parametrize("scale", [0.1, 3, 1e4, 3e38])
def test_a_logprob_is_that_of_the_softmax(scale: float) -> None:
    """Of any size, and where tokens may not come; all those that may come have a probability of one."""
    logits = (np.random.default_rng(1).random(1000, np.float32) - 0.5) * np.float32(scale)
    logits[10:900] = -np.inf
    expected = log_softmax(logits)
    found = [token_logprob(logits, token) for token in range(1000)]
    assert np.allclose(found, expected, rtol=1e-6, atol=1e-6)
    assert math.isclose(math.fsum(map(math.exp, found)), 1, rel_tol=1e-5)


@pytest.mark.parametrize("temperature", [0.0, 2.0])
def test_each_token_has_its_probability(model: VisionLanguageModel, temperature: float) -> None:
    """By the logits that it was chosen from, also where it is a sampled one that was not likely."""
    options = GenerationOptions(max_new_tokens=6, temperature=temperature, logprobs=True)
    sequence = model.new_sequence()
    logits = model.next_token_logits(QUESTION, pictures(1), sequence=sequence)
    answer = model.chat().ask(QUESTION, pictures(1), options)
    total = 0.0
    for chunk in answer:
        if chunk.token_id is None:
            break
        expected = log_softmax(logits)[chunk.token_id]
        assert chunk.logprob is not None
        assert math.isclose(chunk.logprob, expected, rel_tol=1e-5, abs_tol=1e-6)
        total += expected
        assert answer.confidence is not None
        assert math.isclose(answer.confidence, math.exp(total), rel_tol=1e-4)
        embeds = model.components.embedding.tokens(np.array([chunk.token_id], np.int64))
        logits = model.components.decoder.run(sequence, embeds)
    assert answer.finish_reason == "length"


def test_the_end_counts_where_the_model_chose_it(model: VisionLanguageModel, monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer that should have gone on is not a sure one."""
    end = model.components.tokenizer.eos_id
    plan = iter([70, end])
    monkeypatch.setattr("dsvl2_runtime.answers.sampling.Sampler.next_id", lambda self, logits: next(plan))
    answer = model.chat().ask(QUESTION, (), GenerationOptions(logprobs=True))
    first, last = list(answer)
    assert first.logprob is not None
    assert last.logprob is not None
    assert answer.confidence == math.exp(math.fsum([first.logprob, last.logprob])) < math.exp(first.logprob)


def test_nothing_is_said_unasked(model: VisionLanguageModel) -> None:
    """Where a graph for a GPU is older than its output for it, all logits would have to travel."""
    answer = model.chat().ask(QUESTION, (), GenerationOptions(max_new_tokens=3)).read()
    assert answer.confidence is None
    assert [chunk.logprob for chunk in model.generate(QUESTION, (), GenerationOptions(max_new_tokens=2))] == [None] * 3


def test_what_a_schema_allows_shares_the_probability(model: VisionLanguageModel) -> None:
    """A token that alone may come is certain, whatever the model would have said."""
    schema = json.dumps({"type": "object", "properties": {"a": {"const": "x"}}, "required": ["a"]})
    options = GenerationOptions(max_new_tokens=40, json_schema=schema, logprobs=True)
    answer = model.chat().ask(QUESTION, (), options)
    chunks = [chunk for chunk in answer if chunk.logprob is not None]
    assert all(chunk.logprob is not None and -50 < chunk.logprob <= 0 for chunk in chunks)
    assert any(chunk.logprob == 0 for chunk in chunks)


@pytest.mark.parametrize(
    ("confidence", "tokens", "notices"),
    [
        (None, 3, ()),
        (UNSURE, 3, ()),
        (0.494, 3, (Notice("answer.unsure", {"percent": 49}),)),
        (0.0051, 3, (Notice("answer.unsure", {"percent": 1}),)),
        (0.0049, 3, (Notice("answer.unsure", {"percent": "less than 1"}),)),
        (0.0, SHORT_TOKENS, (Notice("answer.unsure", {"percent": "less than 1"}),)),
        (0.0, SHORT_TOKENS + 1, ()),
    ],
)
def test_doubt_is_told_of_short_answers(confidence: float | None, tokens: int, notices: tuple[Notice, ...]) -> None:
    """In a long one some letter is nearly always in doubt."""
    assert unsure_notices(confidence, tokens) == notices


def test_doubt_names_what_it_is_about() -> None:
    """A field, a page, or the answer."""
    assert [notice_text(notice) for notice in unsure_notices(0.25, 3)] == [
        "the model is not sure of this answer (25 %)"
    ]
    assert [notice_text(notice) for notice in unsure_notices(0.25, 3, "total")] == [
        "the model is not sure of total (25 %)"
    ]


def test_a_report_says_how_sure_the_model_is() -> None:
    """A name in large print is certain. A word in small print is not: a warning says so; --strict ends with it."""
    sure = report("run", "What is the name?", "-i", FORM)
    assert 0.9 < sure["confidence"] <= 1
    assert [warning["code"] for warning in sure["warnings"]] == ["model.note"]
    unsure = report(*HARD)
    assert 0 < unsure["confidence"] < UNSURE
    assert [warning["code"] for warning in unsure["warnings"]] == ["model.note", "answer.unsure"]
    with pytest.raises(GenerationError, match="not sure"):
        call(*HARD, "--strict")


def test_of_boxes_nothing_is_said() -> None:
    """The model shares its probability among coordinates that are all right."""
    receipt = str(Path(FORM).parent / "receipt.png")
    found = report("locate", "Total", "-i", receipt)
    assert found["boxes"]
    assert found["confidence"] is None
    assert [warning["code"] for warning in found["warnings"]] == ["model.note"]


def test_each_field_has_its_own() -> None:
    """Also one that is not shown."""
    receipt = str(Path(FORM).parent / "small_receipt.png")
    found = report("extract", "--fields", "total,vat number", "-i", receipt)
    assert set(found["confidences"]) == {"total", "vat number"}
    assert all(0.5 < confidence <= 1 for confidence in found["confidences"].values())
    assert found["confidence"] is None
    at_once = report("extract", "--at-once", "--fields", "total", "-i", receipt)
    assert "confidences" not in at_once
    assert 0 < at_once["confidence"] <= 1

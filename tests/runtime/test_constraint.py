"""Answers within a JSON schema, whatever the model would rather say."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from dsvl2_runtime import GenerationOptions, VisionLanguageModel, load_model
from dsvl2_runtime.answers.constraint import JsonConstraint
from dsvl2_runtime.errors import GenerationError, UsageError
from small_models import MakeBundle, picture

SCHEMA = {
    "type": "object",
    "properties": {"kind": {"enum": ["bill", "form"]}, "pages": {"type": "integer"}, "paid": {"type": "boolean"}},
    "required": ["kind", "pages", "paid"],
    "additionalProperties": False,
}


@pytest.fixture(scope="module")
def model(bundle: MakeBundle) -> VisionLanguageModel:
    return load_model(bundle("small", "int4"), threads=1)


def constraint(model: VisionLanguageModel, schema: object = SCHEMA) -> JsonConstraint:
    return JsonConstraint(json.dumps(schema), model.components.json_vocabulary)


@pytest.mark.parametrize("seed", range(20))
def test_any_logits_make_a_text_that_fits(model: VisionLanguageModel, seed: int) -> None:
    """Random ones, which know nothing of JSON; the end comes where the text is whole, and special tokens never."""
    rng, tokenizer = np.random.default_rng(seed), model.components.tokenizer
    held, ids = constraint(model), []
    while True:
        logits = rng.normal(size=model.config.language_config.vocab_size).astype(np.float32)
        before = logits.copy()
        logits[tokenizer.eos_id] += 20  # as soon as it may
        allowed = held.allowed(logits)
        assert np.array_equal(np.delete(logits, tokenizer.eos_id), np.delete(before, tokenizer.eos_id))
        token_id = int(allowed.argmax())
        held.accept(token_id)
        if token_id == tokenizer.eos_id:
            break
        ids.append(token_id)
        assert len(ids) < 300
    jsonschema.validate(json.loads(tokenizer.decode(ids)), SCHEMA)


def test_a_model_with_random_weights_answers_within_the_schema(model: VisionLanguageModel) -> None:
    """A choice and a truth value need no luck; greedy and sampled."""
    schema = {"type": "array", "prefixItems": [{"enum": ["bill", "form"]}, {"type": "boolean"}], "items": False}
    schema |= {"minItems": 2, "maxItems": 2}
    for seed, temperature in ((0, 0.0), (1, 2.0), (2, 2.0)):
        options = GenerationOptions(json_schema=json.dumps(schema), temperature=temperature, seed=seed)
        chunks = list(model.generate("What is it?", [picture(60, 40, 1)], options))
        assert chunks[-1].finish_reason == "stop"
        jsonschema.validate(json.loads("".join(chunk.text for chunk in chunks)), schema)


@pytest.mark.parametrize("schema", ["{", "[" * 90_000, "[1]", '"text"', '{"type": "thing"}', "{" + " " * 200_000 + "}"])
def test_a_schema_that_is_none_is_a_usage_error(model: VisionLanguageModel, schema: str) -> None:
    """Before the prompt is read."""
    with pytest.raises(UsageError, match="JSON schema"):
        next(model.generate("What is it?", options=GenerationOptions(json_schema=schema)))
    with pytest.raises(UsageError, match="json_schema"):
        GenerationOptions(json_schema=5)  # type: ignore[arg-type]


def test_a_token_that_does_not_fit_is_an_error(model: VisionLanguageModel) -> None:
    """As when every token that fits is forbidden by another option."""
    with pytest.raises(GenerationError, match="JSON schema"):
        constraint(model).accept(model.components.tokenizer.encode("x")[0])


def test_a_typed_token_name_in_a_string_is_text(model: VisionLanguageModel, tmp_path: Path) -> None:
    """The special token of that name is not what is allowed there."""
    held, tokenizer = constraint(model, {"enum": ["<image>"]}), model.components.tokenizer
    for token_id in tokenizer.encode('"<image>"'):
        logits = np.zeros(model.config.language_config.vocab_size, np.float32)
        allowed = held.allowed(logits)
        assert allowed[token_id] == 0
        assert allowed[tokenizer.image_id] == -np.inf
        held.accept(token_id)

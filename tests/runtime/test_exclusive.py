"""What is proved about two schemas is true of values, and `oneOf` is followed where it can be."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsvl2_runtime.answers.exclusive import are_exclusive, with_any_of
from dsvl2_runtime.answers.schema_trial import try_schema
from dsvl2_runtime.errors import UsageError
from fuzzing import examples

CARD = {"type": "object", "properties": {"kind": {"const": "card"}, "number": {"type": "string"}}, "required": ["kind"]}
CASH = {"type": "object", "properties": {"kind": {"const": "cash"}, "coins": {"type": "integer"}}, "required": ["kind"]}
PAYMENT = {
    "type": "object",
    "properties": {"paid": {"oneOf": [{"$ref": "#/$defs/Card"}, {"$ref": "#/$defs/Cash"}]}},
    "required": ["paid"],
    "$defs": {"Card": CARD, "Cash": CASH},
}
"""As pydantic writes a union with a discriminator."""
EXCLUSIVE: list[tuple[Any, Any]] = [
    (CARD, CASH),
    ({"type": "integer"}, {"type": "string"}),
    ({"type": ["integer", "null"]}, {"type": ["string", "boolean"]}),
    ({"const": 1}, {"enum": [2, "1"]}),
    ({"const": True}, {"const": "true"}),
    ({"type": "integer", "maximum": 4}, {"type": "number", "minimum": 5}),
    ({"type": "string", "minLength": 3}, {"type": "string", "maxLength": 2}),
    ({"anyOf": [{"type": "null"}, {"const": 3}]}, {"type": "string"}),
    ({"type": "object", "required": ["a"]}, {"type": "object", "properties": {}, "additionalProperties": False}),
    ({"type": "object", "properties": {"p": CARD}, "required": ["p"]}, {"type": "object", "properties": {"p": CASH}}),
    (False, {}),
]
OVERLAPPING: list[tuple[Any, Any]] = [
    ({"type": "integer"}, {"type": "number"}),
    (
        {"type": "object", "properties": {"kind": {"const": "a"}}},
        {"type": "object", "properties": {"kind": {"const": "b"}}},
    ),
    ({"type": "integer", "maximum": 5}, {"type": "integer", "minimum": 5}),
    ({"type": "string"}, {"minLength": 3}),
    ({"const": 1}, {"const": 1.0}),
    ({}, {"type": "null"}),
    ({"$ref": "#/nowhere"}, {"type": "null"}),
    ({"$ref": "#anchor"}, {"type": "null"}),
    ({"$ref": "#"}, {"$ref": "#"}),
    (
        {"type": "object", "required": ["a"]},
        {"type": "object", "patternProperties": {"a": {}}, "additionalProperties": False},
    ),
]


@pytest.mark.parametrize(("one", "other"), EXCLUSIVE)
def test_branches_that_exclude_each_other_are_any_of(one: Any, other: Any) -> None:
    """In both orders, and through references."""
    assert are_exclusive(one, other, {})
    assert are_exclusive(other, one, {})
    assert with_any_of({"oneOf": [one, other]}) == {"anyOf": [one, other]}
    referred = {"oneOf": [{"$ref": "#/$defs/a~1b"}, {"$ref": "#/$defs/B"}], "$defs": {"a/b": one, "B": other}}
    assert "anyOf" in with_any_of(referred)


@pytest.mark.parametrize(("one", "other"), OVERLAPPING)
def test_branches_that_may_both_fit_stay_as_they_are(one: Any, other: Any) -> None:
    schema = {"oneOf": [one, other]}
    assert with_any_of(schema) == schema


def test_what_is_no_schema_is_not_touched() -> None:
    """A property may have that name, a value may hold it, and another anyOf beside it keeps its meaning."""
    both = {"oneOf": [{"type": "null"}, {"type": "string"}]}
    for schema in (
        {"properties": {"oneOf": {"type": "null"}}, "const": both, "default": both, "enum": [both]},
        {**both, "anyOf": [{"type": "null"}]},
        {"oneOf": "x", "properties": [both], "items": 5},
    ):
        assert with_any_of(schema) == schema
    nested = {"items": {"allOf": [{"properties": {"a": both}}]}}
    assert with_any_of(nested) == {"items": {"allOf": [{"properties": {"a": {"anyOf": both["oneOf"]}}}]}}


def test_a_union_with_a_discriminator_is_followed_and_another_one_is_refused() -> None:
    """In the process that tries schemas as well, with the reason."""
    try_schema(json.dumps(PAYMENT))
    with pytest.raises(UsageError, match="several branches of its oneOf; use anyOf") as found:
        try_schema(json.dumps({"oneOf": [{"type": "integer"}, {"type": "number"}]}))
    assert found.value.exit_code == 2


schemas = st.recursive(
    st.sampled_from(
        [{"type": "integer"}, {"type": "number", "minimum": 2}, {"type": "string", "maxLength": 1}, {"const": 1},
         {"enum": ["a", 2, None]}, {"type": ["null", "string"]}, {}, False, {"type": "integer", "maximum": 1}]
    ),
    lambda inner: st.one_of(
        st.builds(
            lambda parts, required, closed: {
                "type": "object", "properties": parts, "required": required, "additionalProperties": not closed,
            },
            st.dictionaries(st.sampled_from("ab"), inner, max_size=2),
            st.lists(st.sampled_from("ab"), unique=True),
            st.booleans(),
        ),
        st.builds(lambda one, other: {"anyOf": [one, other]}, inner, inner),
    ),
    max_leaves=4,
)  # fmt: skip
values = st.recursive(
    st.sampled_from([None, True, 0, 1, 2, 3.5, "", "a", "bb"]),
    lambda inner: st.dictionaries(st.sampled_from("ab"), inner, max_size=2),
    max_leaves=4,
)


@examples(200)
@given(schemas, schemas, values)
def test_no_value_fits_two_schemas_that_are_proved_exclusive(one: Any, other: Any, value: Any) -> None:
    """As another implementation of JSON schemas says."""
    if are_exclusive(one, other, {}):
        fits = [jsonschema.Draft202012Validator(schema).is_valid(value) for schema in (one, other)]
        assert not all(fits)

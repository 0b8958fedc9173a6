"""Fields of forms as JSON: names, types, checks, and the verb `extract`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dsvl2_runtime.answers.fields import Fields, number_in
from dsvl2_runtime.errors import GenerationError, UsageError
from runtime.test_run_verb import FORM, call, report

RECEIPT = str(Path(FORM).parent / "small_receipt.png")
SCHEMA = {
    "type": "object",
    "properties": {"total": {"type": "number"}, "bread": {"type": "string"}, "vat": {"type": ["number", "null"]}},
    "required": ["total"],
}


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("$15.15", 15.15), ("1,234.50 EUR", 1234.5), ("1.234,50", 1234.5), ("1'234", 1234), ("12", 12), ("-7,5", -7.5),
        ("1,234", 1234), ("1 234 567", 1234567), ("1.5.2026", None), ("3 of 4", None), ("none", None),
        ("2026-05-17", None),
    ],
)  # fmt: skip
def test_the_number_in_a_text(text: str, number: float | None) -> None:
    """With marks for thousands and decimals of either kind."""
    assert number_in(text) == number


def schema_file(folder: Path, document: object = SCHEMA) -> str:
    path = folder / "schema.json"
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    return str(path)


def test_fields_are_one_json_object() -> None:
    """With a key for each in the order of their names, and null for what is not on the receipt."""
    asked = ("extract", "--fields", "total,bread,vat number", "-i", RECEIPT)
    output = call(*asked)
    assert output == '{"total": "$15.15", "bread": "$4.10", "vat number": null}\n'
    found = report(*asked)
    assert json.loads(found["answer"]) == json.loads(output)


def test_the_picture_is_read_once() -> None:
    """Each further question pays for its own words."""
    one = report("extract", "--fields", "total", "-i", RECEIPT)["usage"]
    three = report("extract", "--fields", "total,bread,vat number", "-i", RECEIPT)["usage"]
    assert one["cached_tokens"] == 0
    assert three["cached_tokens"] >= 2 * one["image"]


def test_a_schema_gives_names_and_types(tmp_path: Path) -> None:
    """A number is a number; what may be missing is null."""
    output = call("extract", "--schema", schema_file(tmp_path), "-i", RECEIPT)
    assert json.loads(output) == {"total": 15.15, "bread": "$4.10", "vat": None}


def test_what_does_not_fit_the_schema_is_an_error(tmp_path: Path) -> None:
    """Of the model's answer, with exit code 8, which names the field: one that is required, one of another type."""
    required = SCHEMA | {"required": ["vat"]}
    with pytest.raises(GenerationError, match="'vat' is a required property") as found:
        call("extract", "--schema", schema_file(tmp_path, required), "-i", RECEIPT)
    assert found.value.exit_code == 8
    fields = Fields.read("", Path(schema_file(tmp_path)))
    with pytest.raises(GenerationError, match="total: 'much' is not of type 'number'"):
        fields.check({"total": fields.value("total", "much")})
    fields.check({"total": fields.value("total", "1.5 EUR"), "bread": None})
    assert Fields(("a",), {"properties": {"a": {"type": "boolean"}}}).value("a", "Yes.") is True


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ("{", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ([1], "not the JSON schema of an object"),
        ({"type": "array"}, "not the JSON schema of an object"),
        ({"type": "object", "properties": {"a": {"type": 5}}}, "not a valid JSON schema"),
        ({"type": "object"}, "no field is named"),
    ],
)
def test_a_schema_that_is_none_is_a_usage_error(tmp_path: Path, document: object, says: str) -> None:
    """Before a model is looked for."""
    with pytest.raises(UsageError, match=says):
        call("extract", "--schema", schema_file(tmp_path, document), "-i", RECEIPT, "-m", "none")


@pytest.mark.parametrize("fields", ["", " ", "a,,b", "a,a", ",".join(map(str, range(201)))])
def test_fields_without_names_are_a_usage_error(fields: str) -> None:
    """So are too many."""
    with pytest.raises(UsageError, match="field"):
        call("extract", "--fields", fields, "-i", RECEIPT, "-m", "none")


CHOICES = {
    "type": "object",
    "properties": {"kind": {"enum": ["bill", "form"]}, "paid": {"$ref": "#/$defs/yes"}},
    "$defs": {"yes": {"type": "boolean"}},
}


def test_all_fields_at_once_are_kept_within_the_schema(tmp_path: Path) -> None:
    """One prompt; the demonstration model was never taught such a question, so that only the form is certain."""
    found = report("extract", "--at-once", "--schema", schema_file(tmp_path, CHOICES), "-i", RECEIPT)
    values = json.loads(found["answer"])
    assert list(values) == ["kind", "paid"]
    assert values["kind"] in ("bill", "form", None)
    assert values["paid"] in (True, False, None)
    assert found["usage"]["completion"] > 10
    assert found["images"][0]["tokens"] == found["usage"]["image"]


def test_an_answer_that_is_cut_is_an_error(tmp_path: Path) -> None:
    """Of generation: the form needs more tokens."""
    with pytest.raises(GenerationError, match="allow more tokens"):
        call("extract", "--at-once", "--schema", schema_file(tmp_path, CHOICES), "-i", RECEIPT, "-n", "5")

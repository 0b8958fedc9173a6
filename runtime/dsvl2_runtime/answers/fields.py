"""Fields of a form as JSON values: which are asked for, what type an answer becomes, and whether all of it is valid."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from dsvl2_runtime.answers.tasks import field_question, says_not_shown
from dsvl2_runtime.errors import GenerationError, UsageError
from dsvl2_runtime.machine.files import read_errors

LARGEST_SCHEMA_BYTES = 1_000_000
MOST_FIELDS = 200

_NUMBER = re.compile(r"-?(?:[0-9][0-9 ,.']*)?[0-9]")
_TRUE, _FALSE = ("yes", "true"), ("no", "false")


@dataclass(frozen=True, slots=True)
class Fields:
    """The fields to read, and the JSON schema that they must fit, if there is one."""

    names: tuple[str, ...]
    schema: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def read(cls, names: str, schema: Path | None) -> Self:
        """From the command line.

        Args:
            names: separated by commas; those of the schema's properties where it is empty.
            schema: a file.

        Raises:
            UsageError: there are no names, one comes twice, or the file holds no JSON schema of an object.
            ResourceError: the file cannot be read.
        """
        document = {} if schema is None else _read_schema(schema)
        found = tuple(name.strip() for name in names.split(",")) if names.strip() else tuple(_properties(document))
        if not found:
            raise UsageError("no field is named; give --fields total,date,vendor, or --schema with properties")
        if len(set(found)) < len(found) or len(found) > MOST_FIELDS:
            raise UsageError(f"{len(found)} fields; name each once, and at most {MOST_FIELDS}")
        for name in found:
            field_question(name)
        return cls(found, document)

    def value(self, name: str, answer: str) -> str | float | bool | None:
        """An answer as a value of the type that the schema gives the field; None where it says that it is not shown.

        An answer that has not that type stays text, so that the check names it.
        """
        text = answer.strip()
        if not text or says_not_shown(text):
            return None
        declared = _properties(self.schema).get(name, {})
        types = declared.get("type", "string") if isinstance(declared, dict) else "string"
        types = types if isinstance(types, list) else [types]
        if "boolean" in types and text.lower().strip(".") in (*_TRUE, *_FALSE):
            return text.lower().strip(".") in _TRUE
        if "string" not in types and ("number" in types or "integer" in types):
            number = number_in(text)
            return text if number is None else number
        return text

    def answer_schema(self) -> str:
        """The JSON schema of an answer that has all fields at once, each of them perhaps null."""
        properties = {
            name: {"anyOf": [_properties(self.schema).get(name, {"type": "string"}), {"type": "null"}]}
            for name in self.names
        }
        shared = {key: self.schema[key] for key in ("$defs", "definitions") if key in self.schema}
        fixed = {"required": list(self.names), "additionalProperties": False}
        return json.dumps({"type": "object", "properties": properties, **fixed, **shared})

    def values_in(self, answer: str) -> dict[str, Any]:
        """The values of an answer that was kept within `answer_schema`.

        Raises:
            GenerationError: it was cut.
        """
        try:
            found: dict[str, Any] = json.loads(answer)
        except (ValueError, RecursionError) as error:
            raise GenerationError(f"the answer ends before its JSON does ({error}); allow more tokens") from None
        return {name: found[name] for name in self.names}

    def check(self, values: Mapping[str, Any]) -> None:
        """Validate what was read; a field that is not shown counts as missing.

        Raises:
            GenerationError: it does not fit the schema.
            MissingExtraError: there is a schema, and the package that checks it is not installed.
        """
        if not self.schema:
            return
        found = {name: value for name, value in values.items() if value is not None}
        errors = sorted(
            _validator(self.schema).iter_errors(found), key=lambda error: [str(part) for part in error.path]
        )
        if errors:
            said = "; ".join(_sentence(error) for error in errors[:5])
            raise GenerationError(f"what was read does not fit the schema: {said}")


def number_in(text: str) -> float | int | None:
    """The only number in a text such as `$1,234.50` or `1.234,50 EUR`; None where there is none or several."""
    found = _NUMBER.findall(text)
    if len(found) != 1:
        return None
    digits = re.sub(r"[ ']", "", found[0])
    last = max(digits.rfind("."), digits.rfind(","))
    decimals = len(digits) - last - 1
    marks = {mark for mark in digits if mark in ".,"}
    if last >= 0 and (decimals != 3 or len(marks) == 2):
        if digits.count(digits[last]) > 1:
            return None
        whole = re.sub(r"[.,]", "", digits[:last])
        return float(f"{whole}.{digits[last + 1 :]}")
    return int(re.sub(r"[.,]", "", digits))


def _properties(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    properties = schema.get("properties", {})
    return properties if isinstance(properties, dict) else {}


def _read_schema(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise UsageError(f"{path}: no such file; give a JSON schema")
    if path.stat().st_size > LARGEST_SCHEMA_BYTES:
        raise UsageError(f"{path}: more than {LARGEST_SCHEMA_BYTES} bytes; give a smaller JSON schema")
    with read_errors(path):
        content = path.read_bytes()
    try:
        document = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path}: not JSON ({error}); give a JSON schema") from None
    if not isinstance(document, dict) or document.get("type", "object") != "object":
        raise UsageError(f"{path}: not the JSON schema of an object; its type must be object")
    _validator(document, path)
    return document


def _validator(schema: Mapping[str, Any], path: Path | None = None) -> Any:
    import jsonschema
    import referencing

    kind = jsonschema.validators.validator_for(schema, default=jsonschema.Draft202012Validator)
    if path is not None:
        try:
            kind.check_schema(schema)
        except (jsonschema.SchemaError, RecursionError) as error:
            raise UsageError(f"{path}: not a valid JSON schema ({getattr(error, 'message', error)})") from None
    return kind(schema, registry=referencing.Registry())  # which never loads what a reference points to


def _sentence(error: Any) -> str:
    place = ".".join(str(part) for part in error.path)
    return f"{place}: {error.message}" if place else str(error.message)

"""Whether two JSON schemas have no value in common, as far as that can be proved without trying values.

llguidance follows `oneOf` where it can prove this itself, which it does not through `$ref`, between ranges of numbers
or within nested objects. Where the branches are proved exclusive here, at most one fits a value, so that `oneOf` and
`anyOf` mean the same. What cannot be proved stays `oneOf`, and is refused with the library's reason.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

SCHEMA_KEYS = ("items", "additionalProperties", "not", "if", "then", "else", "contains", "propertyNames")
LIST_KEYS = ("anyOf", "allOf", "oneOf", "prefixItems")
MAP_KEYS = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas")
"""Where a schema has schemas: one, a list, or one for each name. Anything else, as a `const`, is data."""
BOUNDS = {
    "number": ("minimum", "maximum"),
    "string": ("minLength", "maxLength"),
    "array": ("minItems", "maxItems"),
    "object": ("minProperties", "maxProperties"),
}
DEEPEST = 6
"""Steps into a pair of schemas; a schema may refer to itself."""


def with_any_of(schema: Any, root: Any = None) -> Any:
    """A schema in which `oneOf` is `anyOf` wherever its branches are proved exclusive."""
    root = schema if root is None else root
    if not isinstance(schema, dict) or ("$id" in schema and schema is not root):  # its references begin there
        return schema
    changed = dict(schema)
    for key in SCHEMA_KEYS:
        if key in changed:
            changed[key] = with_any_of(changed[key], root)
    for key in LIST_KEYS:
        if isinstance(changed.get(key), list):
            changed[key] = [with_any_of(each, root) for each in changed[key]]
    for key in MAP_KEYS:
        if isinstance(changed.get(key), dict):
            changed[key] = {name: with_any_of(each, root) for name, each in changed[key].items()}
    branches = schema.get("oneOf")
    if not isinstance(branches, list) or "anyOf" in schema:
        return changed
    if all(are_exclusive(one, other, root) for one, other in combinations(branches, 2)):
        changed["anyOf"] = changed.pop("oneOf")
    return changed


def are_exclusive(one: Any, other: Any, root: Any, deep: int = 0) -> bool:
    """Whether it is proved that no value fits both schemas."""
    one, other = _resolved(one, root), _resolved(other, root)
    if one is False or other is False:
        return True
    if deep > DEEPEST or not (isinstance(one, dict) and isinstance(other, dict)):
        return False
    for first, second in ((one, other), (other, one)):
        for key in ("anyOf", "oneOf"):
            branches = first.get(key)
            if isinstance(branches, list) and all(are_exclusive(each, second, root, deep + 1) for each in branches):
                return True
    values, others = _values(one), _values(other)
    if values is not None and others is not None:
        return not any(value == another for value in values for another in others)
    kinds, other_kinds = _kinds(one, values), _kinds(other, others)
    if kinds is None or other_kinds is None:
        return False
    common = kinds & other_kinds
    return all(_differ(kind, one, other, root, deep) for kind in common)


def _resolved(schema: Any, root: Any) -> Any:
    """What a schema refers to within the document; what stands beside a reference only narrows it."""
    for _ in range(DEEPEST):
        reference = schema.get("$ref") if isinstance(schema, dict) else None
        if reference is None:
            return schema
        if not isinstance(reference, str) or not (reference == "#" or reference.startswith("#/")):
            return None
        found = root
        for part in reference.split("/")[1:]:
            name = part.replace("~1", "/").replace("~0", "~")
            if not isinstance(found, dict) or name not in found:
                return None
            found = found[name]
        schema = found
    return None


def _values(schema: Mapping[str, Any]) -> Sequence[Any] | None:
    """All values that fit at most, where they are listed."""
    if "const" in schema:
        return [schema["const"]]
    listed = schema.get("enum")
    return listed if isinstance(listed, list) else None


def _kinds(schema: Mapping[str, Any], values: Sequence[Any] | None) -> set[str] | None:
    """The types of all values that fit, a whole number being a number; None where nothing is said about them."""
    if values is not None:
        return {_kind(value) for value in values}
    named = schema.get("type")
    names = [named] if isinstance(named, str) else named
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        return None
    return {"number" if name == "integer" else name for name in names}


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    kinds = ((bool, "boolean"), (int | float, "number"), (str, "string"), (list, "array"))
    return next((name for kind, name in kinds if isinstance(value, kind)), "object")


def _differ(kind: str, one: Mapping[str, Any], other: Mapping[str, Any], root: Any, deep: int) -> bool:
    """Whether no value of one type fits both."""
    for first, second in ((one, other), (other, one)):
        if kind in BOUNDS:
            least, most = first.get(BOUNDS[kind][0]), second.get(BOUNDS[kind][1])
            if isinstance(least, int | float) and isinstance(most, int | float) and least > most:
                return True
        if kind == "object" and any(_parts(name, first, second, root, deep) for name in _names(first, "required")):
            return True
    return False


def _parts(name: str, first: Mapping[str, Any], second: Mapping[str, Any], root: Any, deep: int) -> bool:
    """Whether a property that the first one requires keeps its objects apart from those of the second."""
    properties, others = (each.get("properties", {}) for each in (first, second))
    if not isinstance(others, dict) or not isinstance(properties, dict):
        return False
    if name not in others:
        return second.get("additionalProperties") is False and "patternProperties" not in second
    return are_exclusive(properties.get(name, True), others[name], root, deep + 1)


def _names(schema: Mapping[str, Any], key: str) -> list[str]:
    names = schema.get(key)
    return [name for name in names if isinstance(name, str)] if isinstance(names, list) else []

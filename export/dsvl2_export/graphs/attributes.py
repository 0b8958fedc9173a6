"""The attributes of a graph's nodes."""

from __future__ import annotations

from typing import Any

from onnx import helper


def attributes_of(node: Any) -> dict[str, Any]:
    """Of a `NodeProto`, by name, as Python values."""
    return {entry.name: helper.get_attribute_value(entry) for entry in node.attribute}

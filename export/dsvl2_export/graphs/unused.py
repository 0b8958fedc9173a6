"""Drops what a rewritten graph does not need any more."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from onnx import GraphProto, NodeProto, helper


def drop_unused(graph: GraphProto) -> None:
    """Drop, in place, the nodes that no output depends on and the initializers that no node reads."""
    kept = needed_nodes(graph.node, {entry.name for entry in graph.output})
    del graph.node[:]
    graph.node.extend(kept)
    read = {name for node in kept for name in tensors_read(node)}
    initializers = [entry for entry in graph.initializer if entry.name in read]
    del graph.initializer[:]
    graph.initializer.extend(initializers)


def needed_nodes(nodes: Iterable[NodeProto], outputs: Iterable[str]) -> list[NodeProto]:
    """Copies of the nodes that some tensors depend on, in their order."""
    needed = set(outputs)
    kept = []
    for node in reversed(list(nodes)):
        if needed.intersection(node.output):
            kept.append(NodeProto.FromString(node.SerializeToString()))
            needed.update(tensors_read(node))
    return kept[::-1]


def tensors_read(node: NodeProto) -> Iterator[str]:
    """Names of the tensors that a node or its branches read."""
    yield from node.input
    for attribute in node.attribute:
        value = helper.get_attribute_value(attribute)
        if isinstance(value, GraphProto):
            for inner in value.node:
                yield from tensors_read(inner)

"""Lets operators of ours do what surrounds them in a decoder: norms, residuals, routers, what latent attention takes.

A step of one token spends more time between small nodes than in them: each waits for memory that no cache has, and for
the threads of the session. A pattern that is not found stays as it is. Nodes that nothing needs any more are left to
`drop_unused`.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper, numpy_helper

from dsvl2_export.graphs.attributes import attributes_of
from dsvl2_export.graphs.builder import CONTRIB_DOMAIN
from dsvl2_export.graphs.decoder.experts import ALWAYS
from dsvl2_export.graphs.unused import drop_unused, tensors_read
from dsvl2_kernels.library import DOMAIN

GAMMA = {"BlockLinear": 3, "Experts": 7}
"""Where an operator of ours takes the weight of the norm before it; the residual follows."""
WIDTH = {"BlockLinear": 5, "Experts": 11}
"""How many inputs it has."""
GATE, BIAS = 9, 10
"""Of `Experts`."""


def fuse_operators(graph: Any) -> int:
    """Rewrite a decoder, in place, with our operators in it; returns how many more there are."""
    count = sum(node.domain == DOMAIN for node in graph.node)
    for fuse in (gather_early, fuse_latent_inputs, fuse_routers, fuse_residuals, fuse_norms, reshape_early):
        fuse(_Index(graph))
        drop_unused(graph)
    return int(sum(node.domain == DOMAIN for node in graph.node) - count)


class _Index:
    """The nodes of a graph by what they make, and how often a tensor is read, branches included."""

    def __init__(self, graph: Any) -> None:
        self.graph = graph
        self.makers = {name: node for node in graph.node for name in node.output}
        self.readers = Counter(name for node in graph.node for name in tensors_read(node))
        self.readers.update(entry.name for entry in graph.output)
        self.constants = {entry.name: entry for entry in graph.initializer}
        self.places = {name: place for place, node in enumerate(graph.node) for name in node.output}

    def maker(self, name: str, operator: str, domain: str = "") -> Any:
        """The node that makes a tensor, if it is of that kind."""
        node = self.makers.get(name)
        return node if node is not None and (node.op_type, node.domain) == (operator, domain) else None

    def shape(self, name: str) -> tuple[int, ...] | None:
        """Of a constant."""
        return tuple(self.constants[name].dims) if name in self.constants else None

    def values(self, name: str) -> NDArray[Any] | None:
        """Of a constant that lies in the graph itself."""
        entry = self.constants.get(name)
        if entry is None or entry.data_location == TensorProto.EXTERNAL:
            return None
        return np.atleast_1d(numpy_helper.to_array(entry))

    def holds(self, name: str, *values: float) -> bool:
        """Whether a tensor is a constant with these values."""
        found = self.values(name)
        return found is not None and found.shape == (len(values),) and bool((found == np.array(values)).all())

    def replace(self, old: Any, operator: str, inputs: list[str], outputs: list[str], **attributes: Any) -> None:
        """Put an operator of ours at the place of a node."""
        old.CopyFrom(helper.make_node(operator, inputs, outputs, domain=DOMAIN, **attributes))


def gather_early(index: _Index) -> None:
    """Take the last position before a product of ours, instead of multiplying all of them."""
    for place, gather in enumerate(index.graph.node):
        linear = index.maker(gather.input[0], "BlockLinear", DOMAIN) if gather.op_type == "Gather" else None
        if linear is None or index.readers[gather.input[0]] != 1 or attributes_of(gather).get("axis") != 1:
            continue
        x, gathered = linear.input[0], f"{gather.output[0]}.features"
        first = helper.make_node("Gather", [x, gather.input[1]], [gathered], axis=1)
        linear.input[0], linear.output[0] = gathered, gather.output[0]
        second = NodeProto.FromString(linear.SerializeToString())
        index.graph.node[index.places[gather.input[0]]].CopyFrom(first)
        index.graph.node[place].CopyFrom(second)


def fuse_latent_inputs(index: _Index) -> None:
    """`LatentInputs` for what splits, rotates and normalises the projection of latent attention."""
    for branch in [node for node in index.graph.node if node.op_type == "If"]:
        bodies = [attributes_of(branch)[name] for name in ("then_branch", "else_branch")]
        ours = [node for body in bodies for node in body.node if node.op_type in ("LatentStep", "LatentPrompt")]
        if len(ours) != 2:
            continue
        step = ours[0]
        q_nope, q_rope, new = step.input[0], step.input[1], step.input[3]
        heads = index.shape(step.input[4])
        found = _latent_inputs(index, q_nope, q_rope, new)
        if found is None or heads is None:
            continue
        inputs, epsilon = found
        made = [f"{new}.q_nope", f"{new}.q_rope"]
        for node in ours:
            node.input[:2] = made
        named = dict(zip(("then_branch", "else_branch"), bodies, strict=True))
        branch.CopyFrom(helper.make_node("If", list(branch.input), list(branch.output), **named))
        index.replace(index.makers[new], "LatentInputs", inputs, [*made, new], heads=heads[0], epsilon=epsilon)


def _latent_inputs(index: _Index, q_nope: str, q_rope: str, new: str) -> tuple[list[str], float] | None:
    """Inputs and epsilon of the `LatentInputs` that gives these three tensors, or None; new rows are of bfloat16."""
    cast, reshape = index.maker(new, "Cast"), index.maker(q_rope, "Reshape")
    squeeze = cast and attributes_of(cast)["to"] == TensorProto.BFLOAT16 and index.maker(cast.input[0], "Squeeze")
    joined: Any = squeeze and index.maker(squeeze.input[0], "Concat")
    halves = reshape and index.maker(reshape.input[0], "Split")
    if not joined or not halves or list(joined.input[1:]) != [halves.output[1]] or len(halves.output) != 2:
        return None
    norm = index.maker(joined.input[0], "SimplifiedLayerNormalization")
    rotated = index.maker(halves.input[0], "RotaryEmbedding", CONTRIB_DOMAIN)
    parts = index.makers.get(q_nope)
    if norm is None or rotated is None or parts is None or parts.op_type != "Split":
        return None
    if list(parts.output) != [q_nope, rotated.input[0], norm.input[0]]:
        return None
    plain = attributes_of(rotated) == {"interleaved": 1} and attributes_of(joined)["axis"] == -1
    if not plain or not index.holds(squeeze.input[1], 0):
        return None
    gamma, (positions, cos, sin) = norm.input[1], rotated.input[1:4]
    return [parts.input[0], gamma, positions, cos, sin], attributes_of(norm)["epsilon"]


def fuse_routers(index: _Index) -> None:
    """Let `Experts` choose with the router's matrix, without a product, a softmax or sigmoids, and what pads them."""
    for node in index.graph.node:
        if (node.domain, node.op_type) != (DOMAIN, "Experts") or len(node.input) != 7:
            continue
        found = _router(index, node)
        if found is None:
            continue
        gate, bias, attributes = found
        inputs = [node.input[0], "", "", *node.input[3:], "", "", gate, bias]
        index.replace(node, "Experts", inputs, list(node.output), **attributes_of(node), **attributes)


def _router(index: _Index, experts: Any) -> tuple[str, str, dict[str, Any]] | None:
    """(matrix, bias, attributes) of the router of an `Experts`, as `graphs/decoder/experts.py` writes it, or None."""
    x, choice, weights = experts.input[:3]
    scores, shared = _unpadded(index, weights, 1.0)
    choice, also_shared = (scores, shared) if choice == weights else _unpadded(index, choice, ALWAYS)
    unscaled, scaling = _unscaled(index, scores)
    plain, renormalize = _not_divided(index, unscaled, choice)
    logits, bias = _logits(index, plain, choice)
    gate = _gate(index, logits, x)
    sizes, counted = index.shape(gate), index.shape(experts.input[3])
    if not sizes or not counted or also_shared != shared or sizes[1] + shared != counted[0]:
        return None
    attributes = {"shared": shared, "sigmoid": int(bool(bias)), "renormalize": renormalize, "scaling": scaling}
    return gate, bias, attributes


def _unpadded(index: _Index, name: str, value: float) -> tuple[str, int]:
    """A tensor without the columns of that value behind it, and how many there are."""
    pad = index.maker(name, "Pad")
    pads = index.values(pad.input[1]) if pad is not None else None
    if pads is None or pads.shape != (4,) or pads[:3].any() or not index.holds(pad.input[2], value):
        return name, 0
    return pad.input[0], int(pads[3])


def _unscaled(index: _Index, scores: str) -> tuple[str, float]:
    """Scores before they are multiplied with a number, and that number."""
    scaled = index.maker(scores, "Mul")
    factor = index.values(scaled.input[1]) if scaled is not None else None
    return (scores, 1.0) if factor is None or factor.size != 1 else (scaled.input[0], float(factor[0]))


def _not_divided(index: _Index, scores: str, choice: str) -> tuple[str, int]:
    """Scores before they are divided by the sum of those that are highest by `choice`, and whether they are."""
    divided = index.maker(scores, "Div")
    total = divided and index.maker(divided.input[1], "Add")
    summed = (
        total and index.holds(total.input[1], float(np.float32(1e-20))) and index.maker(total.input[0], "ReduceSum")
    )
    kept: Any = summed and index.maker(summed.input[0], "GatherElements")
    chosen = kept and index.maker(kept.input[1], "TopK")
    if not chosen or (kept.input[0], chosen.input[0], chosen.output[1]) != (divided.input[0], choice, kept.input[1]):
        return scores, 0
    return divided.input[0], 1


def _logits(index: _Index, scores: str, choice: str) -> tuple[str, str]:
    """(logits, bias) that scores are made of; a softmax has no bias, and both are empty for anything else."""
    softmax, sigmoid = index.maker(scores, "Softmax"), index.maker(scores, "Sigmoid")
    if softmax is not None and choice in (scores, softmax.input[0]) and attributes_of(softmax).get("axis", -1) == -1:
        return softmax.input[0], ""
    corrected = index.maker(choice, "Add")
    if sigmoid is None or corrected is None or corrected.input[0] != scores or not index.shape(corrected.input[1]):
        return "", ""
    return sigmoid.input[0], corrected.input[1]


def _gate(index: _Index, logits: str, x: str) -> str:
    """The matrix [hidden, experts] that gives the logits of x, or nothing."""
    product = index.maker(logits, "MatMul")
    tokens = product and index.maker(product.input[0], "Reshape")
    if not tokens or tokens.input[0] != x or len(index.shape(product.input[1]) or ()) != 2:
        return ""
    return str(product.input[1])


def fuse_residuals(index: _Index) -> None:
    """Let an operator of ours add the residual to what it gives, where a norm of the sum follows."""
    for node in index.graph.node:
        if (node.domain, node.op_type) != (CONTRIB_DOMAIN, "SkipSimplifiedLayerNormalization"):
            continue
        residual, delta, gamma = node.input
        ours = index.makers.get(delta)
        if ours is None or ours.domain != DOMAIN or ours.op_type not in GAMMA or index.readers[delta] != 1:
            continue
        at = GAMMA[ours.op_type] + 1
        taken = len(ours.input) > at and bool(ours.input[at])
        if taken or index.places.get(residual, -1) > index.places[delta]:  # it comes later
            continue
        total = node.output[3] if len(node.output) > 3 and node.output[3] else f"{node.output[0]}.sum"
        _set_inputs(ours, {at: residual})
        ours.output[0] = total
        epsilon = attributes_of(node)["epsilon"]
        node.CopyFrom(
            helper.make_node("SimplifiedLayerNormalization", [total, gamma], [node.output[0]], axis=-1, epsilon=epsilon)
        )


def fuse_norms(index: _Index) -> None:
    """Let operators of ours normalise what they take, where all readers of a norm are such."""
    for norm in index.graph.node:
        if (norm.domain, norm.op_type) != ("", "SimplifiedLayerNormalization"):
            continue
        normed, (x, gamma), attributes = norm.output[0], norm.input, attributes_of(norm)
        readers = [node for node in index.graph.node if normed in tensors_read(node)]
        able = all(_can_normalize(node, normed) for node in readers)
        if not able or gamma not in index.constants or attributes.get("axis", -1) != -1:
            continue
        if index.readers[normed] != len(readers):  # it is an output as well
            continue
        for node in readers:
            node.input[0] = x
            _set_inputs(node, {GAMMA[node.op_type]: gamma})
            node.attribute.append(helper.make_attribute("epsilon", attributes["epsilon"]))


def _can_normalize(node: Any, x: str) -> bool:
    """Whether a node takes x, and nothing before it has normalised that."""
    if node.domain != DOMAIN or node.op_type not in GAMMA or node.input[0] != x or x in list(node.input)[1:]:
        return False
    at = GAMMA[node.op_type]
    return len(node.input) <= at or not node.input[at]


def _set_inputs(node: Any, inputs: dict[int, str]) -> None:
    """Give inputs of an operator of ours that may be left out."""
    names = list(node.input) + [""] * (WIDTH[node.op_type] - len(node.input))
    for place, name in inputs.items():
        names[place] = name
    while not names[-1]:
        names.pop()
    del node.input[:]
    node.input.extend(names)


def reshape_early(index: _Index) -> None:
    """Let the product that gives the logits have their shape: what it takes is shorter than what it gives."""
    for reshape in index.graph.node:
        linear = index.maker(reshape.input[0], "BlockLinear", DOMAIN) if reshape.op_type == "Reshape" else None
        if linear is None or index.readers[reshape.input[0]] != 1 or len(linear.input) > GAMMA["BlockLinear"] + 1:
            continue
        sizes, attributes = index.values(reshape.input[1]), attributes_of(linear)
        if sizes is None or list(sizes) != [1, attributes["N"]]:
            continue
        name, output = f"{reshape.output[0]}.features", reshape.output[0]
        index.graph.initializer.append(
            helper.make_tensor(f"{name}.shape", TensorProto.INT64, [2], [1, attributes["K"]])
        )
        first = helper.make_node("Reshape", [linear.input[0], f"{name}.shape"], [name])
        linear.input[0], linear.output[0] = name, output
        second = NodeProto.FromString(linear.SerializeToString())
        linear.CopyFrom(first)
        reshape.CopyFrom(second)

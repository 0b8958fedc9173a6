"""What operators of ours do besides products: norms, residuals, routing, and what latent attention takes."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper

from kernels import attention_reference as attention
from kernels import block_reference as blocks
from kernels import fused_reference as reference
from kernels.fused_reference import Gate
from kernels.graphs import generator, one_node, run, session
from kernels.test_blocks import stacked, weight

F = np.float32
EPSILON = 1e-6
OF_EXP = 2e-6
"""Of the largest value: weights of experts hold an `exp` of the C library, in single precision."""

# ------------------------------------------------------------------------------------------------- BlockLinear


def fused_linear(
    x: NDArray[F], gamma: NDArray[F] | None, residual: NDArray[F] | None, n: int, bits: int, threads: int
) -> tuple[NDArray[F], NDArray[F]]:
    """(found, expected) of a linear layer with what is given."""
    k = x.shape[1]
    w = weight(generator(n, k, bits), n, k, bits, 64)
    inputs, feeds = {"x": [1, len(x), k]}, {"x": x[None]}
    constants: dict[str, NDArray[Any]] = {"w": w.packed, "scales": w.scales.reshape(-1)}
    order = ["x", "w", "scales", "gamma" if gamma is not None else "", "residual" if residual is not None else ""]
    while not order[-1]:
        order.pop()
    attributes: dict[str, Any] = {"N": n, "K": k, "bits": bits, "block_size": 64}
    expected = x
    if gamma is not None:
        constants["gamma"], attributes["epsilon"] = gamma, EPSILON
        expected = reference.rms_norm(x, gamma, EPSILON)
    expected = blocks.products(expected, w.packed.reshape(n, -1), w.scales, bits, 64)
    if residual is not None:
        inputs["residual"], feeds["residual"] = [1, len(x), n], residual[None]
        expected = expected + residual
    return run(one_node("BlockLinear", inputs, constants, order=order, **attributes), feeds, threads)[0], expected


@pytest.mark.parametrize("bits", [4, 8])
@pytest.mark.parametrize(
    ("rows", "n", "k"), [(1, 1, 1), (1, 700, 2048), (2, 33, 100), (5, 64, 1408), (7, 65, 320), (40, 130, 192)]
)
def test_a_linear_layer_with_norm_and_residual(level: str, rows: int, n: int, k: int, bits: int) -> None:
    """Each alone and both, to the bit."""
    rng = generator("fused", rows, n, k)
    x, gamma, residual = (rng.standard_normal(shape).astype(F) for shape in ((rows, k), (k,), (rows, n)))
    for threads in (1, 3):
        for norm, added in ((gamma, residual), (gamma, None), (None, residual)):
            found, expected = fused_linear(x, norm, added, n, bits, threads)
            np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("place", ["x", "residual"])
@pytest.mark.parametrize("rows", [1, 9])
def test_a_linear_layer_keeps_what_is_no_number(level: str, rows: int, place: str) -> None:
    rng = generator("no number", rows)
    arrays = {"x": rng.standard_normal((rows, 128)).astype(F), "residual": rng.standard_normal((rows, 40)).astype(F)}
    arrays[place][0, 3] = np.nan
    found, _ = fused_linear(arrays["x"], np.ones(128, F), arrays["residual"], 40, 4, 2)
    assert np.isnan(found[0]).sum() == (1 if place == "residual" else 40)
    assert np.isfinite(found[1:]).all()


# ----------------------------------------------------------------------------------------------------- Experts


class Mixture:
    """Experts with a gate, and what they give by the reference."""

    def __init__(self, rng: np.random.Generator, gate: Gate, k: int, hidden: int, inner: int) -> None:
        self.gate, self.k = gate, k
        count = gate.matrix.shape[1] + gate.shared
        self.gate_up = stacked(rng, count, 2 * inner, hidden, 4, 32)
        self.down = stacked(rng, count, hidden, inner, 4, 32)

    def model(self, names: tuple[str, ...] = ("gamma", "residual"), **changes: Any) -> bytes:
        hidden = len(self.gate.matrix)
        constants: dict[str, NDArray[Any]] = {
            "a": self.gate_up[0],
            "a.scales": self.gate_up[1],
            "b": self.down[0],
            "b.scales": self.down[1],
            "gamma": np.linspace(0.5, 1.5, hidden, dtype=F),
            "gate": self.gate.matrix,
        }
        if self.gate.bias is not None:
            constants["bias"] = self.gate.bias
        attributes = {
            "k": self.k,
            "bits": 4,
            "block_size": 32,
            "epsilon": EPSILON,
            "shared": self.gate.shared,
            "sigmoid": int(self.gate.bias is not None),
            "renormalize": int(self.gate.renormalize),
            "scaling": self.gate.scaling,
        } | {name: value for name, value in changes.items() if name not in constants}
        constants |= {name: value for name, value in changes.items() if name in constants}
        inputs = {name: [None, None, None] for name in ("x", "residual")}
        order = ["x", "", "", "a", "a.scales", "b", "b.scales", "gamma", "residual", "gate", "bias"]
        order = [n if n not in ("gamma", "residual") or n in names else "" for n in order]
        if self.gate.bias is None:
            order.pop()
        used = {name: axes for name, axes in inputs.items() if name in order}
        return one_node("Experts", used, {n: a for n, a in constants.items() if n in order}, order=order, **attributes)

    def expected(self, x: NDArray[F], residual: NDArray[F]) -> NDArray[F]:
        normed = reference.rms_norm(x, np.linspace(0.5, 1.5, x.shape[1], dtype=F), EPSILON)
        choice, weights = self.gate.values(normed, self.k)
        return residual + blocks.experts(normed, choice, weights, self.gate_up, self.down, self.k, 4, 32)


GATES = [
    (64, {"shared": 2}),  # as Small has it
    (72, {"shared": 2, "bias": True, "renormalize": True, "scaling": 2.5}),  # as Base has it
    (5, {}),
    (17, {"bias": True}),
    (3, {"shared": 1, "renormalize": True}),
]


@pytest.mark.parametrize(("tokens", "hidden"), [(1, 2048), (2, 520), (16, 96), (17, 96), (45, 600)])
@pytest.mark.parametrize(("routed", "settings"), GATES)
def test_experts_with_a_gate(level: str, routed: int, settings: dict[str, Any], tokens: int, hidden: int) -> None:
    rng = generator("gate", routed, tokens, hidden)
    matrix = (rng.standard_normal((hidden, routed)) / np.sqrt(hidden)).astype(F)
    bias = rng.uniform(0, 0.5, routed).astype(F) if settings.get("bias") else None
    gate = Gate(matrix, **(settings | {"bias": bias}))
    k = min(6, routed) + gate.shared
    mixture = Mixture(rng, gate, k, hidden, 32)
    x, residual = rng.standard_normal((2, tokens, hidden)).astype(F)
    expected = mixture.expected(x, residual)
    for threads in (1, 3):
        found = run(mixture.model(), {"x": x[None], "residual": residual[None]}, threads)[0]
        assert np.abs(found - expected).max() <= OF_EXP * np.abs(expected).max()


def test_levels_choose_and_weigh_to_the_same_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    """The order of the router's sums is part of the interface: a level must not choose another expert near a tie."""
    from dsvl2_kernels.library import SETTING, open_kernels

    rng = generator("levels")
    gate = Gate((rng.standard_normal((1100, 71)) / 30).astype(F), shared=2)
    mixture = Mixture(rng, gate, 8, 1100, 32)
    x, residual = rng.standard_normal((2, 1, 23, 1100)).astype(F)
    found = []
    for level in open_kernels().levels:
        monkeypatch.setenv(SETTING, level)
        found.append(run(mixture.model(), {"x": x, "residual": residual}))
    for other in found[1:]:
        np.testing.assert_array_equal(other, found[0])


def test_equal_logits_take_the_first(level: str) -> None:
    rng = generator("equal")
    mixture = Mixture(rng, Gate(np.zeros((64, 6), F)), 2, 64, 32)
    x, residual = rng.standard_normal((2, 8, 64)).astype(F)
    found = run(mixture.model(), {"x": x[None], "residual": residual[None]})[0]
    expected = mixture.expected(x, residual)
    assert np.abs(found - expected).max() <= OF_EXP * np.abs(expected).max()


def test_experts_keep_what_is_no_number(level: str) -> None:
    rng = generator("experts")
    mixture = Mixture(rng, Gate(rng.standard_normal((64, 6)).astype(F), shared=1), 3, 64, 32)
    x = rng.standard_normal((1, 3, 64)).astype(F)
    x[0, 1, 5] = np.inf
    found = run(mixture.model(("gamma",)), {"x": x})[0]
    assert np.isnan(found[1]).all()
    assert np.isfinite(found[[0, 2]]).all()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"gate": np.ones((63, 6), F)}, "the gate has the shape [63, 6], but there are 64 features and 6 experts"),
        ({"gate": np.ones((64, 5), F)}, "the gate has the shape [64, 5]"),
        ({"gate": np.ones(384, F)}, "the gate has the shape [384]"),
        ({"gamma": np.ones(63, F)}, "gamma has the shape [63], but a row has 64 features"),
        ({"shared": 2}, "and 5 experts to choose from"),
        ({"shared": 3}, "shared is 3; it must be from 0 to 2"),
        ({"shared": -1}, "shared is -1"),
        ({"sigmoid": 1}, "the bias must be a constant"),
        ({"sigmoid": 2}, "sigmoid is 2"),
        ({"renormalize": 2}, "renormalize is 2"),
        ({"scaling": np.nan}, "scaling is"),
        ({"epsilon": -1.0}, "epsilon is"),
    ],
)
def test_experts_refuse_a_gate(level: str, changes: dict[str, Any], message: str) -> None:
    mixture = Mixture(generator(0), Gate(np.ones((64, 6), F), shared=1), 3, 64, 32)
    x = np.ones((1, 2, 64), F)
    with pytest.raises(Exception, match=f"(?s).*{re.escape(message)}"):
        run(mixture.model(**changes), {"x": x, "residual": x})


def test_experts_refuse_a_residual_of_other_sizes(level: str) -> None:
    mixture = Mixture(generator(0), Gate(np.ones((64, 6), F)), 3, 64, 32)
    with pytest.raises(Exception, match=re.escape("the residual has the shape [1, 1, 64]")):
        run(mixture.model(), {"x": np.ones((1, 2, 64), F), "residual": np.ones((1, 1, 64), F)})


def test_experts_take_either_a_gate_or_choices(level: str) -> None:
    mixture = Mixture(generator(0), Gate(np.ones((64, 6), F)), 3, 64, 32)
    for given in (("x", ""), ("", ""), ("", "x")):
        model = onnx.load_from_string(mixture.model())
        node = model.graph.node[0]
        node.input[1], node.input[2] = given
        if given == ("", ""):
            node.input[9] = ""
        with pytest.raises(Exception, match="either choice and weights, or a constant gate"):
            run(model.SerializeToString(), dict.fromkeys(("x", "residual"), np.ones((1, 2, 64), F)))


@pytest.mark.parametrize("operator", ["BlockLinear", "Experts"])
def test_gamma_must_be_a_constant(level: str, operator: str) -> None:
    """One that is computed would be left aside without a word."""
    x = np.ones((1, 2, 64), F)
    if operator == "Experts":
        model = Mixture(generator(0), Gate(np.ones((64, 6), F)), 3, 64, 32).model()
    else:
        w = weight(generator(0), 8, 64, 4, 64)
        attributes: dict[str, Any] = {"N": 8, "K": 64, "bits": 4, "block_size": 64, "epsilon": EPSILON}
        constants: dict[str, NDArray[Any]] = {"w": w.packed, "scales": w.scales.reshape(-1), "gamma": np.ones(64, F)}
        model = one_node("BlockLinear", {"x": [None] * 3}, constants, order=["x", *constants], **attributes)
    changed = onnx.load_from_string(model)
    kept = [entry for entry in changed.graph.initializer if entry.name != "gamma"]
    del changed.graph.initializer[:]
    changed.graph.initializer.extend(kept)
    changed.graph.input.append(helper.make_tensor_value_info("gamma", TensorProto.FLOAT, [64]))
    feeds = {entry.name: np.ones(64, F) if entry.name == "gamma" else x for entry in changed.graph.input}
    with pytest.raises(Exception, match="gamma must be a constant"):
        run(changed.SerializeToString(), feeds)


# ------------------------------------------------------------------------------------------------ LatentInputs

Parts = tuple[NDArray[F], NDArray[F], NDArray[F]]
POSITIONS = 50


def latent_case(heads: int, nope: int, rope: int, rank: int, seq: int) -> dict[str, NDArray[Any]]:
    rng = generator("latent", heads, nope, rope, rank, seq)
    angles = rng.uniform(-3, 3, (POSITIONS, rope // 2))
    return {
        "projected": rng.standard_normal((1, seq, heads * (nope + rope) + rope + rank)).astype(F),
        "gamma": rng.uniform(0.5, 1.5, rank).astype(F),
        "position_ids": rng.integers(0, POSITIONS, (1, seq)),
        "cos": np.cos(angles).astype(F),
        "sin": np.sin(angles).astype(F),
    }


def latent_inputs(case: dict[str, NDArray[Any]], heads: int, threads: int = 2) -> Parts:
    constants = {name: array for name, array in case.items() if name != "projected"}
    outputs = ("q_nope", "q_rope", "new")
    axes: list[int | None] = [None] * case["projected"].ndim
    model = one_node("LatentInputs", {"projected": axes}, constants, outputs=outputs, heads=heads, epsilon=EPSILON)
    graph = onnx.load_from_string(model)
    graph.graph.node.append(helper.make_node("Cast", ["new"], ["wide"], to=TensorProto.FLOAT))
    graph.graph.output[-1].CopyFrom(helper.make_tensor_value_info("wide", TensorProto.FLOAT, None))
    q_nope, q_rope, new = session(graph.SerializeToString(), threads).run(None, {"projected": case["projected"]})
    return q_nope, q_rope, new


@pytest.mark.parametrize("seq", [0, 1, 2, 9, 70])
@pytest.mark.parametrize(("heads", "nope", "rope", "rank"), [(16, 128, 64, 512), (1, 1, 2, 1), (3, 5, 6, 33)])
def test_latent_inputs(level: str, heads: int, nope: int, rope: int, rank: int, seq: int) -> None:
    """To the bit, new rows rounded to bfloat16, and in the shapes that `LatentStep` and `LatentPrompt` take."""
    case = latent_case(heads, nope, rope, rank, seq)
    plain, turned, latent = np.split(case["projected"][0], [heads * nope, heads * nope + (heads + 1) * rope], axis=1)
    ids = case["position_ids"][0]
    turned = reference.rotated(turned.reshape(seq, heads + 1, rope), case["cos"][ids], case["sin"][ids])
    rows = np.concatenate([reference.rms_norm(latent, case["gamma"], EPSILON), turned[:, heads]], -1)
    for threads in (1, 3):
        q_nope, q_rope, new = latent_inputs(case, heads, threads)
        np.testing.assert_array_equal(q_nope, plain[None])
        np.testing.assert_array_equal(q_rope, turned[:, :heads].reshape(seq * heads, rope))
        np.testing.assert_array_equal(new, attention.widened(attention.bf16(rows)))


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("position_ids", np.full((1, 3), POSITIONS), f"a position is {POSITIONS}, but the tables have {POSITIONS}"),
        ("position_ids", np.full((1, 3), -1), "a position is -1"),
        ("position_ids", np.full((1, 3), np.iinfo(np.int64).min), "a position is -9223372036854775808"),
        ("position_ids", np.zeros((1, 2), np.int64), "sizes do not fit"),
        ("projected", np.zeros((1, 3, 53), F), "sizes do not fit"),
        ("projected", np.zeros((1, 3, 9), F), "sizes do not fit"),
        ("projected", np.zeros((3, 54), F), "sizes do not fit"),
        ("projected", np.zeros((2, 3, 54), F), "sizes do not fit"),
        ("gamma", np.zeros(0, F), "gamma has the shape [0]"),
        ("gamma", np.ones(13, F), "sizes do not fit"),
        ("cos", np.ones((POSITIONS, 2), F), "sizes do not fit"),
        ("sin", np.ones((POSITIONS - 1, 3), F), "sizes do not fit"),
    ],
)
def test_latent_inputs_refuse(level: str, name: str, value: NDArray[Any], message: str) -> None:
    case = latent_case(3, 5, 6, 15, 3)
    assert case["projected"].shape[-1] == 54
    with pytest.raises(Exception, match=f"(?s).*{re.escape(message)}"):
        latent_inputs(case | {name: value}, 3)


def test_latent_inputs_keep_what_is_no_number(level: str) -> None:
    case = latent_case(3, 5, 6, 15, 3)
    case["projected"][0, 1] = np.nan
    q_nope, q_rope, new = latent_inputs(case, 3)
    assert np.isnan(q_nope[0, 1]).all()
    assert np.isnan(q_rope[3:6]).all()
    assert np.isnan(new[1]).all()
    assert all(np.isfinite(rows).all() for rows in (q_nope[0, ::2], q_rope[6:], new[::2]))

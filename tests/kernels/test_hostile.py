"""Weights and attributes that do not fit are refused with both sizes in the message, before anything is read."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from kernels.graphs import one_node, run

F = np.float32
LINEAR: dict[str, Any] = {"N": 32, "K": 128, "bits": 4, "block_size": 64}
EXPERTS: dict[str, Any] = {"k": 2, "bits": 4, "block_size": 32}


def free(array: NDArray[Any]) -> list[None]:
    """Axes of any length, as many as an array has."""
    return [None] * array.ndim


def linear(**changes: Any) -> NDArray[F]:
    """One linear layer that would be right without the changes."""
    values: dict[str, Any] = {"w": W, "scales": SCALES, "x": np.ones((1, 5, 128), F)} | LINEAR | changes
    w, scales, x = (values.pop(name) for name in ("w", "scales", "x"))
    model = one_node("BlockLinear", {"x": free(x)}, {"w": w, "scales": scales}, **values)
    return run(model, {"x": x})


W, SCALES = np.zeros((32, 2, 32), np.uint8), np.ones(64, F)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"w": W[:31]}, "has the shape [31, 2, 32], but its sizes ask for 2048 bytes"),
        ({"w": W[..., :31]}, "has the shape [32, 2, 31], but its sizes ask for 2048 bytes"),
        ({"w": W[:0]}, "has the shape [0, 2, 32], but its sizes ask for 2048 bytes"),
        ({"scales": SCALES[:63]}, "have the shape [63], but its sizes ask for 64"),
        ({"scales": SCALES.reshape(8, 8)[:, :7]}, "have the shape [8, 7], but its sizes ask for 64"),
        ({"N": 33}, "its sizes ask for 2112 bytes"),
        ({"K": 129}, "its sizes ask for 3072 bytes"),
        ({"N": 2**31, "K": 2**31}, "its sizes ask for"),
        ({"N": 2**62}, "N is 4611686018427387904; it must be from 1 to 2147483648"),
        ({"K": 0}, "K is 0; it must be from 1 to"),
        ({"N": -1}, "N is -1; it must be from 1 to"),
        ({"bits": 5}, "has 5 bits; there are kernels for 4 and 8"),
        ({"block_size": 48}, "has blocks of 48; they must be a power of two from 16 to 256"),
        ({"block_size": 8}, "block_size is 8; it must be from 16 to 256"),
        ({"x": np.ones((1, 5, 127), F)}, "x has the shape [1, 5, 127], but the weight takes 128 features"),
        ({"scales": np.where(np.arange(64) == 40, np.nan, SCALES).astype(F)}, "has a scale that is not finite"),
        ({"scales": np.where(np.arange(64) == 63, np.inf, SCALES).astype(F)}, "has a scale that is not finite"),
    ],
)
def test_linear_refuses(level: str, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(Exception, match=f"(?s).*{re.escape(message)}"):
        linear(**changes)


E, T, H, I = 4, 6, 64, 32  # experts, tokens, hidden, intermediate  # noqa: E741
GATE_UP, GATE_UP_SCALES = np.zeros((E, 2 * I, H // 2), np.uint8), np.ones((E, 2 * I, 2), F)
DOWN, DOWN_SCALES = np.zeros((E, H, I // 2), np.uint8), np.ones((E, H, 1), F)


def experts(changes: dict[str, Any]) -> NDArray[F]:
    feeds: dict[str, NDArray[Any]] = {
        "x": np.ones((1, T, H), F),
        "choice": np.ones((T, E), F),
        "weights": np.ones((T, E), F),
    }
    constants: dict[str, NDArray[Any]] = {"a": GATE_UP, "a.scales": GATE_UP_SCALES, "b": DOWN, "b.scales": DOWN_SCALES}
    attributes = EXPERTS | {name: value for name, value in changes.items() if name in EXPERTS}
    feeds |= {name: value for name, value in changes.items() if name in feeds}
    constants |= {name: value for name, value in changes.items() if name in constants}
    model = one_node("Experts", {name: free(value) for name, value in feeds.items()}, constants, **attributes)
    return run(model, feeds)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"a": GATE_UP[:, :-1]}, "gate_up has an odd number of rows"),
        ({"a": GATE_UP[:, :-2]}, "have the shape [4, 64, 2], but its sizes ask for"),
        ({"a": GATE_UP[:3]}, "its sizes ask for"),
        ({"a": GATE_UP.reshape(E, -1)}, "both must have three axes"),
        ({"b": DOWN[..., :-1]}, "its sizes ask for"),
        ({"b": DOWN[:, :-1]}, "its sizes ask for"),
        ({"a.scales": GATE_UP_SCALES[..., :1]}, "its sizes ask for 512"),
        ({"b.scales": DOWN_SCALES[:, :1]}, "its sizes ask for 256"),
        ({"b.scales": np.where(np.arange(H)[None, :, None] == 9, np.nan, DOWN_SCALES).astype(F)}, "not finite"),
        ({"k": 5}, "k is 5, but there are 4 experts"),
        ({"k": 0}, "k is 0; it must be from 1 to"),
        ({"block_size": 64}, "its sizes ask for"),
        ({"x": np.ones((1, T, H + 1), F)}, "but the experts take 64 features"),
        ({"choice": np.ones((T, E + 1), F)}, "the router's values have the shape [6, 5]"),
        ({"weights": np.ones((T - 1, E), F)}, "the router's values have the shape [5, 4]"),
    ],
)
def test_experts_refuse(level: str, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(Exception, match=f"(?s).*{re.escape(message)}"):
        experts(changes)


def test_a_weight_must_be_a_constant(level: str) -> None:
    """One that a graph computes could change under the kernel."""
    import onnx
    from onnx import TensorProto, helper

    model = onnx.load_from_string(one_node("BlockLinear", {"x": [1, 5, 128]}, {"w": W, "scales": SCALES}, **LINEAR))
    kept = [entry for entry in model.graph.initializer if entry.name != "w"]
    del model.graph.initializer[:]
    model.graph.initializer.extend(kept)
    model.graph.input.append(helper.make_tensor_value_info("w", TensorProto.UINT8, W.shape))
    with pytest.raises(Exception, match="the weight must be a constant"):
        run(model.SerializeToString(), {"x": np.ones((1, 5, 128), F), "w": W})

"""Our operators beside ONNX Runtime's, one at a time, at the sizes of a release: `python -m dsvl2_bench.operators`.

Both run in this process in turns, on one thread by default, and the least processor time of each counts: what other
programs do at the same time then matters least. Rates are of multiplications and additions of the weights.
"""

from __future__ import annotations

import argparse
import json
import resource
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from dsvl2_bench.turns import Figures
from dsvl2_export.graphs.own_operators import replace_operators
from dsvl2_runtime.graphs.target import CPU
from dsvl2_runtime.machine.kernels import find_kernels

BLOCK = 64
HIDDEN, INTERMEDIATE, EXPERTS, CHOSEN = 2048, 1408, 16, 4
"""Of Small, with a quarter of its experts, each with as many tokens as it has of all."""
QUERIES_AND_LATENT = 3648
"""Rows of the first product of its attention."""
TOKENS = (1, 8, 128, 512)


@dataclass(frozen=True, slots=True)
class Case:
    """One node of ONNX Runtime's, with random weights."""

    name: str
    model: Any
    feeds: Callable[[int], Mapping[str, NDArray[np.float32]]]
    """Number of tokens -> inputs."""
    multiplications: int
    """Per token."""


def cases() -> list[Case]:
    """Experts, and products in 4 and 8 bit."""
    return [experts_case(), *(linear_case(bits) for bits in (4, 8))]


def linear_case(bits: int) -> Case:
    """`MatMulNBits`."""
    rng = np.random.default_rng(bits)
    blocks = HIDDEN // BLOCK
    packed = rng.integers(0, 256, (QUERIES_AND_LATENT, blocks, BLOCK * bits // 8), np.uint8)
    constants = {"packed": packed, "scales": _scales(rng, QUERIES_AND_LATENT * blocks)}
    sizes = {"K": HIDDEN, "N": QUERIES_AND_LATENT, "bits": bits, "block_size": BLOCK, "accuracy_level": 4}
    model = _model("MatMulNBits", ["x", *constants], {"x": [1, "tokens", HIDDEN]}, constants, sizes)
    return Case(
        f"product in {bits} bit",
        model,
        lambda tokens: {"x": np.random.default_rng(0).standard_normal((1, tokens, HIDDEN), np.float32)},
        HIDDEN * QUERIES_AND_LATENT,
    )


def experts_case() -> Case:
    """`QMoE`."""
    rng = np.random.default_rng(0)
    gate_up = rng.integers(0, 256, (EXPERTS, 2 * INTERMEDIATE, HIDDEN // 2), np.uint8)
    down = rng.integers(0, 256, (EXPERTS, HIDDEN, INTERMEDIATE // 2), np.uint8)
    constants = {
        "gate_up": gate_up,
        "gate_up.scales": _scales(rng, EXPERTS, 2 * INTERMEDIATE, HIDDEN // BLOCK),
        "down": down,
        "down.scales": _scales(rng, EXPERTS, HIDDEN, INTERMEDIATE // BLOCK),
    }
    first = ["x", "choice", "gate_up", "gate_up.scales", "", "down", "down.scales", *[""] * 7, "weights"]
    axes: dict[str, list[int | str]] = {
        "x": [1, "tokens", HIDDEN],
        "choice": ["tokens", EXPERTS],
        "weights": ["tokens", EXPERTS],
    }
    attributes = {
        "k": CHOSEN, "activation_type": "swiglu", "swiglu_fusion": 1, "activation_alpha": 1.0, "activation_beta": 0.0,
        "expert_weight_bits": 4, "block_size": BLOCK, "normalize_routing_weights": 0, "accuracy_level": 4,
        "weights_prepacked": 0,
    }  # fmt: skip

    def feeds(tokens: int) -> Mapping[str, NDArray[np.float32]]:
        random = np.random.default_rng(tokens)
        choice = random.standard_normal((tokens, EXPERTS), np.float32)
        x = random.standard_normal((1, tokens, HIDDEN), np.float32)
        return {"x": x, "choice": choice, "weights": np.full_like(choice, 1 / CHOSEN)}

    return Case(
        "experts", _model("QMoE", first, axes, constants, attributes), feeds, 3 * CHOSEN * HIDDEN * INTERMEDIATE
    )


def _scales(rng: np.random.Generator, *shape: int) -> NDArray[np.float32]:
    return rng.uniform(0.002, 0.006, shape).astype(np.float32)


def _model(
    operator: str,
    inputs: Sequence[str],
    axes: Mapping[str, Sequence[int | str]],
    constants: Mapping[str, NDArray[Any]],
    attributes: Mapping[str, Any],
) -> Any:
    node = helper.make_node(operator, list(inputs), ["y"], domain="com.microsoft", **attributes)
    graph = helper.make_graph(
        [node],
        operator,
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, list(shape)) for name, shape in axes.items()],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10)


def measure(threads: int, repeats: int) -> Figures:
    """Of each case and number of tokens: GFLOP/s of both, and how many times as fast ours is."""
    library = find_kernels()
    found: Figures = {"kernels": library.level, "threads": threads}
    for case in cases():
        theirs = _session(case.model.SerializeToString(), threads, None)
        replace_operators(case.model)
        ours = _session(case.model.SerializeToString(), threads, str(library.path))
        found[case.name] = {}
        for tokens in TOKENS:
            feeds = dict(case.feeds(tokens))
            seconds = [min(times) for times in zip(*(_turn(ours, theirs, feeds) for _ in range(repeats)), strict=True)]
            rates = [round(2e-9 * tokens * case.multiplications / each, 1) for each in seconds]
            ratio = round(seconds[1] / seconds[0], 2)
            found[case.name][str(tokens)] = {"ours": rates[0], "onnxruntime": rates[1], "ratio": ratio}
    return found


def _session(model: bytes, threads: int, library: str | None) -> onnxruntime.InferenceSession:
    options = CPU.session_options(threads)
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # the idle pool would slow the other one
    if library:
        options.register_custom_ops_library(library)
    return onnxruntime.InferenceSession(model, options, providers=[CPU.provider])


def _turn(ours: Any, theirs: Any, feeds: dict[str, NDArray[np.float32]]) -> tuple[float, float]:
    taken = []
    for session in (ours, theirs):
        before = _processor_seconds()
        session.run(None, feeds)
        taken.append(_processor_seconds() - before)
    return taken[0], taken[1]


def _processor_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print one JSON object."""
    parser = argparse.ArgumentParser(prog="python -m dsvl2_bench.operators")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=10)
    options = parser.parse_args(arguments)
    print(json.dumps(measure(options.threads, options.repeats), indent=1))


if __name__ == "__main__":
    main()

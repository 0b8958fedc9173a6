"""Our operators beside ONNX Runtime's, one at a time, at the sizes of a release: `python -m dsvl2_bench.operators`.

Both run in this process in turns, on one thread by default, and the least processor time of each counts: what other
programs do at the same time then matters least. Rates are of multiplications and additions of the weights.

In a model one layer follows another, so a layer's weights come from memory and not from a cache. Therefore each
operator is there many times, with weights of its own, and all of them are run before the first one is run again.
"""

from __future__ import annotations

import argparse
import json
import resource
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count, islice
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from dsvl2_bench.memory import FEWEST_BYTES
from dsvl2_bench.turns import Figures
from dsvl2_export.graphs.own_operators import replace_operators
from dsvl2_runtime.graphs.target import CPU
from dsvl2_runtime.machine.kernels import find_kernels
from dsvl2_runtime.machine.machine import available_memory

BLOCK = 64
HIDDEN, INTERMEDIATE, EXPERTS, CHOSEN = 2048, 1408, 16, 4
"""Of Small, with a quarter of its experts, each with as many tokens as it has of all."""
QUERIES_AND_LATENT = 3648
"""Rows of the first product of its attention."""
TOKENS = (1, 8, 128, 512)
WEIGHT_BYTES = 1 << 30
"""Of all copies of an operator: servers have caches of 480 MB (`memory.py`)."""
SHARE_OF_MEMORY = 16
"""The weights take at most this part of the memory that is free; both engines have them, one of them packed as well."""
TOKENS_OF_A_TURN = 64
"""With fewer of them a turn runs several copies, because one alone would take less than a thousandth of a second."""


@dataclass(frozen=True, slots=True)
class Case:
    """One node of ONNX Runtime's, with random weights."""

    name: str
    model: Any
    feeds: Callable[[int, int], Mapping[str, NDArray[np.float32]]]
    """(number of tokens, how often all copies have been run) -> inputs."""
    multiplications: int
    """Per token."""

    @property
    def weight_bytes(self) -> int:
        """Of one copy."""
        return sum(len(initializer.raw_data) for initializer in self.model.graph.initializer)


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
        lambda tokens, _: {"x": np.random.default_rng(0).standard_normal((1, tokens, HIDDEN), np.float32)},
        HIDDEN * QUERIES_AND_LATENT,
    )


def experts_case() -> Case:
    """`QMoE`. Neighbouring tokens choose different experts, and the next time others, until all have been chosen."""
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

    def feeds(tokens: int, times: int) -> Mapping[str, NDArray[np.float32]]:
        x = np.random.default_rng(tokens).standard_normal((1, tokens, HIDDEN), np.float32)
        first = CHOSEN * (times + np.arange(tokens)[:, None])
        choice = -((np.arange(EXPERTS) - first) % EXPERTS).astype(np.float32)  # the first one and those behind it
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
    found: Figures = {"kernels": find_kernels().level, "threads": threads}
    return found | {case.name: measure_case(case, threads, repeats) for case in cases()}


def measure_case(case: Case, threads: int, repeats: int) -> Figures:
    """The same of one case, by the number of tokens; the case's model is changed."""
    copies, library = copies_of(case), str(find_kernels().path)
    theirs = [_session(case.model.SerializeToString(), threads, None) for _ in range(copies)]
    replace_operators(case.model)
    ours = [_session(case.model.SerializeToString(), threads, library) for _ in range(copies)]
    found: Figures = {}
    order = rotation(copies)
    # What is done once for each weight, such as a look at its scales, belongs to no turn.
    _turn(ours, theirs, list(islice(order, copies)), case, EXPERTS // CHOSEN)
    for tokens in TOKENS:
        turns = (list(islice(order, copies_of_a_turn(copies, tokens))) for _ in range(repeats))
        times = [_turn(ours, theirs, turn, case, tokens) for turn in turns]
        seconds = [min(of_one) for of_one in zip(*times, strict=True)]
        rates = [round(2e-9 * tokens * case.multiplications / each, 1) for each in seconds]
        ratio = round(seconds[1] / seconds[0], 2)
        found[str(tokens)] = {"ours": rates[0], "onnxruntime": rates[1], "ratio": ratio}
    return found


def copies_of(case: Case) -> int:
    """So many that no cache holds the weights of all of them."""
    wanted = max(FEWEST_BYTES, min(WEIGHT_BYTES, available_memory() // SHARE_OF_MEMORY))
    return -(-wanted // case.weight_bytes)


def copies_of_a_turn(copies: int, tokens: int) -> int:
    """How many are run one after another where the clock is not looked at."""
    return min(copies, -(-TOKENS_OF_A_TURN // tokens))


def rotation(copies: int) -> Iterator[tuple[int, int]]:
    """Endless: which copy is next, and how often all of them have been run."""
    return ((index % copies, index // copies) for index in count())


def _session(model: bytes, threads: int, library: str | None) -> onnxruntime.InferenceSession:
    options = CPU.session_options(threads)
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # the idle pool would slow the other one
    if library:
        options.register_custom_ops_library(library)
    return onnxruntime.InferenceSession(model, options, providers=[CPU.provider])


def _turn(
    ours: Sequence[onnxruntime.InferenceSession],
    theirs: Sequence[onnxruntime.InferenceSession],
    turn: Sequence[tuple[int, int]],
    case: Case,
    tokens: int,
) -> tuple[float, float]:
    """Processor seconds of one run, ours and theirs; the same copies of both are run."""
    inputs = {times: dict(case.feeds(tokens, times)) for _, times in turn}
    taken = []
    for sessions in (ours, theirs):
        before = _processor_seconds()
        for copy, times in turn:
            sessions[copy].run(None, inputs[times])
        taken.append((_processor_seconds() - before) / len(turn))
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

"""What the CPU says in float32 for the other experts that a GPU may choose where two of them are nearly tied.

A router's scores are rounded on their way to a GPU's halves. Where the last expert that is chosen and the first that is
not are closer than that rounding, a correct kernel may take the other one, and the logits of that position are those of
another choice, up to a third away. So such a position has several right answers, each as exact as the first.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper

from dsvl2_runtime.config import LanguageConfig
from dsvl2_runtime.graphs import graph_io
from dsvl2_runtime.graphs.sequence import Sequence
from dsvl2_runtime.graphs.target import CPU
from dsvl2_runtime.model import VisionLanguageModel

NEARLY_TIED = {"softmax": 0.06, "sigmoid": 0.012}
"""Between the scores that two experts are chosen by: logits for softmax, the sigmoids for sigmoid. About five times the
error of that difference in halves, and more than the largest of 44,000 (small bundles of the three variants, evaluated
in NumPy): 0.013 as root of the mean square and 0.051 at most in prompts, whose experts compute in bfloat16, and 0.005
and 0.023 in steps; for sigmoid 0.0019 and 0.0103 in prompts, 0.0010 and 0.0035 in steps."""
MOST_CHOICES = 64
"""Of one position; those with the fewest other experts come first."""
FAR = 1e4
"""Beyond any score."""


class ChoosingDecoder:
    """A decoder graph in float32 of which each router can be made to choose other experts."""

    def __init__(self, decoder: Path, config: LanguageConfig) -> None:
        model = onnx.load(str(decoder), load_external_data=False)
        self._scores = _let_choose(model.graph)
        self._logits_and_scores = [graph_io.LOGITS, *self._scores]
        self._config, self._limit = config, NEARLY_TIED[config.scoring_func]
        path = decoder.with_stem("choosing")  # beside its weights
        onnx.save(model, str(path))
        self._session: onnxruntime.InferenceSession = CPU.new_session(path, CPU.session_options(2))

    def choices(self, feeds: Mapping[str, Any]) -> list[NDArray[np.float32]]:
        """Logits [vocab] of one position for each choice of experts; first for that of float32.

        Args:
            feeds: the graph's inputs for that position.
        """
        found = list[NDArray[np.float32]]()
        waiting = [(0, np.zeros((len(self._scores), self._config.n_routed_experts or 0), np.float32))]
        while waiting and len(found) < MOST_CHOICES:
            first, changes = waiting.pop(0)
            inputs = {_change(name): row[None] for name, row in zip(self._scores, changes, strict=True)}
            logits, *scores = self._session.run(self._logits_and_scores, {**feeds, **inputs})
            found.append(logits[0])
            # Layers behind an other expert read other values, so that their ties are other ones.
            for layer in range(first, len(scores)):
                for chosen, other in self._nearly_tied(scores[layer][0]):
                    changed = changes.copy()
                    changed[layer, chosen], changed[layer, other] = -FAR, FAR
                    waiting.append((layer + 1, changed))
        return found

    def _nearly_tied(self, scores: NDArray[np.float32]) -> Iterator[tuple[int, int]]:
        """Each chosen expert with each other one that is nearly as good."""
        order, count = np.argsort(-scores), self._config.num_experts_per_tok or 0
        for chosen in order[:count]:
            for other in order[count:]:
                if scores[chosen] - scores[other] < self._limit:
                    yield int(chosen), int(other)


def _change(scores: str) -> str:
    return f"change.{scores}"


def _let_choose(graph: onnx.GraphProto) -> list[str]:
    """Give a graph inputs [1, experts] that are added to the scores by which experts are chosen, and to nothing else.

    Returns:
        Names of these scores, [seq, experts], which become outputs.
    """
    nodes, names = list[onnx.NodeProto](), list[str]()
    for node in graph.node:
        if node.op_type == "TopK":
            scores = node.input[0]
            if scores not in names:
                names.append(scores)
                nodes.append(helper.make_node("Add", [scores, _change(scores)], [f"changed.{scores}"]))
                graph.input.append(helper.make_tensor_value_info(_change(scores), TensorProto.FLOAT, [1, None]))
                graph.output.append(helper.make_tensor_value_info(scores, TensorProto.FLOAT, [None, None]))
            node.input[0] = f"changed.{scores}"
        nodes.append(node)
    del graph.node[:]
    graph.node.extend(nodes)
    return names


def other_choices(
    decoder: ChoosingDecoder, model: VisionLanguageModel, sequence: Sequence, count: int
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """The last positions of a sequence once more, for each choice of experts but that of float32.

    Args:
        decoder: of the same graph as the model's.
        model: in float32.
        sequence: that it has read; its last positions are text.
        count: of positions.

    Returns:
        (logits [others, vocab], which of the positions each belongs to [others], from 0.)
    """
    others, belong_to = list[NDArray[np.float32]](), list[int]()
    rows, start = list(sequence.cache.rows(sequence.cache.length)), sequence.cache.length - count
    for number in range(count):
        at = start + number
        feeds: dict[str, Any] = {
            graph_io.INPUTS_EMBEDS: model.components.embedding.tokens(np.array(sequence.token_ids[at : at + 1])),
            graph_io.POSITION_IDS: np.array([[at]]),
            **{tensor.past: part[:at] for tensor, part in zip(sequence.cache.tensors, rows, strict=True)},
        }
        found = decoder.choices(feeds)[1:]
        others += found
        belong_to += [number] * len(found)
    vocab_size = model.config.language_config.vocab_size
    return np.array(others, np.float32).reshape(-1, vocab_size), np.array(belong_to, np.int64)

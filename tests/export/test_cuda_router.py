"""Which experts the kernel for a GPU chooses by the logits that it gets, in its own type, beside those of float32."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import ml_dtypes
import numpy as np
import pytest
from numpy.typing import NDArray

from cuda_operators import evaluate, softmax
from dsvl2_export.graphs.cuda.experts import centre_of, router_logits, total_weight
from dsvl2_export.graphs.cuda.form import ELEMENTS, ON_GPU, ElementName
from dsvl2_export.graphs.cuda.stored_weights import StoredWeights
from dsvl2_export.graphs.cuda.writer import CudaWriter, SharedWeights, typed_value
from dsvl2_export.synth.config import synthetic_config
from dsvl2_runtime.config import LanguageConfig
from small_models import FIGURE, VARIANTS

TOKENS = 4000
SPREAD = 1.0
"""Of the scores of one token."""
TYPES: dict[ElementName, Any] = {"bfloat16": ml_dtypes.bfloat16, "float16": np.float16}


class Router:
    """Random tokens, and the weights of a router with as many experts as a release has."""

    def __init__(self, variant: str) -> None:
        self.config: LanguageConfig = synthetic_config(variant).language_config
        generator, hidden, experts = np.random.default_rng(4), self.config.hidden_size, self.config.n_routed_experts
        assert experts
        self.tokens = generator.standard_normal((TOKENS, hidden), np.float32).astype(np.float16)
        gate = generator.standard_normal((hidden, experts), np.float32) * np.float32(SPREAD * hidden**-0.5)
        bias = generator.standard_normal(experts, np.float32) * np.float32(0.01)
        self._stored = {"mlp.gate": gate, "mlp.gate.e_score_correction_bias": bias}

    def array(self, name: str) -> NDArray[np.float32]:
        """As `StoredWeights` gives them."""
        return self._stored[name]

    def in_float32(self) -> NDArray[np.float32]:
        """The weights of all experts [tokens, experts + shared] by the definition; zero where they are not chosen."""
        config, scores = self.config, self.tokens.astype(np.float32) @ self.array("mlp.gate")
        by_sigmoid = config.scoring_func == "sigmoid"
        weights = 1 / (1 + np.exp(-scores)) if by_sigmoid else softmax(scores)
        choice = weights + self.array("mlp.gate.e_score_correction_bias") if by_sigmoid else weights
        last = np.sort(choice, -1)[:, -(config.num_experts_per_tok or 0), None]
        weights = np.where(choice >= last, weights, 0)
        if config.norm_topk_prob:
            weights /= weights.sum(-1, keepdims=True)
        shared = np.ones((TOKENS, config.n_shared_experts or 0), np.float32)
        return np.concatenate([weights * np.float32(config.routed_scaling_factor), shared], -1)

    def on_gpu(self, logits: NDArray[Any]) -> NDArray[np.float32]:
        """The same as the kernel makes them of its logits."""
        chosen = (self.config.num_experts_per_tok or 0) + (self.config.n_shared_experts or 0)
        order = np.argsort(-logits.astype(np.float32), axis=-1, kind="stable")[:, :chosen]
        weights = softmax(logits.astype(np.float32)) * np.float32(total_weight(self.config))
        kept = np.zeros_like(weights)
        np.put_along_axis(kept, order, np.take_along_axis(weights, order, -1), -1)
        return kept

    def logits(self, folder: Path, element: ElementName) -> tuple[NDArray[Any], NDArray[np.float32]]:
        """What the graph gives the kernel, and the same in float32."""
        weights = SharedWeights(folder / "router.data")
        writer = CudaWriter(folder / "router.onnx", weights, ON_GPU)
        writer.experts_in = element
        exact = router_logits(writer, cast(StoredWeights, self), self.config, "tokens", "mlp")
        given = writer.cast(exact, element, "float32")
        writer.save_graph(
            [typed_value("tokens", ["tokens", self.config.hidden_size], ELEMENTS["float16"])],
            [typed_value(given, ["tokens", "experts"], ELEMENTS[element])],
        )
        weights.data.finish()
        values = evaluate(folder / "router.onnx", {"tokens": self.tokens})
        assert values[given].dtype == TYPES[element]
        return values[given], values[exact]


def others(found: NDArray[np.float32], expected: NDArray[np.float32]) -> int:
    """Tokens that have other experts."""
    return int(((found > 0) != (expected > 0)).any(-1).sum())


def error(found: NDArray[np.float32], expected: NDArray[np.float32]) -> float:
    """Of the weights that tokens with the same experts give them."""
    same = ((found > 0) == (expected > 0)).all(-1)
    return float(np.linalg.norm(found[same] - expected[same]) / np.linalg.norm(expected[same]))


@pytest.mark.parametrize("variant", VARIANTS)
def test_prompts_choose_the_experts_of_float32(variant: str, tmp_path: Path, record_property: Any) -> None:
    """Beside logits that are rounded where `LogSoftmax` leaves them; of Base float32 has chosen before."""
    router = Router(variant)
    expected = router.in_float32()
    given, exact = router.logits(tmp_path, "bfloat16")
    centred = router.on_gpu(given)
    # A shared expert has the logit of weight 1, which is what was added to all.
    plain = router.on_gpu((exact - exact[:, -1:]).astype(ml_dtypes.bfloat16))
    found = others(centred, expected), others(plain, expected)
    errors = error(centred, expected), error(plain, expected)
    record_property(FIGURE, f"{variant}: other experts {found} of {TOKENS}, error of weights {errors}, now and before")
    if router.config.scoring_func == "sigmoid":
        assert found == (0, 0)
        assert errors[0] == errors[1]
    else:
        assert 0 < 5 * found[0] < found[1]
        assert errors[0] < errors[1] / 2
    assert errors[0] < 2.0**-8  # what bfloat16 rounds a number to


def test_steps_round_less_than_their_scores_are_uncertain(tmp_path: Path) -> None:
    """In float16 one token in a hundred has other experts, without a node more."""
    router = Router("small")
    given, exact = router.logits(tmp_path, "float16")
    assert not exact[:, -1].any()
    assert others(router.on_gpu(given), router.in_float32()) < TOKENS / 100


@pytest.mark.parametrize("experts", [1, 2, 8, 64, 72, 256])
def test_what_is_added_is_exact_in_bfloat16(experts: int) -> None:
    centre = centre_of(experts)
    assert float(np.asarray(centre, ml_dtypes.bfloat16)) == centre
    assert 0 <= centre < max(1, np.log(experts))

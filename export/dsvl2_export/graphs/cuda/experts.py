"""The mixture of experts of one layer for a GPU, whose kernel takes nothing but logits.

`QMoE` on CUDA weighs the chosen experts with a softmax over the logits of all of them. So the logits are made from
which that softmax gives each expert its weight, divided by the sum of all weights, and the second matrices of all
multiplied by that sum. A shared expert of weight 1 is one that is always chosen: it has logit 0 = log 1.

| router | routed expert `i` | sum of all weights |
|---|---|---|
| softmax, weights as they are (Tiny, Small) | `log(factor p_i)`, all of them | `factor + shared` |
| renormalised (Base: sigmoid) | `log(factor s_i / sum of chosen s)`, -30000 where not chosen | `factor + shared` |

(`factor` is `routed_scaling_factor`; the routed weights of the first row sum to it over all experts, of the second over
those that are chosen.)

The kernel takes the logits in the type of its experts. Of 64 experts the last that is chosen has a logit of about -3,
where bfloat16 has steps of 0.016, so nearly tied ones would change places. A softmax gives the same for logits that
are all larger by one number: `centre_of` is added to those of the first row, and the steps are finest where it
matters. In the second row experts are chosen in float32 already.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dsvl2_export.graphs.cuda.packing import pack_experts, require_tiles
from dsvl2_export.graphs.cuda.stored_weights import StoredWeights, expert_format
from dsvl2_export.graphs.cuda.writer import MASKED, CudaWriter
from dsvl2_quant.formats.blocks import BlockFormat
from dsvl2_runtime.config import LanguageConfig
from dsvl2_runtime.errors import UsageError

TINY = 1e-20
"""Keeps a sum from being zero, as the reference does."""


def experts(writer: CudaWriter, stored: StoredWeights, config: LanguageConfig, x: str, name: str) -> str:
    """Routed and shared experts of one layer: [1, seq, hidden] -> [1, seq, hidden].

    Args:
        writer: of the graph.
        stored: weights of the decoder for the CPU.
        config: sizes.
        x: of the decoder's type.
        name: of the layer's MLP in the checkpoint.
    """
    hidden, element = config.hidden_size, writer.experts_in
    tokens = writer.reshape(x, -1, hidden)
    logits = writer.cast(router_logits(writer, stored, config, tokens, name), element, "float32")
    weights, form = expert_weights(writer, stored, config, name)
    chosen = (config.num_experts_per_tok or 0) + (config.n_shared_experts or 0)
    found = writer.experts(writer.cast(tokens, element, writer.form.decoder), logits, weights, chosen, form)
    return writer.reshape(writer.cast(found, writer.form.decoder, element), 1, -1, hidden)


def total_weight(config: LanguageConfig) -> float:
    """The sum of the weights of all experts, routed and shared."""
    return config.routed_scaling_factor + (config.n_shared_experts or 0)


def router_logits(writer: CudaWriter, stored: StoredWeights, config: LanguageConfig, tokens: str, name: str) -> str:
    """[tokens, hidden] -> [tokens, experts + shared] float32; another expert would be no mere rounding error."""
    gate = writer.typed(f"{name}.gate", lambda: stored.array(f"{name}.gate"), "float32")  # [hidden, experts]
    logits = writer.node("MatMul", [writer.cast(tokens, "float32", writer.form.decoder), gate])
    if config.norm_topk_prob or config.scoring_func == "sigmoid":
        routed, shared = _renormalised(writer, stored, config, logits, name), 0.0
    else:
        shared = centre_of(config.n_routed_experts or 1) if writer.experts_in == "bfloat16" else 0.0
        routed = _as_they_are(writer, config, logits, shared)
    if not config.n_shared_experts:
        return routed
    pads = writer.int64(0, 0, 0, config.n_shared_experts)
    return writer.node("Pad", [routed, pads, writer.number(shared, "float32")])


def centre_of(experts: int) -> float:
    """What is added to logits of so many experts before they become bfloat16, which holds it exactly.

    With 64 experts, six of them chosen, and random scores of a spread of 1, rounding then gives 0.4 % of the tokens
    another choice instead of 4.2 %, and weights a fifth of the error; the choices of spreads from 0.3 to 4 are three to
    nine times as good. In float16, with 0.5 %, it is not worth a node.
    """
    return float(max(0, round(math.log(experts)) - 1))


def _as_they_are(writer: CudaWriter, config: LanguageConfig, logits: str, centre: float) -> str:
    factor, chosen = config.routed_scaling_factor, config.num_experts_per_tok or 0
    if config.n_shared_experts and factor > chosen + 1:
        # The first expert that is not chosen has at most 1 / (chosen + 1) of the probability.
        raise UsageError(f"routed_scaling_factor {factor} would rank routed experts before shared ones")
    logs = writer.node("LogSoftmax", [logits], axis=-1)
    added = float(np.log(factor)) + centre
    return writer.node("Add", [logs, writer.number(added, "float32")]) if added else logs


def _renormalised(writer: CudaWriter, stored: StoredWeights, config: LanguageConfig, logits: str, name: str) -> str:
    if config.scoring_func == "sigmoid":
        scores = writer.node("Sigmoid", [logits])
        bias = f"{name}.gate.e_score_correction_bias"
        choice = writer.node("Add", [scores, writer.typed(bias, lambda: stored.array(bias), "float32")])
    else:
        choice = scores = writer.node("Softmax", [logits], axis=-1)
    top = [choice, writer.int64(config.num_experts_per_tok or 0)]
    index = writer.nodes("TopK", top, 2, axis=-1, sorted=1)[1]  # [tokens, chosen]
    kept = writer.node("GatherElements", [scores, index], axis=-1)
    if config.norm_topk_prob:
        total = writer.node("ReduceSum", [kept, writer.int64(-1)], keepdims=1)
        kept = writer.node("Div", [kept, writer.node("Add", [total, writer.number(TINY, "float32")])])
    kept = writer.node("Mul", [kept, writer.number(config.routed_scaling_factor, "float32")])
    nowhere = writer.node("Mul", [scores, writer.number(0.0, "float32")])
    nowhere = writer.node("Add", [nowhere, writer.number(MASKED, "float32")])
    logs = writer.node("Log", [writer.node("Add", [kept, writer.number(TINY, "float32")])])
    return writer.node("ScatterElements", [nowhere, index, logs], axis=-1)


def expert_weights(
    writer: CudaWriter, stored: StoredWeights, config: LanguageConfig, name: str
) -> tuple[list[str], BlockFormat]:
    """Names of interleaved gate and up, their scales, down, its scales; and the format of them all."""
    hidden, inner, element = config.hidden_size, config.moe_intermediate_size, writer.experts_in
    if writer.form.packed:
        require_tiles({"hidden_size": hidden, "moe_intermediate_size": inner})
    form = expert_format(stored.shape(f"{name}.down"), stored.shape(f"{name}.down.scales"), inner)
    factor = np.float32(total_weight(config))

    def integers(part: str) -> Callable[[], NDArray[Any]]:
        def make() -> NDArray[Any]:
            found = stored.array(f"{name}.{part}")
            return pack_experts(found, form.bits) if writer.form.packed else found

        return make

    layout = "packed" if writer.form.packed else "raw"
    names = [
        writer.shared(f"{name}.gate_up.{layout}", integers("gate_up")),
        writer.typed(f"{name}.gate_up.scales", lambda: stored.array(f"{name}.gate_up.scales"), element),
        writer.shared(f"{name}.down.{layout}", integers("down")),
        writer.typed(f"{name}.down.scales", lambda: stored.array(f"{name}.down.scales") * factor, element),
    ]
    return names, form

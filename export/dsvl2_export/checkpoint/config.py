"""Reads the `config.json` of a checkpoint.

Official files hold only what differs from the class defaults; files that were saved again hold a hundred keys more.
Most of those say nothing about the model and are counted. A key that would change what is computed must have the value
that changes nothing; one that nobody here knows is named.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from dsvl2_runtime.config import LanguageConfig, ModelConfig, ProjectorConfig, VisionConfig
from dsvl2_runtime.errors import UsageError

Section = dict[str, Any]

SECTIONS: Mapping[str, type] = {
    "language_config": LanguageConfig,
    "vision_config": VisionConfig,
    "projector_config": ProjectorConfig,
}

OFFICIAL_LEFTOVERS = frozenset(
    {"architectures", "auto_map", "torch_dtype", "transformers_version", "lm_head", "rm_head", "_name_or_path"}
)
"""Keys of the official files that change nothing; they are not even counted."""

SAVED_WITH_EVERY_CONFIG = frozenset({
    "_attn_implementation_autoset", "attn_implementation", "bad_words_ids", "begin_suppress_tokens", "bos_token_id",
    "chunk_size_feed_forward", "decoder_start_token_id", "diversity_penalty", "do_sample", "dtype", "early_stopping",
    "encoder_no_repeat_ngram_size", "eos_token_id", "exponential_decay_length_penalty", "finetuning_task",
    "forced_bos_token_id", "forced_eos_token_id", "id2label", "is_decoder", "label2id", "length_penalty",
    "max_length", "min_length", "model_type", "no_repeat_ngram_size", "num_beam_groups", "num_beams",
    "num_return_sequences", "output_attentions", "output_hidden_states", "output_scores", "pad_token_id", "prefix",
    "problem_type", "quantization", "quantization_config", "remove_invalid_values", "repetition_penalty",
    "return_dict", "return_dict_in_generate", "sep_token_id", "suppress_tokens", "task_specific_params",
    "temperature", "tf_legacy_loss", "tie_encoder_decoder", "tie_word_embeddings", "tokenizer_class", "top_k",
    "top_p", "torchscript", "typical_p", "use_bfloat16", "use_cache",
})  # fmt: skip
"""Keys of every `PretrainedConfig`: how outputs are wrapped, labels of classifiers, defaults of text generation."""

TRAINING = frozenset({
    "aux_loss_alpha", "deterministic", "ep_size", "initializer_range", "num_nextn_predict_layers",
    "num_recomputing_layers", "output_router_logits", "pretraining_tp", "router_aux_loss_coef", "seq_aux",
    "use_checkpoint", "weight_init",
})  # fmt: skip
"""Keys about training, and about how work is spread over devices."""

WITHOUT_EFFECT = OFFICIAL_LEFTOVERS | SAVED_WITH_EVERY_CONFIG | TRAINING
"""Keys that change nothing, whatever their value. (Tied tables would lack a tensor, which is found.)"""

NEUTRAL: Mapping[str, tuple[Any, ...]] = {
    "add_cross_attention": (False,),
    "attention_multiplier": (1,),
    "attn_logit_softcapping": (),
    "clip_qkv": (),
    "cross_attention_hidden_size": (),
    "embedding_multiplier": (1,),
    "final_logit_softcapping": (),
    "is_encoder_decoder": (False,),
    "logit_scale": (1,),
    "logits_scaling": (1,),
    "mlp_bias": (False,),
    "partial_rotary_factor": (1,),
    "pruned_heads": ({},),
    "residual_multiplier": (1,),
    "scale_emb": (1,),
    "sliding_window": (),
    "use_qk_norm": (False,),
    "use_sliding_window": (False,),
}
"""Keys that would change the computation, with the values beside null that do not."""

ROPE_SETTINGS = ("rope_parameters", "rope_scaling")
PLAIN_ROPE: Mapping[str, tuple[Any, ...]] = {
    "type": ("default",),
    "rope_type": ("default",),
    "factor": (1,),
    "partial_rotary_factor": (1,),
}
"""Keys of rotation settings, with the values beside null that leave the rotation as it is."""


STRUCTURE: Mapping[str, Callable[[LanguageConfig], tuple[Any, ...]]] = {
    "head_dim": lambda config: (config.head_dim, config.qk_rope_head_dim),  # transformers gives it the rotated width
    "qk_head_dim": lambda config: (config.head_dim,),
    "rope_interleave": lambda config: (config.use_mla,),
    "rope_theta": lambda config: (config.rope_theta,),
    "layer_types": lambda config: (["full_attention"] * config.num_hidden_layers,),
    "mlp_layer_types": lambda config: (
        ["sparse" if config.is_moe(layer) else "dense" for layer in range(config.num_hidden_layers)],
    ),
}
"""Keys that repeat the structure of the language model in other words, with the values that agree with it."""


@dataclass(frozen=True, slots=True)
class CheckpointConfig:
    """The content of a `config.json`; keys are given with their section."""

    config: ModelConfig
    without_effect: tuple[str, ...]
    """Keys that do not change the model."""
    unknown: tuple[str, ...]
    """Keys that nobody here knows."""


@dataclass(frozen=True, slots=True)
class _Others:
    """Keys that are no fields of a configuration."""

    without_effect: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    structure: list[tuple[str, str, Any]] = field(default_factory=list)
    """(key, key with its section, value), to be compared when all sizes are known."""


def read_config(document: Mapping[str, Any]) -> CheckpointConfig:
    """Read the content of a `config.json`.

    Raises:
        UsageError: a value is of the wrong type or out of range, or a key asks for another computation.
    """
    others = _Others()
    known = _fields_of(dict(document), "", ModelConfig, others)
    for section, kind in SECTIONS.items():
        if isinstance(known.get(section), Mapping):
            known[section] = _fields_of(dict(known[section]), f"{section}.", kind, others)
    config = ModelConfig.from_json(known)
    for key, place, value in others.structure:
        allowed = STRUCTURE[key](config.language_config)
        if value is not None and value not in allowed:
            raise _other_computation(place, value, allowed)
        others.without_effect.append(place)
    return CheckpointConfig(config, tuple(others.without_effect), tuple(others.unknown))


def _fields_of(found: Section, prefix: str, kind: type, others: _Others) -> Section:
    """The fields of a section's configuration, in our spelling; its other keys are checked and listed."""
    theta = _plain_rope_theta(found, prefix, others)
    if theta is not None:
        found["rope_theta"] = theta
    if kind is LanguageConfig and "num_key_value_heads" in found and found["num_key_value_heads"] is None:
        # The reference takes as many key heads as query heads then.
        found["num_key_value_heads"] = found.get("num_attention_heads", LanguageConfig.num_attention_heads)
    names = {entry.name for entry in dataclasses.fields(kind)}
    for key in [key for key in found if key not in names]:
        place, value = prefix + key, found.pop(key)
        if key in STRUCTURE and kind in (LanguageConfig, ModelConfig):
            others.structure.append((key, place, value))
        elif key in NEUTRAL or "rope" in key or "rotary" in key:
            allowed = NEUTRAL.get(key, ())
            if value is not None and value not in allowed:
                raise _other_computation(place, value, allowed)
            others.without_effect.append(place)
        elif key not in WITHOUT_EFFECT:
            others.unknown.append(place)
        elif key not in OFFICIAL_LEFTOVERS:
            others.without_effect.append(place)
    return found


def _plain_rope_theta(found: Section, prefix: str, others: _Others) -> Any:
    """Take out the settings of the rotation; returns their base, or None where nothing names one.

    Raises:
        UsageError: they ask for more than a base, or for two.
    """
    theta, where = found.get("rope_theta"), "rope_theta"
    for name in ROPE_SETTINGS:
        settings = found.pop(name, None)
        if settings is None:
            continue
        if not isinstance(settings, Mapping):
            raise _other_computation(prefix + name, settings)
        for key, value in settings.items():
            if key == "rope_theta" and theta is not None and value != theta:
                raise UsageError(f"{prefix}{name}.{key} is {value}, but {prefix}{where} is {theta}")
            if key == "rope_theta":
                theta, where = value, f"{name}.{key}"
            elif value is not None and value not in PLAIN_ROPE.get(key, ()):
                raise _other_computation(f"{prefix}{name}.{key}", value, PLAIN_ROPE.get(key, ()))
        others.without_effect.append(prefix + name)
    return theta


def _other_computation(place: str, value: Any, allowed: tuple[Any, ...] = ()) -> UsageError:
    known = " or ".join(["null", *(repr(entry)[:100] for entry in allowed)])
    return UsageError(f"{place} is {repr(value)[:100]}, which asks for another computation; only {known} is supported")

"""Finds checkpoints whose weights are quantised already: their integers cannot be quantised again without loss."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from dsvl2_runtime.errors import ModelCorruptError

CONFIG_KEYS = ("quantization_config", "quantization", "compression_config")
"""Keys of `config.json` under which programs say how they quantised, in whatever section."""

METHODS: Mapping[str, str] = {
    "auto-round": "AutoRound",
    "intel/auto-round": "AutoRound",
    "awq": "AWQ",
    "bitsandbytes": "bitsandbytes",
    "compressed-tensors": "compressed-tensors",
    "fbgemm_fp8": "FP8",
    "fp8": "FP8",
    "gptq": "GPTQ",
}
"""Values of `quant_method` and how they are called."""

MARKS: Mapping[str, tuple[str, ...]] = {
    "method": ("quant_method",),
    "AutoRound": ("autoround_version",),
    "bitsandbytes": ("load_in_4bit", "load_in_8bit"),
    "compressed-tensors": ("config_groups",),
    "MLX": ("group_size",),
}
"""Keys of such a section by which its program is known, the surest first."""

TENSOR_MARKS: Mapping[str, tuple[str, ...]] = {
    "bitsandbytes": (".absmax", ".quant_map", ".SCB"),
    "GPTQ or AWQ": (".qweight", ".qzeros"),
    "compressed-tensors": (".weight_packed",),
    "FP8": (".weight_scale_inv", ".weight_scale"),
    "MLX": (".scales",),
}
"""Ends of the names of tensors that programs put beside weights."""

INTEGER_DTYPES = frozenset({"I8", "U8", "I16", "U16", "I32", "U32", "F8_E4M3", "F8_E5M2", "F4", "F8_E8M0"})


def refuse_quantized_config(path: Path, document: Mapping[str, Any]) -> None:
    """Refuse a `config.json` that says that its weights are quantised.

    Raises:
        ModelCorruptError: it does.
    """
    waiting: list[Any] = [document]
    while waiting:
        found = waiting.pop()
        if isinstance(found, Mapping):
            for key in CONFIG_KEYS:
                if found.get(key):
                    raise _quantized_error(path, _program(found[key]))
            waiting.extend(found.values())
        elif isinstance(found, list):
            waiting.extend(found)


def refuse_quantized_tensors(folder: Path, dtypes: Mapping[str, str], expected: Iterable[str]) -> None:
    """Refuse weights that are stored as integers, from the names and types of all tensors.

    Args:
        folder: of the checkpoint.
        dtypes: tensor name to type, as safetensors calls it.
        expected: names of the model's own tensors.

    Raises:
        ModelCorruptError: they are.
    """
    own = frozenset(expected)
    for program, ends in TENSOR_MARKS.items():
        if any(name.endswith(ends) and name not in own for name in dtypes):
            raise _quantized_error(folder, program)
    for name in own & dtypes.keys():
        if name.endswith("_proj.weight") and dtypes[name] in INTEGER_DTYPES:
            raise _quantized_error(folder, f"to {dtypes[name]}")


def _program(section: Any) -> str:
    if not isinstance(section, Mapping):
        return repr(str(section)[:40])
    for program, keys in MARKS.items():
        if any(section.get(key) for key in keys):
            if program != "method":
                return program
            method = str(section["quant_method"])
            return METHODS.get(method.lower(), repr(method[:40]))
    return "an unnamed program"


def _quantized_error(path: Path, program: str) -> ModelCorruptError:
    by = program if program.startswith("to ") else f"by {program}"
    return ModelCorruptError(path, f"these weights are quantised already ({by})", "take the original checkpoint")

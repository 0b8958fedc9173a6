"""What `whole_models` has measured, as a text: medians of each engine, ours to the others, bytes and bandwidth."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gguf import GGMLQuantizationType as Kind

from dsvl2_bench.bytes_read import bundle_bytes, gguf_bytes
from dsvl2_bench.turns import Figures, medians
from dsvl2_runtime.bundle.bundle import Bundle
from dsvl2_runtime.machine.machine import GIGABYTE

RATES = (("prefill_tok_s", "prefill of {} tokens"), ("decode_tok_s", "decode after {} tokens"))


def summary(results: Sequence[Figures], small: Path, kind: Kind) -> str:
    """Lines of text over the results so far.

    Args:
        results: each with `part`, `name`, `turn` and either `figures` or `error`.
        small: the bundle that was measured.
        kind: the format of the file that llama.cpp and ik_llama.cpp read.
    """
    lines: list[str] = []
    for part in dict.fromkeys(result["part"] for result in results):
        runs = [result for result in results if result["part"] == part]
        names = dict.fromkeys(result["name"] for result in runs)
        lines += ["", part]
        found: dict[str, Figures] = {}
        for name in names:
            figures = [run["figures"] for run in runs if run["name"] == name and "figures" in run]
            if figures:
                found[name] = medians(figures)
            lines += [f"  {name} failed: {run['error']}" for run in runs if run["name"] == name and "error" in run]
        lines += _speeds(found)
        if part == "decoder":
            lines += _bytes(found, small, kind)
        lines += [f"  {name}: {_others(figures)}" for name, figures in found.items()]
    return "\n".join(lines[1:]) + "\n"


def _speeds(found: dict[str, Figures]) -> list[str]:
    """Every speed of every engine, and how many times as fast the first one is."""
    ours = next(iter(found.values()), {})
    lines = []
    for group, label in RATES:
        for key in ours.get(group, {}):
            rates = {name: figures.get(group, {}).get(key) for name, figures in found.items()}
            lines.append(f"  {label.format(key)}: {_beside(rates, is_rate=True)} tokens/s")
    if ours.get("vision_s_per_tile") is not None:
        seconds = {name: figures.get("vision_s_per_tile") for name, figures in found.items()}
        lines.append(f"  vision per tile: {_beside(seconds, is_rate=False)} s")
    return lines


def _beside(values: dict[str, float | None], *, is_rate: bool) -> str:
    first = next(iter(values.values()))
    said = []
    for index, (name, value) in enumerate(values.items()):
        if value is None or first is None:
            continue
        ratio = first / value if is_rate else value / first
        said.append(f"{name} {value:g}" + (f" (the first is {ratio:.2f} times as fast)" if index else ""))
    return ", ".join(said)


def _bytes(found: dict[str, Figures], small: Path, kind: Kind) -> list[str]:
    """Bytes that a token reads, and the share of the bandwidth that was measured in the same turns."""
    bundle, bandwidth = Bundle.open(small), found.get("ours", {}).get("read_gb_s")
    language = bundle.manifest.config.language_config
    lines = []
    for name, figures in found.items():
        for context, rate in figures.get("decode_tok_s", {}).items():
            ours = name == "ours"
            read = bundle_bytes(bundle, int(context)) if ours else gguf_bytes(language, kind, int(context))
            rate_gb_s = read * rate / GIGABYTE
            share = f", {rate_gb_s / bandwidth:.0%} of the {bandwidth:g} GB/s measured" if bandwidth else ""
            lines.append(f"  {name} after {context}: {read / GIGABYTE:.3f} GB a token, {rate_gb_s:.1f} GB/s{share}")
    return lines


def _others(figures: Figures) -> str:
    """What is no speed."""
    shown = {
        name: value
        for name, value in figures.items()
        if name not in ("prefill_tok_s", "decode_tok_s", "vision_s_per_tile") and value is not None
    }
    return ", ".join(f"{name} {value}" for name, value in shown.items())

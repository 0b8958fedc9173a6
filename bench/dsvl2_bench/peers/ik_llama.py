"""ik_llama.cpp on the language model, by its own program for measuring.

    python -m dsvl2_bench.peers.ik_llama FILE.gguf --program llama-bench --threads 2

The options are those that its authors give for DeepSeek on a CPU: latent attention without a copy of keys (`-mla 3`),
fused experts, flash attention, weights reordered at load.
"""

from __future__ import annotations

import argparse
import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dsvl2_bench.lengths import DECODE_STEPS, Lengths, add_lengths
from dsvl2_runtime.graphs.decoder import PREFILL_CHUNK

OPTIONS = ("-mla", "3", "-fmoe", "1", "-fa", "1", "-rtr", "1", "-r", "1", "-o", "json")
SHOWN_CHARACTERS = 300


def command(program: Path, file: Path, threads: int, lengths: Lengths) -> list[str]:
    """Its command line for prompts and for decode steps after them."""
    batches = ["-b", str(PREFILL_CHUNK), "-ub", str(PREFILL_CHUNK)]
    prompts = ["-p", ",".join(str(length) for length in lengths.prompts), "-n", str(DECODE_STEPS)]
    steps = [word for length in lengths.contexts if length for word in ("-gp", f"{length},{DECODE_STEPS}")]
    return [str(program), "-m", str(file), "-t", str(threads), *batches, *OPTIONS, *prompts, *steps]


def figures(output: str, lengths: Lengths) -> dict[str, Any]:
    """Tokens per second by the labels of its tests: `pp421`, `tg16`, `tg16@pp1415`.

    Raises:
        ValueError: the output is not what the program writes.
    """
    try:
        rates = {str(test["test"]): round(float(test["avg_ts"]), 2) for test in json.loads(output)}
        return {
            "prefill_tok_s": {str(length): rates[f"pp{length}"] for length in lengths.prompts},
            "decode_tok_s": {
                str(length): rates[f"tg{DECODE_STEPS}" + (f"@pp{length}" if length else "")]
                for length in lengths.contexts
            },
        }
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(
            f"this is not the output of ik_llama.cpp's llama-bench: {output[:SHOWN_CHARACTERS]!r}"
        ) from error


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure one file and print one JSON object."""
    parser = argparse.ArgumentParser(prog="python -m dsvl2_bench.peers.ik_llama")
    parser.add_argument("file", type=Path)
    parser.add_argument("--program", type=Path, required=True)
    parser.add_argument("--threads", type=int, required=True)
    add_lengths(parser)
    options = parser.parse_args(arguments)
    lengths = Lengths.asked(options)
    line = command(options.program, options.file, options.threads, lengths)
    found = subprocess.run(line, capture_output=True, encoding="utf-8", errors="replace", check=False)  # noqa: S603
    if found.returncode:
        raise SystemExit((found.stderr.strip().splitlines() or [f"{line[0]} failed"])[-1])
    print(json.dumps(figures(found.stdout, lengths)))


if __name__ == "__main__":
    main()

"""A run as a checkpoint in the official layout: `python -m dsvl2_demo.training.publish --run DIR --out CHECKPOINT`.

The averaged weights are written. Then `dsvl2-onnx export CHECKPOINT` makes bundles of it like of any other checkpoint.
What training added to the network (layout embedding, heads) lies in a file beside, for more training alone.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Tensor

from dsvl2_demo.training.geometry import demo_config, small_config
from dsvl2_demo.training.pieces import read_pieces
from dsvl2_demo.training.run_state import RunFolder
from dsvl2_demo.training.vocabulary import demo_tokenizer
from dsvl2_export.checkpoint.files import config_document, processor_document, write_shards
from dsvl2_export.checkpoint.json_files import write_json
from dsvl2_export.checkpoint.tensor_names import Shape, expected_tensors
from dsvl2_runtime.config import ModelConfig
from dsvl2_runtime.errors import Dsvl2Error, ModelCorruptError, UsageError
from dsvl2_runtime.inputs.tokenizer import BOS, EOS, PAD, SPECIAL_TOKENS
from dsvl2_runtime.machine.files import new_folder

NOTE = (
    "This is the demonstration model: 21 million parameters, trained on drawn receipts, forms, windows, tables and "
    "other pages. It is often wrong."
)
NETWORK = "network."
BESIDE_FILE = "training.safetensors"
SHARD_BYTES = 15_000_000
"""Small enough for a repository to hold."""


def run_weights(run: Path) -> Mapping[str, Tensor]:
    """The averaged weights of a run, from its pieces or its state.

    Raises:
        UsageError: the folder has neither.
        ModelCorruptError: they are damaged or incomplete.
    """
    weights: Mapping[str, Tensor] = read_pieces(run) or RunFolder(run).require()["average"]
    return weights


def publish(weights: Mapping[str, Tensor], config: ModelConfig, out: Path, *, overwrite: bool = False) -> None:
    """Write a checkpoint folder.

    Args:
        weights: of a `Reader`, as in a run's state.
        config: the network's.
        out: the new folder.
        overwrite: replace a checkpoint that is there, once the new one is complete.

    Raises:
        UsageError: `out` exists and is not to be replaced.
        ModelCorruptError: the weights are not those of the configuration, or not finite.
    """
    if out.exists() and not overwrite:
        raise UsageError(f"{out} is there already; give another folder or remove it")
    network = {name.removeprefix(NETWORK): value for name, value in weights.items() if name.startswith(NETWORK)}
    shapes = expected_tensors(config)
    found = {name: tuple(value.shape) for name, value in network.items()}
    if found != shapes:
        differing = sorted(name for name in found | shapes if found.get(name) != shapes.get(name))
        raise ModelCorruptError(out, f"{len(differing)} tensors differ, first {differing[0]}", "train this geometry")

    def pieces(name: str, shape: Shape) -> Iterator[NDArray[np.float32]]:
        array: NDArray[np.float32] = network[name].float().cpu().numpy().reshape(shape)
        if not np.isfinite(array).all():
            raise ModelCorruptError(out, f"{name} holds values that are not finite", "go back to an earlier save")
        yield array

    with new_folder(out, overwrite=overwrite) as folder:
        write_shards(folder, shapes, pieces, SHARD_BYTES)
        beside = {
            name: value.bfloat16().contiguous() for name, value in weights.items() if not name.startswith(NETWORK)
        }
        save_file(beside, folder / BESIDE_FILE)
        write_json(folder / "config.json", {**config_document(config), "dsvl2_note": NOTE})
        write_json(folder / "processor_config.json", processor_document(config))
        named = {"bos_token": BOS, "eos_token": EOS, "pad_token": PAD}
        document: dict[str, Any] = json.loads(demo_tokenizer().to_str())
        check_added(document)
        write_json(folder / "tokenizer.json", document)
        write_json(
            folder / "tokenizer_config.json", {"tokenizer_class": "LlamaTokenizerFast", "add_bos_token": True, **named}
        )
        write_json(folder / "special_tokens_map.json", named)


def check_added(document: Mapping[str, Any]) -> None:
    """The eleven added tokens stand in the official order, on which the ids in the configuration rest."""
    found = tuple(token["content"] for token in document["added_tokens"])
    if found != SPECIAL_TOKENS:
        raise UsageError(f"the tokenizer's added tokens are {found}")


def main(arguments: Sequence[str] | None = None) -> None:
    """Publish the averaged weights of a run."""
    parser = argparse.ArgumentParser(
        prog="python -m dsvl2_demo.training.publish", description="Write a run as a checkpoint."
    )
    parser.add_argument("--run", type=Path, required=True, help="folder of the run, or of its pieces")
    parser.add_argument("--out", type=Path, required=True, help="folder of the new checkpoint")
    parser.add_argument("--small", action="store_true", help="of the smaller network, for pages of one tile")
    options = parser.parse_args(arguments)
    try:
        publish(run_weights(options.run), small_config() if options.small else demo_config(), options.out)
    except Dsvl2Error as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()

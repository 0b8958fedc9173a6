"""Writes checkpoints with random weights in the official names, layout and types, of any release and size.

They replace the official files, which have up to 55 GB, wherever a test or a trial needs a checkpoint.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from dsvl2_export.checkpoint.files import SHARD_BYTES, config_document, processor_document, write_shards
from dsvl2_export.checkpoint.json_files import write_json
from dsvl2_export.checkpoint.tensor_names import expected_tensors, unused_tensors
from dsvl2_export.synth.config import synthetic_config
from dsvl2_export.synth.tokenizer import write_tokenizer
from dsvl2_export.synth.weights import NOTE, random_tensor
from dsvl2_runtime.config import ModelConfig
from dsvl2_runtime.errors import UsageError
from dsvl2_runtime.machine.files import new_folder


def write_synthetic_checkpoint(
    out: Path,
    variant: str,
    *,
    scale: float = 1.0,
    layers: int | None = None,
    seed: int = 0,
    config: ModelConfig | None = None,
    shard_bytes: int = SHARD_BYTES,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """Write a checkpoint folder; it appears when it is complete.

    Args:
        out: the new folder.
        variant: which release to imitate.
        scale: factor on every width.
        layers: number of decoder layers; by default the release's, scaled.
        seed: seed of the weights; each tensor depends on the seed and its own name alone.
        config: sizes to use instead of `variant`, `scale` and `layers`.
        shard_bytes: the largest shard.
        on_progress: told (bytes written, bytes in all).

    Raises:
        UsageError: `out` exists.
        BusyError: another process writes there.
        ResourceError: the disk is full or not writable.
    """
    if out.exists():
        raise UsageError(f"{out} is there already; give another folder or remove it")
    config = config or synthetic_config(variant, scale, layers)
    with new_folder(out) as folder:
        write_json(folder / "config.json", {**config_document(config), "dsvl2_note": NOTE})
        write_json(folder / "processor_config.json", processor_document(config))
        write_tokenizer(folder, config.language_config)
        shapes = expected_tensors(config) | unused_tensors(config.vision_config)
        write_shards(folder, shapes, lambda name, shape: random_tensor(name, shape, seed), shard_bytes, on_progress)

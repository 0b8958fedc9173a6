"""Checkpoint to bundle: every graph written, quantised on the way, one tensor in memory at a time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from dsvl2_export.checkpoint import Checkpoint
from dsvl2_export.decoder.graph import write_decoder
from dsvl2_export.disk_space import expected_bytes, require_disk
from dsvl2_export.embed_tokens import write_embed_tokens
from dsvl2_export.projector_graph import write_projector
from dsvl2_export.vision_tower_graph import write_vision_encoder
from dsvl2_export.weight_source import WeightSource
from dsvl2_quant.recipe import RECIPES, Recipe
from dsvl2_quant.vision_int8 import quantize_linears
from dsvl2_runtime import graph_io
from dsvl2_runtime.bundle import BundleWriter
from dsvl2_runtime.config import ModelConfig

MINIMUM_ONNXRUNTIME = "1.31.0"
"""The first release whose QMoE takes accuracy_level and packs block-wise experts once at load."""

ExportProgress = Callable[[str, int, int], None]
"""Told (graph, steps done, steps in all)."""


def export_bundle(
    source: Path,
    out: Path,
    precision: str,
    *,
    name: str | None = None,
    overwrite: bool = False,
    on_progress: ExportProgress = lambda graph, done, total: None,
) -> None:
    """Convert a checkpoint in the official layout to a bundle.

    Args:
        source: the checkpoint's folder.
        out: the bundle's folder; it appears only when it is complete.
        precision: a preset of `dsvl2_quant.recipe.RECIPES`.
        name: what the bundle calls itself; by default the name of its folder.
        overwrite: replace a bundle that is there already.
        on_progress: told which graph is being written and how far it is.

    Raises:
        ModelNotFoundError, ModelCorruptError: the checkpoint is incomplete or not what it declares.
        UsageError: `out` exists, or a size has no block that divides it.
        ResourceError: the disk has too little room, or is not writable.
    """
    export_weights(Checkpoint.open(source), out, precision, name=name, overwrite=overwrite, on_progress=on_progress)


def export_weights(
    source: WeightSource,
    out: Path,
    precision: str,
    *,
    name: str | None = None,
    overwrite: bool = False,
    on_progress: ExportProgress = lambda graph, done, total: None,
) -> None:
    """Write a bundle from any source of weights; see `export_bundle`."""
    config = source.config
    recipe = RECIPES[precision].fitted(config.language_config)
    require_disk(out, expected_bytes(config, recipe))
    with BundleWriter(out, overwrite=overwrite) as writer:
        folder = writer.folder
        source.write_tokenizer(folder)
        on_progress(graph_io.EMBED_TOKENS, 0, 1)
        table = source.array("language.model.embed_tokens.weight")
        write_embed_tokens(folder / f"{graph_io.EMBED_TOKENS}.onnx", table, recipe.embed_tokens)
        del table
        on_progress(graph_io.EMBED_TOKENS, 1, 1)
        write_vision(folder, source, recipe, on_progress)
        write_decoder(
            folder / f"{graph_io.DECODER}.onnx",
            config.language_config,
            source,
            recipe,
            lambda done, total: on_progress(graph_io.DECODER, done, total),
        )
        writer.finish(
            name=name or out.name,
            variant=variant_of(config),
            precision=precision,
            parts=recipe.parts(),
            config=config,
            minimum_onnxruntime=MINIMUM_ONNXRUNTIME,
            note=source.note,
        )


def write_vision(folder: Path, source: WeightSource, recipe: Recipe, on_progress: ExportProgress) -> None:
    """Trace the vision encoder and the projector, quantising their linear layers where the recipe says so."""

    def rewrite(model: Any) -> None:
        if recipe.vision == "int8":
            quantize_linears(model)

    write_vision_encoder(
        folder / f"{graph_io.VISION_ENCODER}.onnx",
        source,
        rewrite,
        lambda done, total: on_progress(graph_io.VISION_ENCODER, done, total),
    )
    on_progress(graph_io.PROJECTOR, 0, 1)
    write_projector(folder / f"{graph_io.PROJECTOR}.onnx", source, rewrite)
    on_progress(graph_io.PROJECTOR, 1, 1)


def variant_of(config: ModelConfig) -> str:
    """Which release a model is built like: tiny, small or base."""
    if not config.language_config.use_mla:
        return "tiny"
    return "base" if config.language_config.scoring_func == "sigmoid" else "small"

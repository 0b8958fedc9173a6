"""Checkpoint to bundle: every graph written, quantised on the way, one tensor in memory at a time."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import onnx
from onnx import ModelProto

from dsvl2_export.bundle_size import MARGIN_BYTES, cuda_bytes, expected_bytes
from dsvl2_export.checkpoint.checkpoint import Checkpoint
from dsvl2_export.graphs.cuda.bundle_graphs import write_cuda_graphs
from dsvl2_export.graphs.decoder.graph import write_decoder
from dsvl2_export.graphs.embed_tokens import write_embed_tokens
from dsvl2_export.graphs.external_data import journal_of
from dsvl2_export.graphs.own_operators import with_own_operators
from dsvl2_export.graphs.own_vision import own_vision_graph
from dsvl2_export.graphs.projector import write_projector
from dsvl2_export.graphs.vision_encoder import write_vision_encoder
from dsvl2_export.graphs.vision_int8 import quantize_linears
from dsvl2_export.weight_source import WeightSource
from dsvl2_quant.formats.columns import ColumnFormat
from dsvl2_quant.formats.float32 import Float32
from dsvl2_quant.methods.nearest import Nearest
from dsvl2_quant.methods.quantizer import Quantizer
from dsvl2_quant.recipe import RECIPES, Recipe
from dsvl2_runtime import __version__
from dsvl2_runtime.bundle.graph_entry import CPU_TARGET, CacheFormat, CacheRow, GraphEntry
from dsvl2_runtime.bundle.graph_file import ENDING, read_graph_file
from dsvl2_runtime.bundle.releases import variant_of
from dsvl2_runtime.bundle.writer import BundleWriter
from dsvl2_runtime.config import LanguageConfig
from dsvl2_runtime.errors import BusyError, UsageError
from dsvl2_runtime.graphs import graph_io
from dsvl2_runtime.graphs.elements import BY_NAME
from dsvl2_runtime.machine.disk_space import require_disk
from dsvl2_runtime.machine.files import bytes_in, flush_files, unfinished

MINIMUM_ONNXRUNTIME = "1.31.0"
"""The first release whose QMoE takes accuracy_level and packs block-wise experts once at load."""

NEAREST = Nearest()

OWN_GRAPH = "{}_own_kernels"
"""Of the graph of that name, the one with our operators."""
REWRITERS = {
    graph_io.DECODER: with_own_operators,
    graph_io.VISION_ENCODER: own_vision_graph,
    graph_io.PROJECTOR: own_vision_graph,
}
"""(path of a graph) -> the new one, and how many nodes of it are ours; it is of no use where that is 0."""

ExportProgress = Callable[[int, int], None]
"""Told (bytes on the disk, bytes expected in all)."""

log = logging.getLogger(__name__)


def export_bundle(
    source: Path,
    out: Path,
    precision: str,
    *,
    name: str | None = None,
    quantizer: Quantizer = NEAREST,
    overwrite: bool = False,
    for_cuda: bool = False,
    looks_again: bool = False,
    on_progress: ExportProgress = lambda done, total: None,
) -> None:
    """Convert a checkpoint in the official layout to a bundle.

    Args:
        source: the checkpoint's folder.
        out: the bundle's folder; it appears only when it is complete. An export interrupted after a decoder layer is
            resumed by the next call with the same arguments.
        precision: a preset of `dsvl2_quant.recipe.RECIPES`.
        name: what the bundle calls itself; by default the name of its folder.
        quantizer: the method of quantisation.
        overwrite: replace a bundle that is there already.
        for_cuda: write the graphs for a GPU as well.
        looks_again: a second look makes this model's answers better (`answers/second_look.py` of the runtime).
        on_progress: told how many bytes are on the disk.

    Raises:
        ModelNotFoundError, ModelCorruptError: the checkpoint is incomplete or not what it declares.
        UsageError: `out` exists, or a size has no block that divides it.
        BusyError: another process writes there.
        ResourceError: the disk has too little room, or is not writable.
    """
    weights = Checkpoint.open(source)
    export_weights(
        weights,
        out,
        precision,
        name=name,
        quantizer=quantizer,
        overwrite=overwrite,
        for_cuda=for_cuda,
        looks_again=looks_again,
        on_progress=on_progress,
    )


def export_weights(
    source: WeightSource,
    out: Path,
    precision: str,
    *,
    name: str | None = None,
    quantizer: Quantizer = NEAREST,
    overwrite: bool = False,
    for_cuda: bool = False,
    looks_again: bool = False,
    on_progress: ExportProgress = lambda done, total: None,
) -> None:
    """Write a bundle from any source of weights; see `export_bundle`."""
    out = out if out.is_symlink() else out.resolve()
    config = source.config
    recipe = RECIPES[precision].fitted(config.language_config)
    if for_cuda and isinstance(recipe.experts, Float32):
        raise UsageError("graphs for the GPU are made of quantised weights; use --precision int4 or int8")
    expected = expected_bytes(config, recipe) + (cuda_bytes(config, recipe) if for_cuda else 0)
    purpose = f"{__version__} {precision} {recipe} {quantizer.identity} {source.identity}"
    journal_name = journal_of(Path(f"{graph_io.DECODER}.data")).name
    journal = unfinished(out) / journal_name
    try:
        with BundleWriter(out, overwrite=overwrite, purpose=purpose, journal=journal_name) as writer:
            # An earlier attempt is either resumed or deleted by now, so its bytes are available to this one.
            require_disk(out, expected + MARGIN_BYTES - bytes_in(writer.folder))

            def tell() -> None:
                on_progress(bytes_in(writer.folder), expected)

            if journal.exists():
                log.warning("resuming an interrupted export of %s", out)
            tell()
            if not journal.exists():
                write_small_parts(writer.folder, source, recipe, quantizer, tell)
            write_decoder(writer.folder / f"{graph_io.DECODER}.onnx", source, recipe, quantizer, tell)
            for graph, rewritten in REWRITERS.items():
                path = writer.folder / f"{graph}{ENDING}"
                model, count = rewritten(path)
                if count:
                    path.with_stem(OWN_GRAPH.format(graph)).write_bytes(model.SerializeToString())
            graphs = graph_entries(writer.folder, config.language_config)
            if for_cuda:
                graphs += write_cuda_graphs(writer.folder, writer.folder, config, on_graph=tell)
            writer.finish(
                name=name or out.name,
                variant=variant_of(config),
                precision=precision,
                parts=recipe.parts(),
                config=config,
                graphs=graphs,
                minimum_onnxruntime=MINIMUM_ONNXRUNTIME,
                note=source.note,
                looks_again=looks_again,
                created_with=f"dsvl2-onnx {__version__}",
            )
    except BusyError:
        raise  # what is there belongs to the other process
    except BaseException:
        if journal.exists():
            log.warning("the finished layers are in %s; the same export resumes there", journal.parent)
        raise


def graph_entries(folder: Path, config: LanguageConfig) -> list[GraphEntry]:
    """What the manifest says about the graphs that have been written; those with our operators come last."""
    entries = []
    for form in ("{}", OWN_GRAPH):
        for name in graph_io.GRAPHS:
            path = folder / f"{form.format(name)}{ENDING}"
            if form == "{}" or path.exists():
                opsets = read_graph_file(path).opsets
                cache = cache_format(path, config) if name == graph_io.DECODER else None
                entries.append(GraphEntry(name=name, file=path.name, target=CPU_TARGET, opsets=opsets, cache=cache))
    return entries


def cache_format(decoder: Path, config: LanguageConfig) -> CacheFormat:
    """The rows of a decoder graph, in the types that it takes."""
    inputs = onnx.load(str(decoder), load_external_data=False).graph.input
    types = {entry.name: entry.type.tensor_type.elem_type for entry in inputs}
    names = {element.onnx: name for name, element in BY_NAME.items()}
    rows = zip(CacheFormat.of(config).rows, graph_io.cache_tensors(config), strict=False)  # those of the first layer
    document = [{"name": row.name, "width": row.width, "dtype": names[types[tensor.past]]} for row, tensor in rows]
    return CacheFormat(rows=tuple(CacheRow.model_validate(entry) for entry in document))


def write_small_parts(
    folder: Path, source: WeightSource, recipe: Recipe, quantizer: Quantizer, on_part: Callable[[], None]
) -> None:
    """Write everything but the decoder: tokenizer, embedding table, vision encoder and projector.

    Flushed before the decoder's first commit: a journal implies that these files are complete.
    """

    def rewrite(model: ModelProto) -> None:
        if isinstance(recipe.vision, ColumnFormat):
            quantize_linears(model, recipe.vision, quantizer)

    source.write_tokenizer(folder)
    table = source.array("language.model.embed_tokens.weight")
    write_embed_tokens(folder / f"{graph_io.EMBED_TOKENS}.onnx", table, recipe.embed_tokens, quantizer)
    on_part()
    write_vision_encoder(folder / f"{graph_io.VISION_ENCODER}.onnx", source, rewrite, on_part)
    write_projector(folder / f"{graph_io.PROJECTOR}.onnx", source, rewrite)
    flush_files(folder.iterdir())
    on_part()

"""Adds the graphs for a GPU to a bundle: everything that the target cuda needs beside what the bundle has."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from dsvl2_export.graphs.cuda.decoder import Source, write_prompt, write_step
from dsvl2_export.graphs.cuda.form import CudaForm, form_for
from dsvl2_export.graphs.cuda.image_encoder import write_image_encoder
from dsvl2_export.graphs.cuda.stored_weights import StoredWeights
from dsvl2_export.graphs.cuda.writer import CudaWriter, SharedWeights
from dsvl2_runtime.bundle.graph_entry import CUDA_TARGET, GraphEntry
from dsvl2_runtime.bundle.graph_file import ENDING, read_graph_file
from dsvl2_runtime.config import ModelConfig
from dsvl2_runtime.graphs import graph_io

FILES = {
    graph_io.IMAGE_ENCODER: f"image_encoder_cuda{ENDING}",
    graph_io.DECODER_PROMPT: f"decoder_prompt_cuda{ENDING}",
    graph_io.DECODER_STEP: f"decoder_step_cuda{ENDING}",
}
DECODER_DATA, IMAGE_DATA = "decoder_cuda.data", "image_encoder_cuda.data"


def write_cuda_graphs(
    cpu: Path,
    out: Path,
    config: ModelConfig,
    form: CudaForm | None = None,
    on_graph: Callable[[], None] = lambda: None,
) -> list[GraphEntry]:
    """Write the three graphs and their two files of weights.

    Args:
        cpu: a folder with the plain graphs for the CPU.
        out: the folder to write into.
        config: of the model.
        form: types and layout; by default those of `form_for`.
        on_graph: called when a graph is written.

    Returns:
        What the manifest says about them.

    Raises:
        UsageError: the bundle is not quantised, or a size is none that the GPU's kernels take.
    """

    def stored(name: str) -> StoredWeights:
        return StoredWeights(cpu / f"{name}{ENDING}")

    form = form or form_for(config.language_config)
    source = Source(stored(graph_io.DECODER), stored(graph_io.EMBED_TOKENS), config.language_config)
    weights = SharedWeights(out / DECODER_DATA)
    for name, write in ((graph_io.DECODER_STEP, write_step), (graph_io.DECODER_PROMPT, write_prompt)):
        write(CudaWriter(out / FILES[name], weights, form), source)
        on_graph()
    weights.data.finish()
    image_weights = SharedWeights(out / IMAGE_DATA)
    writer = CudaWriter(out / FILES[graph_io.IMAGE_ENCODER], image_weights, form)
    write_image_encoder(writer, stored(graph_io.VISION_ENCODER), stored(graph_io.PROJECTOR), config)
    image_weights.data.finish()
    on_graph()
    return [_entry(out, name, form, config) for name in graph_io.CUDA_GRAPHS]


def _entry(folder: Path, name: str, form: CudaForm, config: ModelConfig) -> GraphEntry:
    decodes = name != graph_io.IMAGE_ENCODER
    return GraphEntry(
        name=name,
        file=FILES[name],
        target=CUDA_TARGET,
        opsets=read_graph_file(folder / FILES[name]).opsets,
        precision=form.decoder if decodes else form.vision,
        cache=form.cache(config.language_config) if decodes else None,
    )

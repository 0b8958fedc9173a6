"""Opens a bundle's graphs of the target cuda: memory, weights, sessions, and the first runs."""

from __future__ import annotations

from dataclasses import dataclass

import onnxruntime

from dsvl2_runtime.bundle.bundle import Bundle
from dsvl2_runtime.bundle.graph_entry import GraphEntry
from dsvl2_runtime.config import ModelConfig
from dsvl2_runtime.errors import ModelCorruptError
from dsvl2_runtime.graphs import graph_io
from dsvl2_runtime.graphs.cuda.cache import CacheLayout, CacheSlots
from dsvl2_runtime.graphs.cuda.decoder import CudaDecoder
from dsvl2_runtime.graphs.cuda.images import CudaImageEncoder, DeviceImageCache, FeatureStore
from dsvl2_runtime.graphs.cuda.memory import CudaMemory, DeviceMemory, HostMemory
from dsvl2_runtime.graphs.cuda.prompt_rows import PromptEmbedding
from dsvl2_runtime.graphs.cuda.weights import Fill, SharedWeights
from dsvl2_runtime.graphs.elements import BY_NAME
from dsvl2_runtime.graphs.gpu_memory import CACHE_SLOTS
from dsvl2_runtime.graphs.image_cache import KEPT_CONTEXTS
from dsvl2_runtime.graphs.session import Shape, open_session
from dsvl2_runtime.graphs.target import Target
from dsvl2_runtime.progress import Watch

Ports = tuple[dict[str, Shape], dict[str, Shape]]
"""Inputs and outputs of a graph."""
STAGES = 4
"""Of a load, each of which is told."""


@dataclass(frozen=True, slots=True)
class CudaGraphs:
    """A bundle on a GPU; in the places of what runs it on the CPU."""

    vision: CudaImageEncoder
    embedding: PromptEmbedding
    decoder: CudaDecoder
    image_cache: DeviceImageCache
    weights: SharedWeights
    """The sessions read them, so they have to live as long."""


def open_cuda_graphs(
    bundle: Bundle, manifest_sha256: bytes, threads: int, watch: Watch, target: Target, fill: Fill | None = None
) -> CudaGraphs:
    """Load everything that runs on the GPU.

    Args:
        bundle: with graphs of this target.
        manifest_sha256: of its manifest.
        threads: of what ONNX Runtime does on the CPU all the same.
        watch: told how far the load is, and asked whether to go on.
        target: `CUDA`, or the one that runs the same graphs on the CPU.
        fill: writes the decoder's weights; by default from the bundle's files.

    Raises:
        ModelCorruptError: a graph cannot be loaded.
        OutOfMemoryError: the GPU has too little memory.
        Stopped: the watch ended it.
    """
    config, language = bundle.manifest.config, bundle.manifest.config.language_config
    memory: DeviceMemory = CudaMemory() if target.is_gpu else HostMemory()
    entries = {name: bundle.graph_entry(name, target.name) for name in graph_io.CUDA_GRAPHS}
    prompt, step = entries[graph_io.DECODER_PROMPT], entries[graph_io.DECODER_STEP]
    if step.cache is None or step.cache != prompt.cache:
        found = "its cache is another one than that of prompts"
        raise ModelCorruptError(bundle.folder / step.file, found, "export the bundle again")
    layout = CacheLayout(graph_io.cache_tensors(language, step.cache), language.max_position_embeddings)
    weights = SharedWeights(bundle, (prompt, step), memory, watch, on_gpu=target.is_gpu, fill=fill)
    watch.report("load", 1, STAGES)

    def session(entry: GraphEntry, ports: Ports, *, capture: bool = False) -> onnxruntime.InferenceSession:
        def prepare(options: onnxruntime.SessionOptions) -> None:
            if entry.name != graph_io.IMAGE_ENCODER:
                weights.give_to(options, entry)

        newer: dict[str, Shape] = {} if entry.name == graph_io.IMAGE_ENCODER else {graph_io.LOGPROB: (1, 1)}
        return open_session(
            bundle.folder / entry.file,
            *ports,
            threads,
            watch,
            target=target,
            prepare=prepare,
            capture=capture,
            newer_outputs=newer,
        )

    sessions = {
        name: session(entry, _ports(name, config, layout), capture=name == graph_io.DECODER_STEP)
        for name, entry in entries.items()
    }
    watch.report("load", 2, STAGES)
    element = BY_NAME[step.precision]
    store = FeatureStore(memory, KEPT_CONTEXTS * layout.context_tokens, language.hidden_size, element)
    slots = CacheSlots(memory, layout, language.vocab_size, CACHE_SLOTS)
    vision = CudaImageEncoder(sessions[graph_io.IMAGE_ENCODER], config, store, target)
    both = sessions[graph_io.DECODER_PROMPT], sessions[graph_io.DECODER_STEP]
    decoder = CudaDecoder(*both, language, slots, store, target)
    vision.warm(1)  # also on the CPU: it writes the newline and the separator of all images
    watch.report("load", 3, STAGES)
    if target.is_gpu:
        vision.warm_all(watch)
        decoder.warm(watch)
    watch.report("load", 4, STAGES)
    return CudaGraphs(vision, PromptEmbedding(), decoder, DeviceImageCache(manifest_sha256, store), weights)


def _ports(name: str, config: ModelConfig, layout: CacheLayout) -> Ports:
    """The inputs and outputs of a graph, with the lengths of their axes."""
    language, vision = config.language_config, config.vision_config
    hidden, context = language.hidden_size, layout.context_tokens
    if name == graph_io.IMAGE_ENCODER:
        features: dict[str, Shape] = {
            graph_io.TILE_FEATURES: (None, config.cells**2, hidden),
            graph_io.IMAGE_NEWLINE: (1, hidden),
            graph_io.VIEW_SEPARATOR: (1, hidden),
        }
        return {graph_io.PIXEL_VALUES: (None, 3, vision.image_size, vision.image_size)}, features
    rows = context if name == graph_io.DECODER_STEP else None
    seq = 1 if name == graph_io.DECODER_STEP else None
    inputs: dict[str, Shape] = {graph_io.INPUT_IDS: (1, seq), graph_io.POSITION_IDS: (1, seq)}
    if name == graph_io.DECODER_PROMPT:
        inputs |= {
            graph_io.FEATURE_IDS: (1, None),
            graph_io.IMAGES_SEQ_MASK: (1, None, 1),
            graph_io.LAST_INDEX: (1,),
            graph_io.IMAGE_FEATURES: (None, hidden),
        }
    inputs |= {tensor.past: (rows, tensor.row) for tensor in layout.tensors}
    outputs: dict[str, Shape] = {tensor.new: (rows, tensor.row) for tensor in layout.tensors}
    results: dict[str, Shape] = {graph_io.LOGITS: (1, language.vocab_size)}
    return inputs, outputs | results | {graph_io.NEXT_ID: (1, 1), graph_io.CHECKED_ID: (1, 1)}

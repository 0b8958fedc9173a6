"""Opens all graphs of a bundle for one target, and what goes with them."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dsvl2_kernels.library import Kernels
from dsvl2_runtime.answers.constraint import JsonVocabulary
from dsvl2_runtime.answers.generate import Components
from dsvl2_runtime.answers.turns import Turns
from dsvl2_runtime.bundle.bundle import Bundle
from dsvl2_runtime.errors import ModelCorruptError
from dsvl2_runtime.graphs import graph_io
from dsvl2_runtime.graphs.decoder import Decoder
from dsvl2_runtime.graphs.decoder_graph import decoder_graphs
from dsvl2_runtime.graphs.embedding import Embedding
from dsvl2_runtime.graphs.image_cache import ImageCache, default_bytes
from dsvl2_runtime.graphs.image_encoder import open_image_encoder
from dsvl2_runtime.graphs.session import require_onnxruntime
from dsvl2_runtime.graphs.target import CPU, Target
from dsvl2_runtime.inputs.tokenizer import Tokenizer
from dsvl2_runtime.progress import Watch

if TYPE_CHECKING:
    from dsvl2_runtime.graphs.cuda.weights import Fill

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Opened:
    """What `open_components` gives."""

    components: Components
    kernels: Kernels | None = None
    """The library of operators that the decoder runs with; None where it runs with ONNX Runtime's."""
    kept: object = None
    """Of other targets: what has to live as long as the components."""


def open_components(
    bundle: Bundle,
    manifest_sha256: bytes,
    threads: int,
    watch: Watch,
    target: Target = CPU,
    fill: Fill | None = None,
) -> Opened:
    """Load a bundle's graphs.

    Args:
        bundle: that was opened.
        manifest_sha256: of its manifest.
        threads: of one operator.
        watch: told how many graphs are loaded, and asked before each whether to go on.
        target: where they shall run.
        fill: on a GPU, what writes the decoder's weights; by default they come from the bundle's files.

    Raises:
        ModelCorruptError: a file is not what the manifest says.
        OutOfMemoryError: there is too little memory.
        Stopped: the watch ended it.
    """
    config, total = bundle.manifest.config, len(graph_io.GRAPHS)
    watch.report("load", 0, total)
    require_onnxruntime(bundle)
    tokenizer = Tokenizer.from_file(bundle.tokenizer)
    _require_same_ids(bundle, tokenizer)
    vocabulary = JsonVocabulary(tokenizer, config.language_config.vocab_size)
    if target.name != CPU.name:
        from dsvl2_runtime.graphs.cuda.opened import open_cuda_graphs

        found = open_cuda_graphs(bundle, manifest_sha256, threads, watch, target, fill)
        parts = found.vision, found.embedding, found.decoder, found.image_cache
        return Opened(Components(tokenizer, *parts, Turns(), vocabulary), kept=found)
    embedding = Embedding(bundle.graph(graph_io.EMBED_TOKENS, CPU.name), config.language_config, watch)
    watch.report("load", 1, total)
    vision = open_image_encoder(bundle, target, threads, watch)
    watch.report("load", 3, total)
    decoder, kernels = _open_decoder(bundle, threads, watch)
    watch.report("load", 4, total)
    image_cache = ImageCache(manifest_sha256, default_bytes(config.language_config))
    return Opened(Components(tokenizer, vision, embedding, decoder, image_cache, Turns(), vocabulary), kernels)


def _require_same_ids(bundle: Bundle, tokenizer: Tokenizer) -> None:
    """Refuse a tokenizer of another model, whose tokens would be other words, or rows that are not there."""
    config = bundle.manifest.config.language_config
    for name, found, wanted in (
        ("begin", tokenizer.bos_id, config.bos_token_id),
        ("end", tokenizer.eos_id, config.eos_token_id),
    ):
        if found != wanted:
            wrong = f"its {name} token is {found}, but the manifest says {wanted}"
            raise ModelCorruptError(bundle.tokenizer, wrong, "use the tokenizer of this model")
    if tokenizer.largest_id >= config.vocab_size:
        wrong = f"it has token {tokenizer.largest_id}, but the manifest says that there are {config.vocab_size}"
        raise ModelCorruptError(bundle.tokenizer, wrong, "use the tokenizer of this model")


def _open_decoder(bundle: Bundle, threads: int, watch: Watch) -> tuple[Decoder, Kernels | None]:
    """From the fastest of the bundle's graphs that can be loaded, with the library that it needs."""
    config = bundle.manifest.config.language_config
    *faster, last = decoder_graphs(bundle)
    for graph in faster:
        library = graph.kernels.path if graph.kernels is not None else None
        try:
            decoder = Decoder(
                graph.path, config, threads, watch, cache=graph.cache, packed=graph.packed, library=library
            )
        except ModelCorruptError as error:
            log.warning("a slower graph is used, as %s cannot be loaded (%s); %s", graph.path, error, graph.remedy)
        else:
            return decoder, graph.kernels
    return Decoder(last.path, config, threads, watch, cache=last.cache), None

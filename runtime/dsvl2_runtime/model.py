"""The public face: a bundle, loaded, that answers questions about pictures."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dsvl2_runtime.answers.generate import Parts, TextChunk, generate, read_prompt
from dsvl2_runtime.answers.sampling import GenerationOptions
from dsvl2_runtime.bundle.bundle import Bundle
from dsvl2_runtime.bundle.model_names import find_model
from dsvl2_runtime.errors import (
    BusyError,
    CancelledError,
    ModelCorruptError,
    OutOfMemoryError,
    TimeLimitError,
    UsageError,
)
from dsvl2_runtime.graphs import graph_io
from dsvl2_runtime.graphs.decoder import PREFILL_CHUNK, Decoder
from dsvl2_runtime.graphs.embedding import Embedding
from dsvl2_runtime.graphs.image_encoder import ImageEncoder
from dsvl2_runtime.graphs.memory_plan import require_memory
from dsvl2_runtime.graphs.packed_weights import packed_decoder
from dsvl2_runtime.graphs.session import chosen_threads, require_onnxruntime
from dsvl2_runtime.inputs.images import ImageSource
from dsvl2_runtime.inputs.processor import ModelInputs, prepare
from dsvl2_runtime.inputs.prompt import Content, Message, question_content
from dsvl2_runtime.inputs.tokenizer import Tokenizer
from dsvl2_runtime.progress import UNWATCHED, Stopped, Watch

log = logging.getLogger(__name__)


class VisionLanguageModel:
    """A loaded bundle. It works on one question at a time; a second one at the same time is a `BusyError`."""

    def __init__(self, bundle: Bundle, threads: int, watch: Watch = UNWATCHED) -> None:
        config = bundle.manifest.config
        total = len(graph_io.GRAPHS)
        watch.report("load", 0, total)
        require_onnxruntime(bundle)
        tokenizer = Tokenizer.from_file(bundle.tokenizer)
        _require_same_ids(bundle, tokenizer)
        embedding = Embedding(bundle.graph(graph_io.EMBED_TOKENS), config.language_config, watch)
        watch.report("load", 1, total)
        graphs = bundle.graph(graph_io.VISION_ENCODER), bundle.graph(graph_io.PROJECTOR)
        vision = ImageEncoder(*graphs, config, threads, watch)
        watch.report("load", 3, total)
        decoder = _open_decoder(bundle, threads, watch)
        watch.report("load", 4, total)
        self.bundle = bundle
        self.config = config
        self.threads = threads
        self.parts = Parts(tokenizer, vision, embedding, decoder)
        self._lock = threading.Lock()

    @property
    def name(self) -> str:
        """What the bundle calls itself."""
        return self.bundle.manifest.name

    @property
    def weights_note(self) -> str:
        """A sentence to show beside answers, such as that the weights are random; empty when there is none."""
        return self.bundle.manifest.note

    def prepare(self, question: Content, images: Sequence[ImageSource] = ()) -> ModelInputs:
        """Prompt and pictures as tensors, nothing run yet.

        Its sizes tell what a question will cost, its `notices` what of the images the model will not see.

        Raises:
            ImageError: a picture cannot be read.
            ContextOverflowError: prompt and pictures do not fit.
        """
        messages = [Message("user", question_content(question, len(images)))]
        return prepare(messages, images, self.config, self.parts.tokenizer)

    def next_token_logits(
        self,
        question: Content,
        images: Sequence[ImageSource] = (),
        *,
        prefill_chunk: int | None = None,
        watch: Watch = UNWATCHED,
    ) -> NDArray[np.float32]:
        """Logits [vocab] float32 of the first token of the answer.

        Args:
            question: as typed by a user, never becoming a special token; or parts (`prompt.locate`).
            images: file paths, bytes, PIL pictures or uint8 arrays.
            prefill_chunk: positions per prefill run, at least 1; the result does not depend on it.
            watch: told how far tiles and prompt tokens are, and asked whether to go on.

        Raises:
            UsageError: `prefill_chunk` is no number of positions.
            CancelledError, TimeLimitError: the watch ended it.
            ImageError, ContextOverflowError, GenerationError, BusyError: as `generate`.
        """
        chunk = PREFILL_CHUNK if prefill_chunk is None else prefill_chunk
        if not isinstance(chunk, int) or chunk < 1:
            raise UsageError(f"prefill_chunk is {prefill_chunk!r}; it must be a whole number, at least 1")
        with self._claimed(), _stops_as_errors():
            return read_prompt(self.parts, self.prepare(question, images), watch, chunk).copy()

    def generate(
        self,
        question: Content,
        images: Sequence[ImageSource] = (),
        options: GenerationOptions | None = None,
        watch: Watch = UNWATCHED,
    ) -> Iterator[TextChunk]:
        """Answer a question about pictures, piece by piece: `prepare` and `answer` in one.

        Raises:
            ImageError: a picture cannot be read.
            ContextOverflowError: prompt and pictures do not fit.
            GenerationError: the model gave something that is not finite.
            BusyError: another answer of this model is not finished.
        """
        with self._claimed():
            inputs = self.prepare(question, images)
            yield from generate(self.parts, inputs, options or GenerationOptions(), watch)

    def answer(
        self,
        inputs: ModelInputs,
        options: GenerationOptions | None = None,
        watch: Watch = UNWATCHED,
    ) -> Iterator[TextChunk]:
        """Answer what `prepare` gave, piece by piece; see `generate.generate`.

        Raises:
            GenerationError: the model gave something that is not finite.
            BusyError: another answer of this model is not finished.
        """
        with self._claimed():
            yield from generate(self.parts, inputs, options or GenerationOptions(), watch)

    def _claimed(self) -> _Claim:
        return _Claim(self._lock)


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


def _open_decoder(bundle: Bundle, threads: int, watch: Watch) -> Decoder:
    """From the packed weights, or from the bundle where there are none that can be loaded."""
    config = bundle.manifest.config.language_config
    packed = packed_decoder(bundle)
    if packed is not None:
        try:
            return Decoder(packed, config, threads, watch, packed=True)
        except ModelCorruptError:
            log.warning(
                "the packed weights in %s cannot be loaded and are not used; delete them with `dsvl2-onnx optimize "
                "--remove`, or run it again",
                packed.parent,
            )
    return Decoder(bundle.graph(graph_io.DECODER), config, threads, watch)


class _Claim:
    """Holds a lock or says that it is taken; a second caller must not wait behind an answer of minutes."""

    def __init__(self, lock: threading.Lock) -> None:
        self._lock = lock

    def __enter__(self) -> None:
        if not self._lock.acquire(blocking=False):
            raise BusyError("this model is answering another question; wait for it or load a second model")

    def __exit__(self, *_: object) -> None:
        self._lock.release()


def load_model(
    path: str | Path,
    threads: int | None = None,
    watch: Watch = UNWATCHED,
    *,
    force: bool = False,
) -> VisionLanguageModel:
    """Load a bundle.

    Args:
        path: the bundle's folder, or the name of a shipped model: "demo".
        threads: per operator; by default the physical cores.
        watch: told how many graphs are loaded, and asked before each whether to go on.
        force: load even what does not seem to fit into the memory.

    Raises:
        ResourceError: it would not fit, with the numbers; or memory ran out.
        UsageError: `threads` is below 1 or beyond any machine.
        ModelNotFoundError: there is no bundle.
        ModelCorruptError: its files are not what its manifest says.
        CancelledError, TimeLimitError: the watch ended it.
    """
    bundle, threads = Bundle.open(find_model(path)), chosen_threads(threads)
    if not force:
        require_memory(bundle, threads)
    try:
        with _stops_as_errors():
            return VisionLanguageModel(bundle, threads, watch)
    except MemoryError as error:
        raise OutOfMemoryError from error


@contextmanager
def _stops_as_errors() -> Iterator[None]:
    """Turn the end that a watch asked for into an error, where there is no partial result to return."""
    try:
        yield
    except Stopped as end:
        raise (TimeLimitError if end.reason == "timeout" else CancelledError)() from None

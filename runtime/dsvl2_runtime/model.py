"""A bundle, loaded, that answers questions about images: the class that programs use."""

from __future__ import annotations

import logging
from collections import abc
from collections.abc import AsyncGenerator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from dsvl2_runtime.answers.generate import TextChunk, generate, read_prompt
from dsvl2_runtime.answers.open_components import open_components
from dsvl2_runtime.answers.sampling import GenerationOptions
from dsvl2_runtime.bundle.bundle import Bundle
from dsvl2_runtime.bundle.model_names import find_model
from dsvl2_runtime.errors import (
    GenerationError,
    ModelCorruptError,
    OutOfMemoryError,
    ProviderError,
    ResourceError,
    UsageError,
)
from dsvl2_runtime.graphs.gpu_choice import chosen_obstacle, load_obstacle
from dsvl2_runtime.graphs.image_cache import ImageCache
from dsvl2_runtime.graphs.memory_plan import require_memory
from dsvl2_runtime.graphs.sequence import Sequence
from dsvl2_runtime.graphs.target import CPU, CUDA, Target
from dsvl2_runtime.inputs.messages import MessageDict, read_messages
from dsvl2_runtime.inputs.processor import Images, ModelInputs, PromptImage, image_sources, prepare_inputs
from dsvl2_runtime.inputs.prompt import Content, Message, question_content
from dsvl2_runtime.machine.cores import ThreadChoice, choose_threads
from dsvl2_runtime.machine.provider import Provider, asked_provider
from dsvl2_runtime.machine.speeds import SpeedKey
from dsvl2_runtime.notices import Notice
from dsvl2_runtime.progress import UNWATCHED, Watch, stops_as_errors

if TYPE_CHECKING:  # a single question needs neither a conversation nor its file, and `run` starts sooner without them
    from dsvl2_runtime.answers.answer import Answer
    from dsvl2_runtime.chat import Chat
    from dsvl2_runtime.graphs.cuda.weights import Fill
    from dsvl2_runtime.graphs.stored_rows import RowType

log = logging.getLogger(__name__)


Question = Content | abc.Sequence[Message] | abc.Sequence[MessageDict]
"""Text or parts of one user message, or the messages of a conversation up to the user's last one, as ours or as those
of other programs (`inputs/messages.py`)."""


class VisionLanguageModel:
    """A loaded bundle. Several threads may ask it at the same time; it runs one step of one answer at a time."""

    def __init__(
        self,
        bundle: Bundle,
        threads: int,
        watch: Watch = UNWATCHED,
        notices: tuple[Notice, ...] = (),
        *,
        target: Target = CPU,
        provider_reason: str = "",
        fill: Fill | None = None,
    ) -> None:
        """Load the graphs; `load_model` chooses the target. `fill` is for benchmarks: see `open_components`."""
        self._manifest_sha256 = bytes.fromhex(bundle.manifest_sha256)
        opened = open_components(bundle, self._manifest_sha256, threads, watch, target, fill)
        self.components, self._kernels, self._kept = opened.components, opened.kernels, opened.kept
        self.bundle = bundle
        self.config = bundle.manifest.config
        self.threads = threads
        self.provider = Provider(target.name)
        """Where the graphs run."""
        self.provider_reason = provider_reason
        """Why they do not run elsewhere."""
        note = (Notice("model.note", {"note": self.weights_note}),) if self.weights_note else ()
        self.notices = (*note, *notices)
        """What a user should be told whatever is asked."""
        self.speed_key = SpeedKey.here(self.manifest_sha256, threads, target.name)  # for machine/speeds.py

    @property
    def image_cache(self) -> ImageCache:
        """The features of images that were asked about; `max_bytes` bounds them, and 0 keeps none."""
        return self.components.image_cache

    @property
    def name(self) -> str:
        """What the bundle calls itself."""
        return self.bundle.manifest.name

    @property
    def weights_note(self) -> str:
        """A sentence to show beside answers, such as that the weights are random; empty when there is none."""
        return self.bundle.manifest.note

    @property
    def looks_again(self) -> bool:
        """Whether a second look was found to make its answers better (`answers/second_look.py`)."""
        return self.bundle.manifest.looks_again

    @property
    def kernels(self) -> str | None:
        """The instruction set of our operators that the decoder runs with; None where it runs with ONNX Runtime's."""
        return self._kernels.level if self._kernels is not None else None

    @property
    def manifest_sha256(self) -> str:
        """SHA-256 of the manifest, as 64 hexadecimal digits: the same for the same weights."""
        return self._manifest_sha256.hex()

    def new_sequence(self) -> Sequence:
        """An empty sequence; one that is passed to several answers spares them what their prompts have in common."""
        return self.components.decoder.new_sequence()

    def save_sequence(self, sequence: Sequence, path: str | Path, row_type: RowType = "float32") -> None:
        """Keep a sequence in a file; see `sequence_file.save_sequence`.

        Raises:
            UsageError: a cached value is too large for float16.
            ResourceError: the file cannot be written.
        """
        from dsvl2_runtime.graphs.sequence_file import save_sequence

        with self.components.turns.take(UNWATCHED):
            save_sequence(Path(path), sequence, self._manifest_sha256, row_type)

    def load_sequence(self, path: str | Path) -> Sequence:
        """The sequence that a file holds, to go on with; see `sequence_file.load_sequence`.

        Raises:
            SequenceFileError: the file is missing or damaged, or belongs to another model or version.
            ResourceError: it cannot be read.
        """
        from dsvl2_runtime.graphs.sequence_file import load_sequence

        sequence = self.new_sequence()
        load_sequence(Path(path), sequence, self._manifest_sha256)
        return sequence

    def chat(self, system: str = "", *, drop_oldest: bool = False) -> Chat:
        """A new conversation; any number of them take turns with this model.

        Args:
            system: a message before the first question.
            drop_oldest: whether the oldest turns are given up when the history does not fit any more, with a notice;
                otherwise that is an error.
        """
        from dsvl2_runtime.chat import Chat

        return Chat(self, system, drop_oldest)

    def resume(self, path: str | Path) -> Chat:
        """The conversation that `Chat.save` kept in a file, to go on with.

        Raises:
            SequenceFileError: the file is missing or damaged, or belongs to another model or version.
            ResourceError: it cannot be read.
        """
        from dsvl2_runtime.chat import Chat

        return Chat.resumed(Path(path), self)

    def prepare(self, question: Question, images: Images = (), enlargement: float = 1.0) -> ModelInputs:
        """Prompt and images as tensors; no graph runs.

        Its sizes tell what a question will cost, its `notices` what of the images the model will not see.

        Args:
            question: text, which can never become a special token, or parts (`prompt.locate`): one message of a user,
                with the images before it. Or whole messages, which hold the places of their images themselves;
                as mappings (`inputs/messages.py`) they may hold the images too.
            images: one or several file paths, bytes, PIL images or uint8 arrays, in the order of their places.
            enlargement: they are cut into tiles as if they were so many times as large (`answers/second_look.py`).

        Raises:
            UsageError: the question is empty, or the messages have other roles or places than they should.
            ImageError: an image cannot be read.
            ContextOverflowError: prompt and images do not fit.
        """
        messages, sources = _conversation(question, image_sources(images))
        tokenizer = self.components.tokenizer
        return prepare_inputs(messages, sources, self.config, tokenizer, enlargement, self.threads)

    def next_token_logits(
        self,
        question: Question,
        images: Images = (),
        *,
        prefill_chunk: int | None = None,
        watch: Watch = UNWATCHED,
        sequence: Sequence | None = None,
    ) -> NDArray[np.float32]:
        """Logits [vocab] float32 of the first token of the answer.

        Args:
            question: as for `prepare`.
            images: as for `prepare`.
            prefill_chunk: positions per prefill run, at least 1; the result does not depend on it.
            watch: told how far tiles and prompt tokens are, and asked whether to go on.
            sequence: becomes the prompt; rows that it has in common with it are not computed again.

        Raises:
            UsageError: `prefill_chunk` is no number of positions.
            CancelledError, TimeLimitError: the watch ended it.
            UsageError, ImageError, ContextOverflowError, GenerationError: as `generate`.
        """
        chunk = 1 if prefill_chunk is None else prefill_chunk
        if not isinstance(chunk, int) or chunk < 1:
            raise UsageError(f"prefill_chunk is {prefill_chunk!r}; it must be a whole number, at least 1")
        inputs = self.prepare(question, images)
        sequence = sequence or self.new_sequence()
        sequence.begin_run()
        with stops_as_errors(), self.components.turns.take(watch):
            return np.array(read_prompt(self.components, inputs, sequence, watch, prefill_chunk))

    def tune(self, watch: Watch = UNWATCHED) -> None:
        """Find the fastest kernels of a GPU for long prompts too: for programs that answer for long, such as a server.

        It takes about as long as a load (docs/performance-gpu.md). On the CPU there is nothing to find.

        Raises:
            GenerationError, OutOfMemoryError, CancelledError, TimeLimitError: as `load_model`.
        """
        if self.provider is Provider.CUDA:
            decoder: Any = self.components.decoder
            with stops_as_errors(), self.components.turns.take(watch):
                decoder.tune(watch)

    def ask(
        self,
        question: Question,
        images: Images = (),
        options: GenerationOptions | None = None,
        watch: Watch = UNWATCHED,
        *,
        look_again: bool | None = None,
    ) -> Answer:
        """The whole answer to one question, and how sure the model is of it: `Answer.text`, `boxes`, `confidence`.

        Args:
            question: as for `prepare`.
            images: as for `prepare`, and none that was read before.
            options: how to choose tokens and when to stop.
            watch: as for `answer`; it sees each look.
            look_again: where the model is not sure, enlarge the images, ask again and take the surer answer
                (`answers/second_look.py`); by default where that was found to make this model's answers better.

        Raises:
            UsageError, ImageError, ContextOverflowError: as `prepare`.
            GenerationError, BusyError: as `answer`.
        """
        from dsvl2_runtime.answers.answer import Answer
        from dsvl2_runtime.answers.second_look import Looks, LookSequences

        options = replace(GenerationOptions() if options is None else options, logprobs=True)
        looks = Looks(
            self,
            image_sources(images),
            lambda sources, enlargement: self.prepare(question, sources, enlargement),
            options,
            watch,
            LookSequences(self.new_sequence),
        )
        chunks = looks.chunks(look_again=look_again)
        return Answer(chunks, looks.inputs, looks.sequence, looks.inputs.notices, looks).read()

    def generate(
        self,
        question: Question,
        images: Images = (),
        options: GenerationOptions | None = None,
        watch: Watch = UNWATCHED,
        sequence: Sequence | None = None,
    ) -> Iterator[TextChunk]:
        """Answer a question about images, piece by piece: `prepare` and `answer` in one.

        Raises:
            UsageError, ImageError, ContextOverflowError: as `prepare`.
            GenerationError, BusyError: as `answer`.
        """
        yield from self.answer(self.prepare(question, images), options, watch, sequence)

    def agenerate(
        self,
        question: Question,
        images: Images = (),
        options: GenerationOptions | None = None,
        watch: Watch = UNWATCHED,
        sequence: Sequence | None = None,
    ) -> AsyncGenerator[TextChunk, None]:
        """`generate` for `async for`: it works in a thread of its own, and a consumer who leaves stops it."""
        from dsvl2_runtime.answers.in_thread import in_thread

        return in_thread(lambda watch: self.generate(question, images, options, watch, sequence), watch)

    def answer(
        self,
        inputs: ModelInputs,
        options: GenerationOptions | None = None,
        watch: Watch = UNWATCHED,
        sequence: Sequence | None = None,
    ) -> Iterator[TextChunk]:
        """Answer what `prepare` gave, piece by piece; see `generate.generate`.

        Several answers may be open; those that are read at the same time advance in turn.

        Args:
            inputs: from `prepare`.
            options: how to choose tokens and when to stop.
            watch: told how far the answer is, and asked whether to go on; a stop ends it with its reason.
            sequence: becomes prompt and answer; by default a new one.

        Raises:
            GenerationError: the model gave something that is not finite.
            BusyError: a newer answer has taken the sequence, or a progress callback of this model asks it.
        """
        options = GenerationOptions() if options is None else options
        for given, kind in ((options, GenerationOptions), (watch, Watch)):
            if not isinstance(given, kind):
                raise UsageError(f"a {type(given).__name__} was given where a {kind.__name__} belongs")
        yield from generate(self.components, inputs, sequence or self.new_sequence(), options, watch)


def _conversation(
    question: Question, sources: abc.Sequence[PromptImage]
) -> tuple[abc.Sequence[Message], abc.Sequence[PromptImage]]:
    """The messages that were given, or the one message of a user that a question stands for, and their images."""
    if not isinstance(question, abc.Sequence) or isinstance(question, bytes):
        raise UsageError(f"the question is a {type(question).__name__}; give text, parts of a prompt, or messages")
    if question and all(isinstance(item, abc.Mapping) for item in question):
        found = read_messages(cast("abc.Sequence[MessageDict]", question), sources)
        return found.messages, found.images
    messages = [item for item in question if isinstance(item, Message)]
    if not messages:
        return [Message("user", question_content(cast("Content", question), len(sources)))], sources
    if len(messages) < len(question):
        raise UsageError("the question has messages and parts of a prompt side by side; give one or the other")
    return messages, sources


def load_model(
    path: str | Path,
    threads: int | None = None,
    watch: Watch = UNWATCHED,
    *,
    force: bool = False,
    provider: str | None = None,
) -> VisionLanguageModel:
    """Load a bundle.

    Args:
        path: the bundle's folder, or the name of a shipped model: "demo".
        threads: per operator; by default one for each physical core that this process may use.
        watch: told how many graphs are loaded, and asked before each whether to go on.
        force: load even what does not seem to fit into the memory.
        provider: a `Provider` or its name; `auto` takes the GPU where it can be used, and is the default unless the
            environment variable DSVL2_PROVIDER says otherwise.

    Raises:
        ResourceError: it would not fit, with the numbers; or memory ran out.
        UsageError: `threads` is below 1 or beyond any machine, or there is no such provider.
        ProviderError: the GPU was asked for and cannot be used.
        GenerationError: the GPU was asked for and fails in the first runs, which are part of the load.
        ModelNotFoundError: there is no bundle.
        ModelCorruptError: its files are not what its manifest says.
        CancelledError, TimeLimitError: the watch ended it.
    """
    wanted = asked_provider(provider)
    bundle, choice = Bundle.open(find_model(path)), choose_threads(threads)
    obstacle = chosen_obstacle(bundle, wanted, force=force)
    if wanted is not Provider.CPU and obstacle is None:
        try:
            return _opened(bundle, choice, watch, (), CUDA, "")
        except (GenerationError, ModelCorruptError, ProviderError, ResourceError) as error:
            if wanted is Provider.CUDA:
                raise
            obstacle = load_obstacle(error)
    if not force:
        require_memory(bundle, choice.count)
    if obstacle is None:
        return _opened(bundle, choice, watch, (), CPU, "the CPU was asked for")
    notices = () if obstacle.notice is None else (obstacle.notice,)
    return _opened(bundle, choice, watch, notices, CPU, obstacle.found)


def _opened(
    bundle: Bundle, choice: ThreadChoice, watch: Watch, notices: tuple[Notice, ...], target: Target, reason: str
) -> VisionLanguageModel:
    try:
        with stops_as_errors():
            return VisionLanguageModel(
                bundle, choice.count, watch, (*choice.notices, *notices), target=target, provider_reason=reason
            )
    except MemoryError as error:
        raise OutOfMemoryError from error

"""A conversation about images: questions that go on from what was said, and from what was computed.

Rules that hold for every conversation:

- The prompt is the whole history in the official format. Its beginning that was read before is not read again: a
  question about the same images costs its own words and those of the last answer.
- Each image is decoded when it is added and stays what it was, whatever becomes of its file.
- More than two images are seen as one tile each. The third image therefore changes the first two, which are read again;
  a notice says so. Their features are kept (`graphs/image_cache.py`), so no tile is encoded twice.
- Where the model is not sure it looks again, as `answers/second_look.py` says, with the whole conversation: a second
  sequence holds it with the images enlarged. Whatever answer counts is what was said, and the next question goes on
  from it in the first sequence.
- An answer that was stopped stays in the history as far as it came. A question whose answer had not begun, or that
  ended in an error, is taken back as if it had not been asked.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator
from collections.abc import Sequence as Items
from dataclasses import replace
from pathlib import Path
from typing import Protocol, Self

from dsvl2_runtime.answers.answer import Answer, answer_content
from dsvl2_runtime.answers.chat_file import SavedChat, Turn, load_chat, save_chat
from dsvl2_runtime.answers.generate import Components, TextChunk
from dsvl2_runtime.answers.in_thread import in_thread
from dsvl2_runtime.answers.sampling import GenerationOptions
from dsvl2_runtime.answers.second_look import AnsweringModel, Looks, LookSequences
from dsvl2_runtime.errors import ContextOverflowError
from dsvl2_runtime.geometry import MOST_TILED_IMAGES
from dsvl2_runtime.graphs.stored_rows import RowType
from dsvl2_runtime.inputs.images import source_bytes
from dsvl2_runtime.inputs.processor import (
    Images,
    ModelInputs,
    PromptImage,
    ReadImage,
    image_sources,
    prepare_inputs,
    read_image,
)
from dsvl2_runtime.inputs.prompt import Content, Message, question_content
from dsvl2_runtime.inputs.tiling import is_tiled
from dsvl2_runtime.notices import Notice
from dsvl2_runtime.progress import UNWATCHED, Watch

RESERVED_SHARE = 8
"""Where the oldest turns may be dropped, an eighth of the context is kept for the answer, if it may become so long."""
MOST_SOURCE_BYTES = 64_000_000
"""Of images that were given as bytes or pixels and are kept for a second look; those of older ones are given up."""


class ChattingModel(AnsweringModel, Protocol):
    """What of a `VisionLanguageModel` is needed."""

    components: Components
    threads: int

    @property
    def manifest_sha256(self) -> str:
        """SHA-256 of the manifest."""


class Chat:
    """A conversation with a model. Any number of them take turns with one model; each belongs to one thread at a time.

    Made by `VisionLanguageModel.chat` and `VisionLanguageModel.resume`.
    """

    def __init__(self, model: ChattingModel, system: str = "", drop_oldest: bool = False) -> None:
        self._model, self._components, self._config = model, model.components, model.config
        self._system = system
        self._turns: tuple[Turn, ...] = ()
        self._sequences = LookSequences(model.new_sequence)
        self._open: Answer | None = None
        self.drop_oldest = drop_oldest
        """Whether the oldest turns may be given up when the history does not fit any more."""

    @classmethod
    def resumed(cls, path: Path, model: ChattingModel) -> Self:
        """The conversation that a file holds; see `VisionLanguageModel.resume`."""
        chat = cls(model)
        saved = load_chat(path, chat._sequences.first, model.config, chat._manifest_sha256)
        chat._system, chat._turns, chat.drop_oldest = saved.system, saved.turns, saved.drop_oldest
        return chat

    @property
    def messages(self) -> tuple[Message, ...]:
        """What was said, from the system message on; dropped turns are gone."""
        return tuple(self._history(self._turns))

    @property
    def num_images(self) -> int:
        """Images of the conversation."""
        return len(self._images(self._turns))

    def ask(
        self,
        question: Content,
        images: Images = (),
        options: GenerationOptions | None = None,
        watch: Watch = UNWATCHED,
        *,
        look_again: bool | None = None,
    ) -> Answer:
        """Ask the next question; the images are prepared at once, and the model computes while the answer is read.

        An answer of this conversation that was not read to its end is ended first.

        Args:
            question: text, which can never become a special token, or parts (`prompt.locate`).
            images: new ones, one or several file paths, bytes, PIL images or uint8 arrays; they come before the text.
            options: how to choose tokens and when to stop.
            watch: told how far the answer is, and asked whether to go on; a stop ends it with its reason.
            look_again: where the model is not sure, enlarge the images, ask again and take the surer answer; its pieces
                then come when it is known which one counts, and otherwise as they are written. By default where that
                was found to make this model's answers better.

        Returns:
            An iterator of `TextChunk` with `notices`, `text`, `usage` and `finish_reason`; `read()` waits for its end.

        Raises:
            UsageError: the question is empty.
            ImageError: an image cannot be read.
            ContextOverflowError: the history does not fit, with the numbers, and the oldest turns may not be dropped.
            BusyError: another thread is reading an answer of this conversation.
        """
        self.close()
        options = GenerationOptions() if options is None else options
        new = tuple(
            source if isinstance(source, ReadImage) else read_image(source, self._config, threads=self._model.threads)
            for source in image_sources(images)
        )
        asked = Message("user", question_content(question, len(new)))
        if look_again is None:
            look_again = self._model.looks_again
        if look_again:
            options = replace(options, logprobs=True)
        turns, looks = self._fitting(asked, new, options, watch)
        notices = self._notices(turns, looks.inputs)
        chunks = self._answering(turns, Turn(asked, new), looks, look_again=look_again)
        self._open = Answer(chunks, looks.inputs, looks.sequence, notices, looks)
        return self._open

    def aask(
        self,
        question: Content,
        images: Images = (),
        options: GenerationOptions | None = None,
        watch: Watch = UNWATCHED,
        *,
        look_again: bool | None = None,
    ) -> AsyncGenerator[TextChunk, None]:
        """`ask` for `async for`: it works in a thread of its own, and a consumer who leaves stops it."""
        return in_thread(lambda watch: self.ask(question, images, options, watch, look_again=look_again), watch)

    def close(self) -> None:
        """End the answer that is open, if there is one; the conversation can go on.

        Raises:
            BusyError: another thread is reading it.
        """
        if self._open is not None:
            self._open.close()
            self._open = None

    def clear(self) -> None:
        """Forget everything that was said but the system message."""
        self.close()
        self._turns = ()
        self._sequences = LookSequences(self._model.new_sequence)

    def save(self, path: str | Path, row_type: RowType = "float16") -> None:
        """Keep the conversation in a file, with its images and with what was computed; only its owner may read it.

        Images in the folder of the file, or below it, are named as well, so that a resumed conversation can see them
        larger as long as they are there (`answers/picture_paths.py`).

        Args:
            path: the file, replaced if there is one.
            row_type: of the cached rows; float16 takes half the space and rounds to 11 bits, int8 a little more than a
                quarter and rounds to 1/254 of the largest of 64 values, so that answers may differ.

        Raises:
            UsageError: a cached value is too large for float16.
            BusyError: another thread is reading an answer of this conversation, or another process writes the file.
            ResourceError: the file cannot be written.
        """
        self.close()
        saved = SavedChat(self._system, self._turns, self.drop_oldest)
        with self._components.turns.take(UNWATCHED):
            save_chat(Path(path), saved, self._sequences.first, self._manifest_sha256, row_type)

    @property
    def _manifest_sha256(self) -> bytes:
        return bytes.fromhex(self._model.manifest_sha256)

    def _history(self, turns: Items[Turn]) -> list[Message]:
        system = [Message("system", self._system)] if self._system else []
        return [*system, *(message for turn in turns for message in (turn.question, Message("assistant", turn.answer)))]

    @staticmethod
    def _images(turns: Items[Turn]) -> list[ReadImage]:
        return [image for turn in turns for image in turn.images]

    def _fitting(
        self, asked: Message, new: tuple[ReadImage, ...], options: GenerationOptions, watch: Watch
    ) -> tuple[tuple[Turn, ...], Looks]:
        """The turns that the prompt can keep, and the looks at it."""
        context = self._config.language_config.max_position_embeddings
        reserved = min(options.max_new_tokens, context // RESERVED_SHARE)
        turns = self._turns
        while True:
            try:
                looks = self._looks([*self._history(turns), asked], [*self._images(turns), *new], options, watch)
            except ContextOverflowError as error:
                if not turns:
                    raise
                if not self.drop_oldest:
                    numbers = error.prompt_tokens, error.image_tokens, error.context_tokens
                    raise ContextOverflowError(*numbers, earlier_turns=len(turns)) from None
            else:
                if not (self.drop_oldest and turns and len(looks.inputs.input_ids) + reserved > context):
                    return turns, looks
            turns = turns[1:]

    def _looks(
        self, messages: Items[Message], images: Items[ReadImage], options: GenerationOptions, watch: Watch
    ) -> Looks:
        # The conversation holds the answer, which holds what is made here; so nothing here holds the conversation.
        config, tokenizer, threads = self._config, self._components.tokenizer, self._model.threads

        def prepare(sources: Items[PromptImage], enlargement: float) -> ModelInputs:
            return prepare_inputs(messages, sources, config, tokenizer, enlargement, threads)

        return Looks(self._model, images, prepare, options, watch, self._sequences)

    def _notices(self, turns: tuple[Turn, ...], inputs: ModelInputs) -> tuple[Notice, ...]:
        """What has not been said yet: about new images, about dropped turns, and about images that are seen anew."""
        notices = []
        before, earlier = self.num_images, len(self._images(turns))
        if dropped := len(self._turns) - len(turns):
            notices.append(Notice("chat.dropped", {"turns": dropped, "images": before - earlier}))
        total = len(inputs.images)
        retiled = earlier > 0 and is_tiled(before) != is_tiled(total)
        if retiled:
            numbers = {"images": total, "most_tiled": MOST_TILED_IMAGES}
            notices.append(Notice("chat.tiled" if is_tiled(total) else "chat.one_tile", numbers))
        for notice in inputs.notices:
            scaled = notice.code in ("image.one_tile", "image.scaled_down")
            if int(notice.values["image"]) > earlier or (retiled and scaled):
                notices.append(notice)
        return tuple(notices)

    def _answering(
        self, turns: tuple[Turn, ...], turn: Turn, looks: Looks, *, look_again: bool
    ) -> Generator[TextChunk, None, None]:
        """The answer; however it ends, the history then says what was said."""
        text, token_ids = "", list[int]()
        keep, complete = True, False
        try:
            for chunk in looks.chunks(look_again=look_again):
                text += chunk.text
                if chunk.token_id is not None:
                    token_ids.append(chunk.token_id)
                complete = chunk.finish_reason in ("stop", "length", "repetition")
                yield chunk
        except Exception:
            keep = False
            raise
        finally:
            if keep and (complete or text.strip()):
                content = answer_content(token_ids, text, self._components.tokenizer)
                self._turns = _with_newest_sources((*turns, Turn(turn.question, turn.images, content)))


def _with_newest_sources(turns: Items[Turn]) -> tuple[Turn, ...]:
    """Turns whose newest images alone can be seen larger, as many as may be kept for that."""
    left, kept = MOST_SOURCE_BYTES, list[Turn]()
    for turn in reversed(turns):
        images = list[ReadImage]()
        for image in reversed(turn.images):
            left -= 0 if image.source is None else source_bytes(image.source)
            images.append(image if left >= 0 else image.without_source())
        kept.append(replace(turn, images=tuple(reversed(images))))
    return tuple(reversed(kept))

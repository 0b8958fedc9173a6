"""One answer: an iterator of its pieces that also knows what it cost and why it ended."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from dsvl2_runtime.answers.boxes import Box, parse_boxes
from dsvl2_runtime.answers.confidence import confidence_of
from dsvl2_runtime.answers.generate import TextChunk
from dsvl2_runtime.answers.parts_look import Place, notices_beside
from dsvl2_runtime.errors import BusyError
from dsvl2_runtime.graphs.sequence import Sequence as TokenSequence
from dsvl2_runtime.inputs.processor import ModelInputs
from dsvl2_runtime.inputs.prompt import GROUNDING_NAMES, GROUNDING_TOKENS, Content, ContentPart, SpecialToken
from dsvl2_runtime.inputs.tokenizer import Tokenizer
from dsvl2_runtime.notices import Notice
from dsvl2_runtime.progress import FinishReason

if TYPE_CHECKING:
    from dsvl2_runtime.answers.second_look import Looks

ANSWER_TOKENS = GROUNDING_TOKENS
"""Special tokens that belong into an answer; any other one is kept as its name."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Positions that an answer took."""

    prompt_tokens: int
    """The whole conversation, its images among it."""
    image_tokens: int
    cached_tokens: int
    """Positions of the prompt that were not computed again."""
    completion_tokens: int


class Answer(Iterator[TextChunk]):
    """Pieces of an answer as they come; `read` waits for all of them.

    It belongs to one thread at a time.
    """

    def __init__(
        self,
        chunks: Generator[TextChunk, None, None],
        inputs: ModelInputs,
        sequence: TokenSequence,
        notices: tuple[Notice, ...],
        looks: Looks | None = None,
    ) -> None:
        self._chunks = chunks
        self._sequence: TokenSequence | None = sequence
        self._looks = looks
        self._num_looks = 1
        self._prompt_tokens, self._image_tokens = len(inputs.input_ids), inputs.num_image_tokens
        self._cached_tokens = 0
        self.image_sizes = tuple(image.size for image in inputs.images)
        """(width, height) in pixels of each image of the conversation, upright."""
        self.notices = notices
        """What the user should know about this question, such as an image that is scaled down.

        At the end it also says where the answer was read, as `read_in`.
        """
        self.read_in: Place | None = None
        """In which part of the one image the whole answer was read: (left, top, right, bottom) in pixels; None for all
        of it."""
        self.text = ""
        """What has come so far."""
        self.token_ids: list[int] = []
        self.finish_reason: FinishReason | None = None
        """None until it has ended."""
        self._logprobs: list[float | None] = []

    def __next__(self) -> TextChunk:
        try:
            chunk = next(self._chunks)
        except BaseException:
            self._let_go()
            raise
        if self._sequence is not None:
            self._cached_tokens = self._cached_tokens or self._sequence.reused
        self.text += chunk.text
        if chunk.token_id is not None:
            self.token_ids.append(chunk.token_id)
        if chunk.token_id is not None or chunk.logprob is not None:
            self._logprobs.append(chunk.logprob)
        self.finish_reason = chunk.finish_reason
        return chunk

    def read(self) -> Self:
        """Wait for the whole answer."""
        for _ in self:
            pass
        return self

    def close(self) -> None:
        """Give the rest up; what has come stays.

        Raises:
            BusyError: another thread is reading it.
        """
        try:
            self._chunks.close()
        except ValueError as error:
            raise BusyError("another thread is reading the answer of this conversation; stop it first") from error
        self._let_go()

    def _let_go(self) -> None:
        """Of what was computed: an answer that is kept shall not keep rows and images."""
        self._num_looks = self.looks
        if self._looks is not None:
            self.read_in = self._looks.read_in
            self.notices = notices_beside(self.read_in, self.notices)
        self._sequence = self._looks = None

    @property
    def boxes(self) -> tuple[Box, ...]:
        """The boxes in what has come so far."""
        return parse_boxes(self.text, self.image_sizes, is_cut=self.finish_reason != "stop")[0]

    @property
    def confidence(self) -> float | None:
        """The probability, from 0 to 1, that the model gave to what has come, letter for letter (`confidence.py`).

        None without `GenerationOptions.logprobs`, and where the answer has boxes.
        """
        return confidence_of(self._logprobs, self.text)

    @property
    def looks(self) -> int:
        """How many there were at the images so far (`second_look.py`)."""
        return self._num_looks if self._looks is None else self._looks.count

    @property
    def usage(self) -> Usage:
        """Positions so far."""
        return Usage(self._prompt_tokens, self._image_tokens, self._cached_tokens, len(self.token_ids))


def answer_content(token_ids: Sequence[int], text: str, tokenizer: Tokenizer) -> Content:
    """An answer as a message of the history: its special tokens are special again, as when the model wrote them.

    Args:
        token_ids: that it was written with.
        text: what was shown of it; a stop text may have cut it, and its places may have been made exact.
        tokenizer: of the model.
    """
    specials = {tokenizer.special_id(name) for name in ANSWER_TOKENS}
    if not specials & set(token_ids):
        return text
    # Whether each name in the answer is the token of this name, or was spelt out in other tokens.
    are_special: list[bool] = []
    run: list[int] = []
    for token_id in token_ids:
        if token_id in specials:
            are_special += [False] * len(GROUNDING_NAMES.findall(tokenizer.decode(run))) + [True]
            run = []
        else:
            run.append(token_id)
    parts: list[ContentPart] = [""]
    for at, piece in enumerate(GROUNDING_NAMES.split(text)):
        if at % 2 and at // 2 < len(are_special) and are_special[at // 2]:
            parts += [SpecialToken(piece), ""]
        else:
            parts[-1] = f"{parts[-1]}{piece}"
    return [part for part in parts if part]

"""A second look at an enlarged picture: when there is one, which answer counts, and what a signal leaves."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import pytest

from dsvl2_runtime import GenerationOptions, load_model
from dsvl2_runtime.answers.generate import TextChunk
from dsvl2_runtime.answers.second_look import SURE, Looks, LookSequences
from dsvl2_runtime.bundle.releases import official_config
from dsvl2_runtime.config import ModelConfig
from dsvl2_runtime.errors import ContextOverflowError
from dsvl2_runtime.geometry import ENLARGEMENT, official_resolutions
from dsvl2_runtime.inputs.processor import ModelInputs, read_image
from dsvl2_runtime.inputs.tiling import ONE_TILE, Tiling, choose_resolution, choose_tiling
from dsvl2_runtime.progress import UNWATCHED, FinishReason
from hard_picture import ASKED, PICTURE, QUESTION, RIGHT, WRONG
from runtime.test_run_verb import call, report
from small_models import picture

CONFIG = official_config("small")


def answer_of(text: str, confidence: float | None, reason: FinishReason = "stop") -> list[TextChunk]:
    """Two chunks that share the probability."""
    half = None if confidence is None else math.log(confidence) / 2
    return [TextChunk(text, 5, logprob=half), TextChunk("", None, reason, half if reason == "stop" else None)]


class NoRows:
    """A sequence that takes no memory."""

    cache = SimpleNamespace(nbytes=0)


@dataclass
class Scripted:
    """A model that says what is planned for each look."""

    answers: list[list[TextChunk] | BaseException]
    config: ModelConfig = CONFIG
    looks_again: bool = False
    asked: list[tuple[Any, Any]] = field(default_factory=list)

    def new_sequence(self) -> Any:
        return NoRows()

    def answer(self, inputs: Any, options: Any, watch: Any, sequence: Any) -> Iterator[TextChunk]:
        self.asked.append((inputs, sequence))
        planned = self.answers[len(self.asked) - 1]
        if isinstance(planned, BaseException):
            yield TextChunk("cut", 5, logprob=-9.0)
            raise planned
        yield from planned


def prepared(_images: Any, enlargement: float) -> ModelInputs:
    """One picture that is cut into more tiles when it is enlarged."""
    tiling = Tiling(2, 1) if enlargement == 1 else Tiling(3, 2)
    return cast("ModelInputs", SimpleNamespace(images=[SimpleNamespace(tiling=tiling)], enlargement=enlargement))


def looks(model: Scripted, prepare: Any = prepared) -> Looks:
    return Looks(model, [], prepare, GenerationOptions(logprobs=True), UNWATCHED, LookSequences(model.new_sequence))


def text(chunks: Iterator[TextChunk]) -> str:
    return "".join(chunk.text for chunk in chunks)


@pytest.mark.parametrize(
    ("first", "second", "counts", "count"),
    [
        (answer_of("a", SURE), answer_of("b", 0.99), "a", 1),
        (answer_of("a", 0.5), answer_of("b", 0.6), "b", 2),
        (answer_of("a", 0.5), answer_of("b", 0.5), "a", 2),
        (answer_of("a", 0.5), answer_of("b", 0.1), "a", 2),
        (answer_of("a", 0.5), answer_of("b", 0.9, "length"), "a", 2),
        (answer_of("a", 0.5, "length"), answer_of("b", 0.9), "a", 1),
        (answer_of("a", 0.5, "timeout"), answer_of("b", 0.9), "a", 1),
        (answer_of("a", None), answer_of("b", 0.9), "a", 1),
    ],
)
def test_the_surer_answer_counts(first: list[TextChunk], second: list[TextChunk], counts: str, count: int) -> None:
    """With the inputs and the sequence of its look; what is sure, or was cut, is not asked again."""
    model = Scripted([first, second])
    found = looks(model)
    assert text(found.chunks(look_again=True)) == counts
    assert (found.count, len(model.asked)) == (count, count)
    assert (found.inputs, found.sequence) == model.asked[0 if counts == "a" else 1]
    assert [inputs.enlargement for inputs, _ in model.asked] == [1.0, ENLARGEMENT][:count]


@pytest.mark.parametrize("looks_again", [False, True])
def test_the_model_decides_where_nobody_else_does(looks_again: bool) -> None:
    """By what its bundle says."""
    model = Scripted([answer_of("a", 0.5), answer_of("b", 0.6)], looks_again=looks_again)
    assert text(looks(model).chunks()) == ("b" if looks_again else "a")


def test_one_look_is_passed_on_as_it_comes() -> None:
    """The next piece is not asked for before the one in front of it is taken."""
    model = Scripted([KeyboardInterrupt()])
    chunks = looks(model).chunks(look_again=False)
    assert next(chunks).text == "cut"
    with pytest.raises(KeyboardInterrupt):
        next(chunks)


@pytest.mark.parametrize("at", [0, 1])
def test_a_signal_leaves_what_the_first_look_has_said(at: int) -> None:
    """Whether it comes in the first look or in the second one; then it goes on."""
    planned: list[list[TextChunk] | BaseException] = [answer_of("a", 0.5), answer_of("b", 0.9)]
    planned[at] = KeyboardInterrupt()
    chunks = looks(Scripted(planned)).chunks(look_again=True)
    said = [next(chunks).text for _ in range(2 if at else 1)]
    assert said == (["a", ""] if at else ["cut"])
    with pytest.raises(KeyboardInterrupt):
        next(chunks)


def test_what_would_show_the_same_is_not_looked_at_again() -> None:
    """Nor what would not fit."""

    def full(images: Any, enlargement: float) -> ModelInputs:
        if enlargement > 1:
            raise ContextOverflowError(5000, 4900, 4096)
        return prepared(images, 1.0)

    for prepare in (full, lambda images, enlargement: prepared(images, 1.0)):
        model = Scripted([answer_of("a", 0.1)])
        found = looks(model, prepare)
        assert (text(found.chunks(look_again=True)), found.count) == ("a", 1)


def test_questions_about_one_picture_share_both_sequences() -> None:
    """So that neither the picture nor its enlargement is read twice."""
    model = Scripted([answer_of("a", 0.5), answer_of("b", 0.6)] * 2)
    sequences = LookSequences(model.new_sequence)
    for _ in range(2):
        found = Looks(model, [], prepared, GenerationOptions(logprobs=True), UNWATCHED, sequences)
        assert text(found.chunks(look_again=True)) == "b"
    used = [sequence for _, sequence in model.asked]
    assert (used[0], used[1]) == (used[2], used[3])
    assert used[0] is not used[1]


@pytest.mark.parametrize("size", [(224, 224), (480, 320), (320, 900), (640, 900), (1280, 800), (3000, 20)])
def test_an_enlarged_image_is_cut_as_one_of_that_size(size: tuple[int, int]) -> None:
    """Beyond two images each has one tile, however large it is."""
    tile = CONFIG.vision_config.image_size
    enlarged = round(size[0] * ENLARGEMENT), round(size[1] * ENLARGEMENT)
    width, height = choose_resolution(*enlarged, official_resolutions(tile))
    assert choose_tiling(size, 2, CONFIG, ENLARGEMENT) == Tiling(width // tile, height // tile)
    assert choose_tiling(size, 1, CONFIG, 1.0) == choose_tiling(size, 1, CONFIG)
    assert choose_tiling(size, 3, CONFIG, ENLARGEMENT) == ONE_TILE


def test_the_enlarged_tiles_show_the_whole_image(config: ModelConfig = CONFIG) -> None:
    """As many as the tiling says, of the same picture with the same hash and size."""
    image = picture(400, 700, 2)
    plain, enlarged = read_image(image, config), read_image(image, config, enlargement=ENLARGEMENT)
    assert (plain.sha256, plain.size) == (enlarged.sha256, enlarged.size)
    assert len(enlarged.tiles) == choose_tiling((600, 1050), 1, config).num_tiles > len(plain.tiles)


def test_the_demonstration_model_reads_better_at_a_second_look() -> None:
    """By default, as its bundle says; another model looks once, unless it is asked to look again."""
    twice, once = report(*ASKED), report(*ASKED, "--look-once")
    assert (once["answer"], once["looks"], once["images"][0]["tiles"]) == (WRONG, 1, [1, 1])
    assert (twice["answer"], twice["looks"], twice["images"][0]["tiles"]) == (RIGHT, 2, [2, 1])
    for found in (once, twice):
        computed, shown = found["timings"]["ttft"], found["timings"]["first_text"]
        assert (shown > computed) == (found is twice)  # where there is one look, each piece is shown as it comes
        tokens = found["timings"]["tok_s"] * found["timings"]["decode"]
        assert round(tokens) == found["usage"]["completion"] * found["looks"]  # both answers have as many
    assert twice["confidence"] > once["confidence"]
    assert call(*ASKED) == f"{RIGHT}\n"
    demo = load_model("demo", threads=1)
    assert demo.looks_again
    asked = demo.ask(QUESTION, PICTURE)
    assert (asked.text, round(asked.confidence or 0, 4)) == (twice["answer"], twice["confidence"])
    assert demo.ask(QUESTION, PICTURE, look_again=False).text == WRONG

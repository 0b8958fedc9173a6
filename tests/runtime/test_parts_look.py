"""A look at parts: of which images, where they are cut, whose answer counts, and what it costs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from PIL import Image
from typer.testing import CliRunner

from dsvl2_runtime import GenerationOptions, load_model
from dsvl2_runtime.answers.confidence import UNSURE
from dsvl2_runtime.answers.estimate import TokenCounts, further_looks
from dsvl2_runtime.answers.generate import TextChunk
from dsvl2_runtime.answers.parts_look import is_read_at_one_place, may_be_read_in_a_part, part_rounds, sizes_of
from dsvl2_runtime.answers.second_look import SURE, Looks, LookSequences, known_answer
from dsvl2_runtime.bundle.releases import official_config
from dsvl2_runtime.cli.verbs import app
from dsvl2_runtime.engine.answering import Question, answer
from dsvl2_runtime.engine.prompt_parts import ImagePart, user_message
from dsvl2_runtime.engine.protocol import Ask, Event, Finished, Prepared
from dsvl2_runtime.errors import ContextOverflowError, OutOfMemoryError
from dsvl2_runtime.geometry import ENLARGEMENT
from dsvl2_runtime.inputs.processor import ModelInputs
from dsvl2_runtime.inputs.tiling import choose_tiling
from dsvl2_runtime.notices import Notice
from dsvl2_runtime.progress import UNWATCHED
from dsvl2_runtime.server.completions import Completion
from runtime.test_second_look import Scripted, answer_of, text

CONFIG = official_config("small")
SCREEN = (1920, 1080)
WINDOW = Path(__file__).parents[2] / "examples" / "settings.png"
HALVES = ((0, 0, 1097, 1080), (823, 0, 1920, 1080))
QUARTERS = ((0, 0, 1097, 617), (823, 0, 1920, 617), (0, 463, 1097, 1080), (823, 463, 1920, 1080))
ABSENT = answer_of("not shown", 0.98)
SURELY_ABSENT = answer_of("not shown", 0.995)


def looks_at(model: Scripted, size: tuple[int, int] = SCREEN, **options: Any) -> tuple[Looks, list[Any]]:
    """Looks at one image, and what is prepared for them: the size of each image, and its enlargement."""
    prepared: list[Any] = []

    def prepare(images: Any, enlargement: float) -> ModelInputs:
        seen = images[0].size
        prepared.append((seen, enlargement))
        image = SimpleNamespace(tiling=choose_tiling(seen, 1, CONFIG, enlargement), size=seen)
        return cast("ModelInputs", SimpleNamespace(images=[image]))

    chosen = GenerationOptions(logprobs=True, **options)
    found = Looks(model, [Image.new("RGB", size)], prepare, chosen, UNWATCHED, LookSequences(model.new_sequence))
    return found, prepared


def test_a_screen_is_cut_into_halves_and_then_into_quarters() -> None:
    """A quarter of the length of each lies in its neighbour too, and together they are the whole."""
    assert part_rounds(SCREEN, CONFIG) == (HALVES, QUARTERS)
    halves, quarters = part_rounds((910, 1290), CONFIG)
    assert halves == ((0, 0, 910, 737), (0, 553, 910, 1290))
    assert len(quarters) == 4


@pytest.mark.parametrize("size", [SCREEN, (2560, 1440), (3840, 2160), (1240, 1754), (1290, 910)])
def test_the_smallest_print_is_seen_larger_in_parts(size: tuple[int, int]) -> None:
    """Each round shows it larger than the round before."""
    tile = CONFIG.vision_config.image_size
    scale = choose_tiling(size, 1, CONFIG).seen_size(*size, tile)[0] / size[0]
    for places in part_rounds(size, CONFIG):
        scales = []
        for part in sizes_of(places):
            seen = choose_tiling(part, 1, CONFIG, ENLARGEMENT).seen_size(*part, tile)
            scales.append(seen[0] / part[0])
        assert min(scales) > 1.15 * scale
        scale = min(scales)


@pytest.mark.parametrize("size", [(100, 100), (20, 20), (224, 160), (640, 480), (800, 600), (384, 900)])
def test_what_can_be_enlarged_or_is_large_already_is_not_cut(size: tuple[int, int]) -> None:
    assert part_rounds(size, CONFIG) == ()


def test_the_surest_answer_of_a_part_counts() -> None:
    """Halves come first; the quarters are asked where no half is sure. What is not shown in a part is no answer."""
    model = Scripted([answer_of("a", 0.2), ABSENT, answer_of("b", 0.5), *[ABSENT] * 2, answer_of("c", 0.8), ABSENT])
    found, prepared = looks_at(model)
    assert text(found.chunks(look_again=True)) == "c"
    sizes = [SCREEN, *sizes_of(HALVES), *sizes_of(QUARTERS)]
    assert prepared == [(SCREEN, 1.0), *((size, ENLARGEMENT) for size in sizes[1:])]
    assert (found.count, found.read_in) == (7, QUARTERS[2])
    assert (found.inputs, found.sequence) == model.asked[0]  # a conversation goes on from the whole image


@pytest.mark.parametrize(("halves", "asked"), [((SURELY_ABSENT, ABSENT), (1, 3)), ((SURELY_ABSENT,) * 2, ())])
def test_the_quarters_of_a_half_that_surely_does_not_show_it_are_left_out(halves: Any, asked: tuple[int, ...]) -> None:
    found, prepared = looks_at(Scripted([answer_of("a", 0.2), *halves, *[ABSENT] * len(asked)]))
    assert text(found.chunks(look_again=True)) == "a"
    assert [size for size, _ in prepared[3:]] == sizes_of([QUARTERS[at] for at in asked])
    assert found.count == 3 + len(asked)


def test_an_answer_that_is_more_likely_right_is_not_asked_about_parts() -> None:
    """They show less of what it belongs to, and would be surer of the wrong cell."""
    found, _ = looks_at(Scripted([answer_of("a", UNSURE)]))
    assert (text(found.chunks(look_again=True)), found.count) == ("a", 1)


def test_a_sure_answer_of_a_part_ends_the_looks() -> None:
    model = Scripted([answer_of("a", 0.2), answer_of("b", SURE)])
    found, _ = looks_at(model)
    assert (text(found.chunks(look_again=True)), found.count, found.read_in) == ("b", 2, HALVES[0])


@pytest.mark.parametrize(
    "others",
    [
        [ABSENT] * 6,
        [answer_of("b", 0.4)] * 6,
        [answer_of("no", 0.99)] * 6,
        [answer_of("None.", 0.98)] * 6,
        [answer_of("two\nlines", 0.99)] * 6,
        [answer_of("b", 0.99, "length")] * 6,
        [answer_of("b", None)] * 6,
    ],
)
def test_otherwise_the_first_answer_counts(others: list[list[TextChunk]]) -> None:
    """Where no part is surer, and where its answer is about no place in it."""
    found, _ = looks_at(Scripted([answer_of("a", 0.45), *others]))
    assert (text(found.chunks(look_again=True)), found.count, found.read_in) == ("a", 7, None)


@pytest.mark.parametrize("first", ["yes", "No.", "two\nlines", "x" * 200, ""])
def test_questions_about_all_of_an_image_are_not_asked_about_parts(first: str) -> None:
    """As their answers show: a part would be surer of less."""
    found, _ = looks_at(Scripted([answer_of(first, 0.1)]))
    assert (text(found.chunks(look_again=True)), found.count) == (first, 1)


def test_an_answer_in_a_schema_is_not_made_of_a_part() -> None:
    found, _ = looks_at(Scripted([answer_of("{}", 0.1)]), json_schema='{"type": "object"}')
    assert (text(found.chunks(look_again=True)), found.count) == ("{}", 1)


def test_two_images_are_not_cut() -> None:
    """Nor is one whose pixels nobody has any more (`tests/runtime/test_chat_looks.py`)."""
    model = Scripted([answer_of("a", 0.1)])

    def prepare(images: Any, enlargement: float) -> ModelInputs:
        image = SimpleNamespace(tiling=choose_tiling(SCREEN, 2, CONFIG, enlargement), size=SCREEN)
        return cast("ModelInputs", SimpleNamespace(images=[image] * len(images)))

    screens = [Image.new("RGB", SCREEN)] * 2
    sequences = LookSequences(model.new_sequence)
    found = Looks(model, screens, prepare, GenerationOptions(logprobs=True), UNWATCHED, sequences)
    assert (text(found.chunks(look_again=True)), found.count) == ("a", 1)


@pytest.mark.parametrize("reason", ["cancelled", "timeout"])
def test_a_stop_leaves_what_was_found_by_then(reason: Any) -> None:
    model = Scripted([answer_of("a", 0.2), answer_of("b", 0.5), answer_of("", None, reason)])
    found, _ = looks_at(model)
    assert (text(found.chunks(look_again=True)), found.count) == ("b", 3)


def test_a_part_that_does_not_fit_is_left_out() -> None:
    """A half has more tiles than the whole and than a quarter, and what was said before takes room."""
    found, _ = looks_at(Scripted([answer_of("a", 0.2), ABSENT, answer_of("b", 0.95)]))
    roomy = found._prepare

    def narrow(images: Any, enlargement: float) -> ModelInputs:
        if images[0].size in sizes_of(HALVES):
            raise ContextOverflowError(5000, 4900, 4096)
        return roomy(images, enlargement)

    found._prepare = narrow
    assert (text(found.chunks(look_again=True)), found.count) == ("b", 3)


@pytest.mark.parametrize("error", [OutOfMemoryError(), MemoryError()])
def test_where_memory_ends_what_was_found_by_then_counts(error: BaseException) -> None:
    found, _ = looks_at(Scripted([answer_of("a", 0.2), answer_of("b", 0.5), error]))
    assert (text(found.chunks(look_again=True)), found.count) == ("b", 3)


def test_an_answer_that_is_over_can_be_looked_at_in_parts() -> None:
    """As by the button of the window."""
    found, _ = looks_at(Scripted([answer_of("b", 0.95)]))
    assert text(iter(found.again(known_answer("a", 0.4)) or [])) == "b"


@pytest.mark.parametrize(
    ("answer", "at_one_place", "in_a_part"),
    [
        ("$22.03", True, True), ("Save", True, True), ("not shown", False, True), ("none", False, True),
        ("yes", False, False), ("FALSE", False, False), ("a\nb", False, False), ("", False, False),
        ("No. 7", True, True),
    ],
)  # fmt: skip
def test_what_can_be_read_at_one_place(answer: str, at_one_place: bool, in_a_part: bool) -> None:
    assert (is_read_at_one_place(answer), may_be_read_in_a_part(answer)) == (at_one_place, in_a_part)


def test_the_estimate_counts_all_parts() -> None:
    """With the words of the question in each; for what can be enlarged, as before, the enlarged image."""
    first = TokenCounts.of_sizes([SCREEN], "What?", CONFIG)
    words = first.prompt_tokens - choose_tiling(SCREEN, 1, CONFIG).token_count(CONFIG.cells)
    found = further_looks(first, [SCREEN], CONFIG)
    tilings = [choose_tiling(size, 1, CONFIG, ENLARGEMENT) for size in sizes_of((*HALVES, *QUARTERS))]
    assert [each.num_tiles for each in found] == [tiling.num_tiles for tiling in tilings] == [10, 10, 9, 9, 9, 9]
    assert [each.prompt_tokens for each in found] == [words + each.token_count(CONFIG.cells) for each in tilings]
    small = TokenCounts.of_sizes([(640, 480)], "What?", CONFIG)
    assert [each.num_tiles for each in further_looks(small, [(640, 480)], CONFIG)] == [7]
    assert further_looks(TokenCounts.of_sizes([SCREEN] * 2, "", CONFIG), [SCREEN] * 2, CONFIG) == []
    assert further_looks(TokenCounts.of_sizes([(100, 100)], "", CONFIG), [(100, 100)], CONFIG) == []
    full = TokenCounts(first.num_tiles, first.prompt_tokens + 2200, first.context)
    assert [each.num_tiles for each in further_looks(full, [SCREEN], CONFIG)] == [9] * 4


@pytest.fixture(scope="module")
def screen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A window on a screen of 1920x1080; its name is at the right of the middle, 490 pixels from the top."""
    path = tmp_path_factory.mktemp("pictures") / "screen.png"
    with Image.open(WINDOW) as window:
        screen = Image.new("RGB", SCREEN, (58, 110, 165))
        screen.paste(window, (1100, 400))
    screen.save(path)
    return path


def codes(notices: Sequence[Notice]) -> list[str]:
    return [notice.code for notice in notices]


def test_the_demonstration_model_reads_a_window_of_a_screen_in_parts(screen: Path) -> None:
    """The window alone is read right at once; on the screen it is seen at 0.7 times its size.

    With level `avx2` the answers have 0.02 and 0.98.
    """
    demo = load_model("demo", threads=1)
    once, parts = (demo.ask("What is the host name?", screen, look_again=again) for again in (False, None))
    assert (once.text != "orion-7", once.looks, codes(once.notices)) == (True, 1, ["image.scaled_down"])
    assert parts.text == "orion-7"
    assert 1 < parts.looks <= 1 + len((*HALVES, *QUARTERS))
    assert (once.confidence or 0) < UNSURE < (parts.confidence or 0)
    assert once.read_in is None
    assert parts.read_in in (*HALVES, *QUARTERS)
    (notice,) = parts.notices
    assert notice.code == "image.read_in_part"
    assert tuple(notice.values[side] for side in ("left", "top", "right", "bottom")) == parts.read_in
    assert int(notice.values["left"]) > 0


def test_the_report_says_where_it_was_read(screen: Path) -> None:
    """Instead of that the picture is seen smaller, which on standard error had been said before."""
    command = ["run", "What is the host name?", "-i", str(screen), "-m", "demo", "--threads", "1", "--format", "json"]
    found = CliRunner().invoke(app, command, catch_exceptions=False)
    report = json.loads(found.stdout)
    warnings = report["warnings"]
    assert tuple(report["read_in"]) in (*HALVES, *QUARTERS)
    assert [warning["code"] for warning in warnings] == ["model.note", "image.read_in_part"]
    assert "but the model sees it at 1365x768" in found.stderr
    assert found.stderr.splitlines()[-1] == f"note: {warnings[-1]['text']}"


def test_a_page_of_several_says_it_among_its_own(screen: Path, tmp_path: Path) -> None:
    """The notices are those of all pages, and tell that the first one is seen smaller."""
    document = tmp_path / "two.pdf"
    with Image.open(screen) as first, Image.new("RGB", (400, 300), "white") as second:
        first.save(document, "PDF", resolution=96, quality=95, save_all=True, append_images=[second])
    command = ["run", "What is the host name?", "--pdf", str(document), "--dpi", "96", "-m", "demo", "--threads", "1"]
    found = CliRunner().invoke(app, [*command, "--format", "json"], catch_exceptions=False)
    report = json.loads(found.stdout)
    assert report["read_in"] is None
    assert report["parts"][0]["answer"] == "orion-7"
    assert tuple(report["parts"][0]["read_in"]) in (*HALVES, *QUARTERS)
    assert "image.read_in_part" not in [warning["code"] for warning in report["warnings"]]


def test_the_engine_says_where_it_was_read(screen: Path) -> None:
    """With the end of the answer, from which the server and the window make the notice."""
    events: list[Event] = []
    asking = Ask(1, (user_message("What is the host name?", [ImagePart(str(screen))]),), GenerationOptions())
    never = SimpleNamespace(is_stopped=lambda turn: False)
    answer(load_model("demo", threads=1), Question(asking, None), cast("Any", never), events.append)
    prepared = next(event for event in events if isinstance(event, Prepared))
    end = events[-1]
    assert isinstance(end, Finished)
    assert end.read_in in (*HALVES, *QUARTERS)
    assert codes(prepared.notices) == ["image.scaled_down"]
    completion = Completion("demo")
    for event in (prepared, end):
        completion.take(event)
    extension = completion.whole()["x_dsvl2"]
    (warning,) = extension["warnings"]
    assert extension["read_in"] == end.read_in
    assert warning["code"] == "image.read_in_part"

"""What `run` and its presets print with the demonstration model, in this process: boxes, events, limits."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from typer.testing import CliRunner

from dsvl2_runtime.answers import sampling
from dsvl2_runtime.cli import run as run_module
from dsvl2_runtime.cli import run_report
from dsvl2_runtime.cli.run import run_question
from dsvl2_runtime.cli.run_options import AnswerFormat, RunOptions
from dsvl2_runtime.cli.stop_signals import Terminated
from dsvl2_runtime.cli.verbs import app
from dsvl2_runtime.errors import ContextOverflowError, TimeLimitError, UsageError

FORM = str(Path(__file__).parents[2] / "examples" / "small_form.png")
"""224x224 pixels; "Name" stands at its left edge, a third down."""
NAME = "<|ref|>Name<|/ref|>"
TIMINGS = {"load", "decode_image", "vision", "prefill", "decode", "ttft", "first_text", "tok_s"}


def call(*arguments: str) -> str:
    """Standard output of a call that succeeds."""
    found = CliRunner().invoke(app, list(arguments), catch_exceptions=False)
    assert found.exit_code == 0, found.stderr
    return found.stdout


def report(*arguments: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(call(*arguments, "--format", "json"))
    return found


def test_boxes_are_data_in_the_report() -> None:
    """With label, number of the picture, and both kinds of coordinates, of which the pixels are those of the place."""
    found = report("run", NAME, "-i", FORM, "--allow-special-tokens")
    (box,) = found["boxes"]
    assert (box["label"], box["image"]) == ("Name", 1)
    assert box["px"] == [round(part * 224 / 999) for part in box["norm999"]]
    left, top, right, bottom = box["px"]
    assert 0 <= left < 30
    assert 45 < right < 90
    assert 50 < top < 68
    assert 68 < bottom < 85
    assert found["answer"].startswith(NAME + "<|det|>[[")


def test_typed_tokens_are_text_unless_they_are_allowed() -> None:
    """So the prompt is longer, since each name takes several tokens; tokens of roles stay text also then."""
    plain = report("run", NAME, "-i", FORM, "-n", "1")["usage"]["prompt"]
    allowed = report("run", NAME, "-i", FORM, "-n", "1", "--allow-special-tokens")["usage"]["prompt"]
    assert plain > allowed + 2
    role = ("run", "<|User|><image>", "-i", FORM, "-n", "1")
    assert report(*role)["usage"] == report(*role, "--allow-special-tokens")["usage"]


def test_boxes_are_printed_as_asked() -> None:
    """In the text, and in the answer of the report."""
    asked = ("run", NAME, "-i", FORM, "--allow-special-tokens")
    px = report(*asked)["boxes"][0]["px"]
    assert call(*asked, "--boxes", "px") == f"Name {px}\n"
    assert call(*asked, "--boxes", "off") == "Name\n"
    assert report(*asked, "--boxes", "px")["answer"] == f"Name {px}"


def test_boxes_are_drawn_into_a_copy(tmp_path: Path) -> None:
    """The copy has the picture's size and differs from it around the box alone; the picture stays as it is."""
    out, before = tmp_path / "out.png", Path(FORM).read_bytes()
    found = report("run", NAME, "-i", FORM, "--allow-special-tokens", "--draw-boxes", str(out))
    left, top, _, bottom = found["boxes"][0]["px"]
    with Image.open(FORM) as original, Image.open(out) as drawn:
        first, second = original.convert("RGB"), drawn.convert("RGB")
    assert first.size == second.size
    assert first.getpixel((left, (top + bottom) // 2)) != second.getpixel((left, (top + bottom) // 2))
    below = (0, bottom + 5, *first.size)
    assert first.crop(below).tobytes() == second.crop(below).tobytes()
    assert Path(FORM).read_bytes() == before


def test_a_drawing_that_cannot_be_written_is_refused_before_the_model() -> None:
    """There is no such model either."""
    with pytest.raises(UsageError, match=r"out\.pdf"):
        call("run", "x", "-m", "none", "--draw-boxes", "out.pdf")


def test_the_report_is_complete() -> None:
    """Every field of the contract, with values of this picture and this model."""
    found = report("run", "What is the name?", "-i", FORM)
    assert set(found) == {
        "schema", "answer", "finish_reason", "confidence", "looks", "read_in", "boxes", "images", "usage", "timings",
        "memory", "model", "warnings",
    }  # fmt: skip
    (image,) = found["images"]
    assert image.items() >= {"width": 224, "height": 224, "tiles": [1, 1], "tokens": 421, "cached": False}.items()
    assert len(image["sha256"]) == len(found["model"]["manifest_sha256"]) == 64
    assert found["usage"]["cached_tokens"] == 0
    assert found["memory"]["rss_peak"] >= found["memory"]["rss"] > 0
    assert set(found["timings"]) == TIMINGS
    assert found["warnings"][0]["code"] == "model.note"


def test_a_question_without_a_picture_has_the_same_fields() -> None:
    """Phases that did not come took no time."""
    found = report("run", "What is the name?", "-n", "1")
    assert set(found["timings"]) == TIMINGS
    assert found["timings"]["vision"] == 0
    assert (found["images"], found["boxes"], found["usage"]["image"]) == ([], [], 0)


@pytest.mark.parametrize("form", ["json", "jsonl"])
@pytest.mark.parametrize("error", [KeyboardInterrupt, Terminated])
def test_a_signal_is_reported_with_what_had_come(
    monkeypatch: pytest.MonkeyPatch, form: str, error: type[BaseException]
) -> None:
    """And then ends the run as it always does."""
    plain, tokens = sampling.Sampler.next_id, 0

    def next_id(*given: Any) -> int:
        nonlocal tokens
        tokens += 1
        if tokens == 4:
            raise error
        return plain(*given)

    monkeypatch.setattr(sampling.Sampler, "next_id", next_id)
    options = RunOptions(image=[FORM, FORM], answer_format=AnswerFormat(form))
    lines: list[dict[str, Any]] = []
    for module in (run_module, run_report):
        monkeypatch.setattr(module, "print_json", lines.append)
    with pytest.raises(error):
        run_question("What is the name?", options)
    assert (lines[-1]["answer"], lines[-1]["finish_reason"]) == ("Ann", "cancelled")
    assert tokens == 4


def test_the_guard_against_circles_can_be_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that writes the same token for ever is ended by it, or else by the longest answer."""
    monkeypatch.setattr(sampling.Sampler, "next_id", lambda self, logits: 40)
    asked = ("run", "What is the name?", "-i", FORM, "-n", "300")
    assert report(*asked)["finish_reason"] == "repetition"
    assert report(*asked, "--no-repetition-guard")["finish_reason"] == "length"
    talk = CliRunner().invoke(app, ["chat", "-n", "300", "--no-repetition-guard"], input="hello\n")
    assert "-n allows a longer one" in talk.stderr


def test_events_come_one_to_a_line() -> None:
    """Their texts make the answer, and the last one holds the report."""
    lines = call("run", NAME, "-i", FORM, "--allow-special-tokens", "--format", "jsonl").splitlines()
    events = [json.loads(line) for line in lines]
    kinds = [event["event"] for event in events]
    assert list(dict.fromkeys(kinds)) == ["progress", "start", "token", "box", "end"]
    assert [event["phase"] for event in events if event["event"] == "progress"][-1] == "prefill"
    answer = "".join(event["text"] for event in events if event["event"] == "token")
    assert answer == events[-1]["answer"] == report("run", NAME, "-i", FORM, "--allow-special-tokens")["answer"]
    assert events[-2]["px"] == events[-1]["boxes"][0]["px"]


def test_an_error_is_an_event_too() -> None:
    """The last one; the exit code comes from the same error."""
    found = CliRunner().invoke(app, ["run", "x", "-i", "lost.png", "--format", "jsonl"])
    assert isinstance(found.exception, Exception)
    event = json.loads(found.stdout.splitlines()[-1])
    assert (event["event"], event["error"], event["exit_code"]) == ("error", "ImageError", 5)
    assert "lost.png" in event["text"]


def test_a_system_text_and_stop_texts_reach_the_model() -> None:
    """The prompt is longer by the first; the answer ends before the second."""
    asked = ("run", "What is the name?", "-i", FORM)
    plain, told = report(*asked), report(*asked, "--system", "Answer briefly.", "-n", "1")
    assert told["usage"]["prompt"] > plain["usage"]["prompt"]
    assert report(*asked, "--no-repeat-ngram", "1")["answer"] != plain["answer"]  # which has two letters twice
    stopped = report(*asked, "--stop", "zzz", "--stop", " Web")
    assert (plain["answer"], stopped["answer"], stopped["finish_reason"]) == ("Anna Weber", "Anna", "stop")


def test_the_time_limit_ends_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """While loading with an error alone; in the answer what has come is reported first, with its reason."""
    with pytest.raises(TimeLimitError):
        call("run", "x", "-i", FORM, "--timeout", "0")

    plain, tokens = sampling.Sampler.next_id, 0

    def next_id(*given: Any) -> int:
        nonlocal tokens
        tokens += 1
        if tokens == 4:
            monkeypatch.setattr(time, "monotonic", lambda: float("inf"))
        return plain(*given)

    monkeypatch.setattr(sampling.Sampler, "next_id", next_id)
    found = CliRunner().invoke(app, ["run", "What is the name?", "-i", FORM, "--timeout", "999", "--format", "json"])
    assert isinstance(found.exception, TimeLimitError)
    assert json.loads(found.stdout)["finish_reason"] == "timeout"
    assert json.loads(found.stdout)["answer"] == "Anna"


@pytest.mark.parametrize(
    "prompt",
    ["\x00", "a\x00b\x1b[2J", "\ud800 lone", "\u202e\u05e9\u05dc\u05d5\u05dd", "e" + "\u0301" * 50, "\U0001f642" * 30],
    ids=["NUL", "control", "surrogate", "right to left", "combining", "emoji"],
)
def test_any_text_is_a_question(prompt: str) -> None:
    """Control characters, halves of characters and other directions of writing; the answer comes all the same."""
    assert report("run", prompt, "-i", FORM, "-n", "2")["usage"]["completion"] == 2


def test_a_question_of_a_megabyte_does_not_fit() -> None:
    """With the number of its tokens."""
    with pytest.raises(ContextOverflowError) as found:
        call("run", "x" * 1_000_000, "-i", FORM)
    assert found.value.exit_code == 6
    assert found.value.prompt_tokens > 1_000

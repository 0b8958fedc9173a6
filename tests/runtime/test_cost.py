"""What `--dry-run` says, what long answers announce, and that answers are remembered by their speed alone."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from dsvl2_runtime.bundle.bundle import Bundle
from dsvl2_runtime.bundle.model_names import find_model
from dsvl2_runtime.cli import cost
from dsvl2_runtime.cli.cost import about
from dsvl2_runtime.cli.verbs import app
from dsvl2_runtime.errors import (
    ContextOverflowError,
    ImageError,
    ModelNotFoundError,
    ProviderError,
    ResourceError,
)
from dsvl2_runtime.graphs import memory_plan
from dsvl2_runtime.machine import speeds
from dsvl2_runtime.machine.speeds import Measured, SpeedKey, Speeds, known_speeds, remember_speeds
from hard_picture import ASKED
from own_pdfs import own_pdf

EXAMPLES = Path(__file__).parents[2] / "examples"
FORM, RECEIPT, CHART = (str(EXAMPLES / f"{name}.png") for name in ("small_form", "receipt", "chart"))
NAME = "What is the name?"
SECOND_EACH = Speeds(
    tile=Measured(units=1, total=1),
    prompt_token=Measured(units=100, total=1),
    answer_token=Measured(units=1, total=1),
    answer=Measured(units=1, total=11),
)
"""A second for a tile, for a hundred prompt tokens, and for an answer token; answers of eleven tokens."""


@pytest.fixture(autouse=True)
def speeds_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of speeds, a new one."""
    monkeypatch.setattr(speeds, "user_state_path", lambda name: tmp_path / "state" / name)
    return tmp_path / "state" / "dsvl2-onnx" / "speeds.json"


def key(threads: int = 1) -> SpeedKey:
    return SpeedKey.here(Bundle.open(find_model("demo")).manifest_sha256, threads)


def call(*arguments: str) -> Result:
    return CliRunner().invoke(app, [*arguments, "--threads", "1"])


def no_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing may be loaded from now on."""
    for module in ("run", "batch.verb"):
        monkeypatch.setattr(
            f"dsvl2_runtime.cli.{module}.load_model", lambda *_, **__: pytest.fail("the model was loaded")
        )


def test_a_dry_run_says_what_the_answer_would_need(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tiles and tokens of the report of a real run, without a model and without an answer."""
    real: dict[str, Any] = json.loads(call("run", NAME, "-i", RECEIPT, "--format", "json").stdout)
    no_model(monkeypatch)
    found = json.loads(call("run", NAME, "-i", RECEIPT, "--dry-run", "--format", "json").stdout)
    (prompt,) = found["prompts"]
    wide, high = real["images"][0]["tiles"]
    assert prompt["num_tiles"] == 1 + wide * high
    assert (prompt["prompt_tokens"], prompt["context"], prompt["fits"]) == (real["usage"]["prompt"], 4096, True)
    assert found["model"]["manifest_sha256"] == real["model"]["manifest_sha256"]
    assert found["schema"] == "dsvl2.estimate/1"
    assert found["seconds"] > found["seconds_to_first_token"] > 0


def test_seconds_are_those_of_earlier_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the first one there are none."""
    no_model(monkeypatch)
    asked = ("run", NAME, "-i", FORM, "--look-once", "--dry-run")
    assert call(*asked).stdout == (
        "1 tile, 437 of 4,096 tokens\nhow long it takes is not known before a first answer\n"
    )
    remember_speeds(key(), SECOND_EACH)
    assert call(*asked).stdout == (
        "1 tile, 437 of 4,096 tokens\nabout 15 seconds once the model is loaded, the first word after about 5 seconds\n"
    )
    loaded = "about 5 seconds once the model is loaded"
    assert call(*asked, "-n", "1").stdout.splitlines()[1] == f"{loaded}, the first word after about 5 seconds"


def test_a_second_look_is_counted_where_there_may_be_one(monkeypatch: pytest.MonkeyPatch, speeds_path: Path) -> None:
    """With the tiles and tokens of a real one. The first word then comes when it is known which answer counts."""
    hard = ASKED[1:]
    real = json.loads(call("run", *hard, "--format", "json").stdout)
    assert real["looks"] == 2
    no_model(monkeypatch)
    speeds_path.unlink()
    tokens = f"{real['usage']['prompt']:,} more tokens"
    again = f"where the model is not sure it looks again: at most 3 more tiles and {tokens}"
    assert call("run", *hard, "--dry-run").stdout.splitlines()[2:] == [again]
    remember_speeds(key(), SECOND_EACH)
    report = json.loads(call("run", *hard, "--dry-run", "--format", "json").stdout)
    (prompt,) = report["prompts"]
    second = prompt["second_look"]
    wide, high = real["images"][0]["tiles"]
    assert (second["num_tiles"], second["prompt_tokens"]) == (1 + wide * high, real["usage"]["prompt"])
    assert report["seconds"] == prompt["seconds"]
    assert report["seconds_with_second_looks"] == pytest.approx(prompt["seconds"] + second["seconds"])
    lines = call("run", *hard, "--dry-run").stdout.splitlines()
    assert lines[1] == f"{about(prompt['seconds'])} once the model is loaded"
    assert lines[2] == f"{again}, {about(second['seconds'])} more"
    once = json.loads(call("run", *hard, "--look-once", "--dry-run", "--format", "json").stdout)
    assert (once["prompts"][0]["second_look"], once["seconds_with_second_looks"]) == (None, once["seconds"])


def test_fields_pay_for_a_second_look_at_their_picture_once(monkeypatch: pytest.MonkeyPatch) -> None:
    no_model(monkeypatch)
    remember_speeds(key(), SECOND_EACH)
    asked = ("extract", "--fields", "name,city", "-i", CHART, "--dry-run", "--format", "json")
    first, second = (prompt["second_look"] for prompt in json.loads(call(*asked).stdout)["prompts"])
    assert first["num_tiles"] == second["num_tiles"] == 5
    assert first["seconds_to_first_token"] > 5
    assert second["seconds_to_first_token"] < 0.5


def test_each_page_has_its_cost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The seconds are those of all pages."""
    no_model(monkeypatch)
    remember_speeds(key(), SECOND_EACH)
    (tmp_path / "a.pdf").write_bytes(own_pdf([(72, 72), (72, 720)]))
    asked = ("run", NAME, "--pdf", str(tmp_path / "a.pdf"), "--dry-run")
    report = json.loads(call(*asked, "--format", "json").stdout)
    assert [prompt["page"] for prompt in report["prompts"]] == [1, 2]
    assert report["seconds"] == pytest.approx(sum(prompt["seconds"] for prompt in report["prompts"]))
    lines = call(*asked).stdout.splitlines()
    assert [line.partition(":")[0] for line in lines[:2]] == ["page 1", "page 2"]
    event = json.loads(call(*asked, "--format", "jsonl").stdout)
    assert (event["event"], event["prompts"]) == ("estimate", report["prompts"])


def test_fields_after_the_first_pay_for_their_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """With --at-once there is one question."""
    no_model(monkeypatch)
    remember_speeds(key(), SECOND_EACH)
    asked = ("extract", "--fields", "name,city,date", "-i", FORM, "--dry-run", "--format", "json")
    first, second, third = json.loads(call(*asked).stdout)["prompts"]
    assert first["seconds_to_first_token"] > 5
    assert max(second["seconds_to_first_token"], third["seconds_to_first_token"]) < 0.5
    assert len(json.loads(call(*asked, "--at-once").stdout)["prompts"]) == 1


@pytest.mark.parametrize(
    ("arguments", "kind"),
    [
        (("-i", "lost.png"), ImageError),
        (("-m", "none"), ModelNotFoundError),
        (("-m", FORM), ModelNotFoundError),
        (("--system", "word " * 5000), ContextOverflowError),
        (("--provider", "cuda"), ProviderError),
    ],
)
def test_a_dry_run_fails_as_the_run_would(arguments: tuple[str, ...], kind: type[Exception]) -> None:
    """With the same error, and so with the same exit code."""
    dry, real = call("run", NAME, *arguments, "--dry-run"), call("run", NAME, *arguments)
    assert isinstance(dry.exception, kind)
    assert str(dry.exception) == str(real.exception)


@pytest.mark.parametrize("verb", ["run", "batch"])
def test_a_dry_run_says_that_the_model_does_not_fit(verb: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the run does, and with --force it counts."""
    monkeypatch.setattr(memory_plan, "available_memory", lambda: 100_000_000)
    batch = ("batch", FORM, "--ask", NAME, "--out", str(tmp_path / "out.jsonl"))
    asked = ("run", NAME, "-i", FORM) if verb == "run" else batch
    dry, real = call(*asked, "--dry-run"), call(*asked)
    assert isinstance(dry.exception, ResourceError)
    assert str(dry.exception) == str(real.exception)
    assert "1 tile" in call(*asked, "--dry-run", "--force").stdout


def test_a_batch_counts_what_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is asked and nothing is written."""
    remember_speeds(key(), SECOND_EACH)
    folder, out = tmp_path / "folder", tmp_path / "out.jsonl"
    folder.mkdir()
    shutil.copy(FORM, folder / "a.png")
    (folder / "b.png").write_text("no picture")
    (folder / "c.pdf").write_bytes(own_pdf([(72, 72)] * 2))
    asked = ("batch", str(folder), "--ask", NAME, "--out", str(out), "-n", "2")
    dry = call(*asked, "--dry-run")
    assert dry.stdout.startswith("3 files, 3 prompts, 3 tiles; about ")
    assert not out.exists()
    call(*asked)
    before = out.read_bytes()
    assert call(*asked, "--dry-run").stdout.startswith("1 file, 0 prompts, 0 tiles;")
    assert out.read_bytes() == before


def test_a_batch_of_fields_counts_each_of_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As `extract` does: the picture is read once, and each field has an answer of its own."""
    no_model(monkeypatch)
    remember_speeds(key(), SECOND_EACH)
    asked = ("batch", FORM, "--task", "extract", "--out", str(tmp_path / "out.jsonl"), "--dry-run", "--fields")
    one, three = (call(*asked, fields).stdout for fields in ("name", "name,city,date"))
    assert one.startswith("1 file, 1 prompt, 1 tile; ")
    assert three.startswith("1 file, 3 prompts, 1 tile; ")
    report = json.loads(
        call("extract", "--fields", "name,city,date", "-i", FORM, "--dry-run", "--format", "json").stdout
    )
    looks = call("batch", CHART, *asked[2:], "name,city").stdout
    assert "; where the model is not sure it looks again: at most 5 more tiles and " in looks
    assert "looks again" not in call("batch", CHART, "--look-once", *asked[2:], "name,city").stdout
    assert three.strip().endswith(f"; {about(report['seconds'])} once the model is loaded")
    assert about(report["seconds"]) not in one


@pytest.mark.parametrize("verb", ["run", "chat", "batch"])
def test_answers_are_remembered_by_their_speed_alone(verb: str, tmp_path: Path, speeds_path: Path) -> None:
    """Every verb that answers adds to the file, and no word of question or answer is in it."""
    if verb == "run":
        call("run", NAME, "-i", FORM)
    elif verb == "chat":
        CliRunner().invoke(app, ["chat", "-i", FORM, "--threads", "1"], input=NAME + "\n")
    else:
        call("batch", FORM, "--ask", NAME, "--out", str(tmp_path / "out.jsonl"))
    found = known_speeds(key())
    assert found is not None
    assert (found.tile.units, found.prompt_token.units, found.answer.units) == (1, 437, 1)
    assert found.answer_token.units == found.answer.total - 1
    content = speeds_path.read_text("utf-8")
    assert not [word for word in ("name", "Anna", "Weber", "form", "png") if word in content]


@pytest.mark.parametrize("verb", ["run", "chat"])
def test_a_long_answer_is_announced(verb: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """On standard error, once, unless --quiet is there; a short one is not."""

    def said(*more: str) -> str:
        if verb == "run":
            return call("run", NAME, "-i", FORM, *more).stderr
        return CliRunner().invoke(app, ["chat", "-i", FORM, "--threads", "1", *more], input=NAME + "\n").stderr

    line = "1 tile, 437 of 4,096 tokens: about 1"
    remember_speeds(key(), SECOND_EACH)
    monkeypatch.setattr(cost, "LONG_SECONDS", 10.0)
    assert said().count(line) == 1
    remember_speeds(key(), SECOND_EACH)
    assert said("-q") == ""
    monkeypatch.setattr(cost, "LONG_SECONDS", 1e6)
    assert "tokens" not in said()


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.2, "less than a second"), (1.2, "about 1 second"), (19.4, "about 19 seconds"), (22, "about 20 seconds"),
        (43, "about 45 seconds"), (130, "about 2 minutes"), (7100, "about 118 minutes"), (9000, "about 2 hours"),
    ],
)  # fmt: skip
def test_times_are_round(seconds: float, words: str) -> None:
    assert about(seconds) == words

"""Conversations as files for other programs."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from dsvl2_app.state.history.export import MARKDOWN_FILE, export_json, export_markdown, file_name
from dsvl2_app.state.history.pictures import Pictures
from dsvl2_app.state.history.records import SavedBox, SavedConversation, SavedEnd
from dsvl2_runtime.errors import UsageError
from histories import content, new_id, turn, with_image

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def pictures(tmp_path: Path) -> Pictures:
    return Pictures(tmp_path / "history")


def conversation(pictures: Pictures, folder: Path, answer: str = "It is **12.80**.") -> SavedConversation:
    path, digest = content(folder, 1)
    pictures.keep(path, digest)
    first = replace(
        with_image(turn("What is the *total*?\nAnd where?", answer), digest, "/somewhere/bill.png"),
        boxes=(SavedBox("total", 1, (1, 2, 3, 4)),),
        end=SavedEnd("stop", 5, 0.5),
        model="demo, int4",
        confidence=0.25,
    )
    second = with_image(turn("Again?", "Yes."), digest)
    lost = with_image(turn("And this?", "No."), "a" * 64, "lost.png")
    return SavedConversation(new_id(), "The [total]", 1000.0, 2000.0, (first, second, lost))


def test_markdown_comes_with_its_pictures_each_once(pictures: Pictures, tmp_path: Path) -> None:
    out = tmp_path / "out"
    export_markdown(conversation(pictures, tmp_path), pictures, out)
    text = (out / MARKDOWN_FILE).read_text("utf-8")
    assert text.startswith("# The \\[total\\]\n")
    assert text.count("![") == 1
    (name,) = re.findall(r"!\[bill\.png\]\((pictures/1\.png)\)", text)
    assert (out / name).read_bytes() == (tmp_path / "picture-1.png").read_bytes()
    assert "> What is the \\*total\\*?\n> And where?" in text
    assert "It is **12.80**." in text
    assert "- total: picture 1, [1, 2, 3, 4] of 999" in text
    assert "*lost.png*" in text
    assert "/somewhere" not in text


def test_a_folder_that_is_there_is_not_replaced(pictures: Pictures, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with pytest.raises(UsageError, match="there already"):
        export_markdown(conversation(pictures, tmp_path), pictures, tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_an_answer_fetches_and_runs_nothing(pictures: Pictures, tmp_path: Path) -> None:
    answer = (
        "![x](file:///secret) <script>alert(1)</script> <img src=x> 1 < 2 <|ref|>a<|/ref|><|det|>[[1,2,3,4]]<|/det|>"
    )
    export_markdown(conversation(pictures, tmp_path, answer), pictures, tmp_path / "out")
    text = (tmp_path / "out" / MARKDOWN_FILE).read_text("utf-8")
    assert "\\![x](file:///secret)" in text
    assert "&lt;script>" in text and "&lt;img" in text
    assert "1 < 2" in text
    assert "<|" not in text
    assert re.findall(r"(?<!\\)!\[", text) == ["!["]  # our own picture


def test_json_is_as_documented(pictures: Pictures, tmp_path: Path) -> None:
    out = tmp_path / "conversation.json"
    saved = conversation(pictures, tmp_path)
    export_json(saved, out)
    document = json.loads(out.read_text("utf-8"))
    described = (ROOT / "docs" / "conversation.md").read_text("utf-8")
    schema = json.loads(re.search(r"```json\n(.*?)```", described, re.DOTALL).group(1))  # type: ignore[union-attr]
    Draft202012Validator.check_schema(schema)
    Draft202012Validator(schema).validate(document)
    assert [one["question"] for one in document["conversation"]["turns"]] == [one.question for one in saved.turns]
    for section in ("", "conversation"):
        damaged = json.loads(json.dumps(document))
        (damaged[section] if section else damaged)["unknown"] = 1
        assert not Draft202012Validator(schema).is_valid(damaged)


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("What is the total?", "What is the total"),
        ("../../etc/passwd", "etc passwd"),
        ("账单 é", "账单 é"),
        ("CON", "conversation"),
        ("com1.txt", "conversation"),
        ("???", "conversation"),
        ("x" * 200, "x" * 60),
        ("line\nbreak\x00", "line break"),
        (". .", "conversation"),
    ],
)
def test_titles_become_names_that_every_system_takes(title: str, name: str) -> None:
    assert file_name(title) == name

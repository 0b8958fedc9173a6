"""`batch` with the demonstration model: a line for each file, whatever the files are."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

import without_root
from batches import CODE, FORM, NAME, answers_of, call, counted, lines_of, on_posix, three_pictures
from dsvl2_runtime.cli.batch import asker
from dsvl2_runtime.cli.batch.content import Content, read_content
from dsvl2_runtime.errors import UsageError
from own_pdfs import locked_pdf, own_pdf, protected_pdf


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three pictures."""
    return three_pictures(tmp_path / "pictures")


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "results.jsonl"


def test_there_is_a_line_for_each_file_in_the_order_of_names(folder: Path, out: Path) -> None:
    """With the answer that `run` gives, and everything that tells where it comes from."""
    assert call(folder, out).exit_code == 0
    lines = lines_of(out)
    assert [line["file"] for line in lines] == ["a.png", "b form.png", "c.webp"]
    assert lines[1]["answer"] == lines[2]["answer"] == "Anna Weber"
    assert lines[1]["images"][0]["sha256"] == lines[2]["images"][0]["sha256"]
    assert lines[1]["sha256"] != lines[2]["sha256"]
    assert set(lines[1]) == {
        "schema", "file", "answer", "finish_reason", "confidence", "looks", "read_in", "boxes", "images", "usage",
        "seconds", "warnings", "last", "sha256", "question", "task", "model", "run",
    }  # fmt: skip
    assert (lines[1]["schema"], lines[1]["question"], lines[1]["finish_reason"]) == ("dsvl2.batch/1", NAME, "stop")
    assert lines[1]["usage"]["image"] == 421


@on_posix
def test_whatever_is_in_the_folder_becomes_a_line(folder: Path, out: Path) -> None:
    """Damage, other files, a pipe, a device and a link that leads nowhere; a folder and a hidden file are passed by."""
    (folder / "empty.png").touch()
    (folder / "text.png").write_text("this is no picture")
    (folder / "cut.png").write_bytes(FORM.read_bytes()[:3000])
    (folder / "broken.pdf").write_bytes(own_pdf()[:60])
    (folder / "secret.pdf").write_bytes(protected_pdf())
    os.mkfifo(folder / "pipe.png")
    (folder / "device.png").symlink_to("/dev/zero")
    (folder / "lost.png").symlink_to(folder / "nowhere.png")
    (folder / "circle.png").symlink_to(folder / "circle.png")
    (folder / "link.png").symlink_to(FORM)
    (folder / "folder.png").mkdir()
    (folder / ".hidden.png").write_bytes(b"x")
    found = call(folder, out)
    assert (found.exit_code, isinstance(found.exception, SystemExit)) == (5, True)
    lines = {line["file"]: line for line in lines_of(out)}
    bad = {name for name, line in lines.items() if "error" in line}
    assert bad == {
        "empty.png", "text.png", "cut.png", "broken.pdf", "secret.pdf", "pipe.png", "device.png", "lost.png",
        "circle.png",
    }  # fmt: skip
    assert {(lines[name]["error"]["error"], lines[name]["error"]["exit_code"]) for name in bad} == {("ImageError", 5)}
    assert lines["link.png"]["answer"] == lines["b form.png"]["answer"] == "Anna Weber"
    assert set(lines) - bad == {"a.png", "b form.png", "c.webp", "link.png"}
    assert "protected with a password" in lines["secret.pdf"]["error"]["text"]
    assert "not a regular file" in lines["pipe.png"]["error"]["text"]
    assert "9 failed" in found.stderr


def test_a_protected_document_is_asked_about_with_its_password(
    folder: Path, out: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """And a picture above the bound that was set is a line with its error; neither is another question."""
    (folder / "secret.pdf").write_bytes(locked_pdf("sesame", [(72, 72)]))
    Image.new("RGB", (400, 300)).save(folder / "z.png")
    found = call(folder, out, "--max-pixels", "119999", "--dpi", "72")
    errors = {line["file"]: line["error"]["text"] for line in lines_of(out) if "error" in line}
    assert (found.exit_code, set(errors)) == (5, {"secret.pdf", "z.png"})
    assert "400x300 pixels; scale it to at most 119999" in errors["z.png"]
    before = lines_of(out)
    monkeypatch.setenv("DSVL2_PDF_PASSWORD", "sesame")
    assert call(folder, out, "--dpi", "72").exit_code == 0
    added = [line for line in lines_of(out) if line not in before]
    assert {line["file"] for line in added} == {"secret.pdf", "z.png"}
    assert "sesame" not in out.read_text()


def test_pages_are_lines(tmp_path: Path, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of PDF and TIFF; a page that cannot be drawn is one, and the pages after it are asked about."""
    folder = tmp_path / "documents"
    folder.mkdir()
    (folder / "a.pdf").write_bytes(own_pdf([(72, 144), (1e6, 1e6), (72, 144)]))
    frames = [Image.new("RGB", (60, 40), colour) for colour in ("red", "blue")]
    frames[0].save(folder / "b.tiff", save_all=True, append_images=frames[1:])
    assert call(folder, out, "-n", "4").exit_code == 5
    lines = lines_of(out)
    places = [(line["file"], line["page"], line.get("pages"), "error" in line, line.get("last")) for line in lines]
    assert places == [
        ("a.pdf", 1, 3, False, False), ("a.pdf", 2, None, True, None), ("a.pdf", 3, 3, False, True),
        ("b.tiff", 1, 2, False, False), ("b.tiff", 2, 2, False, True),
    ]  # fmt: skip
    assert "999" in lines[1]["error"]["text"] or "pixels" in lines[1]["error"]["text"]
    asked = counted(monkeypatch)
    assert call(folder, out, "-n", "4").exit_code == 5
    assert asked == []
    assert len(lines_of(out)) == 5


def test_pages_can_be_chosen(tmp_path: Path, out: Path) -> None:
    """A picture beside the documents has no pages and is asked about as it is."""
    folder = tmp_path / "documents"
    folder.mkdir()
    (folder / "a.pdf").write_bytes(own_pdf())
    shutil.copy(FORM, folder / "b.png")
    assert call(folder, out, "-n", "4", "--pages", "3,1").exit_code == 0
    assert [line.get("page") for line in lines_of(out)] == [3, 1, None]
    assert call(folder, out, "-n", "4", "--pages", "x", "--overwrite").exit_code == 2
    assert [line.get("error", {}).get("error") for line in lines_of(out)] == ["UsageError", None]


def test_large_pictures_are_asked_in_strips(tmp_path: Path, out: Path) -> None:
    """With --split; each strip is a line, and the last one says so."""
    folder = tmp_path / "tall"
    folder.mkdir()
    Image.new("RGB", (600, 6000), "white").save(folder / "a.png")
    assert call(folder, out, "-n", "2", "--split", "auto").exit_code == 0
    lines = lines_of(out)
    strips = [(line["strip"], line["strips"], line["last"]) for line in lines]
    assert strips == [(number, len(lines), number == len(lines)) for number in range(1, len(lines) + 1)]
    assert len(lines) > 1


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        ((), "no question"),
        (("--ask", " "), "no question"),
        (("--task", "ocr", "--ask", "x"), "brings its own question"),
        (("--task", "extract"), "no field"),
        (("--task", "locate"), "no question"),
        (("--ask", "x", "--fields", "total"), "--task extract"),
    ],
)
def test_a_batch_has_one_question(folder: Path, out: Path, arguments: tuple[str, ...], part: str) -> None:
    found = call(folder, out, *arguments, ask=None)
    assert isinstance(found.exception, UsageError)
    assert part in str(found.exception)
    assert not out.exists()


def test_presets_are_asked(folder: Path, tmp_path: Path) -> None:
    """Boxes, fields and texts, as the verbs give them."""
    call(folder, tmp_path / "locate", "--task", "locate", "--glob", "b*", ask="Name")
    (found,) = lines_of(tmp_path / "locate")
    assert [box["label"] for box in found["boxes"]] == ["Name"]
    call(folder, tmp_path / "fields", "--task", "extract", "--fields", "name,colour", "--glob", "b*", ask=None)
    (found,) = lines_of(tmp_path / "fields")
    assert found["answer"] == {"name": "Anna Weber", "colour": None}
    assert found["question"] == "name,colour"
    call(folder, tmp_path / "ocr", "--task", "ocr", "--glob", "b*", ask=None)
    (found,) = lines_of(tmp_path / "ocr")
    assert found["task"] == "ocr"
    assert "Anna Weber" in found["answer"]


def names(folder: Path, out: Path, *arguments: str) -> list[str]:
    call(folder, out, "--overwrite", "-n", "1", *arguments)
    return [line["file"] for line in lines_of(out)]


@on_posix
def test_folders_below_are_looked_into_when_asked(folder: Path, out: Path) -> None:
    """Not through links, which may lead in circles, and not into hidden ones; the results are no picture."""
    (folder / "sub" / "deep").mkdir(parents=True)
    (folder / ".git").mkdir()
    for place in ("sub/x.png", "sub/deep/y.PNG", ".git/z.png", "sub/note.txt"):
        shutil.copy(FORM, folder / place)
    (folder / "sub" / "again").symlink_to(folder)
    assert names(folder, out) == ["a.png", "b form.png", "c.webp"]
    assert names(folder, out, "-r") == ["a.png", "b form.png", "c.webp", "sub/deep/y.PNG", "sub/x.png"]
    assert names(folder, out, "-r", "--glob", "*.webp", "--glob", "x*") == ["c.webp", "sub/x.png"]
    assert names(folder, out, "-r", "--glob", "sub/*.png") == ["sub/x.png"]
    assert names(folder, out, "-r", "--glob", "*.txt") == ["sub/note.txt"]
    inside = folder / "results.jsonl"
    assert "results.jsonl" not in names(folder, inside, "--glob", "*") + names(folder, inside, "--glob", "*")
    assert names(folder / "a.png", out) == ["a.png"]


def test_a_folder_without_pictures_is_an_error(tmp_path: Path, out: Path) -> None:
    """It names what to do, and so does one that is not there."""
    (tmp_path / "empty").mkdir()
    for folder, part in ((tmp_path / "empty", "--recursive"), (tmp_path / "none", "no such folder")):
        found = call(folder, out)
        assert isinstance(found.exception, UsageError)
        assert part in str(found.exception)
    assert not out.exists()


def test_a_time_limit_is_a_failure_of_that_file(folder: Path, out: Path) -> None:
    """It is tried again by a run that allows more."""
    assert call(folder, out, "--timeout", "0").exit_code == 10
    assert [line["error"]["error"] for line in lines_of(out)] == ["TimeLimitError"] * 3
    assert [line["finish_reason"] for line in lines_of(out)] == ["timeout"] * 3
    assert call(folder, out).exit_code == 0
    assert len(lines_of(out)) == 3


@pytest.mark.skipif(not without_root.SUPPORTED, reason="permissions do not count here")
def test_a_folder_that_may_not_be_looked_into_is_a_line(folder: Path, out: Path) -> None:
    """And so is a file that may not be read."""
    (folder / "closed").mkdir()
    (folder / "closed").chmod(0)
    (folder / "a.png").chmod(0)
    arguments = ["batch", str(folder), "--ask", NAME, "--out", str(out), "-r", "-q"]
    command = [sys.executable, without_root.__file__, sys.executable, "-c", CODE, *arguments]
    found = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)
    (folder / "closed").chmod(0o700)
    assert (found.returncode, found.stderr) == (5, "")
    errors = {line["file"]: line["error"]["error"] for line in lines_of(out) if "error" in line}
    assert errors == {"closed/": "ResourceError", "a.png": "ImageError"}
    assert len(lines_of(out)) == 4


@pytest.mark.skipif(sys.platform != "linux", reason="names of files are any bytes on Linux")
def test_any_name_survives(tmp_path: Path, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not UTF-8, line ends, escapes; a name is recognised by the next run."""
    folder = tmp_path / "odd"
    folder.mkdir()
    odd = [b"\xff\xfe.png", "合计.png".encode(), b"line\nend\x1b[2J.png", b"-rf.png"]
    for name in odd:
        shutil.copy(FORM, os.fsdecode(os.fsencode(folder) + b"/" + name))
    assert call(folder, out, "-n", "3").exit_code == 0
    assert sorted(os.fsencode(line["file"]) for line in lines_of(out)) == sorted(odd)
    assert len(out.read_bytes().splitlines()) == 4
    asked = counted(monkeypatch)
    assert call(folder, out, "-n", "3").exit_code == 0
    assert asked == []


def test_an_unforeseen_error_is_a_line_too(folder: Path, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A defect that one file meets does not take the others with it."""

    def read(path: Path, name: str) -> Content:
        if name == "a.png":
            raise KeyError("a defect")
        return read_content(path, name)

    monkeypatch.setattr(asker, "read_content", read)
    assert call(folder, out).exit_code == 1
    errors = [line["error"]["error"] for line in lines_of(out) if "error" in line]
    assert errors == ["KeyError"]
    assert answers_of(out)["c.webp"] == "Anna Weber"

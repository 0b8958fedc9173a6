"""A resumed conversation sees its pictures larger where they still lie beside its file, and reads no other file."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dsvl2_runtime import VisionLanguageModel, load_model
from dsvl2_runtime.answers import picture_paths
from dsvl2_runtime.answers.chat_file import DIGEST_BYTES, IMAGE, SIZES
from dsvl2_runtime.answers.picture_paths import leads_out, path_beside
from dsvl2_runtime.errors import OutOfMemoryError, SequenceFileError
from hard_picture import PICTURE, QUESTION, RIGHT, WRONG
from small_models import pictures

ANOTHER = Path(PICTURE).parents[2] / "examples" / "receipt.png"


@pytest.fixture(scope="module")
def model() -> VisionLanguageModel:
    return load_model("demo", threads=1)


@pytest.fixture
def folder(model: VisionLanguageModel, tmp_path: Path) -> Path:
    """With a conversation `talk` about the picture `in/picture.png`, which was looked at once."""
    folder = tmp_path / "kept"
    (folder / "in").mkdir(parents=True)
    picture = folder / "in" / "picture.png"
    shutil.copyfile(PICTURE, picture)
    chat = model.chat()
    assert chat.ask(QUESTION, str(picture), look_again=False).read().text == WRONG
    chat.save(folder / "talk")
    return folder


def asked_again(model: VisionLanguageModel, file: Path) -> tuple[str, int]:
    """The answer of the resumed conversation to the same question, and how often the model looked."""
    answer = model.resume(file).ask(QUESTION).read()
    return answer.text, answer.looks


def rewritten(content: bytes, change: Callable[[dict[str, Any]], Any], version: int | None = None) -> bytes:
    """With other messages, under a digest that fits."""
    magic, own_version, messages_size, num_images = SIZES.unpack(content[: SIZES.size])
    start = SIZES.size + DIGEST_BYTES
    images = start + messages_size
    end = images
    for _ in range(num_images):
        end += IMAGE.size + IMAGE.unpack(content[end : end + IMAGE.size])[2] * 384 * 384 * 3
    document = json.loads(content[start:images])
    change(document)
    messages = json.dumps(document).encode("ascii")
    head = SIZES.pack(magic, version or own_version, len(messages), num_images)
    digest = hashlib.sha256(head + messages + content[images:end]).digest()
    return head + digest + messages + content[images:end] + content[end:]


def with_paths(file: Path, *paths: str) -> None:
    file.write_bytes(rewritten(file.read_bytes(), lambda document: document.update(paths=paths)))


def test_a_resumed_conversation_looks_again(model: VisionLanguageModel, folder: Path) -> None:
    """Also where its folder lies elsewhere by then, and after it was saved and resumed once more."""
    assert asked_again(model, folder / "talk") == (RIGHT, 2)
    moved = folder.rename(folder.with_name("moved"))
    assert asked_again(model, moved / "talk") == (RIGHT, 2)
    model.resume(moved / "talk").save(moved / "again")
    assert asked_again(model, moved / "again") == (RIGHT, 2)


def test_what_was_computed_goes_on_to_count(model: VisionLanguageModel, folder: Path) -> None:
    """The picture has its own name again, under which its rows are found."""
    resumed = model.resume(folder / "talk")
    answer = resumed.ask("What is the port?", look_again=False).read()
    assert answer.usage.cached_tokens > answer.usage.prompt_tokens // 2


@pytest.mark.parametrize("what", ["gone", "another", "damaged", "folder", "link", "no memory"])
def test_a_picture_that_is_not_there_any_more_is_seen_as_it_was(
    model: VisionLanguageModel, folder: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """The conversation goes on, and the first answer counts."""
    picture = folder / "in" / "picture.png"
    if what == "no memory":
        monkeypatch.setattr(picture_paths, "read_image", no_memory)
    else:
        content = picture.read_bytes()
        picture.unlink()
        if what == "another":
            shutil.copyfile(ANOTHER, picture)
        elif what == "damaged":
            picture.write_bytes(content[:2000])
        elif what == "folder":
            picture.mkdir()
        elif what == "link":
            if os.name != "posix":
                pytest.skip("links need a privilege there")
            (folder.parent / "outside.png").write_bytes(content)
            picture.symlink_to(folder.parent / "outside.png")
    assert asked_again(model, folder / "talk") == (WRONG, 1)


def no_memory(*_arguments: object) -> None:
    raise OutOfMemoryError


def test_a_file_tells_nothing_of_other_folders(model: VisionLanguageModel, folder: Path) -> None:
    """Neither where it lies itself, nor where pictures lie that are not beside it; pixels have no path."""
    chat = model.chat()
    for image in (Path(PICTURE), folder / "in" / "picture.png", pictures(1)[0]):
        chat.ask("What?", image, look_again=False).read()
    chat.save(folder / "talk")
    content = (folder / "talk").read_bytes()
    assert b'"paths": ["", "in/picture.png", ""]' in content
    assert str(folder.parent).encode() not in content
    assert Path(PICTURE).name.encode() not in content


def test_a_file_of_the_version_before_is_read(model: VisionLanguageModel, folder: Path) -> None:
    """It had no paths, so there is one look."""
    file = folder / "talk"
    file.write_bytes(rewritten(file.read_bytes(), lambda document: document.pop("paths"), version=1))
    assert asked_again(model, file) == (WRONG, 1)


@pytest.mark.parametrize(
    "paths",
    [
        ("../kept/in/picture.png",),
        ("/etc/passwd",),
        ("C:/x.png",),
        ("//host/share/x.png",),
        ("in\\..\\x",),
        ("a\0",),
        ("", ""),
    ],
)
def test_a_path_that_leads_out_is_refused(
    model: VisionLanguageModel, folder: Path, monkeypatch: pytest.MonkeyPatch, paths: tuple[str, ...]
) -> None:
    """Before anything is opened: a file from elsewhere must not name files here, or on another computer."""
    opened: list[object] = []
    monkeypatch.setattr(picture_paths, "read_image", lambda *arguments: opened.append(arguments))
    with_paths(folder / "talk", *paths)
    with pytest.raises(SequenceFileError, match="other paths than pictures can have"):
        model.resume(folder / "talk")
    assert opened == []


def test_a_path_cannot_put_another_picture_into_the_place_of_what_was_seen(
    model: VisionLanguageModel, folder: Path
) -> None:
    """Neither by naming one that is there, nor by giving the tiles of one the name of another."""
    shutil.copyfile(ANOTHER, folder / "another.png")
    with_paths(folder / "talk", "another.png")
    assert asked_again(model, folder / "talk") == (WRONG, 1)
    chat = model.chat()
    chat.ask(QUESTION, str(folder / "in" / "picture.png"), look_again=False).read()
    chat.save(folder / "forged")
    content = bytearray((folder / "forged").read_bytes())
    at = SIZES.size + DIGEST_BYTES + SIZES.unpack(content[: SIZES.size])[2] + IMAGE.size
    content[at : at + 3000] = bytes(3000)
    (folder / "forged").write_bytes(rewritten(bytes(content), lambda document: None))
    assert model.resume(folder / "forged").ask(QUESTION).read().looks == 1


def test_pictures_that_are_never_seen_larger_are_not_read(
    model: VisionLanguageModel, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of three each is one tile."""
    chat = model.chat()
    images = [str(folder / f"{number}.png") for number in range(3)]
    for image in images:
        shutil.copyfile(PICTURE, image)
    chat.ask("What?", images, look_again=False).read()
    chat.save(folder / "talk")
    monkeypatch.setattr(picture_paths, "read_image", lambda *arguments: pytest.fail("it was read"))
    assert model.resume(folder / "talk").num_images == 3


@pytest.mark.parametrize("name", ["a.png", "in/a b.png", "日本.png", "..a.png"])
def test_paths_below_the_folder_are_kept(tmp_path: Path, name: str) -> None:
    assert path_beside(tmp_path / name, tmp_path) == name
    assert not leads_out(name)


@pytest.mark.parametrize("source", ["../a.png", "c:a.png", "in\\..\\a.png", b"bytes", None, "a\0b"])
def test_other_paths_are_not_kept(tmp_path: Path, source: str | bytes | None) -> None:
    """Also a name that is a path on another system, whatever system the file was written on."""
    assert path_beside(str(tmp_path / source) if isinstance(source, str) else source, tmp_path) == ""

"""The clipboard as a source, read from programs that stand in for those of a desktop."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from dsvl2_runtime.cli.parts import parts_of
from dsvl2_runtime.cli.run_options import RunOptions
from dsvl2_runtime.errors import ImageError, UsageError
from dsvl2_runtime.inputs import clipboard
from dsvl2_runtime.inputs.clipboard import clipboard_images
from dsvl2_runtime.inputs.images import open_image
from dsvl2_runtime.progress import UNWATCHED
from image_files import encoded
from small_models import picture

pytestmark = pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="there the system is asked itself")

PLAIN = picture(60, 40, 1)


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that alone is searched for programs; on X11."""
    folder = tmp_path / "programs"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    return folder


def write_program(folder: Path, name: str, body: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o700)


@pytest.mark.parametrize(("name", "variables"), [("xclip", {}), ("wl-paste", {"WAYLAND_DISPLAY": "wayland-0"})])
def test_the_program_of_the_desktop_gives_the_picture(
    name: str, variables: dict[str, str], programs: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for variable, value in variables.items():
        monkeypatch.setenv(variable, value)
    path = tmp_path / "copied.png"
    path.write_bytes(encoded(PLAIN))
    write_program(programs, name, f'case "$*" in *image/png*) exec /bin/cat "{path}";; esac; exit 3')
    named = tmp_path / "named.png"
    PLAIN.save(named)
    (part,) = parts_of(RunOptions(image=[str(named)], clipboard=True), UNWATCHED)
    first, second = part.images
    assert first == str(named)
    assert np.array_equal(np.asarray(open_image(second)), np.asarray(PLAIN))


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("exit 1", "no picture is in it; copy a picture first"),
        ("exit 0", "no picture is in it"),
        ("exec /bin/cat /dev/zero", "more than 1000 bytes"),
        ("exec /bin/sleep 100", "nothing came from it in 0.5 s"),
    ],
)
def test_what_is_no_picture_is_an_error(
    body: str, message: str, programs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clipboard, "LARGEST_FILE_BYTES", 1000)
    monkeypatch.setattr(clipboard, "SECONDS", 0.5)
    write_program(programs, "xclip", body)
    with pytest.raises(ImageError, match=message) as caught:
        clipboard_images()
    assert caught.value.exit_code == 5


def test_text_in_the_clipboard_is_named_as_what_it_is(programs: Path) -> None:
    """As a program that does not look at what it is asked for gives it."""
    write_program(programs, "xclip", "echo some words")
    (source,) = clipboard_images()
    with pytest.raises(ImageError, match="clipboard: it is a text"):
        open_image(source)


@pytest.mark.parametrize(("display", "package"), [("", "xclip"), ("wayland-0", "wl-clipboard")])
def test_a_missing_program_is_named(
    display: str, package: str, programs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WAYLAND_DISPLAY", display)
    with pytest.raises(ImageError, match=f"install {package}"):
        clipboard_images()


def test_a_document_goes_with_no_picture() -> None:
    with pytest.raises(UsageError, match="do not go together"):
        list(parts_of(RunOptions(pdf="a.pdf", clipboard=True), UNWATCHED))

"""Images as a user names them: paths, file URIs, addresses, standard input."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from dsvl2_runtime.errors import ImageError
from dsvl2_runtime.inputs import images
from dsvl2_runtime.inputs.images import ImageBytes, check_image, image_source, open_image
from image_files import encoded
from small_models import picture

PLAIN = picture(60, 40, 1)


def test_sources_as_a_user_names_them(tmp_path: Path) -> None:
    """A path stays a path, a file URI becomes one, and what would have to be downloaded is refused."""
    path = tmp_path / "ein Bild 图#1?.png"
    PLAIN.save(path)
    assert image_source("a:b.png") == "a:b.png"
    assert image_source(r"C:\a.png") == r"C:\a.png"
    for path_like in ("", "data", "file", "file:a.png", "-a.png"):
        assert image_source(path_like) == path_like
    spelt = [path.as_uri(), path.as_uri().replace("file://", "file://localhost"), path.as_uri().replace("//", "", 1)]
    for uri in (*spelt, path.as_uri().replace("file", "FILE"), f"file://{path}"):
        assert open_image(image_source(uri)).size == PLAIN.size
    for address in ("https://example.org/a.png", "http://a", "ftp://a/b", "data:image/png;base64,AAAA", "s3://a/b"):
        with pytest.raises(ImageError, match=r"nothing is downloaded; save the picture first") as caught:
            image_source(address)
        assert caught.value.exit_code == 5
    with pytest.raises(ImageError, match="another machine"):
        image_source("file://server/share/a.png")


def test_an_image_comes_from_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    """Up to the limit of a file; nothing, a terminal and a closed stream are errors."""

    def read(data: bytes | None) -> Any:
        stream = None if data is None else SimpleNamespace(buffer=io.BytesIO(data))
        monkeypatch.setattr(sys, "stdin", stream)
        return image_source("-")

    source = read(encoded(PLAIN))
    assert np.array_equal(np.asarray(open_image(source)), np.asarray(PLAIN))
    for nothing in (b"", None):
        with pytest.raises(ImageError, match="standard input"):
            read(nothing)
    with pytest.raises(ImageError, match="standard input: it is a text"):
        open_image(read(b"some words"))
    monkeypatch.setattr(images, "LARGEST_FILE_BYTES", 50)
    source = read(encoded(PLAIN))
    assert isinstance(source, ImageBytes)
    assert len(source.data) == 51
    with pytest.raises(ImageError, match="at most 50"):
        check_image(source)

"""Messages of other programs: what they become, and what is refused with its place."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsvl2_runtime.errors import Dsvl2Error, ImageError, UsageError
from dsvl2_runtime.inputs.images import ImageBytes
from dsvl2_runtime.inputs.messages import read_messages
from dsvl2_runtime.inputs.prompt import ImagePlace, Message
from small_models import picture

PICTURE = picture(40, 30, 1)


def png() -> bytes:
    file = io.BytesIO()
    PICTURE.save(file, "PNG")
    return file.getvalue()


DATA_URL = "data:image/png;base64," + base64.b64encode(png()).decode()


def user(*parts: Any) -> list[dict[str, Any]]:
    return [{"role": "user", "content": list(parts)}]


def test_openai_messages_are_read_with_their_images() -> None:
    """Each image on a line of its own, where its part stood."""
    documents = [
        {"role": "developer", "content": "Be brief."},
        *user({"type": "text", "text": "What is it?"}, {"type": "image_url", "image_url": {"url": DATA_URL}}),
        {"role": "assistant", "content": "A bill.", "refusal": None, "tool_calls": []},
        {"role": "user", "content": "And its total?", "name": "Ann"},
    ]
    found = read_messages(documents)
    assert found.messages == (
        Message("system", "Be brief."),
        Message("user", ["What is it?", ImagePlace(), "\n"]),
        Message("assistant", "A bill."),
        Message("user", "And its total?"),
    )
    (image,) = found.images
    assert isinstance(image, ImageBytes)
    assert image.data == png()


def test_transformers_messages_are_read_with_their_images(tmp_path: Path) -> None:
    """Inside the messages in any form, or beside them."""
    path = tmp_path / "bill.png"
    PICTURE.save(path)
    encoded = base64.b64encode(png()).decode()
    forms: list[dict[str, Any]] = [
        {"image": PICTURE}, {"image": str(path)}, {"image": path}, {"path": str(path)}, {"url": DATA_URL},
        {"url": path.as_uri()}, {"base64": encoded}, {"image": png()},
    ]  # fmt: skip
    found = read_messages(user(*({"type": "image", **form} for form in forms), "Which?"))
    assert len(found.images) == len(forms)
    assert found.images[0] is PICTURE
    assert [str(found.images[index]) for index in (1, 2, 3, 5)] == [str(path)] * 4
    content = [ImagePlace(), "\n"]
    assert found.messages[0].content == [*content * len(forms), "Which?"]
    beside = read_messages(user({"type": "image"}, {"type": "image", "image": path}, {"type": "image"}), [b"1", b"3"])
    assert beside.images == (b"1", path, b"3")


@pytest.mark.parametrize(
    ("documents", "wrong"),
    [
        (["hello"], "message 1 is a str"),
        ([{"role": "tool", "content": "5"}], "message 1 has the role 'tool'"),
        ([{"role": ["user"], "content": "5"}], "message 1 has the role"),
        ([{"role": "user", "content": 5}], "the content of message 1 is a int"),
        ([{"role": "user"}], "the content of message 1 is a NoneType"),
        ([{"role": "user", "content": "a", "tool_calls": [{}]}], "message 1 has tool_calls"),
        (user({"type": "input_audio"}), "part 1 of message 1 has the type 'input_audio'"),
        (user("a", 5), "part 2 of message 1 is a int"),
        (user({"type": "text", "text": None}), "the text of part 1 of message 1 is a NoneType"),
        (user({"type": "image"}), "no picture is left"),
        (user({"type": "image", "path": "a", "url": "b"}), "has url and path; give one"),
        (user({"type": "image_url", "image_url": 5}), "the image_url of part 1"),
        (user({"type": "image", "base64": 5}), "the base64 of part 1"),
    ],
)
def test_what_is_no_message_is_refused_with_its_place(documents: Any, wrong: str) -> None:
    with pytest.raises(UsageError, match=wrong):
        read_messages(documents)


def test_an_image_without_a_place_is_refused() -> None:
    with pytest.raises(UsageError, match="1 of the pictures beside"):
        read_messages(user({"type": "image"}), [b"1", b"2"])


@pytest.mark.parametrize(
    "address",
    [
        "https://example.org/a.png", "HTTP://example.org/a.png", "ftp://example.org/a.png", "-",
        "data:image/png;base64,%%%", "data:image/png,abc", "data:",
    ],
)  # fmt: skip
def test_addresses_that_are_not_read(address: str) -> None:
    """Nothing is downloaded, standard input belongs to the command line, and a damaged URL is an error."""
    for part in ({"type": "image_url", "image_url": {"url": address}}, {"type": "image", "url": address}):
        with pytest.raises(ImageError):
            read_messages(user(part))


@pytest.mark.parametrize("value", ["/etc/passwd", "file:///etc/passwd", "a.png", Path("a.png"), b"abc"])
def test_no_file_is_read_for_others(value: Any) -> None:
    """A server's client cannot name a file of the server."""
    with pytest.raises(UsageError, match="data: URL"):
        read_messages(user({"type": "image", "image": value}), local_files=False)
    assert read_messages(user({"type": "image", "url": DATA_URL}), local_files=False).images


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["user", "assistant", "text", "image", "image_url", "data:,", "data:a;base64,AAAA", DATA_URL]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["role", "content", "type", "text", "image", "image_url", "url", "path", "base64", "x"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


@given(st.lists(json_values, max_size=3))
def test_any_json_is_read_or_refused(documents: list[Any]) -> None:
    """With one of our errors, and with as many images as places."""
    try:
        found = read_messages(documents, local_files=False)
    except Dsvl2Error:
        return
    places = [part for message in found.messages for part in message.content if isinstance(part, ImagePlace)]
    assert len(places) == len(found.images)

"""Bodies of requests, whatever they hold: a request or an error of ours, never another one."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dsvl2_runtime.answers.sampling import GenerationOptions
from dsvl2_runtime.errors import Dsvl2Error, UsageError
from dsvl2_runtime.inputs.prompt import ImagePlace, Message
from dsvl2_runtime.server.chat_request import NEUTRAL, Body, ChatRequest, read_chat_request, text_and_images

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
names = st.sampled_from([*Body.model_fields, *NEUTRAL]) | st.text(max_size=8)
addresses = st.sampled_from(["data:image/png;base64,", "data:", "http://a/", "file:", ""]).flatmap(
    lambda head: st.text(max_size=12).map(lambda tail: head + tail)
)
parts = st.fixed_dictionaries({"type": st.sampled_from(["text", "image_url", "image", "video"])}, optional={
    "text": values, "image_url": addresses | st.fixed_dictionaries({"url": addresses}) | values, "image": values,
    "base64": values, "path": addresses,
})  # fmt: skip
messages = st.fixed_dictionaries(
    {"role": st.sampled_from(["system", "user", "assistant", "tool"]) | values},
    optional={"content": st.text(max_size=20) | st.lists(parts, max_size=3) | values},
)


def read(body: bytes) -> ChatRequest | None:
    with suppress(Dsvl2Error):
        return read_chat_request(body)
    return None


@given(st.fixed_dictionaries({"messages": st.lists(messages, max_size=3) | values}), st.dictionaries(names, values))
def test_any_json_is_a_request_or_an_error_of_ours(document: dict[str, Any], more: dict[str, Any]) -> None:
    """And what is a request has messages, and as many images as places for them."""
    found = read(json.dumps({**more, **document}).encode())
    if found is not None:
        assert found.messages
        places = [part for message in found.messages for part in text_and_images(message) if part is None]
        assert len(places) == len(found.images)


@given(st.binary(max_size=200))
@example(b'{"messages": [{"role": "user", "content": "a"}], "messages": 1}')
@example(b'{"messages": [{"role": "user", "content": "a"}], "seed": 1e400}')
@example(b'{"messages": [{"role": "user", "content": "a"}], "seed": ' + b"9" * 5000 + b"}")
def test_any_bytes_are_an_error_of_ours(body: bytes) -> None:
    """None of these is a request."""
    with pytest.raises(UsageError):
        read_chat_request(body)


def test_a_request_says_what_it_said() -> None:
    """Every field that is followed."""
    document = {
        "model": "demo",
        "messages": [{"role": "developer", "content": "Brief."}, {"role": "user", "content": [
            {"type": "text", "text": "One"}, {"type": "image_url", "image_url": {"url": "data:image/png;base64,QUJD"}},
            {"type": "text", "text": "\n"}, {"type": "text", "text": "two"},
        ]}],
        "max_tokens": 9, "max_completion_tokens": 5, "temperature": 0.5, "top_p": 0.9, "top_k": 3, "seed": 7,
        "repetition_penalty": 1.1, "stop": "x", "stream": True, "stream_options": {"include_usage": True},
    }  # fmt: skip
    found = read_chat_request(json.dumps(document).encode())
    assert (found.model, found.stream, found.include_usage) == ("demo", True, True)
    assert found.options == GenerationOptions(5, 0.5, 0.9, 3, 1.1, 7, "x", logprobs=True)
    assert [image.data for image in found.images] == [b"ABC"]
    assert [message.role for message in found.messages] == ["system", "user"]
    assert text_and_images(found.messages[1]) == ["One", None, "\n", "two"]


def test_the_line_end_of_an_image_is_left_to_the_engine() -> None:
    """One, and no other."""
    message = Message("user", [ImagePlace(), "\n", "\n", ImagePlace(), "a"])
    assert text_and_images(message) == [None, "\n", None, "a"]

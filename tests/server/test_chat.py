"""Chat completions over a real socket, asked by OpenAI's own client."""

from __future__ import annotations

import base64
import json
import os
import signal
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest
from PIL import Image

from dsvl2_runtime import GenerationOptions, load_model
from running_server import REAL_ENGINE, Running, data_url, image_part, running
from waiting import PATIENCE, wait_until

EXAMPLE = Path(__file__).parent.parent.parent / "examples" / "small_form.png"
QUESTION = "What is the name?"


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    """With the fake engine, for everything that leaves it as it was."""
    with running() as found:
        yield found


@pytest.fixture(scope="module")
def demo() -> Iterator[Running]:
    """With the demonstration model; so many may wait that none of twenty is refused."""
    with running(REAL_ENGINE, queue=20) as found:
        yield found


def about(url: str, text: str = QUESTION) -> list[Any]:
    return [{"role": "user", "content": [image_part(url), {"type": "text", "text": text}]}]


def say(text: str) -> list[Any]:
    return [{"role": "user", "content": text}]


def refusal(server: Running, **request: Any) -> openai.APIStatusError:
    request = {"model": "demo", "messages": say("hello"), **request}
    with pytest.raises(openai.APIStatusError) as found:
        server.client().chat.completions.create(**request)
    return found.value


def test_an_answer_is_that_of_the_python_api(demo: Running) -> None:
    """Text, reason and tokens."""
    found = demo.client().chat.completions.create(model="demo", messages=about(data_url(EXAMPLE)))
    model = load_model("demo", 1)
    inputs = model.prepare(QUESTION, [EXAMPLE])
    chunks = list(model.answer(inputs))
    assert found.choices[0].message.content == "".join(chunk.text for chunk in chunks) == "Anna Weber"
    assert found.choices[0].finish_reason == "stop"
    assert found.usage is not None
    assert found.usage.prompt_tokens == len(inputs.input_ids)
    assert found.usage.completion_tokens == sum(chunk.token_id is not None for chunk in chunks)
    assert found.usage.total_tokens == found.usage.prompt_tokens + found.usage.completion_tokens


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
def test_a_stream_has_the_same_words_in_pieces(demo: Running, name: str) -> None:
    """And with the last choice its reason, and the tokens after it."""
    limit: dict[str, Any] = {name: 4}
    stream = demo.client().chat.completions.create(
        model="demo",
        messages=about(data_url(EXAMPLE)),
        stream=True,
        stream_options={"include_usage": True},
        **limit,
    )
    chunks = list(stream)
    texts = [chunk.choices[0].delta.content for chunk in chunks if chunk.choices and chunk.choices[0].delta.content]
    assert len(texts) == 4
    assert "Anna Weber".startswith("".join(texts))
    assert [chunk.choices[0].finish_reason for chunk in chunks[:-1]] == [None] * (len(chunks) - 2) + ["length"]
    assert chunks[-1].choices == []
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens == 4


def test_options_reach_the_model(fresh: Running) -> None:
    """Sampling with a seed gives what the Python API samples."""
    options = GenerationOptions(max_new_tokens=8, temperature=1.5, top_p=0.95, seed=3)
    found = fresh.client().chat.completions.create(
        model="demo", messages=about(data_url(EXAMPLE)), max_tokens=8, temperature=1.5, top_p=0.95, seed=3
    )
    expected = "".join(chunk.text for chunk in load_model("demo", 1).generate(QUESTION, [EXAMPLE], options))
    assert found.choices[0].message.content == expected
    stopped = fresh.client().chat.completions.create(model="demo", messages=about(data_url(EXAMPLE)), stop=["We"])
    assert stopped.choices[0].message.content == "Anna "


@pytest.mark.nightly
def test_requests_in_a_row_and_twenty_at_once(demo: Running, nightly: bool) -> None:
    """None is lost, each has its own answer, and nothing is left in the queue; a hundred at night."""
    in_a_row = 100 if nightly else 10
    client = demo.client()
    urls = [data_url(path) for path in (EXAMPLE, EXAMPLE.with_name("small_receipt.png"))]
    wanted = [("What is the name?", urls[0]), ("What is the total?", urls[1])]

    def ask(number: int) -> str | None:
        text, url = wanted[number % 2]
        found = client.chat.completions.create(model="demo", messages=about(url, text))
        return found.choices[0].message.content

    first = [ask(0), ask(1)]
    assert first[0] == "Anna Weber"
    assert first[0] != first[1]
    before = demo.answers.counts.ends.get("stop", 0)
    assert [ask(number) for number in range(in_a_row)] == first * (in_a_row // 2)
    with ThreadPoolExecutor(20) as pool:
        assert list(pool.map(ask, range(20))) == first * 10
    assert demo.answers.counts.ends["stop"] == before + in_a_row + 20
    wait_until(lambda: demo.answers.taken == 0)
    assert demo.answers.counts.engine_starts == 1


def test_a_follow_up_pays_for_its_own_words(demo: Running) -> None:
    """The client sends the whole conversation again; what the engine has read of it is not read again."""
    client = demo.client()
    client.chat.completions.create(model="demo", messages=say("something else"))
    first = client.chat.completions.create(model="demo", messages=about(data_url(EXAMPLE)))
    messages = [
        *about(data_url(EXAMPLE)),
        {"role": "assistant", "content": first.choices[0].message.content},
        *say("What is the date?"),
    ]
    second = client.chat.completions.create(model="demo", messages=messages)
    cached = []
    for found in (first, second):
        assert found.usage is not None
        assert found.usage.prompt_tokens_details is not None
        cached.append(found.usage.prompt_tokens_details.cached_tokens or 0)
    assert first.usage is not None
    assert cached[0] < 10
    assert cached[1] >= first.usage.prompt_tokens


def test_a_conversation_reaches_the_engine_in_order(server: Running) -> None:
    """The fake engine answers with the words of the last message, and counts its pictures."""
    messages: list[Any] = [
        {"role": "system", "content": "Be brief."},
        *say("one"),
        {"role": "assistant", "content": "two"},
        *about(data_url(Image.new("RGB", (2, 2))), "three"),
    ]
    found = server.client().chat.completions.create(model="demo", messages=messages)
    assert found.choices[0].message.content == "three"
    assert found.usage is not None
    assert found.usage.prompt_tokens == 8


@pytest.mark.parametrize(
    ("reason", "theirs"), [("length", "length"), ("repetition", "length"), ("timeout", "length"), ("other", "stop")]
)
def test_reasons_have_their_words_and_ours(server: Running, reason: str, theirs: str) -> None:
    """OpenAI's clients know only some; ours is beside it."""
    found = server.client().chat.completions.create(model="demo", messages=say(reason))
    assert found.choices[0].finish_reason == theirs
    assert found.model_extra is not None
    assert found.model_extra["x_dsvl2"]["finish_reason"] == ("stop" if reason == "other" else reason)


def test_boxes_are_data(server: Running) -> None:
    """In pixels of the picture and from 0 to 999."""
    found = server.client().chat.completions.create(
        model="demo", messages=about(data_url(Image.new("RGB", (2, 2))), "box")
    )
    assert found.model_extra is not None
    assert found.model_extra["x_dsvl2"]["boxes"] == [
        {"label": "total", "image": 1, "norm999": [0, 0, 999, 500], "px": [0, 0, 100, 100]}
    ]


def test_the_models_are_the_one(server: Running) -> None:
    """By the name of its bundle, and it can be looked up."""
    assert [model.id for model in server.client().models.list()] == ["fake"]
    assert server.client().models.retrieve("demo").id == "fake"
    with pytest.raises(openai.NotFoundError, match="gpt-x"):
        server.client().models.retrieve("gpt-x")
    assert refusal(server, model="gpt-x").status_code == 404


@pytest.mark.parametrize(
    "field",
    [
        {"n": 2},
        {"logprobs": True},
        {"tools": [{"type": "function", "function": {"name": "f"}}]},
        {"logit_bias": {"1": 5}},
        {"presence_penalty": 0.5},
        {"response_format": {"type": "grammar"}},
        {"response_format": {"type": "json_schema"}},
        {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {}, "grammar": "a"}}},
        {"extra_body": {"x_dsvl2": {"speed": 9}}},
    ],
)
def test_what_cannot_be_followed_is_refused_by_name(server: Running, field: dict[str, Any]) -> None:
    """Rather than be ignored."""
    error = refusal(server, **field)
    assert error.status_code == 400
    assert next(iter(field.get("extra_body", field))) in str(error)


@pytest.mark.parametrize("field", [{"temperature": -1}, {"max_tokens": 0}, {"top_p": 2}, {"seed": -1}, {"stop": [""]}])
def test_values_out_of_range_are_refused(server: Running, field: dict[str, Any]) -> None:
    """With the sentence of the options."""
    error = refusal(server, **field)
    assert (error.status_code, error.type) == (400, "invalid_request_error")
    assert "must be" in str(error)


def test_what_changes_nothing_is_accepted(server: Running) -> None:
    """As clients send it unasked, and unknown fields with it."""
    found = server.client().chat.completions.create(
        model="demo",
        messages=say("hello"),
        n=1,
        logprobs=False,
        presence_penalty=0,
        response_format={"type": "text"},
        user="somebody",
        store=False,
        metadata={"a": "b"},
        service_tier="auto",
        parallel_tool_calls=True,
        prompt_cache_key="k",
        safety_identifier="s",
        verbosity="low",
        reasoning_effort="low",
        extra_body={"unknown": {"a": 1}, "x_dsvl2": {"special_tokens": False, "repetition_guard": None}},
    )
    assert found.choices[0].message.content == "hello"


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/a.png",
        "https://example.org/a.png",
        "ftp://example.org/a.png",
        "file:" + "///etc/hostname",
        "/etc/hostname",
        "-",
        "data:image/png;base64,!!!!",
        "data:image/png,abc",
        "data:",
    ],
)
def test_only_whole_data_urls_are_pictures(server: Running, url: str) -> None:
    """Nothing is fetched and no file is read."""
    assert refusal(server, messages=about(url)).status_code == 400


def test_pictures_are_looked_at_and_not_their_types(demo: Running) -> None:
    """A type that is wrong does not matter, a content that is no picture does, and too many are too many."""
    url = data_url(EXAMPLE).replace("image/png", "image/webp")
    found = demo.client().chat.completions.create(model="demo", messages=about(url))
    assert found.choices[0].message.content == "Anna Weber"
    no_image = "data:image/png;base64," + base64.b64encode(b"no picture").decode()
    error = refusal(demo, messages=about(no_image))
    assert (error.status_code, error.code) == (400, "ImageError")
    assert "in part 1 of message 1" in str(error)
    tiny = data_url(Image.new("RGB", (1, 1)))
    many: list[Any] = [{"role": "user", "content": [image_part(tiny)] * 1000}]
    assert refusal(demo, messages=many).status_code == 422


def test_errors_of_the_engine_keep_their_status(server: Running) -> None:
    """Before the first word, streamed or not."""
    for stream in (False, True):
        error = refusal(server, messages=say("refuse"), stream=stream)
        assert (error.status_code, error.code) == (422, "ContextOverflowError")


def test_an_error_in_the_middle_is_an_event_of_the_stream(server: Running) -> None:
    """OpenAI's client raises it after the words that came."""
    texts = []
    stream = server.client().chat.completions.create(model="demo", messages=say("fail"), stream=True)
    with pytest.raises(openai.APIError, match="not finite"):
        texts += [chunk.choices[0].delta.content for chunk in stream]
    body = b'{"messages": [{"role": "user", "content": "fail"}], "stream": true}'
    raw = httpx2.post(f"{server.url}/v1/chat/completions", content=body, headers={"content-type": "application/json"})
    events = [line for line in raw.text.split("\n\n") if line]
    assert all(event.startswith("data: ") for event in events)
    assert '"code":"GenerationError"' in events[-2]
    assert events[-1] == "data: [DONE]"


def ask_and_leave(server: Running, is_there: Callable[[], bool]) -> None:
    """Ask for a whole answer that never comes, and leave as soon as the server has the question."""
    body = json.dumps({"messages": say("wait")})
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nContent-Type: application/json\r\n"
    with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE) as connection:
        connection.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode())
        wait_until(is_there, "the server does not take the question")


def test_a_client_that_leaves_ends_its_answer(server: Running) -> None:
    """In the middle of a stream, while it waits for a whole answer, and while it is queued."""
    before = server.answers.counts.ends.get("cancelled", 0)
    stream = server.client().chat.completions.create(model="demo", messages=say("wait"), stream=True)
    assert [next(stream).choices[0].delta.content for _ in range(2)] == ["", "waiting"]
    ask_and_leave(server, lambda: server.answers._waiting.qsize() == 1)
    assert server.answers.running is not None
    stream.close()
    wait_until(lambda: server.answers.counts.ends.get("cancelled", 0) == before + 2)
    wait_until(lambda: server.answers.running is None)
    ask_and_leave(server, lambda: server.answers.running is not None)
    wait_until(lambda: server.answers.counts.ends.get("cancelled", 0) == before + 3)
    wait_until(lambda: server.answers.taken == 0)
    found = server.client().chat.completions.create(model="demo", messages=say("and on"))
    assert found.choices[0].message.content == "and on"


def test_a_full_queue_is_said_so(server: Running) -> None:
    """One answer runs, two wait, and the fourth is refused; when one leaves there is a place again."""
    streams = [server.client().chat.completions.create(model="demo", messages=say("wait"), stream=True)]
    with ThreadPoolExecutor(2) as pool:
        waiting = [
            pool.submit(server.client().chat.completions.create, model="demo", messages=say(f"later {number}"))
            for number in range(2)
        ]
        wait_until(lambda: server.answers.taken == 3)
        error = refusal(server)
        assert (error.status_code, error.code, error.type) == (429, "QueueFullError", "rate_limit_error")
        assert error.response.headers["retry-after"] == "1"
        streams[0].close()
        texts = {future.result(PATIENCE).choices[0].message.content for future in waiting}
    assert texts == {"later 0", "later 1"}
    wait_until(lambda: server.answers.taken == 0)


def test_a_server_that_ends_tells_its_clients() -> None:
    """The one that is being answered, the one that waits, and the one whose question comes just after."""
    with running() as server:
        stream = server.client().chat.completions.create(model="demo", messages=say("wait"), stream=True)
        with ThreadPoolExecutor(1) as pool:
            queued = pool.submit(refusal, server)
            wait_until(lambda: server.answers.taken == 2)
            server.answers.close()
            assert queued.result(PATIENCE).status_code == 503
        with pytest.raises(openai.APIError, match="the server was closed"):
            list(stream)
        assert refusal(server).status_code == 503


@pytest.mark.parametrize("stream", [False, True])
def test_a_dead_engine_is_an_error_and_is_started_again(server: Running, stream: bool) -> None:
    """In the middle of an answer; the next question finds a new one."""
    starts = server.answers.counts.engine_starts
    if stream:
        pieces = server.client().chat.completions.create(model="demo", messages=say("die"), stream=True)
        with pytest.raises(openai.APIError, match="exit 7"):
            list(pieces)
    else:
        error = refusal(server, messages=say("die"))
        assert (error.status_code, error.code) == (503, "EngineEndedError")
    found = server.client().chat.completions.create(model="demo", messages=say("alive"))
    assert found.choices[0].message.content == "alive"
    assert server.answers.counts.engine_starts == starts + 1


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no signals there")
def test_the_real_engine_killed_midway(demo: Running) -> None:
    """While it has a question, and while it has none, when it is replaced without being asked."""
    starts, engine = demo.answers.counts.engine_starts, demo.answers.engine_id
    assert engine is not None
    os.kill(engine, signal.SIGSTOP)  # so that it cannot answer before it is killed
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(refusal, demo, messages=about(data_url(EXAMPLE)))
        wait_until(lambda: demo.answers.running is not None)
        os.kill(engine, signal.SIGKILL)
        assert asked.result(PATIENCE).status_code == 503
    found = demo.client().chat.completions.create(model="demo", messages=about(data_url(EXAMPLE)))
    assert found.choices[0].message.content == "Anna Weber"
    wait_until(lambda: demo.answers.running is None)
    assert demo.answers.engine_id not in (None, engine)
    second = demo.answers.engine_id
    assert second  # 0 would be this process and its children
    assert second != engine
    os.kill(second, signal.SIGKILL)
    wait_until(lambda: demo.answers.counts.engine_starts == starts + 2 and demo.answers.loaded is not None)

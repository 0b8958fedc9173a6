"""Who may ask, how much, and how slowly; what is logged and left of it."""

from __future__ import annotations

import json
import logging
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest
from PIL import Image

from dsvl2_runtime.engine.image_store import PREFIX
from dsvl2_runtime.errors import UsageError
from dsvl2_runtime.server import app as app_module
from dsvl2_runtime.server import listen
from dsvl2_runtime.server.body import BodyLimits
from dsvl2_runtime.server.gate import LOOPBACK_NAMES, listen_address
from running_server import Running, data_url, image_part, running
from waiting import PATIENCE, wait_until

CHAT = "/v1/chat/completions"
BODY = b'{"messages": [{"role": "user", "content": "hello"}]}'
KEY = "correct horse"


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    with running() as found:
        yield found


@pytest.fixture(scope="module")
def locked() -> Iterator[Running]:
    """Behind a key, and with a small limit of size; no busy machine makes it too slow for its time limits."""
    with running(api_key=KEY, limits=BodyLimits(size=10_000, seconds=PATIENCE, discard_seconds=PATIENCE)) as found:
        yield found


def ask(server: Running, *headers: str, target: str = CHAT, version: str = "1.1", body: bytes = BODY) -> bytes:
    """The response to a request with just these headers."""
    head = [f"POST {target} HTTP/{version}", *headers, "Content-Type: application/json", "Connection: close"]
    if not any(header.startswith("Transfer-Encoding") for header in headers):
        head.append(f"Content-Length: {len(body)}")
    return server.send("\r\n".join([*head, "", ""]).encode() + body)


def status(response: bytes) -> int:
    return int(response.split(b" ", 2)[1])


def error_of(response: bytes) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(response.partition(b"\r\n\r\n")[2])["error"]
    return found


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:1", "localhost:{port}", "LOCALHOST", "[::1]:{port}"])
def test_own_names_are_served(server: Running, host: str) -> None:
    """With any port: a tunnel has its own."""
    assert status(ask(server, f"Host: {host.format(port=server.port)}")) == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:{port}", "127.0.0.1.evil.example", "a@127.0.0.1", "[2001:db8::1]", "[", ""]
)
def test_a_name_that_was_pointed_here_is_refused(server: Running, host: str) -> None:
    """DNS rebinding."""
    response = ask(server, f"Host: {host.format(port=server.port)}")
    assert status(response) == 403
    assert error_of(response)["code"] == "ForbiddenError"


def test_a_request_without_a_host_is_refused(server: Running) -> None:
    """By HTTP itself, or where HTTP 1.0 allows it by us; so is one for a proxy."""
    assert status(ask(server)) == 400
    assert status(ask(server, version="1.0")) == 403
    assert status(ask(server, "Host: 127.0.0.1", target=f"http://evil.example{CHAT}")) == 403


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:1", "http://localhost", ""])
def test_a_page_of_another_site_is_refused(server: Running, origin: str) -> None:
    """Another port is another site."""
    response = ask(server, f"Host: 127.0.0.1:{server.port}", f"Origin: {origin}")
    assert status(response) == 403
    assert b"access-control" not in response.lower()


def test_our_own_page_may_ask_and_no_header_invites_others(server: Running) -> None:
    """Not even where a browser asks first whether it may."""
    host = f"127.0.0.1:{server.port}"
    response = ask(server, f"Host: {host}", f"Origin: http://{host}")
    assert status(response) == 200
    assert b"access-control" not in response.lower()
    for origin in ({}, {"origin": "https://evil.example"}):
        asked = httpx2.options(server.url + CHAT, headers={**origin, "access-control-request-method": "POST"})
        assert asked.status_code == (403 if origin else 405)
        assert not [name for name in asked.headers if name.startswith("access-control")]


def test_the_key_opens(locked: Running) -> None:
    """Only the whole key does; what holds nothing of anybody needs none."""
    assert locked.client(KEY).models.list().data
    for wrong in (KEY[:-1], KEY + "x", "é"):
        with pytest.raises(openai.AuthenticationError):
            httpx_or_openai(locked, wrong)
    for path, expected in (("/", 200), ("/health", 200), ("/metrics", 401), ("/v1/models", 401), (CHAT, 401)):
        method = "POST" if path == CHAT else "GET"
        assert httpx2.request(method, locked.url + path, content=None).status_code == expected
    basic = httpx2.get(f"{locked.url}/v1/models", headers={"authorization": f"Basic {KEY}"})
    assert basic.status_code == 401
    assert basic.headers["www-authenticate"] == "Bearer"


def httpx_or_openai(server: Running, key: str) -> None:
    """A key that is not ASCII cannot be sent by the client, so its bytes are."""
    if key.isascii():
        server.client(key).models.list()
        return
    response = httpx2.get(f"{server.url}/v1/models", headers={b"authorization": b"Bearer " + key.encode()})
    assert response.status_code == 401
    raise openai.AuthenticationError("refused", response=response, body=None)


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "::"])  # noqa: S104 - it is refused
def test_other_machines_need_a_key(host: str) -> None:
    """An address that they can reach is refused without one."""
    for key in (None, ""):
        with pytest.raises(UsageError, match="--api-key"):
            listen_address(host, key)
    assert listen_address(host, KEY) == host


def test_only_addresses_are_listened_on() -> None:
    """A name would have to be looked up."""
    assert [listen_address(host, None) for host in ("localhost", "127.0.0.2", "::1")] == [
        "127.0.0.1",
        "127.0.0.2",
        "::1",
    ]
    assert listen_address("localhost", None) in LOOPBACK_NAMES
    with pytest.raises(UsageError, match="an address"):
        listen_address("example.org", KEY)


def headers_of(locked: Running) -> tuple[str, str]:
    return f"Host: 127.0.0.1:{locked.port}", f"Authorization: Bearer {KEY}"


def test_a_large_body_is_refused_before_it_is_kept(locked: Running) -> None:
    """By its header, and where there is none by what comes; OpenAI's client gets the answer too."""
    assert status(ask(locked, *headers_of(locked), body=b"x" * 10_001)) == 413
    chunks = b"2000\r\n" + b"x" * 0x2000 + b"\r\n"
    response = ask(locked, *headers_of(locked), "Transfer-Encoding: chunked", body=chunks * 20 + b"0\r\n\r\n")
    assert status(response) == 413
    picture = image_part("data:image/png;base64," + "A" * 20_000_000)
    messages: list[Any] = [{"role": "user", "content": [picture]}]
    with pytest.raises(openai.APIStatusError) as found:
        locked.client(KEY).chat.completions.create(model="demo", messages=messages)
    assert found.value.status_code == 413
    assert locked.answers.taken == 0


def test_a_length_that_lies_is_refused(locked: Running) -> None:
    """At once: nothing is set aside for what a header says, and so much is not waited for."""
    head = (*headers_of(locked), "Content-Type: application/json", f"Content-Length: {10**15}", "Connection: close")
    response = locked.send("\r\n".join([f"POST {CHAT} HTTP/1.1", *head, "", ""]).encode() + b"x" * 1000)
    assert status(response) == 413


def test_a_body_that_does_not_come_is_not_waited_for() -> None:
    """Its place is free again."""
    with running(api_key=KEY, limits=BodyLimits(seconds=0.3)) as impatient:
        head = (*headers_of(impatient), "Content-Type: application/json", "Content-Length: 100", "Connection: close")
        response = impatient.send("\r\n".join([f"POST {CHAT} HTTP/1.1", *head, "", ""]).encode() + b"{")
        assert status(response) == 408
        assert impatient.answers.taken == 0


def test_a_head_that_does_not_come_is_not_waited_for(server: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the first of a connection nor the next one: `send` returns, because the connection is closed."""
    monkeypatch.setattr(listen, "HEAD_SECONDS", 0.2)
    assert server.send(b"") == b""
    assert server.send(b"POST / HTTP/1.1\r\nHost: ") == b""
    monkeypatch.setattr(listen, "HEAD_SECONDS", 5.0)  # enough for a whole head on a busy machine
    whole = f"GET /health HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n\r\n".encode()
    assert server.send(whole + b"GET /health HTTP/1.1\r\n").endswith(b'{"status":"ok"}')


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"{}", b'{"messages": []}', b'{"messages": [1]}', b"\xff\xfe", b"[" * 100_000,
     b'{"messages": ' + b"[" * 9_000, b'{"messages": [{"role": "user", "content": "\\ud800"}]}',
     b'{"messages": [{"role": "user", "content": "a"}], "temperature": NaN}',
     b'{"messages": [{"role": "user", "content": "a"}], "max_tokens": "many"}'],
)  # fmt: skip
def test_a_body_that_is_no_request_is_refused(server: Running, body: bytes) -> None:
    """With an error of OpenAI's form."""
    response = ask(server, f"Host: 127.0.0.1:{server.port}", body=body)
    assert status(response) == 400
    assert error_of(response)["type"] == "invalid_request_error"


def test_only_plain_json_is_read(server: Running) -> None:
    """No form, which any page can send, and nothing packed, which may become large."""
    for headers in (
        {"content-type": "text/plain"},
        {"content-type": "application/x-www-form-urlencoded"},
        {"content-type": "application/json", "content-encoding": "gzip"},
    ):
        assert httpx2.post(server.url + CHAT, content=BODY, headers=headers).status_code == 415


def test_other_addresses_and_methods_are_errors_of_the_same_form(server: Running) -> None:
    """So that a client can show them."""
    for method, path, expected in (("GET", "/nothing", 404), ("GET", CHAT, 405), ("POST", "/health", 405)):
        found = httpx2.request(method, server.url + path)
        assert found.status_code == expected
        assert found.json()["error"]["code"] == "HTTPError"
    assert b'"HTTPError"' in server.send(
        f"GET /../page.js HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nConnection: close\r\n\r\n".encode()
    )


def test_nobodys_words_are_logged_or_left(
    server: Running, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither of an answer, nor of an error, nor of a defect of ours; and no picture stays on the disk."""
    caplog.set_level(logging.DEBUG)
    before = set(Path(tempfile.gettempdir()).glob(f"{PREFIX}*"))
    words = "what-nobody-else-may-read"
    messages: list[Any] = [
        {"role": "user", "content": [image_part(data_url(Image.new("RGB", (2, 2)))), {"type": "text", "text": words}]}
    ]
    client = server.client()
    assert client.chat.completions.create(model="demo", messages=messages).choices[0].message.content == words
    for wrong in ({"model": words}, {"stop": [words, ""]}, {"messages": [{"role": words, "content": ""}]}):
        request: dict[str, Any] = {"model": "demo", "messages": messages, **wrong}
        with pytest.raises(openai.APIStatusError):
            client.chat.completions.create(**request)

    def defect(body: bytes) -> None:
        raise ValueError(words)

    monkeypatch.setattr(app_module, "read_chat_request", defect)
    with pytest.raises(openai.InternalServerError) as found:
        client.chat.completions.create(model="demo", messages=messages)
    assert words not in str(found.value)
    ours = [record for record in caplog.records if record.name.startswith(("dsvl2", "uvicorn", "asyncio"))]
    assert [record.getMessage().partition(" at ")[0] for record in ours if record.levelno >= logging.ERROR] == [
        "internal error ValueError"
    ]
    assert not [record for record in ours if words in record.getMessage() or record.exc_info]
    wait_until(lambda: set(Path(tempfile.gettempdir()).glob(f"{PREFIX}*")) <= before)


def test_metrics_are_prometheus_text(server: Running) -> None:
    """Every family has its type, every line a number."""
    server.client().models.list()
    found = httpx2.get(f"{server.url}/metrics")
    assert found.headers["content-type"].startswith("text/plain; version=0.0.4")
    lines = found.text.splitlines()
    names = {line.split()[2] for line in lines if line.startswith("# TYPE")}
    values = {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines if not line.startswith("#")}
    assert {name.partition("{")[0] for name in values} <= names
    assert values['dsvl2_answers_total{end="stop"}'] >= 1
    assert values["dsvl2_engine_starts_total"] == 1
    assert values["dsvl2_model_loaded"] == 1

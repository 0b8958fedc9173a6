"""Many requests, one after the other and all at once, against the verb `serve` as a process of its own.

`make nightly` asks a thousand times; the tests of every day ask the same way, but fewer times.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import openai
import psutil
import pytest

from running_server import data_url, image_part
from served import served
from small_models import FIGURE
from waiting import PATIENCE, wait_until

EXAMPLES = Path(__file__).parent.parent.parent / "examples"
QUESTIONS = (
    ("What is the name?", "small_form.png", "Anna Weber"),
    ("What is the total?", "small_receipt.png", "$15.15"),
    ("What is the total?", "receipt.png", "$22.03"),
)
ENDLESS: Any = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "string", "minLength": 100_000}}}
"""An answer that only the end of the context ends, so that whoever leaves it leaves in its middle."""
CANCELLED_EVERY = 10
FLAT = 0.02
"""By how much memory may grow after the warm-up: pages that come and go, and nothing that adds up."""
PIECES = 4 << 20
"""Bytes that it may grow by beside that. Python takes an arena of 1 MiB at a time, which alone is 2.5 % of the server,
and the engine takes buffers of as much; 1.5 and 4.7 MB were seen, the latter after 60 requests and not after 1000.
What each of the thousand of `make nightly` loses for good is found from 5 kB on in the server, and 8 in the engine."""
MEASURED_EVERY = 50
AT_ONCE = 100
QUEUE = 16


@dataclass(frozen=True)
class Load:
    """How often is asked."""

    warm_up: int
    requests: int


@pytest.fixture
def load(nightly: bool) -> Load:
    return Load(300, 1000) if nightly else Load(40, 60)


@dataclass(frozen=True)
class Served:
    """A server in a process of its own, and its engine."""

    client: openai.OpenAI
    url: str
    server: psutil.Process
    engine: psutil.Process

    def ask(self, number: int) -> None:
        """One request of the load: every tenth is left in its middle, and the others are answered rightly."""
        question, name, answer = QUESTIONS[number % len(QUESTIONS)]
        content = [image_part(data_url(EXAMPLES / name)), {"type": "text", "text": question}]
        messages: list[Any] = [{"role": "user", "content": content}]
        if number % CANCELLED_EVERY == 0:
            with self.client.chat.completions.create(
                model="demo", messages=messages, stream=True, max_tokens=4000, response_format=ENDLESS
            ) as stream:
                for _ in range(4):
                    assert next(stream).choices[0].finish_reason is None
            return
        if number % 2:
            pieces = self.client.chat.completions.create(model="demo", messages=messages, stream=True)
            found = "".join(piece.choices[0].delta.content or "" for piece in pieces)
        else:
            whole = self.client.chat.completions.create(model="demo", messages=messages)
            found = whole.choices[0].message.content or ""
        assert found == answer

    def metric(self, name: str) -> int:
        found = re.search(rf"^{re.escape(name)} (\d+)$", httpx2.get(f"{self.url}/metrics").text, re.MULTILINE)
        return int(found[1]) if found else 0

    def memory(self) -> dict[str, int]:
        """Bytes that the server, and that its engine, have taken for themselves."""
        return {"server": own_memory(self.server), "engine": own_memory(self.engine)}


def own_memory(process: psutil.Process) -> int:
    """Bytes without files that are mapped: pages of these are a process's own or shared as others come and go."""
    if sys.platform != "linux":
        return int(process.memory_full_info().uss)
    found = re.search(r"^Anonymous: +(\d+) kB$", Path(f"/proc/{process.pid}/smaps_rollup").read_text(), re.MULTILINE)
    assert found is not None
    return 1024 * int(found[1])


@pytest.fixture
def running_verb() -> Any:
    with served("--model", "demo", "--queue", str(QUEUE)) as (process, line):
        url = line.removeprefix("listening on ").strip()
        server = psutil.Process(process.pid)
        (engine,) = server.children()
        client = openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0, timeout=PATIENCE)
        yield Served(client, url, server, engine)


@pytest.mark.nightly
@pytest.mark.skipif(sys.platform == "win32", reason="psutil counts other memory there")
def test_memory_stays_and_nothing_is_lost(
    running_verb: Served, load: Load, record_property: Callable[[str, object], None]
) -> None:
    """Of the server and of its engine, each by itself, at every measurement after the warm-up."""
    for number in range(load.warm_up):
        running_verb.ask(number)
    wait_until(lambda: running_verb.metric("dsvl2_places_taken") == 0)
    before, most = running_verb.memory(), {"server": 0, "engine": 0}
    for number in range(load.requests):
        running_verb.ask(number)
        if number % MEASURED_EVERY == MEASURED_EVERY - 1 or number == load.requests - 1:
            most = {who: max(most[who], found) for who, found in running_verb.memory().items()}
    wait_until(lambda: running_verb.metric("dsvl2_places_taken") == 0)
    total = load.warm_up + load.requests
    cancelled = sum(number % CANCELLED_EVERY == 0 for count in (load.warm_up, load.requests) for number in range(count))
    assert running_verb.metric('dsvl2_answers_total{end="cancelled"}') == cancelled
    assert running_verb.metric('dsvl2_answers_total{end="stop"}') == total - cancelled
    assert running_verb.metric("dsvl2_engine_starts_total") == 1
    for who, bytes_before in before.items():
        share = most[who] / bytes_before - 1
        text = f"memory of the {who} after {load.requests} requests: {bytes_before / 1e6:.1f} MB {share:+.2%}"
        record_property(FIGURE, text)
    assert all(most[who] < before[who] * (1 + FLAT) + PIECES for who in before), (before, most)


@pytest.mark.nightly
def test_a_hundred_at_once_are_answered_or_refused(running_verb: Served) -> None:
    """None waits for ever: the client's patience would end it with an error. Those that have a place are answered."""

    def ask(number: int) -> int:
        try:
            running_verb.ask(number * CANCELLED_EVERY + 1)  # none of those that leave
        except openai.RateLimitError as error:
            assert error.response.headers["retry-after"] == "1"
            return error.status_code
        return 200

    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = list(pool.map(ask, range(AT_ONCE)))
    assert set(found) <= {200, 429}
    assert found.count(200) > QUEUE
    assert running_verb.metric('dsvl2_answers_total{end="stop"}') == found.count(200)
    wait_until(lambda: running_verb.metric("dsvl2_places_taken") == 0)
    running_verb.ask(1)

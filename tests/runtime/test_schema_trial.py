"""JSON schemas of others: followed at bounded cost, or an error of ours."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from dsvl2_runtime.answers import schema_trial
from dsvl2_runtime.answers.schema_trial import try_schema
from dsvl2_runtime.errors import MissingExtraError, UsageError
from fuzzing import examples

EXPONENTIAL = {"type": "string", "allOf": [{"pattern": f"(a|b)*a(a|b){{{n}}}c"} for n in range(10, 25)]}


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object"},
        {"type": "string", "maxLength": 10**9},
        {"type": "array", "items": {"type": "integer"}, "minItems": 10**9},
        {"enum": [f"value {number}" for number in range(5000)]},
        {"$defs": {"node": {"properties": {"next": {"$ref": "#/$defs/node"}}}}, "$ref": "#/$defs/node"},
        {"type": "string", "pattern": "(a{1,1000}){1,1000}"},
        {"enum": ["\ud800"]},
    ],
)
def test_large_numbers_and_recursion_cost_nothing(schema: dict[str, Any]) -> None:
    """They are followed, or refused, within the limits of the process; a lone surrogate is no text."""
    if schema == {"enum": ["\ud800"]}:
        with pytest.raises(UsageError, match="cannot be followed"):
            try_schema(json.dumps(schema))
    else:
        try_schema(json.dumps(schema))


@pytest.mark.skipif(sys.platform == "win32", reason="no limit of processor time there, only that of the clock")
def test_a_schema_that_takes_too_long_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the limit of its process; each time, because what a limit ended is not remembered."""
    calls: list[object] = []
    run = subprocess.run

    def noted(*arguments: Any, **options: Any) -> subprocess.CompletedProcess[bytes]:
        calls.append(arguments)
        return run(*arguments, **options)

    monkeypatch.setattr(subprocess, "run", noted)
    with pytest.raises(UsageError, match="too much time or memory"):
        try_schema(json.dumps(EXPONENTIAL))
    try_schema('{"type": "null"}')
    try_schema('{"type": "null"}')
    assert len(calls) == 2, "one that can be followed is tried once"


def test_the_clock_ends_it_where_the_system_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """The parent kills a process that does not come back."""
    monkeypatch.setattr(schema_trial, "WALL_SECONDS", 0.5)
    monkeypatch.setattr(schema_trial, "CHILD", ("-c", "import time; time.sleep(1000)"))
    with pytest.raises(UsageError, match="too much time or memory"):
        try_schema('{"type": "boolean", "title": "of this test"}')


def test_without_the_library_it_says_which_extra_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """501 for a client of the server."""
    code = "import sys; sys.modules['llguidance'] = None; from dsvl2_runtime.answers.schema_trial import main; main()"
    monkeypatch.setattr(schema_trial, "CHILD", ("-c", code))
    with pytest.raises(MissingExtraError, match="schema") as found:
        try_schema('{"type": "integer", "title": "of this test"}')
    assert found.value.http_status == 501


words = st.sampled_from(
    ["type", "properties", "items", "enum", "const", "anyOf", "allOf", "oneOf", "not", "$ref", "$defs", "pattern",
     "minLength", "maxLength", "minItems", "maxItems", "required", "additionalProperties", "format", "minimum",
     "maximum", "multipleOf", "string", "object", "array", "integer", "null", "#", "#/$defs/a", "(a|b)*", "a{2,3}"]
)  # fmt: skip
leaves = st.none() | st.booleans() | st.integers(-5, 10**12) | st.floats(allow_nan=False) | words | st.text(max_size=5)
schemas = st.dictionaries(
    words | st.text(max_size=5),
    st.recursive(leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=4)),
    max_size=5,
)


FORKING = """
import io, json, os, sys
import llguidance
from dsvl2_runtime.answers.schema_trial import main
for line in sys.stdin:
    reading, writing = os.pipe()
    if not (child := os.fork()):
        os.dup2(writing, 1)
        sys.stdin = io.TextIOWrapper(io.BytesIO(line.encode()))
        main()
        sys.stdout.flush()
        os._exit(0)
    os.close(writing)
    with open(reading) as pipe:
        reply = pipe.read()
    os.waitpid(child, 0)
    print(json.dumps(reply), flush=True)
"""
"""Tries each schema in a fork of a process that has its modules, under the same limits."""


@pytest.fixture
def tried_fast(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Without the start of a Python for each; the tests above start them, and so do these where forking is not safe."""
    if sys.platform != "linux":
        yield
        return
    with subprocess.Popen(
        [sys.executable, "-P", "-c", FORKING], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        to_it, from_it = process.stdin, process.stdout

        def run(command: list[str], *, input: bytes, **_: Any) -> subprocess.CompletedProcess[bytes]:  # noqa: A002
            to_it.write(input + b"\n")
            to_it.flush()
            return subprocess.CompletedProcess(command, 0, json.loads(from_it.readline()).encode())

        monkeypatch.setattr(subprocess, "run", run)
        yield


@examples(60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(schemas)
def test_any_schema_is_followed_or_refused(tried_fast: None, schema: dict[str, Any]) -> None:
    """Never another error; in the process with limits, because the library does not come back from some of these."""
    try:
        try_schema(json.dumps(schema))
    except UsageError as error:
        assert str(error).startswith("the JSON schema")

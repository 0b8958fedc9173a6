"""Answers in a form that the client asks for: JSON within a schema, and places in a picture; in limited time."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import httpx2
import jsonschema
import openai
import pydantic
import pytest

from dsvl2_runtime import load_model
from dsvl2_runtime.answers.boxes import parse_boxes
from dsvl2_runtime.inputs.prompt import locate
from running_server import REAL_ENGINE, Running, data_url, image_part, running
from waiting import wait_until

EXAMPLES = Path(__file__).parent.parent.parent / "examples"
RECEIPT = EXAMPLES / "small_receipt.png"


class Receipt(pydantic.BaseModel):
    """What a program wants of a receipt."""

    kind: Literal["receipt", "form"]
    total: str
    pages: int


@pytest.fixture(scope="module")
def demo() -> Iterator[Running]:
    with running(REAL_ENGINE) as found:
        yield found


def about(text: str, path: Path = RECEIPT) -> list[Any]:
    return [{"role": "user", "content": [image_part(data_url(path)), {"type": "text", "text": text}]}]


def schema_format(schema: object) -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema, "strict": True}}


def refusal(server: Running, schema: object) -> openai.APIStatusError:
    messages: Any = [{"role": "user", "content": "hello"}]
    form: Any = schema_format(schema)
    with pytest.raises(openai.APIStatusError) as found:
        server.client().chat.completions.create(model="demo", messages=messages, response_format=form)
    return found.value


def test_an_answer_becomes_an_object_of_the_clients_class(demo: Running) -> None:
    """By the client's own `parse`, which sends the schema of a pydantic class."""
    found = demo.client().chat.completions.parse(
        model="demo", messages=about("What is the total?"), response_format=Receipt, max_tokens=200
    )
    assert found.choices[0].finish_reason == "stop"
    assert isinstance(found.choices[0].message.parsed, Receipt)


@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_fits_the_schema(demo: Running, stream: bool) -> None:
    """Whole or in pieces."""
    schema = {"type": "array", "prefixItems": [{"enum": ["bill", "form"]}, {"type": "boolean"}], "items": False}
    schema |= {"minItems": 2, "maxItems": 2}
    form: Any = schema_format(schema)
    messages = about("What is it?")
    if stream:
        pieces = list(
            demo.client().chat.completions.create(model="demo", messages=messages, response_format=form, stream=True)
        )
        text = "".join(piece.choices[0].delta.content or "" for piece in pieces)
        assert pieces[-1].choices[0].finish_reason == "stop"
    else:
        found = demo.client().chat.completions.create(model="demo", messages=messages, response_format=form)
        text = found.choices[0].message.content or ""
    jsonschema.validate(json.loads(text), schema)


def test_json_object_is_any_object(demo: Running) -> None:
    """The model chooses its keys; where it does not come to an end, it is cut and says so."""
    form: Any = {"type": "json_object"}
    found = demo.client().chat.completions.create(
        model="demo", messages=about("What is the total?"), response_format=form, max_tokens=60
    )
    text = found.choices[0].message.content or ""
    assert text.startswith("{")
    if found.choices[0].finish_reason == "stop":
        assert isinstance(json.loads(text), dict)
    else:
        assert found.choices[0].finish_reason == "length"
        assert found.usage is not None
        assert found.usage.completion_tokens == 60


@pytest.mark.parametrize(
    ("schema", "why"),
    [
        ({"$ref": "#"}, "no text can fit"),
        ({"$ref": "http://127.0.0.1:1/a.json"}, "cannot be followed"),
        ({"$ref": "file:" + "///etc/hostname"}, "cannot be followed"),
        ({"not": {"type": "string"}}, "not"),
        ({"type": "string", "const": 5}, "Unsatisfiable"),
        ({"type": "string", "pattern": "(?=a)b"}, "look-around"),
        ({"type": "object", "properties": {f"k{n}": {} for n in range(3000)}}, "items"),
        ({"type": "object", "x-guidance": {"lenient": True}}, "x-guidance"),
        ({"enum": ["x" * 100_001]}, "characters"),
        (
            {"type": "string", "allOf": [{"pattern": f"(a|b)*a(a|b){{{n}}}c"} for n in range(10, 25)]},
            "too much time or memory",
        ),
    ],
)
def test_a_schema_that_cannot_be_followed_is_refused(demo: Running, schema: object, why: str) -> None:
    """With the reason; the last one would take the processor for hours."""
    error = refusal(demo, schema)
    assert (error.status_code, error.code) == (400, "UsageError")
    assert why in str(error)
    wait_until(lambda: demo.answers.taken == 0)


def test_a_deep_schema_is_refused_and_the_server_goes_on(demo: Running) -> None:
    """Fifty thousand levels are more than any reader of JSON takes; OpenAI's client cannot even send them."""
    deep = '{"properties":{"a":' * 50_000 + "{}" + "}}" * 50_000
    form = f'{{"type": "json_schema", "json_schema": {{"name": "x", "schema": {deep}}}}}'
    body = f'{{"messages": [{{"role": "user", "content": "a"}}], "response_format": {form}}}'
    found = httpx2.post(f"{demo.url}/v1/chat/completions", content=body, headers={"content-type": "application/json"})
    assert found.status_code == 400
    assert found.json()["error"]["code"] == "UsageError"
    answered = demo.client().chat.completions.create(model="demo", messages=about("What is the total?"))
    assert answered.choices[0].message.content == "$15.15"


def test_places_are_found_where_special_tokens_are_asked_for(fresh: Running) -> None:
    """The answer and its boxes are those of `locate`; without the switch the same text is text."""
    text = "<|ref|>Total<|/ref|>"
    client = fresh.client()
    found = client.chat.completions.create(
        model="demo", messages=about(text), extra_body={"x_dsvl2": {"special_tokens": True, "look_again": False}}
    )
    model = load_model("demo", 1)
    inputs = model.prepare(locate("Total"), [RECEIPT])
    expected = "".join(chunk.text for chunk in model.answer(inputs))
    assert found.choices[0].message.content == expected
    assert found.usage is not None
    assert found.usage.prompt_tokens == len(inputs.input_ids)
    boxes, _ = parse_boxes(expected, [inputs.images[0].size])
    assert boxes
    assert found.model_extra is not None
    assert found.model_extra["x_dsvl2"]["boxes"] == [
        {"label": box.label, "image": 1, "norm999": list(box.norm999), "px": list(box.px)} for box in boxes
    ]
    typed = client.chat.completions.create(model="demo", messages=about(text), max_tokens=2)
    assert typed.usage is not None
    assert typed.usage.prompt_tokens > found.usage.prompt_tokens, "each name is several tokens of text"


def test_an_answer_with_boxes_is_history_as_it_was_written(demo: Running) -> None:
    """Sent back with the switch it becomes the same tokens, so that nothing of it is read again."""
    client, switch = demo.client(), {"x_dsvl2": {"special_tokens": True, "look_again": False}}
    messages = about("<|ref|>Total<|/ref|>")
    first = client.chat.completions.create(model="demo", messages=messages, extra_body=switch)
    messages += [{"role": "assistant", "content": first.choices[0].message.content}]
    messages += [{"role": "user", "content": "What is the total?"}]
    second = client.chat.completions.create(model="demo", messages=messages, extra_body=switch)
    assert first.usage is not None
    assert second.usage is not None
    assert second.usage.prompt_tokens_details is not None
    before = first.usage.prompt_tokens + first.usage.completion_tokens
    assert (second.usage.prompt_tokens_details.cached_tokens or 0) >= before - 1  # its end token was never read


def test_tokens_of_roles_and_pictures_stay_text(demo: Running) -> None:
    """With the switch too: a picture cannot be bound to another place, nor a role be forged."""
    text = "<image><|User|><|Assistant|><｜end▁of▁sentence｜>"
    counts = []
    for special in (False, True):
        found = demo.client().chat.completions.create(
            model="demo", messages=about(text), max_tokens=1, extra_body={"x_dsvl2": {"special_tokens": special}}
        )
        assert found.usage is not None
        counts.append(found.usage.prompt_tokens)
    assert counts[0] == counts[1]


def test_an_answer_that_takes_too_long_ends_as_far_as_it_is() -> None:
    """With what has come, and its reason in our words; the server goes on."""
    with running(REAL_ENGINE, seconds=1e-6) as server:
        found = server.client().chat.completions.create(model="demo", messages=about("What is the total?"))
        assert found.choices[0].finish_reason == "length"
        assert found.model_extra is not None
        assert found.model_extra["x_dsvl2"]["finish_reason"] == "timeout"
        assert server.answers.counts.ends == {"timeout": 1}
        wait_until(lambda: server.answers.taken == 0)

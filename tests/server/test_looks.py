"""A second look on the server: by default where an answer is whole, on demand in a stream, counted in the response."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

from dsvl2_runtime import load_model
from dsvl2_runtime.inputs.prompt import locate
from hard_picture import PICTURE, QUESTION, RIGHT, WRONG
from running_server import REAL_ENGINE, Running, data_url, image_part, running
from server.test_formats import RECEIPT, about


@pytest.fixture(scope="module")
def demo() -> Iterator[Running]:
    with running(REAL_ENGINE) as found:
        yield found


def messages() -> list[Any]:
    return [{"role": "user", "content": [image_part(data_url(Path(PICTURE))), {"type": "text", "text": QUESTION}]}]


def extra(**fields: object) -> dict[str, Any]:
    return {"x_dsvl2": fields}


@pytest.mark.parametrize(
    ("fields", "answer", "looks"),
    [
        (extra(), RIGHT, 2),
        (extra(look_again=None), RIGHT, 2),
        (extra(look_again=True), RIGHT, 2),
        (extra(look_again=False), WRONG, 1),
    ],
)
def test_a_whole_answer_is_the_surer_one(demo: Running, fields: dict[str, Any], answer: str, looks: int) -> None:
    """Unless the request wants one look; the response says how many there were."""
    found = demo.client().chat.completions.create(model="demo", messages=messages(), extra_body=fields)
    assert found.choices[0].message.content == answer
    assert found.model_extra is not None
    assert found.model_extra["x_dsvl2"]["looks"] == looks
    assert found.usage is not None
    assert found.usage.completion_tokens == len(answer)


@pytest.mark.parametrize(
    ("fields", "pieces", "looks"),
    [
        (extra(), list(WRONG), 1),
        (extra(look_again=False), list(WRONG), 1),
        (extra(look_again=True), [RIGHT], 2),
    ],
)
def test_a_stream_looks_once_unless_it_is_asked_to(
    demo: Running, fields: dict[str, Any], pieces: list[str], looks: int
) -> None:
    """Then nothing comes before it is known which answer counts."""
    stream = demo.client().chat.completions.create(model="demo", messages=messages(), extra_body=fields, stream=True)
    chunks = list(stream)
    assert [chunk.choices[0].delta.content for chunk in chunks if chunk.choices[0].delta.content] == pieces
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert chunks[-1].model_extra is not None
    assert chunks[-1].model_extra["x_dsvl2"]["looks"] == looks


def test_places_are_looked_at_more_closely(fresh: Running) -> None:
    """The boxes beside the answer are those in it."""
    found = fresh.client().chat.completions.create(
        model="demo", messages=about("<|ref|>Total<|/ref|>"), extra_body=extra(special_tokens=True)
    )
    expected = load_model("demo", threads=1).ask(locate("Total"), RECEIPT)
    assert found.choices[0].message.content == expected.text
    assert found.model_extra is not None
    report = found.model_extra["x_dsvl2"]
    assert (report["looks"], [box["px"] for box in report["boxes"]]) == (3, [list(box.px) for box in expected.boxes])
    assert report["confidence"] is None


def test_another_value_is_refused_by_name(demo: Running) -> None:
    with pytest.raises(openai.BadRequestError, match="look_again"):
        demo.client().chat.completions.create(model="demo", messages=messages(), extra_body=extra(look_again="often"))

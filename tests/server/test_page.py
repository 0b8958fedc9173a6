"""The page at `/`: what a browser may do with it, and what a user sees."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from PIL import Image

from chromium import CHROMIUM, Page, browser
from dsvl2_runtime.server.page import FILES
from running_server import REAL_ENGINE, Running, running

EXAMPLE = Path(__file__).parent.parent.parent / "examples" / "small_form.png"
in_a_browser = pytest.mark.skipif(CHROMIUM is None, reason="Debian's package chromium is not installed")


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    with running() as found:
        yield found


@pytest.fixture
def page(server: Running, tmp_path: Path) -> Iterator[Page]:
    with browser(tmp_path / "profile") as found:
        found.open(server.url)
        yield found


def ask(page: Page, question: str) -> None:
    page.value(f"document.getElementById('question').value = {question!r}")
    page.value("document.getElementById('send').click()")


def keep(page: Page, name: str) -> None:
    """For whoever wants to look: TESTS_SCREENSHOTS names a folder."""
    if folder := os.environ.get("TESTS_SCREENSHOTS"):
        page.screenshot(Path(folder) / name)


def test_a_browser_may_load_nothing_from_elsewhere(server: Running) -> None:
    """The policy forbids everything but our own files, and these name no other place and hold no inline code."""
    for path, (_, media_type) in FILES.items():
        found = httpx2.get(server.url + path)
        policy = dict(part.strip().split(" ", 1) for part in found.headers["content-security-policy"].split(";"))
        assert policy.pop("default-src") == "'none'"
        assert set(" ".join(policy.values()).split()) == {"'self'", "'none'", "blob:", "data:"}
        assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
        assert policy["frame-ancestors"] == "'none'"
        assert found.headers["content-type"].startswith(media_type)
        assert found.headers["x-content-type-options"] == "nosniff"
        assert not re.search(r"//[\w.]+\.\w|https?:", found.text)
        assert not re.search(
            r"innerHTML|insertAdjacentHTML|document\.write|eval\(|\son\w+=|<style|\sstyle=", found.text
        )


@in_a_browser
def test_an_answer_comes_with_its_boxes(server: Running, page: Page, tmp_path: Path) -> None:
    """The frame lies on the upper half of the picture, and the markup is not shown."""
    Image.new("RGB", (100, 200), "gray").save(tmp_path / "page.png")
    page.choose_file("#file", tmp_path / "page.png")
    page.wait_for("document.getElementById('image').naturalHeight === 200")
    ask(page, "box")
    page.wait_for("document.querySelectorAll('#boxes i').length === 1")
    assert page.value("document.getElementById('answer').textContent") == "total"
    assert page.value("document.querySelector('#boxes b').textContent") == "total"
    frame, image, label = (
        page.value(f"(({{left, top, width, height}}) => [left, top, width, height])"
                   f"(document.querySelector('{selector}').getBoundingClientRect())")
        for selector in ("#boxes i", "#image", "#boxes b")
    )  # fmt: skip
    assert frame == pytest.approx([image[0], image[1], image[2], image[3] * 500 / 999], abs=1)
    assert label[1] == pytest.approx(frame[1], abs=3), "above the frame it would be cut off"
    keep(page, "box.png")
    assert page.complaints == []


@in_a_browser
def test_words_of_an_answer_never_become_markup(page: Page) -> None:
    """They are shown as they are."""
    ask(page, "<img src=x onerror=alert(1)><b>bold</b>")
    page.wait_for("document.getElementById('answer').textContent !== ''")
    assert page.value("document.getElementById('answer').textContent") == "<img src=x onerror=alert(1)><b>bold</b>"
    assert page.value("document.querySelectorAll('#answer *').length") == 0


@in_a_browser
def test_errors_and_stops_are_shown(server: Running, page: Page) -> None:
    """An error with its sentence, also in the middle; after a stop the button is there again."""
    ask(page, "fail")
    page.wait_for("document.getElementById('state').className === 'error'")
    assert page.value("document.getElementById('state').textContent") == "not finite"
    ask(page, "wait")
    page.wait_for("document.getElementById('answer').textContent === 'waiting'")
    keep(page, "waiting.png")
    page.value("document.getElementById('stop').click()")
    page.wait_for("document.getElementById('state').textContent === 'Stopped'")
    assert page.value("document.getElementById('send').hidden") is False
    assert page.value("document.getElementById('stop').hidden") is True


@in_a_browser
def test_the_demonstration_model_answers_in_the_page(tmp_path: Path) -> None:
    """The whole way, behind a key that the page asks for."""
    with running(REAL_ENGINE, api_key="k") as server, browser(tmp_path / "profile") as page:
        page.open(server.url)
        page.choose_file("#file", EXAMPLE)
        ask(page, "What is the name?")
        page.wait_for("!document.getElementById('key-row').hidden")
        page.value("document.getElementById('key').value = 'k'")
        ask(page, "What is the name?")
        page.wait_for("document.getElementById('answer').textContent === 'Anna Weber'")
        page.wait_for("/^[0-9.]+ s/.test(document.getElementById('state').textContent)")
        keep(page, "demo.png")

"""The documentation as a site: what its configuration names is there, and all that is public is on its pages."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

import dsvl2_runtime

ROOT = Path(__file__).parents[1]
SETTINGS = (ROOT / "mkdocs.yml").read_text("utf-8")
PAGES = re.findall(r"[\w/-]+\.md", SETTINGS)
API = {
    path.name: re.findall(r"^::: ([\w.]+)$", path.read_text("utf-8"), re.MULTILINE)
    for path in ROOT.glob("docs/api/*.md")
}
NAMES = [name for names in API.values() for name in names]


def test_every_page_is_in_the_navigation_once() -> None:
    """And every entry of it is a page."""
    there = {path.relative_to(ROOT / "docs").as_posix() for path in ROOT.glob("docs/**/*.md")}
    assert sorted(PAGES) == sorted(there)


def found(name: str) -> object:
    """The module, class or function of a dotted name."""
    module, _, rest = name.rpartition(".")
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError:
        return getattr(importlib.import_module(module), rest)


@pytest.mark.parametrize("name", NAMES)
def test_what_a_page_names_is_there_and_says_what_it_is(name: str) -> None:
    """With a docstring of its own."""
    assert getattr(found(name), "__doc__", None), name


def test_every_public_name_is_on_a_page() -> None:
    """By its home; `Dsvl2Error` stands with all errors. And every public name can be had."""
    documented = [found(name) for name in NAMES]
    assert all(API.values())
    for name in dsvl2_runtime.__all__:
        value = getattr(dsvl2_runtime, name)
        assert value in documented or value is dsvl2_runtime.errors.Dsvl2Error, name


def test_a_browser_loads_nothing_from_elsewhere() -> None:
    """What MkDocs would fetch from a network is turned off; the built site was looked through for the rest."""
    assert "highlightjs: false" in SETTINGS
    assert not re.search(r"https?://", SETTINGS)


def test_links_that_lead_out_of_the_pages_are_their_text() -> None:
    """Such as one to the README; those between pages stay."""
    names: dict[str, object] = {}
    exec((ROOT / "docs/site_hooks.py").read_text("utf-8"), names)  # noqa: S102 - our own file
    outside = names["_OUTSIDE"]
    assert isinstance(outside, re.Pattern)
    hook = names["on_page_markdown"]
    assert callable(hook)

    class Page:
        class file:  # noqa: N801 - MkDocs' own name
            src_uri = "adr/0004.md"

    text = "[card](../../README.md#a), [log](../training.md), [near](0001.md)"
    assert hook(text, page=Page) == "card, [log](../training.md), [near](0001.md)"

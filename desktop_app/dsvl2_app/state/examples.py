"""Pictures that come with the window, each with a question that the demonstration model answers right."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Example:
    """One picture and one question."""

    name: Literal["receipt", "settings", "visit"]
    """Of the file, without its ending."""
    question: str
    """In English, which the demonstration model was trained on."""
    answer: str
    """What the demonstration model says."""


EXAMPLES = (
    Example("receipt", "What is the total?", "$22.03"),
    Example("visit", "What is the company?", "Nordlicht AG"),
    Example("settings", "What is the port?", "8443"),
)

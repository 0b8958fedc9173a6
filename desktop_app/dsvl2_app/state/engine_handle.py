"""The engine as the state of a window sees it."""

from __future__ import annotations

from typing import Protocol

from dsvl2_runtime.engine.protocol import Command, Load


class EngineHandle(Protocol):
    """The engine as the session sees it; an `Engine`, or a list in a test."""

    def start(self, load: Load | None = None) -> None:
        """Start a process that loads the model, or another one, in place of the process that is there."""

    def send(self, command: Command) -> None:
        """Take a command."""

    def close(self) -> None:
        """End the process at once."""

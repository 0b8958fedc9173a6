"""A conversion as the window shows it: which step it is in, how far that is, and how long it will take."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

Step = Literal["waiting", "converting", "verifying", "done", "cancelled", "failed"]
LEAST_SECONDS = 5.0
"""Of converting, before a time is told."""


@dataclass(slots=True)
class Conversion:
    """Of one checkpoint into one bundle. It can be begun again after it was cancelled, and goes on where it was."""

    checkpoint: Path
    out: Path
    precision: str = "int4"
    clock: Callable[[], float] = time.monotonic
    step: Step = "waiting"
    done: int = 0
    total: int = 0
    """Bytes of the step."""
    log: list[str] = field(default_factory=list)
    _rest: bytes = b""
    _begun_at: float = 0.0
    _begun_with: int = -1

    @property
    def is_running(self) -> bool:
        """Whether something is at work for it."""
        return self.step in ("converting", "verifying")

    @property
    def arguments(self) -> tuple[str, ...]:
        """For the program in a process of its own."""
        source, out = str(self.checkpoint), str(self.out)
        return "export", source, "--out", out, "--precision", self.precision, "--json"

    @property
    def seconds_left(self) -> float | None:
        """Until the step is over, as its bytes tell; None while that is not known."""
        took, wrote = self.clock() - self._begun_at, self.done - self._begun_with
        if not self.is_running or self._begun_with < 0 or took < LEAST_SECONDS or wrote <= 0:
            return None
        return (self.total - self.done) * took / wrote

    def begin(self, step: Step) -> None:
        """Begin a step."""
        self.step, self.done, self.total, self._rest, self._begun_with = step, 0, 0, b"", -1

    def take_output(self, data: bytes) -> None:
        """Read what the process has written; what is no progress is passed over."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            try:
                told = json.loads(line)
                done, total = int(told["done"]), int(told["total"])
            except (ValueError, KeyError, TypeError):
                continue
            self.take_progress(done, total)

    def take_progress(self, done: int, total: int) -> None:
        """So many bytes of so many; the first tells what an earlier attempt has left."""
        if self._begun_with < 0:
            self._begun_at, self._begun_with = self.clock(), done
        self.done, self.total = min(done, max(total, 1)), max(total, 1)

    def take_errors(self, data: bytes) -> None:
        """What the process says to people."""
        self.log += [line for line in data.decode("utf-8", "replace").splitlines() if line.strip()]

    def end(self, code: int) -> None:
        """The process ended by itself."""
        if code != 0:
            self.step = "failed"

    @property
    def reason(self) -> str:
        """Why it failed, in the program's words."""
        return self.log[-1].removeprefix("dsvl2-onnx: ") if self.log else ""

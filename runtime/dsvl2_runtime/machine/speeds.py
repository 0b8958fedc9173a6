"""What earlier answers took on this machine, so that a later one can be estimated: a small file in the state folder.

It holds a model's manifest hash, the processor's name, a number of threads, counts and seconds; nothing of a question,
a picture or an answer. Nobody depends on it: a file that is missing, damaged, too large or read-only is as none.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Literal

import psutil
from platformdirs import user_state_path
from pydantic import BaseModel, ConfigDict, Field

from dsvl2_runtime.machine.machine import describe_processor
from dsvl2_runtime.machine.provider import Provider
from dsvl2_runtime.progress import Phase, Progress

FILE = "speeds.json"
LARGEST_BYTES = 1_000_000
MOST_MODELS = 100
"""The longest unused are forgotten."""
REMEMBERED = {"tile": 200.0, "prompt_token": 40_000.0, "answer_token": 4_000.0, "answer": 40.0}
"""Units of each kind that count at most; older ones fade, so that a faster machine or program shows soon."""
UNIT_OF_PHASE: dict[Phase, Literal["tile", "prompt_token", "answer_token"]] = {
    "vision": "tile",
    "prefill": "prompt_token",
    "decode": "answer_token",
}

Amount = Annotated[float, Field(ge=0, le=1e12, allow_inf_nan=False)]
Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class Measured(BaseModel):
    """A sum over some units."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    units: Amount = 0.0
    total: Amount = 0.0
    """Seconds, or tokens of answers."""

    @property
    def per_unit(self) -> float | None:
        """The mean, or None where nothing was measured."""
        return self.total / self.units if self.units else None

    def plus(self, other: Measured, most_units: float) -> Measured:
        """Both together, where the older part weighs no more than `most_units`."""
        weight = min(1.0, most_units / self.units) if self.units else 0.0
        return Measured(units=self.units * weight + other.units, total=self.total * weight + other.total)


class Speeds(BaseModel):
    """What one model with so many threads takes on this machine."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    tile: Measured = Measured()
    """Seconds of tiles that were encoded."""
    prompt_token: Measured = Measured()
    """Seconds of prompt tokens that were read."""
    answer_token: Measured = Measured()
    """Seconds of answer tokens that were written, without the first of each answer, which the prompt brings."""
    answer: Measured = Measured()
    """Tokens of answers that ended by themselves."""

    @property
    def seconds_per_tile(self) -> float | None:
        """None where no tile was measured, and so on."""
        return self.tile.per_unit

    @property
    def seconds_per_prompt_token(self) -> float | None:
        """Of the tokens of pictures too, whose tiles are not counted in it."""
        return self.prompt_token.per_unit

    @property
    def seconds_per_answer_token(self) -> float | None:
        """Of each token after the first."""
        return self.answer_token.per_unit

    @property
    def tokens_per_answer(self) -> float | None:
        """The mean length of an answer that the model ended."""
        return self.answer.per_unit

    def plus(self, other: Speeds) -> Speeds:
        """With newer ones added."""
        return Speeds(
            **{name: getattr(self, name).plus(getattr(other, name), most) for name, most in REMEMBERED.items()}
        )


class SpeedKey(BaseModel):
    """What speeds belong to."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    manifest_sha256: Sha256
    machine: str
    threads: int

    @classmethod
    def here(cls, manifest_sha256: str, threads: int, provider: str = Provider.CPU) -> SpeedKey:
        """A model on this machine; `provider` is the value of a `Provider`, but not `auto`."""
        machine = this_machine() if provider == Provider.CPU else f"{this_machine()}, {provider}"
        return cls(manifest_sha256=manifest_sha256, machine=machine, threads=threads)


class _Entry(SpeedKey):
    speeds: Speeds


class _SpeedsFile(BaseModel):
    """The file; the newest entry comes last."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    version: Literal[1] = 1
    entries: tuple[_Entry, ...] = ()


class SpeedMeter:
    """Measures from the progress of a call; `note` is a `ProgressCallback`. It belongs to one thread at a time."""

    def __init__(self) -> None:
        self._sums: dict[str, tuple[float, float]] = {}
        self._last: Progress | None = None
        self._last_time = 0.0

    def note(self, progress: Progress) -> None:
        """Count what was done since the report before it, where that was of the same phase of the same answer."""
        now, last = time.perf_counter(), self._last
        if last is not None and last.phase == progress.phase and last.done < progress.done:
            self._add(UNIT_OF_PHASE.get(progress.phase), progress.done - last.done, now - self._last_time)
        self._last, self._last_time = progress, now

    def pause(self) -> None:
        """Something else follows; the time until the next report is nobody's."""
        self._last = None

    def answered(self, tokens: int) -> None:
        """An answer of so many tokens has ended by itself."""
        self.pause()
        self._add("answer", 1, tokens)

    def _add(self, unit: str | None, units: float, total: float) -> None:
        if unit is not None:
            before = self._sums.get(unit, (0.0, 0.0))
            self._sums[unit] = before[0] + units, before[1] + total

    def take(self) -> Speeds:
        """What was measured since the last call of this."""
        sums, self._sums = self._sums, {}
        return Speeds(**{unit: Measured(units=units, total=total) for unit, (units, total) in sums.items()})


def this_machine() -> str:
    """The processor's name with the number of its logical ones; no name of the computer."""
    return f"{describe_processor().name}, {psutil.cpu_count() or 1}"


def speeds_file() -> Path:
    """Where speeds are kept."""
    folder: Path = user_state_path("dsvl2-onnx")
    return folder / FILE


def known_speeds(key: SpeedKey, path: Path | None = None) -> Speeds | None:
    """What earlier answers took, or None where there were none.

    Args:
        key: of a model on this machine.
        path: of the file; by default `speeds_file`.
    """
    entries = _read(speeds_file() if path is None else path)
    return next((entry.speeds for entry in reversed(entries) if _is_of(entry, key)), None)


def remember_speeds(key: SpeedKey, speeds: Speeds, path: Path | None = None) -> Speeds | None:
    """Add what an answer took, to what the file holds by now; where that cannot be written, nothing happens.

    Two processes that write at the same time lose what one of them adds, which is a mean of many.

    Args:
        key: of the model that answered.
        speeds: from `SpeedMeter.take`.
        path: of the file; by default `speeds_file`, which is not made where there is no home folder.

    Returns:
        What `known_speeds` would give from now on.
    """
    if path is None:
        with suppress(RuntimeError):  # nobody knows a home folder
            if Path.home().is_dir():
                return remember_speeds(key, speeds, speeds_file())
        return known_speeds(key)
    entries = _read(path)
    before = next((entry.speeds for entry in reversed(entries) if _is_of(entry, key)), None)
    if speeds == Speeds():
        return before
    others = [entry for entry in entries if not _is_of(entry, key)]
    newest = _Entry(**key.model_dump(), speeds=(before or Speeds()).plus(speeds))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _write(path, _SpeedsFile(entries=(*others[1 - MOST_MODELS :], newest)))
    except OSError:
        return before
    return newest.speeds


def _is_of(entry: _Entry, key: SpeedKey) -> bool:
    return all(getattr(entry, name) == getattr(key, name) for name in SpeedKey.model_fields)


def _read(path: Path) -> Sequence[_Entry]:
    """The entries of a file; none of one that cannot be used, whatever is wrong with it."""
    try:
        if not path.is_file():
            return ()
        with path.open("rb") as file:
            content = file.read(LARGEST_BYTES + 1)
        return _SpeedsFile.model_validate_json(content).entries if len(content) <= LARGEST_BYTES else ()
    except (OSError, ValueError, RecursionError):
        return ()


def _write(path: Path, document: _SpeedsFile) -> None:
    """Under a name of its own first: a place that all writers share would need a lock, which is slow to import."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(document.model_dump_json(indent=1) + "\n")
        Path(name).replace(path)
    except BaseException:
        with suppress(OSError):
            Path(name).unlink()
        raise

"""What can be wrong with the database, as data; the window makes the sentence and goes on without keeping."""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from dsvl2_runtime.errors import Dsvl2Error

ProblemKind = Literal["locked", "read_only", "newer", "damaged", "full", "unavailable"]
"""Held by another process, not writable, of a newer version, broken or not ours, no room, or anything else."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Why conversations are not kept at the moment."""

    kind: ProblemKind
    path: Path
    """The file or folder that it is about."""
    detail: str
    """In the words of the library or the system."""
    set_aside: Path | None = None
    """What a damaged database is called now; a new one has taken its place and conversations are kept."""


class HistoryError(Dsvl2Error, OSError):
    """Conversations cannot be read or kept."""

    exit_code = 7
    http_status = 507

    def __init__(self, problem: Problem) -> None:
        super().__init__(f"{problem.path}: {problem.detail}")
        self.problem = problem


KINDS: dict[int, ProblemKind] = {
    sqlite3.SQLITE_BUSY: "locked",
    sqlite3.SQLITE_LOCKED: "locked",
    sqlite3.SQLITE_READONLY: "read_only",
    sqlite3.SQLITE_PERM: "read_only",
    sqlite3.SQLITE_CORRUPT: "damaged",
    sqlite3.SQLITE_NOTADB: "damaged",
    sqlite3.SQLITE_FULL: "full",
}
ERRNO_KINDS: dict[int, ProblemKind] = {
    errno.ENOSPC: "full",
    errno.EROFS: "read_only",
    errno.EACCES: "read_only",
    errno.EPERM: "read_only",
}
if hasattr(errno, "EDQUOT"):  # Windows knows no quota
    ERRNO_KINDS[errno.EDQUOT] = "full"


def problem_of(path: Path, error: sqlite3.Error | OSError) -> Problem:
    """Sort an error of the database or of a file beside it."""
    if isinstance(error, OSError):
        cause = error if error.errno is not None or not isinstance(error.__cause__, OSError) else error.__cause__
        return Problem(ERRNO_KINDS.get(cause.errno or 0, "unavailable"), path, str(error))
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the low byte is the kind, the rest says more
    return Problem(KINDS.get(code, "unavailable"), path, str(error))


@contextmanager
def history_errors(path: Path) -> Iterator[None]:
    """Turn errors of SQLite and of the disk into a `HistoryError`."""
    try:
        yield
    except HistoryError:
        raise
    except (sqlite3.Error, OSError) as error:
        raise HistoryError(problem_of(path, error)) from error

"""Whether the disk has room for what is about to be written, before minutes are spent on writing it."""

from __future__ import annotations

import shutil
from pathlib import Path

from dsvl2_runtime.errors import ResourceError
from dsvl2_runtime.machine.machine import gigabytes


def require_disk(out: Path, needed: float) -> None:
    """Refuse to begin what cannot end.

    Args:
        out: the file or folder to be written; its parents need not exist.
        needed: bytes.

    Raises:
        ResourceError: the disk that will hold `out` has less room, with both numbers.
    """
    folder = next(parent for parent in out.absolute().parents if parent.exists())
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise ResourceError(
            f"{out} will take {gigabytes(needed)}, but its disk has {gigabytes(free)} free; make room "
            "or choose another folder"
        )

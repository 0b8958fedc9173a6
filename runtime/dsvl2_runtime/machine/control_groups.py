"""Limits that the control groups of Linux set to this process: the smallest on the way up counts, in both versions.

A container or a service is a group, often inside other groups, and each of them may have a limit of its own.

Source: cgroups(7), and `Documentation/admin-guide/cgroup-v2.rst` of Linux.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import psutil

ROOT = Path("/")
"""Of the file system; tests lay out another one."""

OCTAL = re.compile(r"\\([0-7]{3})")
"""How a mount point spells a blank."""
RECLAIMABLE = ("active_file", "inactive_file")
"""Fields of `memory.stat`: pages of files, which count as used and are dropped when memory is wanted."""


@dataclass(frozen=True, slots=True)
class MemoryLimit:
    """Of one group."""

    limit_bytes: int
    used_bytes: int
    """By all processes in it and below, without cached files."""


def memory_limits(root: Path = ROOT) -> list[MemoryLimit]:
    """Of every group around this process that has one, from the innermost out."""
    limits = []
    for group in _groups("memory", root):
        limit = _number(group / "memory.max", group / "memory.limit_in_bytes")
        if limit is not None:
            limits.append(MemoryLimit(limit, _used(group)))
    return limits


def processor_quota(root: Path = ROOT) -> float | None:
    """Processors' worth of time that this process may take; None where no group has a limit."""
    quotas = [quota for group in _groups("cpu", root) if (quota := _quota(group)) is not None]
    return min(quotas, default=None)


def _quota(group: Path) -> float | None:
    try:
        quota, period = (group / "cpu.max").read_text("ascii").split()
    except (OSError, ValueError):
        quota, period = (str(_number(group / f"cpu.cfs_{name}_us")) for name in ("quota", "period"))
    try:
        found = int(quota) / int(period)
    except (ValueError, ZeroDivisionError):  # "max", or no file
        return None
    return found if found > 0 else None


def _used(group: Path) -> int:
    used = _number(group / "memory.current", group / "memory.usage_in_bytes")
    if used is None:
        own: int = psutil.Process().memory_info().rss
        return own
    try:
        fields = dict(line.split() for line in (group / "memory.stat").read_text("ascii").splitlines())
        # In the first version those with `total_` hold the groups below too, as the second's always do.
        return used - sum(int(fields.get(f"total_{field}", fields.get(field, "0"))) for field in RECLAIMABLE)
    except (OSError, ValueError):
        return used


def _number(*paths: Path) -> int | None:
    """What the first of some files holds that is there and holds a number."""
    for path in paths:
        try:
            return int(path.read_text("ascii"))
        except (OSError, ValueError):  # no such file, or "max"
            continue
    return None


def _groups(controller: str, root: Path) -> Iterator[Path]:
    """Folders of the groups that hold this process, from the innermost to the outermost that can be seen."""
    paths = _own_paths(controller, root)
    for version, mount_root, mount_point in _mounts(controller, root):
        if version not in paths:
            continue
        try:
            inside = paths[version].relative_to(mount_root)
        except ValueError:  # the mount shows another part of the tree than this process is told of
            inside = PurePosixPath()
        for depth in range(len(inside.parts), -1, -1):
            folder = root / mount_point.relative_to("/") / PurePosixPath(*inside.parts[:depth])
            if ".." not in inside.parts and folder.is_dir():
                yield folder


def _own_paths(controller: str, root: Path) -> dict[int, PurePosixPath]:
    """Of the groups of this process, by version."""
    paths = {}
    for line in _lines(root / "proc/self/cgroup"):
        _, controllers, path = (*line.split(":", 2), "", "")[:3]
        if path.startswith("/") and (not controllers or controller in controllers.split(",")):
            paths[1 if controllers else 2] = PurePosixPath(path)
    return paths


def _mounts(controller: str, root: Path) -> Iterator[tuple[int, PurePosixPath, PurePosixPath]]:
    """Where trees of groups are mounted: version, the group that the mount shows as its root, and the mount point."""
    for line in _lines(root / "proc/self/mountinfo"):
        before, _, after = line.partition(" - ")
        fields, kinds = before.split(" "), after.split(" ")
        if len(fields) < 5 or len(kinds) < 3:
            continue
        version = {"cgroup": 1, "cgroup2": 2}.get(kinds[0])
        if version == 2 or (version == 1 and controller in kinds[2].split(",")):
            shown, point = (OCTAL.sub(lambda found: chr(int(found[1], 8)), field) for field in fields[3:5])
            yield version, PurePosixPath(shown), PurePosixPath(point)


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text("utf-8", "replace").splitlines()
    except OSError:
        return []

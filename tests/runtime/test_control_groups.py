"""Limits of containers and services, in trees of files laid out as Linux shows them."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from dsvl2_runtime.machine import machine
from dsvl2_runtime.machine.control_groups import MemoryLimit, memory_limits, processor_quota
from dsvl2_runtime.machine.machine import available_memory, describe_machine

SECOND_VERSION = "31 22 0:27 / /sys/fs/cgroup rw,relatime - cgroup2 cgroup2 rw,nsdelegate"
FIRST_VERSION = (
    "31 22 0:29 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755\n"
    "32 31 0:30 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct\n"
    "33 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n"
    "34 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw"
)
NO_LIMIT = 9223372036854771712
"""What the first version writes where there is none."""


def lay_out(root: Path, own: str, mounts: str, groups: dict[str, dict[str, str]]) -> Path:
    """A file system with control groups; a group's files by its folder."""
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text(own + "\n")
    (root / "proc/self/mountinfo").write_text(f"1 0 0:1 / / rw - ext4 /dev/sda rw\n{mounts}\nnot a line\n")
    for folder, files in groups.items():
        (root / "sys/fs/cgroup" / folder).mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (root / "sys/fs/cgroup" / folder / name).write_text(text + "\n")
    return root


def test_the_smallest_limit_on_the_way_up_counts(tmp_path: Path) -> None:
    """In the second version: the inner group may have more than the one around it."""
    root = lay_out(
        tmp_path,
        "0::/outer/middle/inner",
        SECOND_VERSION,
        {
            ".": {"memory.stat": "anon 5"},
            "outer": {
                "memory.max": "1000",
                "memory.current": "600",
                "memory.stat": "anon 1\ninactive_file 300\nactive_file 50",
                "cpu.max": "150000 100000",
            },
            "outer/middle": {"memory.max": "max", "cpu.max": "max 100000"},
            "outer/middle/inner": {
                "memory.max": "900",
                "memory.current": "20",
                "memory.stat": "active_file 0",
                "cpu.max": "400000 100000",
            },
            "outer/beside": {"memory.max": "1", "memory.current": "1", "cpu.max": "1000 100000"},
        },
    )
    assert memory_limits(root) == [MemoryLimit(900, 20), MemoryLimit(1000, 250)]
    assert available_memory(root) == 750
    assert processor_quota(root) == 1.5


def test_the_first_version_is_read_too(tmp_path: Path) -> None:
    """One tree for each kind of limit, beside an empty one of the second version."""
    root = lay_out(
        tmp_path,
        "4:memory:/outer/inner\n3:cpu,cpuacct:/outer/inner\n1:name=systemd:/x\n0::/",
        FIRST_VERSION,
        {
            "memory/outer": {
                "memory.limit_in_bytes": "1000",
                "memory.usage_in_bytes": "600",
                "memory.stat": "inactive_file 7\ntotal_inactive_file 340\ntotal_active_file 10",
            },
            "memory/outer/inner": {
                "memory.limit_in_bytes": str(NO_LIMIT),
                "memory.usage_in_bytes": "600",
                "memory.stat": "",
            },
            "cpu,cpuacct/outer": {"cpu.cfs_quota_us": "200000", "cpu.cfs_period_us": "100000"},
            "cpu,cpuacct/outer/inner": {"cpu.cfs_quota_us": "-1", "cpu.cfs_period_us": "100000"},
            "unified": {},
        },
    )
    assert memory_limits(root) == [MemoryLimit(NO_LIMIT, 600), MemoryLimit(1000, 250)]
    assert available_memory(root) == 750
    assert processor_quota(root) == 2.0


@pytest.mark.parametrize(
    ("own", "mount"),
    [
        ("0::/", "31 22 0:27 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw"),  # a namespace of its own
        ("0::/docker/abc", "31 22 0:27 /docker/abc /sys/fs/cgroup rw - cgroup2 cgroup2 rw"),  # none, but a bind mount
        ("0::/docker/abc", "31 22 0:27 /../.. /sys/fs/cgroup rw - cgroup2 cgroup2 rw"),
        ("0::/../abc", "31 22 0:27 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw"),
        ("4:memory:/docker/abc", "31 22 0:27 /docker/abc /sys/fs/cgroup rw,x - cgroup cgroup rw,memory"),
    ],
)
def test_a_container_sees_its_own_group_at_the_mount_point(tmp_path: Path, own: str, mount: str) -> None:
    """Whatever path the process is told of."""
    files = {"memory.max": "1000", "memory.current": "0", "memory.stat": ""}
    limits = memory_limits(lay_out(tmp_path, own, mount, {".": files}))
    assert limits == ([] if ".." in own else [MemoryLimit(1000, 0)])


def test_a_mount_point_with_a_blank_is_found(tmp_path: Path) -> None:
    """Such a name is escaped."""
    mount = r"31 22 0:27 / /sys/fs/cgroup/my\040groups rw - cgroup2 cgroup2 rw"
    files = {"memory.max": "1000", "memory.current": "1", "memory.stat": ""}
    assert memory_limits(lay_out(tmp_path, "0::/", mount, {"my groups": files})) == [MemoryLimit(1000, 1)]


def test_without_figures_of_its_use_this_process_alone_is_counted(tmp_path: Path) -> None:
    """A group in use by nobody would be a wrong guess."""
    root = lay_out(tmp_path, "0::/", SECOND_VERSION, {".": {"memory.max": "1000"}})
    (limit,) = memory_limits(root)
    assert limit.used_bytes > 10_000_000
    assert available_memory(root) == 0


@pytest.mark.parametrize("text", ["", "max", "-1 100000", "100000", "x y", "1 0", "9" * 5000 + " 1"])
def test_what_is_no_quota_is_none(tmp_path: Path, text: str) -> None:
    """Nothing that a file may hold is an error."""
    root = lay_out(tmp_path, "0::/", SECOND_VERSION, {".": {"cpu.max": text, "memory.max": f"x{text}"}})
    assert processor_quota(root) is None
    assert memory_limits(root) == []


def test_a_system_without_control_groups_has_no_limits(tmp_path: Path) -> None:
    """As macOS and Windows."""
    assert memory_limits(tmp_path) == []
    assert processor_quota(tmp_path) is None
    assert available_memory(tmp_path) > 100_000_000


def test_the_machine_has_no_more_memory_than_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """A report of the host's memory would say that everything fits."""
    limits = [MemoryLimit(300_000_000, 100_000_000), MemoryLimit(1 << 60, 0)]
    monkeypatch.setattr(machine, "memory_limits", lambda *_: limits)
    found = describe_machine()
    assert (found.memory_bytes, found.available_bytes) == (300_000_000, 200_000_000)
    monkeypatch.setattr(machine, "memory_limits", lambda *_: [])
    assert describe_machine().memory_bytes == psutil.virtual_memory().total

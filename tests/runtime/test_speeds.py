"""The file with what earlier answers took: what is in it, and that nothing depends on it."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

import without_root
from dsvl2_runtime.machine import speeds as module
from dsvl2_runtime.machine.speeds import (
    LARGEST_BYTES,
    MOST_MODELS,
    REMEMBERED,
    Measured,
    SpeedKey,
    SpeedMeter,
    Speeds,
    known_speeds,
    remember_speeds,
    this_machine,
)
from dsvl2_runtime.progress import Phase, Progress

KEY = SpeedKey.here("a" * 64, 2)
SOME = Speeds(tile=Measured(units=2, total=1.0), answer=Measured(units=1, total=7))


class Clock:
    """A clock that stands until it is moved."""

    now = 0.0

    def perf_counter(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(module, "time", found)
    return found


def report(meter: SpeedMeter, clock: Clock, phase: Phase, done: int, after: float) -> None:
    clock.now += after
    meter.note(Progress(phase, done, 1000))


def test_each_phase_is_measured_from_its_own_first_report(clock: Clock) -> None:
    """What lies between two phases, such as loading or decoding a picture, belongs to none of them."""
    meter = SpeedMeter()
    for phase, done, after in (
        ("load", 0, 1), ("load", 4, 50), ("vision", 0, 9), ("vision", 1, 2), ("vision", 3, 4), ("prefill", 0, 7),
        ("prefill", 512, 5), ("prefill", 600, 1), ("decode", 1, 3), ("decode", 2, 0.5), ("decode", 3, 0.25),
    ):  # fmt: skip
        report(meter, clock, phase, done, after)  # type: ignore[arg-type]
    meter.answered(3)
    found = meter.take()
    assert found.tile == Measured(units=3, total=6)
    assert found.prompt_token == Measured(units=600, total=6)
    assert found.answer_token == Measured(units=2, total=0.75)
    assert found.answer == Measured(units=1, total=3)
    assert meter.take() == Speeds()


def test_the_next_answer_begins_anew(clock: Clock) -> None:
    """Its first report is no progress over the last one of the answer before."""
    meter = SpeedMeter()
    report(meter, clock, "decode", 1, 0)
    meter.answered(1)
    report(meter, clock, "decode", 2, 100)
    report(meter, clock, "decode", 1, 100)
    assert meter.take() == Speeds(answer=Measured(units=1, total=1))


def test_what_is_remembered_is_known_again(tmp_path: Path) -> None:
    """Of this model with so many threads, and of no other."""
    path = tmp_path / "state" / "speeds.json"
    assert known_speeds(KEY, path) is None
    assert remember_speeds(KEY, Speeds(), path) is None
    assert remember_speeds(KEY, SOME, path) == SOME
    said = remember_speeds(KEY, SOME, path)
    found = known_speeds(KEY, path)
    assert said == remember_speeds(KEY, Speeds(), path) == found
    assert found == Speeds(tile=Measured(units=4, total=2.0), answer=Measured(units=2, total=14))
    assert (found.seconds_per_tile, found.tokens_per_answer, found.seconds_per_prompt_token) == (0.5, 7, None)
    for other in (SpeedKey.here("b" * 64, 2), SpeedKey.here("a" * 64, 3), KEY.model_copy(update={"machine": "x"})):
        assert known_speeds(other, path) is None
    assert [each.name for each in path.parent.iterdir()] == [path.name]


def test_old_answers_fade(tmp_path: Path) -> None:
    """After one on a machine that has become ten times as fast, the mean is far nearer to the new speed."""
    path = tmp_path / "speeds.json"
    remember_speeds(KEY, Speeds(tile=Measured(units=1e9, total=1e10)), path)
    most = REMEMBERED["tile"]
    remember_speeds(KEY, Speeds(tile=Measured(units=most, total=most)), path)
    found = known_speeds(KEY, path)
    assert found is not None
    assert found.tile.units == 2 * most
    assert found.seconds_per_tile == pytest.approx((10 + 1) / 2)


def test_nothing_but_numbers_is_in_the_file(tmp_path: Path) -> None:
    """And the names of processor and units; not that of the computer or its user, and nothing of a question."""
    path = tmp_path / "speeds.json"
    remember_speeds(KEY, SOME, path)
    document = json.loads(path.read_text("utf-8"))
    assert set(document) == {"version", "entries"}
    (entry,) = document["entries"]
    assert set(entry) == {"manifest_sha256", "machine", "threads", "speeds"}
    assert entry["machine"] == this_machine()
    assert os.uname().nodename not in path.read_text("utf-8") if hasattr(os, "uname") else True
    assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0


@pytest.mark.parametrize(
    "content",
    [
        b"", b"{", b"[" * 100_000, b"null", b'{"version": 2, "entries": []}', b'{"version": 1, "entries": [{}]}',
        b'{"version": 1, "x": 1}', b"\xff\xfe", b'{"version":1,"entries":[{"manifest_sha256":"a"}]}',
        b"{" + b" " * LARGEST_BYTES + b'"version": 1}',
    ],
)  # fmt: skip
def test_a_damaged_file_is_as_none_and_is_replaced(tmp_path: Path, content: bytes) -> None:
    """Cut, of another version, with unknown keys, not text, too large."""
    path = tmp_path / "speeds.json"
    path.write_bytes(content)
    assert known_speeds(KEY, path) is None
    remember_speeds(KEY, SOME, path)
    assert known_speeds(KEY, path) == SOME


@pytest.mark.parametrize("number", ["NaN", "-1", "Infinity", '"many"', "1e300"])
def test_a_number_that_cannot_be_is_damage(tmp_path: Path, number: str) -> None:
    """So no estimate becomes one."""
    path = tmp_path / "speeds.json"
    remember_speeds(KEY, SOME, path)
    path.write_text(path.read_text("utf-8").replace('"total":1.0', f'"total":{number}').replace(
        '"total": 1.0', f'"total": {number}'), "utf-8")  # fmt: skip
    assert number.strip('"') in path.read_text("utf-8")
    assert known_speeds(KEY, path) is None


def test_places_that_cannot_be_used_are_left_alone(tmp_path: Path) -> None:
    """A folder in the file's place, a file in the folder's place, a link that leads nowhere, a full name."""
    (tmp_path / "folder" / "speeds.json").mkdir(parents=True)
    (tmp_path / "file").write_text("x")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere" / "at" / "all")
    before = sorted(tmp_path.rglob("*"))
    for path in (
        tmp_path / "folder" / "speeds.json",
        tmp_path / "file" / "speeds.json",
        tmp_path / "link" / "speeds.json",
        tmp_path / ("n" * 300) / "speeds.json",
    ):
        assert remember_speeds(KEY, SOME, path) is None
        assert known_speeds(KEY, path) is None
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.skipif(not without_root.SUPPORTED, reason="permissions do not count here")
def test_a_folder_that_may_not_be_written_is_left_alone(tmp_path: Path) -> None:
    """Not a word about it, and the speeds that are there still count."""
    folder = tmp_path / "state"
    remember_speeds(KEY, SOME, folder / "speeds.json")
    folder.chmod(0o500)
    code = (
        "import sys; from pathlib import Path; from dsvl2_runtime.machine.speeds import *\n"
        f"key, path = SpeedKey.here({'a' * 64!r}, 2), Path(sys.argv[1])\n"
        "remember_speeds(key, known_speeds(key, path), path); print(known_speeds(key, path).tile.units)"
    )
    command = [sys.executable, without_root.__file__, sys.executable, "-c", code, str(folder / "speeds.json")]
    found = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)
    folder.chmod(0o700)
    assert (found.returncode, found.stdout, found.stderr) == (0, "2.0\n", "")
    assert [path.name for path in folder.iterdir()] == ["speeds.json"]


def test_a_home_that_is_not_there_is_not_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it is there, the file is made in it."""
    home = tmp_path / "home"
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("USERPROFILE", str(home))
    monkeypatch.setattr(module, "user_state_path", lambda name: home / "state" / name)
    remember_speeds(KEY, SOME)
    assert list(tmp_path.iterdir()) == []
    home.mkdir()
    remember_speeds(KEY, SOME)
    assert known_speeds(KEY) == SOME
    assert [path.name for path in home.rglob("*.json")] == ["speeds.json"]


def test_the_longest_unused_models_are_forgotten(tmp_path: Path) -> None:
    path = tmp_path / "speeds.json"
    keys = [KEY.model_copy(update={"threads": number}) for number in range(1, MOST_MODELS + 3)]
    for key in keys:
        remember_speeds(key, SOME, path)
    assert known_speeds(keys[0], path) is None
    assert known_speeds(keys[2], path) == known_speeds(keys[-1], path) == SOME
    assert len(json.loads(path.read_text("utf-8"))["entries"]) == MOST_MODELS


def test_two_writers_leave_a_whole_file(tmp_path: Path) -> None:
    """One whose other writer comes between its reading and its writing loses that one's addition, and no more."""
    path = tmp_path / "speeds.json"
    remember_speeds(KEY, SOME, path)
    entries = module._read(path)
    remember_speeds(KEY, SOME, path)
    module._write(path, module._SpeedsFile(entries=tuple(entries)))
    assert known_speeds(KEY, path) == SOME
    assert [each.name for each in tmp_path.iterdir()] == ["speeds.json"]

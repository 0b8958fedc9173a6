"""`pull` from a hub on loopback: resumed where it was cut, every file compared with its sum, nothing sent unasked."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dsvl2_runtime.bundle.bundle import Bundle
from fake_hub import REPOSITORY, FakeHub, fake_hub
from small_models import MakeCheckpoint
from waiting import wait_until

CODE = "from dsvl2_runtime.cli.main import main; main()"
SMALL_CHUNKS = "import huggingface_hub.constants as constants; constants.DOWNLOAD_CHUNK_SIZE = 4096\n"
"""What arrives is written in pieces of ten million bytes, of which these files have not one."""
NO_EXPORT = "import subprocess; subprocess.run = lambda *_, **__: exit(0)\n"
"""The download alone; an export takes long."""


@pytest.fixture
def hub(checkpoint: MakeCheckpoint) -> Iterator[FakeHub]:
    with fake_hub(checkpoint("tiny")) as served:
        yield served


@pytest.fixture
def models(tmp_path: Path) -> Path:
    return tmp_path / "models"


def environment(url: str, models: Path, **more: str) -> dict[str, str]:
    return os.environ | {"HF_ENDPOINT": url, "HF_HUB_OFFLINE": "0", "DSVL2_MODELS": str(models)} | more


def call(url: str, models: Path, *arguments: str, prelude: str = "", **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", prelude + CODE, "pull", *arguments],
        capture_output=True,
        encoding="utf-8",
        env=environment(url, models, **more),
        check=False,
    )


def weights(hub: FakeHub) -> str:
    """The name of the largest file."""
    return max(hub.files, key=lambda name: len(hub.files[name]))


def kept(models: Path) -> Path:
    """The folder of the checkpoint."""
    return models / ".checkpoints" / REPOSITORY.replace("/", "--")


def test_a_download_that_was_killed_goes_on_and_becomes_a_model(hub: FakeHub, models: Path) -> None:
    """Only the rest of the file is fetched; the bundle is whole, and nothing else was asked of the hub."""
    name, first = weights(hub), 50_000
    assert len(hub.files[name]) > 2 * first
    hub.stall_after[name] = first
    process = subprocess.Popen(
        [sys.executable, "-c", SMALL_CHUNKS + CODE, "pull", REPOSITORY], env=environment(hub.url, models)
    )
    try:
        wait_until(lambda: hub.stalled.is_set() or process.poll() is not None, "the hub stalls")
        assert process.poll() is None
        wait_until(lambda: any(path.stat().st_size > 4096 for path in kept(models).rglob("*.incomplete")), "a piece")
    finally:
        process.kill()
        process.wait()
    hub.stall_after.clear()
    hub.go_on.set()
    found = call(hub.url, models, REPOSITORY, "--precision", "int8")
    assert found.returncode == 0, found.stderr
    before, after = hub.ranges(name)
    assert before is None
    assert after is not None
    assert 4096 <= int(after.removeprefix("bytes=").rstrip("-")) <= first
    bundle = Bundle.open(models / "tiny-model-int8")
    bundle.verify()
    assert bundle.manifest.name == "tiny-model-int8"
    assert [path.name for path in models.iterdir() if not path.name.startswith(".")] == ["tiny-model-int8"]
    assert not kept(models).exists()
    assert {path.split("/")[1] for _, path, _ in hub.asked} == {"api", REPOSITORY.split("/")[0]}
    assert not [path for _, path, _ in hub.asked if "telemetry" in path]
    assert "--model tiny-model-int8" in found.stderr


@pytest.mark.parametrize("which", ["weights", "config.json"])
def test_a_corrupted_file_is_found_and_fetched_again(hub: FakeHub, models: Path, which: str) -> None:
    """With its right size; the good files are not fetched twice, and no bundle is made of bad ones."""
    name = weights(hub) if which == "weights" else which
    hub.damage.add(name)
    found = call(hub.url, models, REPOSITORY)
    assert found.returncode == 4
    assert name in found.stderr
    assert "pull again" in found.stderr
    assert not (kept(models) / name).exists()
    assert [path for path in models.iterdir() if not path.name.startswith(".")] == []
    hub.damage.clear()
    other = next(path for path in hub.files if path not in (name,))
    before = len(hub.ranges(other))
    found = call(hub.url, models, REPOSITORY, prelude=NO_EXPORT)
    assert found.returncode == 0, found.stderr
    assert (kept(models) / name).read_bytes() == hub.files[name]
    assert len(hub.ranges(other)) == before


def test_a_hub_that_ignores_ranges_sends_all_again(hub: FakeHub, models: Path) -> None:
    """What it sends is taken from its beginning."""
    name = weights(hub)
    hub.ignores_range = True
    folder = kept(models) / ".cache" / "huggingface" / "download"
    folder.mkdir(parents=True)
    assert call(hub.url, models, REPOSITORY, prelude=NO_EXPORT).returncode == 0
    assert (kept(models) / name).read_bytes() == hub.files[name]


@pytest.mark.parametrize("status", [500, 503, 403])
def test_an_error_page_is_no_model(hub: FakeHub, models: Path, status: int) -> None:
    """The error says what the hub said, in one line."""
    hub.status = status
    found = call(hub.url, models, REPOSITORY)
    assert (found.returncode, str(status) in found.stderr) == (7, True), found.stderr
    assert len(found.stderr.splitlines()) == 1


def test_a_model_that_is_not_there_is_not_found(hub: FakeHub, models: Path) -> None:
    """A repository without weights is no checkpoint either."""
    assert call(hub.url, models, "someone/else").returncode == 3
    hub.files = {"README.md": b"x", "config.json": b"{}"}
    found = call(hub.url, models, REPOSITORY)
    assert (found.returncode, "no checkpoint" in found.stderr) == (3, True)
    assert not models.exists() or not list(models.rglob("*.json"))


def test_a_hub_that_is_not_there_is_an_error(models: Path) -> None:
    """As without a network."""
    found = call("http://127.0.0.1:9", models, REPOSITORY)
    assert (found.returncode, "cannot download" in found.stderr) == (7, True), found.stderr
    assert len(found.stderr.splitlines()) == 1


def test_whoever_forbids_downloads_gets_none(hub: FakeHub, models: Path) -> None:
    """HF_HUB_OFFLINE counts here too, and no other verb downloads anything."""
    found = call(hub.url, models, REPOSITORY, HF_HUB_OFFLINE="1")
    assert (found.returncode, "HF_HUB_OFFLINE" in found.stderr) == (2, True)
    ran = subprocess.run(
        [sys.executable, "-c", CODE, "run", "x", "-m", REPOSITORY],
        capture_output=True,
        encoding="utf-8",
        env=environment(hub.url, models),
        check=False,
    )
    assert ran.returncode == 3
    assert hub.asked == []


@pytest.mark.parametrize(
    ("listed", "code"),
    [
        ({"rfilename": "big.json", "size": 10**12, "blobId": "0" * 40}, 4),
        ({"rfilename": "more.safetensors", "size": 10, "blobId": None}, 4),
        ({"rfilename": "huge.safetensors", "size": 10**16, "blobId": "0" * 40}, 7),
    ],
)
def test_a_list_that_cannot_be_is_refused(hub: FakeHub, models: Path, listed: dict[str, object], code: int) -> None:
    """Before anything is fetched: absurd sizes, no sum, more than the disk holds."""
    hub.listed_too.append(listed)
    assert call(hub.url, models, REPOSITORY).returncode == code
    assert [path for _, path, _ in hub.asked if "resolve" in path] == []


def test_code_pickles_and_other_folders_are_not_fetched(hub: FakeHub, models: Path) -> None:
    """Nor does a path lead out of the folder."""
    for name in ("modeling.py", "pytorch_model.bin", "onnx/config.json", "../evil.json", ".hidden.json"):
        hub.listed_too.append({"rfilename": name, "size": 1, "blobId": "0" * 40})
    assert call(hub.url, models, REPOSITORY, prelude=NO_EXPORT).returncode == 0
    fetched = {path.rpartition("/")[2] for _, path, _ in hub.asked if "resolve" in path}
    assert fetched == set(hub.files) & {name for name in hub.files if name.endswith((".json", ".safetensors"))}


@pytest.mark.parametrize("name", ["tiny", "a/b/c", "../x", "a/..", "http://x/y", "a /b", "-a/b"])
def test_a_repository_has_an_owner_and_a_name(hub: FakeHub, models: Path, name: str) -> None:
    assert call(hub.url, models, "--", name).returncode == 2
    assert hub.asked == []

"""The verb `pull`: a checkpoint from a hub of Hugging Face, every file compared with its sum, then a bundle of it.

This is the one verb that opens a connection, and only because it was asked to. huggingface_hub resumes what was
interrupted; that its files are right is checked here, since it compares nothing but their sizes.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from dsvl2_runtime.bundle.model_names import models_folder
from dsvl2_runtime.bundle.shelf import new_name
from dsvl2_runtime.cli.console import progress_bars
from dsvl2_runtime.cli.streams import print_message
from dsvl2_runtime.errors import ModelCorruptError, ModelNotFoundError, ResourceError, UsageError
from dsvl2_runtime.machine.disk_space import require_disk
from dsvl2_runtime.machine.files import HASH_CHUNK_BYTES, only_writer, read_errors, sha256
from dsvl2_runtime.machine.own_modules import module_arguments

WANTED = ("*.json", "*.safetensors")
"""Files of a checkpoint; never code and never pickles."""
REPOSITORY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}/[A-Za-z0-9][A-Za-z0-9._-]{0,95}")
CHECKPOINTS = ".checkpoints"
"""In the folder of models: what is downloaded, until its bundle is there."""
LARGEST_JSON_BYTES = 100_000_000
MOST_FILES = 1000


class DownloadError(ResourceError):
    """A file does not come from the hub."""

    http_status = 502


@dataclass(frozen=True, slots=True)
class HubFile:
    """A file as the hub lists it."""

    path: str
    size: int
    sha256: str | None
    """Of a large file."""
    blob_id: str
    """Of a small one: SHA-1 as git counts it."""


def pull_model(repository: str, revision: str | None, name: str | None, precision: str, *, keep: bool) -> None:
    """Download a checkpoint, make a bundle of it on the shelf, and delete the checkpoint.

    Args:
        repository: OWNER/NAME.
        revision: a branch, a tag or a commit.
        name: on the shelf; by default that of the repository with the precision.
        precision: of the bundle.
        keep: leave the checkpoint where it is.

    Raises:
        UsageError: the repository or the name cannot be one, or the hub is switched off by HF_HUB_OFFLINE.
        MissingExtraError: huggingface_hub is not installed.
        ModelNotFoundError: the hub has no such checkpoint.
        ModelCorruptError: a file is not what the hub lists; it was deleted, so that the next call fetches it again.
        ResourceError: the disk is full, or the hub cannot be reached.
        BusyError: another process pulls the same.
    """
    parts = repository.split("/")
    if not REPOSITORY.fullmatch(repository):
        raise UsageError(f"{repository!r} is no repository; give OWNER/NAME, as in deepseek-ai/deepseek-vl2-tiny")
    out = new_name(name or f"{parts[1].lower()}-{precision}")
    if out.exists():
        raise UsageError(f"there is a model {out.name!r} already; `dsvl2-onnx rm {out.name}` removes it")
    folder = models_folder() / CHECKPOINTS / f"{parts[0]}--{parts[1]}"
    program = sys.executable, *module_arguments("dsvl2_runtime.cli.main")
    with only_writer(folder):
        download(repository, revision, folder)
        print_message(f"every file of {repository} is as the hub lists it")
        done = subprocess.run(  # noqa: S603 - our own program, in our own Python
            [*program, "export", str(folder), "--out", str(out), "--precision", precision, "--name", out.name],
            check=False,
        )
    if done.returncode:
        raise SystemExit(done.returncode)  # what went wrong was said by the export
    if not keep:
        shutil.rmtree(folder, ignore_errors=True)
    print_message(f"ask it with --model {out.name}")


def download(repository: str, revision: str | None, folder: Path) -> None:
    """Fetch the files of a checkpoint that are not there yet, and compare all with the hub's list.

    Raises:
        as `pull_model`.
    """
    hub = _hub()
    with _hub_errors(repository):
        found = hub.HfApi().model_info(repository, revision=revision, files_metadata=True)
    files = list(listed_files(repository, found.siblings or (), folder))
    missing = sum(file.size for file in files if not (folder / file.path).is_file())
    require_disk(folder / "x", missing)
    folder.mkdir(parents=True, exist_ok=True)
    total, done = sum(file.size for file in files), 0
    with progress_bars(of_bytes=True) as bars:
        for file in files:
            bars.update("download", done, total)
            with _hub_errors(repository):
                hub.hf_hub_download(repository, file.path, revision=found.sha, local_dir=folder)
            done += file.size
        bars.update("download", total, total)
        for number, file in enumerate(files):
            bars.update("sums", sum(each.size for each in files[:number]), total)
            check(folder, file)


def listed_files(repository: str, siblings: Sequence[Any], folder: Path) -> Iterator[HubFile]:
    """The files of a checkpoint in a hub's list, which nobody vouches for.

    Raises:
        ModelNotFoundError: there is no checkpoint.
        ModelCorruptError: a path leads elsewhere, or a file has no size or sum.
    """
    wanted = [each for each in siblings if any(fnmatch(str(each.rfilename), pattern) for pattern in WANTED)]
    names = {str(each.rfilename) for each in wanted}
    if "config.json" not in names or not any(name.endswith(".safetensors") for name in names):
        raise ModelNotFoundError(Path(repository), "no checkpoint on the hub", "name a repository with safetensors")
    if len(wanted) > MOST_FILES:
        raise ModelCorruptError(folder, f"the hub lists {len(wanted)} files", "do not trust it")
    for each in wanted:
        path, size, lfs = str(each.rfilename), each.size, each.lfs
        if "/" in path or "\\" in path or path.startswith("."):
            continue  # of another framework, in a folder of its own
        if not isinstance(size, int) or size < 0 or (path.endswith(".json") and size > LARGEST_JSON_BYTES):
            raise ModelCorruptError(folder / path, f"the hub lists {size} bytes", "do not trust it")
        if lfs is None and not each.blob_id:
            raise ModelCorruptError(folder / path, "the hub lists no sum", "do not trust it")
        yield HubFile(path, size, None if lfs is None else str(lfs.sha256), str(each.blob_id))


def check(folder: Path, file: HubFile) -> None:
    """Compare a file with the hub's list; one that differs is deleted.

    Raises:
        ModelCorruptError: it differs.
        ResourceError: it cannot be read.
    """
    path = folder / file.path
    size = path.stat().st_size
    found = sha256(path) if file.sha256 is not None else git_blob_sha1(path)
    wanted = file.blob_id if file.sha256 is None else file.sha256
    if size == file.size and found == wanted:
        return
    path.unlink()
    raise ModelCorruptError(
        path, f"what came is not what the hub lists ({size} of {file.size} bytes, sum {found}); it was deleted",
        "pull again",
    )  # fmt: skip


def git_blob_sha1(path: Path) -> str:
    """The sum that git gives a file's content, which a hub lists for small files."""
    with read_errors(path), path.open("rb") as file:
        digest = hashlib.sha1(b"blob %d\0" % os.fstat(file.fileno()).st_size)  # noqa: S324 - it is what git uses
        while piece := file.read(HASH_CHUNK_BYTES):
            digest.update(piece)
    return digest.hexdigest()


def _hub() -> Any:
    """The module huggingface_hub, which reads its settings when it is imported."""
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    os.environ.setdefault("HF_HUB_DISABLE_XET", "1")  # whose transfers cannot be resumed by byte ranges
    import huggingface_hub
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        raise UsageError("HF_HUB_OFFLINE forbids every download; unset it to pull a model")
    return huggingface_hub


@contextmanager
def _hub_errors(repository: str) -> Iterator[None]:
    """Turn what the hub's library raises into errors with a sentence."""
    from huggingface_hub import errors

    try:
        yield
    except (errors.RepositoryNotFoundError, errors.RevisionNotFoundError, errors.EntryNotFoundError) as error:
        advice = "check its name; one that needs a login takes HF_TOKEN from the environment"
        raise ModelNotFoundError(Path(repository), f"the hub has none ({_said(error)})", advice) from error
    except Exception as error:  # of the network, of the hub and of the disk
        if isinstance(error, MemoryError):
            raise
        again = "call this again, it goes on where it was"
        raise DownloadError(f"cannot download {repository}: {_said(error)}; {again}") from error


def _said(error: Exception) -> str:
    lines = [line for line in str(error).splitlines() if line.strip()]
    return lines[0].strip() if lines else type(error).__name__

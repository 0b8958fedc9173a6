"""The shelf: bundles in the one folder of models, which are asked by name, and how they come and go."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from dsvl2_runtime.bundle.bundle import Bundle
from dsvl2_runtime.bundle.file_entry import VerifyProgress, check_sums
from dsvl2_runtime.bundle.manifest import MANIFEST, Manifest, read_manifest
from dsvl2_runtime.bundle.model_names import built_in_models, is_plain, models_folder
from dsvl2_runtime.errors import Dsvl2Error, ModelCorruptError, ModelNotFoundError, UsageError
from dsvl2_runtime.machine.disk_space import require_disk
from dsvl2_runtime.machine.files import disk_errors, new_folder, only_writer, read_errors, unfinished

COPY_BYTES = 1 << 22
LEAVING = ".leaving-"
"""Hidden name of a bundle that is being deleted."""


@dataclass(frozen=True, slots=True)
class ShelfModel:
    """A model that can be asked by name, or why it cannot."""

    name: str
    folder: Path
    is_built_in: bool
    manifest: Manifest | None = None
    error: str = ""
    """What is wrong with it, where it has no manifest here."""

    @property
    def size(self) -> int:
        """Bytes of its listed files."""
        return 0 if self.manifest is None else sum(entry.size for entry in self.manifest.files)


def list_models() -> Iterator[ShelfModel]:
    """Every model with a name, sorted, the built-in ones first; what is broken says so and hides nothing else.

    Only manifests are read.
    """
    for name, folder in sorted(built_in_models().items()):
        yield _listed(name, folder, is_built_in=True)
    root = models_folder()
    try:
        names = sorted(entry.name for entry in os.scandir(root) if entry.is_dir())
    except OSError:  # it is not there, or is closed
        return
    for name in names:
        if is_plain(name) and name not in built_in_models():
            yield _listed(name, root / name, is_built_in=False)


def _listed(name: str, folder: Path, *, is_built_in: bool) -> ShelfModel:
    path = folder / MANIFEST
    try:
        if not path.is_file():
            raise ModelNotFoundError(path, "missing, so this folder is no bundle", "remove the folder")
        return ShelfModel(name, folder, is_built_in, read_manifest(path))
    except (Dsvl2Error, OSError) as error:
        return ShelfModel(name, folder, is_built_in, error=str(error))


def new_name(name: str) -> Path:
    """The folder that a new bundle of this name gets.

    Raises:
        UsageError: it cannot be a name, or is that of a built-in model.
    """
    if not is_plain(name):
        raise UsageError(f"{name!r} cannot be the name of a model; use letters, digits, - and _, and no path")
    if name in built_in_models():
        raise UsageError(f"{name!r} is the name of a built-in model; give another one with --name")
    return models_folder() / name


def import_bundle(
    source: Path,
    name: str | None = None,
    *,
    overwrite: bool = False,
    on_progress: VerifyProgress = lambda done, total: None,
) -> Path:
    """Copy a bundle to the shelf; it appears there when every byte of the copy has been compared with its sum.

    Args:
        source: its folder.
        name: on the shelf; by default that of the folder.
        overwrite: replace a bundle of this name.
        on_progress: told (bytes copied and compared, bytes in all).

    Returns:
        The new folder.

    Raises:
        UsageError: the name cannot be used, or is taken.
        ModelNotFoundError, ModelCorruptError: `source` is no bundle, or a file is damaged.
        ResourceError: the disk has not enough room, or cannot be read or written.
        BusyError: another process writes a bundle of this name.
    """
    bundle = Bundle.open(source)
    out = new_name(source.resolve().name if name is None else name)
    if source.resolve() == out.resolve():
        raise UsageError(f"{source} is on the shelf already")
    if out.exists() and not overwrite:
        raise UsageError(f"there is a model {out.name!r} already; give another --name, or --force to replace it")
    files = bundle.manifest.files
    total = sum(entry.size for entry in files)
    require_disk(out, total)
    with new_folder(out, overwrite=overwrite) as folder:
        done = 0

        def copied(size: int) -> None:
            nonlocal done
            done += size
            on_progress(done, 2 * total)

        for entry in files:
            (folder / entry.path).parent.mkdir(parents=True, exist_ok=True)
            _copy(source / entry.path, folder / entry.path, copied)
        _copy(source / MANIFEST, folder / MANIFEST, lambda size: None)
        check_sums(
            folder, files, source / MANIFEST, "copy the bundle again from where it came from",
            lambda size, _: on_progress(total + size, 2 * total),
        )  # fmt: skip
    return out


def _copy(source: Path, out: Path, on_bytes: Callable[[int], None]) -> None:
    with read_errors(source):
        file = source.open("rb")
    with file, disk_errors(out), out.open("wb") as copy:
        while piece := file.read(COPY_BYTES):
            copy.write(piece)
            on_bytes(len(piece))


def named_bundle(name: str) -> Path:
    """The folder of a bundle on the shelf that may be removed.

    Raises:
        UsageError: it is built in, a link, or something else than a bundle.
        ModelNotFoundError: there is none of this name.
    """
    if name in built_in_models():
        raise UsageError(f"{name!r} is built in and cannot be removed; it goes with the package")
    if not is_plain(name):
        raise UsageError(f"{name!r} is no name of a model; `ls` shows the names, and other folders are not removed")
    folder = models_folder() / name
    if not folder.is_dir():
        raise ModelNotFoundError(folder, "no such model", "see the names with `dsvl2-onnx ls`")
    if folder.is_symlink():
        raise UsageError(f"{folder} is a link; remove the link yourself")
    if not (folder / MANIFEST).is_file():
        raise UsageError(f"{folder} has no {MANIFEST}, so it is no bundle; look into it and remove it yourself")
    return folder


def remove_bundle(name: str) -> int:
    """Delete a bundle of the shelf; returns how many bytes are free again.

    Only what its manifest lists is known to be ours, so a bundle in which another file lies is left alone.

    Raises:
        UsageError, ModelNotFoundError: as `named_bundle`, or it holds a file that it does not list.
        BusyError: another process writes it.
        ResourceError: it cannot be deleted.
    """
    folder = named_bundle(name)
    with suppress(ModelCorruptError):  # a broken manifest lists nothing; its folder goes as a whole
        _refuse_strangers(folder)
    return _delete(folder)


def remove_bundle_elsewhere(folder: Path) -> int:
    """As `remove_bundle`, for a bundle anywhere; there only a manifest that can be read says that a folder is one.

    Raises:
        ModelNotFoundError, ModelCorruptError: it is no bundle, so nothing is deleted.
        UsageError: it is a link, or holds a file that it does not list.
        BusyError: another process writes it.
        ResourceError: it cannot be deleted.
    """
    if folder.is_symlink():
        raise UsageError(f"{folder} is a link; remove the link yourself")
    if not (folder / MANIFEST).is_file():
        raise ModelNotFoundError(folder, f"there is no {MANIFEST}, so it is no bundle", "choose a bundle's folder")
    _refuse_strangers(folder)
    return _delete(folder)


def _files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()}


def _refuse_strangers(folder: Path) -> None:
    listed = {MANIFEST, *(entry.path for entry in read_manifest(folder / MANIFEST).files)}
    if strangers := sorted(_files(folder) - listed):
        raise UsageError(f"{folder / strangers[0]} does not belong to the bundle; move it elsewhere first")


def _delete(folder: Path) -> int:
    freed = sum((folder / path).lstat().st_size for path in _files(folder))
    with only_writer(folder), disk_errors(folder):
        leaving = folder.with_name(f"{LEAVING}{folder.name}")
        if leaving.exists():
            shutil.rmtree(leaving)
        folder.rename(leaving)  # at once; what is killed in the middle leaves no half bundle with a name
        shutil.rmtree(leaving)
        if unfinished(folder).exists():
            shutil.rmtree(unfinished(folder))
    return freed

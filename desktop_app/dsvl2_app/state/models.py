"""The models that the window knows: what each is, what it needs, and whether that fits this computer."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from dsvl2_runtime.bundle.bundle import Bundle
from dsvl2_runtime.bundle.export_plan import ExportPlan
from dsvl2_runtime.bundle.manifest import MANIFEST
from dsvl2_runtime.bundle.model_names import DEFAULT_MODEL, find_model, models_folder
from dsvl2_runtime.bundle.shelf import list_models, remove_bundle, remove_bundle_elsewhere
from dsvl2_runtime.cli.exit_codes import EXTRA_OF_MODULE
from dsvl2_runtime.engine.wire_error import WireError, wire_error
from dsvl2_runtime.errors import Dsvl2Error, ModelNotFoundError, ResourceError
from dsvl2_runtime.machine.files import bytes_in
from dsvl2_runtime.machine.own_modules import module_arguments

CHECKPOINT_CONFIG = "config.json"
EXPORT_EXTRA = "export"
SECONDS = 120.0
"""For a look at a model, which takes one or two."""
FolderKind = Literal["bundle", "checkpoint", "neither"]


@dataclass(frozen=True, slots=True)
class KnownModel:
    """One model, in bytes where nothing else is said."""

    folder: Path
    name: str
    is_demo: bool = False
    precision: str = ""
    note: str = ""
    disk: int = 0
    needed: int = 0
    """Memory."""
    available: int = 0
    memory: int = 0
    """Of this computer."""
    error: WireError | None = None
    """Why it cannot be used."""

    @property
    def fits(self) -> bool:
        """Whether it can be loaded now."""
        return self.error is None and self.needed <= self.available


def demo_folder() -> Path:
    """The demonstration model's."""
    return find_model(DEFAULT_MODEL).absolute()


def known_folders(added: Sequence[str]) -> list[Path]:
    """The demonstration, what was converted here, and what was added; each once."""
    shelf = [model.folder for model in list_models() if not model.is_built_in and (model.folder / MANIFEST).is_file()]
    return list(dict.fromkeys([demo_folder(), *shelf, *map(Path, added)]))


def kind_of(folder: Path) -> FolderKind:
    """What a folder that a user has chosen holds."""
    if (folder / MANIFEST).is_file():
        return "bundle"
    has_weights = any(path.suffix == ".safetensors" for path in _files(folder))
    return "checkpoint" if has_weights and (folder / CHECKPOINT_CONFIG).is_file() else "neither"


def _files(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []


def program(*arguments: str) -> list[str]:
    """The command line of this program as a list, for a process of its own."""
    return [sys.executable, *module_arguments("dsvl2_runtime.cli.main"), *arguments]


def look_at(folder: Path) -> KnownModel:
    """What a bundle is and needs. It takes a second or two in another process, so it is for a thread."""
    is_demo = folder == demo_folder()
    name = DEFAULT_MODEL if is_demo else folder.name
    try:
        found = _json_of(program("doctor", "--format", "json", "--model", str(folder)), folder)
        model, machine = found["model"], found["machine"]
        return KnownModel(
            folder=folder,
            name=name,
            is_demo=is_demo,
            precision=str(model["precision"]),
            note=Bundle.open(folder).manifest.note,
            disk=bytes_in(folder),
            needed=int(model["needs"]["total"]),
            available=int(machine["available_bytes"]),
            memory=int(machine["memory_bytes"]),
        )
    except Dsvl2Error as error:
        return KnownModel(folder, name, is_demo, disk=bytes_in(folder), error=wire_error(error))


def plan_conversion(checkpoint: Path, out: Path, precision: str) -> ExportPlan:
    """What converting a checkpoint will make; raises like `look_at` tells."""
    command = program("export", str(checkpoint), "--out", str(out), "--precision", precision, "--plan")
    return ExportPlan(**_json_of(command, checkpoint))


def _json_of(command: Sequence[str], about: Path) -> dict[str, Any]:
    """The object that a verb prints.

    Raises:
        ModelNotFoundError: with what it said instead, where the model is the reason.
        ResourceError: it could not be run.
    """
    try:
        done = subprocess.run(  # noqa: S603 - our own program, and the folder is an argument of its own
            command, capture_output=True, encoding="utf-8", errors="replace", timeout=SECONDS, check=False
        )
        if done.returncode == 0:
            found: dict[str, Any] = json.loads(done.stdout)
            return found
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        raise ResourceError(f"{about} could not be looked at: {error}; try again") from error
    said = (done.stderr.strip().splitlines() or [f"code {done.returncode}"])[-1].removeprefix("dsvl2-onnx: ")
    raise ModelNotFoundError(about, said.removeprefix(f"{about}: "), "choose another folder")


def missing_extra() -> str | None:
    """The extra that conversion needs and that is not installed; None if it is."""
    modules = (name for name, extra in EXTRA_OF_MODULE.items() if extra == EXPORT_EXTRA)
    return EXPORT_EXTRA if any(find_spec(name) is None for name in modules) else None


def verify(folder: Path, on_progress: Callable[[int, int], None]) -> int:
    """Compare all sums of a bundle; returns the number of its files.

    Raises:
        ModelNotFoundError, ModelCorruptError: it is not as it was written.
    """
    bundle = Bundle.open(folder)
    bundle.verify(on_progress)
    return len(bundle.manifest.files)


def delete_bundle(folder: Path) -> None:
    """Delete a bundle, which disappears at once or stays whole; see `shelf.remove_bundle`."""
    if folder.parent == models_folder():
        remove_bundle(folder.name)
    else:
        remove_bundle_elsewhere(folder)

"""Names of models that packages bring with them, such as `demo`, beside plain folders."""

from __future__ import annotations

import os
from contextlib import suppress
from importlib.metadata import entry_points
from pathlib import Path

from platformdirs import user_data_path

from dsvl2_runtime.errors import ModelNotFoundError

MODEL_GROUP = "dsvl2_onnx.models"
"""Entry points whose value is the folder of a bundle."""

DEFAULT_MODEL = "demo"
FORBIDDEN = '/\\:*?"<>|\x7f'
"""Characters that a path or a name on Windows must not have."""
LONGEST_NAME = 100
"""Bytes; hidden neighbours have longer ones."""
FOLDER_VARIABLE = "DSVL2_MODELS"
"""Of the environment: the folder of models, where it is not the usual one."""


def models_folder() -> Path:
    """The one folder whose bundles have names: where `import` and `pull` put them.

    Among the user's data and not in a cache: ten gigabytes must not be tidied away.
    """
    named = os.environ.get(FOLDER_VARIABLE)
    return Path(named).expanduser() if named else Path(user_data_path("dsvl2-onnx")) / "models"


def built_in_models() -> dict[str, Path]:
    """Name to folder of the models that packages bring; a folder may have been lost."""
    return {entry.name: entry.load() for entry in entry_points(group=MODEL_GROUP)}


def model_names() -> list[str]:
    """All names that `find_model` knows, sorted; whether they are whole is not looked at."""
    names = {entry.name for entry in entry_points(group=MODEL_GROUP)}
    with suppress(OSError):  # there may be no such folder
        names |= {entry.name for entry in os.scandir(models_folder()) if is_plain(entry.name) and entry.is_dir()}
    return sorted(names)


def find_model(name: str | Path) -> Path:
    """The folder of a model that is given by name or by path.

    A name is that of a built-in model or of a bundle in the folder of models; write `./demo` for a folder here that is
    called like it.

    Raises:
        ModelNotFoundError: a name whose package has lost its bundle.
    """
    if isinstance(name, str):
        for entry in entry_points(group=MODEL_GROUP, name=name):
            folder: Path = entry.load()
            if not folder.is_dir():
                raise ModelNotFoundError(
                    folder, f"the bundle of the model {name!r} is missing", "install dsvl2-onnx again"
                )
            return folder
        if is_plain(name) and (models_folder() / name).is_dir():
            return models_folder() / name
    return Path(name)


def is_plain(name: str) -> bool:
    """Whether a text may be the name of a bundle in the folder of models: one part of a path, on every system."""
    if not name or name.startswith((".", "-", "~")) or name.endswith((".", " ")):
        return False
    if len(name.encode("utf-8", "surrogatepass")) > LONGEST_NAME:
        return False
    return not any(character in FORBIDDEN or ord(character) < 32 for character in name)

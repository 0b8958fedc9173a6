"""Reads a checkpoint in the official layout, one tensor at a time.

The layout: `config.json`, `processor_config.json`, `tokenizer.json`, and safetensors shards with an index, or one
`model.safetensors`. Everything is untrusted: names and shapes are checked against the configuration from the files'
headers before any tensor is read, and nothing outside the folder is opened.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from torch import Tensor

from dsvl2_export.checkpoint.config import read_config
from dsvl2_export.checkpoint.fingerprint import fingerprint
from dsvl2_export.checkpoint.json_files import read_json
from dsvl2_export.checkpoint.quantized import refuse_quantized_config, refuse_quantized_tensors
from dsvl2_export.checkpoint.tensor_names import UNUSED_PREFIX, Shape, expected_tensors
from dsvl2_export.checkpoint.tokenizer import TOKENIZER, read_tokenizer
from dsvl2_export.network import DeepseekVL2, Projector
from dsvl2_export.weight_source import WeightSource, load_into
from dsvl2_runtime.config import ModelConfig
from dsvl2_runtime.errors import ModelCorruptError, ModelNotFoundError, UsageError
from dsvl2_runtime.inputs.tokenizer import IMAGE
from dsvl2_runtime.machine.files import read_errors

log = logging.getLogger(__name__)

CONFIG = "config.json"
PROCESSOR_CONFIG = "processor_config.json"
INDEX = "model.safetensors.index.json"
SINGLE_FILE = "model.safetensors"
FLOAT_DTYPES = frozenset({"BF16", "F16", "F32"})
NAMES_IN_MESSAGE = 8


@dataclass(frozen=True)
class Checkpoint:
    """An opened checkpoint whose tensors are known to be the expected ones."""

    folder: Path
    config: ModelConfig
    note: str
    """Value of our own key `dsvl2_note` in `config.json`, a sentence about the weights; or empty."""
    _tokenizer: bytes = field(repr=False)
    _shards: Mapping[str, Path] = field(repr=False)
    """Tensor name to file."""

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Open a checkpoint and check its tokenizer, and every tensor's name, shape and type from the headers.

        Raises:
            ModelNotFoundError: the folder or one of its files is missing.
            ModelCorruptError: a file cannot be read, the tokenizer does not suit the configuration, or tensors are
                missing, unknown or of the wrong shape.
        """
        if not folder.is_dir():
            raise ModelNotFoundError(folder, "no such folder", "give the folder that holds config.json")
        document = read_json(folder / CONFIG)
        note = document.pop("dsvl2_note", "")
        refuse_quantized_config(folder / CONFIG, document)
        try:
            read = read_config(document)
        except UsageError as error:
            raise ModelCorruptError(folder / CONFIG, str(error), "is this a DeepSeek-VL2 checkpoint?") from error
        config = read.config
        if read.unknown or read.without_effect:
            counted = f"{len(read.without_effect)} keys that do not change the model are ignored"
            named = f"; not understood: {_name_first(read.unknown)}" if read.unknown else ""
            log.warning("%s: %s%s", folder / CONFIG, counted, named)
        _check_processor(folder / PROCESSOR_CONFIG, config)
        tokenizer = read_tokenizer(folder, config.language_config)
        shards = _shards(folder)
        _check_tensors(folder, shards, expected_tensors(config))
        return cls(folder, config, str(note), tokenizer, shards)

    @property
    def tokenizer_path(self) -> Path:
        """The checkpoint's `tokenizer.json`; a bundle may need more tokens (`write_tokenizer`)."""
        return self.folder / TOKENIZER

    @property
    def identity(self) -> str:
        """A fingerprint of the files, samples of every tensor included.

        Raises:
            ResourceError: one of them cannot be read.
        """
        with read_errors(self.folder / CONFIG):
            config = (self.folder / CONFIG).read_bytes()
        return f"checkpoint {fingerprint(set(self._shards.values()), [config, self._tokenizer])}"

    def tensor(self, name: str) -> Tensor:
        """One tensor as stored, read from its shard now.

        Raises:
            ModelCorruptError: it cannot be read, or holds values that are not finite.
        """
        path = self._shards[name]
        try:
            with safe_open(path, framework="pt") as file:
                tensor: Tensor = file.get_tensor(name)
        except (SafetensorError, OSError) as error:
            raise ModelCorruptError(path, f"tensor {name} cannot be read ({error})", "download it again") from error
        # NaN carries through to both ends; asking `isfinite` of every value takes ten times as long, and memory.
        if not all(math.isfinite(end) for end in torch.aminmax(tensor)):
            raise ModelCorruptError(path, f"tensor {name} holds values that are not finite", "download it again")
        return tensor

    def array(self, name: str) -> NDArray[np.float32]:
        """One tensor as float32."""
        array: NDArray[np.float32] = self.tensor(name).to(torch.float32).numpy()
        return array

    def write_tokenizer(self, folder: Path) -> None:
        """Write the tokenizer into a folder, added tokens that another file names included."""
        (folder / TOKENIZER).write_bytes(self._tokenizer)


def load_network(source: WeightSource) -> DeepseekVL2:
    """The whole reference network in fp32; only for models that fit in memory."""
    network = DeepseekVL2(source.config)
    load_into(source, network)
    return network.eval()


def load_projector(source: WeightSource) -> Projector:
    """The projector in fp32."""
    projector = Projector(source.config)
    load_into(source, projector, "projector.")
    return projector.eval()


def _check_processor(path: Path, config: ModelConfig) -> None:
    """Refuse a processor that prepares images or prompts in another way than the runtime does."""
    found = read_json(path)
    expected = {
        "patch_size": config.vision_config.patch_size,
        "downsample_ratio": config.projector_config.downsample_ratio,
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.5, 0.5, 0.5],
        "normalize": True,
        "candidate_resolutions": [list(pair) for pair in config.candidate_resolutions],
        "image_token": IMAGE,
        "sft_format": "deepseek",
    }
    for key, value in expected.items():
        if found.get(key, value) != value:
            raise ModelCorruptError(path, f"{key} is {found[key]}, not {value}", "this preprocessing is not supported")


def _shards(folder: Path) -> dict[str, Path]:
    """Tensor name to file, from the index or, without one, from the single file."""
    if not (folder / INDEX).is_file():
        single = folder / SINGLE_FILE
        if not single.is_file():
            found = "neither an index nor a single file of weights"
            raise ModelNotFoundError(folder / INDEX, found, "copy *.safetensors and the index into the folder")
        return dict.fromkeys(_header(single), single)
    weight_map = read_json(folder / INDEX).get("weight_map")
    if not isinstance(weight_map, dict) or not all(isinstance(file, str) for file in weight_map.values()):
        raise ModelCorruptError(folder / INDEX, "no weight_map of names to files", "download it again")
    shards: dict[str, Path] = {}
    for file in sorted(set(weight_map.values())):
        if Path(file).name != file:
            raise ModelCorruptError(folder / INDEX, f"it names {file!r}, outside the folder", "do not trust this file")
        if not (folder / file).is_file():
            raise ModelNotFoundError(folder / file, "missing, but named in the index", "download it")
        held = _header(folder / file).keys()
        shards.update({name: folder / file for name in held if weight_map.get(name, file) == file})
        wrong = [name for name, where in weight_map.items() if where == file and name not in held]
        if wrong:
            raise ModelCorruptError(
                folder / file, f"it lacks {_name_first(wrong)} that the index names", "download it again"
            )
    return shards


def _header(path: Path) -> dict[str, tuple[str, Shape]]:
    """Name to (dtype, shape) of one safetensors file; its offsets are checked by the library against its size."""
    try:
        with safe_open(path, framework="pt") as file:
            slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118  not a mapping
            return {name: (entry.get_dtype(), tuple(entry.get_shape())) for name, entry in slices.items()}
    except (SafetensorError, OSError) as error:
        raise ModelCorruptError(path, f"not a whole safetensors file ({error})", "download it again") from error


def _check_tensors(folder: Path, shards: Mapping[str, Path], expected: Mapping[str, Shape]) -> None:
    found: dict[str, tuple[str, Shape]] = {}
    for path in sorted(set(shards.values())):
        found.update({name: entry for name, entry in _header(path).items() if shards[name] == path})
    refuse_quantized_tensors(folder, {name: dtype for name, (dtype, _) in found.items()}, expected)
    faults = []
    missing = [name for name in expected if name not in found]
    unknown = [name for name in found if name not in expected and not name.startswith(UNUSED_PREFIX)]
    wrong = [
        f"{name} is {list(found[name][1])}, not {list(shape)}"
        for name, shape in expected.items()
        if name in found and found[name][1] != shape
    ]
    not_float = [
        f"{name} is {found[name][0]}" for name in expected if name in found and found[name][0] not in FLOAT_DTYPES
    ]
    for what, names in (
        ("missing", missing),
        ("unknown", unknown),
        ("of the wrong shape", wrong),
        ("not BF16, F16 or F32", not_float),
    ):
        if names:
            faults.append(f"{len(names)} tensors {what}: {_name_first(names)}")
    if faults:
        raise ModelCorruptError(folder, "; ".join(faults), "is config.json the one of these weights?")


def _name_first(names: Iterable[str]) -> str:
    """The first few names, and the number of the others."""
    names = list(names)
    more = len(names) - NAMES_IN_MESSAGE
    return ", ".join(names[:NAMES_IN_MESSAGE]) + (f" and {more} more" if more > 0 else "")

"""Averaged weights as small files that can be carried to where they are published, and what makes them trustworthy.

Every piece says which save it belongs to, how many there are, and the sum of its own tensors: a piece that is missing,
damaged, or of another save is found before anything is made of it.
"""

from __future__ import annotations

import hashlib
import shutil
import uuid
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from dsvl2_runtime.errors import ModelCorruptError
from dsvl2_runtime.machine.files import flush, unfinished

PIECE_BYTES = 15_000_000
"""Of the weights in one file."""
ADVICE = "copy all pieces of the last save again, or train again"


def piece_files(folder: Path) -> list[Path]:
    """The pieces in a folder, in order."""
    return sorted(folder.glob("weights-*.safetensors"), key=lambda path: (len(path.name), path.name))


def write_pieces(weights: Mapping[str, Tensor], folder: Path, room: Path, step: int) -> None:
    """Weights in bf16 as `weights-N.safetensors`, put in place one behind the other when all are written.

    A process that is killed leaves the old ones or the new ones, and nothing else in the folder; only between two
    renames it would leave some of each, which `read_pieces` tells.

    Args:
        weights: by name.
        folder: for the pieces; it may be carried away at any time.
        room: a folder where they are written first.
        step: of the run.
    """
    folder.mkdir(parents=True, exist_ok=True)
    pieces: list[dict[str, Tensor]] = [{}]
    left = PIECE_BYTES
    for name, value in weights.items():
        small = value.detach().bfloat16().cpu().contiguous()
        size = small.numel() * small.element_size()
        if size > left and pieces[-1]:
            pieces.append({})
            left = PIECE_BYTES
        pieces[-1][name] = small
        left -= size
    about = {"save": uuid.uuid4().hex, "step": str(step), "pieces": str(len(pieces))}
    written = []
    for index, piece in enumerate(pieces):
        path = room / f"weights-{index}.safetensors"
        path.write_bytes(save(piece, {**about, "piece": str(index), "sha256": _sum_of(piece)}))
        written.append(path)
    for path in written:
        put_in_place(path, folder / path.name, keep=False)
    for path in piece_files(folder)[len(pieces) :]:
        path.unlink()


def put_in_place(source: Path, target: Path, *, keep: bool = True) -> None:
    """Let a file appear whole under another name, on another disk too.

    Args:
        source: the file.
        target: its place, where an older one may be.
        keep: leave the file where it is as well.
    """
    if not keep:
        flush(source)
        try:
            source.replace(target)
        except OSError:  # another disk
            put_in_place(source, target)
            source.unlink()
        return
    beside = unfinished(target)
    try:
        shutil.copyfile(source, beside)
        flush(beside)
        beside.replace(target)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def read_pieces(folder: Path) -> dict[str, Tensor]:
    """What `write_pieces` wrote; empty if there is nothing.

    Raises:
        ModelCorruptError: a piece is missing, damaged, or of another save than the first.
    """
    weights: dict[str, Tensor] = {}
    files = piece_files(folder)
    first: dict[str, str] = {}
    for index, path in enumerate(files):
        try:
            with safe_open(path, framework="pt") as file:
                about = dict(file.metadata() or {})
                piece = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is no dictionary
        except (SafetensorError, OSError) as error:
            raise ModelCorruptError(path, f"it cannot be read ({error})", ADVICE) from error
        if about.get("sha256") != _sum_of(piece):
            raise ModelCorruptError(path, "its weights are not those that were written", ADVICE)
        first = first or about
        if about.get("piece") != str(index):
            raise ModelCorruptError(folder, f"weights-{index}.safetensors is missing", ADVICE)
        if about["save"] != first["save"]:
            found = f"{path.name} was saved after step {about['step']}, {files[0].name} after step {first['step']}"
            raise ModelCorruptError(folder, found, ADVICE)
        weights |= piece
    if files and len(files) != int(first["pieces"]):
        found = f"it holds {len(files)} of {first['pieces']} pieces, up to {files[-1].name}"
        raise ModelCorruptError(folder, found, ADVICE)
    return weights


def saved_step(folder: Path) -> int | None:
    """After which step the pieces of a folder were saved; None where there are none."""
    for path in piece_files(folder):
        with safe_open(path, framework="pt") as file:
            return int(file.metadata()["step"])
    return None


def _sum_of(piece: Mapping[str, Tensor]) -> str:
    """SHA-256 over names, types, shapes and values."""
    digest = hashlib.sha256()
    for name in sorted(piece):
        tensor = piece[name].contiguous()
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.view(torch.uint8).numpy().tobytes() if tensor.ndim else tensor.float().numpy().tobytes())
    return digest.hexdigest()

"""An interrupted export is resumed only from the very weights that it was begun with."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from dsvl2_export.checkpoint.checkpoint import Checkpoint
from dsvl2_export.exporter import export_bundle
from dsvl2_export.synth.writer import write_synthetic_checkpoint
from dsvl2_runtime.machine.files import sha256
from small_models import MakeCheckpoint, small_config


class Killed(BaseException):
    """What ends the first export."""


def replace_in_place(checkpoint: Path, other: Path) -> None:
    """Put another checkpoint's files under the same names, with the same times."""
    for path in checkpoint.iterdir():
        stat = path.stat()
        assert (other / path.name).stat().st_size == stat.st_size
        shutil.copyfile(other / path.name, path)
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def test_a_checkpoint_replaced_by_one_of_the_same_sizes_and_times_is_noticed(
    tmp_path: Path, checkpoint: MakeCheckpoint
) -> None:
    """A bundle of the layers of both would answer nonsense without an error."""
    mine, other, out = tmp_path / "mine", tmp_path / "other", tmp_path / "out"
    shutil.copytree(checkpoint("small"), mine)
    write_synthetic_checkpoint(other, "small", config=small_config("small"), seed=6)

    def kill(done: int, total: int) -> None:
        if (tmp_path / ".out.partial" / "decoder.journal").exists():
            raise Killed

    with pytest.raises(Killed):
        export_bundle(mine, out, "int4", on_progress=kill)
    assert (tmp_path / ".out.partial" / "decoder.journal").exists()
    replace_in_place(mine, other)
    export_bundle(mine, out, "int4")
    export_bundle(other, tmp_path / "whole", "int4")
    for path in (tmp_path / "whole").iterdir():
        if path.name != "manifest.json":  # it has the name of the bundle
            assert sha256(out / path.name) == sha256(path), path.name


@pytest.mark.parametrize("where", ["first", "middle", "last"])
def test_one_changed_tensor_is_another_identity(tmp_path: Path, checkpoint: MakeCheckpoint, where: str) -> None:
    """Whichever tensor of the file it is, if its values change as training changes them."""
    mine = Path(shutil.copytree(checkpoint("small"), tmp_path / "mine"))
    before = Checkpoint.open(mine).identity
    assert Checkpoint.open(mine).identity == before
    shard = next(mine.glob("*.safetensors"))
    stat, content = shard.stat(), bytearray(shard.read_bytes())
    start = 8 + int.from_bytes(content[:8], "little")
    at = {"first": start, "middle": (start + len(content)) // 2, "last": len(content) - 40_000}[where]
    values = np.frombuffer(content, np.uint16, 20_000, at)
    content[at : at + 40_000] = (values ^ 1).tobytes()  # the last bit of each bf16
    shard.write_bytes(content)
    os.utime(shard, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert Checkpoint.open(mine).identity != before


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [("config.json", "random", "Random"), ("tokenizer.json", '"version": "1.0"', '"version":"1.0" ')],
)
def test_another_text_beside_the_weights_is_another_identity(
    tmp_path: Path, checkpoint: MakeCheckpoint, name: str, old: str, new: str
) -> None:
    """Also of the same length and time."""
    mine = Path(shutil.copytree(checkpoint("small"), tmp_path / "mine"))
    before, path = Checkpoint.open(mine).identity, mine / name
    stat, text = path.stat(), path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new), "utf-8")
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert path.stat().st_size == stat.st_size
    assert Checkpoint.open(mine).identity != before

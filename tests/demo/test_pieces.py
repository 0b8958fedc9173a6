"""Weights in pieces: whole and of one save, or refused with what is wrong with them."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from dsvl2_demo.training import pieces
from dsvl2_demo.training.pieces import PIECE_BYTES, piece_files, put_in_place, read_pieces, write_pieces
from dsvl2_runtime.errors import ModelCorruptError

Weights = dict[str, Tensor]


def weights(seed: int = 0, count: int = 6) -> Weights:
    generator = torch.Generator().manual_seed(seed)
    return {f"layer.{index}": torch.randn(20, 30, generator=generator) for index in range(count)}


@pytest.fixture
def room(tmp_path: Path) -> Path:
    (tmp_path / "room").mkdir()
    return tmp_path / "room"


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two tensors in each."""
    assert PIECE_BYTES < 16_000_000
    monkeypatch.setattr(pieces, "PIECE_BYTES", 2500)


@pytest.fixture
def folder(tmp_path: Path, room: Path) -> Path:
    """Three pieces."""
    out = tmp_path / "out"
    write_pieces(weights(), out, room, 7)
    assert sorted(path.name for path in out.iterdir()) == [f"weights-{number}.safetensors" for number in range(3)]
    return out


def test_pieces_hold_all_weights(folder: Path, room: Path) -> None:
    """In bf16, and nothing else is left anywhere."""
    found = read_pieces(folder)
    assert found.keys() == weights().keys()
    assert all(torch.equal(found[name], value.bfloat16()) for name, value in weights().items())
    assert len(list(folder.iterdir())) == 3
    assert not list(room.iterdir())


def test_a_later_save_replaces_all_pieces_of_an_earlier_one(folder: Path, room: Path) -> None:
    """Also where it has fewer of them."""
    write_pieces(weights(1, 3), folder, room, 8)
    found = read_pieces(folder)
    assert len(piece_files(folder)) == 2
    assert all(torch.equal(found[name], value.bfloat16()) for name, value in weights(1, 3).items())


def test_more_than_ten_pieces_are_read_in_their_order(tmp_path: Path, room: Path) -> None:
    write_pieces(weights(2, 24), tmp_path / "many", room, 1)
    assert len(piece_files(tmp_path / "many")) == 12
    assert read_pieces(tmp_path / "many").keys() == weights(2, 24).keys()


@pytest.mark.parametrize(
    ("missing", "said"),
    [(0, "weights-0.safetensors is missing"), (1, "weights-1.safetensors is missing"), (2, "holds 2 of 3 pieces")],
)
def test_a_missing_piece_is_named(folder: Path, missing: int, said: str) -> None:
    (folder / f"weights-{missing}.safetensors").unlink()
    with pytest.raises(ModelCorruptError, match=said):
        read_pieces(folder)


@pytest.mark.parametrize("length", [0, 5, 100, -1])
def test_a_piece_that_was_cut_is_named(folder: Path, length: int) -> None:
    path = folder / "weights-1.safetensors"
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(ModelCorruptError, match=r"weights-1\.safetensors: it cannot be read"):
        read_pieces(folder)


def test_a_changed_byte_is_found(folder: Path) -> None:
    path = folder / "weights-2.safetensors"
    content = bytearray(path.read_bytes())
    content[-3] ^= 4
    path.write_bytes(content)
    with pytest.raises(ModelCorruptError, match=r"weights-2\.safetensors: its weights are not those"):
        read_pieces(folder)


def test_a_save_that_was_broken_off_between_its_pieces_is_told(
    folder: Path, room: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Weights of two saves are no weights of any."""

    def put_the_first(source: Path, target: Path, *, keep: bool = True) -> None:
        if target.name != "weights-0.safetensors":
            raise KeyboardInterrupt
        put_in_place(source, target, keep=keep)

    monkeypatch.setattr(pieces, "put_in_place", put_the_first)
    with pytest.raises(KeyboardInterrupt):
        write_pieces(weights(1), folder, room, 9)
    with pytest.raises(ModelCorruptError, match=r"was saved after step 7, weights-0\.safetensors after step 9"):
        read_pieces(folder)
    monkeypatch.undo()
    monkeypatch.setattr(pieces, "PIECE_BYTES", 2500)
    write_pieces(weights(1), folder, room, 9)
    assert read_pieces(folder).keys() == weights().keys()


def test_a_save_that_fails_before_its_last_piece_leaves_the_one_before(
    folder: Path, room: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a disk that becomes full, or when the process is killed."""
    written = Path.write_bytes

    def two_only(path: Path, content: bytes) -> int:
        if path.name == "weights-2.safetensors":
            raise OSError(28, "No space left on device")
        return written(path, content)

    monkeypatch.setattr(Path, "write_bytes", two_only)
    with pytest.raises(OSError, match="No space left"):
        write_pieces(weights(1), folder, room, 9)
    found = read_pieces(folder)
    assert all(torch.equal(found[name], value.bfloat16()) for name, value in weights().items())
    assert len(list(folder.iterdir())) == 3


def test_a_file_is_put_on_another_disk_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, target = tmp_path / "source", tmp_path / "out" / "target"
    target.parent.mkdir()
    target.write_text("old")
    source.write_text("new")
    rename = Path.replace

    def only_inside(path: Path, other: Path) -> Path:
        if path.parent != other.parent:
            raise OSError(18, "Invalid cross-device link")
        return rename(path, other)

    monkeypatch.setattr(Path, "replace", only_inside)
    put_in_place(source, target, keep=False)
    assert target.read_text() == "new"
    assert not source.exists()
    assert [path.name for path in target.parent.iterdir()] == ["target"]

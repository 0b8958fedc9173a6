"""How the check of a GPU is made small enough to travel, and that it arrives whole."""

from __future__ import annotations

import struct
import subprocess
import sys
from pathlib import Path

import pytest

from dsvl2_bench.gpu_check.pieces import UNPACK, write_pieces
from dsvl2_bench.gpu_check.slim import CONTAINER_START, MACHINE_CODE, drop_not_needed, keep_code_for

PTX = 1


def container(*entries: tuple[int, int, bytes]) -> bytes:
    """Machine code for several cards, as CUDA's compiler stores it: of each the kind, the generation and the code."""
    body = b""
    for kind, generation, code in entries:
        header = struct.pack("<HHIQ12xI", kind, 0x101, 64, len(code), generation)
        body += header.ljust(64, b"\1") + code
    return CONTAINER_START + struct.pack("<Q", len(body)) + body


def test_code_for_other_cards_is_zeros_and_everything_stays_where_it_was(tmp_path: Path) -> None:
    """Where there is none for the card itself, everything is kept: it may be PTX, or never asked for."""
    before, after = b"before", b"after all"
    several = [(MACHINE_CODE, 80, b"a" * 32), (MACHINE_CODE, 90, b"b" * 24), (PTX, 120, b"c" * 16)]
    other = [(MACHINE_CODE, 120, b"d" * 8), (PTX, 80, b"e" * 8)]
    library = tmp_path / "library.so"
    library.write_bytes(before + container(*several) + container(*other) + after)
    assert keep_code_for(library, 90) == (24 + 16, 32 + 24 + 16 + 16)
    kept = [(MACHINE_CODE, 80, bytes(32)), (MACHINE_CODE, 90, b"b" * 24), (PTX, 120, bytes(16))]
    assert library.read_bytes() == before + container(*kept) + container(*other) + after


def test_code_that_is_stored_in_another_way_is_an_error(tmp_path: Path) -> None:
    """And the library is not used as it is then."""
    library = tmp_path / "library.so"
    whole = container((MACHINE_CODE, 90, b"b" * 24), (MACHINE_CODE, 80, b"a" * 32))
    library.write_bytes(whole[:8] + struct.pack("<Q", len(whole) - 16 - 5) + whole[16:])
    with pytest.raises(ValueError, match="stored in another way"):
        keep_code_for(library, 90)


def test_what_inference_does_not_read_is_dropped(tmp_path: Path) -> None:
    """Both kinds of ONNX Runtime's libraries that Python needs stay."""
    names = ("libonnxruntime.so.1.31.1", "libonnxruntime_providers_tensorrt.so", "libonnxruntime_providers_cuda.so")
    for name in (*names, "libonnxruntime_providers_shared.so", "onnxruntime_pybind11_state.so"):
        (tmp_path / "capi").mkdir(exist_ok=True)
        (tmp_path / "capi" / name).touch()
    (tmp_path / "transformers").mkdir()
    drop_not_needed(tmp_path)
    assert sorted(path.name for path in tmp_path.rglob("*")) == [
        "capi", "libonnxruntime_providers_cuda.so", "libonnxruntime_providers_shared.so",
        "onnxruntime_pybind11_state.so",
    ]  # fmt: skip


def test_pieces_make_the_folder_again(tmp_path: Path) -> None:
    """None is larger than asked for; the command that is printed unpacks them with nothing but Python."""
    folder = tmp_path / "folder"
    (folder / "below").mkdir(parents=True)
    content = bytes(range(256)) * 40
    (folder / "below" / "file").write_bytes(content)
    (folder / "run.sh").write_text("true")
    (folder / "run.sh").chmod(0o755)
    count, size = write_pieces(folder, tmp_path / "pieces", 100)
    pieces = sorted((tmp_path / "pieces").iterdir())
    assert [path.name for path in pieces] == [f"piece-{number:02}" for number in range(count)]
    assert [path.stat().st_size for path in pieces] == [100] * (count - 1) + [size - 100 * (count - 1)]
    there = tmp_path / "there"
    there.mkdir()
    for path in pieces:
        path.rename(there / path.name)
    subprocess.run(["bash", "-c", UNPACK.replace("python3", sys.executable)], cwd=there, check=True)
    assert (there / "folder" / "below" / "file").read_bytes() == content
    assert (there / "folder" / "run.sh").stat().st_mode & 0o100

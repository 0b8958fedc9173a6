"""A sequence in a file and back, and every way in which a file can be wrong."""

from __future__ import annotations

import os
import struct
import sys
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from dsvl2_kernels.library import OFF, SETTING
from dsvl2_runtime import GenerationOptions, VisionLanguageModel, load_model
from dsvl2_runtime.errors import ResourceError, SequenceFileError, UsageError
from dsvl2_runtime.graphs.elements import BFLOAT16, from_float32, to_float32
from dsvl2_runtime.graphs.sequence_file import DIGEST_BYTES, IMAGE, SIZES
from dsvl2_runtime.inputs.prompt import ImagePlace, Message
from dsvl2_runtime.progress import Progress, Watch
from fuzzing import examples
from own_library import need_library
from small_models import VARIANTS, MakeBundle, pictures

QUESTION, NEXT = "What is the total?", "And the date?"
OPTIONS = GenerationOptions(max_new_tokens=6)


@pytest.fixture(scope="module")
def model(bundle: MakeBundle) -> VisionLanguageModel:
    return load_model(bundle("small", "int4"), threads=1)


@pytest.fixture(scope="module")
def wide_model(bundle: MakeBundle) -> VisionLanguageModel:
    """The same bundle with ONNX Runtime's operators, whose cached rows are float32, as on a machine without ours."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(SETTING, OFF)
        return load_model(bundle("small", "int4"), threads=1)


def first_turn(model: VisionLanguageModel) -> tuple[Any, list[Message]]:
    """A sequence with an answered question about an image, and the messages of the next question."""
    sequence = model.new_sequence()
    asked = Message("user", [ImagePlace(), "\n", QUESTION])
    answer = "".join(chunk.text for chunk in model.generate([asked], pictures(1), OPTIONS, sequence=sequence))
    return sequence, [asked, Message("assistant", answer), Message("user", NEXT)]


@pytest.fixture(scope="module")
def saved(model: VisionLanguageModel, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A file's content."""
    path = tmp_path_factory.mktemp("saved") / "sequence"
    model.save_sequence(first_turn(model)[0], path)
    return path.read_bytes()


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_saved_conversation_goes_on_as_if_it_had_not_been_closed(
    variant: str, bundle: MakeBundle, tmp_path: Path
) -> None:
    """In another process's model: the same tokens, and neither image nor first question are read again."""
    model, told = load_model(bundle(variant, "int4"), threads=1), list[Progress]()
    sequence, messages = first_turn(model)
    model.save_sequence(sequence, tmp_path / "saved")
    expected = list(model.generate(messages, pictures(1), OPTIONS, sequence=sequence))
    other = load_model(bundle(variant, "int4"), threads=1)
    loaded = other.load_sequence(tmp_path / "saved")
    assert list(other.generate(messages, pictures(1), OPTIONS, Watch(told.append), loaded)) == expected
    assert "vision" not in {progress.phase for progress in told}


@pytest.mark.parametrize(("row_type", "value_bytes"), [("float32", 4), ("float16", 2)])
def test_what_is_loaded_is_what_was_saved(
    model: VisionLanguageModel, tmp_path: Path, row_type: Literal["float32", "float16"], value_bytes: int
) -> None:
    """Ids, images and rows; in float16 the rows rounded, in half the space."""
    sequence, _ = first_turn(model)
    model.save_sequence(sequence, tmp_path / "saved", row_type)
    loaded = model.load_sequence(tmp_path / "saved")
    assert (loaded.token_ids, loaded.images) == (sequence.token_ids, sequence.images)
    length = sequence.cache.length
    assert loaded.cache.length == length > 0
    for found, kept in zip(loaded.cache.rows(length), sequence.cache.rows(length), strict=True):
        np.testing.assert_array_equal(found, kept.astype(row_type).astype(np.float32))
    values = sum(tensor.row for tensor in sequence.cache.tensors) * length
    assert abs((tmp_path / "saved").stat().st_size - values * value_bytes) < 4000


def test_rows_written_in_one_type_are_read_in_another(
    model: VisionLanguageModel, wide_model: VisionLanguageModel, tmp_path: Path
) -> None:
    """Where our operators are, a file of a machine without them is rounded; the other way nothing is."""
    need_library()
    sequence, _ = first_turn(wide_model)
    wide_model.save_sequence(sequence, tmp_path / "wide")
    narrow, length = model.load_sequence(tmp_path / "wide"), sequence.cache.length
    assert {tensor.dtype for tensor in narrow.cache.tensors} == {"bfloat16"}
    assert narrow.cache.nbytes * 2 == sequence.cache.nbytes
    assert narrow.cache.length == length > 0
    for found, kept in zip(narrow.cache.rows(length), sequence.cache.rows(length), strict=True):
        assert not np.array_equal(found, kept)
        np.testing.assert_array_equal(found, to_float32(from_float32(kept, BFLOAT16).view(np.uint8), BFLOAT16))
    model.save_sequence(narrow, tmp_path / "narrow")
    back = wide_model.load_sequence(tmp_path / "narrow")
    for found, kept in zip(back.cache.rows(length), narrow.cache.rows(length), strict=True):
        np.testing.assert_array_equal(found, kept)


def test_a_value_too_large_for_the_rows_of_this_machine_is_refused(
    model: VisionLanguageModel, wide_model: VisionLanguageModel, tmp_path: Path
) -> None:
    """Instead of an infinity in the cache."""
    need_library()
    sequence, _ = first_turn(wide_model)
    next(sequence.cache.rows(1))[0, 0] = np.finfo(np.float32).max
    wide_model.save_sequence(sequence, tmp_path / "saved")
    with pytest.raises(SequenceFileError, match="too large for bfloat16, which this machine keeps"):
        model.load_sequence(tmp_path / "saved")


def test_int8_rows_are_within_half_a_step(wide_model: VisionLanguageModel, tmp_path: Path) -> None:
    """A step is the largest of 64 values by 127; the file has a byte a value and four for each 64 of a row."""
    model = wide_model
    sequence, _ = first_turn(model)
    length = sequence.cache.length
    next(sequence.cache.rows(length))[0, :] = 0
    model.save_sequence(sequence, tmp_path / "saved", "int8")
    loaded = model.load_sequence(tmp_path / "saved")
    assert (loaded.token_ids, loaded.images) == (sequence.token_ids, sequence.images)
    assert loaded.cache.length == length > 0
    size = 0
    for found, kept in zip(loaded.cache.rows(length), sequence.cache.rows(length), strict=True):
        for start in range(0, kept.shape[1], 64):
            block = kept[:, start : start + 64]
            step = np.abs(block).max(axis=1, keepdims=True) / 127
            assert (np.abs(found[:, start : start + 64] - block) <= 0.50001 * step).all()  # fp32 rounds the product
            size += length * (block.shape[1] + 4)
    assert not np.array_equal(found, kept)
    assert not next(loaded.cache.rows(length))[0].any()
    assert size < (tmp_path / "saved").stat().st_size < size + 4000


def test_int8_has_room_for_what_float16_has_not(wide_model: VisionLanguageModel, tmp_path: Path) -> None:
    """Large and tiny values; what is no number is refused, and what was there before stays."""
    model = wide_model
    sequence, _ = first_turn(model)
    row = next(sequence.cache.rows(1))[0]
    row[:2] = np.finfo(np.float32).max, np.finfo(np.float32).smallest_subnormal
    model.save_sequence(sequence, tmp_path / "saved", "int8")
    assert next(model.load_sequence(tmp_path / "saved").cache.rows(1))[0, 0] == pytest.approx(row[0])
    row[:] = np.finfo(np.float32).smallest_subnormal
    model.save_sequence(sequence, tmp_path / "saved", "int8")
    assert not next(model.load_sequence(tmp_path / "saved").cache.rows(1)).any()
    before = (tmp_path / "saved").read_bytes()
    row[0] = np.nan
    with pytest.raises(UsageError, match="not finite"):
        model.save_sequence(sequence, tmp_path / "saved", "int8")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"saved": before}


def test_an_empty_sequence_can_be_kept_too(model: VisionLanguageModel, tmp_path: Path) -> None:
    """A conversation that has not begun."""
    model.save_sequence(model.new_sequence(), tmp_path / "saved")
    loaded = model.load_sequence(tmp_path / "saved")
    assert (loaded.token_ids, loaded.images, loaded.cache.length) == ([], (), 0)


def test_a_value_too_large_for_float16_is_said(wide_model: VisionLanguageModel, tmp_path: Path) -> None:
    """Instead of an infinity in the file; what was there before stays."""
    model = wide_model
    sequence, _ = first_turn(model)
    next(sequence.cache.rows(1))[0, 0] = 1e6
    (tmp_path / "saved").write_bytes(b"before")
    with pytest.raises(UsageError, match="save it as float32"):
        model.save_sequence(sequence, tmp_path / "saved", "float16")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"saved": b"before"}


def header(content: bytes, **changes: Any) -> bytes:
    """A file with other values in its header, in the names of the docstring of the format."""
    names = ("magic", "version", "value_bytes", "tokens", "rows", "images", "tensors", "manifest")
    values = dict(zip(names, SIZES.unpack(content[: SIZES.size]), strict=True)) | changes
    return SIZES.pack(*values.values()) + content[SIZES.size :]


MANY = 2**32 - 1
LAYOUT = SIZES.size + DIGEST_BYTES


@pytest.mark.parametrize(
    ("damage", "found"),
    [
        (lambda saved: b"", "ends too early"),
        (lambda saved: saved[:30], "ends too early"),
        (lambda saved: saved[:100], "bytes, but its header means"),
        (lambda saved: saved[:-1], "bytes, but its header means"),
        (lambda saved: saved + b"\0", "bytes, but its header means"),
        (lambda saved: b"\0" * len(saved), "not a saved sequence"),
        (lambda saved: header(saved, version=2), "cannot read"),
        (lambda saved: header(saved, value_bytes=8), "cannot read"),
        (lambda saved: header(saved, manifest=bytes(32)), "another model"),
        (lambda saved: header(saved, tokens=MANY), "do not fit the model"),
        (lambda saved: header(saved, rows=MANY), "do not fit the model"),
        (lambda saved: header(saved, images=MANY), "do not fit the model"),
        (lambda saved: header(saved, tensors=MANY), "do not fit the model"),
        (lambda saved: header(saved, value_bytes=2), "bytes, but its header means"),
        (lambda saved: saved[:LAYOUT] + b"\xff" + saved[LAYOUT + 1 :], "another layout"),
        (lambda saved: saved[:-4] + struct.pack("<f", np.nan), "not finite"),
        (lambda saved: saved[:-4] + struct.pack("<f", 1.25), "not what was saved"),
    ],
)  # fmt: skip
def test_a_damaged_file_is_refused(
    model: VisionLanguageModel, tmp_path: Path, saved: bytes, damage: Any, found: str
) -> None:
    """With its name and what is wrong with it, and before its sizes are believed."""
    path = tmp_path / "saved"
    path.write_bytes(damage(saved))
    with pytest.raises(SequenceFileError, match=found) as caught:
        model.load_sequence(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("damage", "found"),
    [
        (lambda saved, at: saved[:-1], "bytes, but its header means"),
        (lambda saved, at: header(saved, value_bytes=2), "bytes, but its header means"),
        (lambda saved, at: saved[:at] + struct.pack("<f", np.nan) + saved[at + 4 :], "not finite"),
        (lambda saved, at: saved[:at] + struct.pack("<f", np.inf) + saved[at + 4 :], "not finite"),
        (lambda saved, at: saved[:at] + struct.pack("<f", 3e38) + saved[at + 4 :], "not finite"),
        (lambda saved, at: saved[:at] + struct.pack("<f", -1) + saved[at + 4 :], "not what was saved"),
        (lambda saved, at: saved[:-1] + bytes([saved[-1] ^ 1]), "not what was saved"),
    ],
)  # fmt: skip
def test_a_damaged_file_of_int8_is_refused(model: VisionLanguageModel, tmp_path: Path, damage: Any, found: str) -> None:
    """Scales too, and products of a scale and a value that no float32 holds."""
    sequence, path = first_turn(model)[0], tmp_path / "saved"
    model.save_sequence(sequence, path, "int8")
    tensors, images = len(sequence.cache.tensors), len(sequence.images)
    first_scale = LAYOUT + 4 * tensors + 4 * len(sequence.token_ids) + IMAGE.size * images
    path.write_bytes(damage(path.read_bytes(), first_scale))
    with pytest.raises(SequenceFileError, match=found):
        model.load_sequence(path)


def test_ids_and_images_beyond_the_model_are_refused(model: VisionLanguageModel, tmp_path: Path) -> None:
    """Even in a file whose digest is right."""
    sequence, _ = first_turn(model)
    (image,) = sequence.images
    for ids, images, found in (
        ([640], (), "token 640"),
        ([5, 6], (type(image)(1, 3, image.sha256, (1, 1)),), "positions 1 to 3"),
        ([5, 6], (type(image)(1, 1, image.sha256, (1, 1)),), "positions 1 to 1"),
    ):
        other = model.new_sequence()
        other.token_ids, other.images = ids, images
        model.save_sequence(other, tmp_path / "saved")
        with pytest.raises(SequenceFileError, match=found):
            model.load_sequence(tmp_path / "saved")


@examples(60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 10**9), st.integers(1, 255))
def test_no_changed_byte_goes_unnoticed(
    model: VisionLanguageModel, tmp_path: Path, saved: bytes, at: int, change: int
) -> None:
    """Wherever it is."""
    damaged = bytearray(saved)
    damaged[at % len(saved)] ^= change
    (tmp_path / "saved").write_bytes(damaged)
    with pytest.raises(SequenceFileError):
        model.load_sequence(tmp_path / "saved")


def test_a_file_of_another_model_is_refused(bundle: MakeBundle, tmp_path: Path, saved: bytes) -> None:
    """Also of another precision of the same model, whose rows are others."""
    (tmp_path / "saved").write_bytes(saved)
    with pytest.raises(SequenceFileError, match="another model"):
        load_model(bundle("small", "int8"), threads=1).load_sequence(tmp_path / "saved")


def test_what_is_no_file_is_refused(model: VisionLanguageModel, tmp_path: Path) -> None:
    """A missing one, a folder, and a pipe, which would be waited for."""
    paths = [tmp_path / "missing", tmp_path, tmp_path / ("long" * 100), Path("nul\0l")]
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe")
        paths.append(tmp_path / "pipe")
    for path in paths:
        with pytest.raises((SequenceFileError, ResourceError)):
            model.load_sequence(path)


@pytest.mark.parametrize(
    "failure", [OSError(28, "No space left on device"), KeyboardInterrupt()], ids=["full", "ctrl-c"]
)
def test_a_save_that_fails_leaves_what_was_there(
    model: VisionLanguageModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failure: BaseException
) -> None:
    """The old file, and no half of a new one beside it."""
    path = tmp_path / "saved"
    path.write_bytes(b"before")

    def fail(*_: object) -> None:
        raise failure

    monkeypatch.setattr(os, "fsync", fail)
    expected = ResourceError if isinstance(failure, OSError) else KeyboardInterrupt
    with pytest.raises(expected):
        model.save_sequence(first_turn(model)[0], path)
    assert {found.name: found.read_bytes() for found in tmp_path.iterdir()} == {"saved": b"before"}


@pytest.mark.skipif(sys.platform == "win32", reason="permissions differ there")
def test_only_the_owner_may_read_a_conversation(model: VisionLanguageModel, tmp_path: Path) -> None:
    """Whatever the process's mask allows."""
    mask = os.umask(0)
    try:
        model.save_sequence(model.new_sequence(), tmp_path / "saved")
    finally:
        os.umask(mask)
    assert (tmp_path / "saved").stat().st_mode & 0o777 == 0o600

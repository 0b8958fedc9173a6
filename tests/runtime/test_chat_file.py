"""A saved conversation is an untrusted file: every way in which it can be wrong."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from dsvl2_runtime import GenerationOptions, VisionLanguageModel, Watch, load_model
from dsvl2_runtime.answers.chat_file import DIGEST_BYTES, IMAGE, SIZES
from dsvl2_runtime.errors import ResourceError, SequenceFileError
from dsvl2_runtime.inputs.prompt import locate
from dsvl2_runtime.progress import Progress
from fuzzing import examples
from small_models import MakeBundle, pictures

OPTIONS = GenerationOptions(max_new_tokens=6)


@pytest.fixture(scope="module")
def model(bundle: MakeBundle) -> VisionLanguageModel:
    return load_model(bundle("small", "int4"), threads=1)


@pytest.fixture(scope="module")
def saved(model: VisionLanguageModel, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A file's content."""
    chat = model.chat("Be brief.", drop_oldest=True)
    chat.ask("What \ud800 is it?", pictures(1), OPTIONS).read()
    chat.ask(locate("Save"), (), OPTIONS).read()
    path = tmp_path_factory.mktemp("saved") / "talk"
    chat.save(path)
    if os.name == "posix":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    return path.read_bytes()


def resigned(content: bytes, change: Callable[[bytearray], Any]) -> bytes:
    """Changed messages or images under a digest that fits again."""
    messages_size, num_images = SIZES.unpack(content[: SIZES.size])[2:]
    start = SIZES.size + DIGEST_BYTES
    end = start + messages_size
    for _ in range(num_images):
        num_tiles = IMAGE.unpack(content[end : end + IMAGE.size])[2]
        end += IMAGE.size + num_tiles * 70 * 70 * 3
    head, body, rest = bytearray(content[: SIZES.size]), bytearray(content[start:end]), content[end:]
    change(body)
    digest = hashlib.sha256(bytes(head) + bytes(body)).digest()
    return bytes(head) + digest + bytes(body) + rest


def with_messages(content: bytes, change: Callable[[dict[str, Any]], Any]) -> bytes:
    """Changed messages, filled up with blanks to their old length."""
    size = SIZES.unpack(content[: SIZES.size])[2]

    def rewrite(body: bytearray) -> None:
        document = json.loads(bytes(body[:size]))
        change(document)
        text = json.dumps(document, separators=(",", ":")).encode()
        assert len(text) <= size
        body[:size] = text.ljust(size)

    return resigned(content, rewrite)


def test_what_is_resumed_is_what_was_saved(model: VisionLanguageModel, saved: bytes, tmp_path: Path) -> None:
    """Messages with their special tokens, images, and whether turns may be dropped; saving again gives the same."""
    path = tmp_path / "talk"
    path.write_bytes(saved)
    chat = model.resume(path)
    assert [message.role for message in chat.messages] == ["system", "user", "assistant", "user", "assistant"]
    assert "What \ud800 is it?" in chat.messages[1].content
    assert list(chat.messages[3].content) == locate("Save")
    assert chat.drop_oldest
    assert chat.num_images == 1
    chat.save(tmp_path / "again")
    again = model.resume(tmp_path / "again")
    assert again.messages == chat.messages
    assert again.ask("And?", (), OPTIONS).read().token_ids == chat.ask("And?", (), OPTIONS).read().token_ids


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        (lambda content: b"", "ends too early"),
        (lambda content: content[:20], "ends too early"),
        (lambda content: b"DSVL2SEQ" + content[8:], "not a saved conversation"),
        (lambda content: content[:8] + struct.pack("<I", 9) + content[12:], "its form is 9"),
        (lambda content: content[:12] + struct.pack("<I", 2**32 - 1) + content[16:], "do not fit the model"),
        (lambda content: content[:16] + struct.pack("<I", 2**32 - 1) + content[20:], "do not fit the model"),
        (lambda content: content[:12] + struct.pack("<I", 15_000_000) + content[16:], "ends too early"),
        (lambda content: content[:60] + b"#" + content[61:], "not what was saved"),
        (lambda content: content[:-1], "its header means"),
        (lambda content: content + b"x", "its header means"),
        (lambda content: resigned(content, lambda body: body.__setitem__(slice(0, 5), b"{{{{{")), "are damaged"),
        (lambda content: with_messages(content, lambda all_: all_.update(drop_oldest=5)), "are damaged"),
        (lambda content: with_messages(content, lambda all_: all_.update(x=1, system="")), "are damaged"),
        (lambda content: with_messages(content, lambda all_: all_["turns"].pop(0)), "other places for images"),
        (
            lambda content: with_messages(content, lambda all_: all_["turns"][0]["question"].pop(0)),
            "other places for images",
        ),
        (
            lambda content: with_messages(
                content, lambda all_: all_["turns"][1].update(answer=[["image", ""]], question=[])
            ),
            "other places for images",
        ),
        (
            lambda content: with_messages(
                content, lambda all_: all_["turns"][1].update(answer=[["special", "<image>"]])
            ),
            "does not belong into a message",
        ),
    ],
)  # fmt: skip
def test_a_damaged_file_is_refused_with_its_fault(
    model: VisionLanguageModel, saved: bytes, tmp_path: Path, change: Callable[[bytes], bytes], wrong: str
) -> None:
    path = tmp_path / "talk"
    path.write_bytes(change(saved))
    with pytest.raises(SequenceFileError, match=wrong) as caught:
        model.resume(path)
    assert caught.value.exit_code == 4
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("sizes", [(0, 90, 4), (170, 90, 1), (170, 90, 2**32 - 1)])
def test_an_image_with_impossible_tiles_is_refused(
    model: VisionLanguageModel, saved: bytes, tmp_path: Path, sizes: tuple[int, int, int]
) -> None:
    """Before memory is taken for them."""
    at = SIZES.size + DIGEST_BYTES + SIZES.unpack(saved[: SIZES.size])[2]
    (tmp_path / "talk").write_bytes(saved[:at] + struct.pack("<3I", *sizes) + saved[at + 12 :])
    with pytest.raises(SequenceFileError, match="which cannot be"):
        model.resume(tmp_path / "talk")


def test_a_file_of_another_model_is_refused(bundle: MakeBundle, saved: bytes, tmp_path: Path) -> None:
    (tmp_path / "talk").write_bytes(saved)
    with pytest.raises(SequenceFileError, match="another model"):
        load_model(bundle("small", "fp32"), threads=1).resume(tmp_path / "talk")


def test_a_file_cannot_give_an_image_the_features_of_another(
    model: VisionLanguageModel, saved: bytes, tmp_path: Path
) -> None:
    """Its tiles are changed and keep the image's name: what is kept for that image stays right."""
    size = SIZES.unpack(saved[: SIZES.size])[2]
    content = resigned(saved, lambda body: body.__setitem__(slice(size + IMAGE.size, len(body)), bytes(
        len(body) - size - IMAGE.size)))  # fmt: skip
    (tmp_path / "talk").write_bytes(content)
    model.image_cache.clear()
    forged = model.resume(tmp_path / "talk")
    forged.ask("And?", pictures(3)[1:], OPTIONS).read()  # all three as one tile, so they are encoded again
    model_input = model.prepare("What?", pictures(1)).images
    found = model.image_cache.encode(model.components.vision, model_input)
    np.testing.assert_array_equal(found[0], model.components.vision.encode(model_input)[0])


def test_an_image_that_was_taken_back_is_not_saved(model: VisionLanguageModel, tmp_path: Path) -> None:
    """The sequence still names it; the next question of the resumed conversation does not see it."""
    chat, images = model.chat(), pictures(2)
    chat.ask("What?", images[:1], OPTIONS).read()
    prompt_read = list[Progress]()
    watch = Watch(prompt_read.append, lambda: bool(prompt_read) and prompt_read[-1].phase == "prefill")
    assert not chat.ask("And?", images[1:], OPTIONS, watch).read().text
    chat.save(tmp_path / "talk", "float32")
    resumed = model.resume(tmp_path / "talk")
    assert resumed.num_images == chat.num_images == 1
    assert resumed.ask("Who?", (), OPTIONS).read().token_ids == chat.ask("Who?", (), OPTIONS).read().token_ids


@pytest.mark.parametrize("name", ["missing", ".", "missing/file", "a\0b"])
def test_what_is_no_file_is_refused(model: VisionLanguageModel, tmp_path: Path, name: str) -> None:
    with pytest.raises(SequenceFileError, match="no such file"):
        model.resume(tmp_path / name)


def test_a_file_that_cannot_be_written_is_an_error(model: VisionLanguageModel, tmp_path: Path) -> None:
    """And leaves nothing behind."""
    (tmp_path / "file").touch()
    with pytest.raises(ResourceError):
        model.chat().save(tmp_path / "file" / "talk")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@examples(300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_file_is_read_or_refused(
    model: VisionLanguageModel, saved: bytes, tmp_path: Path, data: st.DataObject
) -> None:
    """Some bytes changed anywhere, also under a digest that fits; whatever is resumed can be asked."""
    content = bytearray(saved)
    limit = data.draw(st.sampled_from([64, 600, len(content)]))
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, limit - 1))] = data.draw(st.integers(0, 255))
    changed = bytes(content[: data.draw(st.sampled_from([len(content), limit, limit // 2]))])
    if data.draw(st.booleans()) and len(changed) == len(saved) and changed[:20] == saved[:20]:
        changed = resigned(changed, lambda body: None) if changed[92:] == saved[92:] else changed
    path = tmp_path / "talk"
    path.write_bytes(changed)
    try:
        chat = model.resume(path)
    except SequenceFileError:
        return
    assert chat.ask("And?", (), GenerationOptions(max_new_tokens=1)).read().finish_reason

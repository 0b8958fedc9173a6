"""The tokenizer: texts come back, users reach no special token, and no part of the file changes ids in secret."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dsvl2_export.checkpoint.tokenizer import read_tokenizer
from dsvl2_runtime.errors import ModelCorruptError
from dsvl2_runtime.inputs.prompt import Message, build_prompt, question_content
from dsvl2_runtime.inputs.tokenizer import SPECIAL_TOKENS, StreamDecoder, Tokenizer
from fuzzing import examples
from small_models import small_config

Document = dict[str, Any]
TEXT = "What is the total? The total is 42.50 and the tax is 3.40.\n 图片 cafe\u0301"


@pytest.fixture(scope="module")
def document(tokenizer_folder: Path) -> Document:
    loaded: Document = json.loads((tokenizer_folder / "tokenizer.json").read_text("utf-8"))
    return loaded


def opened(folder: Path, document: object) -> Tokenizer:
    (folder / "tokenizer.json").write_text(json.dumps(document), "utf-8")
    return Tokenizer.from_file(folder / "tokenizer.json")


def changed(document: Document, change: Callable[[Document], object]) -> Document:
    result = copy.deepcopy(document)
    change(result)
    return result


def without_path(error: pytest.ExceptionInfo[ModelCorruptError]) -> str:
    return str(error.value).removeprefix(f"{error.value.path}: ")


@pytest.mark.parametrize("special", SPECIAL_TOKENS)
def test_typed_special_tokens_are_plain_text(tokenizer: Tokenizer, special: str) -> None:
    """No text of a user becomes a special token, whatever it spells; it comes back as it was."""
    ids = tokenizer.encode(f"a{special}b {special}")
    assert not set(ids) & {tokenizer.special_id(name) for name in SPECIAL_TOKENS}
    assert tokenizer.decode(ids) == f"a{special}b {special}"
    prompt = build_prompt([Message("user", question_content(special, 1))], tokenizer, [2])
    assert prompt.images_seq_mask.sum() == 2
    assert (prompt.input_ids == tokenizer.special_id("<|User|>")).sum() == 1


@settings(deadline=None)
@given(st.text())
def test_any_text_survives_encoding(tokenizer: Tokenizer, text: str) -> None:
    """Piece by piece or at once, and no shown piece has a replacement that the text does not have."""
    ids = tokenizer.encode(text)
    assert tokenizer.decode(ids) == text
    stream = StreamDecoder(tokenizer)
    pieces = [stream.push(token) for token in ids]
    assert "".join(pieces) + stream.flush() == text
    if "\ufffd" not in text:
        assert not any("\ufffd" in piece for piece in pieces)


def test_a_character_of_several_tokens_is_shown_whole(tokenizer: Tokenizer) -> None:
    """An emoji is four bytes, here four tokens: three pieces of nothing, then all of it; a cut one is marked."""
    ids = tokenizer.encode("🙂")
    assert len(ids) == 4
    stream = StreamDecoder(tokenizer)
    assert [stream.push(token) for token in ids] == ["", "", "", "🙂"]
    assert stream.flush() == ""
    cut = StreamDecoder(tokenizer)
    assert [cut.push(token) for token in ids[:2]] == ["", ""]
    assert cut.flush() == "\ufffd"


def test_lone_surrogates_do_not_break_anything(tokenizer: Tokenizer) -> None:
    """They come from broken file names and half-typed emoji."""
    assert tokenizer.decode(tokenizer.encode("a\ud800b")) == "a\ufffdb"


TRUNCATION = {"direction": "Right", "max_length": 8, "strategy": "LongestFirst", "stride": 0}
PADDING = {"strategy": {"Fixed": 200}, "direction": "Left", "pad_to_multiple_of": None, "pad_id": 2, "pad_type_id": 0,
           "pad_token": "<pad>"}  # fmt: skip
TEMPLATE = {
    "type": "TemplateProcessing",
    "single": [{"SpecialToken": {"id": "e", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
    "pair": [],
    "special_tokens": {"e": {"id": "e", "ids": [3], "tokens": ["e"]}},
}

IGNORED: dict[str, Callable[[Document], object]] = {
    "truncation": lambda file: file.update(truncation=TRUNCATION),
    "padding": lambda file: file.update(padding=PADDING),
    "both": lambda file: file.update(truncation=TRUNCATION, padding=PADDING),
    "post-processor": lambda file: file.update(post_processor=TEMPLATE),
    "decoder": lambda file: file.update(decoder={"type": "WordPiece", "prefix": "##", "cleanup": True}),
    "empty normalizer": lambda file: file.update(normalizer={"type": "Sequence", "normalizers": []}),
    "dropout": lambda file: file["model"].update(dropout=0.9),
    "unknown token": lambda file: file["model"].update({"unk_token": "e", "fuse_unk": True}),
    "byte fallback": lambda file: file["model"].update(byte_fallback=True),
    "empty prefixes": lambda file: file["model"].update(continuing_subword_prefix="", end_of_word_suffix=""),
    "no type": lambda file: file["model"].pop("type"),
    "merges in one string": lambda file: file["model"].update(
        merges=[" ".join(pair) for pair in file["model"]["merges"]]
    ),
    "other added tokens": lambda file: file["added_tokens"].append({"id": 3000, "content": "<|more|>", "lstrip": True}),
    "normalized": lambda file: [token.update(normalized=True, special=False) for token in file["added_tokens"]],
}


@pytest.mark.parametrize("part", IGNORED)
def test_what_is_left_from_training_changes_nothing(
    tokenizer: Tokenizer, document: Document, tmp_path: Path, part: str
) -> None:
    """The same ids, every time, as without it; with truncation and padding left in there were 8 ids and 12 pads."""
    left = opened(tmp_path, changed(document, IGNORED[part]))
    for _ in range(3):
        assert left.encode(TEXT) == tokenizer.encode(TEXT)
    assert left.decode(left.encode(TEXT)) == TEXT


def pre(**options: object) -> Callable[[Document], object]:
    """Change the last pre-tokenizer, ByteLevel."""
    return lambda file: file["pre_tokenizer"]["pretokenizers"][-1].update(options)


def before(**options: object) -> Callable[[Document], object]:
    """Put a pre-tokenizer before all others."""
    return lambda file: file["pre_tokenizer"]["pretokenizers"].insert(0, options)


def vocab(**entries: object) -> Callable[[Document], object]:
    return lambda file: file["model"]["vocab"].update(entries)


def flagged(name: str, **flags: object) -> Callable[[Document], object]:
    return lambda file: next(token for token in file["added_tokens"] if token["content"] == name).update(flags)


def merged_to(text: str) -> Callable[[Document], object]:
    """Merges by which a typed text becomes one token, under the name of a special token."""

    def change(file: Document) -> None:
        joined, first = text[0], []
        token_id = next(token["id"] for token in file["added_tokens"] if token["content"] == text)
        for character in text[1:]:
            first.append([joined, character])
            joined += character
            file["model"]["vocab"].setdefault(joined, token_id if joined == text else 2000 + len(joined))
        file["model"]["merges"] = [*first, *file["model"]["merges"]]
        file["pre_tokenizer"] = file["pre_tokenizer"]["pretokenizers"][-1] | {"use_regex": False}

    return change


LOSSY_SPLIT = {"type": "Split", "pattern": {"String": " "}, "invert": False}

REFUSED: dict[str, tuple[Callable[[Document], object], str]] = {
    "normalizer": (lambda file: file.update(normalizer={"type": "NFC"}), "normalizer 'NFC' would change texts"),
    "panicking normalizer": (
        lambda file: file.update(normalizer={"type": "Precompiled", "precompiled_charsmap": "AAAA"}),
        "normalizer 'Precompiled' would change texts",
    ),
    "prefix space": (pre(add_prefix_space=True), "pre_tokenizer.1.add_prefix_space is True"),
    "no prefix option": (
        lambda file: file["pre_tokenizer"]["pretokenizers"][-1].pop("add_prefix_space"),
        "add_prefix_space is None",
    ),
    "metaspace": (
        before(type="Metaspace", replacement="_", prepend_scheme="always", split=True),
        "'Metaspace' is not known",
    ),
    "cuts that remove": (before(**LOSSY_SPLIT, behavior="Removed"), "behavior is 'Removed'"),
    "unknown option": (before(**LOSSY_SPLIT, behavior="Isolated", more=1), "pre_tokenizer.0.more is not known"),
    "no bytes": (lambda file: file["pre_tokenizer"]["pretokenizers"].pop(), "does not end in ByteLevel"),
    "bytes twice": (
        lambda file: file["pre_tokenizer"]["pretokenizers"].append(file["pre_tokenizer"]["pretokenizers"][-1]),
        "does not end in ByteLevel",
    ),
    "no pre-tokenizer": (lambda file: file.pop("pre_tokenizer"), "pre_tokenizer is no JSON object"),
    "broken pattern": (before(type="Split", pattern={"Regex": "("}, invert=False, behavior="Isolated"), "Oniguruma"),
    "pattern that gives up": (
        before(
            type="Split",
            pattern={"Regex": "(.|.)*(?=[\u0100-\u0101][\u0102-\u0103])"},
            invert=False,
            behavior="Isolated",
        ),
        "it fails on a text",
    ),
    "another model": (lambda file: file["model"].update(type="WordPiece"), "model.type is 'WordPiece'"),
    "whole words": (lambda file: file["model"].update(ignore_merges=True), "model.ignore_merges is True"),
    "panicking prefix": (
        lambda file: file["model"].update(continuing_subword_prefix="##"),
        "model.continuing_subword_prefix is '##'",
    ),
    "suffix": (lambda file: file["model"].update(end_of_word_suffix="</w>"), "model.end_of_word_suffix is '</w>'"),
    "unknown part": (lambda file: file.update(lowercase=True), "the part lowercase is not known"),
    "unknown part of the model": (lambda file: file["model"].update(fast=1), "the part model.fast is not known"),
    "no merges": (lambda file: file["model"].pop("merges"), "model.merges is no list"),
    "merges of nothing": (lambda file: file["model"]["merges"].append(["q", "zzz"]), "out of vocabulary"),
    "missing byte": (
        lambda file: (file["model"]["vocab"].pop("~"), file["model"].update(merges=[])),
        "no token for the byte 0x7e",
    ),
    "negative id": (vocab(more=-1), "token 'more' has the id -1"),
    "huge id": (vocab(more=2**31), "token 'more' has the id 2147483648"),
    "id of thousands of digits": (vocab(more=0), "Exceeds the limit"),
    "id that is true": (vocab(more=True), "has the id True"),
    "id that is a fraction": (vocab(more=1.5), "has the id 1.5"),
    "id twice": (vocab(more=5), "have the same id"),
    "negative added id": (flagged("<image>", id=-3), "token '<image>' has the id -3"),
    "huge added id": (flagged("<image>", id=10**12), "token '<image>' has the id 1000000000000"),
    "added id as text": (flagged("<image>", id="7"), "token '<image>' has the id '7'"),
    "added id twice": (flagged("<image>", id=5), "share a name or an id"),
    "added name twice": (
        lambda file: file["added_tokens"].append({"id": 400, "content": "<image>"}),
        "share a name or an id",
    ),
    "added token without a name": (lambda file: file["added_tokens"].append({"id": 400}), "has no content"),
    "lstrip": (flagged("<|Assistant|>", lstrip=True), "'<|Assistant|>' has lstrip"),
    "rstrip": (flagged("<image>", rstrip=True), "'<image>' has rstrip"),
    "single word": (flagged("<|ref|>", single_word=True), "'<|ref|>' has single_word"),
    "reachable special token": (merged_to("<image>"), "the typed text <image> would become a special token"),
    "added tokens of another kind": (lambda file: file.update(added_tokens={}), "added_tokens is no list"),
}


@pytest.mark.parametrize("part", REFUSED)
def test_what_could_change_ids_is_refused_with_the_reason(
    document: Document, tmp_path: Path, part: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """Whatever the library would make of it, a panic included, which is no exception; nothing is printed."""
    change, reason = REFUSED[part]
    text = json.dumps(changed(document, change))
    if part == "id of thousands of digits":
        text = text.replace('"more": 0', f'"more": {"9" * 5000}')
    (tmp_path / "tokenizer.json").write_text(text, "utf-8")
    with pytest.raises(ModelCorruptError) as caught:
        Tokenizer.from_file(tmp_path / "tokenizer.json")
    assert reason in without_path(caught)
    assert len(str(caught.value)) < 600
    assert capfd.readouterr() == ("", "")


def test_a_text_on_which_a_pattern_gives_up_is_an_error_of_ours(document: Document, tmp_path: Path) -> None:
    """The library panics while it reads the text; the tokenizer goes on for others."""
    risky = before(type="Split", pattern={"Regex": "(a+)+$"}, invert=False, behavior="Isolated")
    tokenizer = opened(tmp_path, changed(document, risky))
    with pytest.raises(ModelCorruptError, match="it fails on a text"):
        tokenizer.encode("a" * 40 + "b")
    assert tokenizer.decode(tokenizer.encode(TEXT)) == TEXT


def test_export_refuses_the_same(document: Document, tmp_path: Path) -> None:
    """A checkpoint's tokenizer is opened as the runtime will open it, and what is ignored stays ignored."""
    config = small_config("small").language_config
    (tmp_path / "tokenizer.json").write_text(json.dumps(changed(document, IGNORED["both"])), "utf-8")
    assert read_tokenizer(tmp_path, config) == (tmp_path / "tokenizer.json").read_bytes()
    for part in ("normalizer", "negative id", "lstrip", "panicking prefix", "added name twice"):
        (tmp_path / "tokenizer.json").write_text(json.dumps(changed(document, REFUSED[part][0])), "utf-8")
        with pytest.raises(ModelCorruptError):
            read_tokenizer(tmp_path, config)


RELEASED_CUTS = {
    "V2": [r"[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", "[一-龥ࠀ-一가-퟿]+"],
    "V3": [r"\p{N}{1,3}", "[一-龥぀-ゟ゠-ヿ]+", r"[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s+"],
}


@pytest.mark.parametrize("family", RELEASED_CUTS)
def test_the_form_of_the_releases_is_accepted(document: Document, tmp_path: Path, family: str) -> None:
    """Cuts by patterns and digits, then bytes; an empty normalizer; decoder and post-processor of bytes."""
    cuts: list[Document] = [
        {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}
        for pattern in RELEASED_CUTS[family]
    ]
    cuts += [{"type": "Digits", "individual_digits": True}] if family == "V2" else []
    cuts.append({"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False})
    bytes_again = {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": False, "use_regex": True}
    released = document | {
        "normalizer": {"type": "Sequence", "normalizers": []},
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": cuts},
        "post_processor": bytes_again,
        "decoder": bytes_again,
    }
    assert opened(tmp_path, released).decode(opened(tmp_path, released).encode(TEXT)) == TEXT


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@examples(300)
@given(st.data())
def test_any_change_of_any_part_is_a_tokenizer_or_an_error_of_ours(
    tokenizer: Tokenizer, document: Document, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """And a tokenizer that opens still gives every text back."""
    broken = copy.deepcopy(document)
    spot: Any = broken
    while True:
        keys = list(spot) if isinstance(spot, dict) else list(range(len(spot)))
        key = data.draw(st.sampled_from(keys))
        if isinstance(spot[key], dict | list) and spot[key] and data.draw(st.booleans()):
            spot = spot[key]
            continue
        if data.draw(st.booleans()):
            spot[key] = data.draw(JSON)
        else:
            del spot[key]
        break
    try:
        found = opened(tmp_path_factory.getbasetemp(), broken)
    except ModelCorruptError:
        return
    assert found.decode(found.encode(TEXT)) == TEXT

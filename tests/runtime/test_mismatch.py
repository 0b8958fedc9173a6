"""Bundles whose parts do not belong together, or not to this program: said before anything is computed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from onnxruntime.capi import onnxruntime_pybind11_state as states

from dsvl2_kernels.library import OFF, SETTING
from dsvl2_runtime import load_model
from dsvl2_runtime.errors import GenerationError, ModelCorruptError, OutOfMemoryError, UsageError
from dsvl2_runtime.graphs import decoder
from dsvl2_runtime.inputs.processor import ImageInput
from dsvl2_runtime.inputs.tiling import Tiling
from dsvl2_runtime.machine.kernels import usable_kernels
from own_library import need_library
from small_models import MakeBundle, edit_manifest, pictures


def with_larger_tiles(document: dict[str, Any]) -> None:
    size = document["config"]["vision_config"]["image_size"] * 2
    document["config"]["vision_config"]["image_size"] = size
    document["config"]["candidate_resolutions"] = [[size, size]]


def with_more_words(document: dict[str, Any]) -> None:
    document["config"]["language_config"]["vocab_size"] += 64


@pytest.mark.parametrize(
    ("change", "named"),
    [(with_larger_tiles, r"vision_encoder\.onnx: pixel_values is"), (with_more_words, r"decoder\.onnx: logits is")],
)
def test_sizes_in_the_manifest_are_those_of_the_graphs(
    folder: Path, change: Callable[[dict[str, Any]], object], named: str
) -> None:
    """The message names the graph, the input or output and both sizes."""
    edit_manifest(folder, change)
    with pytest.raises(ModelCorruptError, match=named):
        load_model(folder, threads=1)


@pytest.mark.parametrize("operators", ["ours", "onnxruntime"])
def test_tokens_of_a_tile_are_those_of_the_manifest(
    folder: Path, operators: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The projector's graph names this axis without a length, so the first tile tells; the file that ran is named."""
    if operators == "ours":
        need_library()
    kernels = usable_kernels()
    monkeypatch.setenv(SETTING, kernels.level if operators == "ours" and kernels is not None else OFF)
    file = "projector_own_kernels" if operators == "ours" else "projector"
    edit_manifest(folder, lambda document: document["config"]["projector_config"].update(downsample_ratio=1))
    with pytest.raises(ModelCorruptError, match=rf"{file}\.onnx: it gives \d+ tokens a tile"):
        load_model(folder, threads=1).next_token_logits("?", pictures(1))


@pytest.mark.parametrize(
    ("key", "value", "named"),
    [
        ("bos_token_id", 5, "its begin token is"),
        ("eos_token_id", 5, "its end token is"),
        ("vocab_size", 300, "it has token"),
    ],
)
def test_the_tokenizer_of_another_model_is_refused(folder: Path, key: str, value: int, named: str) -> None:
    """Its tokens would be other words, or rows that the tables do not have."""
    edit_manifest(folder, lambda document: document["config"]["language_config"].update({key: value}))
    with pytest.raises(ModelCorruptError, match=rf"tokenizer\.json: {named}"):
        load_model(folder, threads=1)


@pytest.mark.parametrize(("wanted", "loads"), [("99.0.0", False), ("1.2", True), ("newest", False)])
def test_the_smallest_onnxruntime_counts(folder: Path, wanted: str, loads: bool) -> None:
    """A newer one than is installed is refused with both numbers, and so is what is no number."""
    edit_manifest(folder, lambda document: document.update(minimum_onnxruntime=wanted))
    if loads:
        assert load_model(folder, threads=1).name
        return
    with pytest.raises(ModelCorruptError, match=r"99\.0\.0 or newer, and 1|minimum_onnxruntime"):
        load_model(folder, threads=1)


@pytest.mark.parametrize("threads", [0, -1, 1025, 99_999_999_999, "2", 1.5])
def test_a_number_of_threads_that_cannot_be_meant_is_refused(bundle: MakeBundle, threads: Any) -> None:
    """Before anything is loaded."""
    with pytest.raises(UsageError, match="threads"):
        load_model(bundle("small", "int4"), threads=threads)


@pytest.mark.parametrize("error", [MemoryError(), states.Fail("std::bad_alloc"), RuntimeError("... std::bad_alloc")])
def test_full_memory_is_no_damage(bundle: MakeBundle, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    """While a graph is loaded, and while it runs."""

    def fail(*_: object, **__: object) -> None:
        raise error

    model = load_model(bundle("small", "int4"), threads=1)
    monkeypatch.setattr(onnxruntime.InferenceSession, "run_with_iobinding", fail)
    with pytest.raises(OutOfMemoryError):
        model.next_token_logits("?")
    monkeypatch.setattr(onnxruntime.InferenceSession, "run", fail)
    with pytest.raises(OutOfMemoryError):
        model.next_token_logits("?")
    monkeypatch.setattr(onnxruntime, "InferenceSession", fail)
    with pytest.raises(OutOfMemoryError):
        load_model(bundle("small", "int4"), threads=1)


def test_a_full_memory_for_the_cache_is_no_traceback(bundle: MakeBundle, monkeypatch: pytest.MonkeyPatch) -> None:
    """The cache is the largest array of our own."""

    def fail(*_: object, **__: object) -> None:
        raise MemoryError

    model = load_model(bundle("small", "int4"), threads=1)
    monkeypatch.setattr(decoder, "KVCache", fail)
    with pytest.raises(OutOfMemoryError):
        next(model.generate("?"))


def test_a_graph_that_fails_is_an_error_of_ours(bundle: MakeBundle) -> None:
    """ONNX Runtime has one class for plain runs and another for bound ones."""
    model = load_model(bundle("small", "int4"), threads=1)
    with pytest.raises(GenerationError, match="stopped inside the graph"):
        model.components.vision.encode([ImageInput("", (5, 5), Tiling(1, 1), np.zeros((1, 5, 5, 3), np.uint8))])
    wide = model.config.language_config.hidden_size + 1
    with pytest.raises(GenerationError, match="stopped inside the graph"):
        model.components.decoder.run(model.new_sequence(), np.zeros((1, 1, wide), np.float32))

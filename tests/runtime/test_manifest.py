"""The form of a bundle's manifest: what is refused in it, and what an older one means."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dsvl2_runtime import load_model
from dsvl2_runtime.bundle.bundle import Bundle
from dsvl2_runtime.bundle.file_entry import FileEntry
from dsvl2_runtime.bundle.manifest import MANIFEST
from dsvl2_runtime.bundle.model_names import find_model
from dsvl2_runtime.errors import ModelCorruptError
from dsvl2_runtime.graphs import graph_io
from dsvl2_runtime.graphs.kv_cache import KVCache
from dsvl2_runtime.graphs.memory_plan import plan_memory
from small_models import as_schema_1, edit_manifest, pictures


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda document: document.update(surprise=1), "surprise"),
        (lambda document: document.update(schema_version=3), "schema version 3"),
        (lambda document: document.update(precision="int3"), "precision"),
        (lambda document: document.pop("files"), "files"),
        (lambda document: document["files"][0].update(size=-5), "size"),
        (lambda document: document["files"][0].update(sha256="short"), "sha256"),
        (lambda document: document["files"][0].update(size=1 << 63), "size"),
        (lambda document: document["config"]["language_config"].update(heads=3), "heads"),
        (lambda document: document.update(minimum_onnxruntime="9" * 5000), "minimum_onnxruntime"),
        (lambda document: document.update(minimum_onnxruntime="١.٢"), "minimum_onnxruntime"),
        (lambda document: document.update(schema_version=10**4000), "schema version over 1000"),
        (lambda document: document.pop("graphs"), "graphs"),
        (lambda document: document["graphs"][0].update(file="tokenizer.json"), "file"),
        (lambda document: document["graphs"][0].update(file="a.onnx"), "a.onnx, which is not among the files"),
        (lambda document: document["graphs"][0].update(target="../cpu"), "target"),
        (lambda document: document["graphs"][0].update(opsets={"": 0}), "opsets"),
        (lambda document: document["graphs"][3]["cache"]["rows"][0].update(width=1 << 40), "width"),
        (lambda document: document["graphs"][3]["cache"]["rows"][0].update(dtype="object"), "dtype"),
        (lambda document: document["graphs"][3]["cache"].update(rows=[]), "rows"),
        (lambda document: document["config"]["language_config"].update(vocab_size="many"), "vocab_size"),
    ],
)
def test_a_forged_manifest_is_refused(folder: Path, change: Callable[[dict[str, Any]], object], named: str) -> None:
    """Unknown keys, other versions, values of the wrong type: the message names them."""
    edit_manifest(folder, change)
    with pytest.raises(ModelCorruptError, match=named):
        Bundle.open(folder)


def test_a_key_that_stands_twice_is_refused(folder: Path) -> None:
    """JSON readers disagree on which one counts."""
    text = (folder / MANIFEST).read_text("utf-8")
    (folder / MANIFEST).write_text(text.replace('"name"', '"name": "other", "name"', 1), "utf-8")
    with pytest.raises(ModelCorruptError, match="twice"):
        Bundle.open(folder)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", "[" * 50_000, "\x00", '{"schema_version": ' + "9" * 5000 + "}"]
)
def test_a_manifest_that_is_no_object_is_refused(folder: Path, text: str) -> None:
    """An error of ours in every case."""
    (folder / MANIFEST).write_text(text, "utf-8")
    with pytest.raises(ModelCorruptError):
        Bundle.open(folder)


@pytest.mark.usefixtures("onnxruntime_operators")
def test_a_bundle_of_the_first_schema_opens_the_same(folder: Path) -> None:
    """What it does not say follows from its files and sizes."""
    new = Bundle.open(folder)
    expected = load_model(folder, threads=1).next_token_logits("?", pictures(1))
    edit_manifest(folder, as_schema_1)
    old = Bundle.open(folder)
    for name in graph_io.GRAPHS:
        assert old.graph(name, "cpu") == new.graph(name, "cpu") == folder / f"{name}.onnx"
        assert old.graph_entry(name, "cpu").cache == new.graph_entry(name, "cpu").cache
    assert new.graph_entry("decoder", "cpu").cache is not None
    np.testing.assert_array_equal(load_model(folder, threads=1).next_token_logits("?", pictures(1)), expected)


def test_the_shipped_bundle_is_of_the_second_schema_and_opens() -> None:
    """As an export writes it today; bundles of the first are made by `as_schema_1`."""
    folder = find_model("demo")
    assert '"schema_version": 2,' in (folder / MANIFEST).read_text("utf-8")
    opened = Bundle.open(folder)
    assert {graph.name for graph in opened.manifest.graphs} == set(graph_io.GRAPHS)


def test_a_graph_is_found_by_what_can_run_it(folder: Path) -> None:
    """By its target, and by the libraries that are there; what cannot be met is said with its name."""
    shutil.copy(folder / "decoder.onnx", folder / "faster.onnx")

    def add(document: dict[str, Any]) -> None:
        entry = next(graph for graph in document["graphs"] if graph["name"] == "decoder")
        faster = {**entry, "file": "faster.onnx", "opsets": {**entry["opsets"], "org.library": 1}}
        document["graphs"] = [faster, *document["graphs"], {**faster, "target": "elsewhere"}]
        document["files"].append(FileEntry.of(folder / "faster.onnx", folder).model_dump())

    edit_manifest(folder, add)
    opened = Bundle.open(folder)
    assert opened.graph("decoder", "cpu").name == "decoder.onnx"
    assert opened.graph("decoder", "cpu", {"org.library"}).name == "faster.onnx"
    with pytest.raises(ModelCorruptError, match=r"its decoder needs operators that are not installed: org\.library"):
        opened.graph("decoder", "elsewhere")
    with pytest.raises(ModelCorruptError, match="no graph projector for elsewhere"):
        opened.graph("projector", "elsewhere")


@pytest.mark.usefixtures("onnxruntime_operators")
def test_the_cache_is_as_the_manifest_says(folder: Path) -> None:
    """Names, widths and types of its rows; a graph that has others is refused."""
    rows = [{"name": "key", "dtype": "int8", "width": 12}, {"name": "scale", "dtype": "float16", "width": 3}]
    edit_manifest(folder, lambda document: document["graphs"][3]["cache"].update(rows=rows))
    opened = Bundle.open(folder)
    config = opened.manifest.config.language_config
    tensors = graph_io.cache_tensors(config, opened.graph_entry("decoder", "cpu").cache)
    assert [(tensor.past, tensor.new, tensor.row, tensor.dtype) for tensor in tensors[:3]] == [
        ("past_key.0", "new_key.0", 12, "int8"),
        ("past_scale.0", "new_scale.0", 3, "float16"),
        ("past_key.1", "new_key.1", 12, "int8"),
    ]
    bytes_per_token = config.num_hidden_layers * (12 + 2 * 3)
    assert plan_memory(opened, 1).cache == bytes_per_token * config.max_position_embeddings
    cache = KVCache(tensors, 5)
    assert cache.nbytes == 5 * bytes_per_token
    assert [(rows.shape, rows.dtype.name) for rows in cache.rows(2)][:2] == [((2, 12), "int8"), ((2, 3), "float16")]
    with pytest.raises(ModelCorruptError, match=r"decoder\.onnx: its inputs differ"):
        load_model(folder, threads=1)


def test_a_cache_of_another_type_is_refused(folder: Path) -> None:
    """Names and widths agree, and still the graph would read the bytes as other numbers."""

    def change(document: dict[str, Any]) -> None:
        for graph in document["graphs"]:
            if graph["cache"]:
                graph["cache"]["rows"][0].update(dtype="float16")

    edit_manifest(folder, change)
    with pytest.raises(ModelCorruptError, match=r"decoder\w*\.onnx: past_latent\.0 is tensor\(float\), .* float16"):
        load_model(folder, threads=1)

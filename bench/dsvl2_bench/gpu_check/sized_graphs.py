"""Graphs of a release at its full size without a file of its size: random weights are made where they run.

One layer of each kind is exported; all others take its weights' shapes. The decoder's file of weights is a hole of the
right length, and `fill_at_random` stands where a runtime would read it. ONNX Runtime reads that of the image encoder
itself, so it is filled on the disk: from zeros all rows of features would be equal, and would choose the same experts.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dsvl2_runtime.bundle.file_entry import SUMMED_WITHOUT_SAMPLES, FileEntry
from dsvl2_runtime.bundle.graph_tensors import ExternalTensor
from dsvl2_runtime.bundle.manifest import MANIFEST
from dsvl2_runtime.graphs.cuda.memory import DeviceMemory
from dsvl2_runtime.graphs.cuda.weights import Addresses
from dsvl2_runtime.graphs.elements import (
    BFLOAT16,
    BY_NAME,
    BY_ONNX,
    FLOAT16,
    FLOAT32,
    INT64,
    UINT8,
    Element,
    from_float32,
)
from dsvl2_runtime.progress import Watch

if TYPE_CHECKING:
    from dsvl2_export.graphs.cuda.form import CudaForm

LAYER = re.compile(r"layers\.(\d+)\.")
PIECE_BYTES = 64_000_000
ALWAYS_ZEROS = "zeros."
"""What the name of a weight begins with that is no weight: logits are checked by their product with it."""
SPREADS = {FLOAT16: 0.01, BFLOAT16: 0.01, FLOAT32: 0.02}
"""Of random floats: small enough that 27 layers of them stay finite."""
SPREAD_OF_IMAGES = 0.03
"""The same for the image encoder; with less its biases would count for more than what a picture shows."""


def write_sized_graphs(two_layers: Path, out: Path, config: Any, form: CudaForm) -> None:
    """Write the graphs of a whole release from a bundle of its first two layers.

    Args:
        two_layers: exported at full width with two layers.
        out: a new folder: graphs, tokenizer, and `files.json`, which says what `complete` makes of the files of
            weights.
        config: `ModelConfig` of the release.
        form: types and layout of the graphs.
    """
    import shutil

    from dsvl2_export.graphs.cuda.bundle_graphs import DECODER_DATA, FILES, IMAGE_DATA
    from dsvl2_export.graphs.cuda.decoder import Source, write_prompt, write_step
    from dsvl2_export.graphs.cuda.image_encoder import write_image_encoder
    from dsvl2_export.graphs.cuda.stored_weights import StoredWeights
    from dsvl2_export.graphs.cuda.writer import CudaWriter, SharedWeights
    from dsvl2_export.graphs.external_data import Placed
    from dsvl2_runtime.graphs import graph_io

    class Repeated(StoredWeights):
        """Every layer behind the second is the second."""

        def _name(self, name: str) -> str:
            return LAYER.sub(lambda found: f"layers.{min(int(found[1]), 1)}.", name)

        def _tensor(self, name: str) -> Any:
            return super()._tensor(self._name(name))

        def blocks(self, name: str, in_features: int) -> Any:
            return super().blocks(self._name(name), in_features)

    class Holes:
        """Places for weights, of which nothing is written."""

        def __init__(self, path: Path) -> None:
            self.path, self.end = path, 0

        def write(self, name: str, array: NDArray[Any]) -> Placed:
            from onnx import helper

            offset = self.end + -self.end % 4096
            self.end = offset + array.nbytes
            return Placed(name, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape, offset, array.nbytes)

    class SizedWriter(CudaWriter):
        """Makes the weights of one layer of each kind, and only their places for the others."""

        made: dict[str, NDArray[Any]]

        def shared(self, name: str, make: Callable[[], NDArray[Any]]) -> str:
            kind = LAYER.sub("layers.N.", name)
            if kind not in self.made:
                array = make()
                self.made[kind] = np.broadcast_to(np.zeros((), array.dtype), array.shape)
            return super().shared(name, lambda: self.made[kind])

    out.mkdir(parents=True)
    source = Source(
        Repeated(two_layers / "decoder.onnx"), Repeated(two_layers / "embed_tokens.onnx"), config.language_config
    )
    made: dict[str, NDArray[Any]] = {}
    weights = SharedWeights(out / DECODER_DATA)
    weights.data = holes = Holes(out / DECODER_DATA)  # type: ignore[assignment]  # places are all that is asked of it
    for name, write in ((graph_io.DECODER_STEP, write_step), (graph_io.DECODER_PROMPT, write_prompt)):
        writer = SizedWriter(out / FILES[name], weights, form)
        writer.made = made
        write(writer, source)
    files: dict[str, Any] = {"hole": {"name": DECODER_DATA, "length": holes.end}}
    weights = SharedWeights(out / IMAGE_DATA)
    weights.data = holes = Holes(out / IMAGE_DATA)  # type: ignore[assignment]
    writer = SizedWriter(out / FILES[graph_io.IMAGE_ENCODER], weights, form)
    writer.made = {}
    vision, projector = (StoredWeights(two_layers / f"{name}.onnx") for name in ("vision_encoder", "projector"))
    write_image_encoder(writer, vision, projector, config)
    files["random"] = {"name": IMAGE_DATA, "length": holes.end, "element": form.vision}
    shutil.copy(two_layers / "tokenizer.json", out)
    document = json.loads((two_layers / MANIFEST).read_text("utf-8"))
    document["config"] = config.to_json()
    document["graphs"] = [graph for graph in document["graphs"] if graph["target"] == "cuda"]
    (out / "manifest.part.json").write_text(json.dumps(document), "utf-8")
    (out / "files.json").write_text(json.dumps(files), "utf-8")


def complete(folder: Path, out: Path) -> None:
    """Make a bundle of what `write_sized_graphs` wrote: a hole and random floats for weights, and a whole manifest."""
    import shutil

    shutil.copytree(folder, out)
    document = json.loads((out / "manifest.part.json").read_text("utf-8"))
    made: dict[str, Any] = json.loads((out / "files.json").read_text("utf-8"))
    (out / "manifest.part.json").unlink()
    (out / "files.json").unlink()
    files = [FileEntry.of(path, out).model_dump(mode="json") for path in sorted(out.iterdir())]
    _write_random(out / made["random"]["name"], made["random"]["length"], BY_NAME[made["random"]["element"]])
    with (out / made["hole"]["name"]).open("wb") as hole:
        hole.truncate(made["hole"]["length"])
    for name, length in ((each["name"], each["length"]) for each in made.values()):
        if length <= SUMMED_WITHOUT_SAMPLES:
            files.append(FileEntry.of(out / name, out).model_dump(mode="json"))
        else:  # by its size alone: a sum over gigabytes that nobody keeps would say nothing
            files.append({"path": name, "size": length, "sha256": "0" * 64})
    document["files"] = files
    (out / MANIFEST).write_text(json.dumps(document), "utf-8")


def _write_random(path: Path, length: int, element: Element) -> None:
    """A file of random floats."""
    values = np.random.default_rng(8).standard_normal(PIECE_BYTES // element.nbytes, np.float32)
    piece = from_float32(values * np.float32(SPREAD_OF_IMAGES), element).view(np.uint8)
    with path.open("wb") as file:
        for done in range(0, length, PIECE_BYTES):
            file.write(piece[: min(PIECE_BYTES, length - done)].tobytes())


def fill_at_random(
    _folder: Path, addresses: Addresses, memory: DeviceMemory, tensors: Collection[ExternalTensor], watch: Watch
) -> None:
    """Random integers and small random floats in place of what lies in the files; a `Fill`."""
    generator = np.random.default_rng(7)
    pieces: dict[int, NDArray[np.uint8]] = {}
    for tensor in tensors:
        watch.check()
        element = BY_ONNX[tensor.element]
        address = addresses[tensor.file, tensor.offset]
        if element is INT64:  # the positions of a step
            memory.write(address, np.arange(tensor.length // INT64.nbytes, dtype=np.int64))
            continue
        if tensor.name.startswith(ALWAYS_ZEROS):  # as all memory is
            continue
        if tensor.element not in pieces:
            if element is UINT8:
                pieces[tensor.element] = generator.integers(0, 256, PIECE_BYTES, np.uint8)
            else:
                values = generator.standard_normal(PIECE_BYTES // element.nbytes, np.float32) * np.float32(
                    SPREADS[element]
                )
                pieces[tensor.element] = from_float32(values, element).view(np.uint8)
        piece = pieces[tensor.element]
        for done in range(0, tensor.length, PIECE_BYTES):
            memory.write(address + done, piece[: min(PIECE_BYTES, tensor.length - done)])

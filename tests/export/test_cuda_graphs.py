"""The graphs for a GPU, run on the CPU in float32: they compute what the CPU's graphs do."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import numpy_helper

from dsvl2_export import cli
from dsvl2_export.graphs.cuda.bundle_graphs import FILES, write_cuda_graphs
from dsvl2_export.graphs.cuda.experts import total_weight
from dsvl2_export.graphs.cuda.form import EXACT_ON_GPU, ON_CPU, ON_GPU, form_for
from dsvl2_export.graphs.cuda.packing import pack_experts, require_tiles, row_order
from dsvl2_export.graphs.cuda.stored_weights import StoredWeights
from dsvl2_export.synth.config import synthetic_config
from dsvl2_export.upgrade import add_cuda_graphs, upgrade_bundle
from dsvl2_runtime import load_model
from dsvl2_runtime.answers.confidence import token_logprob
from dsvl2_runtime.bundle.bundle import Bundle
from dsvl2_runtime.bundle.manifest import MANIFEST
from dsvl2_runtime.config import LanguageConfig
from dsvl2_runtime.errors import UsageError
from dsvl2_runtime.graphs import graph_io
from dsvl2_runtime.graphs.target import CPU
from dsvl2_runtime.inputs.tiling import normalized
from small_models import VARIANTS, MakeBundle, small_config
from tolerances import INT8_ACTIVATIONS, LOGITS_FP32, LOGPROB_FP32

PACKED_SHA256 = {
    4: "a349c0945ac8a0a74d0f7520879a38d2ee5cd9717512b5104fea7482487f1365",
    8: "f60d47e4087a2834a93f070bea3adf7f1e3d0b1714a1a104aeb3cd11d27c0099",
}
"""Of what `onnxruntime/quantization/cuda_quantizer.py` of onnxruntime-gpu 1.31.1 makes of `raw_weight`."""

Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Runs:
    """The three graphs of one variant in float32, and buffers for one sequence."""

    folder: Path
    config: LanguageConfig
    buffers: Arrays

    def _run(self, name: str, feeds: Arrays) -> Arrays:
        session = CPU.new_session(self.folder / FILES[name], CPU.session_options(1))
        names = [output.name for output in session.get_outputs()]
        return dict(zip(names, session.run(names, feeds), strict=True))

    def prompt(self, ids: NDArray[np.int64], start: int, features: Arrays) -> Arrays:
        """Read ids behind `start` rows, and keep the new rows."""
        stop = start + len(ids)
        feeds = {
            graph_io.INPUT_IDS: ids[None],
            graph_io.POSITION_IDS: np.arange(start, stop)[None],
            graph_io.LAST_INDEX: np.array([len(ids) - 1]),
            **features,
            **{name: buffer[:start] for name, buffer in self.buffers.items()},
        }
        found = self._run(graph_io.DECODER_PROMPT, feeds)
        for name, buffer in self.buffers.items():
            buffer[start:stop] = found[name.replace("past_", "new_")]
        return found

    def step(self, token: int, at: int) -> Arrays:
        """One position over the whole buffers."""
        feeds = {graph_io.INPUT_IDS: np.array([[token]]), graph_io.POSITION_IDS: np.array([[at]]), **self.buffers}
        found = self._run(graph_io.DECODER_STEP, feeds)
        for name, buffer in self.buffers.items():
            buffer[:] = found[name.replace("past_", "new_")]
        return found

    def encode(self, pixel_values: NDArray[np.float32]) -> Arrays:
        return self._run(graph_io.IMAGE_ENCODER, {graph_io.PIXEL_VALUES: pixel_values})


@pytest.fixture(params=VARIANTS)
def variant(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def runs(variant: str, bundle: MakeBundle, tmp_path: Path) -> Runs:
    config = small_config(variant)
    write_cuda_graphs(bundle(variant, "int4"), tmp_path, config, ON_CPU)
    language = config.language_config
    rows = graph_io.cache_tensors(language, ON_CPU.cache(language))
    buffers = {row.past: np.zeros((language.max_position_embeddings, row.row), np.float32) for row in rows}
    return Runs(tmp_path, language, buffers)


def no_features(seq: int, hidden: int) -> Arrays:
    return {
        graph_io.IMAGES_SEQ_MASK: np.zeros((1, seq, 1), bool),
        graph_io.FEATURE_IDS: np.zeros((1, seq), np.int64),
        graph_io.IMAGE_FEATURES: np.zeros((1, hidden), np.float32),
    }


def exact_decoder(folder: Path, out: Path) -> onnxruntime.InferenceSession:
    """The CPU's decoder with float32 activations everywhere that a prompt passes through."""
    model = onnx.load(str(folder / "decoder.onnx"), load_external_data=False)

    def nodes(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
        for node in graph.node:
            yield node
            for entry in node.attribute:
                if entry.HasField("g"):
                    yield from nodes(entry.g)

    for node in nodes(model.graph):
        for entry in node.attribute:
            if entry.name == "accuracy_level":
                entry.i = 0
    onnx.save(model, str(out / "exact.onnx"))
    shutil.copy(folder / "decoder.data", out)
    return CPU.new_session(out / "exact.onnx", CPU.session_options(1))


def test_a_prompt_gives_the_logits_of_the_cpus_graph(variant: str, runs: Runs, bundle: MakeBundle) -> None:
    """Folded experts, joined gate and up, keys before values: nothing of it changes a result, in chunks or at once."""
    ids = np.random.default_rng(5).integers(0, 500, 23)
    decoder = exact_decoder(bundle(variant, "int4"), runs.folder)
    embedding = load_model(bundle(variant, "int4"), threads=1).components.embedding
    feeds: Arrays = {graph_io.INPUTS_EMBEDS: embedding.tokens(ids), graph_io.POSITION_IDS: np.arange(23)[None]}
    feeds |= {name: buffer[:0] for name, buffer in runs.buffers.items()}
    expected = decoder.run([graph_io.LOGITS], feeds)[0]
    hidden = runs.config.hidden_size
    at_once = runs.prompt(ids, 0, no_features(23, hidden))
    np.testing.assert_allclose(at_once[graph_io.LOGITS], expected, atol=LOGITS_FP32)
    runs.prompt(ids[:9], 0, no_features(9, hidden))
    in_chunks = runs.prompt(ids[9:], 9, no_features(14, hidden))
    np.testing.assert_allclose(in_chunks[graph_io.LOGITS], expected, atol=LOGITS_FP32)


def test_steps_over_whole_buffers_equal_a_prompt(runs: Runs) -> None:
    """Two forms of attention: absorbed over a fixed buffer, and expanded per head. Old rows behind are not seen."""
    ids, hidden = np.random.default_rng(6).integers(0, 500, 12), runs.config.hidden_size
    whole = runs.prompt(ids, 0, no_features(12, hidden))
    for buffer in runs.buffers.values():
        buffer[:] = 7.0  # what another sequence left
    runs.prompt(ids[:8], 0, no_features(8, hidden))
    for at in range(8, 12):
        found = runs.step(int(ids[at]), at)
    np.testing.assert_allclose(found[graph_io.LOGITS], whole[graph_io.LOGITS], atol=LOGITS_FP32)
    best = int(whole[graph_io.LOGITS].argmax())
    assert found[graph_io.NEXT_ID].tolist() == [[best]]
    assert found[graph_io.CHECKED_ID].tolist() == [[best]]
    expected = token_logprob(found[graph_io.LOGITS][0], best)
    np.testing.assert_allclose(found[graph_io.LOGPROB], [[expected]], atol=LOGPROB_FP32)


def test_a_logit_that_is_not_finite_makes_the_results_nan(runs: Runs) -> None:
    features = no_features(3, runs.config.hidden_size)
    features[graph_io.IMAGES_SEQ_MASK][0, 1] = True
    features[graph_io.IMAGE_FEATURES][:] = np.inf
    found = runs.prompt(np.array([1, 2, 3]), 0, features)
    assert np.isnan(found[graph_io.CHECKED_ID]).all()
    assert np.isnan(found[graph_io.LOGPROB]).all()


def test_rows_of_features_stand_where_the_mask_says(runs: Runs, variant: str, bundle: MakeBundle) -> None:
    """By their numbers; the CPU's graphs, with int8 activations, see the same prompt."""
    model = load_model(bundle(variant, "int4"), threads=1)
    ids, hidden = np.arange(20, 31), runs.config.hidden_size
    rows = np.random.default_rng(2).standard_normal((6, hidden)).astype(np.float32)
    mask = np.zeros(11, bool)
    mask[[2, 3, 7]] = True
    feature_ids = np.zeros(11, np.int64)
    feature_ids[mask] = [5, 1, 2]
    features: Arrays = {
        graph_io.IMAGES_SEQ_MASK: mask[None, :, None],
        graph_io.FEATURE_IDS: feature_ids[None],
        graph_io.IMAGE_FEATURES: rows,
    }
    found = runs.prompt(ids, 0, features)[graph_io.LOGITS][0]
    embeds = model.components.embedding.prompt(ids, mask, [rows[[5, 1, 2]]])
    expected = model.components.decoder.run(model.new_sequence(), embeds)
    assert np.linalg.norm(found - expected) < INT8_ACTIVATIONS * np.linalg.norm(expected)


def test_tiles_give_the_features_of_the_cpus_graphs(runs: Runs, variant: str, bundle: MakeBundle) -> None:
    """Within what int8 activations cost the CPU; newline and separator exactly."""
    vision = load_model(bundle(variant, "int4"), threads=1).components.vision
    side = small_config(variant).vision_config.image_size
    tiles = np.random.default_rng(3).integers(0, 256, (3, side, side, 3), np.uint8)
    (expected,) = vision.encode_tiles([tiles])
    found = runs.encode(normalized(tiles))
    difference = np.linalg.norm(found[graph_io.TILE_FEATURES] - expected.tiles)
    assert difference < INT8_ACTIVATIONS * np.linalg.norm(expected.tiles)
    np.testing.assert_array_equal(found[graph_io.IMAGE_NEWLINE][0], expected.image_newline)
    np.testing.assert_array_equal(found[graph_io.VIEW_SEPARATOR][0], expected.view_separator)


def raw_weight(bits: int) -> NDArray[np.uint8]:
    return np.random.default_rng(bits).integers(0, 256, (1, 192, 128 * bits // 8), np.uint8)


def unpacked(packed: NDArray[np.uint8], bits: int) -> NDArray[np.uint8]:
    """The layout undone value by value, from ONNX Runtime's description of `QMoE` for CUDA."""
    out_features, in_features = 192, 128
    flat = packed.reshape(-1)
    values = flat if bits == 8 else np.stack([flat & 15, flat >> 4], -1).reshape(-1)
    per_word, columns = 32 // bits, 16 // bits
    found = np.zeros((out_features, in_features), np.uint8)
    for at, value in enumerate(values):
        word, inside = divmod(at, per_word)
        half = per_word // 2
        place = word * per_word + (2 * inside if inside < half else 2 * (inside - half) + 1)  # evens, then odds
        group, rest = divmod(place, columns * in_features)
        tile, rest = divmod(rest, columns * 64)
        column, row = divmod(rest, 64)
        row += 64 * tile
        found[
            group * columns + column, row - row % len(row_order(bits)) + row_order(bits)[row % len(row_order(bits))]
        ] = value
    return found


@pytest.mark.parametrize("bits", [4, 8])
def test_experts_are_packed_byte_for_byte_as_onnx_runtime_packs_them(bits: int) -> None:
    raw = raw_weight(bits)
    packed = pack_experts(raw, bits)
    assert packed.shape == raw.shape
    assert hashlib.sha256(packed.tobytes()).hexdigest() == PACKED_SHA256[bits]
    values = raw[0] if bits == 8 else np.stack([raw[0] & 15, raw[0] >> 4], -1).reshape(192, 128)
    np.testing.assert_array_equal(unpacked(packed, bits), values)


def test_sizes_that_the_kernels_do_not_take_are_refused() -> None:
    with pytest.raises(UsageError, match="multiples of 64, but this model has hidden_size 80"):
        require_tiles({"hidden_size": 80, "moe_intermediate_size": 128})


@pytest.fixture(scope="module", params=VARIANTS)
def on_gpu(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle whose sizes the GPU's kernels take, with the graphs as they are shipped."""
    from dsvl2_export.exporter import export_weights
    from dsvl2_export.synth.weights import RandomWeights

    folder = tmp_path_factory.mktemp("gpu") / "bundle"
    weights = RandomWeights(synthetic_config(request.param, 0.07, layers=2), seed=4)
    export_weights(weights, folder, "int4", for_cuda=True)
    return folder


def test_the_shipped_graphs_are_typed_and_packed(on_gpu: Path) -> None:
    """ONNX's shape inference agrees with every type; no raw copy is left, and scales of `down` carry the sum."""
    opened = Bundle.open(on_gpu)
    opened.verify()
    assert {(graph.name, graph.precision) for graph in opened.manifest.graphs if graph.target == "cuda"} == {
        (graph_io.IMAGE_ENCODER, "float16"),
        (graph_io.DECODER_PROMPT, "float16"),
        (graph_io.DECODER_STEP, "float16"),
    }
    for name in graph_io.CUDA_GRAPHS:
        model = onnx.load(str(on_gpu / FILES[name]))
        onnx.shape_inference.infer_shapes(model, data_prop=True, strict_mode=False)
        assert [opset.version for opset in model.opset_import if not opset.domain] == [18]
    stored = StoredWeights(on_gpu / "decoder.onnx")
    tensors = {tensor.name: tensor for tensor in model.graph.initializer}
    mlp, config = "language.model.layers.1.mlp", opened.manifest.config.language_config
    for part in ("gate_up", "down"):
        packed = numpy_helper.to_array(tensors[f"{mlp}.{part}.packed"])
        np.testing.assert_array_equal(packed, pack_experts(stored.array(f"{mlp}.{part}"), 4))
        assert f"{mlp}.{part}.raw" not in tensors
    scales = numpy_helper.to_array(tensors[f"{mlp}.down.scales.float16"]).astype(np.float32)
    wanted = stored.array(f"{mlp}.down.scales") * total_weight(config)
    np.testing.assert_allclose(scales, wanted, rtol=2**-10)  # float16 keeps eleven bits


def test_both_decoder_graphs_share_every_weight_that_both_have(on_gpu: Path) -> None:
    """By name and place, so that a runtime loads each of them once."""

    def places(name: str) -> dict[str, dict[str, str]]:
        model = onnx.load(str(on_gpu / FILES[name]), load_external_data=False)
        return {t.name: {e.key: e.value for e in t.external_data} for t in model.graph.initializer if t.external_data}

    step, prompt = places(graph_io.DECODER_STEP), places(graph_io.DECODER_PROMPT)
    both = step.keys() & prompt.keys()
    assert all(step[name] == prompt[name] for name in both)
    only = {name.split(".")[-2] for name in step.keys() ^ prompt.keys() if "layers" in name}
    assert only <= {"kv_b", "up_key", "up_value"}


def test_a_model_of_a_releases_width_reads_prompts_with_experts_in_bfloat16() -> None:
    """A smaller one has float16 throughout, which is more exact and there fast enough."""
    assert form_for(synthetic_config("tiny").language_config) == ON_GPU
    assert form_for(synthetic_config("small", 0.1).language_config) == EXACT_ON_GPU


def test_an_upgrade_adds_the_graphs_and_keeps_them(on_gpu: Path, tmp_path: Path) -> None:
    """The same bytes as an export writes; a second upgrade for the CPU leaves them in the manifest."""
    folder = Path(shutil.copytree(on_gpu, tmp_path / "bundle"))
    before = {path.name: path.read_bytes() for path in on_gpu.iterdir()}
    add_cuda_graphs(folder)
    assert upgrade_bundle(folder)
    Bundle.open(folder).verify()
    after = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert after.pop(MANIFEST) and before.pop(MANIFEST)
    assert after == before
    assert {graph.target for graph in Bundle.open(folder).manifest.graphs} == {"cpu", "cuda"}


def test_a_bundle_that_is_not_quantised_stays_as_it_was(bundle: MakeBundle, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(bundle("small", "fp32"), tmp_path / "bundle"))
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(UsageError, match="--precision int4 or int8"):
        add_cuda_graphs(folder)
    with pytest.raises(UsageError, match="take multiples of 64"):
        add_cuda_graphs(Path(shutil.copytree(bundle("small", "int4"), tmp_path / "other")), ON_GPU)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_the_verbs_take_targets_by_name(on_gpu: Path, tmp_path: Path) -> None:
    """`upgrade --target cuda --bfloat16` writes the graphs anew in that type; a name that is none is refused."""
    folder = Path(shutil.copytree(on_gpu, tmp_path / "bundle"))
    cli.upgrade(folder, target="cuda", bfloat16=True)
    written = Bundle.open(folder).manifest.graphs
    assert {graph.precision for graph in written if graph.name == graph_io.DECODER_STEP} == {"bfloat16"}
    with pytest.raises(UsageError, match="'cuda,tpu' is none of cpu, cuda and cpu,cuda"):
        cli.upgrade(folder, target="cuda,tpu")
    with pytest.raises(UsageError, match="'cuda' is none of cpu and cpu,cuda"):
        cli.export(tmp_path, tmp_path / "out", target="cuda")

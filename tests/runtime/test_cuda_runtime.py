"""What runs the graphs for a GPU, with the same graphs in float32 on the CPU: buffers, slots, chunks, features."""

from __future__ import annotations

import gc
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from dsvl2_export.graphs.cuda.form import ON_CPU
from dsvl2_export.upgrade import add_cuda_graphs
from dsvl2_kernels.library import OFF, SETTING
from dsvl2_runtime import GenerationOptions, load_model
from dsvl2_runtime.answers.sampling import Sampler
from dsvl2_runtime.bundle.bundle import Bundle
from dsvl2_runtime.bundle.graph_tensors import read_external_tensors
from dsvl2_runtime.errors import CancelledError, GenerationError, ModelCorruptError, OutOfMemoryError, SequenceFullError
from dsvl2_runtime.graphs import graph_io
from dsvl2_runtime.graphs.cuda.cache import DeviceCache
from dsvl2_runtime.graphs.cuda.decoder import CudaDecoder
from dsvl2_runtime.graphs.cuda.images import FIRST_FREE, FeatureStore, batches
from dsvl2_runtime.graphs.cuda.memory import CudaMemory, HostMemory
from dsvl2_runtime.graphs.elements import BFLOAT16, FLOAT16, FLOAT32, from_float32, to_float32
from dsvl2_runtime.graphs.gpu_memory import CACHE_SLOTS
from dsvl2_runtime.graphs.target import CUDA_ON_CPU
from dsvl2_runtime.inputs.messages import MessageDict
from dsvl2_runtime.model import VisionLanguageModel
from dsvl2_runtime.progress import Progress, Watch
from small_models import VARIANTS, MakeBundle, pictures
from tolerances import INT8_ACTIVATIONS, LOGITS_FP32

Load = Callable[[str], VisionLanguageModel]
QUESTION = "What is in the pictures?"


@pytest.fixture(scope="module")
def load(bundle: MakeBundle, tmp_path_factory: pytest.TempPathFactory) -> Load:
    """Opens a small model of a variant as if the CPU were a GPU; each variant once."""

    @cache
    def opened(variant: str) -> VisionLanguageModel:
        folder = tmp_path_factory.mktemp("cuda") / variant
        shutil.copytree(bundle(variant, "int4"), folder)
        add_cuda_graphs(folder, ON_CPU)
        return VisionLanguageModel(Bundle.open(folder), 1, target=CUDA_ON_CPU)

    return opened


@pytest.fixture
def small(load: Load) -> VisionLanguageModel:
    model = load("small")
    model.image_cache.clear()
    return model


def relative(found: NDArray[Any], expected: NDArray[Any]) -> float:
    return float(np.linalg.norm(found - expected) / np.linalg.norm(expected))


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("count", [0, 1, 3])
def test_prompts_with_pictures_give_the_cpus_logits(
    variant: str, count: int, load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Within what int8 activations cost the CPU; in any chunks the same.

    The CPU runs ONNX Runtime's operators, whose cached rows are float32 as well: rounded ones choose another expert
    where two are nearly alike.
    """
    monkeypatch.setenv(SETTING, OFF)
    model = load(variant)
    on_cpu = load_model(model.bundle.folder, threads=1, provider="cpu")
    images = pictures(count)
    expected = on_cpu.next_token_logits(QUESTION, images)
    found = model.next_token_logits(QUESTION, images)
    assert relative(found, expected) < INT8_ACTIVATIONS
    in_chunks = model.next_token_logits(QUESTION, images, prefill_chunk=7)
    np.testing.assert_allclose(in_chunks, found, atol=LOGITS_FP32)
    assert model.provider == "cuda"


def test_fifty_steps_equal_one_prompt(small: VisionLanguageModel) -> None:
    """Each step writes its row where the next one reads it."""
    decoder, embedding = small.components.decoder, small.components.embedding
    ids = np.random.default_rng(3).integers(0, 500, 60)
    whole = np.array(decoder.prefill(small.new_sequence(), embedding.tokens(ids)))
    sequence = small.new_sequence()
    decoder.prefill(sequence, embedding.tokens(ids[:10]))
    for token in ids[10:]:
        logits = decoder.run(sequence, embedding.tokens(np.array([token])))
    np.testing.assert_allclose(np.array(logits), whole, atol=LOGITS_FP32)
    assert logits.argmax() == whole.argmax()
    assert sequence.cache.length == 60


def test_runs_are_filled_up_to_sizes_that_were_tried_out(
    small: VisionLanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The positions behind the last one change nothing, not even where the context ends."""
    decoder, embedding = small.components.decoder, small.components.embedding
    assert isinstance(decoder, CudaDecoder)
    ids = np.random.default_rng(4).integers(0, 500, decoder.context_tokens)
    plain = np.array(decoder.prefill(small.new_sequence(), embedding.tokens(ids[:70])))
    monkeypatch.setattr(decoder, "known_sizes", (8, 64, 256))
    assert [decoder._filled_size(seq) for seq in (1, 5, 8, 9, 40, 64, 65, 200, 300)] == [
        5, 5, 8, 33, 40, 64, 129, 200, 300,
    ]  # fmt: skip
    sequence = small.new_sequence()
    np.testing.assert_allclose(np.array(decoder.prefill(sequence, embedding.tokens(ids[:70]))), plain, atol=LOGITS_FP32)
    rest = embedding.tokens(ids[70:])
    decoder.prefill(sequence, rest, chunk=100)
    assert sequence.cache.length == decoder.context_tokens
    with pytest.raises(SequenceFullError):
        decoder.run(sequence, embedding.tokens(ids[:1]))


def test_tuning_can_be_stopped(small: VisionLanguageModel, bundle: MakeBundle, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stop is an error of this program and leaves the model as it was; on the CPU there is nothing to tune.

    It takes ten seconds and more, so it says when it begins and when it ends.
    """
    decoder = small.components.decoder
    assert isinstance(decoder, CudaDecoder)
    monkeypatch.setattr("dsvl2_runtime.graphs.cuda.decoder.GPU_CHUNK", 64)
    monkeypatch.setattr(decoder, "known_sizes", ())
    stopped = Watch(should_stop=lambda: True)
    with pytest.raises(CancelledError):
        small.tune(stopped)
    assert decoder.known_sizes == ()
    seen: list[Progress] = []
    small.tune(Watch(seen.append))
    assert seen == [Progress("tune", 0, 1), Progress("tune", 1, 1)]
    assert decoder.known_sizes == (64,)
    load_model(bundle("small", "int4"), threads=1).tune(stopped)


def test_sequences_take_turns_with_the_slots(small: VisionLanguageModel) -> None:
    """More of them than slots: rows and logits of those that wait come back as they were."""
    decoder, embedding = small.components.decoder, small.components.embedding
    ids = np.random.default_rng(5).integers(0, 500, (CACHE_SLOTS + 2, 12))
    alone = []
    for row in ids:
        sequence = small.new_sequence()
        decoder.prefill(sequence, embedding.tokens(row[:-1]))
        alone.append(np.array(decoder.run(sequence, embedding.tokens(row[-1:]))))
    sequences = [small.new_sequence() for _ in ids]
    first = [np.array(decoder.prefill(s, embedding.tokens(row[:-1]))) for s, row in zip(sequences, ids, strict=True)]
    for sequence, logits in zip(sequences, first, strict=True):
        np.testing.assert_array_equal(np.array(sequence.logits), logits)
    for sequence, row, expected in zip(sequences, ids, alone, strict=True):
        found = np.array(decoder.run(sequence, embedding.tokens(row[-1:])))
        np.testing.assert_allclose(found, expected, atol=LOGITS_FP32)
    in_slots = [s for s in sequences if isinstance(s.cache, DeviceCache) and s.cache.slot is not None]
    assert len(in_slots) == CACHE_SLOTS


def test_the_slot_of_a_sequence_that_is_given_up_is_free(small: VisionLanguageModel) -> None:
    """It is taken before that of one that lives, however long that has waited."""
    decoder, embedding = small.components.decoder, small.components.embedding
    kept = small.new_sequence()
    decoder.run(kept, embedding.tokens(np.arange(3)))
    for _ in range(3):
        decoder.run(small.new_sequence(), embedding.tokens(np.arange(4)))
        gc.collect()
    assert isinstance(kept.cache, DeviceCache)
    assert kept.cache.slot is not None


def test_a_conversation_is_cut_saved_and_loaded(small: VisionLanguageModel, tmp_path: Path) -> None:
    """Rows pass through the computer's memory on their way to the file and back, also onto the CPU's graphs."""
    sequence = small.new_sequence()
    images = pictures(1)
    first = list(small.generate(QUESTION, images, GenerationOptions(max_new_tokens=5), sequence=sequence))
    assert first[-1].finish_reason is not None
    small.save_sequence(sequence, tmp_path / "kept")
    loaded = small.load_sequence(tmp_path / "kept")
    for one, other in zip(
        sequence.cache.rows(sequence.cache.length), loaded.cache.rows(loaded.cache.length), strict=True
    ):
        np.testing.assert_array_equal(one, other)
    expected = small.next_token_logits("And now?", images, sequence=sequence)
    np.testing.assert_allclose(small.next_token_logits("And now?", images, sequence=loaded), expected, atol=LOGITS_FP32)
    assert loaded.reused > 0
    on_cpu = load_model(small.bundle.folder, threads=1, provider="cpu")
    there = on_cpu.load_sequence(tmp_path / "kept")
    assert relative(on_cpu.next_token_logits("And now?", images, sequence=there), expected) < INT8_ACTIVATIONS


def test_features_are_encoded_once_and_stay_where_they_are(small: VisionLanguageModel) -> None:
    """A second question about a picture encodes nothing; with no room kept, everything again."""
    told: list[Progress] = []
    first = small.next_token_logits(QUESTION, pictures(2), watch=Watch(told.append))
    tiles = max(progress.done for progress in told if progress.phase == "vision")
    assert tiles > 2
    told.clear()
    second = small.next_token_logits(QUESTION, pictures(2), watch=Watch(told.append))
    np.testing.assert_allclose(second, first, atol=LOGITS_FP32)
    assert not [progress for progress in told if progress.phase == "vision"]
    assert small.image_cache.nbytes > 0
    small.image_cache.clear()
    assert small.image_cache.nbytes == 0
    np.testing.assert_allclose(small.next_token_logits(QUESTION, pictures(2)), first, atol=LOGITS_FP32)


def test_old_features_make_room_for_new_ones(small: VisionLanguageModel, monkeypatch: pytest.MonkeyPatch) -> None:
    """The store is as large as two of the pictures; five in turn, and the first again."""
    images = [pictures(1)[0].rotate(angle) for angle in (0, 3, 6, 9, 12)]
    expected = [small.next_token_logits(QUESTION, [image]) for image in images]
    one = small.image_cache.nbytes // len(images)
    monkeypatch.setattr(small.image_cache, "max_bytes", 2 * one)
    for image, logits in zip([*images, images[0]], [*expected, expected[0]], strict=True):
        np.testing.assert_allclose(small.next_token_logits(QUESTION, [image]), logits, atol=LOGITS_FP32)
        assert small.image_cache.nbytes <= 2 * one


@pytest.mark.parametrize(("tiles", "sizes"), [(1, [1]), (3, [2, 1]), (9, [8, 1]), (15, [8, 4, 2, 1]), (0, [])])
def test_tiles_go_in_batches_of_few_sizes(tiles: int, sizes: list[int]) -> None:
    """All of them in order, each once."""
    pixels = np.arange(tiles, dtype=np.uint8)[:, None]
    found = list(batches(pixels))
    assert [len(batch) for batch in found] == sizes
    assert [int(tile[0]) for batch in found for tile in batch] == list(range(tiles))


def test_gaps_in_the_store_are_used_again() -> None:
    store = FeatureStore(HostMemory(), 10, 4, FLOAT32)
    starts = [store.take(4), store.take(4)]
    assert starts == [FIRST_FREE, FIRST_FREE + 4]
    assert store.take(4) is None
    store.give_back(FIRST_FREE)
    assert store.take(3) == FIRST_FREE
    assert store.take(2) == FIRST_FREE + 8
    assert store.address(3) - store.address() == 3 * 4 * 4


@pytest.mark.parametrize(
    "options",
    [
        GenerationOptions(max_new_tokens=12),
        GenerationOptions(max_new_tokens=12, temperature=0.8, seed=5),
        GenerationOptions(max_new_tokens=12, temperature=0.8, top_p=0.7, top_k=20, seed=6),
        GenerationOptions(max_new_tokens=12, repetition_penalty=1.3),
        GenerationOptions(max_new_tokens=12, no_repeat_ngram=2),
    ],
    ids=["likeliest", "sampled", "top", "penalty", "ngram"],
)
def test_the_same_logits_give_the_same_tokens(small: VisionLanguageModel, options: GenerationOptions) -> None:
    """The tokens of an answer are those that the sampler for arrays chooses from the logits that were fetched."""
    inputs = small.prepare(QUESTION, pictures(1))
    answered = [chunk.token_id for chunk in small.answer(inputs, options) if chunk.token_id is not None]
    sequence, sampler = small.new_sequence(), Sampler(options, inputs.input_ids, small.components.tokenizer.eos_id)
    spans = small.image_cache.encode(small.components.vision, inputs.images)
    rows = small.components.embedding.prompt(inputs.input_ids, inputs.images_seq_mask, spans)
    logits: NDArray[np.float32] = np.array(small.components.decoder.prefill(sequence, rows))
    for token in answered:
        assert sampler.next_id(logits) == token
        logits = np.array(small.components.decoder.run(sequence, small.components.embedding.tokens(np.array([token]))))
    assert len(answered) > 0


def test_a_chat_goes_on_from_what_was_computed(small: VisionLanguageModel) -> None:
    chat = small.chat()
    options = GenerationOptions(max_new_tokens=4)
    for _ in chat.ask(QUESTION, pictures(1), options):
        pass
    answer = chat.ask("And then?", (), options)
    for _ in answer:
        pass
    assert answer.usage.cached_tokens > 0
    messages: list[MessageDict] = [{"role": "user", "content": "Hello"}]
    assert list(small.generate(messages, options=options))[-1].finish_reason in ("stop", "length")


def test_logits_that_are_not_finite_end_the_answer_with_an_error(
    small: VisionLanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoder = small.components.decoder
    monkeypatch.setattr(decoder, "_results", lambda slot: (float("nan"), float("nan")))
    with pytest.raises(GenerationError, match=r"not finite at position \d+; .*--provider cpu"):
        small.next_token_logits("Hello")


@pytest.mark.parametrize("element", [FLOAT32, FLOAT16, BFLOAT16])
def test_rows_survive_the_way_to_the_gpu_and_back(element: Any) -> None:
    """Exactly, once they are of its type; bfloat16 as ml_dtypes rounds it."""
    import ml_dtypes

    values = np.random.default_rng(1).standard_normal(2000).astype(np.float32) * np.float32(30)
    values[:4] = [0.0, -0.0, 1e-30, 257.0]
    raw = from_float32(values, element).view(np.uint8)
    once = to_float32(raw, element)
    np.testing.assert_array_equal(from_float32(once, element).view(np.uint8), raw)
    dtype = {FLOAT32: np.float32, FLOAT16: np.float16, BFLOAT16: ml_dtypes.bfloat16}[element]
    np.testing.assert_array_equal(once, values.astype(dtype).astype(np.float32))


class FakeRuntime:
    """CUDA's runtime with the computer's memory; `fails` names a function and its code."""

    def __init__(self, fails: tuple[str, int] = ("", 0)) -> None:
        self.host, self.fails, self.freed, self.calls = HostMemory(), fails, 0, list[str]()

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            self.calls.append(name)
            if name == self.fails[0]:
                return self.fails[1]
            if name == "cudaMalloc":
                arguments[0]._obj.value = self.host.allocate(arguments[1].value)
            elif name == "cudaMemcpy":
                target, source, count, kind = arguments
                assert kind in (1, 2)
                self.host.write(target.value, self.host.read(source.value, count.value))
            elif name == "cudaFree":
                self.freed += 1
            elif name == "cudaGetErrorString":
                return b"no luck"
            return 0

        return call


def test_memory_of_a_gpu_is_written_read_and_given_back() -> None:
    """A write waits until it has arrived, since the graphs run on a stream of their own."""
    runtime = FakeRuntime()
    memory = CudaMemory(runtime)
    address = memory.allocate(100)
    memory.write(address + 8, np.arange(6, dtype=np.int16))
    assert runtime.calls[-1] == "cudaDeviceSynchronize"
    np.testing.assert_array_equal(memory.read(address + 8, 12).view(np.int16), np.arange(6))
    memory.close()
    assert runtime.freed == 1


@pytest.mark.parametrize(
    ("fails", "error"), [(("cudaMalloc", 2), OutOfMemoryError), (("cudaMemset", 700), GenerationError)]
)
def test_a_gpu_that_fails_is_an_error(fails: tuple[str, int], error: type[Exception]) -> None:
    with pytest.raises(error) as found:
        CudaMemory(FakeRuntime(fails)).allocate(100)
    assert str(found.value).startswith(
        "there is not enough memory"
        if error is OutOfMemoryError
        else "the GPU failed: cudaMemset gives error 700, no luck"
    )


def test_weights_are_found_where_the_graph_says(load: Load) -> None:
    """By name, type, axes and place; as the library onnx reads them."""
    import onnx

    bundle = load("small").bundle
    sizes = {entry.path: entry.size for entry in bundle.manifest.files}
    path = bundle.graph(graph_io.DECODER_STEP, "cuda")
    model = onnx.load(str(path), load_external_data=False)
    wanted = {}
    for tensor in model.graph.initializer:
        place = {entry.key: entry.value for entry in tensor.external_data}
        if place:
            where = place["location"], int(place["offset"]), int(place["length"])
            wanted[tensor.name] = (tensor.data_type, tuple(tensor.dims), *where)
    found = read_external_tensors(path, sizes)
    assert {t.name: (t.element, t.dims, t.file, t.offset, t.length) for t in found.values()} == wanted
    assert len(wanted) > 20


def test_weights_beyond_their_file_are_refused(load: Load) -> None:
    """Before a byte of them is read."""
    bundle = load("small").bundle
    path = bundle.graph(graph_io.DECODER_STEP, "cuda")
    with pytest.raises(ModelCorruptError, match="does not lie within its file"):
        read_external_tensors(path, {"decoder_cuda.data": 1000})
    with pytest.raises(ModelCorruptError, match="a file that are not known"):
        read_external_tensors(path, {})

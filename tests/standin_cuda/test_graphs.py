"""Where ONNX Runtime's CUDA provider runs the graphs: wholly on the GPU, with one copy of the weights, prepacked."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from dsvl2_runtime.bundle.bundle import Bundle
from dsvl2_runtime.bundle.graph_tensors import ExternalTensor, read_external_tensors
from dsvl2_runtime.graphs import graph_io
from dsvl2_runtime.graphs.cuda.decoder import CudaDecoder
from dsvl2_runtime.graphs.cuda.images import CudaImageEncoder
from dsvl2_runtime.graphs.cuda.memory import ALIGNMENT, CudaMemory
from dsvl2_runtime.graphs.target import CUDA
from dsvl2_runtime.machine.cuda_libraries import load_cuda_libraries
from dsvl2_runtime.model import VisionLanguageModel
from small_models import VARIANTS
from standin_cuda.conftest import LAYERS
from standin_cuda.launch_log import LaunchLog, kinds

ALONE = "session.disable_cpu_ep_fallback"


def operators_on_gpu(path: Path, optimized: Path) -> list[str]:
    """The operators that ONNX Runtime runs a graph with.

    Raises:
        Exception: a node would run on the CPU.
    """
    load_cuda_libraries()
    options = CUDA.session_options(1)
    options.add_session_config_entry(ALONE, "1")
    options.optimized_model_filepath = str(optimized)
    CUDA.new_session(path, options)
    return [node.op_type for node in onnx.load(str(optimized), load_external_data=False).graph.node]


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("name", graph_io.CUDA_GRAPHS)
def test_every_node_is_on_the_gpu(variant: str, name: str, gpu_bundle: Callable[[str], Path], tmp_path: Path) -> None:
    """None on the CPU, and nothing is copied to or from it inside a graph."""
    bundle = Bundle.open(gpu_bundle(variant))
    found = operators_on_gpu(bundle.graph(name, CUDA.name), tmp_path / "optimized.onnx")
    assert "MemcpyToHost" not in found
    assert "MemcpyFromHost" not in found
    assert ("QMoE" in found) == (name != graph_io.IMAGE_ENCODER)


def test_a_node_that_is_not_would_be_found(tmp_path: Path) -> None:
    """The same question about an operator that has no kernel for a GPU."""
    ports = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [2, 2]) for name in "x"]
    nodes = [helper.make_node("Add", ["x", "x"], ["y"]), helper.make_node("Det", ["y"], ["z"])]
    out = [helper.make_tensor_value_info("z", TensorProto.FLOAT, [])]
    model = helper.make_model(helper.make_graph(nodes, "g", ports, out), opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 10
    onnx.save(model, str(tmp_path / "cpu.onnx"))
    with pytest.raises(Exception, match="fallback to CPU EP has been explicitly disabled"):
        operators_on_gpu(tmp_path / "cpu.onnx", tmp_path / "optimized.onnx")


def test_the_weights_are_on_the_gpu_once(
    gpu_bundle: Callable[[str], Path], log: LaunchLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both graphs of the decoder read one block, in which experts lie as their kernels want them.

    Before anything runs, only the image encoder's weights and what is computed from constants are there beside it:
    far less than one more copy of the experts of one layer.
    """
    monkeypatch.setattr(CudaImageEncoder, "warm", lambda *_: None)
    monkeypatch.setattr(CudaDecoder, "warm", lambda *_: None)
    ours = list[int]()
    allocate = CudaMemory.allocate

    def counted(memory: CudaMemory, nbytes: int) -> int:
        ours.append(nbytes)
        return allocate(memory, nbytes)

    monkeypatch.setattr(CudaMemory, "allocate", counted)
    bundle, mark = Bundle.open(gpu_bundle("small")), log.mark()
    model = VisionLanguageModel(bundle, 1, target=CUDA)
    events = log.since(mark)
    lengths = {graph: tensors_of(bundle, graph) for graph in graph_io.CUDA_GRAPHS}
    decoder = lengths[graph_io.DECODER_PROMPT] | lengths[graph_io.DECODER_STEP]
    images = sum(tensor.length for tensor in lengths[graph_io.IMAGE_ENCODER].values())
    experts = [tensor.length for tensor in decoder.values() if tensor.name.endswith(".packed")]
    assert len(experts) == 2 * (LAYERS - 1)
    whole = sum(tensor.length for tensor in decoder.values())
    assert whole <= ours[0] < whole + len(decoder) * ALIGNMENT
    live = sum(event.nbytes for event in kinds(events, "allocate")) - sum(e.nbytes for e in kinds(events, "free"))
    assert 0 <= live - sum(ours) - images < min(experts)
    assert model.provider == "cuda"


def tensors_of(bundle: Bundle, graph: str) -> dict[tuple[str, int], ExternalTensor]:
    """What a graph reads from files, by place."""
    sizes = {entry.path: entry.size for entry in bundle.manifest.files}
    found = read_external_tensors(bundle.graph(graph, CUDA.name), sizes)
    return {(tensor.file, tensor.offset): tensor for tensor in found.values()}


def test_new_memory_is_zeros(log: LaunchLog) -> None:
    memory = CudaMemory()
    address = memory.allocate(64)
    assert not memory.read(address, 64).any()
    memory.write(address, np.arange(8, dtype=np.int64))
    np.testing.assert_array_equal(memory.read(address, 64).view(np.int64), np.arange(8))

"""What an `.onnx` file refers to, read without the onnx package, from friendly and hostile files."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import helper

from dsvl2_runtime.bundle.graph_file import DEEPEST, read_graph_file
from dsvl2_runtime.errors import ModelCorruptError
from dsvl2_runtime.graphs import graph_io
from small_models import VARIANTS, MakeBundle


def external(name: str, location: str) -> onnx.TensorProto:
    """A tensor whose values are in another file."""
    tensor = onnx.TensorProto(
        name=name, data_type=onnx.TensorProto.FLOAT, dims=[1], data_location=onnx.TensorProto.EXTERNAL
    )
    tensor.external_data.add(key="offset", value="0")
    tensor.external_data.add(key="location", value=location)
    return tensor


def sparse(name: str, values: str, indices: str) -> onnx.SparseTensorProto:
    """A sparse tensor, both halves of which are elsewhere."""
    return onnx.SparseTensorProto(values=external(name, values), indices=external(f"{name}i", indices), dims=[1])


def model_with_weights_everywhere() -> onnx.ModelProto:
    """Wherever the form of ONNX lets a tensor stand."""
    inner = helper.make_graph(
        [helper.make_node("Constant", [], ["deep"], value=external("deep", "branch.data"))],
        "inner",
        [],
        [helper.make_tensor_value_info("deep", onnx.TensorProto.FLOAT, [1])],
        [external("weights of a branch", "branch weights.data")],
    )
    lists = helper.make_node("Lists", [], ["lists"], domain="org.somebody")
    lists.attribute.add(name="tensors", type=onnx.AttributeProto.TENSORS, tensors=[external("x", "list.data")])
    lists.attribute.add(name="graphs", type=onnx.AttributeProto.GRAPHS, graphs=[inner])
    lists.attribute.add(
        name="sparse", type=onnx.AttributeProto.SPARSE_TENSOR, sparse_tensor=sparse("s", "sv.data", "si.data")
    )
    lists.attribute.add(
        name="many", type=onnx.AttributeProto.SPARSE_TENSORS, sparse_tensors=[sparse("m", "mv.data", "mi.data")]
    )
    choice = helper.make_node("If", ["condition"], ["either"], then_branch=inner, else_branch=inner)
    graph = helper.make_graph([lists, choice], "outer", [], [], [external("plain", "plain.data")])
    graph.sparse_initializer.append(sparse("g", "gv.data", "gi.data"))
    function = helper.make_function(
        "org.somebody",
        "F",
        [],
        ["y"],
        [helper.make_node("Constant", [], ["y"], value=external("f", "function.data"))],
        [helper.make_opsetid("org.inside", 3)],
    )
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid("org.somebody", 2)]
    model = helper.make_model(graph, functions=[function], opset_imports=opsets)
    training = model.training_info.add()
    training.initialization.CopyFrom(inner)
    training.algorithm.initializer.append(external("t", "training.data"))
    return model


def test_every_file_and_domain_is_found(tmp_path: Path) -> None:
    """In branches, lists, sparse tensors, functions and training too."""
    path = tmp_path / "model.onnx"
    path.write_bytes(model_with_weights_everywhere().SerializeToString())
    found = read_graph_file(path)
    names = "plain branch list sv si mv mi gv gi function training"
    assert found.data_files == {f"{name}.data" for name in names.split()} | {"branch weights.data"}
    assert found.opsets == {"": 21, "org.somebody": 2, "org.inside": 3}


@pytest.mark.parametrize("variant", VARIANTS)
def test_graphs_of_ours_are_read_as_onnx_reads_them(bundle: MakeBundle, variant: str) -> None:
    """Compared with the package that owns the form."""
    folder = bundle(variant, "int4")
    for name in graph_io.GRAPHS:
        found = read_graph_file(folder / f"{name}.onnx")
        model = onnx.load(folder / f"{name}.onnx", load_external_data=False)
        assert found.opsets == {opset.domain: opset.version for opset in model.opset_import}
        assert found.data_files == ({f"{name}.data"} if (folder / f"{name}.data").exists() else set())


def as_field(number: int, content: bytes) -> bytes:
    """A field of bytes with a length of many bytes where fewer would do."""
    length = len(content)
    digits = [length >> shift & 127 | 128 for shift in (0, 7, 14, 21)]
    return bytes([number << 3 | 2, *digits, 0]) + content


def test_lengths_that_are_written_at_length_hide_nothing(tmp_path: Path) -> None:
    """Protocol buffers allow it, so a search for the usual bytes would miss it."""
    entry = as_field(2, b"hidden.data") + as_field(1, b"location")
    path = tmp_path / "model.onnx"
    path.write_bytes(as_field(7, as_field(5, as_field(13, entry))))
    assert onnx.load(path, load_external_data=False).graph.initializer[0].external_data[0].value == "hidden.data"
    assert read_graph_file(path).data_files == {"hidden.data"}


def test_messages_inside_messages_have_an_end(tmp_path: Path) -> None:
    """A graph in an attribute of a node of a graph, and so on."""
    content = b""
    for _ in range(DEEPEST):
        content = as_field(1, as_field(5, as_field(6, content)))
    path = tmp_path / "model.onnx"
    path.write_bytes(as_field(7, content))
    with pytest.raises(ModelCorruptError, match="inside each other"):
        read_graph_file(path)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x3a",
        b"\x3a\x05",
        b"\x3a\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
        b"\x3b",
        b"\x09\x00",
        b"\x80" * 20,
    ],
    ids=["empty", "no length", "no content", "endless length", "group", "cut number", "endless tag"],
)
def test_what_is_no_protocol_buffer_is_refused(tmp_path: Path, content: bytes) -> None:
    """The error names the file."""
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    with pytest.raises(ModelCorruptError, match=r"model\.onnx"):
        read_graph_file(path)


@settings(deadline=None)
@given(
    content=st.binary(max_size=200),
    at=st.integers(0, 400),
    damage=st.binary(min_size=1, max_size=4),
)
def test_no_content_leads_to_another_error(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, at: int, damage: bytes
) -> None:
    """Neither noise nor a real graph with some bytes changed."""
    whole = model_with_weights_everywhere().SerializeToString()
    path = tmp_path_factory.mktemp("noise") / "model.onnx"
    for data in (content, whole[:at] + damage + whole[at + len(damage) :]):
        path.write_bytes(data)
        try:
            read_graph_file(path)
        except ModelCorruptError:
            continue

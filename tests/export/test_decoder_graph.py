"""The decoder graph as a structure: what a decode step may do with the cache."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest

from dsvl2_export.graphs.decoder.graph import write_decoder
from dsvl2_export.synth.weights import RandomWeights
from dsvl2_quant.methods.nearest import Nearest
from dsvl2_quant.recipe import RECIPES
from dsvl2_runtime.graphs import graph_io
from small_models import VARIANTS, small_config

READS_IN_PLACE = {"FusedMatMul", "MatMul", "Shape"}
"""Operators that read rows where they lie. Concat, Slice, Split, Transpose or Gather of the past would copy it."""


def bodies(model: onnx.ModelProto, branch: str) -> list[onnx.GraphProto]:
    """The bodies of one branch of every `If` in the graph."""
    return [
        attribute.g
        for node in model.graph.node
        if node.op_type == "If"
        for attribute in node.attribute
        if attribute.name == branch
    ]


@pytest.fixture(scope="module", params=VARIANTS)
def decoder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> onnx.ModelProto:
    config = small_config(request.param)
    path = tmp_path_factory.mktemp("decoder") / "decoder.onnx"
    write_decoder(path, RandomWeights(config, seed=1), RECIPES["fp32"], Nearest())
    return onnx.load(str(path), load_external_data=False)


def test_a_decode_step_reads_past_rows_only_inside_matrix_products(decoder: onnx.ModelProto) -> None:
    """No node that runs for one new position copies the cache: not in the decode branch, not outside the branches."""
    past = {entry.name for entry in decoder.graph.input if entry.name.startswith("past_")}
    readers = [
        (node.op_type, name)
        for nodes in ([decoder.graph.node], [body.node for body in bodies(decoder, "then_branch")])
        for part in nodes
        for node in part
        for name in node.input
        if name in past
    ]
    assert {operator for operator, _ in readers} <= READS_IN_PLACE
    assert {name for operator, name in readers if operator != "Shape"} == past  # each one is really read


def test_no_output_holds_more_than_the_new_rows(decoder: onnx.ModelProto) -> None:
    """The graph gives back rows of this call alone: there is no joined cache among the outputs."""
    outputs = {entry.name: [axis.dim_param or axis.dim_value for axis in entry.type.tensor_type.shape.dim]
               for entry in decoder.graph.output}  # fmt: skip
    logits = outputs.pop(graph_io.LOGITS)
    assert logits[0] == 1
    assert outputs
    assert all(axes[0] == "seq" for axes in outputs.values())


def test_weights_that_both_branches_need_stand_outside_them(decoder: onnx.ModelProto) -> None:
    """A weight read in two branches would be packed, and held, twice."""
    initializers = {entry.name for entry in decoder.graph.initializer if entry.data_location}
    read = {
        branch: {name for body in bodies(decoder, branch) for node in body.node for name in node.input} & initializers
        for branch in ("then_branch", "else_branch")
    }
    assert not read["then_branch"] & read["else_branch"]


def test_the_graph_file_holds_no_large_tensor(decoder: onnx.ModelProto, tmp_path: Path) -> None:
    """Weights lie in the external file: the graph alone stays small whatever the model's size."""
    onnx.save(decoder, str(tmp_path / "alone.onnx"))
    assert (tmp_path / "alone.onnx").stat().st_size < 400_000


def test_the_last_layers_experts_run_for_the_last_position_alone(decoder: onnx.ModelProto) -> None:
    """A prompt's other positions owe that layer nothing but their cached rows."""
    made_by = {name: node.op_type for node in decoder.graph.node for name in node.output}
    norms = [node for node in decoder.graph.node if node.op_type == "SkipSimplifiedLayerNormalization"]
    *others, after_attention, final = norms
    assert [made_by[name] for name in after_attention.input[:2]] == ["Gather", "Gather"]
    assert "Gather" not in {made_by.get(name) for norm in (*others, final) for name in norm.input}


@pytest.mark.parametrize("precision", ["fp32", "int4"])
def test_a_decode_step_has_few_nodes(precision: str, tmp_path: Path) -> None:
    """Each node of a step begins with cold caches, as the experts between them read more than the caches hold."""
    config = small_config("small")
    path = tmp_path / "decoder.onnx"
    write_decoder(path, RandomWeights(config, seed=1), RECIPES[precision], Nearest())
    model = onnx.load(str(path), load_external_data=False)
    branches = bodies(model, "then_branch")
    assert len(branches) == config.language_config.num_hidden_layers
    assert max(len(body.node) for body in branches) <= 15
    if precision == "int4":
        outside = len(model.graph.node) / len(branches)
        assert outside <= 22  # about 15 of a layer, and what begins and ends the graph

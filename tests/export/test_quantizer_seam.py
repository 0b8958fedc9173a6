"""Graph writers ask a quantizer for every quantised weight, and say what the weight is multiplied with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import numpy_helper
from torch import nn

from dsvl2_export import exporter
from dsvl2_export.checkpoint.checkpoint import Checkpoint
from dsvl2_export.exporter import export_bundle, export_weights
from dsvl2_export.graphs.decoder.graph import write_decoder
from dsvl2_export.network import DeepseekVL2
from dsvl2_export.synth.weights import RandomWeights
from dsvl2_quant.formats.blocks import BlockFormat, BlockWeight, dequantize_blocks
from dsvl2_quant.formats.columns import ColumnFormat, ColumnWeight, dequantize_columns
from dsvl2_quant.methods.nearest import Nearest, quantize_blocks, quantize_columns
from dsvl2_quant.methods.quantizer import LinearInput
from dsvl2_quant.recipe import COLUMNS, INT4, INT8, RECIPES, Recipe
from dsvl2_runtime.bundle.bundle import Bundle
from small_models import VARIANTS, MakeBundle, MakeCheckpoint, small_config

LAYER = "language.model.layers.1"


@dataclass
class Recording:
    """Quantises as `Nearest` does and keeps what it was asked."""

    identity: str = "recording"
    read: list[tuple[tuple[int, ...], LinearInput | None]] = field(default_factory=list)

    def blocks(self, weight: NDArray[np.float32], form: BlockFormat, reads: LinearInput | None) -> BlockWeight:
        self.read.append((weight.shape, reads))
        return Nearest().blocks(weight, form, reads)

    def columns(self, weight: NDArray[np.float32], form: ColumnFormat, reads: LinearInput | None) -> ColumnWeight:
        self.read.append((weight.shape, reads))
        return Nearest().columns(weight, form, reads)


def test_each_quantized_weight_names_the_input_that_it_reads(tmp_path: Path) -> None:
    """Rows of several layers share one input; the pieces of a shared expert read a part of it; others read none."""
    config = small_config("small")
    language = config.language_config
    quantizer = Recording()
    export_weights(RandomWeights(config), tmp_path / "bundle", "int4", quantizer=quantizer)
    hidden, width, heads = language.hidden_size, language.moe_intermediate_size, language.num_attention_heads
    fused = heads * language.head_dim + language.qk_rope_head_dim + language.latent_rank
    assert ((fused, hidden), LinearInput(f"{LAYER}.self_attn.q_proj")) in quantizer.read
    for expert in range(language.n_routed_experts or 0):
        layer = f"{LAYER}.mlp.experts.{expert}"
        assert ((2 * width, hidden), LinearInput(f"{layer}.gate_proj")) in quantizer.read
        assert ((hidden, width), LinearInput(f"{layer}.down_proj")) in quantizer.read
    shared = [reads for _, reads in quantizer.read if reads and reads.layer == f"{LAYER}.mlp.shared_experts.down_proj"]
    assert [reads.features for reads in shared] == [range(width), range(width, 2 * width)]
    unread = [shape for shape, reads in quantizer.read if reads is None]
    assert (language.vocab_size, hidden) in unread  # rows of a table are taken, not multiplied
    assert (heads, language.qk_nope_head_dim, language.latent_rank) in unread  # absorbed


@pytest.mark.parametrize("variant", VARIANTS)
def test_what_a_weight_reads_is_the_input_of_a_layer_of_the_reference_network(tmp_path: Path, variant: str) -> None:
    """Whoever records inputs of that network finds each of them by its name, and of the right width."""
    config = small_config(variant)
    quantizer = Recording()
    write_decoder(
        tmp_path / "decoder.onnx", RandomWeights(config), RECIPES["int4"].fitted(config.language_config), quantizer
    )
    layers = dict(DeepseekVL2(config).named_modules())
    asked = [(shape, reads) for shape, reads in quantizer.read if reads is not None]
    assert len(asked) > 40
    for shape, reads in asked:
        layer = layers[reads.layer]
        assert isinstance(layer, nn.Linear)
        assert shape[1] == len(range(layer.in_features) if reads.features is None else reads.features), reads


def initializers(path: Path) -> dict[str, NDArray[Any]]:
    return {entry.name: numpy_helper.to_array(entry) for entry in onnx.load(str(path)).graph.initializer}


def stored(weights: Mapping[str, NDArray[Any]], name: str, form: BlockFormat, in_features: int) -> NDArray[np.float32]:
    """A weight in blocks [out_features, in_features], from what a graph holds."""
    packed, scales = weights[name], weights[f"{name}.scales"]
    blocks = form.blocks_of(in_features)
    packed = packed.reshape(-1, blocks, form.packed_block_bytes)
    return dequantize_blocks(BlockWeight(packed, scales.reshape(-1, blocks), form, in_features))


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_bundle_holds_what_the_method_makes_of_the_checkpoint(
    variant: str, checkpoint: MakeCheckpoint, bundle: MakeBundle
) -> None:
    """By another way: tensors of the checkpoint quantised one by one, bit for bit what graphs hold of them."""
    source, folder = Checkpoint.open(checkpoint(variant)), bundle(variant, "int4")
    config = source.config.language_config
    recipe = RECIPES["int4"].fitted(config)
    found = initializers(folder / "decoder.onnx") | initializers(folder / "embed_tokens.onnx")

    def made(tensor: str) -> NDArray[np.float32]:
        form = recipe.format_of(f"{tensor}.weight")
        assert isinstance(form, BlockFormat)
        return dequantize_blocks(quantize_blocks(source.array(f"{tensor}.weight"), form))

    hidden, width = config.hidden_size, config.moe_intermediate_size
    for tensor in ("language.lm_head", "language.model.embed_tokens", f"{LAYER}.self_attn.o_proj"):
        expected = made(tensor)
        form = recipe.format_of(f"{tensor}.weight")
        assert isinstance(form, BlockFormat)
        assert np.array_equal(stored(found, tensor, form, expected.shape[1]), expected), tensor
    assert isinstance(recipe.experts, BlockFormat)
    stacked = {name: array for name, array in found.items() if name.startswith(f"{LAYER}.mlp.") and array.ndim == 3}
    for number in range(config.n_routed_experts or 0):
        one = {name: array[number] for name, array in stacked.items()}
        rows = stored(one, f"{LAYER}.mlp.gate_up", recipe.experts, hidden)
        expert = f"{LAYER}.mlp.experts.{number}"
        assert np.array_equal(rows[0::2], made(f"{expert}.gate_proj"))
        assert np.array_equal(rows[1::2], made(f"{expert}.up_proj"))
        assert np.array_equal(stored(one, f"{LAYER}.mlp.down", recipe.experts, width), made(f"{expert}.down_proj"))


def test_another_method_starts_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Layers of two methods in one bundle would belong to none."""
    weights, out = RandomWeights(small_config("small")), tmp_path / "out"

    class Stopped(Exception):  # noqa: N818 - not an error
        pass

    def stop(done: int, total: int) -> None:
        if (tmp_path / ".out.partial" / "decoder.journal").exists():
            raise Stopped

    with pytest.raises(Stopped):
        export_weights(weights, out, "int4", on_progress=stop)
    again, other = Recording(identity=Nearest().identity), Recording(identity="another")
    with pytest.raises(Stopped):
        export_weights(weights, out, "int4", quantizer=again, on_progress=stop)
    assert not again.read  # the attempt is resumed, and stopped before its next layer
    export_weights(weights, out, "int4", quantizer=other)
    table = (weights.config.language_config.vocab_size, weights.config.language_config.hidden_size)
    assert (table, None) in other.read


def test_what_the_manifest_says_about_kv_b_proj_is_written(
    tmp_path: Path, checkpoint: MakeCheckpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is stored twice, and each copy has its own entry: blocks of the recipe for prefill, columns for decode."""
    monkeypatch.setattr(exporter, "RECIPES", {"int4": Recipe(kv_up=INT4, kv_absorbed=COLUMNS)})
    export_bundle(checkpoint("small"), tmp_path / "bundle", "int4")
    parts = Bundle.open(tmp_path / "bundle").manifest.parts
    assert (parts["kv_up"], parts["kv_absorbed"], parts["dense"]) == ("int4 block 64", "int8 columns", "fp32")
    source = Checkpoint.open(checkpoint("small"))
    config = source.config.language_config
    name = f"{LAYER}.self_attn"
    kv_b = source.array(f"{name}.kv_b_proj.weight")
    found = initializers(tmp_path / "bundle" / "decoder.onnx")
    expected = dequantize_blocks(quantize_blocks(kv_b, INT4))
    assert np.array_equal(stored(found, f"{name}.kv_b_proj", INT4, config.latent_rank), expected)
    assert not np.array_equal(expected, dequantize_blocks(quantize_blocks(kv_b, INT8)))
    per_head = kv_b.reshape(config.num_attention_heads, -1, config.latent_rank)
    up_key = quantize_columns(per_head[:, : config.qk_nope_head_dim])
    columns = ColumnWeight(found[f"{name}.up_key"], found[f"{name}.up_key.scales"][:, 0])
    assert np.array_equal(dequantize_columns(columns), dequantize_columns(up_key))

"""Which format each tensor is stored in: one mapping, which graphs, sizes and manifests follow."""

from __future__ import annotations

import pytest

from dsvl2_export.checkpoint.tensor_names import expected_tensors
from dsvl2_quant.formats.blocks import BlockFormat
from dsvl2_quant.formats.float32 import FLOAT32
from dsvl2_quant.recipe import COLUMNS, INT4, INT8, RECIPES, Recipe
from dsvl2_runtime.bundle.releases import Precision, official_config
from small_models import VARIANTS, small_config

LAYER = "language.model.layers.3"


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_matrix_is_quantized_but_routers_positions_and_the_convolution(variant: str) -> None:
    """Names decide; each tensor of a release has its format, and every large one is quantised."""
    shapes = expected_tensors(official_config(variant))
    left = {name for name in shapes if RECIPES["int4"].formats_of(name) == (FLOAT32,)}
    matrices = {name for name in left if len(shapes[name]) > 1}
    routers = {name for name in matrices if name.endswith("mlp.gate.weight")}
    assert matrices - routers == {"vision.pos_embed", "vision.patch_embed.proj.weight"}
    assert len(routers) == official_config(variant).language_config.num_hidden_layers - 1
    assert all(RECIPES["fp32"].formats_of(name)[0] == FLOAT32 for name in shapes)


def test_each_part_decides_about_its_own_tensors() -> None:
    """All seven differ here, so none can stand for another."""
    blocks = [BlockFormat(bits, size) for bits in (4, 8) for size in (16, 32, 64)]
    experts, dense, kv_up, lm_head, embed_tokens, _ = blocks
    recipe = Recipe(experts, dense, kv_up, COLUMNS, lm_head, embed_tokens, COLUMNS)
    expected = {
        f"{LAYER}.mlp.experts.17.up_proj.weight": experts,
        f"{LAYER}.mlp.shared_experts.down_proj.weight": experts,
        f"{LAYER}.mlp.gate_proj.weight": dense,
        f"{LAYER}.self_attn.q_proj.weight": dense,
        f"{LAYER}.self_attn.kv_a_proj_with_mqa.weight": dense,
        f"{LAYER}.self_attn.kv_b_proj.weight": kv_up,
        "language.lm_head.weight": lm_head,
        "language.model.embed_tokens.weight": embed_tokens,
        f"{LAYER}.mlp.gate.weight": FLOAT32,
        f"{LAYER}.self_attn.kv_a_layernorm.weight": FLOAT32,
        "language.model.norm.weight": FLOAT32,
    }
    assert {name: recipe.format_of(name) for name in expected} == expected
    assert recipe.formats_of(f"{LAYER}.self_attn.kv_b_proj.weight") == (kv_up, COLUMNS)
    for name in ("vision.blocks.0.attn.qkv.weight", "vision.blocks.0.mlp.fc2.weight", "projector.layers.2.weight"):
        assert recipe.formats_of(name) == (COLUMNS,)


@pytest.mark.parametrize("name", [f"{LAYER}.self_attn.q_prj.weight", "lm_head.weight", f"{LAYER}.mlp.experts.up_proj"])
def test_a_name_that_no_tensor_has_is_an_error(name: str) -> None:
    """Otherwise a misspelt name in a graph writer would silently be fp32."""
    with pytest.raises(ValueError, match="no part"):
        Recipe().formats_of(name)


def test_a_format_that_a_part_is_not_written_in_is_refused() -> None:
    """Absorbed matrices and the vision encoder have columns, the others have blocks."""
    for wrong in ({"kv_absorbed": INT4}, {"vision": INT8}, {"experts": COLUMNS}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            Recipe(**wrong)


@pytest.mark.parametrize("precision", Precision)
def test_recipes_fit_odd_sizes(precision: Precision) -> None:
    """Block sizes shrink to what divides the sizes of a model; every part says its format."""
    parts = RECIPES[precision].fitted(small_config("small").language_config).parts()
    assert set(parts) == {"experts", "dense", "kv_up", "kv_absorbed", "lm_head", "embed_tokens", "vision"}
    if precision == "fp32":
        assert set(parts.values()) == {"fp32"}
    else:
        assert parts["experts"] == f"{precision.removesuffix('-128')} block 16"
        assert parts["vision"] == parts["kv_absorbed"] == "int8 columns"
    assert set(RECIPES) == set(Precision)

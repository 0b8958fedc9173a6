"""Sizes and switches of one model, with the spelling and the defaults of the official `config.json`.

The official files hold only what differs from the class defaults, so the defaults are here. Unknown keys are errors.
A configuration is untrusted, wherever it comes from, so every size has bounds, far beyond the releases.

Source: `configuration_deepseek.py` and `modeling_deepseek_vl_v2.py` of github.com/deepseek-ai/DeepSeek-VL2.
"""

from __future__ import annotations

from dataclasses import field
from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from dsvl2_runtime.errors import UsageError
from dsvl2_runtime.geometry import (
    CELL_PATCHES,
    PATCH_PIXELS,
    TILE_PIXELS,
    cells_along,
    official_resolutions,
    patches_along,
)

STRICT = ConfigDict(extra="forbid", protected_namespaces=(), allow_inf_nan=False)

Width = Annotated[int, Field(gt=0, le=1 << 18)]
"""Values in one row; the widest of a release has 12288."""
HeadWidth = Annotated[int, Field(ge=0, le=1 << 12)]
"""Zero in plain attention, which takes it from hidden_size."""
Count = Annotated[int, Field(gt=0, le=512)]
"""Number of layers, heads or experts; the largest of a release is 72."""
CountOrZero = Annotated[int, Field(ge=0, le=512)]
Side = Annotated[int, Field(gt=0, le=1024)]
"""Pixels."""
MOST_IDS = 1 << 20
"""Token ids; the largest vocabulary of a release has 129,280."""
TokenId = Annotated[int, Field(ge=0, lt=MOST_IDS)]
LARGEST_GRID = 64
"""Tiles of one image at most; the releases have up to `geometry.MOST_TILES`."""
KV_A_NORM_EPS = 1e-6
"""`kv_a_layernorm` takes the class default of the reference, not `rms_norm_eps`."""


@dataclass(frozen=True, config=STRICT)
class VisionConfig:
    """SigLIP tower; the defaults are SO400M/14 at 384 px, the same in all three releases."""

    model_type: Literal["vision"] = "vision"
    model_name: str = "siglip_so400m_patch14_384"
    image_size: Side = TILE_PIXELS
    patch_size: Side = PATCH_PIXELS
    width: Width = 1152
    layers: CountOrZero = 27
    heads: Count = 16
    mlp_ratio: Annotated[float, Field(gt=0, le=64)] = 3.7362
    global_pool: Literal["map"] = "map"
    ignore_head: Literal[True] = True
    class_token: Literal[False] = False
    num_classes: int = 0

    def __post_init__(self) -> None:
        if self.patch_size > self.image_size:
            raise ValueError(f"patch_size {self.patch_size} is larger than image_size {self.image_size}")
        if self.width % self.heads:
            raise ValueError(f"width {self.width} is no multiple of heads {self.heads}")
        if not self.mlp_width:
            raise ValueError(f"mlp_ratio {self.mlp_ratio} leaves nothing of width {self.width}")

    @property
    def grid(self) -> int:
        """Patches along one side of a tile."""
        return patches_along(self.image_size, self.patch_size)

    @property
    def mlp_width(self) -> int:
        """Hidden width of a block's MLP; truncated like the reference."""
        return int(self.width * self.mlp_ratio)


@dataclass(frozen=True, config=STRICT)
class ProjectorConfig:
    """Two-layer projector after the 2×2 merging of patches."""

    model_type: Literal["mlp_projector"] = "mlp_projector"
    projector_type: Literal["downsample_mlp_gelu"] = "downsample_mlp_gelu"
    input_dim: Width = 1152
    n_embed: Width = 2048
    depth: Literal[2] = 2
    mlp_ratio: Literal[1] = 1
    downsample_ratio: Annotated[int, Field(gt=0, le=16)] = CELL_PATCHES
    token_pooling: Literal[False] = False


@dataclass(frozen=True, config=STRICT)
class LanguageConfig:
    """DeepSeek-V2 decoder: latent or plain attention, one or more dense layers, then experts."""

    model_type: Literal["deepseek_v2"] = "deepseek_v2"
    vocab_size: Annotated[int, Field(gt=0, le=1 << 20)] = 102400
    hidden_size: Width = 4096
    intermediate_size: Width = 11008
    moe_intermediate_size: Width = 1407
    num_hidden_layers: Count = 30
    num_attention_heads: Count = 32
    num_key_value_heads: Count = 32
    n_shared_experts: CountOrZero | None = None
    n_routed_experts: Count | None = None
    num_experts_per_tok: Count | None = None
    first_k_dense_replace: CountOrZero = 0
    moe_layer_freq: Count = 1
    scoring_func: Literal["softmax", "sigmoid"] = "softmax"
    topk_method: Literal["greedy", "noaux_tc"] = "greedy"
    n_group: Literal[1] | None = None
    topk_group: Literal[1] | None = None
    norm_topk_prob: bool = False
    routed_scaling_factor: Annotated[float, Field(gt=0, le=1e6)] = 1.0
    use_mla: bool = True
    q_lora_rank: None = None
    kv_lora_rank: Width | None = 512
    qk_nope_head_dim: HeadWidth = 128
    qk_rope_head_dim: HeadWidth = 64
    v_head_dim: HeadWidth = 128
    max_position_embeddings: Annotated[int, Field(gt=0, le=1 << 20)] = 2048
    bos_token_id: TokenId = 100000
    eos_token_id: TokenId = 100001
    rope_theta: Annotated[float, Field(ge=1, le=1e12)] = 10000.0
    rope_scaling: None = None
    rms_norm_eps: Annotated[float, Field(gt=0, le=1)] = 1e-6
    hidden_act: Literal["silu"] = "silu"
    attention_bias: Literal[False] = False
    attention_dropout: float = 0.0
    tie_word_embeddings: Literal[False] = False

    def __post_init__(self) -> None:
        if self.num_key_value_heads != self.num_attention_heads:
            raise ValueError(
                f"num_key_value_heads is {self.num_key_value_heads} but num_attention_heads is "
                f"{self.num_attention_heads}; no DeepSeek-VL2 release shares key heads"
            )
        if self.use_mla and self.kv_lora_rank is None:
            raise ValueError("use_mla is true but kv_lora_rank is null")
        if self.use_mla and not (self.qk_nope_head_dim and self.qk_rope_head_dim and self.v_head_dim):
            raise ValueError("use_mla is true but one of qk_nope_head_dim, qk_rope_head_dim and v_head_dim is 0")
        if not self.use_mla and self.hidden_size % self.num_attention_heads:
            raise ValueError(
                f"hidden_size {self.hidden_size} is no multiple of num_attention_heads {self.num_attention_heads}"
            )
        if self.rope_dim % 2:
            raise ValueError(
                f"{self.rope_dim} values per head are rotated "
                f"({'qk_rope_head_dim' if self.use_mla else 'hidden_size / num_attention_heads'}); "
                "that goes in pairs only"
            )
        if self.n_routed_experts is not None and not (
            self.num_experts_per_tok and self.num_experts_per_tok <= self.n_routed_experts
        ):
            raise ValueError(
                f"num_experts_per_tok is {self.num_experts_per_tok} with {self.n_routed_experts} routed experts"
            )
        if (self.topk_method == "noaux_tc") != (self.scoring_func == "sigmoid"):
            raise ValueError(
                f"topk_method {self.topk_method!r} with scoring_func {self.scoring_func!r} is in no release"
            )

    def is_moe(self, layer: int) -> bool:
        """Whether a layer has experts instead of one dense MLP (`DeepseekV2DecoderLayer.__init__`)."""
        return (
            self.n_routed_experts is not None
            and layer >= self.first_k_dense_replace
            and layer % self.moe_layer_freq == 0
        )

    @property
    def latent_rank(self) -> int:
        """kv_lora_rank of a latent-attention model."""
        if self.kv_lora_rank is None:
            raise ValueError("kv_lora_rank is null: this model has plain attention")
        return self.kv_lora_rank

    @property
    def head_dim(self) -> int:
        """Width of one query head: nope + rope for latent attention, hidden / heads for plain attention."""
        if self.use_mla:
            return self.qk_nope_head_dim + self.qk_rope_head_dim
        return self.hidden_size // self.num_attention_heads

    @property
    def rope_dim(self) -> int:
        """Rotated values per head: all of them in plain attention."""
        return self.qk_rope_head_dim if self.use_mla else self.head_dim

    @property
    def shared_intermediate_size(self) -> int:
        """Width of the always-on MLP beside the routed experts."""
        return self.moe_intermediate_size * (self.n_shared_experts or 0)


@dataclass(frozen=True, config=STRICT)
class ModelConfig:
    """A whole DeepSeek-VL2."""

    vision_config: VisionConfig
    projector_config: ProjectorConfig
    language_config: LanguageConfig
    model_type: Literal["deepseek_vl_v2"] = "deepseek_vl_v2"
    tile_tag: Literal["2D"] = "2D"
    global_view_pos: Literal["head"] = "head"
    candidate_resolutions: Annotated[tuple[tuple[int, int], ...], Field(min_length=1, max_length=1024)] = field(
        default_factory=official_resolutions
    )

    def __post_init__(self) -> None:
        vision, projector, language = self.vision_config, self.projector_config, self.language_config
        if projector.input_dim != vision.width:
            raise ValueError(f"projector input_dim {projector.input_dim} is not the vision width {vision.width}")
        if projector.n_embed != language.hidden_size:
            raise ValueError(f"projector n_embed {projector.n_embed} is not hidden_size {language.hidden_size}")
        for width, height in self.candidate_resolutions:
            if min(width, height) <= 0 or width % vision.image_size or height % vision.image_size:
                raise ValueError(f"resolution {width}x{height} is no multiple of the tile {vision.image_size}")
            tiles = (width // vision.image_size) * (height // vision.image_size)
            if tiles > LARGEST_GRID:
                raise ValueError(
                    f"resolution {width}x{height} takes {tiles} tiles; at most {LARGEST_GRID} are supported"
                )

    @property
    def cells(self) -> int:
        """Image tokens along one side of a tile."""
        return cells_along(self.vision_config.grid, self.projector_config.downsample_ratio)

    @classmethod
    def from_json(cls, document: object) -> Self:
        """Read our own form, in which every key must be known.

        Raises:
            UsageError: a key is unknown, a value is of the wrong type or out of range.
        """
        try:
            return TypeAdapter(cls).validate_python(document)
        except ValidationError as error:
            raise UsageError(f"model configuration: {describe(error)}") from error

    def to_json(self) -> dict[str, Any]:
        """The form that `from_json` reads, with every default written out."""
        dumped: dict[str, Any] = TypeAdapter(type(self)).dump_python(self, mode="json")
        return dumped


def describe(error: ValidationError) -> str:
    """One clause per fault: its place, what is wrong, and the value found where that is a number."""
    return "; ".join(
        f"{'.'.join(str(part) for part in fault['loc']) or 'document'}: {fault['msg']}"
        + (f", not {fault['input']}" if isinstance(fault["input"], int | float) else "")
        for fault in error.errors()
    )

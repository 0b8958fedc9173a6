"""What a manifest says about one graph: its file, where it runs, what it needs, and how it keeps its cache."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from dsvl2_runtime.config import LanguageConfig

MANIFEST_FORM = ConfigDict(frozen=True, extra="forbid", strict=True, defer_build=True)

CPU_TARGET = "cpu"
"""Also of the graphs of schema 1, which names no target."""
CUDA_TARGET = "cuda"
BUILT_IN_DOMAINS = frozenset({"", "com.microsoft"})
"""Sets of operators that ONNX Runtime brings with it; those of another domain need a library."""

Name = Annotated[str, Field(pattern="^[a-z][a-z0-9_]{0,63}$")]
Domain = Annotated[str, Field(max_length=255)]
Version = Annotated[int, Field(ge=1, le=1 << 16)]


class CacheRow(BaseModel):
    """One of the rows that a layer keeps of each token."""

    model_config = MANIFEST_FORM

    name: Name
    """The graph reads `past_NAME.LAYER` and writes `new_NAME.LAYER`."""
    dtype: Literal["float32", "float16", "bfloat16", "int8", "uint8"] = "float32"
    width: int = Field(ge=1, le=1 << 24)
    """Values in the row."""


class CacheFormat(BaseModel):
    """How a decoder keeps keys and values: rows of one buffer for each layer and name, [context, width]."""

    model_config = MANIFEST_FORM

    rows: tuple[CacheRow, ...] = Field(min_length=1, max_length=16, strict=False)

    @classmethod
    def of(cls, config: LanguageConfig) -> Self:
        """The float32 rows that follow from the sizes of a model, as the exporter writes them.

        Latent attention keeps one row of `kv_lora_rank + qk_rope_head_dim` values (DeepSeek-V2 paper, section 2.1.3),
        plain attention a key and a value of `num_heads * head_dim` each.
        """
        if config.use_mla:
            return cls(rows=(CacheRow(name="latent", width=config.latent_rank + config.qk_rope_head_dim),))
        width = config.num_attention_heads * config.head_dim
        return cls(rows=(CacheRow(name="key", width=width), CacheRow(name="value", width=width)))


class GraphEntry(BaseModel):
    """One graph of a bundle. Several may have one name: for other targets, or with operators of a library."""

    model_config = MANIFEST_FORM

    name: Name
    """Of `graph_io.GRAPHS`."""
    file: str = Field(pattern=r"\.onnx$")
    """Listed among the files; so are the files with its weights."""
    target: Name
    """Where it runs: the name of a `target.Target`."""
    opsets: dict[Domain, Version] = Field(min_length=1, max_length=64)
    """The sets of operators that it needs, with their versions, by domain; "" is ONNX's own."""
    precision: Literal["float32", "float16", "bfloat16"] = "float32"
    """Of what it takes, gives and computes between its weights."""
    cache: CacheFormat | None = None
    """Only of a decoder."""

    @property
    def domains(self) -> frozenset[str]:
        """Sets of operators that a library has to bring."""
        return frozenset(self.opsets) - BUILT_IN_DOMAINS

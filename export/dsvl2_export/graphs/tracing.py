"""Traces a module of the reference network through Optimum's ONNX exporter."""

from __future__ import annotations

import contextlib
import warnings
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import torch
from optimum.exporters.onnx import OnnxConfig, export
from optimum.utils import NormalizedConfig
from torch import Tensor, nn
from transformers import PretrainedConfig

OPSET = 18
TRACER_MODULES = r"(torch\.onnx|optimum\.exporters)\b"
"""Where the tracer's warnings about itself come from, as a regular expression."""
Axes = Mapping[int, str]


class Traced(nn.Module):
    """A module whose `forward` takes one tensor, called as its graph's input."""

    def __init__(self) -> None:
        super().__init__()
        self.config = PretrainedConfig()  # optimum sets `return_dict` on it


class TracedOnnxConfig(OnnxConfig):  # type: ignore[misc]  # optimum ships no types
    """An `OnnxConfig` for one traced module: what goes in, what comes out, and an example."""

    NORMALIZED_CONFIG_CLASS = NormalizedConfig
    NAMED_INPUT: ClassVar[str]
    NAMED_OUTPUTS: ClassVar[Mapping[str, Axes]]

    def __init__(self, example: Tensor) -> None:
        super().__init__(PretrainedConfig(), task="feature-extraction")
        self._example = example

    @property
    def inputs(self) -> dict[str, Axes]:
        """Dynamic axes of the input."""
        return OrderedDict({self.NAMED_INPUT: {0: "num_tiles"}})

    @property
    def outputs(self) -> dict[str, Axes]:
        """Dynamic axes of the outputs."""
        return OrderedDict(self.NAMED_OUTPUTS)

    def generate_dummy_inputs(self, framework: str = "pt", **_: Any) -> dict[str, Tensor]:  # noqa: ARG002
        """The example to trace with."""
        return {self.NAMED_INPUT: self._example}

    def patch_model_for_export(
        self,
        model: nn.Module,  # noqa: ARG002
        model_kwargs: dict[str, Any] | None = None,  # noqa: ARG002
    ) -> contextlib.AbstractContextManager[None]:
        """Nothing is patched: a module that is traced has the operators of `fused_ops` as its arguments."""
        return contextlib.nullcontext()


def trace(path: Path, module: Traced, config: TracedOnnxConfig) -> None:
    """Write the graph of a module in fp32."""
    with _quiet_tracer():
        export(module, config, path, opset=OPSET, disable_dynamic_axes_fix=True)


@contextlib.contextmanager
def _quiet_tracer() -> Iterator[None]:
    """Hide the tracer's own warnings, and no others.

    It warns about values that are fixed by the sizes, which is meant here since every axis but `num_tiles` is fixed,
    and about itself: it is the older one of PyTorch's two.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", torch.jit.TracerWarning)  # type: ignore[attr-defined]
        warnings.filterwarnings("ignore", module=TRACER_MODULES)
        yield

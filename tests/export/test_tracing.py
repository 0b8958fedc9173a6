"""Tracing the vision tower: quiet about itself, and nothing else is silenced."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from dsvl2_export.graphs.projector import write_projector
from dsvl2_export.graphs.tracing import Traced, trace
from dsvl2_export.graphs.vision_encoder import BlockTrace, write_vision_encoder
from dsvl2_export.network.vision import VisionBlock
from dsvl2_export.synth.weights import RandomWeights
from small_models import small_config

OTHER = logging.getLogger("another.library")


class Talking(Traced):
    """A block whose forward says something, as another library may while a trace runs."""

    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        self.block = block

    def forward(self, hidden_in: Tensor) -> Tensor:
        """The block itself."""
        OTHER.warning("something happened")
        warnings.warn("something is wrong", RuntimeWarning, stacklevel=1)
        hidden: Tensor = self.block(hidden_in)
        return hidden


def test_a_trace_says_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Whoever exports a model cannot do anything about the tracer."""
    weights = RandomWeights(small_config("small"))
    with caplog.at_level(logging.INFO), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        write_vision_encoder(tmp_path / "vision_encoder.onnx", weights)
        write_projector(tmp_path / "projector.onnx", weights)
    assert not [str(entry.message) for entry in caught]
    assert not caplog.messages


def test_what_others_say_meanwhile_is_heard(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """An export takes an hour, and the process may do other things besides."""
    config = small_config("small").vision_config
    hidden = torch.zeros(2, config.grid**2, config.width)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        trace(tmp_path / "block.onnx", Talking(VisionBlock(config)), BlockTrace(hidden))
    assert "something happened" in caplog.messages
    assert "something is wrong" in [str(entry.message) for entry in caught]

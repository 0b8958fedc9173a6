"""Checkpoint -> bundle -> logits, held to the reference network for every variant."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from dsvl2_export.checkpoint.checkpoint import Checkpoint, load_network
from dsvl2_export.network import DeepseekVL2
from dsvl2_runtime import load_model
from dsvl2_runtime.inputs.processor import ModelInputs
from small_models import FIGURE, VARIANTS, MakeBundle, MakeCheckpoint, pictures
from tolerances import LOGITS_FP32

QUESTION = "What is the total?"
DECODE_STEPS = 10


@cache
def network(folder: Path) -> DeepseekVL2:
    return load_network(Checkpoint.open(folder)).eval()


def reference_logits(folder: Path, inputs: ModelInputs, more: list[int] | None = None) -> NDArray[np.float32]:
    """Logits of the reference network, [seq, vocab], for a prompt and the tokens after it."""
    more = more or []
    input_ids = torch.from_numpy(np.concatenate([inputs.input_ids, np.array(more, np.int64)]))[None]
    mask = torch.from_numpy(np.concatenate([inputs.images_seq_mask, np.zeros(len(more), bool)]))[None]
    pixels = torch.from_numpy(inputs.pixel_values) if len(inputs.pixel_values) else None
    tilings = [(tiling.tiles_wide, tiling.tiles_high) for tiling in inputs.tilings]
    with torch.no_grad():
        logits: NDArray[np.float32] = network(folder)(input_ids, pixels, mask, tilings)[0].float().numpy()
    return logits


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("num_images", [0, 1, 2, 3])
def test_fp32_logits_equal_the_reference(
    variant: str, num_images: int, checkpoint: MakeCheckpoint, bundle: MakeBundle
) -> None:
    """The exported graphs compute what the reference network computes, one-shot and in chunks."""
    model = load_model(bundle(variant, "fp32"), threads=1)
    images = pictures(num_images)
    expected = reference_logits(checkpoint(variant), model.prepare(QUESTION, images))[-1]
    assert 0.2 < expected.std() < 5  # unit scale, or the tolerance would mean nothing
    for chunk in (None, 7):
        logits = model.next_token_logits(QUESTION, images, prefill_chunk=chunk)
        assert np.abs(logits - expected).max() <= LOGITS_FP32


@pytest.mark.parametrize("variant", VARIANTS)
def test_decode_steps_equal_the_reference(variant: str, checkpoint: MakeCheckpoint, bundle: MakeBundle) -> None:
    """After ten decode steps over the bound cache, the logits are still those of a one-shot run."""
    model = load_model(bundle(variant, "fp32"), threads=1)
    images = pictures(2)
    inputs = model.prepare(QUESTION, images)
    tokens = [int(value) for value in np.random.default_rng(3).integers(3, 200, DECODE_STEPS)]
    expected = reference_logits(checkpoint(variant), inputs, tokens)
    sequence = model.new_sequence()
    logits = [model.next_token_logits(QUESTION, images, sequence=sequence)]
    for token in tokens:
        embeds = model.components.embedding.tokens(np.array([token], np.int64))
        logits.append(model.components.decoder.run(sequence, embeds).copy())
    differences = np.abs(np.stack(logits) - expected[-DECODE_STEPS - 1 :]).max(axis=1)
    assert differences.max() <= LOGITS_FP32, differences


@pytest.mark.parametrize("variant", VARIANTS)
def test_pictures_change_the_logits(variant: str, bundle: MakeBundle) -> None:
    """A model that ignores its picture would pass a comparison of text alone."""
    model = load_model(bundle(variant, "fp32"), threads=1)
    first, second = pictures(2)
    one = model.next_token_logits(QUESTION, [first])
    other = model.next_token_logits(QUESTION, [first.transpose(Image.Transpose.FLIP_LEFT_RIGHT)])
    assert np.abs(one - other).max() > 1e-3
    assert second.size != first.size


@pytest.mark.parametrize("variant", VARIANTS)
def test_quantised_logits_stay_near_fp32(
    variant: str, bundle: MakeBundle, record_property: Callable[[str, object], None]
) -> None:
    """int8 and int4 are the same model with noise: closer to fp32 than another picture is, int8 closer than int4."""
    images = pictures(2)
    exact = load_model(bundle(variant, "fp32"), threads=1).next_token_logits(QUESTION, images)
    errors = {}
    for precision in ("int8", "int4"):
        logits = load_model(bundle(variant, precision), threads=1).next_token_logits(QUESTION, images)
        errors[precision] = float(np.linalg.norm(logits - exact) / np.linalg.norm(exact))
    measured = ", ".join(f"{precision} {error:.4f}" for precision, error in errors.items())
    record_property(FIGURE, f"{variant}: relative distance from fp32 logits: {measured}")
    assert errors["int8"] < errors["int4"]
    assert errors["int8"] < 0.1
    assert errors["int4"] < 0.6

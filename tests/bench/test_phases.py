"""What is timed is what happens in life: a step reads rows that were written, a first token reads its whole prompt."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dsvl2_bench import phases
from dsvl2_bench.first_token import first_token
from dsvl2_export.graphs.cuda.form import ON_CPU
from dsvl2_export.upgrade import add_cuda_graphs
from dsvl2_runtime import load_model
from dsvl2_runtime.bundle.bundle import Bundle
from dsvl2_runtime.graphs.target import CPU, CUDA_ON_CPU, Target
from dsvl2_runtime.model import VisionLanguageModel
from dsvl2_runtime.progress import UNWATCHED
from small_models import MakeBundle


@pytest.mark.parametrize("target", [CPU, CUDA_ON_CPU], ids=["cpu", "cuda"])
def test_decode_steps_read_rows_that_were_written(
    target: Target, bundle: MakeBundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In every buffer of the cache, with values of which no two rows are alike."""
    folder = bundle("small", "int4")
    if target is CUDA_ON_CPU:
        folder = Path(shutil.copytree(folder, tmp_path / "cuda"))
        add_cuda_graphs(folder, ON_CPU)
    model = VisionLanguageModel(Bundle.open(folder), 1, target=target)
    decoder = model.components.decoder
    run, seen = decoder.run, []

    def spy(sequence: Any, *arguments: Any) -> Any:
        seen.append([np.array(rows, np.float32) for rows in sequence.cache.rows(sequence.cache.length)])
        return run(sequence, *arguments)

    monkeypatch.setattr(decoder, "run", spy)
    assert set(phases.decode_rates(model, 1, (0, 40))) == {"0", "40"}
    behind = [buffers for buffers in seen if len(buffers[0]) >= 40]
    assert len(behind) > 1
    assert len(behind[0]) == len(model.new_sequence().cache.tensors)
    for rows in behind[0]:
        assert rows.all()
        assert len(np.unique(rows, axis=0)) == len(rows)
    for first, last in zip(behind[0], behind[-1], strict=True):
        assert (first == last[: len(first)]).all()


def test_a_first_token_is_that_of_a_new_picture_each_time(bundle: MakeBundle, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its tiles are encoded again, and its whole prompt is read; the sizes are those of the question."""
    model = load_model(bundle("small", "int4"), threads=1)
    inputs = model.prepare("What?", [np.zeros((300, 700, 3), np.uint8)])
    encoded, encode = list[int](), model.components.vision.encode_tiles

    def spy(groups: Any, watch: Any = UNWATCHED) -> Any:
        encoded.append(sum(len(group) for group in groups))
        return encode(groups, watch)

    monkeypatch.setattr(model.components.vision, "encode_tiles", spy)
    first, again = (first_token(model, "What?", (300, 700)) for _ in range(2))
    tiles = len(inputs.pixel_values)
    assert sum(encoded) == 2 * tiles
    assert first.seconds > 0 < again.seconds
    assert (first.tiles, first.prompt_tokens) == (again.tiles, again.prompt_tokens) == (tiles, len(inputs.input_ids))

"""What a GPU trains with: the same results as the plain network, from weights that were grown."""

from __future__ import annotations

import json
import math
import os
import random
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from dsvl2_demo.packing import copy_code, write_script
from dsvl2_demo.pages.documents import PageRange
from dsvl2_demo.pages.kinds import draw_sheet
from dsvl2_demo.training import arithmetic, gpu_folder
from dsvl2_demo.training.batch_shapes import LENGTH_STEP, TILE_TOKENS, BatchShape, padded, shape_of_class
from dsvl2_demo.training.batches import BatchBuilder, BatchRange, draw_batches, page_views
from dsvl2_demo.training.curriculum import sheet_stages
from dsvl2_demo.training.fake_quant import rounded_to_four_bits
from dsvl2_demo.training.geometry import tiny_config
from dsvl2_demo.training.grow import grown
from dsvl2_demo.training.measured_sheets import drawn_sheets, measured_sheets
from dsvl2_demo.training.optimizers import StackedMuon
from dsvl2_demo.training.pieces import read_pieces
from dsvl2_demo.training.recorded import RecordedSteps
from dsvl2_demo.training.settings import Settings
from dsvl2_demo.training.sheet_batches import SheetRange, sheet_batches, sheet_turns
from dsvl2_demo.training.train import Trainer
from dsvl2_demo.training.training_model import Losses, Reader
from dsvl2_demo.training.vocabulary import PAD_ID
from dsvl2_quant.formats.blocks import dequantize_blocks
from dsvl2_quant.methods.nearest import quantize_blocks
from dsvl2_quant.recipe import INT4
from dsvl2_runtime.config import ModelConfig
from dsvl2_runtime.errors import UsageError

PAGES = BatchRange(PageRange(sizes=((112, 112),)), turns=2)


def _total(losses: Losses) -> Tensor:
    return losses.answer + losses.layout + losses.gaze + losses.slots + 0.01 * losses.balance


def test_stacked_muon_is_muon(monkeypatch: pytest.MonkeyPatch) -> None:
    """To the bit, for matrices of several shapes, tall and wide, in PyTorch's type, which is bfloat16 everywhere."""
    monkeypatch.setattr(arithmetic, "_of_processor", lambda: torch.bfloat16)
    torch.manual_seed(1)
    shapes = ((8, 16), (8, 16), (20, 8), (8, 16))
    ours = [nn.Parameter(torch.randn(*shape)) for shape in shapes]
    theirs = [nn.Parameter(each.detach().clone()) for each in ours]
    first = StackedMuon(ours, 1e-2)
    second = torch.optim.Muon(theirs, 1e-2, momentum=0.95, weight_decay=0.05, adjust_lr_fn="match_rms_adamw")
    for _ in range(3):
        for own, other in zip(ours, theirs, strict=True):
            own.grad = torch.randn_like(own)
            other.grad = own.grad.clone()
        first.step()
        second.step()
    for own, other in zip(ours, theirs, strict=True):
        assert torch.equal(own, other)


def test_rounding_on_the_device_is_that_of_the_recipe() -> None:
    weight = torch.randn(6, 128, generator=torch.Generator().manual_seed(2))
    expected = dequantize_blocks(quantize_blocks(weight.numpy(), INT4))
    assert np.array_equal(rounded_to_four_bits(weight).numpy(), expected)
    stacked = rounded_to_four_bits(torch.stack([weight, 2 * weight]))
    assert np.array_equal(stacked[0].numpy(), expected)


def _larger(config: ModelConfig) -> ModelConfig:
    vision = replace(config.vision_config, width=128, heads=4, layers=2)
    language = replace(
        config.language_config, hidden_size=128, intermediate_size=192, num_attention_heads=4, num_key_value_heads=4,
        kv_lora_rank=128,
    )  # fmt: skip
    projector = replace(config.projector_config, input_dim=128, n_embed=128)
    return replace(config, vision_config=vision, language_config=language, projector_config=projector)


def test_a_grown_network_computes_what_the_small_one_did() -> None:
    """Wider in every way, with more heads, latents and a further block of the eyes."""
    torch.manual_seed(3)
    small = tiny_config()
    large = _larger(small)
    first = Reader(small).eval()
    second = Reader(large).eval()
    second.load_state_dict(grown(first.state_dict(), small, large))
    batch = draw_batches(PAGES, small, 2, "train", random.Random(4))[0]
    with torch.no_grad():
        expected, found = first(batch, "joint"), second(batch, "joint")
    assert expected.logits is not None
    assert found.logits is not None
    spread = float(expected.logits.std())
    known = small.language_config.hidden_size
    head = second.network.language.lm_head.weight
    assert head.shape[1] > known
    # What lm_head reads of the new values is zero, so its new columns do not matter either.
    torch.testing.assert_close(found.logits, expected.logits, rtol=0, atol=0.01 * spread)


def test_weights_of_the_same_sizes_stay_as_they_are() -> None:
    config = tiny_config()
    weights = Reader(config).state_dict()
    found = grown(weights, config, config)
    assert found.keys() == weights.keys()
    for name, value in found.items():
        assert torch.equal(value, weights[name]), name


def test_batches_hold_conversations_of_about_one_length() -> None:
    """And cost about the budget, once they are not small on purpose any more."""
    budget = 30_000
    range_ = SheetRange(PAGES, budget=budget, plain_share=0.5, triples=0.1)
    stream = sheet_batches(range_, tiny_config(), "train", random.Random(5))
    batches = [next(stream) for _ in range(8)]
    assert sum(batch.examples > 1 for batch in batches) > 4
    for batch in batches:
        lengths = (batch.input_ids != PAD_ID).sum(1)
        assert int(lengths.max()) == batch.input_ids.shape[1]
        assert int(lengths.max()) <= LENGTH_STEP * int(lengths.min())
        assert batch.input_ids.numel() + TILE_TOKENS * len(batch.pixels) <= budget
        assert (batch.targets >= 0).any(1).all()


def test_batches_of_few_shapes_have_those_and_lose_nothing() -> None:
    """One shape for each class of length; padding has no text, shows no cell, and counts as no conversation."""
    budget = 30_000
    range_ = SheetRange(PAGES, budget=budget, plain_share=0.5, few_shapes=True)
    stream = sheet_batches(range_, tiny_config(), "train", random.Random(5))
    batches = [next(stream) for _ in range(8)]
    shapes = {(shape.rows, shape.length, shape.tiles) for shape in (shape_of_class(n, budget) for n in range(16, 33))}
    for batch in batches:
        assert (*batch.input_ids.shape, len(batch.pixels)) in shapes
        filled = (batch.input_ids != PAD_ID).any(1)
        assert int(filled.sum()) == batch.examples
        assert batch.targets.shape == batch.here.slots.shape == batch.ahead.cells.shape == batch.input_ids.shape
        tile_of_cells = (batch.table_rows.max() - 2) // tiny_config().cells ** 2
        assert len(batch.layout) == len(batch.pixels) > int(tile_of_cells)
    assert any(batch.examples < len(batch.input_ids) for batch in batches)


def test_conversations_about_one_page_look_at_it_once() -> None:
    """Most of its cost is in looking; answers are those of conversations that look by themselves."""
    torch.manual_seed(8)
    rng = random.Random(8)
    reader = Reader(tiny_config()).eval()
    page = draw_sheet("table", "train", rng)
    views = page_views([page], tiny_config())
    talks = [turns for _ in range(2) if (turns := sheet_turns(SheetRange(PAGES), page, "train", rng))]
    builders = [BatchBuilder(tiny_config()) for _ in range(3)]
    for talk, alone in zip(talks, builders, strict=False):
        alone.add(views, talk)
        builders[2].add(views, talk)
    first, second, both = (builder.batch() for builder in builders)
    assert len(both.pixels) == len(first.pixels) == len(second.pixels) == len(views[0].pixels)
    with torch.no_grad():
        apart, together = [reader(batch, "joint").logits for batch in (first, second)], reader(both, "joint").logits
    for row, expected in enumerate(apart):
        torch.testing.assert_close(together[row, : expected.shape[1]], expected[0], rtol=1e-4, atol=1e-4)


def test_repeated_pages_come_into_one_batch() -> None:
    """Most of their conversations do: fewer tiles for as many conversations, asked in other words.

    Half as many in the shipped network. Here a tile is of few tokens, so that it is the text that decides which
    conversations are of one length, and fewer of those about one page are.
    """
    tiles, conversations = [], []
    for repeats in (1, 3):
        range_ = SheetRange(PAGES, budget=30_000, plain_share=0.0, pairs=0.0, triples=0.0, repeats=repeats)
        stream = sheet_batches(range_, tiny_config(), "train", random.Random(5))
        batches = [next(stream) for _ in range(21)][9:]  # the first are small on purpose
        tiles.append(sum(len(batch.pixels) for batch in batches))
        conversations.append(sum(batch.examples for batch in batches))
        rows = torch.cat([batch.targets.flatten(1).sum(1) for batch in batches])
        assert len(rows.unique()) > 0.9 * len(rows)
    assert tiles[1] / conversations[1] < 0.8 * tiles[0] / conversations[0]


def test_padding_to_a_shape_changes_no_answer() -> None:
    torch.manual_seed(5)
    reader = Reader(tiny_config()).eval()
    batch = draw_batches(PAGES, tiny_config(), 3, "train", random.Random(1))[0]
    rows, length = batch.input_ids.shape
    wide = padded(batch, BatchShape(rows + 2, length + 7, len(batch.pixels) + 1))
    assert wide.examples == batch.examples
    with torch.no_grad():
        expected, found = reader(batch, "joint"), reader(wide, "joint")
    torch.testing.assert_close(found.answer, expected.answer, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(found.slots, expected.slots, rtol=1e-5, atol=1e-5)


def test_recorded_steps_give_the_gradients_of_a_step() -> None:
    """What a recording holds, run without a GPU: each gradient stays where it was."""
    torch.manual_seed(6)
    reader = Reader(tiny_config())
    batch = draw_batches(PAGES, tiny_config(), 3, "train", random.Random(1))[0]
    expected = _total(reader(batch, "joint"))
    expected.backward()
    gradients = [None if each.grad is None else each.grad.clone() for each in reader.parameters()]
    steps = RecordedSteps(lambda one: (losses := reader(one, "joint"), _total(losses)), list(reader.parameters()))
    places = [each.grad for each in reader.parameters()]
    losses = steps.pass_over(batch)
    assert not losses.answer.requires_grad
    assert losses.logits is None
    for parameter, place, gradient in zip(reader.parameters(), places, gradients, strict=True):
        assert parameter.grad is place
        wanted = torch.zeros_like(parameter) if gradient is None else gradient
        torch.testing.assert_close(place, wanted, rtol=1e-4, atol=1e-6)


@pytest.fixture(scope="module")
def sheet_run(tmp_path_factory: pytest.TempPathFactory) -> Trainer:
    """All stages of a run on real pages, two steps each."""
    out = tmp_path_factory.mktemp("sheets")
    stages = tuple(replace(stage, steps=2) for stage in sheet_stages(100.0, 1e-3, 2000))
    settings = Settings(
        out, workers=0, sheets=100.0, measure_examples=2, pieces=out / "pieces", gaze_positions=8, report_steps=1
    )
    trainer = Trainer(settings, tiny_config(), stages)
    trainer.run()
    return trainer


def test_a_run_on_real_pages_writes_weights_and_a_log(sheet_run: Trainer) -> None:
    pieces = sheet_run.settings.pieces
    assert pieces is not None
    assert read_pieces(pieces).keys() == sheet_run.reader.state_dict().keys()
    lines = [json.loads(line) for line in (pieces / "log.jsonl").read_text("utf-8").splitlines()]
    assert [line["stage"] for line in lines] == ["sheets-joint", "sheets-rounded"]
    assert lines[-1]["step"] == 4


def test_real_pages_are_measured_by_kind(sheet_run: Trainer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dsvl2_demo.training.measured_sheets.KIND_WEIGHTS", (("error", 1.0), ("chart", 1.0)))
    pages = list(drawn_sheets(sheet_run.reader.config, 1, 0, 3))
    lines, shares = measured_sheets(sheet_run.average, pages, math.inf)
    found = [json.loads(line) for line in lines.splitlines()]
    assert set(shares) == {"error", "chart"}
    assert [line["kind"] for line in found] == ["error", "chart"]  # one of each, as was asked
    assert all(line["tiles"] >= 1 for line in found)
    assert measured_sheets(sheet_run.average, pages, -math.inf) == ("", {})  # the time is over


def test_code_for_a_gpu_is_whole(tmp_path: Path) -> None:
    """A package that shares a name with what is left out of another is still there."""
    copy_code(tmp_path, gpu_folder.PACKAGES)
    assert (tmp_path / "dsvl2_runtime" / "bundle" / "__init__.py").is_file()
    assert (tmp_path / "dsvl2_demo" / "fonts" / "Go-Mono.ttf").is_file()
    assert not (tmp_path / "dsvl2_demo" / "checkpoint").exists()
    assert not (tmp_path / "dsvl2_demo" / "bundle").exists()


SHIM = """#!/bin/sh
case "$1" in
-m) printf '%s\\n' "$@" ;;
*) exec "$REAL_PYTHON" "$@" ;;
esac
"""
"""A Python that says what it was asked to train."""


FAILING_SHIM = """#!/bin/sh
case "$*" in
-c*) exit 0 ;;
*--side-by-side*) echo plainer >> "$TOLD"; exit "$STATUS" ;;
*--recorded*) echo recorded >> "$TOLD"; exit "$STATUS" ;;
*) echo without >> "$TOLD" ;;
esac
"""
"""A Python with a GPU whose steps cannot be recorded."""


def ran_script(folder: Path, shim: str, *options: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """`train.sh` for ten minutes, with a program in place of Python."""
    for name in ("bin", "site", "fonts"):
        (folder / name).mkdir()
    (folder / "fonts" / "face.ttf").touch()
    python = folder / "bin" / "python3"
    python.write_text(shim, "utf-8")
    python.chmod(0o755)
    write_script(folder / "train.sh", gpu_folder.SCRIPT)
    variables |= {"HOME": str(folder / "home"), "SITE": str(folder / "site")}
    variables["PATH"] = f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
    command = ["bash", str(folder / "train.sh"), "10", str(folder / "out"), *options]
    return subprocess.run(command, env=os.environ | variables, capture_output=True, encoding="utf-8", check=False)


@pytest.mark.skipif(sys.platform == "win32", reason="a GPU is trained with under Linux")
@pytest.mark.parametrize(
    ("status", "told"),
    [(0, ["recorded"]), (1, ["recorded", "plainer", "without"]), (2, ["recorded"]), (137, ["recorded"])],
)
def test_where_steps_cannot_be_recorded_training_goes_on(tmp_path: Path, status: int, told: list[str]) -> None:
    """First with plainer experts; but not after a wrong command, and not when it was killed."""
    ended = ran_script(tmp_path, FAILING_SHIM, STATUS=str(status), TOLD=str(tmp_path / "told"))
    assert (tmp_path / "told").read_text("utf-8").split() == told
    assert ended.returncode == (status if told == ["recorded"] else 0)
    assert ended.stderr.count("going on without") == len(told) - 1


@pytest.mark.skipif(sys.platform == "win32", reason="a GPU is trained with under Linux")
def test_the_script_for_a_gpu_ends_after_its_minutes(tmp_path: Path) -> None:
    """Those are counted from its start, and what is left of the plan is fitted into them."""
    before = int(time.time())
    ended = ran_script(tmp_path, SHIM, "--seed", "3", REAL_PYTHON=sys.executable)
    assert ended.returncode == 0, ended.stderr
    told = ended.stdout.split()
    assert told[told.index("--minutes") + 1] == "10"
    assert before <= int(told[told.index("--began") + 1]) <= time.time()
    assert "--finish" in told
    assert told[-2:] == ["--seed", "3"]


def test_a_folder_for_a_gpu_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So the next attempt is not told that it is there already."""
    monkeypatch.setattr(gpu_folder, "installed_faces", lambda faces: [])
    (tmp_path / "start").mkdir()
    with pytest.raises(UsageError, match="install"):
        gpu_folder.make_folder(tmp_path / "folder", tmp_path / "start", "3.12")
    assert not (tmp_path / "folder").exists()


def test_conversations_begin_with_reading_and_do_not_fill_up_with_what_is_not_there() -> None:
    """A quarter of those about a page that can be transcribed; and one question at most about something missing."""
    rng = random.Random(6)
    range_ = SheetRange(PAGES)
    page = next(page for page in iter(lambda: draw_sheet("error", "train", rng), None) if page.read_in_order)
    conversations = [turns for _ in range(200) if (turns := sheet_turns(range_, page, "train", rng))]
    first = [turns[0].task for turns in conversations]
    assert 0.15 < first.count("transcribe") / len(first) < 0.4
    missing = [sum(turn.task == "absent" for turn in turns) for turns in conversations]
    assert set(missing) == {0, 1}

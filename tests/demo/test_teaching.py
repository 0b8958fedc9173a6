"""What training adds to the answers: where the text stands, heads that are told where to look, equal shares."""

from __future__ import annotations

import functools
import math
import random
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from dsvl2_demo.pages.documents import PageRange, draw_page
from dsvl2_demo.pages.page import TextRun
from dsvl2_demo.pages.style import StyleRange
from dsvl2_demo.questions.tasks import COORDINATES, Task, ask, locatable
from dsvl2_demo.questions.traces import Place, Trace, places_in, spelled
from dsvl2_demo.training.attention_targets import EDGE_BIN, HERE_HEADS, NEXT_HEADS, SlotHeads, gaze_loss
from dsvl2_demo.training.batch import Looks
from dsvl2_demo.training.batches import (
    FIRST_CELL_ROW,
    BatchBuilder,
    BatchRange,
    draw_batches,
    draw_turns,
    equal_parts,
    page_views,
)
from dsvl2_demo.training.curriculum import TASKS
from dsvl2_demo.training.data_parallel import Group, together
from dsvl2_demo.training.fake_quant import rounded, rounded_parameters
from dsvl2_demo.training.geometry import TILE, demo_config, tiny_config
from dsvl2_demo.training.layout import CHARACTERS, SLOTS
from dsvl2_demo.training.positional_heads import NEIGHBOURS, open_eyes
from dsvl2_demo.training.training_model import Reader
from dsvl2_demo.training.vocabulary import decode
from dsvl2_export.network.language import LanguageOutput
from dsvl2_export.network.vision import VisionBlock, VisionTower
from dsvl2_quant.formats.blocks import dequantize_blocks
from dsvl2_quant.methods.nearest import quantize_blocks
from dsvl2_quant.recipe import INT4, RECIPES
from dsvl2_runtime.inputs.tokenizer import REF, REF_END

PAGES = PageRange(style=StyleRange(faces=4, smallest_em=16, largest_em=20))


def test_places_follow_the_text_whatever_its_letter_case() -> None:
    trace = Trace("ab", (Place(0, (1, 1)), Place(0, (2, 1))))
    other = Trace("12", (Place(0, (9, 9)),))
    places = places_in("Say AB: 12", [trace, other])
    seen = [place.point if place else None for place in places]
    assert seen == [None] * 4 + [(1, 1), (2, 1), None, None, (9, 9), (9, 9)]


def test_a_space_is_looked_for_where_the_next_character_is() -> None:
    run = TextRun("a b", (0.0, 0.0, 30.0, 10.0), (5.0, 15.0, 25.0), 5.0, 10.0)
    assert [place.point[0] for place in spelled("a b", run).places] == [5.0, 25.0, 25.0]


def test_traced_answers_stand_where_the_layout_has_their_characters() -> None:
    """The slot that a token of an answer is said to be seen in holds its character, in nearly every case.

    A character whose centre falls to a fifth slot of its patch is in no layout.
    """
    config = demo_config()
    tasks = BatchRange(PAGES, (("value", 1.0), ("transcribe", 1.0)), turns=3, blank=True)
    batch = draw_batches(tasks, config, 16, "train", random.Random(5))[0]
    grid, cells = config.vision_config.grid, config.cells
    held = looked = 0
    for row, position in (batch.ahead.cells >= 0).nonzero().tolist():
        character = decode([int(batch.targets[row, position])])
        if character not in CHARACTERS or len(character) != 1:
            continue
        cell = int(batch.ahead.cells[row, position]) - FIRST_CELL_ROW
        tile, (down, across) = cell // cells**2, divmod(cell % cells**2, cells)
        square = batch.layout[tile].view(grid, grid, -1)[2 * down : 2 * down + 2, 2 * across : 2 * across + 2, :SLOTS]
        looked += 1
        held += CHARACTERS.index(character) + 1 == int(square.flatten()[batch.ahead.slots[row, position]])
    assert looked > 300
    assert held / looked > 0.98


@pytest.mark.parametrize("task", ["value", "label", "locate", "title", "line"])
def test_answers_are_traced(task: Task) -> None:
    """Every letter of an answer has a place, and every digit of a box the coordinate of its edge."""
    rng = random.Random(3)
    asked = 0
    for _ in range(60):
        page = draw_page(PAGES, "train", rng, blank=True)
        turn = ask(task, [page], rng, "train")
        if turn is None:
            continue
        asked += 1
        places = places_in(turn.answer, turn.read)
        text, _, box = turn.answer.removeprefix(REF).partition(REF_END)
        named = places[len(REF) :] if task == "locate" else places
        assert all(place for character, place in zip(text, named, strict=False) if character.isalpha())
        if task == "locate":
            assert turn.box is not None
            width, height = page.image.size
            edges = [edge * COORDINATES / side for edge, side in zip(turn.box, (width, height) * 2, strict=True)]
            start = len(turn.answer) - len(box)
            numbers = list(re.finditer(r"\d+", box))
            assert len(numbers) == 4
            for edge, number in zip(edges, numbers, strict=True):
                digits = places[start + number.start() : start + number.end()]
                expected = {min(COORDINATES, max(0, round(edge)))}
                assert {place.coordinate if place else None for place in digits} == expected
    assert asked > 10


def test_corners_of_a_box_are_looked_for_at_its_ends() -> None:
    page = draw_page(PAGES, "train", random.Random(8), blank=True)
    rng = random.Random(1)
    turn = ask("locate", [page], rng, "train")
    assert turn is not None
    runs = {text: run for text, _, run in locatable(page)}
    left, top, right, bottom = turn.read[1:]
    run = runs[turn.read[0].text]
    assert {trace.places[0].point[0] for trace in (left, top)} == {run.centres[0]}
    assert {trace.places[0].point[0] for trace in (right, bottom)} == {run.centres[len(turn.read[0].text) - 1]}


def test_gaze_is_the_attention_of_the_network() -> None:
    """The loss agrees with the weights that the heads of the whole network really have, to bf16-free precision."""
    torch.manual_seed(2)
    config = tiny_config()
    reader = Reader(config).eval()
    batch = draw_batches(BatchRange(PageRange(sizes=((112, 112),)), turns=2), config, 2, "train", random.Random(1))[0]
    decoder = reader.network.language.model
    embeds = torch.randn(*batch.input_ids.shape, config.language_config.hidden_size)
    weights: list[torch.Tensor] = []
    softmax = torch.Tensor.softmax

    def kept(scores: torch.Tensor, *arguments: Any, **named: Any) -> torch.Tensor:
        result = softmax(scores, *arguments, **named)
        if result.ndim == 4 and result.shape[-1] == result.shape[-2] == batch.input_ids.shape[1]:
            weights.append(result)
        return result

    with pytest.MonkeyPatch.context() as patch, torch.no_grad():
        patch.setattr(torch.Tensor, "softmax", kept)
        output = decoder(embeds)
    assert len(weights) == 2
    with torch.no_grad():
        found = gaze_loss(decoder, output, batch.table_rows, batch.here.cells, batch.ahead.cells)
    expected = []
    for wanted, head in ((batch.here.cells, HERE_HEADS[0]), (batch.ahead.cells, NEXT_HEADS[0])):
        right = batch.table_rows[:, None, :] == wanted[..., None]
        share = (weights[1][:, head] * right).sum(-1)
        expected.append(-share[wanted >= 0].log().mean())
    torch.testing.assert_close(found, torch.stack(expected).mean(), rtol=1e-4, atol=1e-5)


def test_heads_begin_at_the_neighbouring_patches() -> None:
    torch.manual_seed(0)
    tower = VisionTower(demo_config().vision_config)
    open_eyes(tower)
    grid = math.isqrt(tower.pos_embed.shape[1])
    with torch.no_grad():
        x = tower.patch_embed(torch.rand(1, 3, TILE, TILE) * 2 - 1) + tower.pos_embed
        block = tower.blocks[0]
        assert isinstance(block, VisionBlock)
        attention = block.attn
        q, k, _ = attention.qkv(block.norm1(x)).view(grid**2, 3, attention.heads, -1).permute(1, 2, 0, 3)
        looks_at = (q @ k.transpose(-1, -2)).argmax(-1)
    for head, (columns, rows) in enumerate(NEIGHBOURS):
        for row in range(2, grid - 2):
            for column in range(2, grid - 2):
                assert int(looks_at[head, row * grid + column]) == (row + rows) * grid + column + columns


@pytest.mark.parametrize(("costs", "count"), [([5, 1, 1, 1, 5], 2), ([1], 1), ([9, 1, 1], 3), (list(range(1, 40)), 4)])
def test_parts_are_of_about_the_same_cost(costs: list[int], count: int) -> None:
    parts = equal_parts(costs, count)
    assert [cost for part in parts for cost in costs[part]] == costs
    assert len(parts) == count
    sums = [sum(costs[part]) for part in parts]
    assert min(sums) > 0
    assert max(sums) - min(sums) <= 2 * max(costs)


def _agree(folder: Path, group: Group) -> None:
    layer = nn.Linear(2, 1, bias=False)
    group.same([layer.weight.data])
    layer(torch.full((1, 2), float(1 + group.rank))).sum().backward()
    said = group.agree(list(layer.parameters()), [7.0 - group.rank, 2.0])
    assert layer.weight.grad is not None
    torch.save({"weight": layer.weight.data, "grad": layer.weight.grad, "said": said}, folder / f"{group.rank}.pt")


def test_processes_share_gradients_and_the_leading_one_speaks(tmp_path: Path) -> None:
    together(2, tmp_path, functools.partial(_agree, tmp_path))
    first, second = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(2))
    assert torch.equal(first["weight"], second["weight"])
    for found in (first, second):
        assert found["grad"].tolist() == [[1.5, 1.5]]
        assert found["said"] == [7.0, 2.0]


def test_one_process_is_a_group_too() -> None:
    assert Group().leads
    assert Group().agree([], [3.0]) == [3.0]


def test_a_step_with_rounded_weights_changes_the_exact_ones() -> None:
    torch.manual_seed(4)
    reader = Reader(tiny_config())
    before = {name: value.clone() for name, value in reader.state_dict().items()}
    chosen = {id(parameter) for parameter in rounded_parameters(reader)}
    batch = draw_batches(BatchRange(PageRange(sizes=((112, 112),))), tiny_config(), 2, "train", random.Random(1))[0]
    with rounded(reader):
        for name, parameter in reader.named_parameters():
            differs = not torch.equal(parameter, before[name])
            assert differs == (id(parameter) in chosen), name
            if differs:
                packed = quantize_blocks(before[name].numpy(), INT4)
                assert np.array_equal(parameter.detach().numpy(), dequantize_blocks(packed))
        reader(batch, "joint").answer.backward()
    for name, value in reader.state_dict().items():
        assert torch.equal(value, before[name]), name
    assert any(parameter.grad is not None and parameter.grad.any() for parameter in rounded_parameters(reader))


def test_rounding_is_of_what_the_recipe_stores_in_four_bits() -> None:
    """Experts, shared experts, projections, the dense layer; not the router, nor the matrix that decode absorbs."""
    reader = Reader(tiny_config())
    chosen = {id(parameter) for parameter in rounded_parameters(reader)}
    left = {
        name.split("layers.")[1].split(".", 1)[1]
        for name, parameter in reader.named_parameters()
        if "language.model.layers" in name and parameter.ndim == 2 and id(parameter) not in chosen
    }
    assert left == {"self_attn.kv_b_proj.weight", "mlp.gate.weight"}
    recipe = RECIPES["int4"]
    assert recipe.experts == recipe.dense == INT4
    assert recipe.kv_up != INT4
    assert recipe.lm_head != INT4


def test_no_answer_is_given_away_by_an_earlier_one() -> None:
    """What an answer reads was not said before it, so a transcription stands before questions of places alone."""
    rng = random.Random(12)
    several = transcribed = 0
    for _ in range(60):
        turns = draw_turns(
            BatchRange(PAGES, TASKS, turns=8), [draw_page(PAGES, "train", rng, blank=True)], "train", rng
        )
        spoken = ""
        for turn in turns:
            if turn.task in ("value", "transcribe", "title"):
                assert turn.answer.lower() not in spoken
            if turn.task == "transcribe":
                transcribed += 1
                assert not {text.strip() for text in spoken.split("\n") if text} & set(turn.answer.lower().split("\n"))
            spoken += f"\n{turn.question}\n{turn.answer}".lower()
        several += len(turns) > 2
    assert several > 20
    assert transcribed > 5


def _looks(slots: dict[tuple[int, int], int], coordinates: dict[tuple[int, int], int]) -> Looks:
    nowhere = torch.full((2, 5), -1)
    found = Looks(nowhere.clone(), nowhere.clone(), nowhere.clone())
    for at, slot in slots.items():
        found.slots[at] = slot
    for at, coordinate in coordinates.items():
        found.coordinates[at] = coordinate
    return found


def test_slots_and_edges_are_learned_where_they_are_known() -> None:
    """Chance at the beginning, and nothing from positions whose text stands nowhere."""
    torch.manual_seed(6)
    config = tiny_config()
    heads = SlotHeads(config)
    hidden = torch.randn(2, 5, config.language_config.hidden_size) * 0.02
    output = LanguageOutput(hidden, (), (), (hidden,) * config.language_config.num_hidden_layers)
    nowhere, slots = _looks({}, {}), _looks({(0, 2): 3, (1, 4): 7}, {})
    edges = _looks({}, {(0, 2): 0, (1, 4): 999})
    chance, chance_of_edges = 2 * math.log(4 * SLOTS) / 3, math.log((COORDINATES + 1) // EDGE_BIN) / 3
    assert heads(output, nowhere, nowhere).item() == 0.0
    assert heads(output, slots, slots).item() == pytest.approx(chance, abs=0.3)
    assert heads(output, nowhere, edges).item() == pytest.approx(chance_of_edges, abs=0.3)
    changed = hidden.clone()
    changed[0, 0] += 5.0  # a position without a slot
    elsewhere = LanguageOutput(changed, (), (), (changed,) * config.language_config.num_hidden_layers)
    assert torch.equal(heads(elsewhere, slots, slots), heads(output, slots, slots))


def test_every_token_of_a_box_knows_its_coordinate() -> None:
    """So that the digits of one number are learned from the same place and value."""
    page = draw_page(PAGES, "train", random.Random(3))
    builder = BatchBuilder(tiny_config())
    turn = ask("locate", [page], random.Random(4), "train")
    assert turn is not None
    builder.add(page_views([page], tiny_config()), [turn])
    told = builder.batch().ahead.coordinates[0].tolist()
    numbers = [int(number) for number in turn.answer.split("[[")[1].split("]]")[0].split(", ")]
    assert list(dict.fromkeys(found for found in told if found >= 0)) == list(dict.fromkeys(numbers))

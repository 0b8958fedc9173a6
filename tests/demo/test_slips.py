"""Mistakes in what was answered before: the answers stay learnable and everything else stays as it is."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace

import torch

from dsvl2_demo.pages.documents import PageRange, draw_page
from dsvl2_demo.questions.tasks import Turn, ask
from dsvl2_demo.training.answer_noise import with_slips
from dsvl2_demo.training.batches import BatchRange
from dsvl2_demo.training.conversation import IGNORED, Conversation, conversation
from dsvl2_demo.training.geometry import tiny_config
from dsvl2_demo.training.measure import measure
from dsvl2_demo.training.training_model import Reader
from dsvl2_demo.training.vocabulary import decode


def talk_about(seed: int) -> Conversation:
    rng = random.Random(seed)
    page = draw_page(PageRange(), "train", rng, blank=True)
    turns: list[Turn] = []
    while len(turns) < 3:
        turn = ask(("transcribe", "value", "locate")[len(turns)], [page], rng, "train")
        if turn is None:
            return talk_about(seed + 1000)
        turns.append(turn)
    return conversation(turns, [5])


def test_after_a_slip_the_truth_is_learned() -> None:
    """Whatever was said, what should follow a place on the page is what follows it there."""
    for seed in range(40):
        talk = talk_about(seed)
        slipped = with_slips(talk, random.Random(seed))
        true = set(zip(talk.here, talk.targets.tolist(), talk.ahead, strict=True))
        assert set(zip(slipped.here, slipped.targets.tolist(), slipped.ahead, strict=True)) <= true
        for (task, first, last), (_, true_first, true_last) in zip(slipped.tasks, talk.tasks, strict=True):
            assert slipped.targets[first] == talk.targets[true_first]
            assert last >= first + 1
            if task == "locate":
                assert slipped.input_ids[first:last].tolist() == talk.input_ids[true_first:true_last].tolist()


def test_questions_and_pictures_have_no_slips() -> None:
    for seed in range(40):
        talk = talk_about(seed)
        slipped = with_slips(talk, random.Random(seed))
        assert (
            slipped.input_ids[slipped.targets == IGNORED].tolist() == talk.input_ids[talk.targets == IGNORED].tolist()
        )


def test_letters_and_lines_are_changed_lost_and_doubled() -> None:
    """Each kind of slip happens, seldom enough to read by what is left."""
    letters, slips, kinds = 0, 0, Counter[str]()
    for seed in range(300):
        talk = talk_about(seed)
        slipped = with_slips(talk, random.Random(seed))
        _, first, last = talk.tasks[0]
        _, slipped_first, slipped_last = slipped.tasks[0]
        before = decode(talk.input_ids[first + 1 : last].tolist())
        after = decode(slipped.input_ids[slipped_first + 1 : slipped_last].tolist())
        kinds["clean"] += before == after
        kinds["longer"] += len(after) > len(before)
        kinds["shorter"] += len(after) < len(before)
        lines = Counter(after.split("\n"))
        kinds["line twice"] += any(lines[line] > before.split("\n").count(line) for line in before.split("\n")[:-1])
        letters += len(before)
        slips += sum(left != right for left, right in zip(before, after, strict=False) if len(before) == len(after))
    assert 0.25 < kinds["clean"] / 300 < 0.6
    assert min(kinds["longer"], kinds["shorter"]) > 20
    assert kinds["line twice"] > 5
    assert 0.003 < slips / letters < 0.05


def test_accuracy_is_measured_after_true_beginnings() -> None:
    """So that figures of runs with and without slips can be compared."""
    torch.manual_seed(0)
    reader = Reader(tiny_config())
    range_ = BatchRange(PageRange(sizes=((112, 112),)), (("value", 1.0), ("transcribe", 1.0)), slips=True)
    with_them, without = (
        measure(reader, "language", chosen, "held_out", 4, 1).report()
        for chosen in (range_, replace(range_, slips=False))
    )
    assert with_them == without

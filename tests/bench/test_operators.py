"""The comparison of single operators runs at small sizes; its figures are positive and both sides compute the same."""

from __future__ import annotations

import numpy as np
import pytest

from dsvl2_bench import operators
from dsvl2_export.graphs.own_operators import replace_operators
from dsvl2_runtime.machine.kernels import find_kernels
from own_library import need_library


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    need_library()
    sizes = {"HIDDEN": 128, "INTERMEDIATE": 64, "QUERIES_AND_LATENT": 96, "TOKENS": (1, 9), "TOKENS_OF_A_TURN": 4}
    for name, value in {**sizes, "FEWEST_BYTES": 1, "WEIGHT_BYTES": 400_000}.items():
        monkeypatch.setattr(operators, name, value)


def test_every_case_has_figures(small: None) -> None:
    found = operators.measure(1, 2)
    names = [case.name for case in operators.cases()]
    assert list(found) == ["kernels", "threads", *names]
    for name in names:
        assert list(found[name]) == ["1", "9"]
        assert all(rate > 0 for rates in found[name].values() for rate in rates.values())


def test_both_sides_compute_the_same(small: None) -> None:
    """Else the comparison would be worth nothing; 8-bit activations differ where a last bit does."""
    path = str(find_kernels().path)
    for case in operators.cases():
        feeds = dict(case.feeds(9, 0))
        (expected,) = operators._session(case.model.SerializeToString(), 1, None).run(None, feeds)
        assert replace_operators(case.model) == 1
        (found,) = operators._session(case.model.SerializeToString(), 1, path).run(None, feeds)
        assert np.linalg.norm(found - expected) <= 1e-2 * np.linalg.norm(expected)


@pytest.mark.parametrize("index", range(3))
def test_weights_of_all_copies_are_read_before_one_is_read_again(
    small: None, monkeypatch: pytest.MonkeyPatch, index: int
) -> None:
    """Else a cache would hold them, and the figures of one token would say nothing about a model."""
    case = operators.cases()[index]
    copies = operators.copies_of(case)
    assert copies * case.weight_bytes >= operators.WEIGHT_BYTES > (copies - 1) * case.weight_bytes
    read: list[tuple[int, int]] = []

    def turn(
        ours: list[object], theirs: list[object], visits: list[tuple[int, int]], *_: object
    ) -> tuple[float, float]:
        assert len({id(session) for session in [*ours, *theirs]}) == 2 * copies
        read.extend(visits)
        return 1.0, 1.0

    monkeypatch.setattr(operators, "cases", lambda: [case])
    monkeypatch.setattr(operators, "_session", lambda *_: object())
    monkeypatch.setattr(operators, "_turn", turn)
    operators.measure(1, copies)
    assert len(read) > 2 * copies
    assert read == [(visit % copies, visit // copies) for visit in range(len(read))]


@pytest.mark.parametrize("index", range(3))
def test_every_weight_was_used_before_the_first_turn(small: None, monkeypatch: pytest.MonkeyPatch, index: int) -> None:
    """An operator looks at its scales once, when they are first used; only the first step of a model pays for that."""
    case = operators.cases()[index]
    first: list[tuple[list[tuple[int, int]], int]] = []

    def turn(
        _ours: object, _theirs: object, visits: list[tuple[int, int]], _case: object, tokens: int
    ) -> tuple[float, float]:
        first.append((visits, tokens))
        return 1.0, 1.0

    monkeypatch.setattr(operators, "cases", lambda: [case])
    monkeypatch.setattr(operators, "_session", lambda *_: object())
    monkeypatch.setattr(operators, "_turn", turn)
    operators.measure(1, 1)
    visits, tokens = first[0]
    assert [copy for copy, _ in visits] == list(range(operators.copies_of(case)))
    if "choice" in case.feeds(1, 0):
        choice = case.feeds(tokens, 0)["choice"]
        chosen = np.argsort(choice, axis=-1)[:, -operators.CHOSEN :]
        assert sorted(set(chosen.flat)) == list(range(operators.EXPERTS))


def test_one_token_goes_to_all_experts_in_turn(small: None) -> None:
    case = operators.experts_case()
    chosen = [set(np.argsort(case.feeds(1, times)["choice"][0])[-operators.CHOSEN :].tolist()) for times in range(4)]
    assert sorted(expert for experts in chosen for expert in experts) == list(range(operators.EXPERTS))

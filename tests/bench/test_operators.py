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
    for name, value in {"HIDDEN": 128, "INTERMEDIATE": 64, "QUERIES_AND_LATENT": 96, "TOKENS": (1, 9)}.items():
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
        feeds = dict(case.feeds(9))
        (expected,) = operators._session(case.model.SerializeToString(), 1, None).run(None, feeds)
        assert replace_operators(case.model) == 1
        (found,) = operators._session(case.model.SerializeToString(), 1, path).run(None, feeds)
        assert np.linalg.norm(found - expected) <= 1e-2 * np.linalg.norm(expected)

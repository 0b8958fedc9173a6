"""The network as a GPU trains it: in fewer and larger operations, with the same results."""

from __future__ import annotations

import random
from contextlib import nullcontext

import pytest
import torch
from torch import Tensor, nn

from dsvl2_demo.pages.documents import PageRange
from dsvl2_demo.training import fused
from dsvl2_demo.training.attention_targets import SMALLEST_SHARE, missed_looks
from dsvl2_demo.training.batches import BatchRange, draw_batches
from dsvl2_demo.training.fused import GroupedExperts, MaskedExperts, experts_of, fuse
from dsvl2_demo.training.geometry import demo_config, tiny_config
from dsvl2_demo.training.training_model import Losses, Reader
from dsvl2_export.network.moe import MixtureOfExperts

PAGES = BatchRange(PageRange(sizes=((112, 112),)), turns=2)


def _total(losses: Losses) -> Tensor:
    return losses.answer + losses.layout + losses.gaze + losses.slots + 0.01 * losses.balance


@pytest.mark.parametrize("experts", [MaskedExperts, GroupedExperts])
def test_the_fused_network_computes_the_same(experts: type[MixtureOfExperts]) -> None:
    """Losses, and the gradient of every parameter."""
    torch.manual_seed(0)
    config = tiny_config()
    plain, found_reader = Reader(config), Reader(config)
    found_reader.load_state_dict(plain.state_dict())
    fuse(found_reader, experts)
    assert sum(type(module) is experts for module in found_reader.modules()) > 0
    batch = draw_batches(PAGES, config, 3, "train", random.Random(1))[0]
    expected, found = _total(plain(batch, "joint")), _total(found_reader(batch, "joint"))
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    expected.backward()
    found.backward()
    for (name, first), second in zip(plain.named_parameters(), found_reader.parameters(), strict=True):
        if first.grad is not None:
            torch.testing.assert_close(second.grad, first.grad, rtol=1e-3, atol=1e-5, msg=name)


@pytest.mark.parametrize("experts", [MaskedExperts, GroupedExperts])
def test_a_step_never_waits_for_the_gpu(monkeypatch: pytest.MonkeyPatch, experts: type[MixtureOfExperts]) -> None:
    """Tensors without values cannot be asked for one, as a step that is being recorded cannot."""
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: nullcontext())  # does not know their device
    monkeypatch.setattr(torch, "is_autocast_enabled", lambda _: False)
    reader = Reader(tiny_config())
    fuse(reader, experts)
    reader.gaze_positions = 8
    batch = draw_batches(PAGES, tiny_config(), 3, "train", random.Random(1))[0].to(torch.device("meta"))
    losses = reader.to("meta")(batch, "joint")
    gradients = torch.autograd.grad(_total(losses), list(reader.parameters()), allow_unused=True)
    assert sum(gradient is not None for gradient in gradients) > 50


def test_experts_without_tokens_learn_nothing() -> None:
    """All tokens go to two experts of eight: the groups of the others are empty."""
    torch.manual_seed(3)
    config = demo_config().language_config
    experts = MixtureOfExperts(config)
    with torch.no_grad():
        experts.gate.weight.zero_()
        experts.gate.weight[2:4, 0] = 1.0
    x = torch.randn(2, 11, config.hidden_size)
    x[..., 0] = 5.0
    results = []
    for kind in (MixtureOfExperts, GroupedExperts):
        experts.__class__ = kind
        out, statistics = experts(x)
        assert set(statistics.chosen.unique().tolist()) == {2, 3}
        parameters = [parameter for name, parameter in experts.named_parameters() if not name.startswith("gate.")]
        results.append([out, *torch.autograd.grad(out.square().sum(), parameters, allow_unused=True)])
    for expected, found in zip(*results, strict=True):
        wanted = torch.zeros_like(found) if expected is None else expected
        torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-4)


def test_experts_are_grouped_where_that_was_tried(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Not on other cards, not where they give other numbers, and not where they fail."""
    card = torch.device("cuda")
    assert experts_of(torch.device("cpu")) is MaskedExperts
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: (8, 0))
    assert experts_of(card) is MaskedExperts
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: (9, 0))
    on_cpu = fused.tried
    monkeypatch.setattr(fused, "tried", lambda _, kind: on_cpu(torch.device("cpu"), kind))
    assert experts_of(card) is GroupedExperts
    assert capsys.readouterr().out == ""

    def wrong(_: torch.device, kind: type[MixtureOfExperts]) -> list[Tensor]:
        found = on_cpu(torch.device("cpu"), kind)
        if kind is GroupedExperts:
            found[-1][:4] *= 0.5
        return found

    monkeypatch.setattr(fused, "tried", wrong)
    assert experts_of(card) is MaskedExperts
    assert "% off" in capsys.readouterr().out

    def failing(*_: object) -> list[Tensor]:
        raise RuntimeError("no such kernel")

    monkeypatch.setattr(fused, "tried", failing)
    assert experts_of(card) is MaskedExperts
    assert "no such kernel" in capsys.readouterr().out


def test_missed_looks_and_their_gradient() -> None:
    """As automatic differentiation gives them; queries have one right position, none, or two."""
    torch.manual_seed(0)
    q, k = (nn.Parameter(torch.randn(2, 3, length, 8)) for length in (5, 9))
    future = (torch.arange(9) > torch.randint(2, 9, (2, 5, 1)))[:, None]
    right = torch.rand(2, 1, 5, 9) < 0.1
    right[0, 0, 0] = False
    right[0, 0, 1, :2] = True
    assert {0, 1, 2} <= set(right.sum(-1).unique().tolist())
    weights = torch.rand(2, 3, 5)
    seen = (q @ k.transpose(2, 3)).masked_fill(future, -torch.inf).softmax(-1)
    expected = -((seen * right).sum(-1) + SMALLEST_SHARE).log()
    found = missed_looks(q, k, right, future)
    torch.testing.assert_close(found, expected)
    wanted = torch.autograd.grad((expected * weights).sum(), (q, k))
    for ours, theirs in zip(torch.autograd.grad((found * weights).sum(), (q, k)), wanted, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)

"""Training computes in bfloat16 where the device multiplies it, and in float32 elsewhere."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from dsvl2_demo.training import arithmetic
from dsvl2_demo.training.arithmetic import autocast, products_type
from dsvl2_demo.training.optimizers import orthogonal
from dsvl2_export.network.attention import attend
from dsvl2_runtime.machine.machine import Processor

CPU = torch.device("cpu")
PROCESSORS = (
    (("avx2", "fma"), torch.float32),
    (("avx2", "fma", "avx512f", "avx512_vnni"), torch.float32),
    (("avx2", "fma", "avx512f", "avx512_vnni", "avx512_bf16"), torch.bfloat16),
    (("avx2", "fma", "amx_int8"), torch.bfloat16),
    (None, torch.float32),
)


@pytest.fixture(params=PROCESSORS, ids=lambda known: str(known[0] and known[0][-1]))
def expected(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[torch.dtype]:
    """A processor, and the type it should compute in."""
    features, kind = request.param
    monkeypatch.setattr(arithmetic, "describe_processor", lambda: Processor("a processor", features))
    arithmetic._of_processor.cache_clear()
    yield kind
    arithmetic._of_processor.cache_clear()


def test_a_product_is_in_the_type_that_the_processor_multiplies(expected: torch.dtype) -> None:
    """Inside the block alone."""
    assert products_type(CPU) == expected
    x = torch.randn(3, 4)
    with autocast(CPU):
        assert (x @ x.T).dtype == expected
    assert (x @ x.T).dtype == torch.float32


def test_updates_are_about_orthogonal_in_either_type(expected: torch.dtype) -> None:
    """Singular values are about 0.68 to 1.13; nearer to 1 these coefficients do not bring random ones in five steps."""
    torch.manual_seed(1)
    update = orthogonal(torch.randn(2, 24, 40))
    assert update.dtype == expected
    values = torch.linalg.svdvals(update.float())
    assert float(values.min()) > 0.65 and float(values.max()) < 1.2


def test_a_gpu_computes_in_bfloat16_whatever_the_processor_has() -> None:
    assert products_type(torch.device("cuda")) == torch.bfloat16


def test_attention_that_learns_gives_what_is_written_out() -> None:
    """To float32's last digits, with values narrower than keys as the demonstration has them, and the gradients too."""
    torch.manual_seed(2)
    q, k, v = (torch.randn(2, 3, 17, width) for width in (48, 48, 32))
    learning = [each.clone().requires_grad_() for each in (q, k, v)]
    fused = attend(learning[0], learning[1], learning[2], 0.1)
    exact = [each.double().requires_grad_() for each in (q, k, v)]  # attention in float64 is written out
    written = attend(exact[0], exact[1], exact[2], 0.1)
    torch.testing.assert_close(fused, attend(q, k, v, 0.1), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(fused, written.float(), rtol=1e-5, atol=1e-6)
    weight = torch.randn_like(fused)
    pairs = zip(
        torch.autograd.grad((fused * weight).sum(), learning),
        torch.autograd.grad((written * weight).sum(), exact),
        strict=True,
    )
    for found, expected in pairs:
        torch.testing.assert_close(found, expected.float(), rtol=1e-4, atol=1e-6)

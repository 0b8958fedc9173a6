"""Forward and backward passes recorded as CUDA graphs: one launch in place of three thousand.

Launching the small kernels of this network one by one took 0.25 s a step on an H100, of which the GPU computed less
than half. A graph reads and writes the same memory each time, so batches come in a few shapes (`batch_shapes.py`), and
weights that are rounded are rounded where they lie (`fake_quant.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor, nn

from dsvl2_demo.training.batch import Batch
from dsvl2_demo.training.training_model import Losses

Compute = Callable[[Batch], tuple[Losses, Tensor]]
"""All losses of a batch, and what is made smaller."""


@dataclass(frozen=True, slots=True)
class _Recording:
    graph: torch.cuda.CUDAGraph
    batch: Batch
    """Where the graph reads."""
    losses: Losses
    """Where it writes, beside the gradients."""


class RecordedSteps:
    """Losses and gradients of batches, by a graph where the shape of a batch was met before."""

    def __init__(self, compute: Compute, parameters: Sequence[nn.Parameter]) -> None:
        """Give each parameter a gradient that stays where it is.

        Args:
            compute: must not wait for the GPU.
            parameters: that learn.
        """
        self._compute = compute
        self._parameters = list(parameters)
        for parameter in self._parameters:
            parameter.grad = torch.zeros_like(parameter)
        self._recordings: dict[tuple[torch.Size, torch.Size], _Recording | None] = {}
        self._pool: Any = None

    def __call__(self, batch: Batch) -> Losses:
        """Losses of a batch on the GPU or in pinned memory; the gradients are written to the parameters."""
        shape = batch.input_ids.shape, batch.pixels.shape
        if shape not in self._recordings:
            self._recordings[shape] = None
            return self._run_unrecorded(batch)
        if (recording := self._recordings[shape]) is None:
            recording = self._recordings[shape] = self._record(batch)
        else:
            for here, there in zip(recording.batch.tensors(), batch.tensors(), strict=True):
                here.copy_(there, non_blocking=True)
        recording.graph.replay()
        return recording.losses

    def _run_unrecorded(self, batch: Batch) -> Losses:
        """A step on a stream of its own, in which libraries find their kernels and allocate what they keep."""
        here, stream = torch.cuda.current_stream(), torch.cuda.Stream()
        stream.wait_stream(here)
        with torch.cuda.stream(stream):
            losses = self.pass_over(batch.to(self._parameters[0].device))
        here.wait_stream(stream)
        torch.cuda.synchronize()
        torch.cuda.empty_cache()  # the recordings have memory of their own
        return losses

    def _record(self, batch: Batch) -> _Recording:
        there = batch.to(self._parameters[0].device)
        graph = torch.cuda.CUDAGraph()
        # Other threads may allocate meanwhile: the one that pins batches does.
        with torch.cuda.graph(graph, pool=self._pool, capture_error_mode="thread_local"):
            losses = self.pass_over(there)
        self._pool = graph.pool()
        return _Recording(graph, there, losses)

    def pass_over(self, batch: Batch) -> Losses:
        """Losses of a batch, and the gradients in place, without a graph."""
        losses, total = self._compute(batch)
        gradients = torch.autograd.grad(total, self._parameters, allow_unused=True)
        written = [(p.grad, g) for p, g in zip(self._parameters, gradients, strict=True) if g is not None]
        torch._foreach_copy_([kept for kept, _ in written if kept is not None], [made for _, made in written])
        return _detached(losses)


def _detached(losses: Losses) -> Losses:
    """The losses without what they were computed from, which would keep its memory; the logits are left out."""
    parts = {field.name: getattr(losses, field.name).detach() for field in fields(losses) if field.name != "logits"}
    return Losses(**parts, logits=None)

"""A decoder of Small's sizes in PyTorch and bfloat16, with random weights: the peer that most people have.

A step gathers the chosen experts and runs as a CUDA graph; a prompt goes through its experts one by one, each with the
tokens that chose it. Three layers are timed and stand for 27.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import median
from typing import Any

TIMED_LAYERS, LAYERS = 3, 27
PAST = 1415
PROMPTS = (512, 1415)


@dataclass(frozen=True, slots=True)
class Sizes:
    """Of one layer; those of Small."""

    hidden: int = 2048
    heads: int = 16
    nope: int = 128
    rope: int = 64
    rank: int = 512
    experts: int = 64
    chosen: int = 6
    width: int = 1408
    vocab: int = 102_400


def measure(device: str) -> Iterator[dict[str, Any]]:
    """Figures one after the other; on the CPU with tiny sizes, to try out the program."""
    import torch
    import torch.nn.functional as F  # noqa: N812

    sizes = Sizes() if device == "cuda" else Sizes(64, 2, 16, 8, 32, 4, 2, 32, 128)
    kind: dict[str, Any] = {"device": device, "dtype": torch.bfloat16}
    past = PAST if device == "cuda" else 8

    def weight(*shape: int) -> Any:
        return torch.randn(*shape, **kind) * 0.02

    h, row = sizes.heads, sizes.rank + sizes.rope
    layers = [
        {
            "q": weight(h * (sizes.nope + sizes.rope) + row, sizes.hidden),
            "up_key": weight(h, sizes.nope, sizes.rank),
            "up_value": weight(h, sizes.rank, sizes.nope),
            "kv_b": weight(2 * h * sizes.nope, sizes.rank),
            "o": weight(sizes.hidden, h * sizes.nope),
            "gate": weight(sizes.experts, sizes.hidden),
            "w1": weight(sizes.experts, 2 * sizes.width, sizes.hidden),
            "w2": weight(sizes.experts, sizes.hidden, sizes.width),
            "s1": weight(4 * sizes.width, sizes.hidden),
            "s2": weight(sizes.hidden, 2 * sizes.width),
            "norm": weight(sizes.hidden) + 1,
            "cache": torch.randn(past + 1, row, **kind),
        }
        for _ in range(TIMED_LAYERS)
    ]
    head, scale = weight(sizes.vocab, sizes.hidden), (sizes.nope + sizes.rope) ** -0.5

    def swiglu(x: Any) -> Any:
        gate, up = x.chunk(2, -1)
        return F.silu(gate) * up

    def normed(x: Any, layer: dict[str, Any]) -> Any:
        return F.rms_norm(x, (sizes.hidden,), layer["norm"], 1e-6)

    def step(x: Any) -> Any:
        for layer in layers:
            q, rope, new = F.linear(normed(x, layer), layer["q"]).split([h * sizes.nope, h * sizes.rope, row], -1)
            layer["cache"][past:].copy_(new)
            q = torch.cat([torch.bmm(q.view(h, 1, -1), layer["up_key"])[:, 0], rope.view(h, -1)], -1)
            mixed = ((q @ layer["cache"].T) * scale).softmax(-1) @ layer["cache"][:, : sizes.rank]
            x = x + F.linear(torch.bmm(mixed[:, None], layer["up_value"]).view(1, -1), layer["o"])
            n = normed(x, layer)
            p, chosen = F.linear(n, layer["gate"]).float().softmax(-1).topk(sizes.chosen)
            y = torch.einsum("kfh,h->kf", layer["w1"][chosen[0]], n[0])
            y = torch.einsum("khf,kf->kh", layer["w2"][chosen[0]], swiglu(y))
            x = x + F.linear(swiglu(F.linear(n, layer["s1"])), layer["s2"]) + (p[0].to(y.dtype)[:, None] * y).sum(0)
        return F.linear(x, head).argmax(-1)

    def prompt(x: Any) -> Any:
        seq = len(x)
        for layer in layers:
            q, rope, new = F.linear(normed(x, layer), layer["q"]).split([h * sizes.nope, h * sizes.rope, row], -1)
            kv = F.linear(new[:, : sizes.rank], layer["kv_b"]).view(seq, h, -1)
            keys = torch.cat([kv[..., : sizes.nope], new[:, None, sizes.rank :].expand(seq, h, -1)], -1)
            queries = torch.cat([q.view(seq, h, -1), rope.view(seq, h, -1)], -1)
            q, k, v = (part.transpose(0, 1)[None] for part in (queries, keys, kv[..., sizes.nope :]))
            y = F.scaled_dot_product_attention(q, k, v, is_causal=True, scale=scale)
            x = x + F.linear(y[0].transpose(0, 1).reshape(seq, -1), layer["o"])
            n = normed(x, layer)
            p, chosen = F.linear(n, layer["gate"]).float().softmax(-1).topk(sizes.chosen)
            out = F.linear(swiglu(F.linear(n, layer["s1"])), layer["s2"])
            for expert in range(sizes.experts):
                token, place = (chosen == expert).nonzero(as_tuple=True)
                y = F.linear(swiglu(F.linear(n[token], layer["w1"][expert])), layer["w2"][expert])
                out.index_add_(0, token, y * p[token, place, None].to(y.dtype))
            x = x + out
        return F.linear(x[-1:], head).argmax(-1)

    with torch.inference_mode():
        x = torch.randn(1, sizes.hidden, **kind)

        def run() -> Any:
            return step(x)

        yield {"decode": "eager", **_rate(_seconds(run, device), 1)}
        if device == "cuda":
            yield {"decode": "cuda graph", **_rate(_seconds(_captured(run), device), 1)}
        for seq in PROMPTS if device == "cuda" else (8,):
            rows = torch.randn(seq, sizes.hidden, **kind)
            yield {"prompt": seq, **_rate(_seconds(lambda rows=rows: prompt(rows), device), seq)}  # type: ignore[misc]


def _rate(seconds: float, tokens: int) -> dict[str, float]:
    whole = seconds / TIMED_LAYERS * LAYERS
    return {"ms_of_27_layers": round(whole * 1e3, 3), "tok_s": round(tokens / whole, 1)}


def _captured(run: Callable[[], Any]) -> Callable[[], Any]:
    import torch

    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        for _ in range(3):
            run()
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        run()
    replay: Callable[[], Any] = graph.replay
    return replay


def _seconds(run: Callable[[], Any], device: str) -> float:
    import torch

    def timed() -> float:
        start = time.perf_counter()
        run()
        if device == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter() - start

    for _ in range(3):
        timed()
    return median(timed() for _ in range(20 if device == "cuda" else 3))

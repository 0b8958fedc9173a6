"""PyTorch in bf16 on vision tower and projector: `python -m dsvl2_bench.peers.torch_vision small --threads 2`."""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Sequence
from time import perf_counter

import torch

from dsvl2_bench.phases import TILES
from dsvl2_export.network.projector import Projector
from dsvl2_export.network.vision import VisionTower
from dsvl2_runtime.bundle.releases import Variant, official_config
from dsvl2_runtime.config import ModelConfig

REPEATS = 3


@torch.inference_mode()
def seconds_per_tile(config: ModelConfig, threads: int) -> float:
    """Median time of the reference network with random weights, one tile at a time as ours."""
    torch.set_num_threads(threads)
    vision = config.vision_config
    tower, projector = VisionTower(vision).eval().bfloat16(), Projector(config).eval().bfloat16()
    tile = torch.rand(1, 3, vision.image_size, vision.image_size, dtype=torch.bfloat16)
    times = []
    for _ in range(1 + REPEATS * TILES):
        start = perf_counter()
        projector(tower(tile))
        times.append(perf_counter() - start)
    return round(statistics.median(times[1:]), 4)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure one release and print one JSON object."""
    parser = argparse.ArgumentParser(prog="python -m dsvl2_bench.peers.torch_vision")
    parser.add_argument("variant", choices=list(Variant))
    parser.add_argument("--threads", type=int, required=True)
    options = parser.parse_args(arguments)
    print(json.dumps({"vision_s_per_tile": seconds_per_tile(official_config(options.variant), options.threads)}))


if __name__ == "__main__":
    main()

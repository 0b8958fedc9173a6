"""OpenVINO in int8 on vision tower and projector: `python -m dsvl2_bench.peers.openvino_vision small --threads 2`.

Quantised by NNCF as its documentation has it for transformers: weights and activations in 8 bits, the ranges of
activations from one random tile, which is enough where only speed is measured.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nncf
import numpy as np
import openvino
import torch
from torch import nn

from dsvl2_bench.memory import peak_rss_gb
from dsvl2_bench.peers.torch_vision import REPEATS
from dsvl2_bench.phases import TILES
from dsvl2_export.network.projector import Projector
from dsvl2_export.network.vision import VisionTower
from dsvl2_runtime.bundle.releases import Variant, official_config
from dsvl2_runtime.config import ModelConfig


def quantized_vision(config: ModelConfig) -> openvino.Model:
    """Vision tower and projector of the reference network with random weights, in int8."""
    side = config.vision_config.image_size
    tile = torch.rand(1, 3, side, side) * 2 - 1
    network = nn.Sequential(VisionTower(config.vision_config), Projector(config)).eval()
    with torch.inference_mode():
        converted = openvino.convert_model(network, example_input=tile, input=[1, 3, side, side])
    found: openvino.Model = nncf.quantize(
        converted, nncf.Dataset([tile.numpy()]), model_type=nncf.ModelType.TRANSFORMER, subset_size=1
    )
    return found


def kept_vision(config: ModelConfig, path: Path) -> openvino.Model:
    """The same, from the file that an earlier call left there; quantising it takes a minute."""
    if not path.is_file():
        openvino.save_model(quantized_vision(config), path, compress_to_fp16=False)
    return openvino.Core().read_model(path)


def measure(model: openvino.Model, side: int, threads: int) -> dict[str, Any]:
    """Seconds per tile of so many pixels a side, one tile at a time as ours; the median of some tiles."""
    options = {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY"}
    compiled = openvino.Core().compile_model(model, "CPU", options)
    tile = np.random.default_rng(0).uniform(-1, 1, (1, 3, side, side)).astype(np.float32)
    times = []
    for _ in range(1 + REPEATS * TILES):
        start = time.perf_counter()
        compiled(tile)
        times.append(time.perf_counter() - start)
    return {"vision_s_per_tile": round(statistics.median(times[1:]), 4), "peak_rss_gb": peak_rss_gb()}


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure one release and print one JSON object."""
    parser = argparse.ArgumentParser(prog="python -m dsvl2_bench.peers.openvino_vision")
    parser.add_argument("variant", choices=list(Variant))
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument(
        "--keep", type=Path, help="an .xml file to read the quantised model from, and to write it to first"
    )
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    config = official_config(options.variant)
    model = kept_vision(config, options.keep) if options.keep else quantized_vision(config)
    print(json.dumps(measure(model, config.vision_config.image_size, options.threads)))


if __name__ == "__main__":
    main()

"""Turns a DeepSeek-VL2 checkpoint into a bundle of ONNX graphs."""

from __future__ import annotations

import os

import dsvl2_runtime  # noqa: F401  it switches telemetry off, so it comes before everything that could have some

# Checkpoints are folders here, so the libraries of Hugging Face have nothing to fetch and nothing to report. Whoever
# wants them online in the same process sets HF_HUB_OFFLINE=0.
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")

"""A small DeepSeek-VL2 trained here on documents that we draw."""

from __future__ import annotations

from pathlib import Path

import dsvl2_runtime  # noqa: F401  it switches telemetry off, so it comes before everything that could have some

BUNDLE = Path(__file__).parent / "bundle"
"""The shipped int4 bundle; `--model demo`."""

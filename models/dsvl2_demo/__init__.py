"""A small DeepSeek-VL2 trained here on documents that we draw."""

from __future__ import annotations

from pathlib import Path

BUNDLE = Path(__file__).parent / "bundle"
"""The shipped int4 bundle; `--model demo`."""

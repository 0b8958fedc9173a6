"""Quantised weight formats and the recipes that choose among them."""

from __future__ import annotations

import dsvl2_runtime  # noqa: F401  it switches telemetry off, so it comes before everything that could have some

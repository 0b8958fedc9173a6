"""A window around the runtime; the engine lives in a child process."""

from __future__ import annotations

import dsvl2_runtime  # noqa: F401  it switches telemetry off, so it comes before everything that could have some
from dsvl2_app.qt_references import keep_constants

keep_constants()

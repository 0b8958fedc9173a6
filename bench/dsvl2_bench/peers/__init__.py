"""Other engines on the same shapes, each in a process of its own that prints the figures it can give."""

from __future__ import annotations

import sys

# OpenVINO and NNCF report their use to Google Analytics through this package, without asking, and do without it where
# it cannot be imported.
sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]

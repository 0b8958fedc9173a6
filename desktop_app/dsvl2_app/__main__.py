"""`python -m dsvl2_app` is `dsvl2-onnx app`."""

from __future__ import annotations

import sys

from dsvl2_runtime.cli.main import main

sys.argv.insert(1, "app")
main()

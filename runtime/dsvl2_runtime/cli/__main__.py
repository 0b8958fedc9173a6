"""`python -m dsvl2_runtime.cli` is `dsvl2-onnx`, also where its script was not installed."""

from __future__ import annotations

from dsvl2_runtime.cli.main import main

if __name__ == "__main__":
    main()

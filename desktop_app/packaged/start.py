"""Where a packaged program begins: without arguments it opens the window, otherwise it is `dsvl2-onnx`."""

from __future__ import annotations

import sys

from dsvl2_runtime.machine.own_modules import run_asked_module


def main() -> None:
    """Run a module of ours for another process of this program, or the command."""
    if run_asked_module(sys.argv):
        return
    if len(sys.argv) == 1:
        sys.argv.append("app")
    from dsvl2_runtime.cli.main import main as command

    command()


if __name__ == "__main__":
    main()

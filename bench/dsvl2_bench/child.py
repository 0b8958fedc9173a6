"""Runs a module that measures, in a process that ends with the one that started it.

`python -m dsvl2_bench.child MODULE ARGUMENTS`, with a pipe as standard input: the system closes it when the parent is
gone, however it ended, and nobody waits for the figures any more.
"""

from __future__ import annotations

import os
import runpy
import sys
import threading

STANDARD_INPUT = 0


def end_with_parent() -> None:
    """Start to wait for the end of standard input, and end this process at once when it comes."""

    def wait() -> None:
        # The bare descriptor: an interpreter that ends cannot close a stream that another thread reads.
        while os.read(STANDARD_INPUT, 1):
            pass
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def main() -> None:
    """Run the module that the first argument names, with the others as its arguments."""
    end_with_parent()
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()

"""Runs a command for which the permissions of files count even if it is root's: `python without_root.py COMMAND ...`.

Root reads and writes everything because of two capabilities of Linux, and a process may give them up for itself and
what it starts (capabilities(7)). For every other user there is nothing to give up.
"""

from __future__ import annotations

import ctypes
import os
import sys

SUPPORTED = sys.platform != "win32" and (os.geteuid() != 0 or sys.platform == "linux")

PR_CAPBSET_DROP = 24
DAC_OVERRIDE, DAC_READ_SEARCH = 1, 2


def give_up_reading_everything() -> None:
    """Take effect with the next program that this process starts."""
    libc = ctypes.CDLL(None, use_errno=True)
    for capability in (DAC_OVERRIDE, DAC_READ_SEARCH):
        if libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0:
            number = ctypes.get_errno()
            raise OSError(number, f"the capability stays: {os.strerror(number)}")


if __name__ == "__main__":
    if os.geteuid() == 0:
        give_up_reading_everything()
    os.execvp(sys.argv[1], sys.argv[1:])  # noqa: S606

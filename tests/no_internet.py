"""Runs a command in which no internet socket can be opened, by C code neither: `python no_internet.py COMMAND ...`.

Whoever tries is killed with SIGSYS, in the command and in every process that it starts, so that a test sees it as exit
code -31. Local sockets stay allowed, and one more: an IPv6 stream is refused without being killed, because urllib3
binds one to the loopback address when it is imported, to learn whether there is IPv6. Without a name server, which
takes datagrams, no host can be found for it anyway.

A filter for system calls does this (Linux, `Documentation/userspace-api/seccomp_filter.rst`); it needs neither root nor
a network namespace.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import socket
import struct
import sys

SUPPORTED = sys.platform == "linux" and platform.machine() in ("x86_64", "aarch64")

PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, FILTER_MODE = 38, 22, 2
ALLOW, REFUSE, KILL_PROCESS = 0x7FFF0000, 0x00050000 | errno.EAFNOSUPPORT, 0x80000000
LOAD, EQUAL, MASK, RETURN = 0x20, 0x15, 0x54, 0x06
"""Instructions of the filter (`linux/bpf_common.h`): load a word, jump if equal, and, return."""
NUMBER, ARCHITECTURE, FAMILY, TYPE = 0, 4, 16, 24
"""Offsets in `struct seccomp_data`: of the call, of the architecture, and of the first two arguments of `socket`."""


def forbid_internet() -> None:
    """Apply the filter to this process, for good."""
    architecture, socket_call = {"x86_64": (0xC000003E, 41), "aarch64": (0xC00000B7, 198)}[platform.machine()]
    program = (
        (LOAD, 0, 0, ARCHITECTURE),
        (EQUAL, 0, 9, architecture),
        (LOAD, 0, 0, NUMBER),
        (EQUAL, 0, 7, socket_call),
        (LOAD, 0, 0, FAMILY),
        (EQUAL, 4, 0, socket.AF_INET),
        (EQUAL, 0, 4, socket.AF_INET6),
        (LOAD, 0, 0, TYPE),
        (MASK, 0, 0, 0xF),
        (EQUAL, 2, 0, socket.SOCK_STREAM),
        (RETURN, 0, 0, KILL_PROCESS),
        (RETURN, 0, 0, ALLOW),
        (RETURN, 0, 0, REFUSE),
    )
    instructions = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in program))
    header = ctypes.create_string_buffer(struct.pack("HP", len(program), ctypes.addressof(instructions)))
    libc = ctypes.CDLL(None, use_errno=True)
    for arguments in ((PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), (PR_SET_SECCOMP, FILTER_MODE, ctypes.byref(header), 0, 0)):
        if libc.prctl(*arguments) != 0:
            number = ctypes.get_errno()
            raise OSError(number, f"the system takes no filter: {os.strerror(number)}")


if __name__ == "__main__":
    forbid_internet()
    os.execvp(sys.argv[1], sys.argv[1:])  # noqa: S606

"""Forbids the internet to every Python process of a test run; loopback and local sockets stay open.

Python imports a module of this name when it starts. The tests put this folder on PYTHONPATH, so the rule reaches the
processes that they start as well. An attempt fails as on a machine without a network, and is written to the file that
INTERNET_ATTEMPTS names, because a library may well swallow the error.
"""

from __future__ import annotations

import errno
import ipaddress
import os
import sys
from pathlib import Path

INTERNET_ATTEMPTS = "DSVL2_TESTS_INTERNET_ATTEMPTS"


def is_local(host: object) -> bool:
    """Whether a host name or address is this machine's own; nothing is asked to find out."""
    if isinstance(host, bytes):
        host = host.decode("ascii", "replace")
    if not isinstance(host, str) or host in ("", "localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _host(event: str, arguments: tuple[object, ...]) -> object:
    if event in ("socket.getaddrinfo", "socket.gethostbyname"):
        return arguments[0]
    address = arguments[0] if event == "socket.getnameinfo" else arguments[1]
    return address[0] if isinstance(address, tuple) else None  # local sockets have a path


EVENTS = frozenset(
    f"socket.{call}" for call in ("connect", "sendto", "sendmsg", "getaddrinfo", "gethostbyname", "getnameinfo")
)


def forbid(event: str, arguments: tuple[object, ...]) -> None:
    """An audit hook that lets nothing through but what stays on this machine."""
    if event not in EVENTS or is_local(host := _host(event, arguments)):
        return
    attempt = f"{os.environ.get('PYTEST_CURRENT_TEST', 'no test')}: {event} {host!r} by {' '.join(sys.argv)[:200]}"
    if path := os.environ.get(INTERNET_ATTEMPTS):
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(attempt.replace("\n", " ") + "\n")
    raise OSError(errno.ENETUNREACH, f"the tests forbid the internet: {attempt}")


sys.addaudithook(forbid)

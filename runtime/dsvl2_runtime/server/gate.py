"""Who may ask: Host and Origin keep out web pages that other sites show in a browser here; the key is for the network.

A page of another site can make a browser send requests to this machine, and with a name that it lets point here (DNS
rebinding) even read the answers. So on loopback only its own names are served, a request of a page must come from our
own page, and no CORS header is ever sent.
"""

from __future__ import annotations

import hmac
import ipaddress
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.requests import Request

from dsvl2_runtime.errors import UsageError
from dsvl2_runtime.server.errors import ForbiddenError, WrongKeyError

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
OPEN_PATHS = frozenset({"/", "/page.css", "/page.js", "/health"})
"""What holds nothing of anybody, so that it can be had without the key."""


def listen_address(host: str, api_key: str | None) -> str:
    """The address to listen on.

    Raises:
        UsageError: it is no address; or it is not loopback, and there is no key.
    """
    if host == "localhost":
        return "127.0.0.1"
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        raise UsageError(f"the host is {host!r}; it must be an address such as 127.0.0.1 or ::1") from None
    if not address.is_loopback and not api_key:
        raise UsageError(f"{host} can be reached from other machines; that needs a key: --api-key, or DSVL2_API_KEY")
    return str(address)


@dataclass(frozen=True, slots=True)
class Gate:
    """What is asked of every request before anything else of it is looked at."""

    address: str
    """The one that is listened on."""
    api_key: str | None = None

    def require(self, request: Request) -> None:
        """Let a request pass.

        Raises:
            ForbiddenError: it may come from a foreign page.
            WrongKeyError: it lacks the key where there is one.
        """
        if not request.scope["path"].startswith("/"):
            raise ForbiddenError("the address of the request names a server; this is no proxy")
        headers = request.headers
        host = headers.get("host", "")
        if ipaddress.ip_address(self.address).is_loopback and not self._is_ours(host):
            raise ForbiddenError(f"the request is for the host {host!r}; this server is {self.address}")
        origin = headers.get("origin")
        if origin is not None and urlsplit(origin).netloc.lower() != host.lower():
            raise ForbiddenError("the request comes from a page of another site")
        if self.api_key is not None and request.scope["path"] not in OPEN_PATHS:
            self._require_key(headers, self.api_key)

    def _is_ours(self, host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname
        except ValueError:
            return False
        return "@" not in host and name is not None and (name in LOOPBACK_NAMES or name == self.address)

    @staticmethod
    def _require_key(headers: Headers, api_key: str) -> None:
        scheme, _, given = headers.get("authorization", "").partition(" ")
        # In constant time, so that answers do not tell how much of a guess was right.
        is_right = hmac.compare_digest(given.strip().encode(), api_key.encode())
        if scheme.lower() != "bearer" or not is_right:
            raise WrongKeyError

"""Debian's `chromium` without a window, driven through a pipe by the Chrome DevTools Protocol.

It needs a typeface and ends without one: `isolation.py` gives those of the demonstration model to fontconfig.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from waiting import PATIENCE, wait_until

CHROMIUM = shutil.which("chromium")
OPTIONS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--remote-debugging-pipe",
    "--disable-background-networking", "--disable-component-update", "--disable-breakpad",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1", "--window-size=900,800",
)  # fmt: skip


class Page:
    """One page, and what the browser complains about."""

    def __init__(self, commands: int, events: int, errors: Path) -> None:
        self._commands, self._events, self._errors = commands, events, errors
        self._buffer = b""
        self._number = 0
        self._session: str | None = None
        self.complaints: list[str] = []
        """Errors in the console, breaches of the content security policy among them."""

    def open(self, url: str) -> None:
        """Open an address and wait until it is loaded."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "DOM"):
            self.call(f"{domain}.enable")
        self.call("Page.navigate", url=url)
        self.wait_for("document.readyState === 'complete' && location.href !== 'about:blank'")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method and wait for what it returns."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session is not None:
            message["sessionId"] = self._session
        os.write(self._commands, json.dumps(message).encode() + b"\0")
        while True:
            found = self._next()
            if found.get("id") == self._number:
                assert "error" not in found, found["error"]
                result: dict[str, Any] = found["result"]
                return result
            if found.get("method") == "Log.entryAdded":
                self.complaints.append(found["params"]["entry"]["text"])
            elif found.get("method") == "Runtime.exceptionThrown":
                self.complaints.append(str(found["params"]["exceptionDetails"]))

    def value(self, expression: str) -> Any:
        """What an expression gives in the page."""
        found = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def wait_for(self, expression: str) -> None:
        """Wait until an expression is true in the page."""
        wait_until(lambda: self.value(expression), expression)

    def choose_file(self, selector: str, path: Path) -> None:
        """Choose a file as a user does."""
        root = self.call("DOM.getDocument")["root"]["nodeId"]
        node = self.call("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self.call("DOM.setFileInputFiles", nodeId=node, files=[str(path)])

    def screenshot(self, path: Path) -> None:
        """Keep what is seen."""
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot")["data"]))

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            piece = os.read(self._events, 1 << 16)
            assert piece, f"the browser has ended: {self._errors.read_text('utf-8', 'replace')[-2000:]}"
            self._buffer += piece
        line, _, self._buffer = self._buffer.partition(b"\0")
        found: dict[str, Any] = json.loads(line)
        return found


@contextmanager
def browser(folder: Path) -> Iterator[Page]:
    """A browser with an empty profile in a folder."""
    assert CHROMIUM is not None
    folder.mkdir(parents=True, exist_ok=True)
    errors = folder / "stderr.txt"
    their_commands, commands = os.pipe()
    events, their_events = os.pipe()
    # It reads commands from descriptor 3 and writes events to 4.
    shell = f'exec "$@" 3<&{their_commands} 4>&{their_events}'
    with errors.open("wb") as stderr:
        process = subprocess.Popen(
            ["bash", "-c", shell, "bash", CHROMIUM, *OPTIONS, f"--user-data-dir={folder}"],
            pass_fds=(their_commands, their_events),
            stderr=stderr,
            env=os.environ | {"HOME": str(folder), "XDG_CONFIG_HOME": str(folder), "XDG_CACHE_HOME": str(folder)},
        )
    os.close(their_commands)
    os.close(their_events)
    try:
        yield Page(commands, events, errors)
    finally:
        process.kill()
        process.wait(PATIENCE)
        os.close(commands)
        os.close(events)

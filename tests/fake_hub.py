"""A hub of models on loopback with one repository, as far as huggingface_hub asks it, and with the faults of hubs."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

REPOSITORY = "someone/tiny-model"
COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class FakeHub:
    """What it serves, and what it was asked."""

    files: dict[str, bytes]
    stall_after: dict[str, int] = field(default_factory=dict)
    """File to bytes after which nothing more comes, until `go_on` is set."""
    damage: set[str] = field(default_factory=set)
    """Files that are sent with one flipped bit."""
    status: int | None = None
    """Every answer has it, with a page in HTML."""
    listed_too: list[dict[str, Any]] = field(default_factory=list)
    ignores_range: bool = False
    asked: list[tuple[str, str, str | None]] = field(default_factory=list)
    """Method, path and range of each request."""
    go_on: threading.Event = field(default_factory=threading.Event)
    stalled: threading.Event = field(default_factory=threading.Event)
    url: str = ""

    def ranges(self, name: str) -> list[str | None]:
        """The ranges with which a file was fetched."""
        return [found for method, path, found in self.asked if method == "GET" and path.endswith(f"/{name}")]

    def info(self) -> dict[str, Any]:
        siblings = []
        for name, content in self.files.items():
            listed: dict[str, Any] = {"rfilename": name, "size": len(content), "blobId": git_sha1(content)}
            if name.endswith(".safetensors"):
                sum_of_it = hashlib.sha256(content).hexdigest()
                listed["lfs"] = {"sha256": sum_of_it, "size": len(content), "pointerSize": 130}
            siblings.append(listed)
        return {"id": REPOSITORY, "modelId": REPOSITORY, "sha": COMMIT, "siblings": siblings + self.listed_too}


def git_sha1(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()  # noqa: S324 - as git


@contextmanager
def fake_hub(folder: Path) -> Iterator[FakeHub]:
    """Serve the files of a checkpoint while the block runs."""
    hub = FakeHub({path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()})

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            pass

        def do_HEAD(self) -> None:
            self.answer(with_content=False)

        def do_GET(self) -> None:
            self.answer(with_content=True)

        def answer(self, with_content: bool) -> None:
            path = urlsplit(self.path).path
            hub.asked.append((self.command, path, self.headers.get("Range")))
            if hub.status is not None:
                self.send(hub.status, b"<html>an error page</html>", {"Content-Type": "text/html"}, with_content)
            elif path.startswith(f"/api/models/{REPOSITORY}"):
                content = json.dumps(hub.info()).encode()
                self.send(200, content, {"Content-Type": "application/json"}, with_content)
            elif path.startswith(f"/{REPOSITORY}/resolve/") and path.rpartition("/")[2] in hub.files:
                self.file(path.rpartition("/")[2], with_content)
            else:
                self.send(404, b"", {"X-Error-Code": "RepoNotFound"}, with_content)

        def file(self, name: str, with_content: bool) -> None:
            content = bytearray(hub.files[name])
            tag = hashlib.sha256(content).hexdigest() if name.endswith(".safetensors") else git_sha1(bytes(content))
            if name in hub.damage:
                content[len(content) // 2] ^= 1
            headers = {"ETag": f'"{tag}"', "X-Repo-Commit": COMMIT, "Accept-Ranges": "bytes"}
            wanted, start = self.headers.get("Range"), 0
            if wanted and not hub.ignores_range:
                start = int(wanted.removeprefix("bytes=").partition("-")[0])
                headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
            self.send(206 if start else 200, bytes(content[start:]), headers, with_content, hub.stall_after.get(name))

        def send(
            self, status: int, content: bytes, headers: dict[str, str], with_content: bool, stall: int | None = None
        ) -> None:
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            if not with_content:
                return
            try:
                self.wfile.write(content[:stall])
                if stall is not None:
                    self.wfile.flush()
                    hub.stalled.set()
                    hub.go_on.wait(300)
                    self.wfile.write(content[stall:])
            except OSError:  # the other side was killed
                self.close_connection = True

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        hub.go_on.set()
        server.shutdown()
        server.server_close()
        thread.join()

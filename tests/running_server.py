"""Servers for the tests: in a thread, on a port of their own, with the fake engine or the real one."""

from __future__ import annotations

import base64
import io
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import openai
from PIL import Image

from dsvl2_runtime.engine.client import ENGINE_ARGUMENTS
from dsvl2_runtime.engine.protocol import Load
from dsvl2_runtime.server.answers import Answers
from dsvl2_runtime.server.app import ServedModel, make_app
from dsvl2_runtime.server.body import BodyLimits
from dsvl2_runtime.server.gate import Gate
from dsvl2_runtime.server.listen import AnnouncingServer, open_socket
from waiting import PATIENCE

FAKE_ENGINE = (str(Path(__file__).parent / "fake_engine.py"),)
REAL_ENGINE = ENGINE_ARGUMENTS


@dataclass
class Running:
    """A server that can be asked."""

    port: int
    answers: Answers

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def client(self, api_key: str = "none") -> openai.OpenAI:
        return openai.OpenAI(base_url=f"{self.url}/v1", api_key=api_key, max_retries=0, timeout=PATIENCE)

    def send(self, data: bytes) -> bytes:
        """What comes back for raw bytes, up to the end of the connection."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE) as connection:
            connection.sendall(data)
            found = b""
            while piece := connection.recv(1 << 16):
                found += piece
        return found


@contextmanager
def running(
    arguments: tuple[str, ...] = FAKE_ENGINE,
    model: str = "demo",
    queue: int = 2,
    api_key: str | None = None,
    limits: BodyLimits | None = None,
    seconds: float | None = None,
) -> Iterator[Running]:
    """A server in a thread."""
    answers = Answers(Load(model, 1), queue, arguments, seconds)
    ready = threading.Event()
    with open_socket("127.0.0.1", 0) as listening:
        try:
            served = ServedModel(answers.start().name, model, 0)
            app = make_app(answers, served, Gate("127.0.0.1", api_key), limits)
            server = AnnouncingServer(app, ready.set, answers.close)
            thread = threading.Thread(target=lambda: server.run(sockets=[listening]), daemon=True)
            thread.start()
            assert ready.wait(PATIENCE)
            yield Running(listening.getsockname()[1], answers)
            server.should_exit = True
            thread.join(PATIENCE)
            assert not thread.is_alive(), "the server does not end"
        finally:
            answers.close()


def data_url(image: Image.Image | Path) -> str:
    if isinstance(image, Path):
        data = image.read_bytes()
    else:
        file = io.BytesIO()
        image.save(file, "PNG")
        data = file.getvalue()
    return "data:image/png;base64," + base64.b64encode(data).decode("ascii")


def image_part(url: str) -> dict[str, object]:
    return {"type": "image_url", "image_url": {"url": url}}

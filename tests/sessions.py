"""What the tests of the window's state share: an engine that only remembers, pictures, a model's facts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from PIL import Image

from dsvl2_app.state.session import Attachment
from dsvl2_runtime.answers.sampling import GenerationOptions
from dsvl2_runtime.engine.image_store import KeptImage
from dsvl2_runtime.engine.prompt_parts import ImagePart, user_message
from dsvl2_runtime.engine.protocol import Ask, Command, Finished, Load, Loaded, Stop
from dsvl2_runtime.engine.wire_error import WireError
from small_models import small_config

SHA256 = "0123456789abcdef" * 4


class Sent(list[Command]):
    """An engine that only remembers."""

    def __init__(self) -> None:
        super().__init__()
        self.starts: list[Load | None] = []
        self.closed = 0

    def start(self, load: Load | None = None) -> None:
        self.starts.append(load)

    def send(self, command: Command) -> None:
        self.append(command)

    def close(self) -> None:
        self.closed += 1

    @property
    def asks(self) -> list[Ask]:
        return [command for command in self if isinstance(command, Ask)]

    @property
    def stops(self) -> list[int]:
        return [command.turn for command in self if isinstance(command, Stop)]


def image(name: str = "/bill.png", sha256: str = SHA256, size: tuple[int, int] = (4, 3)) -> Attachment:
    return Attachment(name, KeptImage(Path("/kept"), sha256), size, Image.new("RGB", (4, 3)))


def other_image(number: int, size: tuple[int, int] = (4, 3)) -> Attachment:
    return image(f"/{number}.png", f"{number:064x}", size)


DOUBTFUL = Finished(0, "stop", 2, 0.5, confidence=0.25)
"""The end of an answer of which the model is not sure."""
NOT_FINITE = WireError("GenerationError", "not finite", 8, 500)
LOADED = Loaded("m", "int4", "")
"""A model of which nothing is known."""
CONFIG = small_config("small")
CONTEXT = CONFIG.language_config.max_position_embeddings
KNOWN = replace(LOADED, config=CONFIG)


def question(turn: int, text: str, *images: ImagePart) -> Ask:
    return Ask(turn, (user_message(text, images),), GenerationOptions(logprobs=True))

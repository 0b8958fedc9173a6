"""Every text of the window."""

from __future__ import annotations

APP_NAME = "dsvl2-onnx"
ASK, STOP = "Ask", "Stop"
OPEN = "Open picture…"
PASTE = "Paste picture"
REMOVE = "Remove"
QUIT = "Quit"
MENU = "&File"
PICTURES = "Pictures"
DROP_HERE = "Drop a picture here,\npaste one,\nor open a file."
QUESTION_HINT = "Ask about the picture, for example: What is the total?"
EMPTY_CHAT = "Add a picture, then ask.\nEverything stays on this computer."
PICTURE_ENDINGS = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".gif")
PICTURE_FILTER = f"Pictures ({' '.join('*' + ending for ending in PICTURE_ENDINGS)});;All files (*)"
ANSWER_LOST = "The engine ended before the answer was complete. Ask again to start it anew."
TRY_AGAIN = "The next question tries again."
NO_MODEL = "No model is loaded."
STILL_READING = "A picture is still being read. Ask again in a moment."
WAITING = "…"
NO_PICTURE_TO_PASTE = "There is no picture in the clipboard."

PHASES = {
    "load": "Loading the model",
    "vision": "Looking at the picture",
    "prefill": "Reading",
    "decode": "Answering",
}


def loading() -> str:
    """While the model is not there yet."""
    return PHASES["load"] + "…"


def ready(model: str) -> str:
    """The model is there and idle."""
    return f"Ready: {model}"


def engine_died(reason: str) -> str:
    """The engine process is gone."""
    return f"The engine ended: {reason}\n{TRY_AGAIN}"


def not_loaded(message: str) -> str:
    """The model could not be loaded."""
    return f"{NO_MODEL[:-1]}: {message}\n{TRY_AGAIN}"


def too_long(size: int, limit: int) -> str:
    """A question that cannot be sent."""
    return f"The question was not sent: it has {size} bytes, and at most {limit} are read. Make it shorter."


def finished(reason: str, tokens: int, seconds: float) -> str:
    """Under a complete answer."""
    took = f"{tokens} tokens in {seconds:.1f} s"
    endings = {"cancelled": f"stopped, {took}", "length": f"cut off at the longest answer, {took}"}
    return endings.get(reason, took)


def asked_about(count: int) -> str:
    """Beside a question."""
    return {0: "no picture", 1: "1 picture"}.get(count, f"{count} pictures")


def picture_label(name: str, size: tuple[int, int]) -> str:
    """Under a thumbnail."""
    return f"{name}\n{size[0]} × {size[1]}"

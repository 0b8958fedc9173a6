"""Runs a bundle of ONNX graphs: pictures and a question in, text out.

>>> from dsvl2_runtime import GenerationOptions, load_model
>>> model = load_model("path/to/bundle", threads=2)  # doctest: +SKIP
>>> for piece in model.generate("What is the total?", images=["bill.png"]):  # doctest: +SKIP
...     print(piece.text, end="")
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from dsvl2_runtime.errors import Dsvl2Error

# ONNX Runtime (1.29 and later) reads this once, when it is imported. Otherwise it stores an identifier of this computer
# and events about processes and models in the cache folder, and sends them. It takes "1" for off and most other values
# for on, so a value that is there is replaced: docs/privacy.md promises that nothing is sent.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

if TYPE_CHECKING:
    from dsvl2_runtime.answers.answer import Answer, Usage
    from dsvl2_runtime.answers.boxes import Box
    from dsvl2_runtime.answers.generate import TextChunk
    from dsvl2_runtime.answers.sampling import GenerationOptions
    from dsvl2_runtime.chat import Chat
    from dsvl2_runtime.inputs.documents import pages
    from dsvl2_runtime.inputs.prompt import Message, locate
    from dsvl2_runtime.model import VisionLanguageModel, load_model
    from dsvl2_runtime.notices import Notice
    from dsvl2_runtime.progress import Progress, Watch
    from dsvl2_runtime.texts import notice_text

    __version__: str

__all__ = [
    "Answer", "Box", "Chat", "Dsvl2Error", "GenerationOptions", "Message", "Notice", "Progress", "TextChunk", "Usage",
    "VisionLanguageModel", "Watch", "load_model", "locate", "notice_text", "pages",
]  # fmt: skip

_HOMES = {
    "Answer": "dsvl2_runtime.answers.answer",
    "Box": "dsvl2_runtime.answers.boxes",
    "Chat": "dsvl2_runtime.chat",
    "GenerationOptions": "dsvl2_runtime.answers.sampling",
    "Message": "dsvl2_runtime.inputs.prompt",
    "Notice": "dsvl2_runtime.notices",
    "Progress": "dsvl2_runtime.progress",
    "TextChunk": "dsvl2_runtime.answers.generate",
    "Usage": "dsvl2_runtime.answers.answer",
    "VisionLanguageModel": "dsvl2_runtime.model",
    "Watch": "dsvl2_runtime.progress",
    "load_model": "dsvl2_runtime.model",
    "locate": "dsvl2_runtime.inputs.prompt",
    "notice_text": "dsvl2_runtime.texts",
    "pages": "dsvl2_runtime.inputs.documents",
}


def __getattr__(name: str) -> Any:
    """Import the public names on first use, so that `dsvl2-onnx --help` does not wait for ONNX Runtime.

    The version is looked up on first use too: the standard library's module for it takes a tenth of a `run`'s start.
    """
    if name == "__version__":
        from importlib.metadata import PackageNotFoundError, version

        try:
            return version("dsvl2-onnx")
        except PackageNotFoundError:  # a source tree that was never installed
            return "0+unknown"
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

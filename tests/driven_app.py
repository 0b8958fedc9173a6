"""The real program, which also writes what its window shows to a file, for tests that drive it from outside.

`python driven_app.py STATE VERB ...` is `dsvl2-onnx VERB ...`.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

EVERY_MILLISECONDS = 50


def describe(window: Any) -> dict[str, Any]:
    session = window.session
    return {
        "process": os.getpid(),
        "visible": window.isVisible(),
        "active": window.isActiveWindow(),
        "model": session.engine_state,
        "images": [
            {"name": image.name, "size": list(image.size), "path": str(image.content.path)} for image in session.images
        ],
        "turns": [{"question": turn.question, "answer": turn.answer, "state": turn.state} for turn in session.turns],
        "question": window.prompt.edit.toPlainText(),
        "question_has_focus": window.prompt.edit.hasFocus(),
    }


def main() -> None:
    state = Path(sys.argv.pop(1))
    from PySide6.QtCore import QTimer

    from dsvl2_app.widgets import main_window
    from dsvl2_runtime.cli.main import main as run

    class Watched(main_window.MainWindow):
        def __init__(self, *arguments: Any, **named: Any) -> None:
            super().__init__(*arguments, **named)
            self.watch = QTimer(self)
            self.watch.timeout.connect(self.write)
            self.watch.start(EVERY_MILLISECONDS)

        def write(self) -> None:
            unfinished = state.with_suffix(".new")
            unfinished.write_text(json.dumps(describe(self)), "utf-8")
            unfinished.replace(state)

    main_window.MainWindow = Watched  # type: ignore[misc]
    run()


if __name__ == "__main__":
    main()

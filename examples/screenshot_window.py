"""Takes the picture of the window for the README: `python examples/screenshot_window.py MODEL PICTURE OUT QUESTION…`.

Works without a screen: QT_QPA_PLATFORM=offscreen.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from PySide6.QtWidgets import QApplication

from dsvl2_app.engine_client import Engine
from dsvl2_app.widgets.main_window import MainWindow
from dsvl2_runtime.bundle.model_names import find_model
from dsvl2_runtime.engine.protocol import Load

PATIENCE_SECONDS = 120
SETTLING_SECONDS = 0.5


def wait(application: QApplication, window: MainWindow, seconds: float) -> None:
    """Let the window live until its answer is complete, for at most so long."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and (window.session.open_turn is not None or seconds == SETTLING_SECONDS):
        application.processEvents()
        time.sleep(0.01)


def main() -> None:
    """Open the picture, ask the questions, save what the window looks like."""
    model, picture, out, *questions = sys.argv[1:]
    application = QApplication(sys.argv[:1])
    application.setStyle("Fusion")
    window = MainWindow(Engine(Load(str(find_model(model).absolute()))))
    window.show()
    window.add_images([Path(picture).absolute()])
    wait(application, window, SETTLING_SECONDS)
    for question in questions:
        window.session.ask(question)
        wait(application, window, PATIENCE_SECONDS)
    wait(application, window, SETTLING_SECONDS)
    window.grab().save(out)
    window.close()
    window.wait_until_gone(PATIENCE_SECONDS)


if __name__ == "__main__":
    main()

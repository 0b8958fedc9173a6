"""An engine without a model that does what the question says: `python fake_engine.py`.

It reads commands in a thread of its own, as the real one does, so that a stop reaches an answer that is being written.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from dataclasses import replace

from dsvl2_runtime.engine.prompt_parts import ImagePart, TextPart
from dsvl2_runtime.engine.protocol import (
    Ask,
    Failed,
    Finished,
    Hello,
    Load,
    Loaded,
    LooksAgain,
    Measured,
    Prepared,
    Progressed,
    Replaced,
    Stop,
    Wrote,
    greet,
    read_command,
    to_line,
)
from dsvl2_runtime.engine.wire_error import WireError

lock = threading.Lock()
stops: dict[int, threading.Event] = {}
BOX = "<|ref|>total<|/ref|><|det|>[[0, 0, 999, 500]]<|/det|>"


def send(event: object) -> None:
    with lock:
        sys.stdout.buffer.write(to_line(event))  # type: ignore[arg-type]
        sys.stdout.buffer.flush()


def answer(ask: Ask) -> None:
    parts = ask.messages[-1].content
    text = "".join(part.text for part in parts if isinstance(part, TextPart))
    images = [part for message in ask.messages for part in message.content if isinstance(part, ImagePart)]
    send(Prepared(ask.turn, (), 7 + len(images), len(images), ((100, 200),) * len(images)))
    reason = "stop"
    if text == "wait":
        send(Wrote(ask.turn, "waiting"))
        stops[ask.turn].wait()
        reason = "cancelled"
    elif text == "deaf":
        send(Wrote(ask.turn, "half"))
        time.sleep(600)
    elif text == "die":
        send(Wrote(ask.turn, "half"))
        os._exit(7)
    elif text == "fail":
        send(Wrote(ask.turn, "half"))
        send(Failed(ask.turn, WireError("GenerationError", "not finite", 8, 500)))
        return
    elif text == "refuse":
        send(Failed(ask.turn, WireError("ContextOverflowError", "too long", 6, 422)))
        return
    elif text == "look":
        send(Wrote(ask.turn, "38"))
        first = Finished(ask.turn, "stop", 2, 0.5, confidence=0.25)
        send(LooksAgain(ask.turn, first))
        stops[ask.turn].wait()
        send(replace(first, looks=2))
        return
    elif text == "doubt":
        first = Finished(ask.turn, "stop", 2, 0.5, confidence=0.25)
        if ask.first is None:
            send(Wrote(ask.turn, "38"))
            send(first)
        else:
            send(LooksAgain(ask.turn, first))
            send(Replaced(ask.turn, "47"))
            send(replace(first, looks=2, confidence=0.875))
        return
    elif text == "part":
        first = Finished(ask.turn, "stop", 2, 0.5, confidence=0.25)
        send(Wrote(ask.turn, "38"))
        send(LooksAgain(ask.turn, first))
        send(Replaced(ask.turn, "47"))
        send(replace(first, looks=3, confidence=0.875, read_in=(8, 0, 24, 12)))
        return
    elif text in ("length", "repetition", "timeout"):
        reason = text
        send(Wrote(ask.turn, text))
    else:
        send(Wrote(ask.turn, BOX if text == "box" else text))
    send(Finished(ask.turn, reason, 3, 0.5))  # type: ignore[arg-type]
    send(Measured(None))  # as the real one, which tells after an answer what it took


def main() -> None:
    send(Hello())
    greet(sys.stdin.buffer.readline())
    for line in sys.stdin.buffer:
        command = read_command(line)
        if isinstance(command, Load):
            if command.model.endswith("slow"):
                time.sleep(600)
            if command.model.endswith("measured"):
                send(Progressed("load", 10, 40))
                send(Progressed("tune", 0, 1))
            send(Loaded("fake", "int4", ""))
        elif isinstance(command, Ask):
            stops[command.turn] = threading.Event()
            threading.Thread(target=answer, args=(command,), daemon=True).start()
        elif isinstance(command, Stop):
            stops[command.turn].set()
    os._exit(0)


if __name__ == "__main__":
    main()

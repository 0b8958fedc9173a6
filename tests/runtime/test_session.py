"""Loading one graph, and ending the load."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any, NoReturn

import onnxruntime
import pytest

from dsvl2_runtime.graphs import session
from dsvl2_runtime.progress import Stopped, Watch
from small_models import MakeBundle

DEADLINE = 60
"""Seconds; only so that a test which fails does not wait for ever."""


def test_a_load_that_goes_on_is_stopped_from_within(bundle: MakeBundle, monkeypatch: pytest.MonkeyPatch) -> None:
    """The watch is asked while ONNX Runtime loads; ONNX Runtime is told to give up, and has done so on return."""
    loading, ended = threading.Event(), threading.Event()

    class Options(onnxruntime.SessionOptions):  # type: ignore[misc]
        cancelled = threading.Event()

        def set_load_cancellation_flag(self, value: bool) -> None:
            super().set_load_cancellation_flag(value)
            self.cancelled.set()

    def load(path: str, options: Options, **rest: Any) -> NoReturn:
        loading.set()
        assert options.cancelled.wait(DEADLINE)
        try:
            real(path, options, **rest)
        finally:
            ended.set()

    real = onnxruntime.InferenceSession
    monkeypatch.setattr(onnxruntime, "InferenceSession", load)
    monkeypatch.setattr(onnxruntime, "SessionOptions", Options)
    path: Path = bundle("small", "int4") / "decoder.onnx"
    with pytest.raises(Stopped):
        session.open_session(path, {}, {}, 1, Watch(should_stop=loading.is_set))
    assert ended.is_set()


def test_onnxruntime_gives_up_a_load_when_it_is_told(bundle: MakeBundle) -> None:
    """What the test above stands on: the flag ends a load, with an error of its own."""
    options = onnxruntime.SessionOptions()
    options.set_load_cancellation_flag(True)
    with pytest.raises(Exception, match="MODEL_LOAD_CANCELED"):
        onnxruntime.InferenceSession(str(bundle("small", "int4") / "decoder.onnx"), options)

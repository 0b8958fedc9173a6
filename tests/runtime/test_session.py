"""Loading one graph, and ending the load."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import onnxruntime
import pytest
from onnxruntime.capi import onnxruntime_pybind11_state as states

from dsvl2_runtime.errors import GenerationError, ModelCorruptError
from dsvl2_runtime.graphs import session
from dsvl2_runtime.graphs.target import CPU
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
            raise AssertionError("the load was not cancelled")
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


FAMILY = sorted(
    (error for error in vars(states).values() if isinstance(error, type) and issubclass(error, Exception)),
    key=lambda error: error.__name__,
)


@pytest.mark.parametrize("error", [*FAMILY, RuntimeError, ValueError], ids=lambda error: error.__name__)
def test_whatever_onnxruntime_raises_is_an_error_of_ours(
    bundle: MakeBundle, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    """While a graph is loaded, and while it runs; its own words are in the message."""

    def fail(*_: object, **__: object) -> NoReturn:
        raise error("its own words")

    path = bundle("small", "int4") / "embed_tokens.onnx"
    ready = CPU.new_session(path, CPU.session_options(1))
    monkeypatch.setattr(onnxruntime.InferenceSession, "run", fail)
    monkeypatch.setattr(onnxruntime.InferenceSession, "run_with_iobinding", fail)
    with pytest.raises(GenerationError, match="its own words"):
        session.run_graph(ready, [], {})
    with pytest.raises(GenerationError, match="its own words"):
        session.run_bound(ready, ready.io_binding())
    monkeypatch.setattr(onnxruntime.IOBinding, "bind_cpu_input", fail)
    with pytest.raises(GenerationError, match="its own words"):
        session.bind_copies(ready.io_binding(), {"input_ids": np.zeros((1, 1), np.int64)})
    monkeypatch.setattr(onnxruntime, "InferenceSession", fail)
    with pytest.raises(ModelCorruptError, match=r"embed_tokens\.onnx: .*its own words"):
        session.open_session(path, {}, {}, 1)


def failing_with(words: str) -> Any:
    """A session that fails with some words."""

    class Failing:
        def run_with_iobinding(self, *_: object) -> NoReturn:
            raise RuntimeError(words)

    return Failing()


def test_where_a_gpu_fails_the_message_says_what_to_do() -> None:
    """ONNX Runtime's own message names files of its source behind the reason."""
    words = "CUDA failure 700: an illegal memory access was encountered ; GPU=0 ; hostname=h ; file=/x.cc ; line=82"
    with pytest.raises(GenerationError) as found:
        session.run_bound(failing_with(words), None)
    expected = "the GPU failed: CUDA failure 700: an illegal memory access was encountered; ask again, or use"
    assert str(found.value).startswith(expected)


def test_a_message_that_holds_a_whole_graph_is_cut() -> None:
    with pytest.raises(GenerationError) as found:
        session.run_bound(failing_with(f"the reason {'x' * 5000}"), None)
    assert "the reason xxx" in str(found.value)
    assert len(str(found.value)) < session.LONGEST_MESSAGE + 100

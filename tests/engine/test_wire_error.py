"""Errors on the way from the engine to a client."""

from __future__ import annotations

from pathlib import Path

from dsvl2_runtime.engine.protocol import LONGEST_LINE, BadMessage, to_line
from dsvl2_runtime.engine.wire_error import WireError, wire_error
from dsvl2_runtime.errors import ContextOverflowError, ImageError, ModelNotFoundError, OutOfMemoryError, UsageError


def test_an_error_keeps_what_another_text_can_be_made_from() -> None:
    """Class, exit code, HTTP status, sentence, and every attribute."""
    found = wire_error(ContextOverflowError(5336, 5300, 4096))
    assert (found.name, found.exit_code, found.http_status) == ("ContextOverflowError", 6, 422)
    assert found.values == {
        "prompt_tokens": 5336, "image_tokens": 5300, "context_tokens": 4096, "earlier_turns": 0,
    }  # fmt: skip
    assert found.message == str(ContextOverflowError(5336, 5300, 4096))


def test_a_path_becomes_text() -> None:
    """JSON has no paths."""
    found = wire_error(ModelNotFoundError(Path("models") / "a", "no such folder", "make it"))
    assert found.values == {"path": str(Path("models") / "a"), "found": "no such folder", "advice": "make it"}
    assert wire_error(ImageError("bill.png", "it is cut", "save it again")).values["source"] == "bill.png"


def test_other_errors_are_internal() -> None:
    """With class and words, but exit code and status of the program's own defects."""
    assert wire_error(KeyError("lost")) == WireError("KeyError", "internal error: KeyError: 'lost'", 1, 500)


def test_memory_that_ran_out_is_named() -> None:
    """Python's own error has no words."""
    assert wire_error(MemoryError()) == wire_error(OutOfMemoryError())
    assert wire_error(MemoryError()).exit_code == 7


def test_an_error_fits_into_a_line_whatever_it_quotes() -> None:
    """Every character may become six bytes; the beginning is kept."""
    for error in (UsageError("é" * 500_000), KeyError("é" * 500_000), ImageError("é" * 500_000, "found", "advice")):
        line = to_line(BadMessage(wire_error(error)))
        assert len(line) < LONGEST_LINE
        assert "é" * 100 in wire_error(error).message

"""What each error tells a shell and a client of the server: a contract, so it stands here once more."""

from __future__ import annotations

from dsvl2_runtime import errors

CONTRACT = {
    "Dsvl2Error": (1, 500),
    "UsageError": (2, 400),
    "MissingExtraError": (2, 501),
    "ProviderError": (2, 501),
    "ModelNotFoundError": (3, 404),
    "ModelCorruptError": (4, 500),
    "SequenceFileError": (4, 422),
    "ImageError": (5, 400),
    "ContextOverflowError": (6, 422),
    "SequenceFullError": (6, 422),
    "ResourceError": (7, 507),
    "OutOfMemoryError": (7, 507),
    "GenerationError": (8, 500),
    "BusyError": (9, 503),
    "TimeLimitError": (10, 504),
    "CancelledError": (130, 499),
}
"""class -> exit code and HTTP status."""


def test_every_error_keeps_its_exit_code_and_its_status() -> None:
    """Scripts and clients stand on these numbers."""
    found = {
        name: (error.exit_code, error.http_status)
        for name, error in vars(errors).items()
        if isinstance(error, type) and issubclass(error, errors.Dsvl2Error)
    }
    assert found == CONTRACT

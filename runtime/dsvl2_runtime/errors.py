"""Every error a user can meet, with its exit code and HTTP status.

One base class; each child owns its message, which says what was asked, what was found and what to do.
Exit codes: 1 internal, 2 usage, 3 model not found, 4 model or saved sequence corrupt,
5 unreadable picture, 6 context, 7 memory or disk, 8 generation failed, 9 busy, 10 out of time, 130 interrupted,
141 nobody reads the output any more, 143 terminated.
"""

from __future__ import annotations

import errno
from pathlib import Path

DISK_ERRNOS = tuple(
    getattr(errno, name)
    for name in ("ENOSPC", "EACCES", "EPERM", "EROFS", "EDQUOT", "EIO")
    if hasattr(errno, name)  # Windows knows no quota
)
"""Numbers of system errors that say that something cannot be written or read, rather than that the program is wrong."""


class Dsvl2Error(Exception):
    """Base of all errors that are reported to a user without a traceback."""

    exit_code = 1
    http_status = 500


class UsageError(Dsvl2Error, ValueError):
    """An argument or option that cannot be used as given."""

    exit_code = 2
    http_status = 400


class MissingExtraError(Dsvl2Error, ImportError):
    """A verb needs a package that only an extra installs."""

    exit_code = 2
    http_status = 501

    def __init__(self, module: str, extra: str) -> None:
        super().__init__(
            f"this needs the package {module!r}, which is not installed; "
            f"install it with: pip install 'dsvl2-onnx[{extra}]'"
        )
        self.module = module
        self.extra = extra


class ProviderError(Dsvl2Error, RuntimeError):
    """The execution provider that was asked for cannot be used here, or not with this bundle."""

    exit_code = 2
    http_status = 501

    def __init__(self, obstacle: str, advice: str) -> None:
        super().__init__(f"the provider cuda cannot be used: {obstacle}; {advice}, or use --provider cpu")
        self.obstacle = obstacle
        self.advice = advice


class ModelNotFoundError(Dsvl2Error, FileNotFoundError):
    """A model folder, checkpoint folder or one of the files it must hold is missing."""

    exit_code = 3
    http_status = 404

    def __init__(self, path: Path, found: str, advice: str) -> None:
        super().__init__(f"{path}: {found}; {advice}")
        self.path = path
        self.found = found
        self.advice = advice


class ModelCorruptError(Dsvl2Error, ValueError):
    """A model folder or checkpoint whose content is not what it declares."""

    exit_code = 4
    http_status = 500

    def __init__(self, path: Path, found: str, advice: str) -> None:
        super().__init__(f"{path}: {found}; {advice}")
        self.path = path
        self.found = found
        self.advice = advice


class SequenceFileError(Dsvl2Error, ValueError):
    """A saved sequence that is missing, damaged, or of another model."""

    exit_code = 4
    http_status = 422

    def __init__(self, path: Path, found: str, advice: str) -> None:
        super().__init__(f"{path}: {found}; {advice}")
        self.path = path


class ImageError(Dsvl2Error, ValueError):
    """A picture that cannot be read or used."""

    exit_code = 5
    http_status = 400

    def __init__(self, source: str, found: str, advice: str) -> None:
        super().__init__(f"picture {source}: {found}; {advice}")
        self.source = source
        self.found = found
        self.advice = advice


class ContextOverflowError(Dsvl2Error, ValueError):
    """Prompt, pictures and answer need more positions than the model has."""

    exit_code = 6
    http_status = 422

    def __init__(self, prompt_tokens: int, image_tokens: int, context_tokens: int, *, earlier_turns: int = 0) -> None:
        advice = "use fewer or smaller pictures or a shorter text"
        if earlier_turns:
            advice = f"begin a new conversation, or let the oldest of its {earlier_turns} earlier turns be dropped"
        super().__init__(
            f"the prompt needs at least {prompt_tokens} tokens ({image_tokens} of them for pictures), and the answer "
            f"one more; this model takes {context_tokens}; {advice}"
        )
        self.earlier_turns = earlier_turns
        """Questions and answers of a conversation before this question."""
        self.prompt_tokens = prompt_tokens
        self.image_tokens = image_tokens
        """Of one tile for each image, where it was too long before any image was opened."""
        self.context_tokens = context_tokens


class SequenceFullError(Dsvl2Error, ValueError):
    """A sequence has fewer free positions than a run needs."""

    exit_code = 6
    http_status = 422

    def __init__(self, length: int, seq: int, context_tokens: int) -> None:
        super().__init__(
            f"the sequence has {length} of {context_tokens} positions and cannot take {seq} more; "
            "truncate it or begin a new one"
        )
        self.length = length
        self.context_tokens = context_tokens


class ResourceError(Dsvl2Error, OSError):
    """Not enough memory or disk, or a file that cannot be read or written."""

    exit_code = 7
    http_status = 507


class OutOfMemoryError(ResourceError):
    """Memory ran out in the middle of something."""

    def __init__(self) -> None:
        super().__init__(
            "there is not enough memory for this; close other programs, or use fewer pictures, a smaller model or "
            "another precision"
        )


class GenerationError(Dsvl2Error, RuntimeError):
    """The model produced something that cannot be used, such as non-finite logits."""

    exit_code = 8
    http_status = 500


class BusyError(Dsvl2Error, RuntimeError):
    """A model, folder or port that is in use."""

    exit_code = 9
    http_status = 503


class TimeLimitError(Dsvl2Error, TimeoutError):
    """The deadline of a call passed before it had a result."""

    exit_code = 10
    http_status = 504

    def __init__(self) -> None:
        super().__init__("the time limit passed before this was done; allow more time")


class CancelledError(Dsvl2Error):
    """The caller of a call asked for its end before it had a result."""

    exit_code = 130
    http_status = 499

    def __init__(self) -> None:
        super().__init__("this was stopped before it was done")

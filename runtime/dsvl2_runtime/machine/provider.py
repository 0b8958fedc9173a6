"""Which execution provider a user asks for: the GPU, the CPU, or whichever can be used."""

from __future__ import annotations

import os
from enum import StrEnum

from dsvl2_runtime.errors import UsageError

VARIABLE = "DSVL2_PROVIDER"
"""Of the environment; what callers who say nothing ask for."""


class Provider(StrEnum):
    """What is asked for; `AUTO` takes the GPU where it can be used."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"


def asked_provider(provider: str | None) -> Provider:
    """The provider that a caller names, or else the environment, or else `AUTO`.

    Raises:
        UsageError: there is none of that name.
    """
    name = os.environ.get(VARIABLE) or Provider.AUTO if provider is None else provider
    try:
        return Provider(name)
    except ValueError:
        raise UsageError(f"the provider is {name!r}; it must be one of {', '.join(Provider)}") from None

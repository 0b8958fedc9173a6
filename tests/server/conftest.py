"""What several files about the server share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from running_server import REAL_ENGINE, Running, running


@pytest.fixture
def fresh() -> Iterator[Running]:
    """With the demonstration model, which has read nothing yet.

    After another question about the same picture it would read only the rest of a prompt, in other pieces, whose 8-bit
    activations round differently; where two tokens are about as likely the answer is another one.
    """
    with running(REAL_ENGINE) as found:
        yield found

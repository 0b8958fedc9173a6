"""How many examples a test of hypothesis tries."""

from __future__ import annotations

from typing import Any

import hypothesis


def examples(everyday: int, **options: Any) -> hypothesis.settings:
    """So many every day, and those of the profile in `make nightly`, where a plain number would hold as well."""
    nightly = hypothesis.settings.get_profile("nightly").max_examples
    is_nightly = hypothesis.settings().max_examples == nightly
    return hypothesis.settings(max_examples=nightly if is_nightly else everyday, **options)

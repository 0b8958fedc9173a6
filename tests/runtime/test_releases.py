"""The one list of releases and precisions."""

from __future__ import annotations

import pytest

from dsvl2_runtime.bundle.releases import RELEASES, Precision, Variant, official_config, variant_of
from small_models import small_config


@pytest.mark.parametrize("variant", Variant)
def test_a_release_is_known_by_its_structure(variant: Variant) -> None:
    """Whatever its size: by its attention and by its router."""
    assert variant_of(official_config(variant)) == variant
    assert variant_of(small_config(variant)) == variant
    assert official_config(variant).language_config == RELEASES[variant]


def test_names_are_those_of_command_lines_and_manifests() -> None:
    """They are plain texts wherever they are written."""
    assert [str(variant) for variant in Variant] == ["tiny", "small", "base"]
    assert [str(precision) for precision in Precision] == ["fp32", "int8", "int4", "int4-128"]
    with pytest.raises(ValueError, match="large"):
        official_config("large")

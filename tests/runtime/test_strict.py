"""What `--strict` does not take."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

from dsvl2_runtime.cli.verbs import app
from dsvl2_runtime.errors import GenerationError

FORM = str(Path(__file__).parents[2] / "examples" / "small_form.png")


@pytest.mark.parametrize(
    ("arguments", "part"),
    [(("-n", "2"), "length"), (("-i", "LARGE"), "small print may be lost")],
)
def test_strict_takes_no_warning(arguments: tuple[str, ...], part: str, tmp_path: Path) -> None:
    """Nor an answer that was cut; without it the same is answered. What a model says about itself is no warning."""
    Image.effect_noise((6000, 300), 50).save(tmp_path / "large.png")
    given = [str(tmp_path / "large.png") if argument == "LARGE" else argument for argument in arguments]
    asked = ["run", "What is the name?", *(["-i", FORM] if "-i" not in given else []), *given]
    found = CliRunner().invoke(app, [*asked, "--strict"])
    assert isinstance(found.exception, GenerationError)
    assert found.exception.exit_code == 8
    assert part in str(found.exception)
    assert CliRunner().invoke(app, asked).exit_code == 0
    assert CliRunner().invoke(app, ["run", "What is the name?", "-i", FORM, "--strict"]).exit_code == 0

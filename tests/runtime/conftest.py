"""What the tests of texts share."""

from __future__ import annotations

from pathlib import Path

import pytest

from dsvl2_export.synth.tokenizer import write_tokenizer
from dsvl2_runtime.inputs.tokenizer import Tokenizer
from small_models import small_config


@pytest.fixture(scope="session")
def tokenizer_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a small `tokenizer.json` with the eleven special tokens."""
    path = tmp_path_factory.mktemp("tokenizer")
    write_tokenizer(path, small_config("small").language_config)
    return path


@pytest.fixture(scope="session")
def tokenizer(tokenizer_folder: Path) -> Tokenizer:
    """That tokenizer, opened."""
    return Tokenizer.from_file(tokenizer_folder / "tokenizer.json")

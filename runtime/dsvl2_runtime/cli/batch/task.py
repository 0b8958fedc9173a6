"""The presets of a batch; apart from what they ask, because the command line needs no more to offer them."""

from __future__ import annotations

from enum import StrEnum


class BatchTask(StrEnum):
    """The verbs of these names, about every file."""

    OCR = "ocr"
    DESCRIBE = "describe"
    LOCATE = "locate"
    TABLE = "table"
    CHART = "chart"
    EXTRACT = "extract"


LONGEST_ANSWER = {BatchTask.OCR: 2048, BatchTask.TABLE: 2048, BatchTask.CHART: 2048, BatchTask.EXTRACT: 64}
"""Tokens, where it is not the default, as those verbs have it."""

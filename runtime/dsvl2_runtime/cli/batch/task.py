"""The presets and their longest answers; apart from what they ask, since the command line offers them without that."""

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
"""Tokens, where it is not the default; of a batch, and of the verbs of these names."""

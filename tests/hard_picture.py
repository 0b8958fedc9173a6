"""A question that the demonstration model answers wrong at the first look and right at the second one.

The picture is `examples/settings.png` at six tenths of its size. With our operators (levels `reference` and `avx2`),
with ONNX Runtime's and with both together the first answer has a probability of 0.35 to 0.40 and the second one has
0.97. A question of which two answers are about as likely would have another one on another processor.
"""

from __future__ import annotations

from pathlib import Path

PICTURE = str(Path(__file__).parent / "pictures" / "small_settings.png")
QUESTION, WRONG, RIGHT = "Which button is highlighted?", "Seve", "Save"
ANOTHER_QUESTION = "What is the port?"
ASKED = ("run", QUESTION, "-i", PICTURE)

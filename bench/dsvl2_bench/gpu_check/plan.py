"""The stages of the check by name, with the seconds that each may take, and the goals.

Nothing is imported here, so that a machine on which the packages cannot be imported has a table that says so.
"""

from __future__ import annotations

SECONDS = {
    "environment": 40,
    "placement": 60,
    "parity": 120,
    "speed": 130,
    "answers": 150,
    "torch": 60,
    "llama.cpp": 110,
}
"""The most telling first."""
GOALS = {"decode_tok_s": 280, "prefill_1415_tok_s": 30_000, "first_token_s": 0.15, "follow_up_s": 0.03}
"""At Small's size on an H100 or H200."""

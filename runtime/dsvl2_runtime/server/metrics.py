"""Counts of a server as Prometheus reads them.

Source: "Exposition formats" of the Prometheus documentation, text format 0.0.4.
"""

from __future__ import annotations

from dsvl2_runtime.server.answers import Answers

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def metrics_text(answers: Answers) -> str:
    """All figures; labels are names from the program, never words of a user."""
    counts = answers.counts
    ends = [f'dsvl2_answers_total{{end="{how}"}} {count}' for how, count in sorted(counts.ends.items())]
    families = (
        ("dsvl2_answers_total", "counter", "Answers by how they ended.", ends),
        ("dsvl2_prompt_tokens_total", "counter", "Tokens of prompts.", counts.prompt_tokens),
        ("dsvl2_answer_tokens_total", "counter", "Tokens of answers.", counts.answer_tokens),
        ("dsvl2_answer_seconds_total", "counter", "Seconds that answers took.", round(counts.seconds, 3)),
        ("dsvl2_engine_starts_total", "counter", "Engine processes that were started.", counts.engine_starts),
        ("dsvl2_places_taken", "gauge", "Questions that are read, wait or are answered.", answers.taken),
        ("dsvl2_running", "gauge", "Answers that are being written.", int(answers.running is not None)),
        ("dsvl2_model_loaded", "gauge", "Whether there is a model.", int(answers.loaded is not None)),
    )
    lines = []
    for name, kind, text, value in families:
        lines += [f"# HELP {name} {text}", f"# TYPE {name} {kind}"]
        lines += value if isinstance(value, list) else [f"{name} {value}"]
    return "\n".join(lines) + "\n"

"""What the conversation and the two processes use: positions of the context, memory."""

from __future__ import annotations

import psutil

from dsvl2_app.state.session import ChatSession
from dsvl2_runtime.engine.protocol import Finished


def context_used(session: ChatSession) -> tuple[int, int] | None:
    """(used, all) positions of the model's context after the last answer; None while nobody knows."""
    if session.model is None or session.model.config is None:
        return None
    answered = [turn for turn in session.turns if turn.prompt_tokens]
    if not answered:
        return None
    last = answered[-1]
    written = last.end.tokens if isinstance(last.end, Finished) else 0
    return last.prompt_tokens + written, session.model.config.language_config.max_position_embeddings


def last_speed(session: ChatSession) -> float | None:
    """Tokens in a second of the last answer that tells."""
    return next((turn.tokens_per_second for turn in reversed(session.turns) if turn.tokens_per_second), None)


def memory_used(*process_ids: int | None) -> int:
    """Bytes in the memory of these processes together; one that is gone has none."""
    return sum(_resident(process_id) for process_id in process_ids if process_id)


def _resident(process_id: int) -> int:
    try:
        return int(psutil.Process(process_id).memory_info().rss)
    except psutil.Error:
        return 0

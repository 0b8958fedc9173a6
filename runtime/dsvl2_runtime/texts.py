"""The English sentences of notices. Only the edges import this module: command line, JSON, window."""

from __future__ import annotations

from dsvl2_runtime.notices import Notice, NoticeCode

SENTENCES: dict[NoticeCode, str] = {
    "image.one_tile": (
        "picture {image} has {width}x{height} pixels, but the model sees it at {seen_width}x{seen_height}, because "
        "more than {most_tiled} pictures get one tile each; ask about {most_tiled} at a time"
    ),
    "image.scaled_down": (
        "picture {image} has {width}x{height} pixels, but the model sees it at {seen_width}x{seen_height}; small "
        "print may be lost: cut out the part that matters"
    ),
    "model.note": "{note}",
}


def notice_text(notice: Notice) -> str:
    """One English sentence without a full stop."""
    return SENTENCES[notice.code].format_map(notice.values)


def notice_json(notice: Notice) -> dict[str, str]:
    """`{"code": …, "text": …}`, the form of a warning in every JSON report."""
    return {"code": notice.code, "text": notice_text(notice)}

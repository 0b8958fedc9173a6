"""Links of the pages that lead out of docs/, to files that only the repository has: on the site they are their text."""

from __future__ import annotations

import re
from typing import Any

_OUTSIDE = re.compile(r"(?<!!)\[([^\]]+)\]\((?:\.\./)+(?!api/|adr/)[^)]*\)")


def on_page_markdown(markdown: str, *, page: Any, **_: Any) -> str:
    """Called by MkDocs for each page before it is read."""
    depth = page.file.src_uri.count("/")

    def shown(link: re.Match[str]) -> str:
        climbs = link[0].count("../")
        return link[0] if climbs <= depth else link[1]

    return _OUTSIDE.sub(shown, markdown)

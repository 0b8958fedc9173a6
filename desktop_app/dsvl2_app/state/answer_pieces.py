"""An answer cut into pieces of Markdown, which can be laid out one after the other as if they had come together."""

from __future__ import annotations

import re

_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})(.*)")
_LIST_ITEM = re.compile(r"(?:[-+*]|\d{1,9}[.)])(?:\s|$)")


def pieces(markdown: str) -> list[str]:
    """Paragraphs, headings, tables, lists and blocks of code, without the empty lines between them.

    A piece ends with empty lines, where what follows neither stands further in nor is the next item of a list, and
    never inside a block of code. So more text at the end of an answer changes its last piece alone.
    """
    found: list[str] = []
    lines: list[str] = []
    fence = ""
    after_empty = is_list = False
    for line in markdown.splitlines(keepends=True):
        text = line.strip()
        is_flush = bool(text) and not line[0].isspace()
        is_item = bool(_LIST_ITEM.match(line))
        if lines and after_empty and is_flush and not fence and not (is_list and is_item):
            found.append("".join(lines).rstrip())
            lines, is_list = [], False
        is_list = is_list or (is_item and not fence)
        lines.append(line)
        fence = _fence_after(line, fence)
        after_empty = not text
    last = "".join(lines).rstrip()
    return [*found, last] if last else found


def _fence_after(line: str, fence: str) -> str:
    """The fence of the block of code that is open after a line, given the one that was open before it."""
    found = _FENCE.match(line)
    if found is None:
        return fence
    marks, rest = found[1], found[2].strip()
    if not fence:
        return "" if marks[0] == "`" and "`" in rest else marks
    return "" if marks.startswith(fence) and not rest else fence

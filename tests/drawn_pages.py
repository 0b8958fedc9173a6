"""A digest of drawn pages, pixels and ground truth; also a program, to draw them as another machine would.

python drawn_pages.py SPLIT [FOLDER ...]     with the shipped typefaces and those in the folders
"""

from __future__ import annotations

import hashlib
import random
import sys
from pathlib import Path

from dsvl2_demo.pages import fonts
from dsvl2_demo.pages.documents import PAINTERS, PageRange, draw_page
from dsvl2_demo.pages.page import Page, TextRun
from dsvl2_demo.pages.words import Split


def digest(split: Split) -> str:
    """SHA-256 of pages of every kind, as 64 hexadecimal digits."""
    seen = hashlib.sha256()
    for kind in sorted(PAINTERS):
        for seed in range(6):
            page = draw_page(PageRange(worn=0.5), split, random.Random(seed), kind)
            seen.update(repr((page.title, page.lines, page.entries, page.buttons)).encode())
            seen.update(page.image.tobytes())
    return seen.hexdigest()


def named_runs(page: Page) -> list[TextRun]:
    """Every piece of text that the truth of a page speaks of."""
    named = [run for entry in page.entries for run in (entry.label_run, entry.value_run)]
    named += [run for fact in page.facts for run in (fact.run, fact.about) if run is not None]
    named += [run for table in page.tables for row in (table.headers, *table.rows) for run in row]
    return [*page.runs, *named]


def main(split: str, *folders: str) -> None:
    """Print the digest of a machine that has its typefaces in `folders`."""
    fonts.font_folders = lambda: (fonts.SHIPPED_FACES, *map(Path, folders))
    print(digest("held_out" if split == "held_out" else "train"))


if __name__ == "__main__":
    main(*sys.argv[1:])

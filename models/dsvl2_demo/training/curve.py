"""The learning curve of a run as a picture: `python -m dsvl2_demo.training.curve --run DIR --out PICTURE`."""

from __future__ import annotations

import argparse
import itertools
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont

from dsvl2_demo.training.run_state import LOG_FILE
from dsvl2_runtime.errors import UsageError

WIDTH, HEIGHT = 900, 466
LEFT, TOP, RIGHT, BOTTOM = 56, 102, 170, 48
LABEL_ROWS = 6
INK, FAINT, GRID = "#1b1f24", "#667080", "#e3e7ec"
CURVES: tuple[tuple[str, str, Callable[[dict[str, Any]], float | None]], ...] = (
    ("next token", "#2563eb", lambda entry: _held_out(entry).get("token")),
    ("characters named by the eyes", "#d97706", lambda entry: _held_out(entry).get("named")),
    ("values exact, one tile", "#059669", lambda entry: _held_out(entry).get("exact", {}).get("value")),
    ("real pages exact", "#be185d", lambda entry: _mean(entry.get("sheets"))),
)
"""Label, colour, and where a line of the log has it; of held-out pages."""
DOT = 4
"""Radius of a measurement, in pixels; long runs have too many to show each."""
FEW = 12


def _held_out(entry: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = entry.get("held_out", {})
    return found


def _mean(shares: dict[str, float] | None) -> float | None:
    """Of all kinds of pages, each counting the same."""
    return sum(shares.values()) / len(shares) if shares else None


def draw_curve(entries: Sequence[dict[str, Any]]) -> Image.Image:
    """Shares from 0 to 1 over minutes of training, a shade behind every other stage.

    Raises:
        UsageError: nothing was measured yet.
    """
    if not entries:
        raise UsageError("the run has no measurements yet; train a few minutes first")
    entries = _placed(entries)
    image = Image.new("RGB", (WIDTH, HEIGHT), "white")
    draw = ImageDraw.Draw(image)
    end = max(float(entry["minutes"]) for entry in entries)

    def x(minutes: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * minutes / end

    def y(share: float) -> float:
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * share

    _draw_stages(draw, entries, x)
    for step in range(6):
        share = step / 5
        draw.line((LEFT, y(share), WIDTH - RIGHT, y(share)), fill=GRID)
        draw.text((LEFT - 8, y(share)), f"{share:.0%}", fill=FAINT, font=ImageFont.load_default(13), anchor="rm")
    draw.text(
        (WIDTH - RIGHT, HEIGHT - 14), f"{end:.0f} minutes", fill=FAINT, font=ImageFont.load_default(13), anchor="rb"
    )
    for row, (label, colour, value) in enumerate(CURVES):
        points = [(entry["minutes"], value(entry)) for entry in entries]
        drawn = [(x(minutes), y(share)) for minutes, share in points if share is not None]
        if len(drawn) > 1:
            draw.line(drawn, fill=colour, width=3, joint="curve")
        for across, down in drawn if len(drawn) <= FEW else ():
            draw.ellipse((across - DOT, down - DOT, across + DOT, down + DOT), fill=colour)
        at = TOP + 30 * row
        draw.line((WIDTH - RIGHT + 14, at + 8, WIDTH - RIGHT + 34, at + 8), fill=colour, width=3)
        for line, text in enumerate(_wrapped(label)):
            place = (WIDTH - RIGHT + 40, at + 14 * line)
            draw.text(place, text, fill=INK, font=ImageFont.load_default(13))
    return image


def _placed(entries: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The measurement behind the last stage has neither minutes nor a stage; it belongs to the end of that."""
    found: list[dict[str, Any]] = []
    for entry in entries:
        before = found[-1] if found else {}
        found.append({name: before[name] for name in ("minutes", "stage") if name in before} | entry)
    return found


def _draw_stages(draw: ImageDraw.ImageDraw, entries: Sequence[dict[str, Any]], x: Any) -> None:
    """Names of the stages above, where each begins, in the lowest row that has room."""
    font = ImageFont.load_default(12)
    start, free_from = 0.0, [0.0] * LABEL_ROWS
    for index, (name, part) in enumerate(itertools.groupby(entries, key=lambda entry: str(entry["stage"]))):
        end = [float(entry["minutes"]) for entry in part][-1]
        if index % 2:
            draw.rectangle((x(start), TOP, x(end), HEIGHT - BOTTOM), fill="#f5f7fa")
        left = x(start) + 3
        row = next((row for row, free in enumerate(free_from) if free <= left), index % LABEL_ROWS)
        draw.text((left, TOP - 16 - 13 * row), name, fill=FAINT, font=font)
        free_from[row] = left + font.getlength(name) + 6
        start = end


def _wrapped(label: str) -> list[str]:
    """A long label in two lines."""
    words = label.split()
    return [label] if len(label) < 18 else [" ".join(words[:2]), " ".join(words[2:])]


def main(arguments: Sequence[str] | None = None) -> None:
    """Draw the curve of a run."""
    parser = argparse.ArgumentParser(prog="python -m dsvl2_demo.training.curve", description="Draw a learning curve.")
    parser.add_argument("--run", type=Path, required=True, help="folder of the run")
    parser.add_argument("--out", type=Path, required=True, help="picture to write")
    options = parser.parse_args(arguments)
    lines = (options.run / LOG_FILE).read_text("utf-8").splitlines()
    draw_curve([json.loads(line) for line in lines]).save(options.out)


if __name__ == "__main__":
    main()

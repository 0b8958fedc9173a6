"""Writes a conversation for other programs: Markdown with its pictures beside it, or JSON (docs/conversation.md)."""

from __future__ import annotations

import json
import re
import shutil
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from dsvl2_app.state.history.pictures import Pictures
from dsvl2_app.state.history.records import SavedConversation, SavedImage, SavedTurn
from dsvl2_app.state.turn import MOST_SURE, told_confidence
from dsvl2_runtime import __version__
from dsvl2_runtime.answers.boxes import show_boxes
from dsvl2_runtime.answers.confidence import unsure_notices
from dsvl2_runtime.errors import UsageError
from dsvl2_runtime.inputs.formats import FORMATS, HEAD_BYTES
from dsvl2_runtime.machine.files import disk_errors, new_file, new_folder, only_writer
from dsvl2_runtime.texts import notice_text

FORMAT, VERSION = "dsvl2-conversation", 2
MARKDOWN_FILE = "conversation.md"
PICTURES = "pictures"
LONGEST_NAME = 60
"""Characters of a title in the name of a file."""
RESERVED = re.compile(r"(?i)(?:con|prn|aux|nul|com\d|lpt\d)(?:\..*)?")
"""Names that Windows gives to devices."""


def file_name(title: str) -> str:
    """A title as a part of a path that every system takes."""
    name = re.sub(r'[\x00-\x1f\x7f<>:"/\\|?*]+', " ", title)
    name = " ".join(name.split())[:LONGEST_NAME].strip(" .")
    return "conversation" if not name or RESERVED.fullmatch(name) else name


def export_markdown(conversation: SavedConversation, pictures: Pictures, out: Path, *, overwrite: bool = False) -> None:
    """Write a folder with `conversation.md` and `pictures/`; it appears when it is complete.

    Raises:
        UsageError: it is there and may not be replaced.
        ResourceError: it cannot be written.
        BusyError: another process writes it.
    """
    if out.exists() and not overwrite:
        raise UsageError(f"{out} is there already; choose another name")
    with new_folder(out, overwrite=overwrite) as folder:
        names: dict[str, str] = {}

        def place(image: SavedImage) -> str | None:
            if image.sha256 not in names and pictures.holds(image.sha256):
                source = pictures.path(image.sha256)
                (folder / PICTURES).mkdir(exist_ok=True)
                name = f"{len(names) + 1}{_ending(source)}"
                shutil.copyfile(source, folder / PICTURES / name)
                names[image.sha256] = f"{PICTURES}/{name}"
            return names.get(image.sha256)

        (folder / MARKDOWN_FILE).write_text(to_markdown(conversation, place), "utf-8")


def to_markdown(conversation: SavedConversation, place: Callable[[SavedImage], str | None]) -> str:
    """The conversation as Markdown; `place` says where an image was written, None for one that is lost."""
    parts = [f"# {plain(conversation.title)}", f"*{_time(conversation.created_at)}*"]
    shown: set[str] = set()
    for turn in conversation.turns:
        for image in turn.images:
            if image.sha256 not in shown:
                shown.add(image.sha256)
                where = place(image)
                label = plain(Path(image.name).name)
                parts.append(f"![{label}]({where})" if where else f"*{label}*")
        parts.append("\n".join(f"> {plain(line)}" for line in turn.question.splitlines() or [""]))
        parts.append(_answer(turn))
    return "\n\n".join(filter(None, parts)) + "\n"


def plain(text: str) -> str:
    """A text that Markdown shows as it is."""
    return re.sub(r"([\\`*_{}\[\]<>()#+!|~])", r"\\\1", " ".join(text.split()))


def _answer(turn: SavedTurn) -> str:
    """The answer keeps its own Markdown, except what would fetch or run something: pictures and HTML."""
    text = show_boxes(turn.answer, "off", [(image.width, image.height) for image in turn.images])
    text = re.sub(r"!(?=\[)", r"\\!", re.sub(r"<(?=[A-Za-z/!?])", "&lt;", text))
    boxes = "\n".join(
        f"- {plain(box.label) or '?'}: picture {box.image}, {list(box.norm999)} of 999" for box in turn.boxes
    )
    return "\n\n".join(filter(None, (text.strip(), boxes, _sureness(turn))))


def _sureness(turn: SavedTurn) -> str:
    """How sure the model is, of the answers below which the window says it too."""
    end = turn.end
    confidence = told_confidence(turn.confidence, end.reason, end.tokens) if end is not None else None
    if end is None or confidence is None:
        return ""
    percent = f"{round(100 * min(confidence, MOST_SURE))} % sure"
    sure = f"more than {percent}" if confidence > MOST_SURE else percent
    doubts = [notice_text(notice) for notice in unsure_notices(confidence, end.tokens)]
    return f"*{', '.join(doubts) or sure}*"


def export_json(conversation: SavedConversation, out: Path) -> None:
    """Write one JSON file; it appears, or replaces the older one, when it is complete.

    Raises:
        ResourceError: it cannot be written.
        BusyError: another process writes it.
    """
    text = json.dumps(to_json(conversation), ensure_ascii=False, indent=2) + "\n"
    with only_writer(out), disk_errors(out), new_file(out) as unfinished:
        unfinished.write_text(text, "utf-8")


def to_json(conversation: SavedConversation) -> dict[str, Any]:
    """The document that docs/conversation.md describes."""
    return {
        "format": FORMAT,
        "version": VERSION,
        "program": f"dsvl2-onnx {__version__}",
        "conversation": json.loads(json.dumps(asdict(conversation))),
    }


def _ending(path: Path) -> str:
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    return next((form.endings[0] for form in FORMATS if form.start.match(head)), ".bin")


def _time(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))

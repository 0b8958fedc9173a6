"""What is asked about pages and what the right answer is, in the official prompt format.

One page is asked several things in one conversation: reading a page costs more than a question, so training asks
more than one at a time. Evaluation asks one.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from dsvl2_demo.pages import words
from dsvl2_demo.pages.page import Box, Page, TextRun
from dsvl2_demo.pages.words import Split
from dsvl2_demo.questions.traces import Place, Trace, joined, run_of, spelled
from dsvl2_runtime.inputs.tokenizer import DET, DET_END, IMAGE, REF, REF_END

NOT_SHOWN = "not shown"
"""The answer about something that is not in the picture."""

COORDINATES = 999
"""Largest coordinate of a box: 0 and 999 are the edges of the original picture."""

Task = Literal[
    "value", "transcribe", "locate", "absent", "button", "title", "label", "line", "compare",
    "cell", "row", "header", "markdown", "state", "chart", "json", "shown", "continue", "locate_several",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Turn:
    """A question and its right answer; `box` is the exact box in pixels where one is asked for.

    `asked` and `read` say where the text of question and answer stands on the page, as far as it does.
    """

    task: Task
    question: str
    answer: str
    box: Box | None = None
    asked: tuple[Trace, ...] = ()
    read: tuple[Trace, ...] = ()


VALUE_QUESTIONS = (
    "What is the {}?", "What is the {}?", "What is the {}?", "{}?", "Read the {}.", "What does it say for {}?",
    "Give the value of {}.", "What is the value of {}?", "Which {} is shown?", "Tell me the {}.", "{} =",
)  # fmt: skip
TRANSCRIBE_QUESTIONS = (
    "Transcribe the text.", "Read the text.", "What does the picture say?", "Read all the text in the picture.",
    "Write down the text.", "Which text is shown?", "OCR",
)  # fmt: skip
BUTTON_QUESTIONS = ("Which button is highlighted?", "Which button is the default?", "Which button is active?")
TITLE_QUESTIONS = ("What is the title?", "What is the heading?", "Read the title.")
LABEL_QUESTION = "Which label has the value {}?"
COMPARE_QUESTIONS = (
    "Which picture shows {}?", "In which picture is {}?", "Which picture has {}?", "Where is {} shown?",
)  # fmt: skip
ORDINALS = ("first", "second", "third")


def box_text(box: Box, size: tuple[int, int]) -> str:
    """A box in the official form, 0 to 999 of the original picture.

    Args:
        box: in pixels.
        size: (width, height) of the picture in pixels.
    """
    width, height = size
    left, top, right, bottom = box
    scaled = (left / width, top / height, right / width, bottom / height)
    numbers = [min(COORDINATES, max(0, round(part * COORDINATES))) for part in scaled]
    return f"[[{', '.join(map(str, numbers))}]]"


def _asked(label: str, rng: random.Random) -> str:
    """A label as a person would type it."""
    draw = rng.random()
    if draw < 0.25:
        return label.lower()
    return label.capitalize() if draw < 0.32 else label


def value_turn(page: Page, rng: random.Random, picture: int = 0) -> Turn | None:
    """The value of one of the labels."""
    if not page.entries:
        return None
    entry = rng.choice(page.entries)
    return Turn(
        "value",
        rng.choice(VALUE_QUESTIONS).format(_asked(entry.label, rng)),
        entry.value,
        asked=(spelled(entry.label, entry.label_run, picture),),
        read=(spelled(entry.value, entry.value_run, picture),),
    )


def label_turn(page: Page, rng: random.Random) -> Turn | None:
    """The label of one of the values."""
    values = [entry.value for entry in page.entries]
    single = [entry for entry in page.entries if values.count(entry.value) == 1]
    if not single:
        return None
    entry = rng.choice(single)
    return Turn(
        "label",
        LABEL_QUESTION.format(entry.value),
        entry.label,
        asked=(spelled(entry.value, entry.value_run),),
        read=(spelled(entry.label, entry.label_run),),
    )


def _line_traces(line: Sequence[TextRun], before: str) -> list[Trace]:
    separators = [before] + [" "] * (len(line) - 1)
    return [joined(separator, spelled(run.text, run)) for separator, run in zip(separators, line, strict=True)]


def transcribe_turn(page: Page, rng: random.Random) -> Turn | None:
    """All the text, line by line."""
    text = page.transcript
    read = [trace for index, line in enumerate(page.lines) for trace in _line_traces(line, "\n" if index else "")]
    return Turn("transcribe", rng.choice(TRANSCRIBE_QUESTIONS), text, read=tuple(read)) if text else None


def line_turn(page: Page, rng: random.Random) -> Turn | None:
    """One line, named by its number; a small step towards following lines."""
    if not page.lines:
        return None
    index = rng.randrange(len(page.lines))
    line = page.lines[index]
    text = " ".join(run.text for run in line)
    return Turn("line", f"Read line {index + 1}.", text, read=tuple(_line_traces(line, "")))


def absent_turn(page: Page, rng: random.Random, split: Split) -> Turn | None:
    """A value that is not on the page."""
    shown = page.transcript.lower()
    for _ in range(10):
        label = words.label(split, rng).text
        if label.lower() not in shown:
            asked = _asked(label, rng)
            if rng.random() < 0.2:
                return Turn("absent", f"{REF}{label}{REF_END}", NOT_SHOWN)
            return Turn("absent", rng.choice(VALUE_QUESTIONS).format(asked), NOT_SHOWN)
    return None


def button_turn(page: Page, rng: random.Random) -> Turn | None:
    """The default button."""
    if not page.buttons:
        return None
    lit = [button.text for button in page.buttons if button.highlighted]
    return Turn(
        "button", rng.choice(BUTTON_QUESTIONS), lit[0] if lit else "none", read=_found(lit[0], page) if lit else ()
    )


def title_turn(page: Page, rng: random.Random) -> Turn | None:
    """The heading."""
    if not page.title:
        return None
    return Turn("title", rng.choice(TITLE_QUESTIONS), page.title, read=_found(page.title, page))


def _found(text: str, page: Page, picture: int = 0) -> tuple[Trace, ...]:
    run = run_of(text, page.runs)
    return (spelled(text, run, picture),) if run else ()


def locatable(page: Page) -> list[tuple[str, Box, TextRun]]:
    """What can be located, with its text: every piece of text that stands on the page once, and every button."""
    boxes = {button.text: button.box for button in page.buttons}
    labels = {id(entry.label_run): entry.label for entry in page.entries}
    pieces = [(labels.get(id(run), run.text), boxes.get(run.text, run.box), run) for run in page.runs]
    texts = [text for text, _, _ in pieces]
    return [piece for piece in pieces if texts.count(piece[0]) == 1 and IMAGE not in piece[0]]


def locate_turn(page: Page, rng: random.Random) -> Turn | None:
    """The box of a piece of text or of a button."""
    return box_turn(page, locatable(page), rng)


def box_turn(page: Page, pieces: Sequence[tuple[str, Box, TextRun]], rng: random.Random) -> Turn | None:
    """The box of one of these pieces of a page."""
    if not pieces:
        return None
    text, box, run = rng.choice(pieces)
    named = f"{REF}{text}{REF_END}"
    numbers = box_text(box, page.image.size)
    name = spelled(text, run)
    # The left and upper edges are seen at the first character, the others at the last.
    corners = [
        Trace(part, (name.places[-(index // 2)]._replace(coordinate=int(part.strip("[]"))),))
        for index, part in enumerate(numbers.split(", "))
    ]
    return Turn("locate", named, f"{named}{DET}{numbers}{DET_END}", box, asked=(name,), read=(name, *corners))


def compare_turn(pages: Sequence[Page], rng: random.Random) -> Turn | None:
    """Which of several pictures shows something that only one of them shows."""
    index = rng.randrange(len(pages))
    others = " \n ".join(page.transcript for position, page in enumerate(pages) if position != index).lower()
    page = pages[index]
    subjects = [
        (f"the {entry.label}", spelled(entry.label, entry.label_run, index))
        for entry in page.entries
        if entry.label.lower() not in others
    ]
    subjects += [
        (entry.value, spelled(entry.value, entry.value_run, index))
        for entry in page.entries
        if entry.value.lower() not in others
    ]
    if page.title and page.title.lower() not in others:
        subjects += [(page.title, trace) for trace in _found(page.title, page, index)]
    kinds = {other.kind for position, other in enumerate(pages) if position != index}
    if page.kind in ("receipt", "dialog") and page.kind not in kinds and page.runs:
        first = page.runs[0]
        subjects += [(f"the {page.kind}", Trace(page.kind, (Place(index, (first.centres[0], first.middle)),)))] * 2
    if not subjects:
        return None
    subject, trace = rng.choice(subjects)
    answer = f"the {ORDINALS[index]}"
    return Turn(
        "compare",
        rng.choice(COMPARE_QUESTIONS).format(subject),
        answer,
        asked=(trace,),
        read=(Trace(answer, (trace.places[0],)),),
    )


def placed_value_turn(pages: Sequence[Page], rng: random.Random) -> Turn | None:
    """A value in one of several pictures, named by its place."""
    index = rng.randrange(len(pages))
    turn = value_turn(pages[index], rng, index)
    if turn is None:
        return None
    return replace(turn, question=turn.question.rstrip("?.= ") + f" in the {ORDINALS[index]} picture?")


def ask(task: Task, pages: Sequence[Page], rng: random.Random, split: Split) -> Turn | None:
    """A question of one kind about these pages; None if they offer nothing to ask."""
    if len(pages) > 1:
        return compare_turn(pages, rng) if task == "compare" else placed_value_turn(pages, rng)
    page = pages[0]
    if task == "absent":
        return absent_turn(page, rng, split)
    return _ABOUT_ONE[task](page, rng) if task in _ABOUT_ONE else None


_ABOUT_ONE: dict[Task, Callable[[Page, random.Random], Turn | None]] = {
    "value": value_turn,
    "transcribe": transcribe_turn,
    "locate": locate_turn,
    "button": button_turn,
    "title": title_turn,
    "label": label_turn,
    "line": line_turn,
}

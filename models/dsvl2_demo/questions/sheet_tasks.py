"""Questions about real pages: values, cells, states, places, whole tables, answers as JSON."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import replace

from dsvl2_demo.pages import lexicon
from dsvl2_demo.pages.page import Box, Fact, Page, Table, TextRun
from dsvl2_demo.pages.words import Split, choose
from dsvl2_demo.questions.tasks import (
    NOT_SHOWN,
    ORDINALS,
    Task,
    Turn,
    box_text,
    box_turn,
    button_turn,
    compare_turn,
    label_turn,
    locatable,
    title_turn,
    transcribe_turn,
)
from dsvl2_demo.questions.traces import Place, Trace, joined, spelled
from dsvl2_runtime.inputs.tokenizer import DET, DET_END, REF, REF_END

VALUE_QUESTIONS = (
    "What is the {}?", "What is the {}?", "What is the {}?", "{}?", "Read the {}.", "What does it say for {}?",
    "Give the value of {}.", "What is the value of {}?", "Which {} is shown?", "Tell me the {}.", "{} =", "{}",
    "What's the {}?", "What is {}?", "Please read the {}.", "Which value belongs to {}?", "Find the {}.",
    "What is written next to {}?", "What is the {} in the picture?", "What is entered for {}?", "{}:",
    "What does the field {} say?", "Look up {}.", "Which value does {} have?", "What {} is given?",
)  # fmt: skip
CELL_QUESTIONS = (
    "What is the {column} of {row}?", "What is the {column} of {row}?", "What is the {column} for {row}?",
    "{column} of {row}?", "{row}, {column}?", "Which {column} does {row} have?", "Read the {column} of {row}.",
    "What is in column {column} for {row}?", "Row {row}, column {column}?", "Look up the {column} of {row}.",
)  # fmt: skip
ROW_QUESTIONS = ("Which {key} has the {column} {cell}?", "Whose {column} is {cell}?", "Which row has {cell}?")
HEADER_QUESTIONS = ("Which columns does the table have?", "Read the header of the table.", "Name the columns.")
MARKDOWN_QUESTIONS = ("Read the table as Markdown.", "Give the table in Markdown.", "Convert the table to Markdown.",
                      "Write the table as a Markdown table.")  # fmt: skip
JSON_QUESTIONS = (
    "Give {} as JSON.", "Extract {} as JSON.", "Return JSON with the keys {}.", "Answer as JSON with {}.",
    "Read {} and answer in JSON.",
)  # fmt: skip
SHOWN_QUESTIONS = (
    "Is {} shown?", "Does the picture show {}?", "Is there a {} in the picture?", "Does it say {}?", "Can you see {}?",
    "Is {} in the picture?",
)  # fmt: skip
CONTINUE_QUESTIONS = (
    'Read the line that begins with "{}".', "How does the line {} go on?", 'Which line starts with "{}"?',
)  # fmt: skip
LONGEST_READING = 520
"""Characters of a transcription or a table that is asked for."""
LONGEST_BOXES = 4
SHEET_TASKS: tuple[tuple[Task, float], ...] = (
    ("value", 11.0), ("cell", 8.0), ("state", 3.0), ("chart", 2.0), ("locate", 4.0), ("locate_several", 0.7),
    ("transcribe", 1.6), ("markdown", 0.8), ("header", 0.5), ("row", 1.0), ("json", 1.6), ("shown", 0.6),
    ("absent", 0.8), ("label", 1.0), ("title", 0.8), ("button", 0.8), ("continue", 1.4),
)  # fmt: skip


READ_TASKS: dict[str, tuple[Task, ...]] = {
    "table": ("cell",), "files": ("cell", "state"), "invoice": ("value", "cell"), "chart": ("value", "chart"),
    "prose": ("continue",), "settings": ("value", "state"), "web": ("value", "state"), "shell": ("value", "cell"),
    "browser": ("value", "cell"), "office": ("value", "cell"),
}  # fmt: skip
"""What is read from a kind of page when it is scored; values where nothing is said."""


def asked(text: str, rng: random.Random) -> str:
    """A name as a person would type it."""
    draw = rng.random()
    if draw < 0.3:
        return text.lower()
    return text.capitalize() if draw < 0.35 else text


def _filled(page: Page, rng: random.Random, picture: int = 0) -> Turn | None:
    """A labelled value, or a fact that is a value."""
    facts = [fact for fact in page.facts if fact.task == "value"]
    if not page.entries and not facts:
        return None
    if rng.random() < len(facts) / (len(facts) + len(page.entries)):
        return _fact_turn(rng.choice(facts), rng, picture)
    entry = rng.choice(page.entries)
    questions = entry.asks if entry.asks and rng.random() < 0.4 else VALUE_QUESTIONS
    return Turn(
        "value",
        rng.choice(questions).format(asked(entry.label, rng)),
        entry.value,
        asked=(spelled(entry.label, entry.label_run, picture),),
        read=(spelled(entry.value, entry.value_run, picture),),
    )


def _fact_turn(fact: Fact, rng: random.Random, picture: int = 0) -> Turn:
    about = () if fact.about is None else (spelled(fact.about.text, fact.about, picture),)
    if fact.run is not None:
        read: tuple[Trace, ...] = (spelled(fact.answer, fact.run, picture),)
    else:
        read = () if fact.point is None else (Trace(fact.answer, (Place(picture, fact.point),)),)
    task: Task = "value"
    if fact.task in ("state", "chart", "title"):
        task = fact.task  # type: ignore[assignment]
    return Turn(task, rng.choice(fact.questions), fact.answer, asked=about, read=read)


def _fact(name: str) -> Callable[[Page, random.Random], Turn | None]:
    def turn(page: Page, rng: random.Random) -> Turn | None:
        facts = [fact for fact in page.facts if fact.task == name]
        return _fact_turn(rng.choice(facts), rng) if facts else None

    return turn


def _title(page: Page, rng: random.Random) -> Turn | None:
    found = _fact("title")(page, rng) if rng.random() < 0.5 else None
    return found or title_turn(page, rng)


def _unlike(runs: Sequence[TextRun]) -> list[TextRun]:
    texts = [run.text.lower() for run in runs]
    return [run for run in runs if texts.count(run.text.lower()) == 1]


def _cell(page: Page, rng: random.Random) -> Turn | None:
    if not page.tables or not (table := rng.choice(page.tables)).rows or len(table.headers) < 2:
        return None
    row, column = rng.choice(table.rows), rng.randrange(1, len(table.headers))
    key, header, cell = row[0], table.headers[column], row[column]
    question = rng.choice(CELL_QUESTIONS)
    text = question.format(column=asked(header.text, rng), row=asked(key.text, rng))
    # The way to a cell is from its row's name and its column's head, whichever the question says last.
    names = [(question.index("{column}"), header), (question.index("{row}"), key)]
    traces = tuple(spelled(run.text, run) for _, run in sorted(names, key=lambda name: name[0]))
    return Turn("cell", text, cell.text, asked=traces, read=(spelled(cell.text, cell),))


def _row(page: Page, rng: random.Random) -> Turn | None:
    if not page.tables or not (table := rng.choice(page.tables)).rows or len(table.headers) < 2:
        return None
    column = rng.randrange(1, len(table.headers))
    single = _unlike([row[column] for row in table.rows])
    rows = [row for row in table.rows if row[column] in single]
    if not rows:
        return None
    row = rng.choice(rows)
    question = rng.choice(ROW_QUESTIONS)
    if question.startswith("Which row") and len(_unlike([run for line in page.lines for run in line])) == 0:
        return None
    text = question.format(key=table.headers[0].text, column=table.headers[column].text, cell=row[column].text)
    traces = (spelled(row[column].text, row[column]),)
    return Turn("row", text, row[0].text, asked=traces, read=(spelled(row[0].text, row[0]),))


def _header(page: Page, rng: random.Random) -> Turn | None:
    if not page.tables:
        return None
    table = rng.choice(page.tables)
    read = [joined(", " if index else "", spelled(run.text, run)) for index, run in enumerate(table.headers)]
    return Turn("header", rng.choice(HEADER_QUESTIONS), ", ".join(run.text for run in table.headers), read=tuple(read))


def _markdown_lines(table: Table) -> tuple[str, list[Trace]]:
    """A table in Markdown and where its cells are seen."""
    lines, read = [], []
    for index, row in enumerate((table.headers, *table.rows)):
        lines.append("| " + " | ".join(run.text for run in row) + " |")
        read += [joined("| " if column == 0 else " | ", spelled(run.text, run)) for column, run in enumerate(row)]
        if index == 0:
            lines.append("|" + " --- |" * len(row))
    return "\n".join(lines), read


def _markdown(page: Page, rng: random.Random) -> Turn | None:
    if not page.tables:
        return None
    text, read = _markdown_lines(rng.choice(page.tables))
    if len(text) > LONGEST_READING:
        return None
    return Turn("markdown", rng.choice(MARKDOWN_QUESTIONS), text, read=tuple(read))


def _json(page: Page, rng: random.Random, split: Split) -> Turn | None:
    entries = [entry for entry in page.entries if not set('"\\') & set(entry.label + entry.value)]
    if len(entries) < 2:
        return None
    chosen = rng.sample(entries, min(len(entries), rng.randint(2, 5)))
    answer: dict[str, str | None] = {}
    about, read = [], []
    small = rng.random() < 0.3
    for entry in chosen:
        name = entry.label.lower() if small else entry.label
        answer[name] = entry.value
        about.append(spelled(entry.label, entry.label_run))
        read += [spelled(entry.label, entry.label_run), spelled(entry.value, entry.value_run)]
    if rng.random() < 0.2 and (missing := _missing(page, rng, split)) is not None:
        answer[missing] = None
    quoted = rng.random() < 0.5
    names = ", ".join(f'"{name}"' if quoted else name for name in answer)
    question = rng.choice(JSON_QUESTIONS).format(names)
    return Turn("json", question, json.dumps(answer, ensure_ascii=False), asked=tuple(about), read=tuple(read))


def _missing(page: Page, rng: random.Random, split: Split) -> str | None:
    shown = page.transcript.lower()
    for _ in range(10):
        name = lexicon.label(split, rng).text if rng.random() < 0.7 else choose(lexicon.SETTINGS, split, rng)
        if name.lower() not in shown:
            return name
    return None


def _absent(page: Page, rng: random.Random, split: Split) -> Turn | None:
    name = _missing(page, rng, split)
    if name is None:
        return None
    if rng.random() < 0.2:
        return Turn("absent", f"{REF}{name}{REF_END}", NOT_SHOWN)
    return Turn("absent", rng.choice(VALUE_QUESTIONS).format(asked(name, rng)), NOT_SHOWN)


def _shown(page: Page, rng: random.Random, split: Split) -> Turn | None:
    if rng.random() < 0.5:
        name = _missing(page, rng, split)
        return None if name is None else Turn("shown", rng.choice(SHOWN_QUESTIONS).format(name), "no")
    run = rng.choice(page.runs)
    question = rng.choice(SHOWN_QUESTIONS).format(run.text)
    first = Place(0, (run.centres[0], run.middle))
    return Turn("shown", question, "yes", asked=(spelled(run.text, run),), read=(Trace("yes", (first,)),))


def _continue(page: Page, rng: random.Random) -> Turn | None:
    lines = [line for line in page.lines if len(line) == 1 and line[0].text.count(" ") >= 2]
    starts = [" ".join(line[0].text.split(" ")[:2]) for line in lines]
    known = [(line[0], start) for line, start in zip(lines, starts, strict=True) if starts.count(start) == 1]
    if not known:
        return None
    run, start = rng.choice(known)
    return Turn(
        "continue", rng.choice(CONTINUE_QUESTIONS).format(start), run.text, asked=(spelled(start, run),),
        read=(spelled(run.text, run),),
    )  # fmt: skip


def parts(page: Page) -> list[tuple[str, Box, TextRun]]:
    """What can be located inside a longer piece of text: values, labels and cells that stand on the page once."""
    whole = {id(run) for run in page.runs}
    inner = [run for entry in page.entries for run in (entry.label_run, entry.value_run)]
    inner += [fact.run for fact in page.facts if fact.run is not None]
    inner += [run for table in page.tables for row in (table.headers, *table.rows) for run in row]
    inner = [run for run in inner if id(run) not in whole]
    shown = page.transcript if inner else ""
    return [(run.text, run.box, run) for run in inner if shown.count(run.text) == 1]


def _locate(page: Page, rng: random.Random, split: Split) -> Turn | None:
    """A place; held-out pages are asked for whole pieces of text alone, as ever, so that scores compare."""
    pieces = locatable(page)
    return box_turn(page, pieces if split == "held_out" else pieces + parts(page), rng)


def boxes_text(boxes: Sequence[Box], size: tuple[int, int]) -> str:
    """Several boxes in the official form."""
    return "[" + ", ".join(box_text(box, size)[1:-1] for box in boxes) + "]"


def _locate_several(page: Page, rng: random.Random) -> Turn | None:
    texts = [run.text for run in page.runs]
    several = [text for text in dict.fromkeys(texts) if 2 <= texts.count(text) <= LONGEST_BOXES]
    if not several:
        return None
    text = rng.choice(several)
    runs = [run for run in page.runs if run.text == text]
    numbers = boxes_text([run.box for run in runs], page.image.size)
    named = f"{REF}{text}{REF_END}"
    name = spelled(text, runs[0])
    corners = []
    for index, part in enumerate(numbers.split(", ")):
        places = spelled(text, runs[index // 4]).places
        place = places[-(index % 4 // 2)]._replace(coordinate=int(part.strip("[]")))
        corners.append(Trace(part, (place,)))
    answer = f"{named}{DET}{numbers}{DET_END}"
    return Turn("locate_several", named, answer, runs[0].box, asked=(name,), read=(name, *corners))


def _transcribe(page: Page, rng: random.Random) -> Turn | None:
    if not page.read_in_order or len(page.transcript) > LONGEST_READING:
        return None
    return transcribe_turn(page, rng)


def ask_sheet(task: Task, page: Page, rng: random.Random, split: Split) -> Turn | None:
    """A question of one kind about a page; None if it offers nothing to ask."""
    if task in _WITH_SPLIT:
        return _WITH_SPLIT[task](page, rng, split)
    return _ABOUT_ONE[task](page, rng)


def ask_several(pages: Sequence[Page], rng: random.Random) -> Turn | None:
    """Which of two or three pictures shows something, or a value in one of them."""
    if rng.random() < 0.6:
        return compare_turn(pages, rng)
    index = rng.randrange(len(pages))
    turn = _filled(pages[index], rng, index)
    if turn is None:
        return None
    return replace(turn, question=turn.question.rstrip("?.=: ") + f" in the {ORDINALS[index]} picture?")


_WITH_SPLIT: dict[str, Callable[[Page, random.Random, Split], Turn | None]] = {
    "json": _json,
    "locate": _locate,
    "absent": _absent,
    "shown": _shown,
}
_ABOUT_ONE: dict[str, Callable[[Page, random.Random], Turn | None]] = {
    "value": _filled,
    "cell": _cell,
    "state": _fact("state"),
    "chart": _fact("chart"),
    "locate_several": _locate_several,
    "transcribe": _transcribe,
    "markdown": _markdown,
    "header": _header,
    "row": _row,
    "label": label_turn,
    "title": _title,
    "button": button_turn,
    "continue": _continue,
}

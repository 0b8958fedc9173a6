"""How an answer is shown: rendered, copied, and never obeyed."""

from __future__ import annotations

import itertools
import random
import sys
from pathlib import Path

import pytest
from PySide6.QtCore import QPoint, Qt, QUrl
from PySide6.QtGui import QDesktopServices, QTextCursor, QTextDocument
from pytestqt.qtbot import QtBot

from dsvl2_app.state import answer_text
from dsvl2_app.state.answer_pieces import MOST_ROWS, pieces
from dsvl2_app.state.turn import Turn
from dsvl2_app.widgets import theme
from dsvl2_app.widgets.answer_document import answer_document, blocks, code_blocks, fragments, tables
from dsvl2_app.widgets.answer_view import LONGEST_PAUSE, AnswerView
from small_models import picture
from windows import wait_for

pytestmark = pytest.mark.gui

LOCAL = "file:" + "///"
BOX = "<|ref|>{label}<|/ref|><|det|>[[{x}, 0, 999, 500]]<|/det|>"


def turn(answer: str, state: str = "done") -> Turn:
    return Turn(0, "?", (), answer, state, image_sizes=((1000, 500),))  # type: ignore[arg-type]


@pytest.fixture
def view(qtbot: QtBot) -> AnswerView:
    theme.apply("light")
    made = AnswerView(clock=lambda: 0.0)  # all at once
    qtbot.addWidget(made)
    made.resize(500, 40)
    made.show()
    return made


def test_characters_that_hide_or_turn_text_become_signs() -> None:
    """Escapes, turned directions, invisible letters, private ones; line ends of all systems are line ends."""
    assert answer_text.visible("a\x1b[2J\x00b\r\nc\u202etxt\u2066\u200bd\ue000\x85e\tf") == (
        "a␛[2J␀b\nc\ufffdtxt\ufffd\ufffdd\ufffd\ne\tf"
    )
    assert answer_text.visible("👩\u200d💻 می\u200cخواهم") == "👩\u200d💻 می\u200cخواهم"  # these two join letters


@pytest.mark.skipif(sys.platform == "win32", reason="a path of a file in an address looks different there")
def test_nothing_that_an_answer_names_is_read(
    view: AnswerView, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not a picture of this computer, not one of another, no script, no style; a link opens nothing."""
    secret = tmp_path / "secret.png"
    picture(60, 60, 1).save(secret)
    opened: list[QUrl] = []
    monkeypatch.setattr(QDesktopServices, "openUrl", opened.append)
    asked: list[object] = []
    load = QTextDocument.loadResource
    monkeypatch.setattr(QTextDocument, "loadResource", lambda *given: (asked.append(given), load(*given))[1])
    answer = (
        f"![alt]({LOCAL}{secret}) ![]({secret}) ![remote](http://198.51.100.7/x.png) ![share](//198.51.100.7/c.png)\n\n"
        f"[a file]({LOCAL}{secret}) <{LOCAL}{secret}> [a page](http://198.51.100.7/) www.example.org a@example.org\n\n"
        f"![by reference][1]\n\n[1]: {LOCAL}{secret}\n\n"
        f'<script>alert(1)</script><img src="{secret}"><b>bold</b><style>* {{color: red}}</style>'
    )
    view.show_answer(answer, is_final=True)
    qtbot.wait(1)
    looks = [look for block in blocks(view.document()) for *_, look in fragments(block)]
    assert len(looks) > 10
    assert not any(look.isImageFormat() or look.isAnchor() for look in looks)
    assert asked == []
    text = view.text()
    for part in ("[picture: alt]", "[picture: remote]", "a page (http://198.51.100.7/)", "<script>alert(1)</script>"):
        assert part in text
    for x in range(0, view.width(), 7):
        for y in range(0, view.height(), 7):
            qtbot.mouseClick(view.viewport(), Qt.MouseButton.LeftButton, pos=QPoint(x, y))
    assert opened == []
    assert view.text() == text


def test_a_document_that_is_asked_for_a_file_gives_one_transparent_pixel(tmp_path: Path) -> None:
    """Given nothing, Qt would open the file itself."""
    found = answer_document("x").loadResource(2, QUrl.fromLocalFile(str(tmp_path / "secret.png")))
    assert (found.width(), found.height(), found.pixelColor(0, 0).alpha()) == (1, 1, 0)  # type: ignore[attr-defined]


def test_markdown_is_rendered(view: AnswerView) -> None:
    """Tables with borders and a head, code of one typeface on a ground, headings no larger than those of the window."""
    view.show_answer("# Bill\n\n| A | B |\n|--|--:|\n| 1 | 2 |\n\n```\nx = 1\ny\n```\n\n**bold**", is_final=True)
    document = view.document()
    (table,) = tables(document.rootFrame())
    assert (table.rows(), table.columns(), table.format().border()) == (2, 2, 1)
    assert table.cellAt(0, 0).format().background().color() == theme.colour("sunken")
    (lines,) = code_blocks(document)
    assert [line.text() for line in lines] == ["x = 1", "y"]
    sizes = {look.toCharFormat().fontPointSize() for look in document.allFormats() if look.isCharFormat()}
    assert max(sizes) <= theme.points("heading")


def test_an_answer_that_grows_is_laid_out_after_a_pause(qtbot: QtBot) -> None:
    """Nine times as long as it took, so that most of the time belongs to others; its end comes at once."""
    now = [10.0]

    def clock() -> float:
        now[0] += 0.01
        return now[0]

    view = AnswerView(clock=clock)
    qtbot.addWidget(view)
    view.show_answer("a **b", is_final=False)
    view.show_answer("a **b** and **c", is_final=False)
    assert view.text() == "a **b"
    wait_for(qtbot, lambda: view.text() == "a b and **c")
    view.show_answer("a **b** and **c** d", is_final=False)
    assert view.text() == "a b and **c"
    view.show_answer("a **b** and **c** d *e*", is_final=True)
    assert view.text() == "a b and c d e"


def test_a_machine_that_stood_still_delays_the_next_words_by_a_second_at_most(qtbot: QtBot) -> None:
    times = iter([0.0, 0.0, 0.0, 100.0])  # asked when it comes, when it is laid out, after its one piece, at the end
    view = AnswerView(clock=lambda: next(times, 100.0))
    qtbot.addWidget(view)
    view.show_answer("a", is_final=False)
    view.show_answer("a b", is_final=False)
    assert view.text() == "a"
    assert view._later.interval() == LONGEST_PAUSE * 1000


def test_what_is_selected_stays_selected_while_the_answer_grows(qtbot: QtBot) -> None:
    view = AnswerView(clock=lambda: 0.0)
    qtbot.addWidget(view)
    view.show_answer("total **22**", is_final=False)
    cursor = QTextCursor(view.document())
    cursor.setPosition(5, QTextCursor.MoveMode.KeepAnchor)
    view.setTextCursor(cursor)
    view.show_answer("total **22** and more", is_final=False)
    assert view.textCursor().selectedText() == "total"


def test_boxes_are_numbered_chips_that_lead_to_the_picture(view: AnswerView, qtbot: QtBot) -> None:
    """Their numbers are those of the turn's boxes; the pointer on one tells which; marked from the picture."""
    found = turn(f"The {BOX.format(label='total', x=1)} 😀 and {BOX.format(label='date', x=2)}.")
    view.show_answer(answer_text.shown_markdown(found), is_final=True)
    assert view.text().replace("\u2009", "").replace("\u00a0", " ") == "The total 1  😀 and date 2 ."
    assert [box.label for box in found.boxes] == ["total", "date"]
    told: list[object] = []
    view.box_hovered.connect(told.append)
    view.highlighted.emit(QUrl("box:1"))
    view.highlighted.emit(QUrl(""))
    with qtbot.waitSignal(view.box_chosen) as chosen:
        view.anchorClicked.emit(QUrl("box:0"))
    assert (told, chosen.args) == ([1, None], [0])
    view.highlight_box(1)
    (marked,) = view.extraSelections()
    assert marked.cursor.selectedText().strip("\u00a0") == "2"
    view.highlight_box(None)
    assert view.extraSelections() == []


def test_the_markup_of_a_box_that_is_not_complete_is_never_seen() -> None:
    """However the answer is cut while it comes."""
    answer = f"The {BOX.format(label='total', x=1)} is 5."
    for length in range(len(answer)):
        shown = answer_text.shown_markdown(turn(answer[:length], "streaming"))
        assert "<" not in shown and "|" not in shown and "det" not in shown, answer[:length]


def test_code_has_a_button_that_copies_it(view: AnswerView, qtbot: QtBot) -> None:
    view.show_answer("```python\nx = 1\n  y = 2\n```", is_final=True)
    (button,) = view._copy_buttons.values()
    with qtbot.waitSignal(view.code_copied) as copied:
        button.click()
    assert copied.args == ["x = 1\n  y = 2"]
    view.show_answer("```\nx\n```", is_final=True)
    (button,) = view._copy_buttons.values()
    assert button.geometry().bottom() < view.height()


def test_an_answer_is_taken_elsewhere_without_its_boxes() -> None:
    """As Markdown, or its table as CSV, with nothing invisible in it."""
    table = "| Item | Price |\n|---|---|\n| a, b | 1\u202e |"
    found = turn(f"The {BOX.format(label='total', x=1)}:\n\n{table}")
    assert answer_text.copied_markdown(found) == f"The total:\n\n{table}".replace("\u202e", "\ufffd")
    assert answer_text.has_table(found)
    assert answer_text.copied_csv(found) == 'Item,Price\n"a, b",1\ufffd\n'
    assert not answer_text.has_table(turn("no table"))


PARTS = (
    "para **b**\nmore\n\n",
    "# H\n\n",
    "- a\n- b\n\n",
    "1. a\n2. b\n\n",
    "- a\n  - b\n\n    c\n\n",
    "> q\n\n",
    "- [x] a\n\n",
    "```py\nx\n\n# y\n```\n\n",
    "| A | B |\n|---|---|\n| 1 | **2** |\n\n",
    "~~~\n```\n\ny\n~~~\n\n",
    f"{answer_text.box_mark(0)} box\n\n",
)


def texts_of(answer: str) -> list[str]:
    return [piece.markdown for piece in pieces(answer)]


def looks(view: AnswerView | QTextDocument) -> list[object]:
    document = view.document() if isinstance(view, AnswerView) else view
    found: list[object] = []
    for block in blocks(document):
        look, text_list = block.blockFormat(), block.textList()
        place = (text_list.format().style(), text_list.itemNumber(block)) if text_list is not None else None
        runs = [(text, shape.fontWeight(), shape.anchorHref()) for *_, text, shape in fragments(block)]
        in_table = QTextCursor(block).currentTable() is not None
        found.append((runs, place, in_table, look.headingLevel(), look.topMargin(), look.background().color().name()))
    return found


@pytest.mark.parametrize("seed", range(20))
def test_an_answer_that_came_in_pieces_looks_as_if_it_had_come_at_once(qtbot: QtBot, seed: int) -> None:
    """Wherever it was cut, and whatever follows on what."""
    source = random.Random(seed)
    answer = "".join(source.choices(PARTS, k=6))
    assert "\n\n".join(texts_of(answer)) == answer.rstrip()
    grown, at_once = AnswerView(clock=lambda: 0.0), AnswerView(clock=lambda: 0.0)
    for view in (grown, at_once):
        qtbot.addWidget(view)
    length = 0
    while length < len(answer):
        length += source.randint(1, 9)
        grown.show_answer(answer[:length], is_final=False)
    for view in (grown, at_once):
        view.show_answer(answer, is_final=True)
    assert looks(grown) == looks(at_once)
    assert grown._answer.boxes == at_once._answer.boxes
    assert grown._copy_buttons.keys() == at_once._copy_buttons.keys()


def test_the_pieces_of_an_answer_look_as_one_document(view: AnswerView) -> None:
    """As Qt lays out Markdown that it is given at once."""
    answer = "".join(part for part in PARTS if not part.startswith((">", "~"))).replace("```\n\n|", "```\n\nz\n\n|")
    assert len(pieces(answer)) > 6
    view.show_answer(answer, is_final=True)
    assert looks(view) == looks(answer_document(answer))


def test_a_long_answer_is_laid_out_in_several_turns_of_the_event_loop(qtbot: QtBot) -> None:
    """One piece in each where each takes long; what is there is never laid out again, and a copy has all of it."""
    ticks = itertools.count()
    view = AnswerView(clock=lambda: float(next(ticks)))
    qtbot.addWidget(view)
    answer = "".join(f"words {number}\n\n" for number in range(20))
    view.show_answer(answer, is_final=True)
    assert (view.text(), view.is_whole) == ("words 0", False)
    first = view._answer.pieces[0]
    wait_for(qtbot, lambda: view.is_whole)
    assert view.text().split("\n") == [f"words {number}" for number in range(20)]
    view.show_answer(answer + "more", is_final=True)
    assert view.text().endswith("words 19\nmore")
    assert view._answer.pieces[0] is first
    view.show_answer("x\n\n" + answer, is_final=True)
    wait_for(qtbot, lambda: view.is_whole)
    assert view.text().startswith("x\nwords 0\n") and view.text().endswith("words 19")


def test_code_that_lists_hold_is_never_cut() -> None:
    """Nor what a fence of more signs holds; a fence that stays open goes to the end."""
    assert texts_of("- a\n\n  ```\n\n  x\n  ```\n\nend") == ["- a\n\n  ```\n\n  x\n  ```", "end"]
    assert texts_of("````\n```\n\nx\n````\n\nend") == ["````\n```\n\nx\n````", "end"]
    assert texts_of("a\n\n```\nx\n\ny\n\nz") == ["a", "```\nx\n\ny\n\nz"]
    assert texts_of("\n \n") == []


def test_a_long_table_is_laid_out_in_parts_that_look_as_one(view: AnswerView, qtbot: QtBot) -> None:
    """One head, columns of the same places in all parts, all rows in their order; the copy has no gap in it."""
    rows = [f"| item {number} | {number * 7} |" for number in range(3 * MOST_ROWS + 1)]
    answer = "\n".join(["| A | B |", "|---|--:|", *rows]) + "\n\nend"
    view.show_answer(answer, is_final=True)
    parts = list(tables(view.document().rootFrame()))
    assert [part.rows() for part in parts] == [MOST_ROWS + 1, MOST_ROWS, MOST_ROWS, 1]
    assert view.whole_text() == answer_document(answer).toPlainText()
    assert view.text().split() == view.whole_text().split()
    layout = view.document().documentLayout()
    edges = {layout.blockBoundingRect(part.cellAt(0, 1).firstCursorPosition().block()).left() for part in parts}
    assert len(edges) == 1
    gaps = [
        layout.frameBoundingRect(below).top() - layout.frameBoundingRect(above).bottom()
        for above, below in itertools.pairwise(parts)
    ]
    assert max(gaps) <= 2
    grown = AnswerView(clock=lambda: 0.0)
    qtbot.addWidget(grown)
    for length in range(0, len(answer), 40):
        grown.show_answer(answer[:length], is_final=False)
    grown.show_answer(answer, is_final=True)
    assert looks(grown) == looks(view)

"""Measures the history of the window with many messages: python desktop_app/benchmark_history.py [FOLDER] [MESSAGES].

Without a folder one is made and deleted. Times are of this process' own processor, in milliseconds, so that other
programs do not count; each is the median of nine.
"""

from __future__ import annotations

import random
import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from pathlib import Path

from dsvl2_app.state.history.records import SavedTurn
from dsvl2_app.state.history.rows import turn_values
from dsvl2_app.state.history.store import Store

MESSAGES = 100_000
TURNS_OF_A_CONVERSATION = 5
REPEATS = 9
QUERIES = ("total", "the", "absent words", "zzzz", "to", "qz", "é", "中", "丁金", "总金额", "a")
LETTERS = "etaoinshrdlucmfwypvbgk"


def fill(store: Store, messages: int) -> None:
    """Conversations of random words, a third of them with Chinese ones; a turn has two messages."""
    source = random.Random(7)  # noqa: S311 - no secret
    words = ["".join(source.choices(LETTERS, k=source.randint(2, 9))) for _ in range(5000)] + ["total", "the"]
    signs = [chr(0x4E00 + source.randint(0, 3000)) for _ in range(3000)]

    def text(count: int) -> str:
        latin = " ".join(source.choices(words, k=count))
        return latin + "".join(source.choices(signs, k=count)) if source.random() < 0.3 else latin

    with store._writing():
        for number in range(messages // 2):
            if number % TURNS_OF_A_CONVERSATION == 0:
                conversation = uuid.UUID(int=source.getrandbits(128)).hex
            turn = SavedTurn(uuid.UUID(int=source.getrandbits(128)).hex, text(8), 1e9 + number, text(60), "done")
            row = store._conversation_row(conversation, turn.question, turn)
            # The quick way in: no images, and no turn that is there already.
            store._connection.execute(
                "INSERT INTO turns(id, conversation, question, answer, state, asked_at, more, model, folded) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (turn.id, row, *turn_values(turn)),
            )


def milliseconds(work: Callable[[], object]) -> float:
    """Median of the processor's time for a piece of work."""
    times = []
    for _ in range(REPEATS):
        begin = time.process_time()
        work()
        times.append((time.process_time() - begin) * 1000)
    return statistics.median(times)


def main(folder: Path, messages: int) -> None:
    """Fill the folder if it is empty, then measure."""
    with Store(folder) as store:
        if not store.page().summaries:
            fill(store, messages)
        count = store._connection.execute("SELECT count(*) FROM turns").fetchone()[0] * 2
    print(f"{count} messages, {store.size() / 1e6:.0f} MB")
    print(f"open and first page {milliseconds(lambda: _first_page(folder)):8.1f}")
    with Store(folder) as store:
        for query in QUERIES:
            found = len(store.search(query))
            print(f"search {query!r:16} {milliseconds(lambda query=query: store.search(query)):8.1f}  {found} found")  # type: ignore[misc]
        print(f"check               {milliseconds(store.check):8.1f}")


def _first_page(folder: Path) -> None:
    with Store(folder) as store:
        store.page()


if __name__ == "__main__":
    count = int(sys.argv[2]) if len(sys.argv) > 2 else MESSAGES
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]), count)
    else:
        with tempfile.TemporaryDirectory() as temporary:
            main(Path(temporary), count)

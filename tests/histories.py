"""What the tests of kept conversations share."""

from __future__ import annotations

import uuid
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

from dsvl2_app.state.history.records import SavedImage, SavedTurn
from dsvl2_app.state.history.store import Store
from small_models import picture


def new_id() -> str:
    return uuid.uuid4().hex


def turn(question: str = "What is the total?", answer: str = "It is 12.80.", at: float = 1000.0) -> SavedTurn:
    return SavedTurn(new_id(), question, at, answer, "done")


def content(folder: Path, seed: int) -> tuple[Path, str]:
    """A picture's file and its hash."""
    path = folder / f"picture-{seed}.png"
    picture(40, 30, seed).save(path)
    return path, sha256(path.read_bytes()).hexdigest()


def with_image(question: SavedTurn, digest: str, name: str = "bill.png") -> SavedTurn:
    return replace(question, images=(SavedImage(name, digest, 40, 30),))


def kept(store: Store, question: str, answer: str = "", at: float = 1000.0) -> str:
    """A new conversation with one turn; its id."""
    identity = new_id()
    store.save_turn(identity, question, turn(question, answer, at))
    return identity

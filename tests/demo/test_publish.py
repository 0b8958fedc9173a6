"""From what a training run brings back to the bundle that ships and the figures of its card."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from PIL import Image

from dsvl2_demo import publish as publishing
from dsvl2_demo.evaluation.card import Asked, all_scores, card_tables
from dsvl2_demo.evaluation.held_out import Case
from dsvl2_demo.publish import main, publish_run, score
from dsvl2_demo.training.geometry import tiny_config
from dsvl2_demo.training.pieces import write_pieces
from dsvl2_demo.training.run_state import Progress, RunFolder
from dsvl2_demo.training.training_model import Reader
from dsvl2_runtime import load_model


@pytest.fixture(scope="module")
def brought(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pieces and a log, as a machine with a GPU sends them back; no state."""
    out = tmp_path_factory.mktemp("brought")
    torch.manual_seed(5)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("dsvl2_demo.training.pieces.PIECE_BYTES", 200_000)
        write_pieces(Reader(tiny_config()).state_dict(), out, tmp_path_factory.mktemp("room"), 12)
    measured = {"stage": "sheets-eyes", "minutes": 0.7, "step": 12, "held_out": {"token": 0.5}}
    (out / "log.jsonl").write_text(f"{json.dumps(measured)}\n{json.dumps({'step': 12, 'sheets': {}})}\n", "utf-8")
    assert len(list(out.glob("weights-*"))) > 2
    return out


@pytest.fixture
def run(brought: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(brought, tmp_path / "run"))


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publishing, "demo_config", tiny_config)


def test_pieces_become_checkpoint_bundle_log_and_curve(run: Path, tmp_path: Path) -> None:
    """Without the state; and once more over what is there."""
    into = tmp_path / "model"
    main([str(run), "--into", str(into), "--sheets", "0"])
    main([str(run), "--into", str(into), "--sheets", "0"])
    model = load_model(into / "bundle", threads=1)
    assert (model.name, model.bundle.manifest.precision) == ("demo", "int4")
    assert (into / "log.jsonl").read_bytes() == (run / "log.jsonl").read_bytes()
    with Image.open(into / "curve.png") as curve:
        assert curve.size[0] > 500
    assert sorted(path.name for path in into.iterdir()) == ["bundle", "checkpoint", "curve.png", "log.jsonl"]


def test_the_state_of_a_run_is_published_too(run: Path, tmp_path: Path) -> None:
    reader = Reader(tiny_config())
    RunFolder(tmp_path / "state").save(Progress(), reader, reader.state_dict(), [])
    publish_run(tmp_path / "state", tmp_path / "model", tiny_config())
    assert load_model(tmp_path / "model" / "bundle", threads=1).weights_note


@pytest.mark.parametrize(
    ("break_it", "code", "said"),
    [
        (lambda path: path.unlink(), 4, "weights-1.safetensors is missing"),
        (lambda path: path.write_bytes(path.read_bytes()[:-1]), 4, "weights-1.safetensors: it cannot be read"),
        (lambda path: path.write_bytes(path.read_bytes()[:-1] + b"\x7f"), 4, "are not those that were written"),
        (lambda path: shutil.rmtree(path.parent), 2, "holds neither weights in pieces nor a state.pt"),
    ],
)
def test_what_is_damaged_is_refused_and_what_ships_stays(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], break_it: object, code: int, said: str
) -> None:
    into = tmp_path / "model"
    for name in ("checkpoint", "bundle"):
        (into / name).mkdir(parents=True)
        (into / name / "kept").touch()
    assert callable(break_it)
    break_it(run / "weights-1.safetensors")
    with pytest.raises(SystemExit) as ended:
        main([str(run), "--into", str(into)])
    assert ended.value.code == code
    assert said in capsys.readouterr().err
    assert sorted(str(path.relative_to(into)) for path in into.rglob("kept")) == ["bundle/kept", "checkpoint/kept"]


def test_weights_of_another_network_are_refused(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.undo()
    with pytest.raises(SystemExit):
        main([str(run), "--into", str(tmp_path / "model")])
    assert "tensors differ" in capsys.readouterr().err
    assert not (tmp_path / "model" / "bundle").exists()


def test_the_card_tells_what_was_asked(tmp_path: Path, run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader that is always right but for the examples, one of which would break a table."""
    Image.new("RGB", (40, 30)).save(tmp_path / "page.png")
    (tmp_path / "questions.json").write_text(
        json.dumps([{"picture": "page.png", "question": "What?", "answer": "that"}]), "utf-8"
    )
    (tmp_path / "others").mkdir()
    Image.new("RGB", (30, 40)).save(tmp_path / "others" / "window.png")
    (tmp_path / "others" / "questions.json").write_text(
        json.dumps([{"picture": "window.png", "question": "Which?", "answer": "this"}]), "utf-8"
    )

    def answerer(case: Case) -> str:
        return "a | b\n`c`" if case.answer == "that" else case.answer

    told: list[str] = []
    scores = all_scores(answerer, Asked(1, 4), tmp_path, told.append)
    assert told == ["real pages", "locate", "json", "transcriptions", "pages of one tile", "examples"]
    assert (scores["locate"], scores["json"]) == ({"exact": 1.0, "n": 7}, {"exact": 1.0, "n": 4})
    assert scores["transcribe"] == {"cer": 0.0, "n": 1}
    text = card_tables(scores)
    assert "| receipt | 100 % (1 of 1) | 85 % |" in text
    assert "Examples: 0 of 1 questions are right." in text
    assert "Other programs: 1 of 1 questions are right." in text
    assert "| page.png | What? | `that` | `a \\| b 'c'` | **no** |" in text

    publish_run(run, tmp_path / "model", tiny_config())
    monkeypatch.setattr(publishing, "bundle_answerer", lambda model: answerer)
    score(tmp_path / "model", Asked(1, 4), 1, None)
    assert json.loads((tmp_path / "model" / "scores.json").read_text("utf-8"))["transcribe"] == scores["transcribe"]
    assert "Examples" not in (tmp_path / "model" / "scores.md").read_text("utf-8")

"""A short run of the trainer, its save, and the checkpoint and bundle made from it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from dsvl2_demo.evaluation.evaluate import bundle_answerer
from dsvl2_demo.evaluation.held_out import held_out_cases
from dsvl2_demo.evaluation.network_answerer import network_answerer
from dsvl2_demo.pages.documents import PageRange
from dsvl2_demo.pages.style import StyleRange
from dsvl2_demo.training.batch import Batch
from dsvl2_demo.training.batches import BatchRange
from dsvl2_demo.training.curriculum import Stage
from dsvl2_demo.training.geometry import demo_config, tiny_config
from dsvl2_demo.training.publish import publish
from dsvl2_demo.training.resize_tiles import POSITIONS, ROW, stretched
from dsvl2_demo.training.settings import Settings, parse_args
from dsvl2_demo.training.sitting import Sitting
from dsvl2_demo.training.train import End, Trainer
from dsvl2_demo.training.training_model import Losses, Reader
from dsvl2_export.exporter import export_bundle
from dsvl2_runtime import load_model
from dsvl2_runtime.errors import ModelCorruptError, UsageError
from dsvl2_runtime.geometry import official_resolutions

PAGES = PageRange(sizes=((112, 112),), most_entries=2, style=StyleRange(faces=1, smallest_em=14, largest_em=16))
BATCHES = BatchRange(PAGES, (("value", 1.0), ("transcribe", 1.0)), turns=2)
STEPS = 24
OVER = Sitting(0.0)
"""A sitting whose time is up after one step."""


def stages() -> tuple[Stage, ...]:
    return (
        Stage("language", "language", 60, BATCHES, 8, 4e-3, warm_up_steps=5, steps=STEPS),
        Stage("vision", "vision", 60, BATCHES, 8, 4e-3, warm_up_steps=5, steps=STEPS),
        Stage("joint", "joint", 60, BATCHES, 8, 4e-3, warm_up_steps=5, steps=STEPS),
        Stage("rounded", "joint", 60, BATCHES, 8, 4e-3, warm_up_steps=5, steps=2, rounded=True),
    )


def settings(out: Path) -> Settings:
    return Settings(out, workers=0, save_minutes=0.05, measure_examples=2)


class Watched(Trainer):
    """Keeps the losses of every step."""

    losses: dict[str, list[Losses]]

    def step(self, batch: Batch, end: End = End.NOT_YET) -> tuple[Losses, End]:
        losses, agreed = super().step(batch, end)
        self.losses.setdefault(self.stage.name, []).append(losses)
        return losses, agreed


def log_of(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "log.jsonl").read_text("utf-8").splitlines()]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Watched:
    """A finished run at tiny sizes."""
    trainer = Watched(settings(tmp_path_factory.mktemp("run")), tiny_config(), stages())
    trainer.losses = {}
    trainer.run()
    return trainer


@pytest.fixture(scope="module")
def run_folder(finished: Watched) -> Path:
    return finished.settings.out


@pytest.mark.parametrize(("phase", "loss"), [("language", "answer"), ("vision", "layout"), ("joint", "answer")])
def test_every_phase_learns(finished: Watched, phase: str, loss: str) -> None:
    """In each phase the loss that it trains is lower at its end than at its beginning."""
    losses = [float(getattr(found, loss).detach()) for found in finished.losses[phase]]
    assert len(losses) == STEPS
    assert sum(losses[-5:]) < 0.95 * sum(losses[:5]), losses


def test_a_run_goes_on_where_it_was_saved(tmp_path: Path) -> None:
    """Weights, averages, optimisers and the count of steps come back; the log is continued, not begun anew."""
    first = Trainer(replace(settings(tmp_path), minutes=0.0), tiny_config(), stages()[:1])
    first._run_stage(OVER)
    first._run_stage(OVER)
    first.save()
    second = Trainer(settings(tmp_path), tiny_config(), stages()[:1])
    assert second.progress.step == first.progress.step == 2
    assert second.progress.sitting == 1
    for name, value in first.average.state_dict().items():
        assert torch.equal(second.average.state_dict()[name], value), name
    for old, new in zip(first.optimizers, second.optimizers, strict=True):
        before, after = old.state_dict(), new.state_dict()
        assert before["param_groups"] == after["param_groups"]
        assert before["state"].keys() == after["state"].keys() != set()
        for parameter, values in before["state"].items():
            assert values.keys() == after["state"][parameter].keys()
            for name, value in values.items():
                torch.testing.assert_close(after["state"][parameter][name], value, rtol=0, atol=0)
    lines = len(log_of(tmp_path))
    second.run()
    assert second.progress.step == STEPS
    assert len(log_of(tmp_path)) > lines


def test_steps_that_were_not_saved_leave_the_log(tmp_path: Path) -> None:
    """A run that was killed after its last save repeats the steps since then and logs them once."""
    first = Trainer(replace(settings(tmp_path), minutes=0.0), tiny_config(), stages()[:1])
    first._run_stage(OVER)
    first.save()
    first._run_stage(OVER)
    with (tmp_path / "log.jsonl").open("a") as file:
        file.write('{"step": 3, "broken')
    assert Trainer(settings(tmp_path), tiny_config(), stages()[:1]).progress.step == 1
    assert [entry["step"] for entry in log_of(tmp_path)] == [1]


def test_a_run_does_not_go_on_with_the_stages_of_another(tmp_path: Path) -> None:
    """As it would when `--start` is left out the second time."""
    first = Trainer(replace(settings(tmp_path), minutes=0.0), tiny_config(), stages()[:1])
    first.save()
    with pytest.raises(UsageError, match="in stage 'language', where this curriculum has 'vision'"):
        Trainer(settings(tmp_path), tiny_config(), stages()[1:])


def test_a_finished_run_can_be_given_more_stages(run_folder: Path, tmp_path: Path) -> None:
    """A stage of another phase continues with the run's weights and new optimisers."""
    shutil.copytree(run_folder, tmp_path, dirs_exist_ok=True)
    before = torch.load(run_folder / "state.pt", weights_only=True)["model"]
    more = Trainer(settings(tmp_path), tiny_config(), (*stages(), stages()[1]))
    assert more.stage.phase == "vision"
    for name, value in more.reader.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_a_run_can_begin_with_published_weights(run_folder: Path, tmp_path: Path) -> None:
    """As bf16 has them, what training added to the network included."""
    published = torch.load(run_folder / "state.pt", weights_only=True)["average"]
    publish(published, tiny_config(), tmp_path / "checkpoint")
    begun = Trainer(replace(settings(tmp_path / "run"), start=tmp_path / "checkpoint"), tiny_config(), stages())
    for name, value in begun.reader.state_dict().items():
        assert torch.equal(value, published[name].bfloat16().float()), name


def test_weights_for_small_tiles_are_stretched_to_larger_ones() -> None:
    """A slope over the tile stays that slope; what belongs to no place stays as it is, as do fitting weights."""
    small = tiny_config()
    vision = replace(small.vision_config, image_size=224)
    large = replace(small, vision_config=vision, candidate_resolutions=official_resolutions(224))
    weights = {name: value.clone() for name, value in Reader(small).state_dict().items()}
    column = (torch.arange(8) + 0.5) / 8
    weights[POSITIONS][0] = (column[None, :, None] + 10 * column[:, None, None]).expand(8, 8, 64).reshape(64, 64)
    weights[ROW][:, 0] = ((torch.arange(4) + 0.5) / 4)[:, None]
    found = stretched(weights, large)
    place = (torch.arange(16) + 0.5) / 16
    expected = place[None, :, None] + 10 * place[:, None, None]
    inside = slice(3, -3)
    square = found[POSITIONS].view(16, 16, 64)
    # Cubic pieces leave a slope by up to a tenth of a step, which is 10 / 16 down and 1 / 16 across.
    torch.testing.assert_close(square[inside, inside], expected.expand(16, 16, 64)[inside, inside], atol=0.07, rtol=0)
    torch.testing.assert_close(found[ROW][3:-3, 0, 0], ((torch.arange(8) + 0.5) / 8)[3:-3], atol=0.02, rtol=0)
    Reader(large).load_state_dict(found)
    for name, value in stretched(weights, small).items():
        assert torch.equal(value, weights[name]), name


def test_only_a_published_checkpoint_can_be_begun_with(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Said before anything is started."""
    with pytest.raises(SystemExit):
        parse_args(["--out", str(tmp_path / "run"), "--start", str(tmp_path)])
    assert "training.safetensors" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_training_wants_its_typefaces(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without them a model would quietly learn to read a few; whoever wants that says so."""
    monkeypatch.setattr("dsvl2_demo.training.settings.missing_training_faces", lambda: ("Lato-Regular",))
    with pytest.raises(SystemExit):
        parse_args(["--out", str(tmp_path / "run")])
    assert "fonts-lato" in capsys.readouterr().err
    assert parse_args(["--out", str(tmp_path / "run"), "--any-faces"]).out == tmp_path / "run"


def test_a_published_run_is_a_checkpoint_that_exports_and_answers(run_folder: Path, tmp_path: Path) -> None:
    """Network in PyTorch and fp32 bundle give the same greedy answers; the report has the promised form."""
    state = torch.load(run_folder / "state.pt", weights_only=True)
    checkpoint, bundle = tmp_path / "checkpoint", tmp_path / "bundle"
    publish(state["average"], tiny_config(), checkpoint)
    export_bundle(checkpoint, bundle, "fp32")
    model = load_model(bundle, threads=1)
    assert "demonstration" in model.weights_note
    cases = list(held_out_cases(3, 1))
    assert [network_answerer(checkpoint)(case)[:40] for case in cases] == [
        bundle_answerer(model)(case)[:40] for case in cases
    ]
    command = [sys.executable, "-c", "from dsvl2_runtime.cli.main import main; main()"]
    options = ["eval", "--model", str(bundle), "--limit", "4", "--seed", "1", "--format", "json"]
    found = subprocess.run([*command, *options], capture_output=True, encoding="utf-8", check=True)
    report = json.loads(found.stdout)
    assert set(report) == {"model", "precision", "tasks"}
    assert {task: set(entry) for task, entry in report["tasks"].items()} == {
        "value": {"exact", "n"}, "transcribe": {"cer", "n"}, "locate": {"iou50", "n"}, "compare": {"exact", "n"},
    }  # fmt: skip


def test_a_run_of_another_geometry_is_not_published(tmp_path: Path) -> None:
    """The tensors must be those of the configuration, and a folder is never overwritten."""
    weights = Reader(tiny_config()).state_dict()
    with pytest.raises(ModelCorruptError, match="tensors differ"):
        publish(weights, demo_config(), tmp_path / "out")
    assert not (tmp_path / "out").exists()
    with pytest.raises(UsageError, match="is there already"):
        publish(weights, tiny_config(), tmp_path)

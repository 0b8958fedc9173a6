"""Training the demo model: `python -m dsvl2_demo.training.train --out models/dsvl2_demo/runs/main`.

A run goes through the stages of `curriculum.py` and goes on from its last save when started again. It writes one JSON
line per measurement to `log.jsonl` in its folder. The same code runs on CPU and CUDA.
"""

from __future__ import annotations

import copy
import enum
import functools
import itertools
import math
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import nullcontext
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.utils.data import IterableDataset

from dsvl2_demo.training.arithmetic import autocast
from dsvl2_demo.training.batch import Batch
from dsvl2_demo.training.batches import BatchRange, BatchStream
from dsvl2_demo.training.batches_ahead import drawn_ahead
from dsvl2_demo.training.curriculum import Stage, further_stages, sheet_stages, shipped_stages
from dsvl2_demo.training.data_parallel import Group, together
from dsvl2_demo.training.fake_quant import rounded
from dsvl2_demo.training.fused import MaskedExperts, experts_of, fuse
from dsvl2_demo.training.geometry import demo_config, small_config
from dsvl2_demo.training.grow import grown
from dsvl2_demo.training.measure import measure
from dsvl2_demo.training.measured_sheets import DrawnPages, drawn_sheets, measured_sheets
from dsvl2_demo.training.objective import objective
from dsvl2_demo.training.optimizers import optimizers_for
from dsvl2_demo.training.pieces import piece_files, put_in_place, write_pieces
from dsvl2_demo.training.publish import BESIDE_FILE, NETWORK
from dsvl2_demo.training.recorded import RecordedSteps
from dsvl2_demo.training.run_state import LOG_FILE, Progress, RunFolder, seed_everything
from dsvl2_demo.training.settings import Settings, parse_args
from dsvl2_demo.training.sheet_batches import SheetRange, SheetStream
from dsvl2_demo.training.sitting import Sitting
from dsvl2_demo.training.training_model import LOGGED, Losses, Reader
from dsvl2_export.checkpoint.checkpoint import Checkpoint, load_network
from dsvl2_runtime.config import ModelConfig
from dsvl2_runtime.errors import Dsvl2Error, ResourceError, UsageError
from dsvl2_runtime.machine.files import disk_errors

GRADIENT_CLIP = 1.0
AVERAGE_DECAY = 0.99
"""Decay per step of the averaged weights, which are what is measured and published."""

ANSWER_TASKS = ("value", "transcribe")
MEASURE_SEED = 20_000
MEASURED_FILE = "measured.jsonl"
SHEETS_WHILE_TRAINING = 10
"""Questions of each kind of page at every measurement."""


class End(enum.IntEnum):
    """What a step is the last of."""

    NOT_YET = 0
    SITTING = 1
    STAGE = 2


class Trainer:
    """One sitting of a run."""

    def __init__(
        self, settings: Settings, config: ModelConfig, stages: Sequence[Stage], group: Group | None = None
    ) -> None:
        seed_everything(settings.seed)
        self.group = group or Group()
        self.settings = settings
        self.stages = stages
        self.folder = RunFolder(settings.out)
        self.device = torch.device(settings.device)
        self.reader = Reader(config).to(self.device)
        self.reader.gaze_positions = settings.gaze_positions
        if self.device.type == "cuda":
            torch.set_float32_matmul_precision("high")
            fuse(self.reader, experts_of(self.device) if settings.grouped else MaskedExperts)
        self.average = copy.deepcopy(self.reader).requires_grad_(False)
        self._loaded: tuple[BatchRange | SheetRange, Iterator[Batch]] | None = None
        self.progress = Progress()
        self.optimizers: list[torch.optim.Optimizer] = []
        self._few_sheets: list[DrawnPages] = []
        self._recorded: RecordedSteps | None = None
        self._restore()

    def _restore(self) -> None:
        state = self.folder.load()
        if state is None:
            self._require_no_pieces()
            if self.settings.start is not None:
                opened = Checkpoint.open(self.settings.start)
                weights = {NETWORK + name: value for name, value in load_network(opened).state_dict().items()}
                weights |= load_file(self.settings.start / BESIDE_FILE)
                self.reader.load_state_dict(grown(weights, opened.config, self.reader.config))
            self._enter_stage()
            return
        self.progress = Progress(**state["progress"])
        self._require_same_stages()
        self.progress.sitting += 1
        if self.group.leads:
            self.folder.forget_after(self.progress.step)
        self.reader.load_state_dict(state["model"])
        self.average.load_state_dict(state["average"])
        torch.set_rng_state(state["random"])
        if self.progress.stage < len(self.stages) and self.progress.entered != self.progress.stage:
            self._enter_stage()
        elif self.progress.stage < len(self.stages):
            self._freeze()
            self.optimizers = optimizers_for(self.reader, self.stage.learning_rate)
            for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
                optimizer.load_state_dict(saved)

    def _require_no_pieces(self) -> None:
        if (pieces := self.settings.pieces) is not None and piece_files(pieces):
            raise UsageError(
                f"{pieces} holds weights already, and {self.settings.out} no run to go on with; give another folder "
                "for the pieces, or the --out of the run that wrote them"
            )

    def _require_same_stages(self) -> None:
        entered, name = self.progress.entered, self.progress.stage_name
        found = self.stages[entered].name if 0 <= entered < len(self.stages) else None
        if name and found != name:
            raise UsageError(
                f"{self.settings.out} is in stage {name!r}, where this curriculum has {found!r}; give --start as when "
                "the run began, or --out another folder"
            )

    @property
    def stage(self) -> Stage:
        """The present stage."""
        return self.stages[self.progress.stage]

    def _freeze(self) -> None:
        phase = self.stage.phase
        eyes = {"vision", "projector"}
        keep_layout = self.stage.keep_layout or phase == "joint"
        for name, parameter in self.reader.named_parameters():
            of_eyes = name.startswith("layout_head") or (name.startswith("network.") and name.split(".")[1] in eyes)
            of_layout = name.startswith("layout_embedding")
            learns = {"language": not of_eyes, "vision": of_eyes, "joint": True}[phase]
            parameter.requires_grad_(learns and not (of_layout and keep_layout))
        if self.settings.recorded and self._recorded is None:  # the stages on real pages all learn the same
            self._recorded = RecordedSteps(self._compute, self._learning())

    def _learning(self) -> list[nn.Parameter]:
        return [parameter for parameter in self.reader.parameters() if parameter.requires_grad]

    def _enter_stage(self) -> None:
        self._freeze()
        if self.stage.fresh_optimizer or not self.optimizers:
            self.optimizers = optimizers_for(self.reader, self.stage.learning_rate)
        self.group.same([parameter.data for parameter in self.reader.parameters()])
        self.average.load_state_dict(self.reader.state_dict())
        self.progress.entered, self.progress.stage_name = self.progress.stage, self.stage.name
        self.progress.stage_step, self.progress.stage_seconds = 0, 0.0

    def _batches(self) -> Iterator[Batch]:
        """Batches of the present stage; workers that already draw such ones go on, with what they have drawn."""
        progress, rank, range_ = self.progress, self.group.rank, self.stage.batches
        if self._loaded is not None and self._loaded[0] == range_ and isinstance(range_, SheetRange):
            return self._loaded[1]
        seed = hash((self.settings.seed, progress.stage, progress.sitting, progress.step, rank))
        stream: IterableDataset[Batch]
        if isinstance(range_, SheetRange):
            stream = SheetStream(range_, self.reader.config, seed)
        else:
            stream = BatchStream(range_, self.reader.config, self.stage.batch_size, seed)
        self._loaded = range_, drawn_ahead(stream, self.settings.workers, pinned=self.device.type == "cuda")
        return self._loaded[1]

    def _learning_rate(self) -> float:
        stage, progress = self.stage, self.progress
        warm = min(1.0, (progress.stage_step + 1) / stage.warm_up_steps)
        if stage.final_learning_rate is None:
            return stage.learning_rate * warm
        share = min(1.0, progress.stage_seconds / (stage.minutes * 60))
        falling = 0.5 * (1 + math.cos(math.pi * share))
        return warm * (stage.final_learning_rate + (stage.learning_rate - stage.final_learning_rate) * falling)

    def _compute(self, batch: Batch) -> tuple[Losses, Tensor]:
        phase = self.stage.phase
        with autocast(self.device):
            losses: Losses = self.reader(batch, phase)
        return losses, objective(losses, phase)

    def _losses_and_gradients(self, batch: Batch) -> Losses:
        if self._recorded is not None:
            return self._recorded(batch)
        for optimizer in self.optimizers:
            optimizer.zero_grad(set_to_none=True)
        losses, total = self._compute(batch.to(self.device))
        total.backward()
        return losses

    def step(self, batch: Batch, end: End = End.NOT_YET) -> tuple[Losses, End]:
        """One update from one batch; returns its losses and what ends with it, as the leading process sees it."""
        with rounded(self.reader) if self.stage.rounded else nullcontext():
            losses = self._losses_and_gradients(batch)
        learning = self._learning()
        rate, agreed = self.group.agree(learning, (self._learning_rate(), end))
        nn.utils.clip_grad_norm_(learning, GRADIENT_CLIP)
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = rate
            optimizer.step()
        self._update_average()
        return losses, End(round(agreed))

    @torch.no_grad()
    def _update_average(self) -> None:
        decay = min(AVERAGE_DECAY, (1 + self.progress.stage_step) / (10 + self.progress.stage_step))
        pairs = zip(self.average.parameters(), self.reader.parameters(), strict=True)
        moving = [(mean, live) for mean, live in pairs if live.requires_grad]
        torch._foreach_lerp_([mean for mean, _ in moving], [live for _, live in moving], 1 - decay)

    def run(self) -> None:
        """Train until the stages are over or this sitting's minutes are spent."""
        settings, progress = self.settings, self.progress
        measures = settings.measured_sheets > SHEETS_WHILE_TRAINING
        sitting = Sitting.of(settings.minutes, settings.began, finish=settings.finish, measures=measures)
        if progress.stage == len(self.stages) and self.group.leads:
            print("the stages of this run are over; publish it, and begin another from there to train on", flush=True)
        while progress.stage < len(self.stages):
            if settings.phase and self.stage.phase != settings.phase:
                break
            finished = self._run_stage(sitting)
            if finished:
                progress.stage += 1
                if progress.stage < len(self.stages):
                    self._enter_stage()
                    self._save_if_possible()
                    continue
            self.save()
            break
        is_over = progress.stage == len(self.stages) and self.group.leads
        if is_over and settings.measured_sheets and time.monotonic() < sitting.measuring_end:
            many = settings.measured_sheets, settings.workers, MEASURE_SEED
            pages = drawn_sheets(self.reader.config, *many) if measures else self._few()
            lines, shares = measured_sheets(self.average, pages, sitting.measuring_end)
            (self.folder.path / MEASURED_FILE).write_text(lines, "utf-8")
            self.folder.log({"step": progress.step, "questions": lines.count("\n"), "sheets": shares})
            self.save()

    def _planned_seconds_left(self) -> float:
        rest = sum(stage.minutes for stage in self.stages[self.progress.stage :])
        return max(0.0, rest * 60 - self.progress.stage_seconds)

    def _run_stage(self, sitting: Sitting) -> bool:
        """Whether the stage was finished, and not only the sitting's time over."""
        settings, progress, stage, leads = self.settings, self.progress, self.stage, self.group.leads
        batches = self._batches()
        first = next(batches)  # waiting for those who draw is no training
        last = time.monotonic()
        next_save, next_measure = last + settings.save_minutes * 60, last + settings.measure_minutes * 60
        since: list[tuple[Tensor, int]] = []
        good = 0.0
        for batch in itertools.chain([first], batches):
            spent_all = progress.stage_seconds >= stage.minutes * 60 or progress.stage_step + 1 == stage.steps
            end = End.SITTING if last >= sitting.end else End.NOT_YET
            planned = self._planned_seconds_left()
            losses, end = self.step(batch, End.STAGE if spent_all or good >= stage.enough else end)
            now = time.monotonic()
            progress.step += 1
            progress.stage_step += 1
            progress.stage_seconds += sitting.planned_seconds(last, now, planned)
            progress.total_seconds += now - last
            last = now
            progress.examples += batch.examples * self.group.size
            since.append((losses.logged(), batch.examples * self.group.size))
            if leads and settings.report_steps and progress.step % settings.report_steps == 0:
                self._report(batch, since[-1][0])
            if leads and (end or now >= next_measure):
                good = self._measure(since, now - next_measure + settings.measure_minutes * 60, sitting, end)
                since.clear()
                last = time.monotonic()
                next_measure = last + settings.measure_minutes * 60
            if end:
                return end is End.STAGE
            if leads and now >= next_save:
                self._save_if_possible()
                last = time.monotonic()
                next_save = last + settings.save_minutes * 60
        return True

    def _report(self, batch: Batch, logged: Tensor) -> None:
        progress = self.progress
        told = ", ".join(f"{name} {value:.3f}" for name, value in zip(LOGGED, logged.tolist(), strict=True) if value)
        memory = torch.cuda.max_memory_allocated() / 1e9 if self.device.type == "cuda" else 0.0
        print(
            f"{self.stage.name} step {progress.step} after {progress.total_seconds:.1f} s, {progress.examples} "
            f"conversations, batch {tuple(batch.input_ids.shape)} with {len(batch.pixels)} tiles, {memory:.1f} GB; "
            f"{told}",
            flush=True,
        )

    def _measure(self, since: list[tuple[Tensor, int]], seconds: float, sitting: Sitting, end: End) -> float:
        stage, progress = self.stage, self.progress
        count = self.settings.measure_examples
        reports: dict[str, Any] = {}
        good = 0.0
        plain = stage.batches.plain if isinstance(stage.batches, SheetRange) else stage.batches
        for split in ("train", "held_out"):
            tally = measure(self.average, stage.phase, plain, split, count, MEASURE_SEED)
            reports[split] = tally.report()
            good = tally.exact_rate(ANSWER_TASKS)
        if isinstance(stage.batches, SheetRange):
            good = 0.0
            if self.settings.measured_sheets and stage.phase == "joint" and not end:
                _, reports["sheets"] = measured_sheets(self.average, self._few(), sitting.measuring_end)
        parts = torch.stack([losses for losses, _ in since]).mean(0).tolist()
        means = {name: round(part, 4) for name, part in zip(LOGGED, parts, strict=True)}
        self.folder.log(
            {
                "stage": stage.name,
                "minutes": round(progress.total_seconds / 60, 1),
                "step": progress.step,
                "examples": progress.examples,
                "per_second": round(sum(examples for _, examples in since) / max(seconds, 1e-9), 1),
                "learning_rate": round(self._learning_rate(), 6),
                "training": {name: value for name, value in means.items() if value},
                **reports,
            }
        )
        return good

    def _few(self) -> Iterable[DrawnPages]:
        """Held-out pages for the measurements on the way, drawn once: starting processes for them takes longer."""
        if not self._few_sheets:
            per_kind = min(SHEETS_WHILE_TRAINING, self.settings.measured_sheets)
            self._few_sheets = list(drawn_sheets(self.reader.config, per_kind, 0, MEASURE_SEED))
        return self._few_sheets

    def _save_if_possible(self) -> None:
        """A save on the way: where the disk is full, training goes on, and the next save may succeed."""
        try:
            self.save()
        except ResourceError as error:
            print(f"not saved after step {self.progress.step}: {error}", flush=True)

    def save(self) -> None:
        """Save everything needed to go on."""
        if not self.group.leads:
            return
        average: dict[str, Tensor] = self.average.state_dict()
        self.folder.save(self.progress, self.reader, average, list(self.optimizers))
        if (pieces := self.settings.pieces) is not None:
            with disk_errors(pieces):
                write_pieces(average, pieces, self.folder.path, self.progress.step)
                for name in (LOG_FILE, MEASURED_FILE):
                    if (source := self.folder.path / name).is_file():
                        put_in_place(source, pieces / name)


def train(settings: Settings, group: Group) -> None:
    """The shipped curriculum, or that of more training, in this process."""
    if settings.sheets is not None:
        stages = sheet_stages(
            settings.sheets, settings.rate, settings.budget, settings.repeats, few_shapes=settings.recorded
        )
        Trainer(settings, demo_config(), stages, group).run()
    elif settings.start is not None:
        Trainer(settings, demo_config(), further_stages(), group).run()
    else:
        Trainer(settings, small_config(), shipped_stages(), group).run()


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a curriculum."""
    settings = parse_args(arguments)
    try:
        with disk_errors(settings.out):
            settings.out.mkdir(parents=True, exist_ok=True)
        if settings.processes > 1:
            together(settings.processes, settings.out, functools.partial(train, settings))
        else:
            torch.set_num_threads(settings.threads)
            train(settings, Group())
    except Dsvl2Error as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()

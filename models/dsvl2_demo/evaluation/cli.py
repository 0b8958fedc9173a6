"""The verb `eval` of `dsvl2-onnx`; heavy imports stand inside it so that `--help` stays fast."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from dsvl2_runtime.cli.console import ReportFormat, print_table, progress_bars
from dsvl2_runtime.cli.run_options import AskedProvider
from dsvl2_runtime.errors import UsageError
from dsvl2_runtime.geometry import LARGEST_PIXELS
from dsvl2_runtime.machine.provider import Provider

if TYPE_CHECKING:
    from dsvl2_demo.evaluation.evaluate import Answerer

BAR_WIDTH = 24


def evaluation(
    model: Annotated[
        str, typer.Option("--model", "-m", envvar="DSVL2_MODEL", help="A bundle, a checkpoint, or 'demo'.")
    ] = "demo",
    limit: Annotated[int, typer.Option(help="Questions in all.", min=1)] = 200,
    seed: Annotated[int, typer.Option(help="Of the held-out pages.", min=0)] = 1,
    threads: Annotated[int | None, typer.Option(help="By default the physical cores.", min=1)] = None,
    provider: AskedProvider = Provider.AUTO,
    answers: Annotated[
        bool, typer.Option("--answers", help="Print each wrong answer on standard error.", show_default=False)
    ] = False,
    sheets: Annotated[
        int | None, typer.Option(help="Questions of each kind of real page, and not about pages of one tile.", min=1)
    ] = None,
    screen: Annotated[
        str | None,
        typer.Option(help="With --sheets: pages as windows of a screen, such as 1920x1080.", show_default=False),
    ] = None,
    look_again: Annotated[
        bool | None,
        typer.Option(
            "--look-again/--look-once", help="As of run; by default as is best for the model.", show_default=False
        ),
    ] = None,
    report_format: Annotated[ReportFormat, typer.Option("--format", help="json is one object.")] = ReportFormat.TABLE,
) -> None:
    """Score a model on documents that it has never seen.

    Questions are about values, transcriptions, boxes and pairs of pictures.
    """
    from dsvl2_demo.evaluation.evaluate import Judged, bundle_answerer, evaluate, scores_of
    from dsvl2_demo.evaluation.held_out import held_out_cases
    from dsvl2_runtime.bundle.model_names import find_model
    from dsvl2_runtime.model import load_model

    size = _screen_size(screen)
    if size is not None and sheets is None:
        raise UsageError("--screen is about real pages; give --sheets with the number of questions of each kind, too")
    folder = find_model(model)
    if (folder / "config.json").is_file():
        from dsvl2_demo.evaluation.network_answerer import network_answerer

        answerer, name, precision = network_answerer(folder), folder.name, "torch fp32"
    else:
        loaded = load_model(folder, threads, provider=provider)
        answerer, name, precision = (
            bundle_answerer(loaded, look_again=look_again),
            loaded.name,
            loaded.bundle.manifest.precision,
        )
    if sheets is not None:
        where = "" if screen is None else f", windows of {screen}"
        title = f"{name}, {precision}, seed {seed}{where}"
        _real_pages(answerer, sheets, seed, title, report_format, answers=answers, screen=size)
        return
    with progress_bars() as bars:
        done = 0

        def on_case(judged: Judged) -> None:
            nonlocal done
            done += 1
            bars.update("questions", done, limit)
            if answers and not judged.right:
                print(f"{judged.case.task}: {judged.case.answer!r} was read as {judged.found!r}", file=sys.stderr)

        tasks = scores_of(evaluate(answerer, held_out_cases(limit, seed), on_case))
    if report_format is ReportFormat.JSON:
        print(json.dumps({"model": name, "precision": precision, "tasks": tasks}, ensure_ascii=False))
    else:
        print_table(score_table(f"{name}, {precision}, seed {seed}", tasks))


def _real_pages(
    answerer: Answerer,
    per_kind: int,
    seed: int,
    title: str,
    report_format: ReportFormat,
    *,
    answers: bool,
    screen: tuple[int, int] | None,
) -> None:
    """Ask about real pages and print the scores by kind, tiles and text height."""
    from dsvl2_demo.evaluation.sheets import ALL_KINDS, SheetResult, answered, scores_by_what, sheet_cases

    with progress_bars() as bars:
        done = 0

        def on_result(result: SheetResult) -> None:
            nonlocal done
            done += 1
            bars.update("questions", done, per_kind * len(ALL_KINDS))
            if answers and not result.right:
                case = result.asked.case
                print(f"{result.asked.kind}: {case.answer!r} was read as {result.found!r}", file=sys.stderr)

        results = answered(answerer, sheet_cases(ALL_KINDS, per_kind, seed, screen=screen), on_result)
    scores = scores_by_what(results)
    if report_format is ReportFormat.JSON:
        print(json.dumps({"model": title, **scores}, ensure_ascii=False))
        return
    for what, rows in scores.items():
        entries = {row: {"exact": entry["exact"], "n": entry["n"]} for row, entry in rows.items()}
        print_table(score_table(title, entries, what))


def _screen_size(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    width, by, height = text.partition("x")
    if not (by and width.isdecimal() and height.isdecimal() and 0 < int(width) * int(height) <= LARGEST_PIXELS):
        raise UsageError(f"--screen is {text!r}, which is no size; give width and height in pixels, such as 1920x1080")
    return int(width), int(height)


def score_table(title: str, tasks: dict[Any, dict[str, Any]], what: str = "task") -> Table:
    """One row per task with its measure as a bar; the character error rate is shown as 1 minus it."""
    table = Table(title=title)
    for heading in (what, "measure", "score", "", "questions"):
        table.add_column(heading, justify="right" if heading in ("score", "questions") else "left")
    for task, entry in tasks.items():
        measure, score = next(iter(entry.items()))
        if score is None:
            continue
        share = max(0.0, 1.0 - score) if measure == "cer" else score
        filled = round(share * BAR_WIDTH)
        table.add_row(task, measure, f"{score:.1%}", "█" * filled + "░" * (BAR_WIDTH - filled), str(entry["n"]))
    return table

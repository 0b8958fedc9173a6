"""One run of `batch`: which files there are, what of them is done, and the rest one after the other."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from dsvl2_runtime.answers.estimate import PROMPT_FRAME, Estimate, TokenCounts, estimate, further_looks
from dsvl2_runtime.bundle.bundle import Bundle
from dsvl2_runtime.bundle.model_names import find_model
from dsvl2_runtime.cli.batch.asker import Asker, Line
from dsvl2_runtime.cli.batch.content import read_content
from dsvl2_runtime.cli.batch.files import Found, find_files
from dsvl2_runtime.cli.batch.pieces import PartKey, pieces_of
from dsvl2_runtime.cli.batch.question import BatchQuestion
from dsvl2_runtime.cli.batch.results import Results, open_results
from dsvl2_runtime.cli.console import ProgressBars, progress_bars
from dsvl2_runtime.cli.cost import (
    looks_again,
    looks_behind,
    require_loadable,
    second_looks,
    speeds_of,
    time_needed,
    total_seconds,
)
from dsvl2_runtime.cli.streams import print_message, print_notices, write_answer
from dsvl2_runtime.config import ModelConfig
from dsvl2_runtime.errors import Dsvl2Error, ImageError
from dsvl2_runtime.inputs.images import decode_image
from dsvl2_runtime.machine.cores import choose_threads
from dsvl2_runtime.machine.speeds import remember_speeds
from dsvl2_runtime.model import load_model
from dsvl2_runtime.progress import Watch

FILES = "files"
"""Name of the bar."""


@dataclass(frozen=True, slots=True)
class BatchRequest:
    """What the verb was asked."""

    folder: Path
    question: BatchQuestion
    out: Path
    patterns: tuple[str, ...] = ()
    recursive: bool = False
    overwrite: bool = False
    cluster: str | None = None
    """Address of a Ray cluster."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A file that has to be asked about."""

    found: Found
    parts: Collection[PartKey] = ()
    """What of it is answered already."""


@dataclass(slots=True)
class Tally:
    """What came of the files of a run."""

    answered: int = 0
    done_before: int = 0
    failed: int = 0
    exit_code: int = 0
    """Of the first failure."""

    def count(self, lines: Iterable[Line]) -> None:
        """Take in what came of one file."""
        codes = [line["error"]["exit_code"] for line in lines if "error" in line]
        if codes:
            self.failed += 1
            self.exit_code = self.exit_code or codes[0]
        else:
            self.answered += 1


def ask_folder(request: BatchRequest) -> int:
    """Ask about every file that is not done.

    Returns:
        0, or the exit code of the first file that failed.

    Raises:
        UsageError: there is no such folder, or the file of results belongs to another question.
        ModelNotFoundError, ModelCorruptError, ResourceError: the model cannot be loaded, or the results be written.
        BusyError: another run writes these results.
    """
    options = request.question.options
    found = find_files(request.folder, request.patterns, recursive=request.recursive, without=request.out)
    bundle = Bundle.open(find_model(options.model))
    mark = request.question.mark(bundle.manifest_sha256)
    with open_results(request.out, overwrite=request.overwrite) as results:
        results.read(mark, request.question.text)
        waiting = list(_waiting(found, results))
        if options.dry_run:
            write_answer(_cost(request.question, waiting, bundle) + "\n")
            return 0
        tally = Tally(done_before=len(found) - len(waiting))
        if waiting:
            with progress_bars(show=not options.quiet, keep=False, time_left=True) as bars:
                if request.cluster is None:
                    _ask(request.question, waiting, results, bars, tally)
                else:
                    _ask_cluster(request.cluster, request.question, mark, waiting, results, bars, tally)
    if not options.quiet:
        print_message(_summary(tally, request.out))
    return tally.exit_code


def _waiting(found: Sequence[Found], results: Results) -> Iterator[Waiting]:
    """The files of which not all is answered with the content that they have now."""
    for each in found:
        done = results.done(each.name)
        if not (done.parts or done.is_complete):
            yield Waiting(each)
            continue
        try:
            same = read_content(each.path, each.name).sha256 == done.sha256
        except ImageError:  # which becomes a line when it is asked about
            same = False
        if not same:
            yield Waiting(each)
        elif not done.is_complete:
            yield Waiting(each, frozenset(done.parts))


def _ask(
    question: BatchQuestion, waiting: Sequence[Waiting], results: Results, bars: ProgressBars, tally: Tally
) -> None:
    options = question.options
    watch = Watch(lambda progress: bars.update(progress.phase, progress.done, progress.total))
    model = load_model(options.model, options.threads, watch, force=options.force, provider=options.provider)
    if not options.quiet:
        print_notices(model.notices)
    asker = Asker(model, question)
    bars.update(FILES, 0, len(waiting))
    try:
        for number, each in enumerate(waiting, 1):
            lines = []
            for line in asker.lines(each.found, each.parts):
                results.add(line)
                lines.append(line)
            tally.count(lines)
            bars.update(FILES, number, len(waiting))
    finally:
        remember_speeds(model.speed_key, asker.meter.take())


def _ask_cluster(
    address: str,
    question: BatchQuestion,
    mark: str,
    waiting: Sequence[Waiting],
    results: Results,
    bars: ProgressBars,
    tally: Tally,
) -> None:
    from dsvl2_runtime.cli.batch.cluster import ask_on_cluster

    bars.update(FILES, 0, len(waiting))
    for number, (_, lines) in enumerate(ask_on_cluster(address, question, mark, waiting), 1):
        for line in lines:
            results.add(line)
        tally.count(lines)
        bars.update(FILES, number, len(waiting))


def _cost(question: BatchQuestion, waiting: Sequence[Waiting], bundle: Bundle) -> str:
    """What the files would cost that are not answered, from the sizes of their pictures and pages."""
    options, config = question.options, bundle.manifest.config
    threads = choose_threads(options.threads).count
    require_loadable(options, bundle, threads)
    speeds = speeds_of(bundle, threads, options.provider)
    found, again = list[Estimate](), list[Estimate]()
    tiles = 0
    for each in waiting:
        with suppress(Dsvl2Error):  # which becomes a line when it is asked about
            for piece in pieces_of(read_content(each.found.path, each.found.name), options, config, each.parts):
                if piece.part is not None:
                    size = decode_image(piece.part.images[0]).size
                    counts = _counts(question, size, config)
                    tiles += counts[0].num_tiles
                    found += [estimate(each, speeds, options.max_tokens) for each in counts]
                    if looks_again(options, bundle):
                        looks = (each for first in counts for each in _looks(first, size, config))
                        again += [estimate(each, speeds, options.max_tokens) for each in looks]
    numbers = (_counted(len(waiting), "file"), _counted(len(found), "prompt"), _counted(tiles, "tile"))
    return "; ".join(filter(None, [", ".join(numbers), time_needed(None, total_seconds(found)), second_looks(again)]))


def _counts(question: BatchQuestion, size: tuple[int, int], config: ModelConfig) -> list[TokenCounts]:
    """Of each prompt about one image of (width, height); what stands before the question is read for the first."""
    system = question.options.system
    before = TokenCounts.of_sizes([size], system, config)
    first, *others = (TokenCounts.of_sizes([size], system + text, config) for text in question.texts)
    return [first, *(each.behind(before.prompt_tokens - PROMPT_FRAME) for each in others)]


def _looks(first: TokenCounts, size: tuple[int, int], config: ModelConfig) -> list[TokenCounts]:
    """Of the looks behind the first one; where that goes on from another question, so do they."""
    looks = further_looks(first, [size], config)
    return looks_behind(looks, first.prompt_tokens - first.cached_tokens) if first.cached_tiles else looks


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def _summary(tally: Tally, out: Path) -> str:
    parts = [f"{tally.answered} answered"]
    if tally.done_before:
        parts.append(f"{tally.done_before} answered before")
    if tally.failed:
        parts.append(f"{tally.failed} failed")
    count = tally.answered + tally.done_before + tally.failed
    return f"{_counted(count, 'file')}: {', '.join(parts)}; the lines are in {out}"

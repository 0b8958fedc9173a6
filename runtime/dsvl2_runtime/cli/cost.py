"""What a question will cost, in words: before a long answer, and alone for `--dry-run`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

from dsvl2_runtime.answers.estimate import Estimate, TokenCounts, estimate, further_looks, known_sum, together
from dsvl2_runtime.bundle.bundle import Bundle
from dsvl2_runtime.cli.streams import print_message
from dsvl2_runtime.machine.provider import Provider
from dsvl2_runtime.machine.speeds import SpeedKey, Speeds, known_speeds

if TYPE_CHECKING:
    from dsvl2_runtime.cli.run import Run
    from dsvl2_runtime.cli.run_options import RunOptions

SCHEMA = "dsvl2.estimate/1"
LONG_SECONDS = 20.0
"""An answer that takes longer is announced."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What one prompt will cost, and where its picture comes from."""

    place: dict[str, int]
    name: str
    """For people; empty where there is one prompt."""
    estimate: Estimate
    second_look: Estimate | None = None
    """Of the same question about the enlarged image or all its parts, which is asked where the model is not sure; None
    where it never is. Windows around places that it finds are not counted: how many there will be is not known."""

    def as_json(self) -> dict[str, Any]:
        """For reports."""
        second = None if self.second_look is None else self.second_look.as_json()
        return {**self.place, **self.estimate.as_json(), "second_look": second}


def about(seconds: float) -> str:
    """A time as a person says it."""
    if seconds < 1:
        return "less than a second"
    if seconds < LONG_SECONDS:
        return f"about {round(seconds)} second{'' if round(seconds) == 1 else 's'}"
    if seconds < 120:
        return f"about {5 * round(seconds / 5)} seconds"
    if seconds < 2 * 3600:
        return f"about {round(seconds / 60)} minutes"
    return f"about {round(seconds / 3600)} hours"


def sizes(found: Estimate) -> str:
    """Tiles and tokens."""
    tiles = f"{found.num_tiles} tile{'' if found.num_tiles == 1 else 's'}"
    return f"{tiles}, {found.prompt_tokens:,} of {found.context:,} tokens"


def time_needed(first: float | None, whole: float | None) -> str:
    """Seconds to the first word and to the end, as far as they are known; loading the model takes more."""
    if whole is None:
        return "how long it takes is not known before a first answer"
    loaded = f"{about(whole)} once the model is loaded"
    return loaded if first is None else f"{loaded}, the first word after {about(first)}"


def total_seconds(estimates: Iterable[Estimate]) -> float | None:
    """Of several prompts; None where one is not known."""
    return known_sum(each.seconds for each in estimates)


def second_looks(found: Iterable[Estimate]) -> str:
    """What is to be said of second looks, if there may be any: the most that they take."""
    looks = list(found)
    if not looks:
        return ""
    tiles = sum(each.num_tiles - each.cached_tiles for each in looks)
    tokens = sum(each.prompt_tokens - each.cached_tokens for each in looks)
    seconds = total_seconds(looks)
    time = "" if seconds is None else f", {about(seconds)} more"
    return f"where the model is not sure it looks again: at most {tiles} more tiles and {tokens:,} more tokens{time}"


def looks_again(options: RunOptions, bundle: Bundle) -> bool:
    """Whether there is a second look where the model is not sure; its answers then come whole, not word by word."""
    return bundle.manifest.looks_again if options.look_again is None else options.look_again


def looks_behind(looks: Sequence[TokenCounts], words: int) -> list[TokenCounts]:
    """The counts of looks whose pictures were read for another question before.

    Args:
        looks: of one question (`further_looks`); several are at parts, which share a sequence, so that the rows of the
            last one alone are kept.
        words: tokens of the question, which are new.
    """
    return [each.behind(each.prompt_tokens - words if len(looks) == 1 else 0) for each in looks]


def require_loadable(options: RunOptions, bundle: Bundle, threads: int) -> None:
    """Refuse what `load_model` would refuse before it loads anything.

    Raises:
        ProviderError: the GPU was asked for and cannot be used.
        ResourceError: there is too little memory.
    """
    from dsvl2_runtime.graphs.gpu_choice import chosen_obstacle
    from dsvl2_runtime.graphs.memory_plan import require_memory
    from dsvl2_runtime.machine.provider import asked_provider

    wanted = asked_provider(options.provider)
    obstacle = chosen_obstacle(bundle, wanted, force=options.force)
    if (wanted is Provider.CPU or obstacle is not None) and not options.force:
        require_memory(bundle, threads)


def announce(found: Estimate) -> None:
    """Say before a long answer what it will cost."""
    if found.seconds is not None and found.seconds >= LONG_SECONDS:
        print_message(f"{sizes(found)}: {about(found.seconds)}")


def speeds_of(bundle: Bundle, threads: int, provider: str) -> Speeds | None:
    """What earlier answers of a bundle took here; where the provider is not chosen, on the GPU if there were any."""
    wanted = (Provider.CUDA, Provider.CPU) if provider == Provider.AUTO else (Provider(provider),)
    sha256 = bundle.manifest_sha256
    found = (known_speeds(SpeedKey.here(sha256, threads, each)) for each in wanted)
    return next((speeds for speeds in found if speeds is not None), None)


def costs_of(run: Run, bundle: Bundle, speeds: Speeds | None) -> Iterator[Cost]:
    """What each prompt of a run will cost; pictures are decoded, but no graph is opened.

    Raises:
        ImageError, UsageError, ContextOverflowError: as the run itself.
    """
    from dsvl2_runtime.cli.parts import parts_of, strips_of
    from dsvl2_runtime.inputs.processor import prepare_inputs
    from dsvl2_runtime.inputs.tokenizer import Tokenizer
    from dsvl2_runtime.progress import UNWATCHED

    config, options = bundle.manifest.config, run.options
    may_look_again = looks_again(options, bundle)
    parts = parts_of(options, UNWATCHED)
    first = next(parts)  # before the tokenizer, as in the run
    tokenizer = Tokenizer.from_file(bundle.tokenizer)
    for whole in chain((first,), parts):
        for part in strips_of(whole, options, config):
            is_first = True
            for question in run.questions():
                inputs = prepare_inputs(run.messages(len(part.images), question), part.images, config, tokenizer)
                run.notices += [notice for notice in (*part.notices, *inputs.notices) if notice not in run.notices]
                counts = TokenCounts.of_inputs(inputs, config)
                words = len(inputs.input_ids) - inputs.num_image_tokens
                sizes = [image.size for image in inputs.images]
                looks = further_looks(counts, sizes, config) if may_look_again else []
                if not is_first:  # the pictures were read for the one before
                    counts, looks = counts.behind(counts.prompt_tokens - words), looks_behind(looks, words)
                is_first = False
                once, *more = [estimate(each, speeds, options.max_tokens) for each in (counts, *looks)]
                yield Cost(part.place, "" if part.is_alone else part.name, once, together(more))


def show_costs(run: Run) -> None:
    """What `--dry-run` prints: on standard output, as text or as one JSON object.

    Raises:
        Dsvl2Error: as the run itself, before its answer.
    """
    from dsvl2_runtime.bundle.model_names import find_model
    from dsvl2_runtime.cli.run_options import AnswerFormat
    from dsvl2_runtime.cli.streams import print_json, write_answer
    from dsvl2_runtime.machine.cores import choose_threads
    from dsvl2_runtime.texts import notice_json

    options = run.options
    bundle = Bundle.open(find_model(options.model))
    threads = choose_threads(options.threads).count
    require_loadable(options, bundle, threads)
    costs = list(costs_of(run, bundle, speeds_of(bundle, threads, options.provider)))
    first, whole = costs[0].estimate.seconds_to_first_token, total_seconds(cost.estimate for cost in costs)
    again = [cost.second_look for cost in costs if cost.second_look is not None]
    if options.answer_format is AnswerFormat.TEXT:
        if looks_again(options, bundle):
            first = None
        lines = [f"{cost.name}: {sizes(cost.estimate)}" if cost.name else sizes(cost.estimate) for cost in costs]
        lines = [*dict.fromkeys(lines), time_needed(first, whole), *filter(None, [second_looks(again)])]
        write_answer("".join(f"{line}\n" for line in lines))
        return
    report: dict[str, Any] = {
        "schema": SCHEMA,
        "prompts": [cost.as_json() for cost in costs],
        "seconds_to_first_token": first,
        "seconds": whole,
        "seconds_with_second_looks": total_seconds([*(cost.estimate for cost in costs), *again]),
        "threads": threads,
        "model": {
            "name": bundle.manifest.name,
            "precision": bundle.manifest.precision,
            "manifest_sha256": bundle.manifest_sha256,
        },
        "warnings": [notice_json(notice) for notice in run.notices],
    }
    print_json({"event": "estimate", **report} if options.answer_format is AnswerFormat.JSONL else report)

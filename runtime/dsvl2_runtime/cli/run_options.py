"""The options that `run` and its presets share, once: a verb that takes them gets them as one object."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields
from enum import StrEnum
from functools import wraps
from typing import Annotated, Any, Concatenate, ParamSpec, get_type_hints

import typer

from dsvl2_runtime.bundle.model_names import DEFAULT_MODEL, model_names
from dsvl2_runtime.geometry import LARGEST_PIXELS
from dsvl2_runtime.machine.provider import VARIABLE, Provider

P = ParamSpec("P")


AskedProvider = Annotated[
    Provider, typer.Option(envvar=VARIABLE, help="Where it runs; auto takes the GPU where it can be used.")
]


class AnswerFormat(StrEnum):
    """How an answer is printed."""

    TEXT = "text"
    JSON = "json"
    JSONL = "jsonl"


class BoxFormat(StrEnum):
    """How boxes stand in a printed answer."""

    OFF = "off"
    TEXT = "text"
    PX = "px"
    NORM = "norm"


class SplitChoice(StrEnum):
    """Whether large pictures are cut into strips."""

    OFF = "off"
    AUTO = "auto"


def complete_model(incomplete: str) -> list[str]:
    """Names of models that begin like this, for the completion of shells; folders the shell completes itself."""
    return [name for name in model_names() if name.startswith(incomplete)]


AskedModel = Annotated[
    str,
    typer.Option(
        "--model",
        "-m",
        envvar="DSVL2_MODEL",
        help="Folder of a bundle, or a name such as demo.",
        autocompletion=complete_model,
    ),
]
AskedThreads = Annotated[
    int | None,
    typer.Option(envvar="DSVL2_THREADS", help="By default one for each core that may be used.", min=1),
]

AskedMaxPixels = Annotated[
    int,
    typer.Option(
        help="A picture or page with more, width times height, is refused undecoded.", min=1, max=LARGEST_PIXELS
    ),
]
AskedPdfPassword = Annotated[
    str | None,
    typer.Option(
        help="A file whose first line is the password of a protected PDF; without it DSVL2_PDF_PASSWORD, "
        "or the terminal is asked.",
        show_default=False,
    ),
]

AskedLooks = Annotated[
    bool | None,
    typer.Option(
        "--look-again/--look-once",
        help="Where the model is not sure, enlarge the picture, ask again and take the surer answer; look closer "
        "at boxes; by default as is best for the model.",
        show_default=False,
    ),
]

AskedFiles = Annotated[
    list[str] | None,
    typer.Argument(help="Pictures or a PDF, as with --image or --pdf.", show_default=False),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """What is asked about, how the answer is chosen, and how it is shown."""

    image: Annotated[
        list[str] | None,
        typer.Option("--image", "-i", help="A picture, or - for standard input; repeat for more.", show_default=False),
    ] = None
    clipboard: Annotated[
        bool, typer.Option("--clipboard", help="The picture in the clipboard, behind those of --image.")
    ] = False
    pdf: Annotated[
        str | None,
        typer.Option(help="A PDF, or a TIFF, whose pages are asked about one by one.", show_default=False),
    ] = None
    pages: Annotated[str | None, typer.Option(help="Of --pdf, such as 1-3,7.", show_default=False)] = None
    dpi: Annotated[float, typer.Option(help="Dots per inch of the pages of --pdf.")] = 150.0
    pdf_password_file: AskedPdfPassword = None
    max_pixels: AskedMaxPixels = LARGEST_PIXELS
    split: Annotated[
        SplitChoice, typer.Option(help="auto asks about large pictures strip by strip, so that small print is seen.")
    ] = SplitChoice.OFF
    model: AskedModel = DEFAULT_MODEL
    system: Annotated[str, typer.Option(help="A text before the question that says how to answer.")] = ""
    max_tokens: Annotated[int, typer.Option("--max-tokens", "-n", help="Longest answer.", min=1)] = 512
    temperature: Annotated[float, typer.Option(help="0 takes the likeliest token each time.", min=0.0)] = 0.0
    top_p: Annotated[float, typer.Option(help="Sample among the likeliest tokens of this total.")] = 1.0
    repetition_penalty: Annotated[float, typer.Option(help="Above 1 discourages repeated tokens.")] = 1.0
    no_repeat_ngram: Annotated[
        int, typer.Option(help="No run of so many tokens comes twice; 0 allows it, as a table needs.", min=0)
    ] = 0
    repetition_guard: Annotated[
        bool,
        typer.Option("--repetition-guard/--no-repetition-guard", help="End an answer that goes round in circles."),
    ] = True
    seed: Annotated[int, typer.Option(help="Repeats a sampled answer.", min=0)] = 0
    look_again: AskedLooks = None
    stop: Annotated[
        list[str] | None, typer.Option(help="A text that ends the answer; repeat for more.", show_default=False)
    ] = None
    timeout: Annotated[float | None, typer.Option(help="Seconds after which it ends.", min=0, show_default=False)] = (
        None
    )
    threads: AskedThreads = None
    provider: AskedProvider = Provider.AUTO
    boxes: Annotated[BoxFormat, typer.Option(help="How boxes stand in the answer: px are pixels.")] = BoxFormat.TEXT
    draw_boxes: Annotated[
        str | None, typer.Option(help="Write a copy of the picture with its boxes to this file.", show_default=False)
    ] = None
    allow_special_tokens: Annotated[
        bool, typer.Option("--allow-special-tokens", help="Let <|ref|> and <|grounding|> in the question have meaning.")
    ] = False
    answer_format: Annotated[
        AnswerFormat, typer.Option("--format", help="json is one object at the end, jsonl one for each event.")
    ] = AnswerFormat.TEXT
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Say what it would cost in tiles, tokens and seconds; answer nothing."),
    ] = False
    force: Annotated[bool, typer.Option("--force", help="Load a model that seems too large for the memory.")] = False
    strict: Annotated[
        bool, typer.Option("--strict", help="A warning is an error, and so is an answer that was cut.")
    ] = False
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Nothing but the answer.")] = False


def with_run_options(
    *without: str, **defaults: object
) -> Callable[[Callable[Concatenate[RunOptions, P], None]], Callable[..., None]]:
    """Make a verb from a function that takes `RunOptions` first; the command line offers each of them as an option.

    Args:
        *without: fields that this verb has not, which keep their defaults.
        **defaults: other defaults for this verb.
    """
    offered = [field for field in fields(RunOptions) if field.name not in without]

    def decorate(verb: Callable[Concatenate[RunOptions, P], None]) -> Callable[..., None]:
        _, *own = inspect.signature(verb, eval_str=True).parameters.values()
        hints = get_type_hints(RunOptions, include_extras=True)
        shared = [
            inspect.Parameter(
                field.name,
                inspect.Parameter.KEYWORD_ONLY,
                default=defaults.get(field.name, field.default),
                annotation=hints[field.name],
            )
            for field in offered
        ]
        parameters = [*(each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in own), *shared]

        @wraps(verb)
        def command(**values: Any) -> None:
            options = RunOptions(**{field.name: values.pop(field.name) for field in offered})
            verb(options, **values)  # type: ignore[call-arg]  # the verb's own parameters, by name

        command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        command.__annotations__ = {each.name: each.annotation for each in parameters}
        return command

    return decorate

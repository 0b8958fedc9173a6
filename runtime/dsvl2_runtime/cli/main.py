"""The command `dsvl2-onnx`: the verbs of the runtime, and those of the other parts found by their entry points.

Rules: the answer alone goes to standard output, everything else to standard error; progress only on a terminal; every
error that a user can cause is one line with an exit code (errors.py), never a traceback.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from enum import StrEnum
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import typer

from dsvl2_runtime import __version__
from dsvl2_runtime.bundle.model_names import DEFAULT_MODEL, find_model
from dsvl2_runtime.cli.console import ReportFormat, progress_bars
from dsvl2_runtime.errors import DISK_ERRNOS, Dsvl2Error, MissingExtraError, OutOfMemoryError, ResourceError

VERB_GROUP = "dsvl2_onnx.verbs"
INTERRUPTED = 130
EXTRA_OF_MODULE = {
    "onnxruntime": "cpu",
    "torch": "export",
    "onnx": "export",
    "optimum": "export",
    "safetensors": "export",
    "transformers": "export",
    "PySide6": "app",
}


class AnswerFormat(StrEnum):
    """How an answer is printed."""

    TEXT = "text"
    JSON = "json"


app = typer.Typer(
    name="dsvl2-onnx",
    help="Ask your screen and your documents, offline: DeepSeek-VL2 as quantised ONNX graphs.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)


@app.command()
def run(
    prompt: Annotated[str, typer.Argument(help="The question.", show_default=False)],
    image: Annotated[
        list[Path] | None, typer.Option("--image", "-i", help="A picture; repeat for more.", show_default=False)
    ] = None,
    model: Annotated[
        str, typer.Option("--model", "-m", envvar="DSVL2_MODEL", help="Folder of a bundle, or a name such as demo.")
    ] = DEFAULT_MODEL,
    max_tokens: Annotated[int, typer.Option("--max-tokens", "-n", help="Longest answer.", min=1)] = 512,
    temperature: Annotated[float, typer.Option(help="0 takes the likeliest token each time.", min=0.0)] = 0.0,
    top_p: Annotated[float, typer.Option(help="Sample among the likeliest tokens of this total.")] = 1.0,
    repetition_penalty: Annotated[float, typer.Option(help="Above 1 discourages repeated tokens.")] = 1.0,
    seed: Annotated[int, typer.Option(help="Of sampling.", min=0)] = 0,
    threads: Annotated[int | None, typer.Option(help="By default the physical cores.", min=1)] = None,
    answer_format: Annotated[
        AnswerFormat, typer.Option("--format", help="json has tokens and timings.")
    ] = AnswerFormat.TEXT,
    force: Annotated[bool, typer.Option("--force", help="Load a model that seems too large for the memory.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Nothing but the answer.")] = False,
) -> None:
    """Answer a question about pictures."""
    from dsvl2_runtime.answers.sampling import GenerationOptions
    from dsvl2_runtime.cli.run import run_question

    options = GenerationOptions(
        max_new_tokens=max_tokens,
        temperature=temperature,
        top_p=top_p,
        repetition_penalty=repetition_penalty,
        seed=seed,
    )
    run_question(prompt, image or [], model, options, threads, answer_format is AnswerFormat.JSON, quiet, force)


@app.command()
def verify(bundle: Annotated[str, typer.Argument(help="Folder of a bundle, or a name.", show_default=False)]) -> None:
    """Check every file of a bundle against the sizes and SHA-256 sums in its manifest, and what `optimize` kept."""
    from dsvl2_runtime.bundle.bundle import Bundle

    packed = False
    with progress_bars() as bars:
        opened = Bundle.open(find_model(bundle))
        opened.verify(lambda done, total: bars.update("verify", done, total))
        if find_spec("onnxruntime") is not None:  # without it nothing can have been packed
            from dsvl2_runtime.graphs.packed_weights import verify_packed

            packed = verify_packed(opened, lambda done, total: bars.update("packed weights", done, total))
    kept = ", and so are the packed weights" if packed else ""
    typer.echo(f"{bundle}: {len(opened.manifest.files)} files are as they were written{kept}", err=True)


@app.command()
def optimize(
    bundle: Annotated[str, typer.Argument(help="Folder of a bundle, or a name.", show_default=False)],
    threads: Annotated[int | None, typer.Option(help="By default the physical cores.", min=1)] = None,
    remove: Annotated[bool, typer.Option("--remove", help="Delete what was kept, and free the disk.")] = False,
) -> None:
    """Keep the weights packed for this processor: less memory, shared by processes, and a shorter start.

    Takes twice the bundle's size on the disk, in the cache folder of this program.
    """
    from dsvl2_runtime.bundle.bundle import Bundle
    from dsvl2_runtime.graphs.packed_weights import delete_packed, pack_weights
    from dsvl2_runtime.graphs.session import chosen_threads
    from dsvl2_runtime.machine.machine import GIGABYTE

    opened = Bundle.open(find_model(bundle))
    if remove:
        typer.echo(f"{bundle}: {delete_packed(opened) / GIGABYTE:.2f} GB are free again", err=True)
        return
    with progress_bars() as bars:
        bars.update("packing", 0, None)
        chosen = chosen_threads(threads)
        folder = pack_weights(opened, chosen, lambda done, total: bars.update("checking", done, total))
        bars.update("packing", 1, 1)
    typer.echo(f"{bundle}: the packed weights are in {folder}", err=True)


@app.command()
def doctor(
    model: Annotated[
        str | None, typer.Option("--model", "-m", help="Also say what this bundle needs.", show_default=False)
    ] = None,
    threads: Annotated[int | None, typer.Option(help="By default the physical cores.", min=1)] = None,
    report_format: Annotated[ReportFormat, typer.Option("--format", help="json is one object.")] = ReportFormat.TABLE,
) -> None:
    """Look at the machine, and whether a model fits."""
    from dsvl2_runtime.cli.doctor import examine

    examine(model, threads, report_format is ReportFormat.JSON)


@app.command()
def version() -> None:
    """Print the version."""
    typer.echo(__version__)


def add_verbs(target: typer.Typer) -> None:
    """Add the verbs of the other parts; one that cannot be imported says which extra it needs."""
    for entry in sorted(entry_points(group=VERB_GROUP), key=lambda found: found.name):
        target.command(entry.name)(_loaded(entry))


def _loaded(entry: EntryPoint) -> Callable[..., None]:
    try:
        verb: Callable[..., None] = entry.load()
    except ModuleNotFoundError as error:
        missing = error

        def unavailable() -> None:
            raise missing

        unavailable.__doc__ = "Not installed."
        return unavailable
    return verb


def reported(call: Callable[[], Any]) -> int:
    """Run a call and turn an error of ours into its exit code and one line on standard error.

    Usage errors, and Ctrl-C within a verb, are handled by Typer, which leaves with 2 and 130.
    """
    try:
        call()
    except KeyboardInterrupt:
        return INTERRUPTED
    except (Dsvl2Error, MemoryError) as error:
        return _told(error if isinstance(error, Dsvl2Error) else OutOfMemoryError())
    except ImportError as error:
        if isinstance(error.__cause__, KeyboardInterrupt):  # Ctrl-C while a compiled module was loaded
            return INTERRUPTED
        module = (error.name or "").split(".")[0]
        if not isinstance(error, ModuleNotFoundError) or module not in EXTRA_OF_MODULE:
            raise
        return _told(MissingExtraError(module, EXTRA_OF_MODULE[module]))
    except OSError as error:
        if error.errno not in DISK_ERRNOS:
            raise
        return _refused(error)
    return 0


def _refused(error: OSError) -> int:
    if error.filename:  # to be read or written, which the system does not tell
        return _told(
            ResourceError(f"cannot use {error.filename}: {error.strerror}; check its permissions and its disk")
        )
    code = _told(ResourceError(f"cannot write standard output: {error.strerror}"))
    # What could not be written would be tried once more at the end, with a traceback.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return code


def _told(error: Dsvl2Error) -> int:
    typer.echo(f"dsvl2-onnx: {error}", err=True)
    return error.exit_code


def main() -> None:
    """Entry point of the console script."""
    _replace_closed_streams()
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(encoding="utf-8", errors="replace")  # Windows consoles default to a code page
    sys.exit(reported(_run_app))


def _run_app() -> None:
    add_verbs(app)
    app(prog_name="dsvl2-onnx")


def _replace_closed_streams() -> None:
    """Let what goes to a stream that was closed by the caller (`>&-`) vanish.

    Its number is taken too, or the next file that is opened would get it, and with it what is meant for the stream.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            lowest_free = os.open(os.devnull, os.O_RDWR)
            setattr(sys, name, os.fdopen(lowest_free, "w" if number else "r", encoding="utf-8"))

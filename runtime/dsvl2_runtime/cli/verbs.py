"""The verbs of the runtime beside `run`: what each takes from the command line.

Every verb imports what it needs itself, so that `--help` does not wait for ONNX Runtime.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from dsvl2_runtime import __version__
from dsvl2_runtime.bundle.model_names import DEFAULT_MODEL, find_model
from dsvl2_runtime.cli.batch.command import batch
from dsvl2_runtime.cli.console import ReportFormat, progress_bars
from dsvl2_runtime.cli.run_options import (
    AskedLooks,
    AskedMaxPixels,
    AskedModel,
    AskedPdfPassword,
    AskedProvider,
    AskedThreads,
    complete_model,
)
from dsvl2_runtime.cli.run_verb import app
from dsvl2_runtime.cli.serve import serve
from dsvl2_runtime.cli.shelf_verbs import add_shelf_verbs
from dsvl2_runtime.cli.streams import print_message, print_notices
from dsvl2_runtime.cli.task_verbs import add_task_verbs
from dsvl2_runtime.geometry import LARGEST_PIXELS
from dsvl2_runtime.machine.provider import Provider

__all__ = ["VERBS", "app"]

BundleArgument = Annotated[
    str, typer.Argument(help="Folder of a bundle, or a name.", show_default=False, autocompletion=complete_model)
]

AskedChatFiles = Annotated[
    list[str] | None, typer.Argument(help="Pictures or PDFs for the first question.", show_default=False)
]

add_task_verbs(app)
app.command()(batch)


@app.command()
def chat(
    files: AskedChatFiles = None,
    image: Annotated[
        list[str] | None,
        typer.Option("--image", "-i", help="A picture for the first question; repeat for more.", show_default=False),
    ] = None,
    model: AskedModel = DEFAULT_MODEL,
    system: Annotated[str, typer.Option(help="A text before the first question that says how to answer.")] = "",
    resume: Annotated[
        Path | None, typer.Option(help="Go on with a conversation that /save kept.", show_default=False)
    ] = None,
    drop_oldest: Annotated[
        bool, typer.Option("--drop-oldest", help="Give up the oldest questions when the context is full.")
    ] = False,
    max_tokens: Annotated[int, typer.Option("--max-tokens", "-n", help="Longest answer.", min=1)] = 512,
    temperature: Annotated[float, typer.Option(help="0 takes the likeliest token each time.", min=0.0)] = 0.0,
    seed: Annotated[int, typer.Option(help="Repeats a sampled answer.", min=0)] = 0,
    no_repeat_ngram: Annotated[
        int, typer.Option(help="No run of so many tokens comes twice; 0 allows it, as a table needs.", min=0)
    ] = 0,
    repetition_guard: Annotated[
        bool,
        typer.Option("--repetition-guard/--no-repetition-guard", help="End an answer that goes round in circles."),
    ] = True,
    look_again: AskedLooks = None,
    max_pixels: AskedMaxPixels = LARGEST_PIXELS,
    pdf_password_file: AskedPdfPassword = None,
    threads: AskedThreads = None,
    provider: AskedProvider = Provider.AUTO,
    force: Annotated[bool, typer.Option("--force", help="Load a model that seems too large for the memory.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Nothing but the answers.")] = False,
) -> None:
    """Talk about pictures.

    Questions come from the terminal or from a pipe, one a line; /help lists the commands.
    """
    from dsvl2_runtime.answers.sampling import GenerationOptions
    from dsvl2_runtime.cli.chat import ChatRequest, converse

    request = ChatRequest(
        files=(*(image or ()), *(files or ())),
        model=model,
        options=GenerationOptions(
            max_new_tokens=max_tokens,
            temperature=temperature,
            seed=seed,
            no_repeat_ngram=no_repeat_ngram,
            repetition_guard=repetition_guard,
            logprobs=True,
        ),
        look_again=look_again,
        system=system,
        resume=resume,
        drop_oldest=drop_oldest,
        threads=threads,
        quiet=quiet,
        force=force,
        provider=provider,
        max_pixels=max_pixels,
        pdf_password_file=pdf_password_file,
    )
    if code := converse(request):
        raise typer.Exit(code)


add_shelf_verbs(app)


@app.command()
def verify(bundle: BundleArgument) -> None:
    """Check every file of a bundle.

    Sizes and SHA-256 sums are those of its manifest; what `optimize` kept is checked, too.
    """
    from dsvl2_runtime.bundle.bundle import Bundle

    packed = False
    with progress_bars() as bars:
        opened = Bundle.open(find_model(bundle))
        opened.verify(lambda done, total: bars.update("verify", done, total))
        if find_spec("onnxruntime") is not None:  # without it nothing can have been packed
            from dsvl2_runtime.graphs.packed_weights import verify_packed

            packed = verify_packed(opened, lambda done, total: bars.update("packed weights", done, total))
    kept = ", and so are the packed weights" if packed else ""
    print_message(f"{bundle}: {len(opened.manifest.files)} files are as they were written{kept}")


@app.command()
def optimize(
    bundle: BundleArgument,
    threads: AskedThreads = None,
    remove: Annotated[bool, typer.Option("--remove", help="Delete what was kept, and free the disk.")] = False,
) -> None:
    """Keep the weights packed for this processor.

    A model then needs less memory, shares it with other processes, and starts sooner. It takes twice the bundle's
    size on the disk, in the cache folder of this program.
    """
    from dsvl2_runtime.bundle.bundle import Bundle
    from dsvl2_runtime.graphs.packed_weights import delete_packed, pack_weights
    from dsvl2_runtime.machine.cores import choose_threads
    from dsvl2_runtime.machine.machine import gigabytes

    opened = Bundle.open(find_model(bundle))
    if remove:
        print_message(f"{bundle}: {gigabytes(delete_packed(opened))} are free again")
        return
    choice = choose_threads(threads)
    print_notices(choice.notices)
    with progress_bars() as bars:
        bars.update("packing", 0, None)
        folder = pack_weights(opened, choice.count, lambda done, total: bars.update("checking", done, total))
        bars.update("packing", 1, 1)
    print_message(f"{bundle}: the packed weights are in {folder}")


@app.command()
def doctor(
    model: Annotated[
        str | None, typer.Option("--model", "-m", help="Also say what this bundle needs.", show_default=False)
    ] = None,
    threads: AskedThreads = None,
    report_format: Annotated[ReportFormat, typer.Option("--format", help="json is one object.")] = ReportFormat.TABLE,
) -> None:
    """Look at the machine, and whether a model fits."""
    from dsvl2_runtime.cli.doctor import examine

    examine(model, threads, report_format is ReportFormat.JSON)


@app.command("config")
def config_(
    verb: Annotated[str | None, typer.Argument(help="Show all options of this verb.", show_default=False)] = None,
    report_format: Annotated[ReportFormat, typer.Option("--format", help="json is one object.")] = ReportFormat.TABLE,
) -> None:
    """Show every setting and where it comes from.

    That is the environment, the configuration file, or neither.
    """
    from dsvl2_runtime.cli.config_verb import show_settings

    show_settings(app, verb, report_format is ReportFormat.JSON)


app.command()(serve)


@app.command()
def version() -> None:
    """Print the version."""
    typer.echo(__version__)


VERBS = tuple(str(command.name or getattr(command.callback, "__name__", "")) for command in app.registered_commands)
"""Names of all verbs of the runtime."""

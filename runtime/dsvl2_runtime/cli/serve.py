"""The verb `serve`: a server on this machine for clients of OpenAI's chat API, and a page to ask from."""

from __future__ import annotations

from typing import Annotated

import typer

from dsvl2_runtime.bundle.model_names import DEFAULT_MODEL
from dsvl2_runtime.cli.console import in_percent, progress_bars
from dsvl2_runtime.cli.run_options import AskedModel, AskedProvider, AskedThreads
from dsvl2_runtime.machine.provider import Provider

DEFAULT_PORT = 11535


def serve(
    host: Annotated[str, typer.Option(envvar="DSVL2_HOST", help="Address; another than loopback needs a key.")] = (
        "127.0.0.1"
    ),
    port: Annotated[
        int, typer.Option("--port", "-p", envvar="DSVL2_PORT", help="0 for any that is free.", min=0, max=65535)
    ] = DEFAULT_PORT,
    model: AskedModel = DEFAULT_MODEL,
    api_key: Annotated[
        str | None,
        typer.Option(
            "--api-key", envvar="DSVL2_API_KEY", help="What clients have to know; the variable hides it from ps."
        ),
    ] = None,
    queue: Annotated[int, typer.Option(help="Questions that may wait while one is answered.", min=0, max=1000)] = 16,
    timeout: Annotated[
        float | None,
        typer.Option(
            help="Seconds after which an answer ends as far as it has come; waiting does not count.",
            min=0.001,
            max=1e6,
            show_default=False,
        ),
    ] = None,
    threads: AskedThreads = None,
    provider: AskedProvider = Provider.AUTO,
    force: Annotated[bool, typer.Option("--force", help="Load a model that seems too large for the memory.")] = False,
) -> None:
    """Answer clients of OpenAI's chat API, and show a page to ask.

    Both are for this machine only, unless it is told otherwise.
    """
    from dsvl2_runtime.server.listen import ServeOptions
    from dsvl2_runtime.server.listen import serve as listen

    options = ServeOptions(model, host, port, api_key or None, threads, force, queue, timeout, provider)
    with progress_bars(keep=False) as bars:

        def say(address: str) -> None:
            bars.close()
            typer.echo(f"listening on {address}")

        listen(options, say, lambda found: bars.update(found.phase, *in_percent(found.done, found.total)))

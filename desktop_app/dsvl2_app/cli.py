"""The verb `app` of `dsvl2-onnx`; Qt is imported inside it so that `--help` stays fast."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dsvl2_runtime.bundle.model_names import DEFAULT_MODEL
from dsvl2_runtime.cli.run_options import AskedProvider
from dsvl2_runtime.machine.provider import Provider


def app(
    pictures: Annotated[
        list[str] | None, typer.Argument(help="Pictures to open at once; - is standard input.", show_default=False)
    ] = None,
    model: Annotated[
        str, typer.Option("--model", "-m", envvar="DSVL2_MODEL", help="Folder of a bundle, or a name such as demo.")
    ] = DEFAULT_MODEL,
    threads: Annotated[int | None, typer.Option(help="By default one for each core that may be used.", min=1)] = None,
    provider: AskedProvider = Provider.AUTO,
    force: Annotated[bool, typer.Option("--force", help="Load a model that seems too large for the memory.")] = False,
) -> None:
    """Open a window: drop a picture, ask, watch the answer come."""
    from dsvl2_app.qt_libraries import require_qt

    require_qt()
    from dsvl2_app.app import run_app
    from dsvl2_runtime.bundle.model_names import find_model
    from dsvl2_runtime.engine.protocol import Load
    from dsvl2_runtime.inputs.images import ImageBytes, image_source

    named = [image_source(picture) for picture in pictures or []]
    images = [source if isinstance(source, ImageBytes) else Path(str(source)).absolute() for source in named]
    # A folder is given to the engine as an absolute path: the window's process need not stay in this one.
    raise typer.Exit(run_app(Load(str(find_model(model).absolute()), threads, force, provider), images))

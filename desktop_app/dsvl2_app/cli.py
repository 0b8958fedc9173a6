"""The verbs `app` and `grab` of `dsvl2-onnx`; Qt is imported inside them so that `--help` stays fast."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dsvl2_runtime.bundle.model_names import DEFAULT_MODEL
from dsvl2_runtime.cli.run_options import AskedProvider, AskedThreads
from dsvl2_runtime.errors import UsageError
from dsvl2_runtime.machine.provider import Provider

if TYPE_CHECKING:
    from dsvl2_app.state.app_request import CaptureKind
    from dsvl2_app.state.intake import Source

Model = Annotated[
    str | None,
    typer.Option(
        "--model", "-m", envvar="DSVL2_MODEL", help="Folder of a bundle, or a name such as demo.", show_default="demo"
    ),
]
Force = Annotated[bool, typer.Option("--force", help="Load a model that seems too large for the memory.")]
AskAtOnce = Annotated[
    str | None, typer.Option("--ask", "-a", help="Ask this as soon as the picture is there.", show_default=False)
]


def app(
    pictures: Annotated[
        list[str] | None, typer.Argument(help="Pictures to open at once; - is standard input.", show_default=False)
    ] = None,
    model: Model = None,
    threads: AskedThreads = None,
    provider: AskedProvider = Provider.AUTO,
    force: Force = False,
    ask: AskAtOnce = None,
    new_window: Annotated[
        bool, typer.Option("--new-window", help="Open another window, also if one is open already.")
    ] = False,
    install_menu: Annotated[
        bool, typer.Option("--install-menu", help="Put an entry into the menu of the desktop, then end.")
    ] = False,
    remove_menu: Annotated[bool, typer.Option("--remove-menu", help="Take that entry away, then end.")] = False,
) -> None:
    """Open a window: drop a picture, ask, watch the answer come.

    A window that is open already is used.
    """
    from dsvl2_runtime.inputs.images import ImageBytes, image_source

    if install_menu or remove_menu:
        _change_menu(install_menu)
        return
    named = [image_source(picture) for picture in pictures or []]
    images: list[Source] = [
        source if isinstance(source, ImageBytes) else Path(str(source)).absolute() for source in named
    ]
    _open(images, None, 0.0, ask, model, threads, provider, force, new_window)


def _change_menu(adds: bool) -> None:
    from dsvl2_app.qt_libraries import require_qt
    from dsvl2_runtime.cli.streams import print_message

    require_qt()
    from dsvl2_app.menu_entry import add_to_menu, remove_from_menu

    paths = add_to_menu() if adds else remove_from_menu()
    where = f"{paths[0]} and {len(paths) - 1} icons" if paths else "nothing, there was no entry"
    print_message(f"{'written' if adds else 'removed'}: {where}")


def grab(
    region: Annotated[bool, typer.Option("--region", help="Choose a rectangle; this is what happens anyway.")] = False,
    window: Annotated[bool, typer.Option("--window", help="Choose a window.")] = False,
    screen: Annotated[bool, typer.Option("--screen", help="Take the screen on which the pointer is.")] = False,
    delay: Annotated[float, typer.Option(help="Seconds to wait, for instance to open a menu.", min=0, max=60)] = 0.0,
    ask: AskAtOnce = None,
    model: Model = None,
    threads: AskedThreads = None,
    provider: AskedProvider = Provider.AUTO,
    force: Force = False,
) -> None:
    """Take a picture of the screen into the window.

    Where none is open, a new one opens. The verb is made to be bound to a key.
    """
    chosen: list[CaptureKind] = []
    if window:
        chosen.append("window")
    if screen:
        chosen.append("screen")
    if region or not chosen:
        chosen.append("region")
    if len(chosen) > 1:
        raise UsageError("--region, --window and --screen exclude each other; give one of them")
    _open([], chosen[0], delay, ask, model, threads, provider, force, False)


def _open(
    images: list[Source],
    capture: CaptureKind | None,
    delay: float,
    ask: str | None,
    model: str | None,
    threads: int | None,
    provider: Provider,
    force: bool,
    new_window: bool,
) -> None:
    from dsvl2_app.qt_libraries import require_qt

    require_qt()
    from dsvl2_app.app import run_app
    from dsvl2_app.state.opening import Opening
    from dsvl2_runtime.bundle.model_names import find_model
    from dsvl2_runtime.engine.protocol import Load

    # A folder is given to the engine as an absolute path: the window's process need not stay in this one.
    folder = str(find_model(model or DEFAULT_MODEL).absolute())
    opening = Opening(images, capture, delay, ask, folder if model is not None else None, threads, str(provider))
    raise typer.Exit(run_app(Load(folder, threads, force, provider), opening, new_window=new_window))

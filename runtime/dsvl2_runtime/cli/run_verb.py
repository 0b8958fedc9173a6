"""The program and its verb `run`, alone: a question in a script waits for no other verb."""

from __future__ import annotations

from typing import Annotated

import typer

from dsvl2_runtime.cli.run_options import RunOptions, with_run_options

app = typer.Typer(
    name="dsvl2-onnx",
    help="Ask your screen and your documents, offline: DeepSeek-VL2 as quantised ONNX graphs.",
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


@app.command()
@with_run_options()
def run(options: RunOptions, prompt: Annotated[str, typer.Argument(help="The question.", show_default=False)]) -> None:
    """Answer a question about pictures."""
    from dsvl2_runtime.cli.run import run_question

    run_question(prompt, options)

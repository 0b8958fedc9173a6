"""The verbs of the shelf: `ls`, `show`, `import`, `rm` and `pull`."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import typer

from dsvl2_runtime.bundle.releases import Precision
from dsvl2_runtime.cli.console import ReportFormat, print_table, progress_bars
from dsvl2_runtime.cli.run_options import complete_model
from dsvl2_runtime.cli.streams import print_json, print_message
from dsvl2_runtime.errors import UsageError

AsReport = Annotated[ReportFormat, typer.Option("--format", help="json is one object.")]


def ls(report_format: AsReport = ReportFormat.TABLE) -> None:
    """List the models that have a name."""
    from rich.table import Table

    from dsvl2_runtime.bundle.model_names import models_folder
    from dsvl2_runtime.bundle.shelf import list_models
    from dsvl2_runtime.machine.machine import gigabytes

    models = list(list_models())
    if report_format is ReportFormat.JSON:
        print_json({"folder": str(models_folder()), "models": [_facts(model) for model in models]})
        return
    table = Table(title=f"models, those that are not built in are in {models_folder()}")
    for title in ("name", "release", "precision", "size"):
        table.add_column(title)
    for model in models:
        if model.manifest is None:
            table.add_row(model.name, model.error)
        else:
            kind, precision = model.manifest.variant.value, model.manifest.precision.value
            built_in = " (built in)" if model.is_built_in else ""
            table.add_row(model.name + built_in, kind, precision, gigabytes(model.size))
    print_table(table)


def show(
    model: Annotated[
        str,
        typer.Argument(
            help="Name of a model, or folder of a bundle.", show_default=False, autocompletion=complete_model
        ),
    ],
    report_format: AsReport = ReportFormat.TABLE,
) -> None:
    """Say what a model is: its release, sizes, graphs and note.

    Its files are not read for that; `verify` reads them all.
    """
    from rich.table import Table

    from dsvl2_runtime.bundle.bundle import Bundle
    from dsvl2_runtime.bundle.model_names import find_model
    from dsvl2_runtime.machine.machine import gigabytes

    bundle = Bundle.open(find_model(model))
    manifest, language = bundle.manifest, bundle.manifest.config.language_config
    facts: dict[str, Any] = {
        "name": manifest.name,
        "folder": str(bundle.folder),
        "release": manifest.variant.value,
        "precision": manifest.precision.value,
        "parts": manifest.parts,
        "bytes": sum(entry.size for entry in manifest.files),
        "files": len(manifest.files),
        "graphs": [f"{graph.name} for {graph.target}: {graph.file}" for graph in manifest.graphs],
        "layers": language.num_hidden_layers,
        "context": language.max_position_embeddings,
        "minimum_onnxruntime": manifest.minimum_onnxruntime,
        "created_with": manifest.created_with,
        "note": manifest.note,
        "manifest_sha256": bundle.manifest_sha256,
    }
    if report_format is ReportFormat.JSON:
        print_json(facts)
        return
    table = Table(title=model, show_header=False)
    facts["parts"] = ", ".join(f"{part} {form}" for part, form in manifest.parts.items())
    facts["graphs"] = "\n".join(facts["graphs"])
    facts["bytes"] = gigabytes(facts["bytes"])
    for name, value in facts.items():
        table.add_row(name.replace("_", " "), str(value))
    print_table(table)


def import_(
    folder: Annotated[Path, typer.Argument(help="Of a bundle, for instance on a stick.", show_default=False)],
    name: Annotated[str | None, typer.Option(help="By default that of the folder.", show_default=False)] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a model of this name.")] = False,
) -> None:
    """Copy a bundle to the folder of models, to ask it by name.

    Every file is compared with its sum.
    """
    from dsvl2_runtime.bundle.shelf import import_bundle

    if not (folder / "manifest.json").is_file() and any(folder.glob("*.safetensors")):
        raise UsageError(f"{folder} is a checkpoint; make a bundle of it with `dsvl2-onnx export`")
    with progress_bars(of_bytes=True) as bars:
        out = import_bundle(
            folder, name, overwrite=force, on_progress=lambda done, total: bars.update("import", done, total)
        )
    print_message(f"ask it with --model {out.name}")


def rm(
    model: Annotated[str, typer.Argument(help="Name of a model.", show_default=False, autocompletion=complete_model)],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Delete a model from the folder of models.

    What `optimize` kept of it is deleted, too.
    """
    from dsvl2_runtime.bundle.bundle import Bundle
    from dsvl2_runtime.bundle.shelf import named_bundle, remove_bundle
    from dsvl2_runtime.errors import Dsvl2Error
    from dsvl2_runtime.machine.files import bytes_in
    from dsvl2_runtime.machine.machine import gigabytes

    folder = named_bundle(model)
    if not yes:
        if not sys.stdin.isatty():
            raise UsageError(f"{folder} would be deleted, and nobody can be asked; give --yes")
        typer.confirm(f"Delete {folder} ({gigabytes(bytes_in(folder))})?", abort=True, err=True)
    packed = 0
    if find_spec("onnxruntime") is not None:
        from dsvl2_runtime.graphs.packed_weights import delete_packed

        try:
            packed = delete_packed(Bundle.open(folder))
        except Dsvl2Error:  # a damaged one cannot be opened, and still be removed
            packed = 0
    freed = remove_bundle(model)
    print_message(f"{model} is gone, and {gigabytes(freed + packed)} are free again")


def pull(
    repository: Annotated[
        str, typer.Argument(help="OWNER/NAME of a checkpoint on the hub of Hugging Face.", show_default=False)
    ],
    revision: Annotated[str | None, typer.Option(help="A branch, a tag or a commit.", show_default=False)] = None,
    name: Annotated[
        str | None, typer.Option(help="By default that of the checkpoint and its precision.", show_default=False)
    ] = None,
    precision: Annotated[Precision, typer.Option(help="int4 and int8 to use.")] = Precision.INT4,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the checkpoint beside the bundle.")] = False,
) -> None:
    """Download a checkpoint and make a bundle of it.

    Every file is compared with its sum. No other verb downloads anything.

    What was interrupted goes on where it was. Needs the extras pull and export.
    """
    from dsvl2_runtime.cli.pull import pull_model

    pull_model(repository, revision, name, precision.value, keep=keep)


def _facts(model: Any) -> dict[str, Any]:
    manifest = model.manifest
    return {
        "name": model.name,
        "folder": str(model.folder),
        "built_in": model.is_built_in,
        "release": None if manifest is None else manifest.variant.value,
        "precision": None if manifest is None else manifest.precision.value,
        "bytes": model.size,
        "error": model.error or None,
    }


def add_shelf_verbs(app: typer.Typer) -> None:
    """Offer them."""
    app.command()(ls)
    app.command()(show)
    app.command("import")(import_)
    app.command()(rm)
    app.command()(pull)

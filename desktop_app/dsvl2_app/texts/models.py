"""Models: which there are, what they need, how one is added, converted, checked and removed."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QCoreApplication

from dsvl2_app.state.conversion import Conversion
from dsvl2_app.state.models import KnownModel
from dsvl2_app.texts import errors
from dsvl2_app.texts.history import size
from dsvl2_runtime.bundle.export_plan import ExportPlan
from dsvl2_runtime.engine.wire_error import WireError
from dsvl2_runtime.machine.machine import GIGABYTE


def title() -> str:
    """Of the dialog."""
    return QCoreApplication.translate("models", "Models")


def menu_entry() -> str:
    """The menu entry."""
    return QCoreApplication.translate("models", "&Models…")


def demonstration() -> str:
    """Name of the model that comes with the program."""
    return QCoreApplication.translate("models", "Demonstration")


def name(model: KnownModel) -> str:
    """Heading of a row."""
    return demonstration() if model.is_demo else model.name


def looking() -> str:
    """While the models are looked at."""
    return QCoreApplication.translate("models", "Looking at the models…")


def facts(model: KnownModel) -> str:
    """Below a name: precision and size."""
    on_disk = QCoreApplication.translate("models", "{size} on the disk").format(size=size(model.disk))
    return " · ".join(part for part in (model.precision, on_disk) if part)


def memory(model: KnownModel) -> str:
    """Beside the bar: what it needs of this computer, and whether that is there."""
    needs = QCoreApplication.translate("models", "needs {needed} of {memory} GB of memory, {available} free: {fits}")
    fits = (
        QCoreApplication.translate("models", "fits")
        if model.fits
        else QCoreApplication.translate("models", "close other programs first")
        if model.needed <= model.memory
        else QCoreApplication.translate("models", "too large for this computer")
    )
    return needs.format(
        needed=f"{model.needed / GIGABYTE:.1f}",
        memory=f"{model.memory / GIGABYTE:.1f}",
        available=f"{model.available / GIGABYTE:.1f}",
        fits=fits,
    )


def memory_bar() -> str:
    """What a screen reader calls the bar."""
    return QCoreApplication.translate("models", "Memory")


def use() -> str:
    """The button."""
    return QCoreApplication.translate("models", "&Use")


def in_use() -> str:
    """In place of the button."""
    return QCoreApplication.translate("models", "In use")


def loading() -> str:
    """In place of the button."""
    return QCoreApplication.translate("models", "Loading…")


def verify() -> str:
    """The button."""
    return QCoreApplication.translate("models", "&Verify")


def verifying(done: int, total: int) -> str:
    """In place of the facts."""
    return QCoreApplication.translate("models", "Verifying, {percent} %").format(percent=done * 100 // max(total, 1))


def verified(files: int) -> str:
    """It worked."""
    return QCoreApplication.translate("models", "All {count} files are as they were written.").format(count=files)


def remove() -> str:
    """The button."""
    return QCoreApplication.translate("models", "&Remove…")


def remove_question(model: KnownModel) -> str:
    """Before it is done."""
    question = QCoreApplication.translate("models", "Delete the files of {name} ({size}, in {folder})?")
    return question.format(name=model.name, size=size(model.disk), folder=model.folder)


def delete_files() -> str:
    """A button of that question."""
    return QCoreApplication.translate("models", "&Delete the files")


def forget() -> str:
    """A button of that question."""
    return QCoreApplication.translate("models", "Only &forget it")


def cancel() -> str:
    """A button."""
    return QCoreApplication.translate("models", "&Cancel")


def add() -> str:
    """The button."""
    return QCoreApplication.translate("models", "&Add a model…")


def add_sentence() -> str:
    """Beside that button."""
    return QCoreApplication.translate(
        "models", "Choose the folder of a converted model, or that of an official DeepSeek-VL2 checkpoint."
    )


def neither(folder: Path) -> str:
    """A folder that cannot be added."""
    return QCoreApplication.translate(
        "models",
        "{folder} holds no model: there is neither manifest.json nor config.json with *.safetensors. Choose the folder "
        "into which you have downloaded the files.",
    ).format(folder=folder)


def conversion_title(checkpoint: Path) -> str:
    """Heading of the page."""
    return QCoreApplication.translate("models", "Convert {name}").format(name=checkpoint.name)


def found(plan: ExportPlan) -> str:
    """What the folder holds."""
    text = QCoreApplication.translate("models", "Found: DeepSeek-VL2 {variant}, {size}.")
    return " ".join(
        part
        for part in (text.format(variant=plan.variant.title(), size=size(plan.checkpoint_bytes)), plan.note)
        if part
    )


def will_make(plan: ExportPlan) -> str:
    """What conversion makes and needs."""
    text = QCoreApplication.translate(
        "models",
        "Makes: {precision}, {disk} on the disk ({free} are free). Answers will need about {memory} of memory "
        "({available} are free now).",
    )
    return text.format(
        precision=plan.precision,
        disk=size(plan.bundle_bytes),
        free=size(plan.free_disk_bytes),
        memory=size(plan.memory_bytes),
        available=size(plan.available_memory_bytes),
    )


def no_room(plan: ExportPlan) -> str:
    """The disk is too full."""
    lacking = plan.bundle_bytes - plan.done_bytes - plan.free_disk_bytes
    text = QCoreApplication.translate("models", "The disk lacks {size}. Make room, or choose another folder.")
    return text.format(size=size(lacking))


def resumable(plan: ExportPlan) -> str:
    """An earlier attempt has left something."""
    text = QCoreApplication.translate("models", "{size} of an earlier attempt are there and will be used.")
    return text.format(size=size(plan.done_bytes))


def extra_missing(extra: str) -> str:
    """Conversion is not installed."""
    text = QCoreApplication.translate(
        "models",
        "Converting needs more packages. Install them with: {command}. Then open this page again.",
    )
    return text.format(command=f"pip install 'dsvl2-onnx[{extra}]'")


def precision() -> str:
    """Name of a choice."""
    return QCoreApplication.translate("models", "Precision")


def precisions() -> list[tuple[str, str]]:
    """The choices: value and name."""
    return [
        ("int4", QCoreApplication.translate("models", "int4, the smallest")),
        ("int8", QCoreApplication.translate("models", "int8, closer to the original")),
    ]


def target() -> str:
    """Name of a row."""
    return QCoreApplication.translate("models", "Folder of the new model")


def change_folder() -> str:
    """The button of that row."""
    return QCoreApplication.translate("models", "C&hange…")


def convert() -> str:
    """The button."""
    return QCoreApplication.translate("models", "&Convert")


def resume() -> str:
    """The button after an attempt that did not end."""
    return QCoreApplication.translate("models", "&Resume")


def stop_converting() -> str:
    """The button while it runs; what is finished is kept."""
    return QCoreApplication.translate("models", "Ca&ncel (keeps what is done)")


def back() -> str:
    """The button."""
    return QCoreApplication.translate("models", "&Back to the models")


def steps() -> list[str]:
    """What is done, one after the other."""
    return [
        QCoreApplication.translate("models", "1. Convert"),
        QCoreApplication.translate("models", "2. Verify"),
    ]


def log() -> str:
    """The button that unfolds what the program said."""
    return QCoreApplication.translate("models", "What the program &says")


def conversion_state(conversion: Conversion) -> str:
    """One line below the bars."""
    left = conversion.seconds_left
    states = {
        "waiting": "",
        "converting": _progress(conversion, QCoreApplication.translate("models", "Converting, {percent} %")),
        "verifying": _progress(conversion, QCoreApplication.translate("models", "Verifying, {percent} %")),
        "done": QCoreApplication.translate("models", "Converted and verified. It can be used now."),
        "cancelled": QCoreApplication.translate("models", "Cancelled. What is finished is kept: Resume goes on there."),
        "failed": QCoreApplication.translate("models", "It did not work: {reason}").format(reason=conversion.reason),
    }
    state = states[conversion.step]
    return state if left is None else f"{state}, {time_left(left)}"


def _progress(conversion: Conversion, text: str) -> str:
    return text.format(percent=conversion.done * 100 // max(conversion.total, 1))


def time_left(seconds: float) -> str:
    """Rounded, because it is a guess."""
    if seconds >= 90:
        return QCoreApplication.translate("models", "about {count} minutes left").format(count=round(seconds / 60))
    return QCoreApplication.translate("models", "about {count} seconds left").format(
        count=max(5, round(seconds / 5) * 5)
    )


def demo_heading() -> str:
    """Of the card at the first start."""
    return QCoreApplication.translate("models", "You have the demonstration model")


def demo_sentence() -> str:
    """What it is."""
    return QCoreApplication.translate(
        "models",
        "It comes with the program, is small, and was trained on drawn receipts, forms, tables and windows. It is "
        "often wrong about other pictures. For real documents, set up DeepSeek-VL2.",
    )


def set_up() -> str:
    """The button of the card and of the note."""
    return QCoreApplication.translate("models", "Set up a full &model…")


def keep_demo() -> str:
    """The other button of the card."""
    return QCoreApplication.translate("models", "Keep the &demonstration")


def choose_folder() -> str:
    """The button where a model could not be loaded."""
    return QCoreApplication.translate("models", "Choose fol&der…")


def use_demo() -> str:
    """The other button there."""
    return QCoreApplication.translate("models", "Use demons&tration")


def not_loaded(error: WireError) -> str:
    """A model that was asked for and cannot be loaded; what can be done is on the buttons."""
    values = error.values
    told = {"path", "found"} <= values.keys()
    reason = f"{values['path']}: {errors.said(str(values['found']))}" if told else errors.message(error)
    return QCoreApplication.translate("models", "The model was not loaded: {reason}").format(reason=reason)

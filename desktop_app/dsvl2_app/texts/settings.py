"""The dialog of settings: each has a name and one sentence."""

from __future__ import annotations

from PySide6.QtCore import QCoreApplication


def title() -> str:
    """Of the dialog."""
    return QCoreApplication.translate("settings", "Settings")


def menu_entry() -> str:
    """The menu entry."""
    return QCoreApplication.translate("settings", "&Settings…")


def close() -> str:
    """The button."""
    return QCoreApplication.translate("settings", "&Close")


def pages() -> str:
    """What a screen reader calls the list at the left."""
    return QCoreApplication.translate("settings", "Pages")


def general() -> str:
    """A page."""
    return QCoreApplication.translate("settings", "General")


def model() -> str:
    """A page."""
    return QCoreApplication.translate("settings", "Model")


def keys() -> str:
    """A page."""
    return QCoreApplication.translate("settings", "Capture and keys")


def privacy() -> str:
    """A page."""
    return QCoreApplication.translate("settings", "Privacy")


def advanced() -> str:
    """A page."""
    return QCoreApplication.translate("settings", "Advanced")


def language() -> tuple[str, str]:
    """Name and sentence."""
    return (
        QCoreApplication.translate("settings", "Language"),
        QCoreApplication.translate("settings", "The window speaks it from the next start."),
    )


def as_system() -> str:
    """A choice."""
    return QCoreApplication.translate("settings", "As the system")


def light() -> str:
    """A choice."""
    return QCoreApplication.translate("settings", "Light")


def dark() -> str:
    """A choice."""
    return QCoreApplication.translate("settings", "Dark")


def theme() -> tuple[str, str]:
    """Name and sentence."""
    return (
        QCoreApplication.translate("settings", "Theme"),
        QCoreApplication.translate("settings", "Light or dark; by default it follows the system."),
    )


def text_size() -> tuple[str, str]:
    """Name and sentence."""
    return (
        QCoreApplication.translate("settings", "Text size"),
        QCoreApplication.translate("settings", "All texts of the window, from 80 to 200 percent."),
    )


def opens_last() -> tuple[str, str]:
    """Name and sentence."""
    return (
        QCoreApplication.translate("settings", "Start with the last conversation"),
        QCoreApplication.translate("settings", "Otherwise the window starts with an empty one."),
    )


def threads() -> tuple[str, str]:
    """Name and sentence."""
    return (
        QCoreApplication.translate("settings", "Threads"),
        QCoreApplication.translate("settings", "Fewer leave more to other programs; the model is loaded again."),
    )


def all_cores() -> str:
    """In place of a number of threads."""
    return QCoreApplication.translate("settings", "One for each core")


def longest_answer() -> tuple[str, str]:
    """Name and sentence."""
    return (
        QCoreApplication.translate("settings", "Longest answer"),
        QCoreApplication.translate("settings", "In tokens; a token is a short word or a piece of one."),
    )


def tokens() -> str:
    """After a number."""
    return QCoreApplication.translate("settings", " tokens")


def temperature() -> tuple[str, str]:
    """Name and sentence."""
    return (
        QCoreApplication.translate("settings", "Variation"),
        QCoreApplication.translate("settings", "0 always takes the likeliest word, which is best for reading."),
    )


def set_up_model() -> str:
    """The button."""
    return QCoreApplication.translate("settings", "&Models…")


def models_sentence() -> str:
    """Beside that button."""
    return QCoreApplication.translate("settings", "Add, convert, check or remove models.")


def tray() -> tuple[str, str]:
    """Name and sentence."""
    return (
        QCoreApplication.translate("settings", "Icon in the notification area"),
        QCoreApplication.translate("settings", "From there the screen can be captured while the window is closed."),
    )


def capture_command() -> tuple[str, str]:
    """Name and sentence."""
    return (
        QCoreApplication.translate("settings", "Command for a key of your desktop"),
        QCoreApplication.translate("settings", "Bind it in the settings of your system; it works wherever you are."),
    )


def copy_command() -> str:
    """The button."""
    return QCoreApplication.translate("settings", "Cop&y")


def keys_sentence() -> str:
    """Above the list of keys."""
    return QCoreApplication.translate("settings", "Choose a field and press other keys, or clear it to have none.")


def usual_key() -> str:
    """The button beside a key that was changed."""
    return QCoreApplication.translate("settings", "Usual key")


def clear_key() -> str:
    """The button beside a key."""
    return QCoreApplication.translate("settings", "No key")


def key_in_use(name: str) -> str:
    """Two actions cannot have one key."""
    return QCoreApplication.translate("settings", "“{name}” has these keys already.").format(name=name)


def keeps() -> tuple[str, str]:
    """Name and sentence."""
    return (
        QCoreApplication.translate("settings", "Keep conversations"),
        QCoreApplication.translate("settings", "With their pictures, on this computer alone."),
    )


def folder() -> str:
    """Name of the row with the folder of conversations."""
    return QCoreApplication.translate("settings", "Where they are")


def open_folder() -> str:
    """The button."""
    return QCoreApplication.translate("settings", "&Open folder")


def size_of_everything(size: str) -> str:
    """Below the folder."""
    return QCoreApplication.translate("settings", "{size} are kept there.").format(size=size)


def delete_everything() -> str:
    """The button."""
    return QCoreApplication.translate("settings", "&Delete everything…")


def delete_sentence() -> str:
    """Beside that button."""
    return QCoreApplication.translate("settings", "All conversations and pictures; this cannot be undone.")


def delete_question() -> str:
    """Before it is done."""
    return QCoreApplication.translate("settings", "Delete all conversations and their pictures for good?")


def delete_now() -> str:
    """The button that does it."""
    return QCoreApplication.translate("settings", "&Delete everything")


def cancel() -> str:
    """The button that does not."""
    return QCoreApplication.translate("settings", "&Cancel")


def deleted() -> str:
    """It was done."""
    return QCoreApplication.translate("settings", "Everything was deleted.")


def network() -> tuple[str, str]:
    """Name and sentence."""
    return (
        QCoreApplication.translate("settings", "Network: none"),
        QCoreApplication.translate(
            "settings", "The program opens no connection; reports that its libraries would send are switched off."
        ),
    )


def settings_file() -> str:
    """Name of a row."""
    return QCoreApplication.translate("settings", "File of settings")


def cache() -> str:
    """Name of a row."""
    return QCoreApplication.translate("settings", "Files that can be made again")


def program() -> str:
    """Name of a row."""
    return QCoreApplication.translate("settings", "Version")


def not_read(reason: str) -> str:
    """The file of settings is wrong."""
    return QCoreApplication.translate("settings", "The usual settings hold: {reason}").format(reason=reason)


def not_saved(reason: str) -> str:
    """The file of settings cannot be written."""
    return QCoreApplication.translate("settings", "Your settings were not saved. {reason}").format(reason=reason)

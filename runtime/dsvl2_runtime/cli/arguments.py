"""What is typed without the name of an option: files to ask about, and the question among them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from dsvl2_runtime.cli.run_options import RunOptions
from dsvl2_runtime.errors import ImageError, UsageError
from dsvl2_runtime.inputs.formats import HEAD_BYTES, IMAGE_ENDINGS, is_pdf

FILE_ENDINGS = (*IMAGE_ENDINGS, ".pdf")


def split_question(first: str, others: Sequence[str] | None, options: RunOptions) -> tuple[str, RunOptions]:
    """Tell the question from the files; each may stand first, as people know both from other programs.

    Args:
        first: the first argument, as it was typed.
        others: those behind it.
        options: of the same command line; where they name a picture, a single argument is the question.

    Returns:
        The question, and options that also ask about the files.

    Raises:
        UsageError: there are files alone.
        ImageError: one of the others is no file.
    """
    arguments = [first, *(others or ())]
    has_pictures = bool(options.image or options.pdf or options.clipboard)
    if len(arguments) == 1 and (has_pictures or not _is_file(arguments[0])):
        return arguments[0], options
    texts = [argument for argument in arguments if not _is_file(argument)]
    if not texts:
        raise UsageError(f'{first} is a file; what is asked about it? Write for instance: "What is the total?" {first}')
    question = min(texts, key=lambda text: text.lower().endswith(FILE_ENDINGS))
    for text in texts:
        if text is not question:
            raise ImageError(text, "no such file", "check the path; a question of several words stands in quotes")
    arguments.remove(question)
    return question, with_files(options, arguments)


def with_files(options: RunOptions, files: Sequence[str] | None) -> RunOptions:
    """Options that also ask about these files, behind the pictures of `--image`.

    Raises:
        UsageError: there are two documents.
    """
    documents = [file for file in files or () if is_document(file)]
    pictures = [file for file in files or () if file not in documents]
    if options.pdf is not None:
        documents.insert(0, options.pdf)
    if len(documents) > 1:
        raise UsageError(
            f"{' and '.join(documents)} are {len(documents)} documents; ask about one at a time, or use batch"
        )
    image = [*(options.image or ()), *pictures]
    return replace(options, image=image or None, pdf=documents[0] if documents else None)


def is_document(file: str) -> bool:
    """Whether a file is a PDF by its first bytes; what cannot be read is refused where pictures are read."""
    with suppress(OSError, ValueError):
        if Path(file).is_file():
            with Path(file).open("rb") as opened:
                return is_pdf(opened.read(HEAD_BYTES))
    return False


def _is_file(argument: str) -> bool:
    """Whether something of this name is there, or it is an address or `-`, which stand for files alone."""
    if argument == "-" or argument.lower().startswith("file:/"):
        return True
    if not argument:  # which `Path` takes for the folder that this process is in
        return False
    with suppress(OSError, ValueError):  # a question may be longer than a name can be
        return Path(argument).exists()
    return False

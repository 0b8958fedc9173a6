"""The verb `chat`: questions line by line, from a terminal or a pipe, answered as one conversation.

Answers go to standard output, everything else to standard error. On a terminal lines can be edited, the questions of
this run come back with the arrow keys, and the tabulator completes commands and paths. Nothing is written to the disk
but what `/save` writes.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast, get_args

from dsvl2_runtime.answers.answer import Answer
from dsvl2_runtime.answers.boxes import BoxStream, BoxStyle
from dsvl2_runtime.answers.confidence import unsure_notices
from dsvl2_runtime.answers.estimate import TokenCounts, estimate
from dsvl2_runtime.answers.sampling import GenerationOptions
from dsvl2_runtime.chat import Chat
from dsvl2_runtime.cli.arguments import is_document
from dsvl2_runtime.cli.console import progress_bars
from dsvl2_runtime.cli.cost import announce
from dsvl2_runtime.cli.pdf_password import pdf_password
from dsvl2_runtime.cli.run import with_box_style
from dsvl2_runtime.cli.stop_signals import stop_behind
from dsvl2_runtime.cli.streams import print_message, print_notices, write_answer
from dsvl2_runtime.errors import Dsvl2Error, UsageError
from dsvl2_runtime.geometry import LARGEST_PIXELS
from dsvl2_runtime.inputs.documents import pages
from dsvl2_runtime.inputs.images import check_image, image_source
from dsvl2_runtime.inputs.processor import ReadImage, read_image
from dsvl2_runtime.machine.provider import Provider
from dsvl2_runtime.machine.speeds import SpeedMeter, known_speeds, remember_speeds
from dsvl2_runtime.model import VisionLanguageModel, load_model
from dsvl2_runtime.progress import Progress, Watch

ENDINGS = {
    "length": "the answer was cut off at its longest; -n allows a longer one",
    "repetition": "the answer was cut off because it went round in circles",
    "cancelled": "stopped",
}


PAGES = re.compile(r"[0-9][0-9,-]*")
"""A choice of pages behind a path."""


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """What the verb `chat` was asked."""

    files: tuple[str, ...]
    """Paths or `file:` addresses of pictures and PDFs, for the first question."""
    model: str
    """A bundle's folder, or the name of a shipped model."""
    options: GenerationOptions
    system: str = ""
    resume: Path | None = None
    """A conversation that was saved."""
    drop_oldest: bool = False
    threads: int | None = None
    quiet: bool = False
    force: bool = False
    """Load even a model that seems too large for the memory."""
    provider: Provider = Provider.AUTO
    max_pixels: int = LARGEST_PIXELS
    """Width times height of a picture or page; one with more is refused."""
    pdf_password_file: str | None = None
    look_again: bool | None = None
    """Where the model is not sure; None as is best for the model."""


def converse(request: ChatRequest) -> int:
    """Load the model and answer until the lines end.

    Returns:
        The exit code: on a terminal 0; from a pipe that of the first question or command that failed.

    Raises:
        Dsvl2Error: whatever is wrong with the model, the first images or the saved conversation.
    """
    if request.resume is not None and request.system:
        raise UsageError("a saved conversation has its own system message; leave --system out")
    with progress_bars(show=not request.quiet, keep=False) as bars:
        watch = Watch(lambda progress: bars.update(progress.phase, progress.done, progress.total))
        model = load_model(request.model, request.threads, watch, force=request.force, provider=request.provider)
    if not request.quiet:
        print_notices(model.notices)
    if request.resume is None:
        chat = model.chat(request.system, drop_oldest=request.drop_oldest)
    else:
        chat = model.resume(request.resume)
        chat.drop_oldest = chat.drop_oldest or request.drop_oldest
    repl = Repl(model, chat, request)
    for path in request.files:
        repl.add_file(path)
    on_terminal = sys.stdin.isatty() and sys.stdout.isatty()
    lines = _edited_lines(repl.prompt) if on_terminal else _plain_lines()
    if on_terminal and not request.quiet:
        print_message("/help lists the commands; Ctrl-C stops an answer, Ctrl-D leaves")
    code = repl.run(lines, on_terminal)
    return 0 if on_terminal else code


def _ended_with(error: Exception | KeyboardInterrupt, on_terminal: bool) -> int:
    """Say what ended an answer: its exit code, or 0 for Ctrl-C on a terminal, also one that became another error."""
    stop = stop_behind(error)
    if on_terminal and isinstance(stop, KeyboardInterrupt):
        print_message(ENDINGS["cancelled"])
        return 0
    if stop is not None or not isinstance(error, Dsvl2Error):
        raise error
    print_message(f"dsvl2-onnx: {error}")
    return error.exit_code


@dataclass(slots=True)
class Repl:
    """One run of the verb: the conversation, and what the next question brings with it."""

    model: VisionLanguageModel
    chat: Chat
    request: ChatRequest
    waiting: list[ReadImage] = field(default_factory=list)
    """Images for the next question."""
    box_style: BoxStyle = "text"
    last: Answer | None = None

    def run(self, lines: Iterator[str], on_terminal: bool) -> int:
        """Take lines until they end or `/quit` comes; the exit code of the first that failed."""
        code = 0
        for line in lines:
            try:
                if line.startswith("/"):
                    if not self.command(line):
                        break
                elif line.strip():
                    self.ask(line)
            except (Exception, KeyboardInterrupt) as error:
                ended = _ended_with(error, on_terminal)
                code = code or ended
        return code

    def prompt(self) -> str:
        """What stands before the line that is typed."""
        count = len(self.waiting)
        return f"[{count} picture{'s' if count > 1 else ''}] > " if count else "> "

    def ask(self, question: str) -> None:
        """Ask and print; a question that fails keeps its images waiting."""
        with progress_bars(show=not self.request.quiet, keep=False) as bars:
            meter = SpeedMeter()

            def on_progress(progress: Progress) -> None:
                meter.note(progress)
                if progress.phase != "decode":
                    bars.update(progress.phase, progress.done, progress.total)

            before = 0 if self.last is None else self.last.usage.prompt_tokens + self.last.usage.completion_tokens
            options, watch = self.request.options, Watch(on_progress)
            images_before = self.chat.num_images
            self.last = answer = self.chat.ask(
                question, self.waiting, options, watch, look_again=self.request.look_again
            )
            told = answer.notices
            if not self.request.quiet:
                print_notices(told)
                self._announce(answer.usage.prompt_tokens, before)
            boxes, in_line = BoxStream(self.box_style, answer.image_sizes), False
            try:
                for _, text in with_box_style(iter(answer), boxes, []):
                    bars.close()
                    write_answer(text)
                    in_line = in_line or bool(text)
            except BaseException:
                self.chat.close()
                if self.chat.num_images > images_before:  # what was said of the answer stays, and its images with it
                    self.waiting = []
                if in_line:
                    write_answer("\n")
                raise
        write_answer("\n")
        self.waiting = []
        if answer.finish_reason == "stop":
            meter.answered(answer.usage.completion_tokens)
        remember_speeds(self.model.speed_key, meter.take())
        if self.request.quiet:
            return
        if answer.finish_reason in ENDINGS:
            print_message(ENDINGS[answer.finish_reason])
        elif answer.finish_reason == "stop":
            print_notices(notice for notice in answer.notices if notice not in told)
            print_notices(unsure_notices(answer.confidence, answer.usage.completion_tokens))

    def _announce(self, prompt_tokens: int, read_before: int) -> None:
        """Say what a question costs, if that is much."""
        context = self.model.config.language_config.max_position_embeddings
        tiles = sum(len(image.tiles) for image in self.waiting)
        counts = TokenCounts(tiles, prompt_tokens, context, cached_tokens=read_before)
        announce(estimate(counts, known_speeds(self.model.speed_key), self.request.options.max_new_tokens))

    def command(self, line: str) -> bool:
        """Carry out a line that begins with a slash; False where it is the last one."""
        name, _, rest = line.partition(" ")
        argument = _unquoted(rest.strip())
        if name in ("/quit", "/exit"):
            return False
        commands: dict[str, Callable[[str], None]] = {
            "/image": self.add_image, "/pdf": self.add_pages, "/boxes": self.boxes, "/save": self.save,
            "/clear": self.clear, "/help": self.help_,
        }  # fmt: skip
        if name not in commands:
            raise UsageError(
                f"{name} is no command; /help lists them, and a blank before the slash makes it a question"
            )
        commands[name](argument)
        return True

    def add_file(self, path: str) -> None:
        """A picture, or all pages of a PDF."""
        if is_document(path):
            self._add_pages(path, None)
        else:
            self.add_image(path)

    def add_image(self, path: str) -> None:
        """`/image PATH`."""
        if path in ("", "-"):
            raise UsageError("which picture? write /image and its path")
        source = image_source(str(Path(path).expanduser()) if path.startswith("~") else path)
        check_image(source, most_pixels=self.request.max_pixels)
        self.waiting.append(read_image(source, self.model.config, threads=self.model.threads))
        if not self.request.quiet:
            print_message(f"picture {self.chat.num_images + len(self.waiting)}: {path}")

    def add_pages(self, argument: str) -> None:
        """`/pdf PATH [PAGES]`."""
        path, _, choice = argument.rpartition(" ")
        if not path or not PAGES.fullmatch(choice):
            path, choice = argument, ""
        path = _unquoted(path.strip())
        if not path:
            raise UsageError("which document? write /pdf, its path and perhaps its pages, as in /pdf bill.pdf 1-2")
        self._add_pages(path, choice or None)

    def _add_pages(self, path: str, choice: str | None) -> None:
        source = Path(path).expanduser()
        found = list[ReadImage]()
        password = pdf_password(self.request.pdf_password_file)
        for page in pages(source, choice, password=password, most_pixels=self.request.max_pixels):
            found.append(read_image(page.image, self.model.config, threads=self.model.threads))
            number = self.chat.num_images + len(self.waiting) + len(found)
            if not self.request.quiet:
                print_notices(notice.of_image(number) for notice in page.notices)
        self.waiting += found
        if not self.request.quiet:
            print_message(f"{len(found)} page{'s' if len(found) > 1 else ''} of {path}")

    def boxes(self, style: str) -> None:
        """`/boxes`: those of the last answer in pixels; with a style, how boxes stand in the next answers."""
        if style:
            if style not in get_args(BoxStyle):
                raise UsageError(f"/boxes {style} is no style; there are {', '.join(get_args(BoxStyle))}")
            self.box_style = cast("BoxStyle", style)
            return
        found = self.last.boxes if self.last is not None else ()
        for box in found:
            print_message(f"picture {box.image}: {box.label} {list(box.px)}")
        if not found:
            print_message("there are no boxes in the last answer")

    def save(self, path: str) -> None:
        """`/save PATH`."""
        if not path:
            raise UsageError("where to? write /save and a path")
        self.chat.save(Path(path).expanduser())
        print_message(f"saved; go on with: dsvl2-onnx chat --resume {path}")

    def clear(self, _argument: str) -> None:
        """`/clear`."""
        self.chat.clear()
        self.waiting, self.last = [], None

    def help_(self, _argument: str) -> None:
        """`/help`."""
        print_message(
            "/image PATH       add a picture to the next question\n"
            "/pdf PATH PAGES   add pages of a PDF, such as 1-3 or 2,5; without PAGES all of them\n"
            "/boxes            show the boxes of the last answer in pixels\n"
            "/boxes STYLE      off, text, px or norm: how boxes stand in answers\n"
            "/save PATH        keep the conversation in a file; --resume goes on with it\n"
            "/clear            begin a new conversation\n"
            "/quit             leave"
        )


def _plain_lines() -> Iterator[str]:
    for line in sys.stdin:
        yield line.rstrip("\r\n")


def _edited_lines(prompt: Callable[[], str]) -> Iterator[str]:
    """Lines from a terminal, with a history in memory and completion."""
    from prompt_toolkit import PromptSession
    from prompt_toolkit.completion import NestedCompleter, PathCompleter, WordCompleter, merge_completers
    from prompt_toolkit.history import InMemoryHistory

    paths, styles = PathCompleter(expanduser=True), dict.fromkeys(get_args(BoxStyle))
    arguments = {
        "/image": paths,
        "/pdf": paths,
        "/save": paths,
        "/boxes": styles,
        "/clear": None,
        "/help": None,
        "/quit": None,
    }
    # For a nested completer a word ends at the slash, so the commands themselves have one of their own.
    names = WordCompleter(list(arguments), sentence=True)
    completer = merge_completers([names, NestedCompleter.from_nested_dict(arguments)], deduplicate=True)
    session: PromptSession[str] = PromptSession(
        history=InMemoryHistory(), completer=completer, complete_while_typing=False
    )
    while True:
        try:
            yield session.prompt(prompt())
        except KeyboardInterrupt:
            continue
        except EOFError:
            return


def _unquoted(text: str) -> str:
    """A path as terminals paste it: in quotes where there are blanks."""
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"" else text

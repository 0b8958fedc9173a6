"""The verb `run`: a question, answered on standard output as text while it comes, or as JSON."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from dsvl2_runtime.answers.boxes import Box, BoxStream
from dsvl2_runtime.answers.draw_boxes import require_drawing_format, write_drawing
from dsvl2_runtime.answers.generate import TextChunk
from dsvl2_runtime.answers.result import result_of
from dsvl2_runtime.answers.sampling import GenerationOptions
from dsvl2_runtime.cli.console import ProgressBars, progress_bars
from dsvl2_runtime.cli.run_options import AnswerFormat, RunOptions
from dsvl2_runtime.cli.run_report import Answered, Events, Stopwatch, finish_reason, run_report
from dsvl2_runtime.cli.streams import print_json, print_notices, write_answer
from dsvl2_runtime.errors import Dsvl2Error, TimeLimitError
from dsvl2_runtime.inputs.images import ImageSource, check_image, image_source
from dsvl2_runtime.inputs.prompt import Content, Message, question_content, special_parts
from dsvl2_runtime.model import VisionLanguageModel, load_model
from dsvl2_runtime.notices import Notice
from dsvl2_runtime.progress import Progress, Watch


def run_question(question: Content, options: RunOptions) -> None:
    """Load, ask, print.

    Args:
        question: typed text, or the parts that a preset makes of it.
        options: of the command line.

    Raises:
        Dsvl2Error: whatever is wrong with the model, the images or the question.
        TimeLimitError: also after what had come by then is printed.
    """
    events = Events(options.answer_format is AnswerFormat.JSONL)
    try:
        Run(question, options, events).to_the_end()
    except Dsvl2Error as error:
        events.error(error)
        raise


class Run:
    """One call of the command: what has been said and answered so far."""

    def __init__(self, question: Content, options: RunOptions, events: Events) -> None:
        self.options = options
        self.events = events
        self.question = special_parts(question) if options.allow_special_tokens else question
        self.generation = GenerationOptions(
            max_new_tokens=options.max_tokens,
            temperature=options.temperature,
            top_p=options.top_p,
            repetition_penalty=options.repetition_penalty,
            seed=options.seed,
            stop=tuple(options.stop or ()),
        )
        self.stopwatch = Stopwatch()
        self.notices: list[Notice] = []
        self.answered: list[Answered] = []
        self.read_tokens = 0
        """Of the last prompt; the others were in the cache."""
        self.as_text = options.answer_format is AnswerFormat.TEXT
        if options.draw_boxes is not None:
            require_drawing_format(Path(options.draw_boxes))

    def to_the_end(self) -> None:
        """Load, ask, print."""
        options = self.options
        images = [image_source(argument) for argument in options.image or ()]
        for image in images:  # before the model: a bad path should not cost a load
            check_image(image)
        with progress_bars(show=not options.quiet, keep=False) as bars:
            watch = self._watch(bars)
            model = load_model(options.model, options.threads, watch, force=options.force)
            self.say(model.notices)
            self.events.write("start", model=model.name, precision=model.bundle.manifest.precision)
            answer = self.ask(model, images, bars, watch)
        if options.draw_boxes is not None:
            self.draw(Path(options.draw_boxes), images)
        if not self.as_text:
            report = run_report(model, answer, self.answered, self.notices, self.stopwatch)
            self.events.write("end", **report)
            if options.answer_format is AnswerFormat.JSON:
                print_json(report)
        if finish_reason(self.answered) == "timeout":
            raise TimeLimitError

    def ask(self, model: VisionLanguageModel, images: Sequence[ImageSource], bars: ProgressBars, watch: Watch) -> str:
        """Ask about all images at once; the answer as it is shown."""
        inputs = model.prepare(self._messages(len(images)), images)
        self.stopwatch.end("decode_image")
        self.say(inputs.notices)
        sequence, self.read_tokens = model.new_sequence(), 0
        shown: list[str] = []
        boxes = BoxStream(self.options.boxes.value, [image.size for image in inputs.images])
        chunks = self._shown(model.answer(inputs, self.generation, watch, sequence), boxes, shown, bars)
        result = result_of(chunks, inputs)
        self.say(result.notices[len(inputs.notices) :])
        for box in result.boxes:
            self.write_box(box)
        answer = "".join(shown)
        cached = len(inputs.input_ids) - self.read_tokens if self.read_tokens else 0
        self.answered.append(
            Answered({}, inputs, cached, answer, result.finish_reason, result.completion_tokens, result.boxes)
        )
        return answer

    def write_box(self, box: Box) -> None:
        """As an event."""
        self.events.write("box", label=box.label, image=box.image, norm999=box.norm999, px=box.px)

    def say(self, notices: Sequence[Notice]) -> None:
        """Keep notices for the report, and print them on standard error."""
        self.notices += notices
        if not self.options.quiet:
            print_notices(notices)

    def draw(self, out: Path, images: Sequence[ImageSource]) -> None:
        """A copy of each image that has boxes; with a number in its name where there are several images."""
        for number, image in enumerate(images, 1):
            boxes = [box for each in self.answered for box in each.boxes if box.image == number]
            if boxes or len(images) == 1:
                write_drawing(out if len(images) == 1 else out.with_stem(f"{out.stem}-{number}"), image, boxes)

    def _messages(self, num_images: int) -> list[Message]:
        user = Message("user", question_content(self.question, num_images))
        return [Message("system", self.options.system), user] if self.options.system else [user]

    def _watch(self, bars: ProgressBars) -> Watch:
        def on_progress(progress: Progress) -> None:
            self.stopwatch.note(progress)
            self.events.progress(progress)
            if progress.phase == "prefill":
                self.read_tokens = progress.total
            if progress.phase != "decode":
                bars.update(progress.phase, progress.done, progress.total)

        timeout = self.options.timeout
        return Watch(on_progress, deadline=None if timeout is None else time.monotonic() + timeout)

    def _shown(
        self, chunks: Iterator[TextChunk], boxes: BoxStream, shown: list[str], bars: ProgressBars
    ) -> Iterator[TextChunk]:
        """Pass the chunks on, and print them as they come or write their events."""
        visible = with_box_style(chunks, boxes, shown)
        if self.as_text:
            yield from stream(visible, bars)
            return
        for original, text in visible:
            if text:
                self.events.write("token", text=text)
            yield original


def with_box_style(chunks: Iterator[TextChunk], boxes: BoxStream, shown: list[str]) -> Iterator[tuple[TextChunk, str]]:
    """Each chunk with the text that is shown with it, which is also added to `shown`."""
    for chunk in chunks:
        text = boxes.push(chunk.text) + (boxes.flush() if chunk.finish_reason is not None else "")
        shown.append(text)
        yield chunk, text


def stream(chunks: Iterator[tuple[TextChunk, str]], bars: ProgressBars) -> Iterator[TextChunk]:
    """Print an answer while it comes; whatever ends it, what has come stays and ends with its line."""
    first, in_line = True, False
    try:
        for chunk, text in chunks:
            if first:
                bars.close()
                first = False
            if text:
                write_answer(text)
                in_line = True
            yield chunk
    except BaseException:
        if in_line:
            with suppress(OSError):  # what could not be written cannot be ended either
                write_answer("\n")
        raise
    write_answer("\n")

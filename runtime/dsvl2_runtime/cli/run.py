"""The verb `run`: a question, answered on standard output as text while it comes, or as JSON."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from collections.abc import Sequence as Items
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import Any

from dsvl2_runtime.answers.answer import Answer
from dsvl2_runtime.answers.boxes import Box, BoxStream, parse_boxes
from dsvl2_runtime.answers.confidence import unsure_notices
from dsvl2_runtime.answers.estimate import TokenCounts, estimate
from dsvl2_runtime.answers.generate import TextChunk
from dsvl2_runtime.answers.parts_look import Place, notices_beside
from dsvl2_runtime.answers.sampling import GenerationOptions
from dsvl2_runtime.answers.second_look import Looks, LookSequences
from dsvl2_runtime.answers.tasks import says_not_shown
from dsvl2_runtime.cli.console import ProgressBars, progress_bars
from dsvl2_runtime.cli.cost import announce, show_costs
from dsvl2_runtime.cli.parts import Part, parts_of, strips_of
from dsvl2_runtime.cli.run_options import AnswerFormat, RunOptions
from dsvl2_runtime.cli.run_report import Answered, Events, Stopwatch, finish_reason, run_report
from dsvl2_runtime.cli.stop_signals import Terminated
from dsvl2_runtime.cli.streams import print_json, print_notices, write_answer
from dsvl2_runtime.errors import Dsvl2Error, GenerationError, TimeLimitError
from dsvl2_runtime.inputs.prompt import Content, Message, question_content, special_parts
from dsvl2_runtime.machine.speeds import SpeedMeter, known_speeds, remember_speeds
from dsvl2_runtime.model import VisionLanguageModel, load_model
from dsvl2_runtime.notices import Notice
from dsvl2_runtime.progress import FinishReason, Progress, Watch

NOT_SHOWN = "not shown"
"""The answer about several parts none of which shows what was asked for."""


def run_question(question: Content, options: RunOptions, transform: Callable[[str], str] | None = None) -> None:
    """Load, ask, print.

    Args:
        question: typed text, or the parts that a preset makes of it.
        options: of the command line.
        transform: what becomes of a whole answer before it is shown.

    Raises:
        Dsvl2Error: whatever is wrong with the model, the images or the question.
        TimeLimitError: also after what had come by then is printed.
    """
    events = Events(options.answer_format is AnswerFormat.JSONL)
    try:
        Run(question, options, events, transform).to_the_end()
    except Dsvl2Error as error:
        events.error(error)
        raise


class Run:
    """One call of the command: what has been said and answered so far."""

    def __init__(
        self,
        question: Content,
        options: RunOptions,
        events: Events,
        transform: Callable[[str], str] | None = None,
    ) -> None:
        self.transform = transform
        self.options = options
        self.events = events
        self.question = special_parts(question) if options.allow_special_tokens else question
        self.generation = GenerationOptions(
            max_new_tokens=options.max_tokens,
            temperature=options.temperature,
            top_p=options.top_p,
            repetition_penalty=options.repetition_penalty,
            seed=options.seed,
            no_repeat_ngram=options.no_repeat_ngram,
            repetition_guard=options.repetition_guard,
            stop=tuple(options.stop or ()),
            logprobs=True,
        )
        self.stopwatch = Stopwatch()
        self.meter = SpeedMeter()
        self.notices: list[Notice] = []
        self.answered: list[Answered] = []
        self.signal: KeyboardInterrupt | Terminated | None = None
        """What has ended an answer that is reported as far as it came."""
        self.as_text = options.answer_format is AnswerFormat.TEXT
        if options.draw_boxes is not None:
            from dsvl2_runtime.answers.draw_boxes import require_drawing_format

            require_drawing_format(Path(options.draw_boxes))

    def to_the_end(self) -> None:
        """Load, ask, print."""
        options = self.options
        if options.dry_run:
            show_costs(self)
            return
        with progress_bars(show=not options.quiet, keep=False) as bars:
            watch = self._watch(bars)
            parts = parts_of(options, watch)
            first = next(parts)  # before the model: a bad path should not cost a load
            model = load_model(options.model, options.threads, watch, force=options.force, provider=options.provider)
            self.say(model.notices)
            self.events.write("start", model=model.name, precision=model.bundle.manifest.precision)
            answers = []
            for whole in chain((first,), parts):
                for part in strips_of(whole, options, model.config):
                    answers.append(self.ask(model, part, bars, watch))
                    if self.is_cut_off:
                        break
                if options.draw_boxes is not None:
                    self.draw(Path(options.draw_boxes), whole)
                if self.is_cut_off:
                    break
        remember_speeds(model.speed_key, self.meter.take())
        answer = self.finish([text for text in answers if text is not None])
        if not self.as_text:
            report = run_report(model, answer, self.answered, self.notices, self.stopwatch) | self.further_report()
            self.events.write("end", **report)
            if options.answer_format is AnswerFormat.JSON:
                print_json(report)
        if self.signal is not None:
            raise self.signal
        if self.is_cut_off:
            raise TimeLimitError
        if options.strict and finish_reason(self.answered) != "stop":
            raise GenerationError(f"the answer ended by {finish_reason(self.answered)}, which --strict does not take")

    @property
    def is_cut_off(self) -> bool:
        """Whether the last answer was ended by the clock or by a signal, so that nothing more is asked."""
        return bool(self.answered) and self.answered[-1].finish_reason in ("timeout", "cancelled")

    def ask(self, model: VisionLanguageModel, part: Part, bars: ProgressBars | None, watch: Watch) -> str | None:
        """Ask about the images of one part; its answer as it is shown, or None where it is left out."""
        at_once = self.as_text and part.is_alone and self.transform is None
        text = self.answer(model, part, LookSequences(model.new_sequence), bars if at_once else None, watch)
        if part.is_alone:
            answer = text
        elif says_not_shown(text):
            return None
        else:
            answer = f"{part.name}:\n{text}" if "\n" in text else f"{part.name}: {text}"
        if self.as_text and not at_once:
            if bars is not None:
                bars.close()
            write_answer(answer + "\n")
        self.say_if_unsure("" if part.is_alone else part.name)
        return answer

    def say_where_it_was_read(self, before: Items[Notice], read_in: Place | None) -> None:
        """In which part of the picture, if not in all of it; that it is seen smaller than it is no longer holds.

        Args:
            before: what was told about the whole picture.
            read_in: the part.
        """
        told = notices_beside(read_in, before)
        self.notices = [notice for notice in self.notices if notice in told or notice not in before]
        self.say([notice for notice in told if notice not in before])

    def say_if_unsure(self, what: str) -> None:
        """Say that the model is not sure of the last answer, by the name of what was asked for if there is one.

        Of an answer that was cut it is known anyhow that it is not right.
        """
        last = self.answered[-1]
        if last.finish_reason == "stop":
            self.say(unsure_notices(last.confidence, last.completion_tokens, what))

    def answer(
        self,
        model: VisionLanguageModel,
        part: Part,
        sequences: LookSequences,
        bars: ProgressBars | None,
        watch: Watch,
    ) -> str:
        """The answer to the question about one part, which is printed while it comes where there are bars."""
        messages = self.messages(len(part.images), self.question)
        looks = Looks(
            model,
            part.images,
            lambda images, enlargement: model.prepare(messages, images, enlargement),
            self.generation,
            watch,
            sequences,
        )
        inputs = looks.inputs
        self.stopwatch.end("decode_image")
        self.say([notice for notice in (*part.notices, *inputs.notices) if notice not in self.notices])
        if not self.answered and not self.options.quiet:
            counts = TokenCounts.of_inputs(inputs, model.config)
            announce(estimate(counts, known_speeds(model.speed_key), self.options.max_tokens))
        shown: list[str] = []
        boxes = BoxStream(self.options.boxes.value, [image.size for image in inputs.images], part.box_in_whole)
        chunks = looks.chunks(look_again=self.options.look_again)
        answer = Answer(chunks, inputs, looks.sequence, inputs.notices)
        try:
            for _ in self._shown(answer, boxes, shown, bars):
                pass
        except (KeyboardInterrupt, Terminated) as error:
            if self.as_text:  # what has come is printed
                raise
            self.signal = error
            shown.append(boxes.flush())
        reason: FinishReason = "cancelled" if self.signal is not None else answer.finish_reason or "stop"
        if reason == "stop":
            self.meter.answered(len(answer.token_ids))
        in_answer, dropped = parse_boxes(answer.text, answer.image_sizes, is_cut=reason != "stop")
        self.say(dropped)
        read_in = None if looks.read_in is None else part.box_in_whole(Box("", 1, (0, 0, 0, 0), looks.read_in)).px
        if part.is_alone:  # otherwise it would not be known of which page
            self.say_where_it_was_read(looks.inputs.notices, read_in)
        found = tuple(part.box_in_whole(box) for box in in_answer)
        for box in found:
            self.write_box(box)
        text = "".join(shown) if self.transform is None else self.transform("".join(shown))
        self.answered.append(
            Answered(
                part.place,
                looks.inputs,
                looks.sequence.reused,
                text,
                reason,
                len(answer.token_ids),
                found,
                answer.confidence,
                looks.count,
                read_in,
            )
        )
        return text

    def further_report(self) -> dict[str, Any]:
        """What the report in JSON has beside that of every run."""
        return {}

    def finish(self, answers: Items[str]) -> str:
        """The whole answer; where all parts say that it is not shown, that is said once."""
        if answers:
            return "\n".join(answers)
        if self.as_text:
            write_answer(NOT_SHOWN + "\n")
        return NOT_SHOWN

    def write_box(self, box: Box) -> None:
        """As an event."""
        self.events.write("box", label=box.label, image=box.image, norm999=box.norm999, px=box.px)

    def say(self, notices: Items[Notice]) -> None:
        """Keep notices for the report, and print them on standard error."""
        self.notices += notices
        if not self.options.quiet:
            print_notices(notices)
        if self.options.strict:
            require_no_warning(notices)

    def draw(self, out: Path, part: Part) -> None:
        """A copy of each image that has boxes; with the picture's number in its name where there are several."""
        several = len(part.images) > 1 or not part.is_alone
        for number, image in enumerate(part.images, part.first_picture):
            boxes = [box for each in self.answered for box in each.boxes if box.image == number]
            if boxes or not several:
                from dsvl2_runtime.answers.draw_boxes import write_drawing

                self.say(write_drawing(out.with_stem(f"{out.stem}-{number}") if several else out, image, boxes))

    def questions(self) -> Items[Content]:
        """What is asked about each part, one after the other."""
        return (self.question,)

    def messages(self, num_images: int, question: Content) -> list[Message]:
        """A question about so many images, after the system message if there is one."""
        user = Message("user", question_content(question, num_images))
        return [Message("system", self.options.system), user] if self.options.system else [user]

    def _watch(self, bars: ProgressBars) -> Watch:
        def on_progress(progress: Progress) -> None:
            self.stopwatch.note(progress)
            self.meter.note(progress)
            self.events.progress(progress)
            if progress.phase != "decode":
                bars.update(progress.phase, progress.done, progress.total)

        timeout = self.options.timeout
        deadline = None if timeout is None else time.monotonic() + timeout
        return Watch(on_progress, lambda: self.signal is not None, deadline)

    def _shown(
        self, chunks: Iterator[TextChunk], boxes: BoxStream, shown: list[str], bars: ProgressBars | None
    ) -> Iterator[TextChunk]:
        """Pass the chunks on, and print them as they come, if there are bars to be closed for that, or as events."""
        visible = self._timed(with_box_style(chunks, boxes, shown))
        if bars is not None:
            yield from stream(visible, bars)
            return
        for original, text in visible:
            if text:
                self.events.write("token", text=text)
            yield original

    def _timed(self, pieces: Iterator[tuple[TextChunk, str]]) -> Iterator[tuple[TextChunk, str]]:
        """Pass the pieces on, and remember when the first of them had a text."""
        for chunk, text in pieces:
            if text:
                self.stopwatch.text_came()
            yield chunk, text


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


def require_no_warning(notices: Items[Notice]) -> None:
    """What `--strict` asks for: the first warning is an error.

    Raises:
        GenerationError: there is one.
    """
    from dsvl2_runtime.texts import notice_text

    for notice in notices:
        if notice.is_warning:
            raise GenerationError(f"{notice_text(notice)}; without --strict this is a warning")

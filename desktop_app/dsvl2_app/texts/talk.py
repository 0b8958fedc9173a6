"""The conversation: questions, answers, what stands below them, and what can be done with them."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QCoreApplication

from dsvl2_app.state.cost import Cost
from dsvl2_app.state.time_left import Remaining, rounded
from dsvl2_app.state.turn import MOST_SURE, Turn
from dsvl2_app.texts import engine, errors, pictures, second_look
from dsvl2_runtime.engine.client import EngineEnd
from dsvl2_runtime.engine.protocol import Finished, MessageTooLongError
from dsvl2_runtime.engine.wire_error import WireError
from dsvl2_runtime.notices import Notice


def conversation() -> str:
    """What a screen reader calls the list of questions and answers."""
    return QCoreApplication.translate("talk", "Questions and answers")


def empty_chat() -> str:
    """In place of the conversation while there is none."""
    return QCoreApplication.translate("talk", "Add a picture, then ask.\nEverything stays on this computer.")


def show_earlier(count: int) -> str:
    """The button above the newest turns."""
    return QCoreApplication.translate("talk", "Show {count} earlier").format(count=count)


def question(turn: Turn) -> str:
    """The question of a turn as it is shown."""
    if turn.task == "locate":
        return QCoreApplication.translate("talk", "Where is: {thing}").format(thing=turn.question)
    if turn.task == "fields":
        return QCoreApplication.translate("talk", "Read the fields: {names}").format(names=turn.question)
    return turn.question


def headline(turn: Turn) -> str:
    """The question above an answer; of those for each page with the page."""
    return question(turn) if turn.page is None else f"{pictures.page_short(turn.page)} · {question(turn)}"


def show_all() -> str:
    """The button below a long question."""
    return QCoreApplication.translate("talk", "Show all")


def show_less() -> str:
    """The same button afterwards."""
    return QCoreApplication.translate("talk", "Show less")


def picture_in_answer(name: str) -> str:
    """In place of a picture that an answer names; none is read."""
    return QCoreApplication.translate("talk", "[picture: {name}]").format(name=name)


def link(text: str, address: str) -> str:
    """A link of an answer, which leads nowhere."""
    return f"{text} ({address})"


def box_tip(number: int) -> str:
    """On the number of a box."""
    return QCoreApplication.translate("talk", "Place {number} on the picture").format(number=number)


def copy_code() -> str:
    """The button on a block of code."""
    return QCoreApplication.translate("talk", "Copy the code")


def copy_answer() -> str:
    """The button."""
    return QCoreApplication.translate("talk", "&Copy answer")


def copy_markdown() -> str:
    """The entry of the menu."""
    return QCoreApplication.translate("talk", "Copy as &Markdown")


def copy_csv() -> str:
    """The button."""
    return QCoreApplication.translate("talk", "Copy the &table as CSV")


def copy_pages() -> str:
    """In the menu of a turn that was asked about one of several pages."""
    return QCoreApplication.translate("talk", "Copy the answers of all &pages")


def stop_all() -> str:
    """The menu entry."""
    return QCoreApplication.translate("talk", "Sto&p all questions")


def stop_all_waiting(count: int) -> str:
    """The button of the first question that waits."""
    return QCoreApplication.translate("talk", "Stop all ({count} wait)").format(count=count)


def ask_again() -> str:
    """The button."""
    return QCoreApplication.translate("talk", "&Ask again")


def edit_question() -> str:
    """The button of a failed question, and the entry of the menu."""
    return QCoreApplication.translate("talk", "&Edit")


def take_back() -> str:
    """The button of a question that waits."""
    return QCoreApplication.translate("talk", "Take &back")


def more() -> str:
    """The button that opens the menu of a turn."""
    return QCoreApplication.translate("talk", "More")


def start_anew() -> str:
    """The button where a conversation is too long."""
    return QCoreApplication.translate("talk", "Start ane&w with these pictures")


def drop_oldest() -> str:
    """The other button there."""
    return QCoreApplication.translate("talk", "Drop the oldest &questions")


def copied() -> str:
    """After something was copied."""
    return QCoreApplication.translate("talk", "Copied.")


def queued(place: int) -> str:
    """In a turn that waits; 1 is next."""
    if place <= 1:
        return QCoreApplication.translate("talk", "Asked next")
    return QCoreApplication.translate("talk", "Waits, number {place} in the queue").format(place=place)


def waits_for_model(seconds: float | None) -> str:
    """In a turn that waits for the model."""
    if seconds is None:
        return QCoreApplication.translate("talk", "Asked when the model is there")
    text = QCoreApplication.translate("talk", "Asked when the model is there, about {seconds} s")
    return text.format(seconds=rounded(seconds))


def stopping() -> str:
    """In a turn that was told to stop."""
    return QCoreApplication.translate("talk", "Stopping…")


def step(remaining: Remaining) -> str:
    """What is done for a turn at the moment."""
    text = QCoreApplication.translate("talk", "{phase} · step {step} of {steps}")
    return text.format(phase=engine.phase(remaining.phase), step=remaining.step, steps=remaining.steps)


def beginning() -> str:
    """Before the engine has said anything."""
    return QCoreApplication.translate("talk", "Asked")


def time_left(seconds: float | None) -> str:
    """Beside the step; empty where nobody knows."""
    if seconds is None:
        return ""
    return QCoreApplication.translate("talk", "about {seconds} s left").format(seconds=rounded(seconds))


def speed(tokens_per_second: float) -> str:
    """Of an answer."""
    return QCoreApplication.translate("talk", "{speed} tokens/s").format(speed=f"{tokens_per_second:.0f}")


def from_memory() -> str:
    """What the model had seen before was not read again."""
    return QCoreApplication.translate("talk", "read again from memory")


def sure(confidence: float) -> str:
    """How sure the model is of an answer, from 0 to 1; never that it is quite sure."""
    if confidence > MOST_SURE:
        text = QCoreApplication.translate("talk", "more than {percent} % sure")
    else:
        text = QCoreApplication.translate("talk", "{percent} % sure")
    return text.format(percent=round(100 * min(confidence, MOST_SURE)))


def sure_tip() -> str:
    """On that, and on a doubt."""
    return QCoreApplication.translate(
        "talk", "How likely the model finds this answer, letter for letter. It can be sure of what is wrong."
    )


def doubt(turn: Turn) -> str:
    """A sentence about an answer of which the model is not sure; empty for others."""
    return "\n".join(text[:1].upper() + text[1:] for text in notices(turn.doubts))


def not_told() -> str:
    """Below an answer that later questions do not go on from."""
    return QCoreApplication.translate("talk", "later questions do not know of it")


def turn_end(end: Finished | WireError | EngineEnd | None) -> str:
    """Under an answer: its figures, or why it is not complete."""
    if isinstance(end, Finished):
        return finished(end)
    if isinstance(end, EngineEnd):
        return engine_end(end)
    if end is None:
        return ""
    if end.name == "ProtocolError":
        text = QCoreApplication.translate("talk", "The engine could not read this question: {reason}")
        return text.format(reason=errors.message(end))
    if end.name == "ContextOverflowError" and "context_tokens" in end.values:
        text = QCoreApplication.translate(
            "talk", "This needs {needed} of {context} tokens: {pictures} for pictures, the rest for what was said."
        )
        values = end.values
        return text.format(
            needed=_count(values.get("prompt_tokens")),
            context=_count(values.get("context_tokens")),
            pictures=_count(values.get("image_tokens")),
        )
    return errors.message(end)


def engine_end(end: EngineEnd) -> str:
    """Why an answer is not complete, where the engine ended."""
    if end.reason == "closed":
        return QCoreApplication.translate("talk", "stopped; the engine was started again for that")
    text = QCoreApplication.translate(
        "talk", "The engine stopped before the answer was complete: {reason}. Nothing of this conversation is lost."
    )
    return text.format(reason=engine.end(end))


def finished(end: Finished) -> str:
    """The figures of an answer, and why it ended if the model did not end it."""
    took = QCoreApplication.translate("talk", "{tokens} tokens in {seconds} s")
    took = took.format(tokens=end.tokens, seconds=f"{end.seconds:.1f}")
    endings = {
        "cancelled": QCoreApplication.translate("talk", "stopped, {took}"),
        "length": QCoreApplication.translate("talk", "cut off at the longest answer, {took}"),
        "repetition": QCoreApplication.translate("talk", "cut off because it went round in circles, {took}"),
        "timeout": QCoreApplication.translate("talk", "cut off at the time limit, {took}"),
    }
    return endings.get(end.reason, "{took}").format(took=took)


def picture_count(count: int) -> str:
    """How many pictures a question was about."""
    if count == 0:
        return QCoreApplication.translate("talk", "no picture")
    if count == 1:
        return QCoreApplication.translate("talk", "1 picture")
    return QCoreApplication.translate("talk", "{count} pictures").format(count=count)


def notices(found: Sequence[Notice]) -> list[str]:
    """One line for each kind of notice, however many pictures it is about."""
    by_code: dict[str, list[Notice]] = {}
    for notice in found:
        by_code.setdefault(notice.code, []).append(notice)
    lines = []
    for alike in by_code.values():
        if len(alike) == 1:
            lines.append(errors.notice(alike[0]))
        elif alike[0].code == "image.one_tile":
            text = QCoreApplication.translate(
                "talk", "{count} pictures are seen in less detail, because of more than {most} each gets one tile"
            )
            lines.append(text.format(count=len(alike), most=alike[0].values["most_tiled"]))
        else:
            text = QCoreApplication.translate("talk", "{notice} (the same of {count} more)")
            lines.append(text.format(notice=errors.notice(alike[0]), count=len(alike) - 1))
    return lines


def remark(turn: Turn) -> str:
    """The lines below an answer; an error or a doubt stands in a bar of its own."""
    parts = [picture_count(len(turn.image_sizes) or len(turn.images))]
    if turn.reused_memory:
        parts[0] = ", ".join((parts[0], from_memory()))
    if turn.state != "failed":
        parts.append(turn_end(turn.end))
    if turn.tokens_per_second is not None and turn.state == "done":
        parts.append(speed(turn.tokens_per_second))
    if turn.confidence is not None and not turn.doubts:
        parts.insert(0, sure(turn.confidence))
    if turn.looks > 1 and not turn.is_open:
        parts.insert(0 if turn.confidence is None or turn.doubts else 1, second_look.looked())
    if turn.saw_nothing_larger:
        parts.insert(0, second_look.nothing_larger())
    if turn.is_dropped:
        parts.append(not_told())
    return "\n".join([*notices(turn.notices), " · ".join(part for part in parts if part)])


def card_name(turn: Turn) -> str:
    """What a screen reader reads of a turn."""
    state = turn_end(turn.end) if not turn.is_open else waiting_name(turn)
    state = ", ".join((*second_look.spoken(turn), state))
    if turn.confidence is not None:
        state = ", ".join((doubt(turn) or sure(turn.confidence), state))
    text = QCoreApplication.translate("talk", "Question: {question}. Answer: {answer}. {state}")
    return text.format(question=headline(turn), answer=turn.answer or "–", state=state)


def waiting_name(turn: Turn) -> str:
    """The state of an open turn in a few words."""
    if turn.is_looking and turn.state != "stopping":
        return second_look.looking()
    return {"queued": queued(1), "stopping": stopping()}.get(turn.state, engine.phase("decode"))


def announced_end(turn: Turn) -> str:
    """What a screen reader says when a turn is over."""
    if turn.state == "failed":
        return QCoreApplication.translate("talk", "The question failed: {reason}").format(reason=turn_end(turn.end))
    if turn.state == "stopped":
        return QCoreApplication.translate("talk", "The answer was stopped.")
    complete = QCoreApplication.translate("talk", "The answer is complete: {answer}").format(answer=turn.answer)
    return "\n".join(filter(None, (complete, doubt(turn), second_look.failed(turn))))


def question_too_long(error: MessageTooLongError) -> str:
    """A question that cannot be sent."""
    text = QCoreApplication.translate(
        "talk", "The question was not sent: it has {size} bytes, and at most {limit} are read. Make it shorter."
    )
    return text.format(size=error.size, limit=error.limit)


def cost(found: Cost) -> str:
    """Beside the question while it is typed: what it will take."""
    expected = found.expected
    text = QCoreApplication.translate("talk", "{pictures}: {tokens} of {context} tokens")
    line = text.format(
        pictures=picture_count(found.num_images),
        tokens=_count(expected.prompt_tokens),
        context=_count(expected.context),
    )
    if expected.num_tiles:
        one, several = QCoreApplication.translate("talk", "1 tile"), QCoreApplication.translate("talk", "{tiles} tiles")
        line += ", " + (one if expected.num_tiles == 1 else several.format(tiles=expected.num_tiles))
    if expected.seconds is not None and found.most_seconds is not None:
        least, most = rounded(expected.seconds), rounded(found.most_seconds)
        if least == most:
            text = QCoreApplication.translate("talk", "about {seconds} s on this computer").format(seconds=least)
        else:
            text = QCoreApplication.translate("talk", "about {least} to {most} s on this computer")
            text = text.format(least=least, most=most)
        line += ", " + text
    return line


def each_page_cost(count: int, line: str) -> str:
    """The same where each page is asked about by itself; what one costs follows."""
    text = QCoreApplication.translate("talk", "{count} questions, one for each page; each at most {cost}")
    return text.format(count=count, cost=line)


def obstacle(found: Cost) -> str:
    """Why a question cannot be asked, with the numbers and what to do."""
    needed, context = _count(found.least_tokens), _count(found.expected.context)
    if found.obstacle == "pictures":
        text = QCoreApplication.translate(
            "talk", "{count} pictures need {needed} of {context} tokens: choose up to {most}."
        )
        return text.format(count=found.num_images, needed=needed, context=context, most=found.most_images)
    if found.obstacle == "history":
        text = QCoreApplication.translate("talk", "With what was said before, this needs {needed} of {context} tokens.")
        return text.format(needed=needed, context=context)
    text = QCoreApplication.translate(
        "talk", "The question is too long: with its pictures it needs at least {needed} of {context} tokens."
    )
    return text.format(needed=needed, context=context)


def cancel_loading() -> str:
    """The entry of the menu and the button while a model loads."""
    return QCoreApplication.translate("talk", "Cancel &loading")


def _count(number: object) -> str:
    return f"{number:,}" if isinstance(number, int) else str(number)

"""A conversation of several questions: what the engine is told of it, what waits, what is kept and given up."""

from __future__ import annotations

from dsvl2_app.state.prompt_messages import field_names
from dsvl2_app.state.session import Change, ChatSession, Conversation
from dsvl2_runtime.engine.client import EngineEnd
from dsvl2_runtime.engine.prompt_parts import ChatMessage, TextPart, TokenPart, user_message
from dsvl2_runtime.engine.protocol import Failed, Finished, Load, Prepared, Wrote
from dsvl2_runtime.engine.wire_error import wire_error
from sessions import CONTEXT, KNOWN, LOADED, Sent, image, other_image, question

IMAGE = image()
BOX = "<|ref|>total<|/ref|><|det|>[[0, 0, 999, 500]]<|/det|>"


def answer(session: ChatSession, text: str, cached: int = 0) -> None:
    """The engine answers the open question."""
    turn = session.asked_turn
    assert turn is not None
    sizes = tuple(image.size for told in session.turns for image in told.images)
    session.take(Prepared(turn.number, (), 30, 20, sizes))
    session.take(Wrote(turn.number, text))
    session.take(Finished(turn.number, "stop", 5, 1.5, cached, 0.5))


def said(text: str) -> ChatMessage:
    return ChatMessage("assistant", (TextPart(text),))


def test_the_engine_is_told_the_whole_conversation(session: ChatSession, sent: Sent) -> None:
    """Earlier questions with their pictures and answers; a picture stands in the turn that brought it, once."""
    session.add_image(IMAGE)
    session.ask("What is it?")
    answer(session, "A bill.\n")
    second = other_image(2)
    session.add_image(second)
    session.ask("And this?")
    answer(session, "A form.", cached=25)
    session.ask("Which is older?")
    assert sent.asks[-1].messages == (
        user_message("What is it?", [IMAGE.part]),
        said("A bill."),
        user_message("And this?", [second.part]),
        said("A form."),
        user_message("Which is older?"),
    )
    assert [turn.images for turn in session.turns] == [(IMAGE,), (second,), ()]
    assert [turn.reused_memory for turn in session.turns] == [False, True, False]
    assert session.turns[1].tokens_per_second == 4


def test_boxes_of_an_answer_are_tokens_again_and_typed_ones_are_not(session: ChatSession, sent: Sent) -> None:
    """So the model reads what it wrote, and what it has cached; no user can write such tokens."""
    session.ask(BOX)
    answer(session, BOX)
    session.ask("?")
    asked, told, _ = sent.asks[-1].messages
    assert asked.content == (TextPart(BOX),)
    assert [part.name for part in told.content if isinstance(part, TokenPart)] == [
        "<|ref|>", "<|/ref|>", "<|det|>", "<|/det|>",
    ]  # fmt: skip


def test_the_boxes_of_an_answer_lie_in_the_last_picture(session: ChatSession) -> None:
    """Of the whole conversation, with the size that the engine saw."""
    session.add_image(image(size=(1000, 500)))
    session.ask("Where?")
    answer(session, BOX)
    (box,) = session.turns[0].boxes
    assert (box.label, box.image, box.px) == ("total", 1, (0, 0, 1000, 250))


def test_a_question_without_an_answer_is_not_told_and_gives_its_pictures_on(session: ChatSession, sent: Sent) -> None:
    """Failed, or stopped before a word came; what was stopped later is told as far as it came."""
    session.add_image(IMAGE)
    session.ask("a")
    session.take(Wrote(0, "half"))
    session.take(Failed(0, wire_error(ValueError("x"))))
    session.ask("b")
    session.stop()
    session.take(Finished(1, "cancelled", 0, 0.1))
    session.ask("c")
    assert sent.asks[-1].messages == (user_message("c", [IMAGE.part]),)
    session.take(Wrote(2, "part"))
    session.stop()
    session.take(Finished(2, "cancelled", 1, 0.1))
    session.ask("d")
    assert sent.asks[-1].messages == (user_message("c", [IMAGE.part]), said("part"), user_message("d"))


def test_questions_wait_in_their_place_and_can_be_taken_back(session: ChatSession, sent: Sent) -> None:
    """Each is asked when the one before has ended, with what was said by then."""
    for text in ("a", "b", "c"):
        assert session.ask(text)
    assert [turn.state for turn in session.turns] == ["waiting", "queued", "queued"]
    assert len(sent) == 1
    session.take_back(session.turns[1])
    session.take_back(session.turns[0])  # it is answered already
    assert [turn.question for turn in session.turns] == ["a", "c"]
    answer(session, "1")
    assert sent.asks[-1].messages == (user_message("a"), said("1"), user_message("c"))
    assert session.turns[1].state == "waiting"


def test_a_question_that_waits_takes_the_pictures_of_when_it_was_asked(session: ChatSession, sent: Sent) -> None:
    """Pictures that are added or removed afterwards are for later questions."""
    session.add_image(IMAGE)
    session.ask("a")
    session.ask("b")
    session.set_images(session.images[1:])
    session.add_image(other_image(2))
    session.take(Failed(0, wire_error(ValueError("x"))))
    assert sent.asks[-1].messages == (user_message("b", [IMAGE.part]),)


def test_what_is_asked_while_the_model_loads_waits_and_can_be_stopped(sent: Sent) -> None:
    """Nothing is sent before the model is there; Stop takes effect at once, since nobody works for it yet."""
    session = ChatSession(sent)
    session.ask("a")
    assert (sent, session.turns[0].state) == ([], "queued")
    session.stop()
    assert session.turns[0].state == "stopped"
    session.ask("b")
    session.take(LOADED)
    assert sent == [question(1, "b")]


def test_loading_can_be_cancelled_and_begins_again_with_the_next_question(sent: Sent) -> None:
    """Its process ends; the question that waited is there to be asked again."""
    session = ChatSession(sent)
    session.ask("a")
    session.cancel_loading()
    assert (sent.closed, session.engine_state, session.turns[0].state) == (1, "off", "stopped")
    session.ask_again(session.turns[0])
    assert (sent.starts, session.engine_state) == ([None], "loading")
    session.take(LOADED)
    assert sent == [question(1, "a")]
    session.cancel_loading()
    assert sent.closed == 1


def test_another_model_is_loaded_and_the_conversation_goes_on(session: ChatSession, sent: Sent) -> None:
    """The open answer stops as far as it came."""
    session.ask("a")
    session.take(Wrote(0, "half"))
    session.use_model(Load("other"))
    assert (sent.starts, session.engine_state, session.model) == ([Load("other")], "loading", None)
    assert session.turns[0].state == "stopped"
    session.ask("b")
    session.take(LOADED)
    assert sent.asks[-1].messages == (user_message("a"), said("half"), user_message("b"))


def test_a_new_conversation_forgets_all_but_the_engine(session: ChatSession, sent: Sent) -> None:
    """The open answer stops; what the engine still says of it changes nothing, and the next question waits for that."""
    session.add_image(IMAGE)
    session.ask("a")
    session.ask("waits")
    session.take(Wrote(0, "half"))
    old, changes = session.conversation, list[tuple[Change, str]]()
    session.on_change = lambda change: changes.append((change, session.id))
    session.new_conversation()
    assert session.id != old.id
    assert ([turn.state for turn in old.turns], old.turns[0].answer) == (["stopped", "stopped"], "half")
    assert changes == [("answer", old.id), ("turns", old.id), ("conversation", session.id)]
    assert (session.turns, session.images, session.title, sent.stops) == ([], [], "", [0])
    session.ask("b")
    assert session.turns[0].state == "queued"
    session.take(Wrote(0, " more"))
    assert old.turns[0].answer == "half"
    session.take(Finished(0, "cancelled", 2, 0.1))
    assert sent.asks[-1] == question(2, "b")


def test_an_engine_that_does_not_stop_for_a_new_conversation_is_started_again(session: ChatSession, sent: Sent) -> None:
    """The new conversation has no turn of it, and its question is asked."""
    session.ask("a")
    session.new_conversation()
    session.ask("b")
    session.engine_ended(EngineEnd("closed"))
    session.take(LOADED)
    assert sent.asks[-1] == question(1, "b")


def test_a_conversation_that_was_kept_goes_on(session: ChatSession, sent: Sent) -> None:
    """Its turns get new numbers, since the engine may still speak of old ones; an open one was never ended."""
    session.add_image(IMAGE)
    session.ask("What is it?")
    answer(session, "A bill.")
    session.ask("And?")
    session.take(Wrote(1, "half"))
    kept = session.conversation
    later = ChatSession(Sent())
    later.show_conversation(kept)
    assert (later.id, later.title) == (kept.id, "What is it?")
    assert [turn.state for turn in later.turns] == ["done", "stopped"]
    session.new_conversation()
    session.show_conversation(kept)
    assert session.conversation.images == (IMAGE,)
    session.take(Finished(1, "cancelled", 1, 0.1))
    session.ask("Whose?")
    assert sent.asks[-1].messages == (
        user_message("What is it?", [IMAGE.part]), said("A bill."), user_message("And?"), said("half"),
        user_message("Whose?"),
    )  # fmt: skip
    numbers = [ask.turn for ask in sent.asks]
    assert len(set(numbers)) == len(numbers)


def test_the_first_question_is_the_title_until_it_is_renamed(session: ChatSession) -> None:
    """In one line, and not too long."""
    session.ask("What is\n  the total? " + "x" * 100)
    assert session.title.startswith("What is the total? xxx")
    assert len(session.title) == 80
    session.rename(" Bills\nof May ")
    assert session.title == "Bills of May"
    session.ask("And?")
    assert session.title == "Bills of May"
    assert Conversation().id != Conversation().id


def test_asking_again_replaces_the_answer(session: ChatSession, sent: Sent) -> None:
    """The same question about the same pictures, whatever is in the window now; the old answer is not told."""
    session.add_image(IMAGE)
    session.ask("a")
    answer(session, "1")
    session.set_images(session.images[1:])
    session.add_image(other_image(2))
    session.ask_again(session.turns[0])
    assert sent.asks[-1] == question(1, "a", IMAGE.part)
    answer(session, "2")
    assert session.images == [other_image(2)]
    session.ask("b")
    assert sent.asks[-1].messages[1] == said("2")


def test_tasks_are_asked_in_the_words_that_the_model_knows(session: ChatSession, sent: Sent) -> None:
    """A place by its tokens, fields by their names; the thing itself stays text."""
    session.ask("the <|det|> button", "locate")
    session.take(Failed(0, wire_error(ValueError("x"))))
    session.ask("total, date,\ntotal；税", "fields")
    asked, fields = (ask.messages[0].content for ask in sent.asks)
    assert asked == (TokenPart("<|ref|>"), TextPart("the <|det|> button"), TokenPart("<|/ref|>"))
    (part,) = fields
    assert isinstance(part, TextPart)
    assert part.text.endswith("total, date, 税.")
    assert field_names(" , ") == []


def test_what_cannot_fit_is_refused_before_it_is_asked(session: ChatSession, sent: Sent) -> None:
    """With the reason as data: too many pictures, too long a question, too long a conversation."""
    session.take(KNOWN)
    per_image = session_tokens(session)
    most = (CONTEXT - 13) // (per_image + 1)
    for number in range(most + 1):
        session.add_image(other_image(number))
    cost = session.cost("a")
    assert cost is not None
    assert (cost.obstacle, cost.most_images, cost.num_images) == ("pictures", most, most + 1)
    assert not session.ask("a")
    session.set_images(session.images[1:])
    assert session.can_ask("a")
    session.images.clear()
    cost = session.cost("word " * CONTEXT * 2)
    assert cost is not None
    assert cost.obstacle == "question"
    assert (sent, session.turns) == ([], [])


def session_tokens(session: ChatSession) -> int:
    """Of one picture of many."""
    from dsvl2_app.state.cost import image_cost

    assert session.model is not None
    assert session.model.config is not None
    return image_cost((4, 3), 5, session.model.config)[1]


def test_a_history_that_is_too_long_can_be_given_up_from_its_beginning(session: ChatSession, sent: Sent) -> None:
    """As many turns as it needs; the pictures in the window then come with the question again."""
    session.take(KNOWN)
    session.add_image(IMAGE)
    for number, tokens in enumerate((CONTEXT // 2, CONTEXT - 30)):
        session.ask(str(number))
        session.take(Prepared(number, (), tokens, session_tokens(session), ((4, 3),)))
        session.take(Wrote(number, str(number)))
        session.take(Finished(number, "stop", 30, 1.5))
    cost = session.cost("What?")
    assert cost is not None
    assert cost.obstacle == "history"
    assert not session.ask("What?")
    assert session.drop_oldest("What?") == 2
    assert [turn.is_dropped for turn in session.turns] == [True, True]
    assert session.ask("What?")
    assert sent.asks[-1].messages == (user_message("What?", [IMAGE.part]),)
    session.new_conversation(keep_images=True)
    assert session.images == [IMAGE]

"""What a client and the engine process say to each other: one JSON object per line, checked on both sides.

The engine reads commands from its standard input and writes events to its standard output. Each side begins with a
`Hello`, so that a program that was replaced while its window was open is an error that names both versions.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from dsvl2_runtime import __version__
from dsvl2_runtime.answers.sampling import GenerationOptions
from dsvl2_runtime.config import STRICT, ModelConfig, describe
from dsvl2_runtime.engine.prompt_parts import ChatMessage
from dsvl2_runtime.engine.wire_error import WireError
from dsvl2_runtime.errors import Dsvl2Error, UsageError
from dsvl2_runtime.machine.provider import Provider
from dsvl2_runtime.machine.speeds import Speeds
from dsvl2_runtime.notices import Notice
from dsvl2_runtime.progress import FinishReason, Phase

PROTOCOL_VERSION = 8
"""Raised with every change after which one side would refuse or misread a line of the other."""
LONGEST_LINE = 1_000_000
"""Bytes, the line end included; the longest question that fits a context is far below."""
LONGEST_SECONDS = 1e6
"""Eleven days; a later deadline is a mistake."""


class ProtocolError(Dsvl2Error, ValueError):
    """A line that is not a valid message: the peer is not our program, or it has a defect."""


class ProtocolVersionError(ProtocolError):
    """The two sides speak different versions of the protocol."""

    def __init__(self, ours: Hello, theirs: Hello) -> None:
        super().__init__(
            f"dsvl2-onnx {ours.program} speaks version {ours.version} of the engine's protocol, but dsvl2-onnx "
            f"{theirs.program} on the other side speaks version {theirs.version}; close the program and start it again"
        )
        self.our_version, self.our_program = ours.version, ours.program
        self.their_version, self.their_program = theirs.version, theirs.program


class MessageTooLongError(UsageError):
    """A message whose line the other side would not read."""

    def __init__(self, size: int) -> None:
        super().__init__(f"the message has {size} bytes; at most {LONGEST_LINE} are read; make the text shorter")
        self.size = size
        self.limit = LONGEST_LINE


class NoModelError(Dsvl2Error, RuntimeError):
    """A question came before a model was loaded, or after loading failed."""

    exit_code = 3
    http_status = 503

    def __init__(self) -> None:
        super().__init__("no model is loaded; load one first")


@dataclass(frozen=True, config=STRICT)
class Hello:
    """The first line in each direction."""

    version: int = PROTOCOL_VERSION
    program: str = __version__
    """Version of dsvl2-onnx; for messages alone."""
    kind: Literal["hello"] = "hello"


@dataclass(frozen=True, config=STRICT)
class Load:
    """Load a bundle; every question needs one. An earlier model is given up first."""

    model: str
    """Folder or name."""
    threads: int | None = None
    force: bool = False
    """Load even a model that seems too large for the memory."""
    provider: Provider | None = None
    """Where it shall run; None asks the engine's environment."""
    tune: bool = False
    """Take longer, and answer faster afterwards; `VisionLanguageModel.tune`."""
    kind: Literal["load"] = "load"


@dataclass(frozen=True, config=STRICT)
class FirstAnswer:
    """An answer that was given before, after one look."""

    text: str
    confidence: Annotated[float, Field(ge=0, le=1)] | None = None
    tokens: Annotated[int, Field(ge=0)] = 0
    seconds: Annotated[float, Field(ge=0)] = 0.0


@dataclass(frozen=True, config=STRICT)
class Ask:
    """Answer the user's message that ends a conversation."""

    turn: int
    """Chosen by the client; the events of this answer carry it."""
    messages: Annotated[tuple[ChatMessage, ...], Field(min_length=1)]
    options: GenerationOptions = GenerationOptions()
    seconds: Annotated[float, Field(gt=0, le=LONGEST_SECONDS)] | None = None
    """Until the answer ends as "timeout", counted from when the engine reads this line."""
    special_tokens: bool = False
    """Whether the names of the grounding tokens in the texts mean these tokens (`prompt.special_parts`); by default
    every text is text."""
    look_again: bool | None = None
    """Whether a second look follows where the model is not sure (`answers/second_look.py`); None leaves it to what is
    best for the model."""
    first: FirstAnswer | None = None
    """The first look is over, and this is its answer; nothing but a second one is wanted."""
    kind: Literal["ask"] = "ask"


@dataclass(frozen=True, config=STRICT)
class Stop:
    """End the answer of a turn; its `Finished` still comes. A turn that is not open is left alone."""

    turn: int
    kind: Literal["stop"] = "stop"


EnginePhase = Literal[Phase, "images"]
"""In "images" the pictures of a question are opened."""


@dataclass(frozen=True, config=STRICT)
class Progressed:
    """How far a phase is; without a turn while loading, where `done` and `total` are bytes."""

    phase: EnginePhase
    done: int
    total: int
    turn: int | None = None
    kind: Literal["progressed"] = "progressed"


@dataclass(frozen=True, config=STRICT)
class Loaded:
    """The bundle is ready."""

    name: str
    precision: str
    note: str
    provider: Provider = Provider.CPU
    """Where it runs."""
    notices: tuple[Notice, ...] = ()
    """What a user should be told whatever is asked, apart from the note."""
    config: ModelConfig | None = None
    """With which a client can tell what a picture will cost."""
    manifest_sha256: str = ""
    """The same for the same weights."""
    threads: int = 0
    memory_bytes: int = 0
    """Of the process, with its model."""
    looks_again: bool = False
    """Whether a second look was found to make its answers better."""
    kind: Literal["loaded"] = "loaded"


@dataclass(frozen=True, config=STRICT)
class Measured:
    """What the model that is loaded takes on this machine, after it was loaded and after each of its answers."""

    speeds: Speeds | None
    """None while nothing is known."""
    kind: Literal["measured"] = "measured"


@dataclass(frozen=True, config=STRICT)
class LoadFailed:
    """There is no model now; questions fail until another `Load` succeeds."""

    error: WireError
    kind: Literal["load_failed"] = "load_failed"


@dataclass(frozen=True, config=STRICT)
class BadMessage:
    """A line was not a valid command and was ignored; the engine and its model go on."""

    error: WireError
    turn: int | None = None
    """The turn that the line named, as far as that could be read; nothing else will come for it."""
    kind: Literal["bad_message"] = "bad_message"


@dataclass(frozen=True, config=STRICT)
class Prepared:
    """The prompt and its images are as the model will see them; `notices` says what of them it will not see."""

    turn: int
    notices: tuple[Notice, ...]
    prompt_tokens: int = 0
    """All positions of the prompt."""
    image_tokens: int = 0
    """Those of them that images take."""
    image_sizes: tuple[tuple[int, int], ...] = ()
    """(width, height) in pixels of each image, upright, in the order of the prompt."""
    kind: Literal["prepared"] = "prepared"


@dataclass(frozen=True, config=STRICT)
class Wrote:
    """A piece of the answer."""

    turn: int
    text: str
    kind: Literal["wrote"] = "wrote"


@dataclass(frozen=True, config=STRICT)
class Finished:
    """The answer is complete; the last event of its turn."""

    turn: int
    reason: FinishReason
    tokens: int
    seconds: float
    cached_tokens: int = 0
    """Positions of the prompt that were not computed again."""
    first_token_seconds: float = 0.0
    """Of `seconds`, those until the first token came; 0 where none came."""
    memory_bytes: int = 0
    """Of the process after the answer."""
    confidence: Annotated[float, Field(ge=0, le=1)] | None = None
    """The probability that the model gave to this answer, if the options asked for it (`answers/confidence.py`)."""
    looks: int = 1
    """How many there were (`answers/second_look.py`)."""
    read_in: tuple[int, int, int, int] | None = None
    """Of the one image, in which the answer was read: (left, top, right, bottom) in pixels; None for all of it."""
    kind: Literal["finished"] = "finished"


@dataclass(frozen=True, config=STRICT)
class LooksAgain:
    """The first answer is whole, and the model looks again; a stop leaves that answer."""

    turn: int
    first: Finished
    """As its end would have been told without a second look."""
    kind: Literal["looks_again"] = "looks_again"


@dataclass(frozen=True, config=STRICT)
class Replaced:
    """A surer answer, or the same with exact places, in place of all that was written."""

    turn: int
    text: str
    kind: Literal["replaced"] = "replaced"


@dataclass(frozen=True, config=STRICT)
class Failed:
    """The answer ended in an error; the last event of its turn. The engine and its model go on."""

    turn: int
    error: WireError
    kind: Literal["failed"] = "failed"


Command = Hello | Load | Ask | Stop
TurnEvent = Prepared | Wrote | LooksAgain | Replaced | Finished | Failed
"""What comes for a question."""
Event = Hello | Progressed | Loaded | Measured | LoadFailed | BadMessage | TurnEvent

Message = TypeVar("Message")

_COMMANDS: TypeAdapter[Command] = TypeAdapter(Annotated[Command, Field(discriminator="kind")])
_EVENTS: TypeAdapter[Event] = TypeAdapter(Annotated[Event, Field(discriminator="kind")])


def to_line(message: Command | Event) -> bytes:
    """One line of ASCII JSON with its line end; lone surrogates survive as escapes.

    Raises:
        MessageTooLongError: it has more than `LONGEST_LINE` bytes.
    """
    text: str = json.dumps(TypeAdapter(type(message)).dump_python(message), ensure_ascii=True)
    line = text.encode("ascii") + b"\n"
    if len(line) > LONGEST_LINE:
        raise MessageTooLongError(len(line))
    return line


def read_command(line: bytes) -> Command:
    """A command from its line.

    Raises:
        ProtocolError: it is too long, not JSON, or not exactly one of the commands.
    """
    return _read(_COMMANDS, line)


def read_event(line: bytes) -> Event:
    """An event from its line; raises like `read_command`."""
    return _read(_EVENTS, line)


def greet(line: bytes) -> Hello:
    """The peer's first line; unknown keys are allowed here alone, since another version may have added some.

    Raises:
        ProtocolError: it is no `Hello`.
        ProtocolVersionError: it is of another version.
    """
    document = _json(line)
    if not isinstance(document, dict) or document.get("kind") != "hello":
        raise ProtocolError("the first line is no hello; the program on the other side is not dsvl2-onnx")
    version, program = document.get("version"), document.get("program")
    if not isinstance(version, int) or not isinstance(program, str):
        raise ProtocolError("the first line is a hello without a version; the program on the other side is damaged")
    theirs = Hello(version, program)
    if version != PROTOCOL_VERSION:
        raise ProtocolVersionError(Hello(), theirs)
    return theirs


def named_turn(line: bytes) -> int | None:
    """The turn that a refused line names, if that much of it can be read."""
    try:
        document = _json(line)
    except ProtocolError:
        return None
    turn = document.get("turn") if isinstance(document, dict) else None
    return turn if isinstance(turn, int) else None


def _read(adapter: TypeAdapter[Message], line: bytes) -> Message:
    document = _json(line)
    try:
        return adapter.validate_python(document)
    except ValidationError as error:
        raise ProtocolError(f"not a message: {describe(error)}") from error
    except (ValueError, RecursionError) as error:
        raise ProtocolError(f"not a message: {error}") from error


def _json(line: bytes) -> Any:
    if len(line) > LONGEST_LINE:
        raise ProtocolError(f"a line of more than {LONGEST_LINE} bytes came, which is the most that is read")
    try:
        return json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ProtocolError(f"not a message: {error}") from error

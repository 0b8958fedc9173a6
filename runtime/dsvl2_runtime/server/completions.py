"""What the engine says, as the objects of OpenAI's chat completions.

Source: "Chat completion object" and "Chat completion chunk object" of OpenAI's API reference. What has no field
there stands in `x_dsvl2`: boxes, warnings, seconds, and the reason by its own name.
"""

from __future__ import annotations

import json
import time
import uuid
from dataclasses import asdict
from typing import Any

from dsvl2_runtime.answers.boxes import parse_boxes
from dsvl2_runtime.answers.parts_look import notices_beside
from dsvl2_runtime.engine.protocol import Finished, Prepared, Replaced, Wrote
from dsvl2_runtime.progress import FinishReason
from dsvl2_runtime.server.answers import AnswerEvent
from dsvl2_runtime.texts import notice_json

DONE = b"data: [DONE]\n\n"


def openai_reason(reason: FinishReason) -> str:
    """Their word; whatever cuts an answer off is a "length" to them."""
    return "stop" if reason == "stop" else "length"


class Completion:
    """Collects the events of one answer."""

    def __init__(self, model: str) -> None:
        self._head = {"id": f"chatcmpl-{uuid.uuid4().hex}", "created": int(time.time()), "model": model}
        self._texts: list[str] = []
        self._prepared: Prepared | None = None
        self._end: Finished | None = None

    def take(self, event: AnswerEvent) -> None:
        """Note an event."""
        if isinstance(event, Prepared):
            self._prepared = event
        elif isinstance(event, Wrote):
            self._texts.append(event.text)
        elif isinstance(event, Replaced):
            self._texts = [event.text]
        else:
            self._end = event

    @property
    def text(self) -> str:
        """The answer, as far as it has come."""
        return "".join(self._texts)

    def whole(self) -> dict[str, Any]:
        """The response where nothing is streamed, after the last event."""
        end = self._ended()
        message = {"role": "assistant", "content": self.text, "refusal": None}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": openai_reason(end.reason)}
        return {
            **self._head, "object": "chat.completion", "choices": [choice], "usage": self.usage(),
            "x_dsvl2": self._extension(end),
        }  # fmt: skip

    def chunk(self, delta: dict[str, str], *, is_last: bool = False) -> dict[str, Any]:
        """One object of a stream; the last one has the reason."""
        end = self._ended() if is_last else None
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": end and openai_reason(end.reason)}
        more = {} if end is None else {"x_dsvl2": self._extension(end)}
        return {**self._head, "object": "chat.completion.chunk", "choices": [choice], **more}

    def usage_chunk(self) -> dict[str, Any]:
        """The object after the last one, where the client wants to know the tokens."""
        return {**self._head, "object": "chat.completion.chunk", "choices": [], "usage": self.usage()}

    def usage(self) -> dict[str, Any]:
        """Tokens of prompt and answer."""
        prompt = self._prepared.prompt_tokens if self._prepared else 0
        image = self._prepared.image_tokens if self._prepared else 0
        end = self._ended()
        return {
            "prompt_tokens": prompt,
            "completion_tokens": end.tokens,
            "total_tokens": prompt + end.tokens,
            "prompt_tokens_details": {"cached_tokens": end.cached_tokens, "image_tokens": image},
        }

    def _extension(self, end: Finished) -> dict[str, Any]:
        sizes = self._prepared.image_sizes if self._prepared else ()
        notices = self._prepared.notices if self._prepared else ()
        boxes, dropped = parse_boxes(self.text, sizes, is_cut=end.reason != "stop")
        return {
            "finish_reason": end.reason,
            "confidence": None if end.confidence is None else round(end.confidence, 4),
            "looks": end.looks,
            "read_in": end.read_in,
            "boxes": [asdict(box) for box in boxes],
            "warnings": [notice_json(notice) for notice in (*notices_beside(end.read_in, notices), *dropped)],
            "seconds": end.seconds,
        }

    def _ended(self) -> Finished:
        if self._end is None:
            raise AssertionError("the answer has not ended")
        return self._end


def event_bytes(document: dict[str, Any]) -> bytes:
    """One event of a stream (https://html.spec.whatwg.org/multipage/server-sent-events.html)."""
    return b"data: " + to_json(document) + b"\n\n"


def to_json(document: dict[str, Any]) -> bytes:
    """JSON in ASCII, so that lone surrogates of an answer survive as escapes."""
    return json.dumps(document, ensure_ascii=True, separators=(",", ":")).encode("ascii")

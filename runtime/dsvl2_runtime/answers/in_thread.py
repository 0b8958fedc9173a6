"""An iterator that blocks, as an asynchronous one: it works in a thread of its own."""

from __future__ import annotations

import threading
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from typing import TypeVar

from dsvl2_runtime.progress import Watch

Item = TypeVar("Item")


async def in_thread(start: Callable[[Watch], Iterator[Item]], watch: Watch) -> AsyncGenerator[Item, None]:
    """The items of an iterator, while the event loop goes on.

    A consumer who leaves, because of a `break` (once the generator is closed, see `contextlib.aclosing`) or because its
    task is cancelled, stops the iterator at its next check and waits until it has ended.

    Args:
        start: makes the iterator, in the thread; it has to obey the watch.
        watch: of the caller; its callbacks are called in the thread.
    """
    import asyncio  # brings ssl and fifty modules more, which `run` does not need

    loop, left = asyncio.get_running_loop(), threading.Event()
    queue: asyncio.Queue[Item | BaseException | None] = asyncio.Queue()
    asked_before = watch.should_stop

    def should_stop() -> bool:
        return left.is_set() or (asked_before is not None and asked_before())

    def put(item: Item | BaseException | None) -> None:
        with suppress(RuntimeError):  # the event loop was closed, and nobody waits any more
            loop.call_soon_threadsafe(queue.put_nowait, item)

    def work() -> None:
        try:
            for item in start(replace(watch, should_stop=should_stop)):
                put(item)
        except BaseException as error:
            put(error)
        else:
            put(None)

    threading.Thread(target=work, name="dsvl2 answer", daemon=True).start()
    ended = False
    try:
        while True:
            item = await queue.get()
            if item is None or isinstance(item, BaseException):
                ended = True
                if item is not None:
                    raise item
                return
            yield item
    finally:
        left.set()
        while not ended:
            item = await queue.get()
            ended = item is None or isinstance(item, BaseException)

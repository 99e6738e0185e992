"""What happened, for server-sent events, waiting requests, and the metrics.

An event is a name and values that JSON can hold. Each listener gets all events in order; listeners
that fall behind are closed. Runs on the event loop.
"""

import asyncio
import contextlib
import itertools
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal

from audio.types import Outcome, PlaybackStarted
from bot.core.message import QueuedMessage, Record, State

_MAX_BEHIND = 1000
"""How many events may wait for one listener: minutes of a busy queue, about a megabyte."""


@dataclass(frozen=True, slots=True)
class SpeechEvent:
    """Something that happened."""

    id: int
    name: str
    data: dict[str, Any]


@dataclass(frozen=True, slots=True)
class WaitResult:
    """What a program that waits for a message gets: how it ended, or that it is held."""

    result: Outcome | Literal[State.HELD]
    reason: str


class Listener:
    """Gets every event from its creation on."""

    def __init__(self) -> None:
        self._events: asyncio.Queue[SpeechEvent | None] = asyncio.Queue(_MAX_BEHIND + 1)
        self._closed = False

    def push(self, event: SpeechEvent) -> None:
        """Add an event; close the listener if it has fallen behind."""
        if self._events.qsize() >= _MAX_BEHIND:
            self.close()
        elif not self._closed:
            self._events.put_nowait(event)

    def close(self) -> None:
        """End it after the events that it has already."""
        if not self._closed:
            self._closed = True
            self._events.put_nowait(None)

    async def next(self) -> SpeechEvent | None:
        """Wait for the next event; None if the listener was closed."""
        return await self._events.get()


class Events:
    """Passes events on to listeners and watchers."""

    def __init__(self) -> None:
        """Start without listeners."""
        self._ids = itertools.count(1)
        self._listeners: set[Listener] = set()
        self._watchers: list[Callable[[str, dict[str, Any]], None]] = []
        self._waiting: defaultdict[int, list[asyncio.Future[WaitResult | None]]] = defaultdict(list)
        self._closed = False

    # ---- listeners ----

    @property
    def listeners(self) -> int:
        return len(self._listeners)

    @contextlib.contextmanager
    def listen(self) -> Iterator[Listener]:
        """Yield a listener, which gets every event while the context is open."""
        listener = Listener()
        self._listeners.add(listener)
        if self._closed:
            listener.close()
        try:
            yield listener
        finally:
            self._listeners.discard(listener)

    def watch(self, watcher: Callable[[str, dict[str, Any]], None]) -> None:
        """Call *watcher* with the name and data of each event, at once; it must not raise."""
        self._watchers.append(watcher)

    def wait_result(self, id_: int) -> asyncio.Future[WaitResult | None]:
        """Return a future that is set when a message ends or is held; to None if Crier stops."""
        future: asyncio.Future[WaitResult | None] = asyncio.get_running_loop().create_future()
        if self._closed:
            future.set_result(None)
        else:
            self._waiting[id_].append(future)
        return future

    def close(self) -> None:
        """Close all listeners, and resolve all futures."""
        self._closed = True
        for listener in self._listeners:
            listener.close()
        for future in itertools.chain.from_iterable(self._waiting.values()):
            if not future.done():
                future.set_result(None)
        self._waiting.clear()

    # ---- what happened ----

    def queued(self, message: QueuedMessage, position: int) -> None:
        """Report that a message has been queued, at a position counted from 1."""
        self._publish(
            "queued",
            id=message.id,
            text=message.shown_text,
            source=message.source,
            position=position,
        )

    def held(self, message: QueuedMessage, reason: str) -> None:
        """Report that a message waits for something other than its turn."""
        self._publish("held", id=message.id, reason=reason)
        self._resolve(message.id, WaitResult(State.HELD, reason))

    def sounding(self, fact: PlaybackStarted) -> None:
        """Report what is about to be heard, with the time of each word."""
        self._publish(
            "sounding",
            id=fact.id,
            sentence=fact.sentence,
            text=fact.text,
            at=time.time() + fact.at_s - time.monotonic(),
            words=[asdict(word) for word in fact.words],
        )

    def sentence(self, id_: int, sentence: int) -> None:
        """Report that a sentence, counted from 0, has been heard to its end."""
        self._publish("sentence", id=id_, sentence=sentence)

    def ended(self, record: Record) -> None:
        """Report how a message ended."""
        self._publish(
            "ended",
            id=record.id,
            source=record.source,
            outcome=record.outcome,
            reason=record.reason,
            device=record.device,
            audio_s=record.audio_s,
            first_sound_ms=record.first_sound_ms,
        )
        self._resolve(record.id, WaitResult(Outcome(record.outcome), record.reason))

    def silenced(self, id_: int, took_s: float) -> None:
        """Report that a message was cut, and how long that took."""
        self._publish("silenced", id=id_, took_s=took_s)

    def queue(self) -> None:
        """Report that the order or the content of the queue changed."""
        self._publish("queue")

    async def report(self, status: Callable[[], dict[str, Any]], every_s: float) -> None:
        """Report the status when it changes, while there are listeners; until cancelled.

        Args:
            status: returns it; ages in it do not count as changes.
            every_s: how often to check.
        """
        last: dict[str, Any] = {}
        while True:
            await asyncio.sleep(every_s)
            if not self._listeners:
                continue
            now = status()
            changed = {
                **now,
                **{name: round(now[name]) for name in ("left_s", "buffer_s")},
                "polling": now["polling"]["ok"],
                "time": None,
            }
            if changed != last:
                last = changed
                self._publish("status", **now)

    def _publish(self, name: str, /, **data: Any) -> None:
        event = SpeechEvent(next(self._ids), name, data)
        for watcher in self._watchers:
            watcher(name, data)
        for listener in self._listeners:
            listener.push(event)

    def _resolve(self, id_: int, result: WaitResult) -> None:
        for future in self._waiting.pop(id_, ()):
            if not future.done():
                future.set_result(result)


async def until_idle(listener: Listener, idle_s: float) -> AsyncIterator[SpeechEvent | None]:
    """Yield events as they come, and None after each *idle_s* without one."""
    while True:
        try:
            async with asyncio.timeout(idle_s):
                event = await listener.next()
        except TimeoutError:
            yield None
            continue
        if event is None:
            return
        yield event

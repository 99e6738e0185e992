"""What happened, for whoever listens: server-sent events, those who wait, and the metrics.

Facts come in as names and values that JSON can hold; each listener gets all of them in order, or
is let go where it does not keep up. Runs on the event loop.
"""

import asyncio
import contextlib
import itertools
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

from audio.types import PlaybackStarted
from bot.core.message import QueuedMessage, Record

_BEHIND = 1000
"""Events that may wait for one listener: some minutes of a busy queue, about a megabyte."""


@dataclass(frozen=True, slots=True)
class SpeechEvent:
    """Something that happened."""

    id: int
    name: str
    data: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Ending:
    """How a message ended, or that it is held."""

    outcome: str
    reason: str


class Listener:
    """One who gets every event from now on."""

    def __init__(self) -> None:
        self._events: asyncio.Queue[SpeechEvent | None] = asyncio.Queue(_BEHIND + 1)
        self._behind = False

    def take(self, event: SpeechEvent) -> None:
        """Take an event, if this one keeps up."""
        if self._events.qsize() >= _BEHIND:
            self.end()
        elif not self._behind:
            self._events.put_nowait(event)

    def end(self) -> None:
        """Let it go once it has what is there."""
        if not self._behind:
            self._behind = True
            self._events.put_nowait(None)

    async def next(self) -> SpeechEvent | None:
        """Return the next event; None where there is none any more."""
        return await self._events.get()


class Events:
    """The hub."""

    def __init__(self) -> None:
        """Begin with nobody listening."""
        self._ids = itertools.count(1)
        self._listeners: set[Listener] = set()
        self._watchers: list[Callable[[str, dict[str, Any]], None]] = []
        self._waiting: defaultdict[int, list[asyncio.Future[Ending | None]]] = defaultdict(list)
        self._closed = False

    # ---- who listens ----

    @property
    def listeners(self) -> int:
        """How many listen."""
        return len(self._listeners)

    @contextlib.contextmanager
    def listen(self) -> Iterator[Listener]:
        """Give every event to a listener while the context lasts."""
        listener = Listener()
        self._listeners.add(listener)
        if self._closed:
            listener.end()
        try:
            yield listener
        finally:
            self._listeners.discard(listener)

    def watch(self, watcher: Callable[[str, dict[str, Any]], None]) -> None:
        """Call *watcher* with each event's name and data, at once; it must not raise."""
        self._watchers.append(watcher)

    def ending(self, id_: int) -> asyncio.Future[Ending | None]:
        """Return the future end of a message that has not ended; None where Crier ends first."""
        future: asyncio.Future[Ending | None] = asyncio.get_running_loop().create_future()
        if self._closed:
            future.set_result(None)
        else:
            self._waiting[id_].append(future)
        return future

    def close(self) -> None:
        """Let everybody go."""
        self._closed = True
        for listener in self._listeners:
            listener.end()
        for future in itertools.chain.from_iterable(self._waiting.values()):
            if not future.done():
                future.set_result(None)
        self._waiting.clear()

    # ---- what happened ----

    def queued(self, message: QueuedMessage, position: int) -> None:
        """Tell that a message got its place, counted from 1."""
        self._publish(
            "queued",
            id=message.id,
            text=message.text,
            source=message.source,
            position=position,
        )

    def held(self, message: QueuedMessage, reason: str) -> None:
        """Tell that a message waits for something other than its turn."""
        self._publish("held", id=message.id, reason=reason)
        self._resolve(message.id, Ending("held", reason))

    def sounding(self, fact: PlaybackStarted) -> None:
        """Tell what is about to be heard, and when each of its words is."""
        self._publish(
            "sounding",
            id=fact.id,
            sentence=fact.sentence,
            text=fact.text,
            at=time.time() + fact.at_s - time.monotonic(),
            words=[asdict(word) for word in fact.words],
        )

    def sentence(self, id_: int, sentence: int) -> None:
        """Tell that a sentence, counted from 0, was heard to its end."""
        self._publish("sentence", id=id_, sentence=sentence)

    def ended(self, record: Record) -> None:
        """Tell how a message ended."""
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
        self._resolve(record.id, Ending(record.outcome, record.reason))

    def silenced(self, id_: int, took_s: float) -> None:
        """Tell that a message was cut, and how long that took."""
        self._publish("silenced", id=id_, took_s=took_s)

    def queue(self) -> None:
        """Tell that the order or the content of the queue changed."""
        self._publish("queue")

    async def report(self, status: Callable[[], dict[str, Any]], every_s: float) -> None:
        """Tell the status while somebody listens, when it has changed; until cancelled.

        Args:
            status: returns it; what only says how old something is does not count as a change.
            every_s: how often to look.
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
            listener.take(event)

    def _resolve(self, id_: int, ending: Ending) -> None:
        for future in self._waiting.pop(id_, ()):
            if not future.done():
                future.set_result(ending)


async def until_idle(listener: Listener, idle_s: float) -> AsyncIterator[SpeechEvent | None]:
    """Yield events as they come, and None whenever none came for *idle_s*."""
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

"""The messages to be spoken, in order, with places, estimates and bursts; feeds the pipeline.

Each has one entry here, whose stage says where it is. Messages that wait for a file or for a
decision are not here. Runs on the event loop.
"""

import asyncio
import contextlib
import time
import wave
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from pathlib import Path
from typing import Any

from audio.cost import speech_length
from audio.pipeline import SpeechPipeline
from audio.recording import SEGMENT_S
from audio.types import Ended, Outcome, Utterance
from bot.core.attempts import Attempts
from bot.core.events import Events
from bot.core.inbox import Inbox
from bot.core.message import Conversation, QueuedMessage, State, attempt_key
from bot.core.outcomes import OutcomeRecorder
from bot.core.output import gain_of
from bot.core.pause import SpeechPause
from bot.core.preferences import lang_of
from bot.settings import Settings

REPLACED = "Replaced by a newer one."


class Stage(Enum):
    """Where a message is in this process; its `State` is what the disk knows about it."""

    WAITING = auto()
    """It will be spoken, and the pipeline does not have it yet."""
    SUBMITTED = auto()
    """The pipeline has it, waiting or sounding."""
    CUT = auto()
    """It was cut before the pipeline had it; the fact of its end is on its way."""
    STOPPED = auto()
    """A stop has ended it, on the disk too; the fact of its end is on its way."""
    HELD = auto()
    """It is kept out of the pipeline until quiet ends."""


_UNDER_WAY = (Stage.WAITING, Stage.SUBMITTED, Stage.CUT)


@dataclass(slots=True)
class Entry:
    """A message in the queue."""

    message: QueuedMessage
    stage: Stage
    recording_s: float = 0.0
    """The length of its recording, as soon as that has been read; 0 for a text."""
    pull_to: State | None = None
    """Its state afterwards, while it is being pulled: stopped in the pipeline without an end."""


@dataclass(frozen=True, slots=True)
class Growth:
    """The text so far of a message that arrives in pieces."""

    text: str
    skipped: str
    more: bool
    """Whether more of it follows."""


@dataclass(frozen=True, slots=True)
class Place:
    """A message's place in the queue, as people and programs see it."""

    message: QueuedMessage
    state: str
    """``sounding``, ``waiting``, or ``held``: by quiet, or while no loudspeaker plays."""
    position: int
    """Counted from 1."""
    estimate_s: float | None
    """Roughly how long until it starts; None if that is unknown."""


@dataclass(eq=False, slots=True)
class Burst:
    """A conversation's messages that follow each other without a pause."""

    conversation: Conversation
    ids: set[int] = field(default_factory=set)
    ended: int = 0
    heard: int = 0
    warned_inaudible: bool = False
    started_s: float = field(default_factory=time.monotonic)

    @property
    def total(self) -> int:
        """The number of its messages."""
        return len(self.ids)

    @property
    def age_s(self) -> float:
        """How long ago it started."""
        return time.monotonic() - self.started_s


class MessageQueue:
    """Orders messages, and hands them to the pipeline."""

    def __init__(
        self,
        pipeline: SpeechPipeline,
        inbox: Inbox,
        events: Events,
        outcomes: OutcomeRecorder,
        pause: SpeechPause,
        attempts: Attempts,
        settings: Settings,
        bot_id: int,
        receive: Callable[[Ended], None],
    ) -> None:
        """Start empty; nothing is handed to the pipeline before `start`.

        Args:
            pipeline: speaks the messages.
            inbox: stores their order and their text.
            events: reports changes to programs.
            outcomes: ends messages that are removed while held.
            pause: knows whether handing over is suspended.
            attempts: knows during which messages the process died.
            settings: the voice, speed and chime of messages without their own.
            bot_id: the bot whose messages these are.
            receive: takes the `Ended` of a message that the pipeline never had.
        """
        self._pipeline = pipeline
        self._inbox = inbox
        self._events = events
        self._outcomes = outcomes
        self._pause = pause
        self._attempts = attempts
        self._settings = settings
        self._bot_id = bot_id
        self._receive = receive
        self._started = False
        self._entries: dict[int, Entry] = {}  # by id; those under way in order
        self._growing: dict[int, Growth] = {}  # by id; until the growth or the message ends
        self._bursts: dict[Conversation, Burst] = {}
        self._readings: set[asyncio.Task[None]] = set()  # of recordings' lengths
        events.watch(self._forget_ended)

    # ---- content and order ----

    def get(self, id_: int) -> Entry | None:
        """Return the entry of a message, if it has one."""
        return self._entries.get(id_)

    def under_way(self) -> list[QueuedMessage]:
        """Return the messages that are neither held nor ended, in order of acceptance or moves."""
        return [e.message for e in self._entries.values() if e.stage in _UNDER_WAY]

    def held(self) -> list[QueuedMessage]:
        """Return the messages that are held until quiet ends."""
        return [e.message for e in self._entries.values() if e.stage is Stage.HELD]

    def bursts(self) -> dict[Conversation, Burst]:
        """Return the current bursts by conversation."""
        return self._bursts

    def _ordered(self) -> list[QueuedMessage]:
        """Return the messages under way, in the order in which they will be heard."""
        speaking_id = self._pipeline.status().speaking_id
        return sorted(  # stable
            self.under_way(), key=lambda m: (m.id != speaking_id, not m.urgent)
        )

    def position(self, id_: int) -> int:
        """Return a message's place, counted from 1; 0 if it has none."""
        ids = [message.id for message in (*self._ordered(), *self.held())]
        return ids.index(id_) + 1 if id_ in ids else 0

    def places(self) -> list[Place]:
        """Return the places of the messages under way, then of held ones."""
        status = self._pipeline.status()
        places: list[Place] = []
        before_s = 0.0
        for message in self._ordered():
            sounding = message.id == status.speaking_id
            state = "sounding" if sounding else State.HELD if status.blocked else State.WAITING
            places.append(Place(message, state, len(places) + 1, round(before_s, 1)))
            before_s += self._left_s(message)
        for message in self.held():
            places.append(Place(message, State.HELD, len(places) + 1, None))
        return places

    # ---- estimates ----

    def duration_s(self, length: float, speed: float = 0.0, lang: str = "") -> float:
        """Return how long a text takes to speak, as learned on this machine.

        Args:
            length: as `audio.cost.speech_length` counts.
            speed: of the speech; 0: as the settings say.
            lang: its language; empty: as the settings say.
        """
        return self._pipeline.cost().audio_s(
            length, speed or self._settings.kokoro_speed, lang or self._settings.lang
        )

    def left_s(self, burst: Burst) -> float:
        """Return roughly how long the rest of a burst will last."""
        return sum(self._left_s(m) for m in self.under_way() if m.id in burst.ids)

    def _left_s(self, message: QueuedMessage) -> float:
        status = self._pipeline.status()
        if message.id == status.speaking_id:
            return status.left_s
        if message.recording:
            heard_s = message.sentence * SEGMENT_S
            return max(0.0, self._entries[message.id].recording_s - heard_s)
        return self.duration_s(speech_length(message.text), message.speed, message.lang)

    def _start_reading_length(self, entry: Entry) -> None:
        """Read the length of a recording on another thread."""

        async def read() -> None:
            entry.recording_s = await asyncio.to_thread(_length_s, Path(entry.message.recording))

        task = asyncio.get_running_loop().create_task(read())
        self._readings.add(task)
        task.add_done_callback(self._readings.discard)

    # ---- into the pipeline ----

    def start(self) -> None:
        """Start handing messages to the pipeline."""
        self._started = True
        self.hand_over()

    @property
    def started(self) -> bool:
        """Whether messages are handed to the pipeline."""
        return self._started

    def add(self, message: QueuedMessage) -> None:
        """Queue a stored message: an urgent one comes before the others."""
        message = self._grown(message)
        entry = self._entries[message.id] = Entry(message, Stage.WAITING)
        if message.recording:
            self._start_reading_length(entry)
        if message.in_chat:
            conversation = message.conversation
            self._bursts.setdefault(conversation, Burst(conversation)).ids.add(message.id)
        self.hand_over()

    def hand_over(self) -> None:
        """Hand the pipeline the messages that it may have now.

        A suspect, a message during which the process has died, is spoken alone, so that its
        neighbours are not blamed for the next death.
        """
        if not self._started or self._pause.suspended:
            return
        in_pipeline = [
            entry.message.id
            for entry in self._entries.values()
            if entry.stage in (Stage.SUBMITTED, Stage.STOPPED)
        ]
        waiting = [entry for entry in self._entries.values() if entry.stage is Stage.WAITING]
        for entry in sorted(waiting, key=lambda entry: not entry.message.urgent):
            id_ = entry.message.id
            if any(map(self._is_suspect, in_pipeline)) or (in_pipeline and self._is_suspect(id_)):
                return
            entry.stage = Stage.SUBMITTED
            self._pipeline.say(self.utterance(entry.message))
            # None of the others is suspect, or this one would not have been handed over.
            in_pipeline = [id_]

    def _is_suspect(self, id_: int) -> bool:
        return self._attempts.deaths(attempt_key(id_)) > 0

    def utterance(self, message: QueuedMessage) -> Utterance:
        """Return a message as the pipeline takes it."""
        voice = message.voice or self._settings.kokoro_voice
        chime = self._settings.chime if message.chime is None else message.chime
        return Utterance(
            id=message.id,
            text=message.text,
            voice=voice,
            speed=message.speed or self._settings.kokoro_speed,
            lang=message.lang or lang_of(voice, self._settings),
            first_sentence=message.sentence,
            recording=message.recording,
            chime=chime and not (message.recording or message.is_note),
            urgent=message.urgent,
            grows=message.id in self._growing and self._growing[message.id].more,
            gain=None if message.volume is None else gain_of(message.volume),
        )

    def begin(self, id_: int) -> bool:
        """Record that the first word of a message has begun.

        Returns:
            Whether it could expire or be replaced until now.
        """
        entry = self._entries.get(id_)
        if entry is None or not (entry.message.expires_at or entry.message.replace_key):
            return False
        entry.message = replace(entry.message, expires_at=0.0, replace_key="")
        return True

    # ---- replacement ----

    def has_newer(self, message: QueuedMessage) -> bool:
        """Return whether a newer message that replaces this one waits."""
        return any(other.id > message.id for other in self._alike(message))

    def take_place_of_older(self, message: QueuedMessage) -> list[int]:
        """Move a message, which is in the queue, to the place of the first that it replaces.

        Returns:
            Those that it replaces; call `end_waiting` with each, then `store_order`.
        """
        older = [other.id for other in self._alike(message) if other.id < message.id]
        if not older or message.id not in self._entries:
            return []  # nothing is replaced, or it was stopped meanwhile
        order = [id_ for id_ in self._entries if id_ != message.id]
        order.insert(order.index(older[0]), message.id)
        self._entries = {id_: self._entries[id_] for id_ in order}
        self._pipeline.reorder(tuple(order))
        return older

    async def store_order(self) -> None:
        """Store the order of the messages, so that it outlives this process."""
        await self._inbox.reorder(list(self._entries))

    def _alike(self, message: QueuedMessage) -> list[QueuedMessage]:
        """Return the messages that the newest of them replaces, this one included."""
        if message.replaces is None:
            return []
        entries = self._entries.values()
        return [e.message for e in entries if e.message.replaces == message.replaces]

    # ---- growth ----

    def begin_growth(self, message: QueuedMessage) -> None:
        """Expect a message that is about to be added to grow."""
        self._growing[message.id] = Growth(message.text, message.skipped, more=True)

    def grow(self, id_: int, text: str, skipped: str, *, more: bool) -> None:
        """Replace the text of a growing message by a longer one that is stored.

        Args:
            id_: the message, which may be about to be added; one that has ended is ignored.
            text: whole lines, which begin with the earlier text.
            skipped: what was left out of it, in words.
            more: whether more of it follows.
        """
        if id_ not in self._growing:
            return
        self._growing[id_] = Growth(text, skipped, more)
        entry = self._entries.get(id_)
        if entry is None:
            return  # it is being held or released, and `add` or `hold` follows
        entry.message = self._grown(entry.message)
        if entry.stage is Stage.SUBMITTED:
            self._pipeline.replace(self.utterance(entry.message))
        self._events.queue()

    def forget_growth(self, id_: int) -> None:
        """Expect no more text of a message."""
        self._growing.pop(id_, None)

    def _forget_ended(self, event: str, data: dict[str, Any]) -> None:
        if event == "ended":
            self.forget_growth(data["id"])

    def _grown(self, message: QueuedMessage) -> QueuedMessage:
        """Return a message with the text that it has by now."""
        growth = self._growing.get(message.id)
        if growth is None:
            return message
        if not growth.more:
            self.forget_growth(message.id)
        return replace(message, text=growth.text, skipped=growth.skipped)

    # ---- changes ----

    async def move(self, id_: int, before: int | None) -> bool:
        """Move a waiting message before another one, or to the end.

        Returns:
            Whether both wait; otherwise nothing changes.
        """
        ids = [message.id for message in self.under_way()]
        waiting = set(ids) - {self._pipeline.status().speaking_id}
        if id_ not in waiting or not (before is None or before in waiting):
            return False
        order = [other for other in ids if other != id_ or other == before]
        if before is None:
            order.append(id_)
        elif before != id_:
            order.insert(order.index(before), id_)
        self._entries = {id_: self._entries[id_] for id_ in order} | self._entries
        self._pipeline.reorder(tuple(order))
        self._events.queue()
        await self._inbox.reorder(order)
        return True

    async def remove(self, id_: int) -> bool:
        """Remove a message, also while it plays; return whether it was there.

        Raises:
            sqlite3.Error: its end can't be stored.
        """
        entry = self._entries.get(id_)
        if entry is None or entry.stage is Stage.STOPPED:
            return False
        if entry.stage is Stage.HELD:
            del self._entries[id_]
            await self._outcomes.end(entry.message, Outcome.SKIPPED)
        else:
            entry.pull_to = None
            self.cut(id_)
        return True

    async def end_waiting(self, id_: int, reason: str) -> None:
        """End a message as skipped, unless its first word has begun.

        Raises:
            sqlite3.Error: its end can't be stored.
        """
        entry = self._entries.get(id_)
        if entry is None:
            return
        if entry.stage is Stage.HELD:
            del self._entries[id_]
            await self._outcomes.end(entry.message, Outcome.SKIPPED, reason)
        elif entry.stage is Stage.WAITING:
            entry.stage = Stage.CUT
            self._receive(Ended(id_, Outcome.SKIPPED, reason=reason))  # as the pipeline would
        elif entry.stage is Stage.SUBMITTED:
            self._pipeline.withdraw(id_, reason)

    async def remove_edited(self, chat_id: int, message_id: int) -> bool:
        """Remove a message whose sender deleted its words; return whether it was there.

        They are deleted on the disk too, so that neither a replay nor a restart speaks them.
        """
        for message in await self._inbox.list_late(self._bot_id, chat_id):
            if message.message_id == message_id:
                await self._outcomes.end(message, Outcome.SKIPPED)
                return True
        entries = self._of_chat(chat_id, message_id)
        for entry in entries:
            id_ = entry.message.id
            if entry.stage is not Stage.HELD:
                await self._outcomes.store(entry.message, Outcome.SKIPPED)
            await self.remove(id_)
            await self._inbox.revise(id_, "", "")
        return entries != []

    async def revise(self, chat_id: int, message_id: int, text: str, skipped: str) -> bool:
        """Replace the text of a message that waits, for its turn or for a decision.

        Returns:
            Whether it still waited.
        """
        for message in await self._inbox.list_late(self._bot_id, chat_id):
            if message.message_id == message_id and not message.recording:
                await self._inbox.revise(message.id, text, skipped)
                return True
        speaking_id = self._pipeline.status().speaking_id
        for entry in self._of_chat(chat_id, message_id):
            message = entry.message
            if message.sentence or message.recording or message.id == speaking_id:
                return False
            await self._inbox.revise(message.id, text, skipped)
            current = self._entries.get(message.id)
            if current is None or current.stage is Stage.STOPPED:
                return False  # it ended meanwhile
            current.message = replace(current.message, text=text, skipped=skipped)
            self._pipeline.replace(self.utterance(current.message))  # if it has it already
            self._events.queue()
            return True
        return False

    def _of_chat(self, chat_id: int, message_id: int) -> list[Entry]:
        return [
            entry
            for entry in self._entries.values()
            if (entry.message.chat_id, entry.message.message_id) == (chat_id, message_id)
            and entry.stage is not Stage.STOPPED
        ]

    # ---- ends ----

    def cut(self, id_: int, outcome: Outcome = Outcome.SKIPPED) -> None:
        """End one message that is under way."""
        entry = self._entries[id_]
        if entry.stage is Stage.WAITING:
            entry.stage = Stage.CUT
            self._receive(Ended(id_, outcome))  # as the pipeline would
        elif entry.stage is Stage.SUBMITTED:
            self._pipeline.skip(id_)

    def abort(self) -> None:
        """End every message that is under way."""
        self._pipeline.abort()
        for id_, entry in self._entries.items():
            if entry.stage is Stage.WAITING:
                self.cut(id_, Outcome.STOPPED)
        self._pause.pause_pipeline_again()

    def stop(self) -> tuple[int, list[QueuedMessage]]:
        """Mark messages that are under way as stopped, and remove held ones.

        Call it after `abort`, whose facts follow.

        Returns:
            How many were under way, and the messages that were held.
        """
        held = self.held()
        for message in held:
            del self._entries[message.id]
        under_way = [entry for entry in self._entries.values() if entry.stage in _UNDER_WAY]
        for entry in under_way:
            entry.stage, entry.pull_to = Stage.STOPPED, None
        return len(under_way), held

    def finish(self, message: QueuedMessage, *, heard: bool) -> None:
        """Remove a message that has ended, and count it in its burst."""
        burst = self._bursts.get(message.conversation)
        if burst is not None and message.id in burst.ids:
            burst.ended += 1
            burst.heard += heard
            self._close_if_over(burst)
        self._remove(message)

    def _remove(self, message: QueuedMessage) -> None:
        self._entries.pop(message.id, None)
        self._attempts.finish(attempt_key(message.id))
        self.hand_over()

    def _close_if_over(self, burst: Burst) -> None:
        if burst.ended >= burst.total:
            del self._bursts[burst.conversation]

    # ---- pulling and holding ----

    def pull_waiting(self, state: State) -> None:
        """Pull waiting messages that are not urgent, so that they get *state*.

        To pull a message is to stop it in the pipeline without an end; the fact follows.
        """
        speaking_id = self._pipeline.status().speaking_id
        for id_ in self._entries:
            if id_ != speaking_id:
                self.pull(id_, state)

    def pull(self, id_: int, state: State) -> None:
        """Pull a message, also while it plays, unless it is urgent or has ended."""
        entry = self._entries.get(id_)
        if entry is None or entry.stage not in _UNDER_WAY or entry.message.urgent:
            return
        if entry.pull_to is None:
            entry.pull_to = state
            self.cut(id_)

    def pull_all(self, state: State) -> None:
        """Pull every message that is under way, so that they get *state*."""
        for entry in self._entries.values():
            if entry.stage in _UNDER_WAY:
                entry.pull_to = state
        self.abort()

    def remove_pulled(self, message: QueuedMessage) -> None:
        """Remove a message that was pulled, now that the pipeline has stopped it."""
        burst = self._bursts.get(message.conversation)
        if burst is not None:
            burst.ids.discard(message.id)
            self._close_if_over(burst)
        self._remove(message)

    def hold(self, message: QueuedMessage) -> None:
        """Keep a message until `pop_held`."""
        self._entries[message.id] = Entry(self._grown(message), Stage.HELD)

    def pop_held(self, id_: int) -> QueuedMessage | None:
        """Remove and return a held message; None if it was removed or stopped meanwhile."""
        entry = self._entries.get(id_)
        if entry is None or entry.stage is not Stage.HELD:
            return None
        del self._entries[id_]
        return entry.message


def _length_s(path: Path) -> float:
    """Return the length of a recording; 0 if it can't be read. Blocks for the disk."""
    with contextlib.suppress(OSError, EOFError, wave.Error), wave.open(str(path)) as file:
        return float(file.getnframes() / file.getframerate())
    return 0.0

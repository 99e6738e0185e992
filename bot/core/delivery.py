"""A stored message -> the pipeline -> its outcome -> its receipt. Runs on the event loop."""

import asyncio
import contextlib
import logging
import sqlite3
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from telegram import InlineKeyboardButton, InlineKeyboardMarkup
from telegram.constants import ReactionEmoji

from audio.cost import SynthesisCost, speech_length
from audio.pipeline import SpeechPipeline
from audio.types import (
    Ended,
    Fact,
    Held,
    Outcome,
    PlaybackStarted,
    SentenceHeard,
    Silenced,
    Slept,
    Utterance,
)
from audio.voices import language_of
from bot.chat import outbox as receipts
from bot.chat.outbox import Outbox
from bot.core.attempts import MAX_DEATHS, Attempts
from bot.core.events import Events
from bot.core.inbox import Inbox
from bot.core.message import NO_CHAT, Conversation, QueuedMessage, Record, State
from bot.core.quiet_hours import QuietHours
from bot.core.store import Store
from bot.settings import Settings

log = logging.getLogger(__name__)

_REACTIONS = {
    Outcome.HEARD: receipts.HEARD,
    Outcome.STOPPED: receipts.CUT,
    Outcome.SKIPPED: receipts.CUT,
    Outcome.FAILED: receipts.FAILED,
}

# Late messages come in a burst; this long after the last of them their sender is asked.
_BURST_S = 1.0
LATE_ALL, LATE_LAST, LATE_NONE = "late:all", "late:last", "late:none"


_LOOK_S = 5.0

_TOO_OLD = "It was too old to be said unasked when its turn came (LATE_AFTER_S)."
_DEADLY = (
    f"Crier ended {MAX_DEATHS} times while it was saying this, so it is left out. "
    "Send it in other words, or in parts."
)
_PAUSED = "Paused, so it waits. /resume goes on."
PAUSED = "paused"
_KEY = "message:"


@dataclass(frozen=True, slots=True)
class Place:
    """A message in the queue."""

    message: QueuedMessage
    state: str
    """``sounding``, ``waiting`` or ``held``."""
    position: int
    """Counted from 1."""
    estimate_s: float | None
    """How long until it begins, roughly; None where nobody can say."""


@dataclass(eq=False, slots=True)
class Burst:
    """A conversation's messages that follow each other without a break."""

    conversation: Conversation
    ids: set[int] = field(default_factory=set)
    ended: int = 0
    heard: int = 0
    told_inaudible: bool = False
    began_s: float = field(default_factory=time.monotonic)

    @property
    def total(self) -> int:
        """How many there are."""
        return len(self.ids)

    @property
    def age_s(self) -> float:
        """How long ago it began."""
        return time.monotonic() - self.began_s


class Delivery:
    """Sees each accepted message through to its end and tells its sender."""

    def __init__(
        self,
        pipeline: SpeechPipeline,
        inbox: Inbox,
        store: Store,
        outbox: Outbox,
        events: Events,
        settings: Settings,
        bot_id: int,
        attempts: Attempts,
        now: Callable[[], float],
    ) -> None:
        """Start with nothing under way; nothing is said before `resume`.

        Args:
            pipeline: says it.
            inbox: remembers it.
            store: remembers a mute and a pause.
            outbox: tells the senders.
            events: tells programs.
            settings: what is the case where nothing was chosen.
            bot_id: whose messages these are.
            attempts: what was under way when an earlier life of the process died.
            now: returns the true time, in seconds since 1970.
        """
        self._pipeline = pipeline
        self._inbox = inbox
        self._store = store
        self._outbox = outbox
        self._events = events
        self._settings = settings
        self._bot_id = bot_id
        self._attempts = attempts
        self._now = now
        self._resumed = False
        self._hushed = False
        self._paused = False
        self._under_way: dict[int, QueuedMessage] = {}
        self._handed_over: set[int] = set()  # those of them that the pipeline has
        self._behind: list[int] = []  # the others, in order
        self._stopped: dict[int, QueuedMessage] = {}  # the pipeline has yet to say so
        self._cut_early = 0  # by a stop that was seen before its turn
        self._facts: asyncio.Queue[Fact] = asyncio.Queue()
        self._told_held: set[int] = set()  # chats that know why nothing sounds
        self._offers: dict[int, asyncio.TimerHandle] = {}  # by chat
        self._tasks: set[asyncio.Task[None]] = set()
        self._bursts: dict[Conversation, Burst] = {}
        self._quiet = QuietHours(settings.quiet_hours)
        self._kept: dict[int, QueuedMessage] = {}  # until it need not be quiet any more
        # Stopped by the pipeline, only to be kept: the state that they go to.
        self._keeping: dict[int, str] = {}
        self._told_quiet: set[int] = set()
        self._told_paused: set[int] = set()
        self.on_stop: list[Callable[[], None]] = []
        """Called first when everything is stopped."""

    @property
    def under_way(self) -> int:
        """How many accepted messages have not ended."""
        return len(self._under_way)

    @property
    def kept(self) -> int:
        """How many messages wait for the end of the quiet."""
        return len(self._kept)

    def left_s(self, burst: Burst) -> float:
        """Return how long what is to be heard of a burst will last, roughly."""
        return sum(self._message_s(m) for id_, m in self._under_way.items() if id_ in burst.ids)

    def _message_s(self, message: QueuedMessage) -> float:
        """Return how long what is to be heard of a message will last, roughly."""
        status = self._pipeline.status()
        if message.id == status.speaking_id:
            return status.left_s
        return SynthesisCost().audio_s(speech_length(message.text), self._speed(message))

    def bursts(self) -> dict[Conversation, Burst]:
        """Return each conversation's messages that follow each other without a break."""
        return self._bursts

    def queue(self) -> list[QueuedMessage]:
        """Return what has not ended, in order."""
        return list(self._under_way.values())

    def _ordered(self) -> list[QueuedMessage]:
        """Return what is on its way, in the order in which it will be heard."""
        speaking = self._pipeline.status().speaking_id
        return sorted(  # stable
            self._under_way.values(), key=lambda m: (m.id != speaking, not m.urgent)
        )

    def position(self, id_: int) -> int:
        """Return a message's place in the queue, counted from 1; 0 where it has none."""
        ids = [message.id for message in (*self._ordered(), *self._kept.values())]
        return ids.index(id_) + 1 if id_ in ids else 0

    def places(self) -> list[Place]:
        """Return what has not ended, in the order in which it will be heard."""
        status = self._pipeline.status()
        places: list[Place] = []
        before_s = 0.0
        for message in self._ordered():
            sounding = message.id == status.speaking_id
            state = "sounding" if sounding else State.HELD if status.blocked else State.WAITING
            places.append(Place(message, state, len(places) + 1, round(before_s, 1)))
            before_s += self._message_s(message)
        for message in self._kept.values():
            places.append(Place(message, State.HELD, len(places) + 1, None))
        return places

    async def move(self, id_: int, before: int | None) -> bool:
        """Put a message that waits before another one, or at the end; False where one does not."""
        waiting = set(self._under_way) - {self._pipeline.status().speaking_id}
        if id_ not in waiting or not (before is None or before in waiting):
            return False
        order = [other for other in self._under_way if other != id_ or other == before]
        if before is None:
            order.append(id_)
        elif before != id_:
            order.insert(order.index(before), id_)
        self._under_way = {other: self._under_way[other] for other in order}
        self._pipeline.reorder(tuple(order))
        self._behind.sort(key=order.index)
        self._events.queue()
        await self._inbox.reorder(order)
        return True

    async def remove(self, id_: int) -> bool:
        """Leave a message unsaid; return whether it still could be."""
        if id_ in self._under_way:
            self._cut(id_)
            return True
        message = self._kept.pop(id_, None)
        if message is None:
            return False
        await self.close(message, Outcome.SKIPPED, receipts.CUT)
        discard(message)
        return True

    async def take_back(self, chat_id: int, message_id: int) -> bool:
        """Leave a message of a chat unsaid, or cut it; return whether it still could be.

        Its words are forgotten, so that neither /replay nor a restart says them.
        """
        ids = (chat_id, message_id)
        for message in await self._inbox.late(self._bot_id, chat_id):
            if message.message_id == message_id:
                await self.close(message, Outcome.SKIPPED, receipts.CUT)
                discard(message)
                return True
        waiting = (*self._under_way.values(), *self._kept.values())
        found = [m.id for m in waiting if (m.chat_id, m.message_id) == ids]
        for id_ in found:
            if id_ in self._under_way:
                await self._inbox.end(id_, Outcome.SKIPPED, receipts.CUT)
            await self.remove(id_)
            await self._inbox.revise(id_, "", "")
        return found != []

    async def submit(self, message: QueuedMessage) -> None:
        """Speak a stored message in its turn, or keep it where it has to be quiet."""
        if self._quiet.reason(urgent=message.urgent):
            await self._keep(message)
            return
        self._under_way[message.id] = message
        where = message.conversation
        burst = self._bursts.setdefault(where, Burst(where))
        burst.ids.add(message.id)
        self._outbox.react(message.chat_id, message.message_id, receipts.STORED)
        self._behind.insert(0 if message.urgent else len(self._behind), message.id)
        self._hand_over()
        self._events.queued(message, self.position(message.id))
        if self._paused and self._resumed and message.chat_id not in self._told_paused:
            self._told_paused.add(message.chat_id)
            self._reply(message, _PAUSED)

    def _hand_over(self) -> None:
        """Give the pipeline what it may have now.

        A message during which the process died before is said alone, so that its neighbours are
        not taken for what killed it.
        """
        while self._behind and self._resumed and not self._hushed:
            if any(map(self._is_suspect, self._handed_over)):
                return
            if self._handed_over and self._is_suspect(self._behind[0]):
                return
            id_ = self._behind.pop(0)
            self._handed_over.add(id_)
            self._pipeline.say(self.utterance(self._under_way[id_]))

    def _is_suspect(self, id_: int) -> bool:
        return self._attempts.deaths(attempt_key(id_)) > 0

    def _cut(self, id_: int, outcome: Outcome = Outcome.SKIPPED) -> None:
        """End one message, also where the pipeline does not know it yet."""
        if id_ in self._behind:
            self._behind.remove(id_)
            self.note(Ended(id_, outcome))
        else:
            self._pipeline.skip(id_)

    def _abort(self) -> None:
        """End every message that is under way."""
        self._pipeline.abort()
        for id_ in tuple(self._behind):
            self._cut(id_, Outcome.STOPPED)
        if self._paused or self._hushed:  # the abort has ended that
            self._pipeline.pause()

    def _reply(self, message: QueuedMessage, text: str) -> None:
        self._outbox.reply(
            message.chat_id, text, to=message.message_id, thread_id=message.thread_id
        )

    def utterance(self, message: QueuedMessage) -> Utterance:
        """Return the order that a message is."""
        voice = message.voice or self._settings.kokoro_voice
        return Utterance(
            message.id,
            message.text,
            voice,
            self._speed(message),
            message.lang or self.lang_of(voice),
            message.sentence,
            recording=message.file,
            chime=not message.file
            and (self._settings.chime if message.chime is None else message.chime),
            urgent=message.urgent,
        )

    def lang_of(self, voice: str) -> str:
        """Return the language in which a voice speaks where nothing else is said."""
        own = voice == self._settings.kokoro_voice
        return self._settings.lang if own else language_of(voice)

    def _speed(self, message: QueuedMessage) -> float:
        return message.speed or self._settings.kokoro_speed

    async def revise(self, chat_id: int, message_id: int, text: str, skipped: str) -> bool:
        """Change the text of a message that waits, in the queue or for a decision.

        Returns:
            Whether it still could be.
        """
        for message in await self._inbox.late(self._bot_id, chat_id):
            if message.message_id == message_id and not message.file:
                await self._inbox.revise(message.id, text, skipped)
                return True
        status = self._pipeline.status()
        for waiting in (self._under_way, self._kept):
            for message in waiting.values():
                if (message.chat_id, message.message_id) != (chat_id, message_id):
                    continue
                if message.sentence or message.file or message.id == status.speaking_id:
                    return False
                await self._inbox.revise(message.id, text, skipped)
                if message.id not in waiting:
                    return False  # it ended meanwhile
                revised = replace(message, text=text, skipped=skipped)
                waiting[message.id] = revised
                self._pipeline.replace(self.utterance(revised))  # where it knows it already
                self._events.queue()
                return True
        return False

    # ---- pause ----

    @property
    def paused(self) -> bool:
        """Whether someone has paused speech."""
        return self._paused

    async def pause(self) -> None:
        """Fall silent and keep everything, also over a restart."""
        self._paused = True
        self._pipeline.pause()
        self._attempts.suspend(_KEY)
        await self._remember_pause()

    async def unpause(self) -> bool:
        """Go on after a pause; return whether there was one."""
        was_paused = self._paused or self._pipeline.status().paused
        self._end_pause()
        if not self._hushed:
            self._pipeline.resume()
        await self._remember_pause()
        return was_paused

    def _end_pause(self) -> None:
        self._paused = False
        self._told_paused.clear()
        self._attempts.resume()

    async def _remember_pause(self) -> None:
        try:
            await self._store.choose(PAUSED, "1" if self._paused else None, "")
        except sqlite3.Error as exc:
            log.error("A pause can't be stored: %s", exc)  # noqa: TRY400

    @contextlib.contextmanager
    def hushed(self) -> Iterator[None]:
        """Say nothing as long as the context lasts; what is submitted waits for its end."""
        self._hushed = True
        self._pipeline.pause()
        try:
            yield
        finally:
            self._hushed = False
            if not self._paused:
                self._pipeline.resume()
            self._hand_over()

    # ---- quiet ----

    def quiet_reason(self) -> str:
        """Return why nothing is spoken now; empty where it is."""
        return self._quiet.reason()

    async def mute(self, until: float) -> None:
        """Be silent until that time, in seconds since 1970, and keep what waits; 0 ends it."""
        self._quiet.mute(until)
        if until:
            self._keep_all(State.HELD)
        try:
            await self._store.choose("mute", str(until) if until else None, "")
        except sqlite3.Error as exc:
            log.error("A mute can't be stored: %s", exc)  # noqa: TRY400
        if not until:
            await self._release()

    def _keep_all(self, state: str) -> None:
        """Stop everything that is under way, only to keep it."""
        self._keeping |= dict.fromkeys(self._under_way, state)
        self._abort()

    async def _keep(self, message: QueuedMessage) -> None:
        self._kept[message.id] = message
        await self._inbox.set_state(message.id, State.HELD)
        self._outbox.react(message.chat_id, message.message_id, receipts.HELD)
        reason = f"{self._quiet.reason()} I keep it until then."
        self._events.held(message, reason)
        if message.chat_id not in self._told_quiet:
            self._told_quiet.add(message.chat_id)
            self._reply(message, reason)

    async def keep_quiet(self) -> None:
        """Say what was kept as soon as it need not be quiet any more; until cancelled."""
        while True:
            await asyncio.sleep(_LOOK_S)
            try:
                if self._kept and not self._quiet.reason():
                    await self._release()
                elif self._under_way and self._quiet.reason():
                    self._keep_what_waits()
            except Exception:  # such as a full disk; it is tried again
                log.exception("Unexpected error in keeping quiet")

    def _keep_what_waits(self) -> None:
        """Quiet hours begin: what sounds ends, what waits is kept."""
        speaking = self._pipeline.status().speaking_id
        for message in self.queue():
            if message.id != speaking and not message.urgent and message.id not in self._keeping:
                self._keeping[message.id] = State.HELD
                self._cut(message.id)

    async def _release(self) -> None:
        """Say what was kept; ask first about what has become old meanwhile."""
        self._told_quiet.clear()
        held = (State.HELD,)
        for id_, kept in list(self._kept.items()):
            old = self.is_late(kept.fresh_at)
            moved = await self._inbox.change_state(id_, held, State.LATE if old else State.WAITING)
            message = self._kept.pop(id_, None)
            if message is None or not moved:
                continue  # it was stopped meanwhile
            if old:
                self._ask_soon(message.chat_id)
            else:
                await self.submit(message)

    def is_late(self, fresh_at: float) -> bool:
        """Return whether what was sent, or decided upon, at that time is not said unasked."""
        return 0 < self._settings.late_after_s < self._now() - fresh_at

    async def take_stock(self) -> None:
        """Take up what an earlier life of the process left: messages, receipts, questions.

        Comes before anything new is taken; nothing is said before `resume`.
        """
        self._quiet.mute(float(await self._store.choice("mute", "") or 0))
        if await self._store.choice(PAUSED, ""):
            self._paused = True
            self._pipeline.pause()
        await self._give_up_or_ask()
        for message, reaction, reason in await self._inbox.owed(self._bot_id):
            try:
                self.tell_end(message, reaction, reason)
            except ValueError:  # a reaction of another version
                log.exception("A receipt can't be given")
        left = await self._inbox.unfinished(self._bot_id)
        self._attempts.keep(_KEY, {attempt_key(message.id) for message in left})
        if left:
            log.info("Going on with %d message(s) from before the restart", len(left))
        for message in left:
            await self.submit(message)
        for chat_id in await self._inbox.not_offered(self._bot_id):
            self._ask_soon(chat_id)

    async def _give_up_or_ask(self) -> None:
        """End what killed the process, and ask about what has waited for too long."""
        left = await self._inbox.unfinished(self._bot_id)
        late_after_s = self._settings.late_after_s
        idle_s = await self._inbox.idle_s(self._bot_id)
        for message in left:
            if self._attempts.deaths(attempt_key(message.id)) >= MAX_DEATHS:
                log.error("The process died again during message %d; giving it up", message.id)
                await self._inbox.end(message.id, Outcome.FAILED, receipts.FAILED, _DEADLY)
                self._attempts.end(attempt_key(message.id))
            elif 0 < late_after_s < idle_s:
                await self._inbox.set_state(message.id, State.LATE)
        if left and 0 < late_after_s < idle_s:
            log.info("%d message(s) waited %.0f s for a start; asking first", len(left), idle_s)

    def resume(self) -> None:
        """Begin to speak."""
        self._resumed = True
        self._hand_over()

    async def close(
        self, message: QueuedMessage, outcome: Outcome, reaction: ReactionEmoji, why: str = ""
    ) -> None:
        """End a message that never came to the pipeline."""
        await self._inbox.end(message.id, outcome, reaction, why)
        self.tell_end(message, reaction, why)
        self._events.ended(_as_record(message, Ended(message.id, outcome), why))

    async def stop(self) -> int:
        """Fall silent and forget what waits, also where the audio thread is past listening.

        Returns:
            How many messages that ends.
        """
        self._abort()
        for stopped in self.on_stop:
            stopped()
        self._end_pause()
        if not self._hushed:
            self._pipeline.resume()
        # At once, so that a second stop does not count them again.
        dropped = len(self._under_way)
        self._stopped |= self._under_way
        self._under_way.clear()
        self._keeping.clear()
        kept, self._kept = list(self._kept.values()), {}
        try:
            kept += await self._inbox.fetching(self._bot_id)
            kept += await self._inbox.noting(self._bot_id)
            # On the disk at once, so that a restart does not speak what was stopped.
            await self._inbox.end_all(self._bot_id, Outcome.STOPPED, receipts.CUT)
        except sqlite3.Error as exc:
            log.error("A stop can't be stored: %s", exc)  # noqa: TRY400
        await self._remember_pause()
        for message in kept:
            self.tell_end(message, receipts.CUT, "")
            self._events.ended(_as_record(message, Ended(message.id, Outcome.STOPPED)))
            discard(message)
        return dropped + len(kept)

    async def stop_early(self) -> None:
        """Do what a `stop` does, since one comes soon; it counts what this ends, too."""
        self._cut_early += await self.stop()

    def take_cut_early(self) -> int:
        """Return how many messages `stop_early` has ended, once."""
        cut_early, self._cut_early = self._cut_early, 0
        return cut_early

    # ---- messages that came late ----

    def set_late(self, message: QueuedMessage) -> None:
        """Keep a message that is too old to be spoken unasked; its sender is asked soon."""
        self._outbox.react(message.chat_id, message.message_id, receipts.HELD)
        self._ask_soon(message.chat_id)

    def _ask_soon(self, chat_id: int) -> None:
        if earlier := self._offers.pop(chat_id, None):
            earlier.cancel()
        loop = asyncio.get_running_loop()
        self._offers[chat_id] = loop.call_later(_BURST_S, self._ask_now, chat_id)

    def _ask_now(self, chat_id: int) -> None:
        del self._offers[chat_id]
        task = asyncio.get_running_loop().create_task(self._ask(chat_id))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _ask(self, chat_id: int) -> None:
        """Ask what shall become of the late messages of a chat."""
        late = await self._inbox.late(self._bot_id, chat_id)
        if not late:
            return
        if chat_id == NO_CHAT:  # a program can't be asked
            for message in late:
                await self.close(message, Outcome.SKIPPED, receipts.CUT, _TOO_OLD)
            return

        async def asked(answer: Any) -> None:
            if answer is None:
                return  # refused: it is asked again after the next start
            for message in late:
                await self._inbox.change_state(message.id, (State.LATE,), State.OFFERED)

        one = len(late) == 1
        came = "1 message came" if one else f"{len(late)} messages came"
        buttons = [("Say it" if one else "Say all", LATE_ALL), ("No", LATE_NONE)]
        if not one:
            buttons.insert(1, ("Only the latest", LATE_LAST))
        keyboard = InlineKeyboardMarkup(
            [[InlineKeyboardButton(label, callback_data=data) for label, data in buttons]]
        )
        text = f"{came} while I was away. Shall I say {'it' if one else 'them'}?"
        self._outbox.reply(
            chat_id, text, thread_id=late[-1].thread_id, keyboard=keyboard, then=asked
        )

    async def decide(self, chat_id: int, choice: str) -> str:
        """Do with the late messages of a chat as was chosen; return what to say about it."""
        late = await self._inbox.late(self._bot_id, chat_id)
        if not late:
            return "Nothing waits for a decision any more."
        said = {LATE_ALL: late, LATE_LAST: late[-1:]}.get(choice, [])
        for message in late:
            if message in said:
                # Pressed twice, or a question that came twice: it is said once.
                open_, now = (State.LATE, State.OFFERED), self._now()
                if await self._inbox.change_state(message.id, open_, State.WAITING, fresh_at=now):
                    await self.submit(replace(message, fresh_at=now))
            else:
                await self.close(message, Outcome.SKIPPED, receipts.CUT)
        if not said:
            return "Left unsaid."
        return "Saying it now." if len(said) == 1 else f"Saying {len(said)} messages now."

    # ---- facts ----

    def note(self, fact: Fact) -> None:
        """Take a fact from the pipeline. Runs on: event loop (by call_soon_threadsafe)."""
        self._facts.put_nowait(fact)

    async def run(self) -> None:
        """Turn facts into records and receipts until cancelled."""
        while True:
            fact = await self._facts.get()
            try:
                if isinstance(fact, Slept):
                    self._ask_after_sleep(fact.slept_s)
                    continue
                message = self._under_way.get(fact.id) or self._stopped.get(fact.id)
                if message is not None and isinstance(fact, Ended) and fact.id in self._keeping:
                    await self._keep_after_all(message, fact)
                elif message is not None:
                    await self._settle(message, fact)
            except Exception:  # the next receipt must not suffer from this one
                log.exception("Unexpected error in a receipt")
            finally:
                self._facts.task_done()

    def _ask_after_sleep(self, slept_s: float) -> None:
        """Turn what is under way into a question: who knows where the computer is now."""
        log.info("The computer slept for %.0f s; asking about what was under way", slept_s)
        self._keep_all(State.LATE)
        if not (self._paused or self._hushed):
            self._pipeline.resume()

    async def _settle(self, message: QueuedMessage, fact: Fact) -> None:
        """Store a fact, then tell the sender."""
        reason = self._reason(message, fact) if isinstance(fact, Ended) else ""
        await self._record(fact, reason)
        self._tell(message, fact, reason)

    async def _keep_after_all(self, message: QueuedMessage, fact: Ended) -> None:
        """Keep a message that was cut only because it has to be quiet, or asked about."""
        state = self._keeping.pop(fact.id)
        if fact.outcome is Outcome.HEARD:  # it was over first
            await self._settle(message, fact)
            return
        del self._under_way[message.id]
        self._attempts.end(attempt_key(message.id))
        self._forget_in_burst(message)
        self._handed_over.discard(message.id)
        self._hand_over()
        unfinished = {m.id: m for m in await self._inbox.unfinished(self._bot_id)}
        if message.id not in unfinished:
            self.tell_end(message, receipts.CUT, "")  # a stop came meanwhile
            self._events.ended(_as_record(message, replace(fact, outcome=Outcome.STOPPED)))
        elif state == State.LATE:
            await self._inbox.set_state(message.id, State.LATE)
            self.set_late(message)
        else:
            await self.submit(unfinished[message.id])  # which keeps it, if it is still quiet

    def _leave(self, message: QueuedMessage, *, heard: bool) -> None:
        """Count a message as ended."""
        self._under_way.pop(message.id, None)
        self._stopped.pop(message.id, None)
        self._keeping.pop(message.id, None)
        self._attempts.end(attempt_key(message.id))
        self._handed_over.discard(message.id)
        self._hand_over()
        burst = self._bursts.get(message.conversation)
        if burst is None:
            return
        burst.ended += 1
        burst.heard += heard
        if burst.ended == burst.total:
            del self._bursts[message.conversation]

    def _forget_in_burst(self, message: QueuedMessage) -> None:
        """Leave out a message that is kept for later."""
        burst = self._bursts.get(message.conversation)
        if burst is not None:
            burst.ids.discard(message.id)
            if burst.ended >= burst.total:
                del self._bursts[message.conversation]

    async def drain(self) -> None:
        """Return when every fact that is there has become a record and a receipt."""
        await self._facts.join()

    async def _record(self, fact: Fact, reason: str) -> None:
        try:
            match fact:
                case SentenceHeard(id_, sentence):
                    self._attempts.progress(attempt_key(id_))
                    await self._inbox.sentence_heard(id_, sentence)
                case Held(id_, _):
                    await self._inbox.set_state(id_, State.HELD)
                case Ended(id_, outcome):
                    await self._inbox.end(
                        *(id_, outcome, _REACTIONS[outcome], reason),
                        device=fact.device,
                        audio_s=fact.audio_s,
                        first_sound_ms=fact.first_sound_ms,
                    )
        except sqlite3.Error as exc:
            # The receipt is true all the same; a restart may say the message once more.
            log.error("A message's state can't be stored: %s", exc)  # noqa: TRY400

    def _tell(self, message: QueuedMessage, fact: Fact, reason: str) -> None:
        match fact:
            case PlaybackStarted():
                self._events.sounding(fact)
            case SentenceHeard(id_, sentence):
                self._events.sentence(id_, sentence)
            case Silenced(id_, took_s):
                self._events.silenced(id_, took_s)
            case Held(_, why):
                self._events.held(message, why)
                self._outbox.react(message.chat_id, message.message_id, receipts.HELD)
                if message.chat_id not in self._told_held:
                    self._told_held.add(message.chat_id)
                    self._reply(message, why)
            case Ended():
                self._leave(message, heard=fact.outcome is Outcome.HEARD)
                discard(message)
                self._told_held.clear()
                self.tell_end(message, _REACTIONS[fact.outcome], reason)
                self._events.ended(_as_record(message, fact, reason))
                _log_end(message, fact)

    def _reason(self, message: QueuedMessage, fact: Ended) -> str:
        """Return what the sender has to be told besides the reaction."""
        if fact.reason:
            return fact.reason
        said = [f"Skipped: {message.skipped}."] if message.skipped else []
        if fact.warning:
            unheard = f"Spoken, but the sound output {fact.device} is {fact.warning}."
            burst = self._bursts.get(message.conversation)
            if message.chat_id == NO_CHAT:  # each program is told about its own
                said.append(unheard)
            elif burst is None or not burst.told_inaudible:
                said.append(f"{unheard} Turn it up there; /replay says it again.")
                if burst is not None:
                    burst.told_inaudible = True
        return " ".join(said)

    def tell_end(self, message: QueuedMessage, reaction: str, reason: str) -> None:
        """Give the last receipt, which is owed until Telegram has answered."""

        async def reacted(answer: Any) -> None:
            if answer is None:
                await self._inbox.refused(message.id, reaction)
            else:
                await self._inbox.reacted(message.id, reaction)

        async def replied(_: Any) -> None:
            await self._inbox.replied(message.id)

        if reaction:  # where only the reason is owed, Telegram has taken it already
            emoji = ReactionEmoji(reaction)
            self._outbox.react(message.chat_id, message.message_id, emoji, then=reacted)
        if reason:
            self._outbox.reply(
                message.chat_id,
                reason,
                to=message.message_id,
                thread_id=message.thread_id,
                then=replied,
            )


def attempt_key(id_: int) -> str:
    """Return the name under which attempts at a message are counted."""
    return f"{_KEY}{id_}"


def discard(message: QueuedMessage) -> None:
    """Remove the recording of a message that is over."""
    if message.file.endswith(".wav"):
        Path(message.file).unlink(missing_ok=True)


def _as_record(message: QueuedMessage, fact: Ended, reason: str = "") -> Record:
    """Return what became of a message, as the inbox has it too."""
    return Record(
        message.id,
        message.text,
        message.source,
        fact.outcome,
        reason,
        fact.device,
        fact.audio_s,
        fact.first_sound_ms,
        time.time(),
    )


def _log_end(message: QueuedMessage, fact: Ended) -> None:
    """Write one line about an utterance: all that can be known of it but its words."""
    facts = {
        "id": message.id,
        "source": message.source,
        "outcome": fact.outcome,
        "characters": len(message.text),
        "chunks": fact.chunks,
        "first_sound_ms": fact.first_sound_ms,
        "audio_s": round(fact.audio_s, 2),
        "device": fact.device,
        "underruns": fact.underruns,
        "warning": fact.warning,
        "files": fact.files,
    }
    chunks = "1 chunk" if fact.chunks == 1 else f"{fact.chunks} chunks"
    first = f", first sound after {fact.first_sound_ms} ms" if fact.first_sound_ms else ""
    log.info(
        "Message %d: %s, from %s, %d characters in %s%s, %.1f s of sound on %s%s%s%s",
        *(message.id, fact.outcome, facts["source"], len(message.text), chunks, first),
        *(fact.audio_s, fact.device or "no device"),
        f" ({fact.warning})" if fact.warning else "",
        f", {fact.underruns} underruns" if fact.underruns else "",
        f" ({', '.join(fact.files)})" if fact.files else "",
        extra={"facts": facts},
    )

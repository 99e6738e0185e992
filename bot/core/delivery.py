"""A stored message -> the queue -> the pipeline; its facts -> records -> receipts.

`queue` has the order; `pause`, `quiet_hold` and `late` decide what may not be spoken now;
`outcomes` stores and reports how messages ended. Runs on the event loop.
"""

import asyncio
import contextlib
import logging
import sqlite3
from collections.abc import Callable, Iterator

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
)
from bot.core.attempts import MAX_DEATHS, Attempts
from bot.core.events import Events
from bot.core.expiry import TOO_LATE, Expiry
from bot.core.inbox import Inbox
from bot.core.late import Late
from bot.core.message import ATTEMPT_PREFIX, QueuedMessage, State, attempt_key
from bot.core.outcomes import OutcomeRecorder, log_end
from bot.core.pause import SpeechPause
from bot.core.queue import REPLACED, MessageQueue, Stage
from bot.core.quiet_hold import QuietHold
from bot.core.quiet_hours import QuietHours
from bot.core.receipts import Receipts
from bot.core.rooms import NO_ROOMS, Rooms
from bot.core.store import Store
from bot.settings import Settings

log = logging.getLogger(__name__)

_DEADLY = (
    f"Crier ended {MAX_DEATHS} times while it was saying this, so it is left out. "
    "Send it in other words, or in parts."
)


class Delivery:
    """Takes each accepted message to its end, and reports it to its sender."""

    def __init__(
        self,
        *,
        pipeline: SpeechPipeline,
        inbox: Inbox,
        store: Store,
        receipts: Receipts,
        events: Events,
        attempts: Attempts,
        settings: Settings,
        bot_id: int,
        now: Callable[[], float],
    ) -> None:
        """Start with an empty queue; see `restore` and `start_speaking`.

        Args:
            pipeline: speaks the messages.
            inbox: stores them.
            store: stores a mute and a pause.
            receipts: reports to senders.
            events: reports to programs.
            attempts: knows during which messages the process died.
            settings: quiet hours, lateness, and the style of messages without their own.
            bot_id: the bot whose messages these are.
            now: returns the true time, in seconds since 1970.
        """
        self._pipeline = pipeline
        self._inbox = inbox
        self._receipts = receipts
        self._events = events
        self._attempts = attempts
        self._settings = settings
        self._bot_id = bot_id
        self._facts: asyncio.Queue[Fact] = asyncio.Queue()
        self._notified_held: set[tuple[int, str]] = set()  # chats that know why nothing sounds
        self._stopped_early = 0
        self._outcomes = OutcomeRecorder(inbox, receipts, events)
        self._pause = SpeechPause(pipeline, store, attempts)
        self.queue = MessageQueue(
            pipeline=pipeline,
            inbox=inbox,
            events=events,
            outcomes=self._outcomes,
            pause=self._pause,
            attempts=attempts,
            settings=settings,
            bot_id=bot_id,
            receive=self.receive,
        )
        self.late = Late(
            inbox=inbox,
            receipts=receipts,
            outcomes=self._outcomes,
            bot_id=bot_id,
            late_after_s=settings.late_after_s,
            now=now,
            submit=self.submit,
        )
        self.quiet_hold = QuietHold(
            queue=self.queue,
            late=self.late,
            pause=self._pause,
            inbox=inbox,
            store=store,
            receipts=receipts,
            events=events,
            outcomes=self._outcomes,
            quiet=QuietHours(settings.quiet_hours),
            bot_id=bot_id,
            submit=self.submit,
        )
        self.expiry = Expiry(self.queue, now)
        self.warnings: dict[str, str] = {}
        """What front ends warn of, by subject; whoever finds it adds it, and removes it."""
        self.rooms: Rooms | None = None
        """Delivers the messages for other rooms; None if there are none."""
        self.on_stop: list[Callable[[], None]] = []
        """Called when everything is stopped, right after the sound has been."""

    # ---- for front ends ----

    @property
    def under_way_count(self) -> int:
        """How many messages are in the queue, neither held nor ended."""
        return len(self.queue.under_way())

    @property
    def held_count(self) -> int:
        """How many messages are held until quiet ends."""
        return len(self.queue.held())

    @property
    def paused(self) -> bool:
        """Whether someone has paused speech."""
        return self._pause.paused

    @property
    def muted(self) -> bool:
        """Whether someone has muted speech."""
        return self.quiet_hold.muted

    def quiet_reason(self) -> str:
        """Return why nothing is spoken now; empty if messages are spoken."""
        return self.quiet_hold.reason()

    # ---- in, and out ----

    async def submit(self, message: QueuedMessage) -> None:
        """Speak a stored message in its turn, or hold it while it has to be quiet.

        It takes the place of those that it replaces. If its time is over, or a newer one has
        replaced it, it ends.
        """
        if message.room:
            if self.rooms is None:
                await self._outcomes.end(message, Outcome.FAILED, NO_ROOMS)
            else:
                await self.rooms.submit(message)
            return
        if reason := self._outdated(message):
            await self._outcomes.end(message, Outcome.SKIPPED, reason)
            return
        if self.quiet_hold.reason(urgent=message.urgent):
            await self.quiet_hold.hold(message)
            replaced = self.queue.take_place_of_older(message)
        else:
            self.queue.add(message)
            replaced = self.queue.take_place_of_older(message)
            self._receipts.stored(message)
            self._events.queued(message, self.queue.position(message.id))
            if self.queue.started and self._pause.mark_notified(message.chat_id):
                self._receipts.paused(message)
        self.expiry.expect(message)
        if replaced:
            await self._end_replaced(replaced)

    async def _end_replaced(self, ids: list[int]) -> None:
        try:
            for id_ in ids:
                await self.queue.end_waiting(id_, REPLACED)
            await self.queue.store_order()
        except sqlite3.Error as exc:  # the newer one is spoken all the same
            log.error("A replacement can't be stored: %s", exc)  # noqa: TRY400

    def _outdated(self, message: QueuedMessage) -> str:
        """Return why a message is not spoken any more; empty if it is."""
        if self.expiry.is_over(message):
            return TOO_LATE
        return REPLACED if self.queue.has_newer(message) else ""

    async def end_message(self, message: QueuedMessage, outcome: Outcome, reason: str = "") -> None:
        """Store and report the end of a message that is not in the queue.

        Raises:
            sqlite3.Error: it can't be stored; nothing was reported.
        """
        await self._outcomes.end(message, outcome, reason)

    async def remove(self, id_: int) -> bool:
        """Remove a message, also while it plays, here or in its room; return whether it was there.

        Raises:
            sqlite3.Error: its end can't be stored.
        """
        if await self.queue.remove(id_):
            return True
        return self.rooms is not None and await self.rooms.withdraw(id_, also_said=True)

    async def withdraw(self, id_: int, reason: str) -> None:
        """End a message as skipped, here or in its room, unless its first word has begun.

        Raises:
            sqlite3.Error: its end can't be stored.
        """
        await self.queue.end_waiting(id_, reason)
        if self.rooms is not None:
            await self.rooms.withdraw(id_, reason)

    async def revise(self, chat_id: int, message_id: int, text: str, skipped: str) -> None:
        """Replace the text of a message that still waits, here or for a room that is away."""
        await self.queue.revise(chat_id, message_id, text, skipped)
        if self.rooms is not None:
            await self.rooms.revise(chat_id, message_id, text, skipped)

    async def remove_edited(self, chat_id: int, message_id: int) -> None:
        """Remove a message whose sender deleted its words, here or in its room."""
        await self.queue.remove_edited(chat_id, message_id)
        if self.rooms is not None:
            await self.rooms.revise(chat_id, message_id, "", "")

    async def pause(self) -> None:
        """Fall silent and drop nothing; lasts over restarts."""
        await self._pause.pause()

    async def resume(self) -> bool:
        """Continue after a pause; return whether there was one."""
        return await self._pause.resume()

    async def mute(self, until: float) -> None:
        """Hold everything until that time, in seconds since 1970; 0 ends a mute."""
        await self.quiet_hold.mute(until)

    @contextlib.contextmanager
    def suspended(self) -> Iterator[None]:
        """Stay silent while the context is open; submitted messages wait for its end."""
        try:
            with self._pause.suspend():
                yield
        finally:
            self.queue.hand_over()

    async def stop(self, *, here_only: bool = False) -> int:
        """Fall silent and drop waiting messages, even if the audio thread does not respond.

        Args:
            here_only: whether messages for other rooms go on.

        Returns:
            How many messages that ends.
        """
        under_way = sum(not self._is_part(message) for message in self.queue.under_way())
        self.queue.abort()
        for stopped in () if here_only else self.on_stop:
            stopped()
        self._pause.clear()
        # Marked at once, so that a second stop does not count them again.
        others = self.queue.stop()[1]
        try:
            others += await self._inbox.list_unfetched(self._bot_id)
            others += await self._inbox.list_unsent_notes(self._bot_id)
            if here_only:
                others = [message for message in others if not message.room]
            else:
                to_speak = (State.WAITING, State.HELD)
                others += await self._inbox.list_in_rooms(self._bot_id, *to_speak)
            # On the disk before anything is reported, so that no restart speaks stopped messages.
            symbol = self._receipts.symbol(Outcome.STOPPED)
            await self._inbox.store_end_of_all(
                self._bot_id, Outcome.STOPPED, symbol, here_only=here_only
            )
        except sqlite3.Error as exc:
            log.error("A stop can't be stored: %s", exc)  # noqa: TRY400
        await self._pause.store()
        for message in others:  # the pipeline reports those that it has
            self._outcomes.report(message, Ended(message.id, Outcome.STOPPED))
        return under_way + sum(not self._is_part(message) for message in others)

    def _is_part(self, message: QueuedMessage) -> bool:
        """Whether a message is what this computer says of one for everywhere."""
        return message.origin.startswith(f"{self._bot_id}/")

    async def stop_early(self) -> None:
        """Stop because a waiting update is a /stop, whose reply counts these messages too."""
        self._stopped_early += await self.stop()

    def pop_stopped_early(self) -> int:
        """Return how many messages `stop_early` has ended since the last call."""
        count, self._stopped_early = self._stopped_early, 0
        return count

    # ---- restarts ----

    async def restore(self) -> None:
        """Restore the messages, receipts and questions that an earlier run left.

        Call it before anything new is accepted; nothing is spoken before `start_speaking`.
        """
        await self.quiet_hold.restore()
        await self._pause.restore()
        await self._give_up_or_ask()
        for message, symbol, reason in await self._inbox.list_owed(self._bot_id):
            try:
                self._receipts.ended(message, symbol, reason)
            except ValueError:  # a reaction of another version
                log.exception("A receipt can't be sent")
        to_speak = await self._inbox.list_to_speak(self._bot_id)
        keys = {attempt_key(message.id) for message in to_speak}
        self._attempts.forget_all_but(ATTEMPT_PREFIX, keys)
        if to_speak:
            log.info("%d message(s) from before the restart are queued", len(to_speak))
        for message in to_speak:
            await self.submit(message)
        await self.late.restore()

    async def _give_up_or_ask(self) -> None:
        """End messages that killed the process; ask about those that waited too long."""
        to_speak = await self._inbox.list_to_speak(self._bot_id)
        idle_s = await self._inbox.idle_s(self._bot_id)
        late = self.late.is_old(idle_s)
        for message in to_speak:
            if self._attempts.deaths(attempt_key(message.id)) >= MAX_DEATHS:
                log.error("The process died again during message %d; giving it up", message.id)
                await self._outcomes.store(message, Outcome.FAILED, _DEADLY)
                self._attempts.finish(attempt_key(message.id))
            elif late and not self.expiry.is_over(message) and not message.room:
                # A room may have said it meanwhile.
                await self._inbox.set_state(message.id, State.LATE)
        if to_speak and late:
            log.info("%d message(s) waited %.0f s; asking first", len(to_speak), idle_s)

    def start_speaking(self) -> None:
        """Start to hand messages to the pipeline."""
        self.queue.start()

    # ---- facts ----

    def receive(self, fact: Fact) -> None:
        """Queue a fact. Runs on the event loop (the pipeline uses call_soon_threadsafe)."""
        self._facts.put_nowait(fact)

    async def run(self) -> None:
        """Turn facts into records and receipts until cancelled."""
        while True:
            fact = await self._facts.get()
            try:
                await self._handle(fact)
            except Exception:  # one receipt must not affect the next
                log.exception("Unexpected error in a receipt")
            finally:
                self._facts.task_done()

    async def drain(self) -> None:
        """Wait until every received fact has been handled."""
        await self._facts.join()

    async def _handle(self, fact: Fact) -> None:
        if isinstance(fact, Slept):
            self.quiet_hold.ask_after_sleep(fact.slept_s)
            return
        entry = self.queue.get(fact.id)
        if entry is None or entry.stage is Stage.HELD:
            return
        reason = ""
        if isinstance(fact, Ended):
            if entry.pull_to is not None and fact.outcome is not Outcome.HEARD:
                await self.quiet_hold.hold_or_ask(entry, fact)
                return
            reason = self._reason(entry.message, fact)
        await self._record(entry.message, fact, reason)
        self._publish(entry.message, fact, reason)

    async def _record(self, message: QueuedMessage, fact: Fact, reason: str) -> None:
        try:
            match fact:
                case PlaybackStarted(id_) if self.queue.begin(id_):
                    await self._inbox.store_begun(id_)
                case SentenceHeard(id_, sentence):
                    self._attempts.forget_deaths(attempt_key(id_))
                    await self._inbox.store_heard_sentence(id_, sentence)
                case Held(id_, _):
                    await self._inbox.change_state(id_, (State.WAITING,), State.HELD)
                case Ended(id_, outcome):
                    await self._inbox.store_end(
                        id_,
                        outcome,
                        self._receipts.symbol(outcome),
                        reason,
                        device=fact.device,
                        audio_s=fact.audio_s,
                        first_sound_ms=fact.first_sound_ms,
                    )
        except sqlite3.Error as exc:
            # The receipt is true anyway; a restart may speak the message once more.
            log.error("The state of message %d can't be stored: %s", message.id, exc)  # noqa: TRY400

    def _publish(self, message: QueuedMessage, fact: Fact, reason: str) -> None:
        match fact:
            case PlaybackStarted():
                self._events.sounding(fact)
            case SentenceHeard(id_, sentence):
                self._events.sentence(id_, sentence)
            case Silenced(id_, took_s):
                self._events.silenced(id_, took_s)
            case Held(_, held_reason):
                self._events.held(message, held_reason)
                news = (message.chat_id, held_reason)
                is_news = news not in self._notified_held
                self._notified_held.add(news)
                self._receipts.delayed(message, held_reason if is_news else "")
            case Ended():
                self._notified_held.clear()
                self.queue.finish(message, heard=fact.outcome is Outcome.HEARD)
                self._outcomes.report(message, fact, reason)
                log_end(message, fact)

    def _reason(self, message: QueuedMessage, fact: Ended) -> str:
        """Return what the sender is told in addition to the outcome; may be empty."""
        if fact.reason:
            return fact.reason
        reasons = [f"Skipped: {message.skipped}."] if message.skipped else []
        if fact.warning:
            unheard = f"Spoken, but the sound output {fact.device} is {fact.warning}."
            burst = self.queue.bursts().get(message.conversation)
            if not message.in_chat:  # a program gets it with each message
                reasons.append(unheard)
            elif burst is None or not burst.warned_inaudible:
                reasons.append(f"{unheard} Turn it up there; /replay says it again.")
                if burst is not None:
                    burst.warned_inaudible = True
        return " ".join(reasons)

"""Quiet: while muted, in quiet hours and in calls messages are held; they are spoken afterwards.

Runs on the event loop.
"""

import asyncio
import logging
import sqlite3
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from audio.types import Ended, Outcome
from bot.core.events import Events
from bot.core.inbox import Inbox
from bot.core.late import Late
from bot.core.message import QueuedMessage, State
from bot.core.outcomes import OutcomeRecorder
from bot.core.pause import SpeechPause
from bot.core.queue import Entry, MessageQueue
from bot.core.quiet_hours import QuietHours
from bot.core.receipts import Receipts
from bot.core.store import Store

log = logging.getLogger(__name__)

_CHECK_EVERY_S = 5.0
_CHOICE = "mute"
_TO_SPEAK = (State.WAITING, State.HELD)


class QuietHold:
    """Holds messages while it has to be quiet.

    `Late` asks about those that have become too old meanwhile.
    """

    def __init__(
        self,
        queue: MessageQueue,
        late: Late,
        pause: SpeechPause,
        inbox: Inbox,
        store: Store,
        receipts: Receipts,
        events: Events,
        outcomes: OutcomeRecorder,
        quiet: QuietHours,
        bot_id: int,
        submit: Callable[[QueuedMessage], Awaitable[None]],
    ) -> None:
        """Hold nothing yet.

        Args:
            queue: has the messages, held or not.
            late: asks about messages that have become too old meanwhile.
            pause: knows whether the pipeline may resume after an abort.
            inbox: stores which messages are held.
            store: stores a mute.
            receipts: reports to senders.
            events: reports to programs.
            outcomes: reports messages that were stopped while they were being held.
            quiet: knows whether it has to be quiet.
            bot_id: the bot whose messages these are.
            submit: queues a message to be spoken, or holds it.
        """
        self._queue = queue
        self._late = late
        self._pause = pause
        self._inbox = inbox
        self._store = store
        self._receipts = receipts
        self._events = events
        self._outcomes = outcomes
        self._quiet = quiet
        self._bot_id = bot_id
        self._submit = submit
        self._notified: set[int] = set()  # chats that know why it is quiet
        self._conditions: dict[str, str] = {}  # by who reported them; see `hold_while`
        events.watch(self._pull_after_sentence)

    def reason(self, *, urgent: bool = False) -> str:
        """Return why it has to be quiet; empty if it need not be.

        Quiet hours and conditions exempt urgent messages.
        """
        reason = self._quiet.reason(urgent=urgent)
        if reason or urgent or not self._conditions:
            return reason
        return f"{self._condition()}."

    def _condition(self) -> str:
        return next(iter(self._conditions.values()), "")

    def explanation(self) -> str:
        """Return what senders are told of why messages are held, and until when."""
        if reason := self._quiet.reason():
            return f"{reason} I keep it until then."
        return f"{self._condition()}; I'll say it afterwards."

    # ---- conditions ----

    async def hold_while(self, source: str, condition: str) -> None:
        """Hold what is not urgent while a condition lasts; what sounds finishes its sentence.

        Args:
            source: what noticed it, such as ``call``; conditions of several sources add up.
            condition: in words, without a full stop, such as ``The Mac is in a call``; empty: it
                is over.
        """
        if condition == self._conditions.get(source, ""):
            return
        if condition:
            log.info("%s: messages that are not urgent are held", condition)
            self._conditions[source] = condition
            self._queue.pull_waiting(State.HELD)
        else:
            log.info("No longer: %s", self._conditions.pop(source))
            if not self.reason():
                await self._release()

    def _pull_after_sentence(self, event: str, data: dict[str, Any]) -> None:
        if event == "sentence" and self._conditions:
            self._queue.pull(data["id"], State.HELD)

    @property
    def muted(self) -> bool:
        """Whether someone has muted speech."""
        return self._quiet.muted

    # ---- mute ----

    async def restore(self) -> None:
        """Mute again after a restart, if it was muted before."""
        self._quiet.mute(float(await self._store.choice(_CHOICE) or 0))

    async def mute(self, until: float) -> None:
        """Hold everything until that time, in seconds since 1970; 0 ends a mute."""
        self._quiet.mute(until)
        if until:
            self._queue.pull_all(State.HELD)
        try:
            await self._store.choose(_CHOICE, str(until) if until else None)
        except sqlite3.Error as exc:
            log.error("A mute can't be stored: %s", exc)  # noqa: TRY400
        if not until:
            await self._release()

    # ---- in ----

    async def hold(self, message: QueuedMessage) -> None:
        """Hold a WAITING or HELD message until the end of quiet."""
        explanation = self.explanation()
        self._queue.hold(message)
        try:
            held = await self._inbox.change_state(message.id, _TO_SPEAK, State.HELD)
        except sqlite3.Error as exc:  # it is held anyway; a restart submits it again
            log.error("A held message's state can't be stored: %s", exc)  # noqa: TRY400
            held = True
        if not held:  # it was stopped meanwhile
            self._report_stopped(message.id)
            return
        self._events.held(message, explanation)
        is_news = message.chat_id not in self._notified
        self._notified.add(message.chat_id)
        self._receipts.delayed(message, explanation if is_news else "")

    def _report_stopped(self, id_: int) -> None:
        """Report the end of a held message, unless the stop has already done so."""
        if message := self._queue.pop_held(id_):
            self._outcomes.report(message, Ended(id_, Outcome.STOPPED))

    def ask_after_sleep(self, slept_s: float) -> None:
        """Ask about everything that is under way: the computer may be somewhere else now."""
        log.info("The computer slept for %.0f s; asking before anything is spoken", slept_s)
        self._queue.pull_all(State.LATE)
        self._pause.resume_pipeline()

    async def hold_or_ask(self, entry: Entry, fact: Ended) -> None:
        """Hold a message that was pulled from the pipeline, or ask about it."""
        message = entry.message
        self._queue.remove_pulled(message)
        to_speak = {m.id: m for m in await self._inbox.list_to_speak(self._bot_id)}
        if message.id in to_speak and entry.pull_to is State.HELD:
            await self._submit(to_speak[message.id])  # which holds it, if it is still quiet
        elif await self._inbox.change_state(message.id, _TO_SPEAK, State.LATE):
            self._late.report(message)
        else:  # a stop came meanwhile
            self._outcomes.report(message, replace(fact, outcome=Outcome.STOPPED))

    # ---- out ----

    async def watch(self) -> None:
        """Hold messages while it is quiet; release them when quiet hours or a mute end.

        Runs until it is cancelled.
        """
        while True:
            await asyncio.sleep(_CHECK_EVERY_S)
            try:
                if self.reason():
                    self._queue.pull_waiting(State.HELD)
                elif self._queue.held():
                    await self._release()
            except Exception:  # for example a full disk; retried at the next check
                log.exception("Unexpected error in quiet hours")

    async def _release(self) -> None:
        """Submit the held messages; ask first about those that have become too old meanwhile."""
        self._notified.clear()
        for message in self._queue.held():
            late = self._late.is_late(message.fresh_at)
            state = State.LATE if late else State.WAITING
            if not await self._inbox.change_state(message.id, _TO_SPEAK, state):
                self._report_stopped(message.id)
                continue
            released = self._queue.pop_held(message.id)
            if released is None:
                continue  # it was stopped or removed meanwhile
            if late:
                self._late.ask_soon(released.chat_id)
            else:
                await self._submit(released)

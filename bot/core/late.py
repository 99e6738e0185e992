"""Messages that came too late to be spoken unasked: the question, and the decision.

Runs on the event loop.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from enum import Enum, auto

from audio.types import Outcome
from bot.core.inbox import Inbox
from bot.core.message import NO_CHAT, QueuedMessage, State
from bot.core.outcomes import OutcomeRecorder
from bot.core.receipts import Receipts

# Late messages come in a burst; the question follows this long after the last of them.
_BURST_S = 1.0
_TOO_OLD = "It was too old to be said unasked when its turn came (LATE_AFTER_S)."
_UNDECIDED = (State.LATE, State.OFFERED)


class LateChoice(Enum):
    """Which of a chat's late messages are spoken."""

    ALL = auto()
    LATEST = auto()
    NONE = auto()


@dataclass(frozen=True, slots=True)
class LateDecision:
    """The result of a choice."""

    undecided: int
    """How many messages it was about; 0 if they had been decided already."""
    said: int
    """How many of them are spoken."""


class Late:
    """Keeps late messages until somebody decides about them."""

    def __init__(
        self,
        inbox: Inbox,
        receipts: Receipts,
        outcomes: OutcomeRecorder,
        bot_id: int,
        late_after_s: float,
        now: Callable[[], float],
        submit: Callable[[QueuedMessage], Awaitable[None]],
    ) -> None:
        """Ask nothing yet.

        Args:
            inbox: stores the messages and what was decided.
            receipts: asks their senders.
            outcomes: ends messages that are not spoken.
            bot_id: the bot whose messages these are.
            late_after_s: the age from which a message is late; 0: never.
            now: returns the true time, in seconds since 1970.
            submit: queues a message to be spoken.
        """
        self._inbox = inbox
        self._receipts = receipts
        self._outcomes = outcomes
        self._bot_id = bot_id
        self._late_after_s = late_after_s
        self._now = now
        self._submit = submit
        self.on_other_bots: Callable[[QueuedMessage], None] | None = None
        """In a room, reports a late message to its bot, which asks its sender."""
        self._timers: dict[int, asyncio.TimerHandle] = {}  # by chat
        self._tasks: set[asyncio.Task[None]] = set()

    def is_late(self, fresh_at: float) -> bool:
        """Whether a message sent, or decided upon, at that time is too old to be spoken unasked."""
        return self.is_old(self._now() - fresh_at)

    def is_old(self, age_s: float) -> bool:
        """Whether a message of that age is too old to be spoken unasked."""
        return 0 < self._late_after_s < age_s

    def report(self, message: QueuedMessage) -> None:
        """Report that a LATE message waits, and ask about it soon."""
        self._receipts.delayed(message)
        self.ask_soon(message.chat_id)

    async def restore(self) -> None:
        """Ask the questions that an earlier run still owes."""
        for chat_id in await self._inbox.list_chats_to_ask(self._bot_id):
            self.ask_soon(chat_id)

    def ask_soon(self, chat_id: int) -> None:
        """Ask about the late messages of a chat when no more have come for `_BURST_S`."""
        if timer := self._timers.pop(chat_id, None):
            timer.cancel()
        loop = asyncio.get_running_loop()
        self._timers[chat_id] = loop.call_later(_BURST_S, self._start_asking, chat_id)

    def _start_asking(self, chat_id: int) -> None:
        del self._timers[chat_id]
        task = asyncio.get_running_loop().create_task(self._ask(chat_id))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _ask(self, chat_id: int) -> None:
        late = await self._inbox.list_late(self._bot_id, chat_id)
        if not late:
            return
        if chat_id == NO_CHAT:  # a program can't be asked
            for message in late:
                if message.origin and self.on_other_bots is not None:
                    self.on_other_bots(message)
                else:
                    await self._outcomes.end(message, Outcome.SKIPPED, _TOO_OLD)
            return
        self._receipts.late(late)

    async def decide(self, chat_id: int, choice: LateChoice) -> LateDecision:
        """Speak all, the latest or none of a chat's late messages; end the others as skipped.

        Raises:
            sqlite3.Error: the decision can't be stored; undecided messages stay late.
        """
        late = await self._inbox.list_late(self._bot_id, chat_id)
        first = {LateChoice.ALL: 0, LateChoice.LATEST: -1, LateChoice.NONE: len(late)}[choice]
        spoken = late[first:]
        for message in late:
            if message not in spoken:
                await self._outcomes.end(message, Outcome.SKIPPED)
                continue
            # A button pressed twice, or two questions, must not speak it twice.
            now = self._now()
            if await self._inbox.change_state(message.id, _UNDECIDED, State.WAITING, fresh_at=now):
                await self._submit(replace(message, fresh_at=now))
        return LateDecision(undecided=len(late), said=len(spoken))

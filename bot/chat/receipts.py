"""Receipts in a chat: reactions, replies, and the question about late messages.

Implements `bot.core.receipts.Receipts`. A receipt is owed in the inbox until Telegram has answered,
so that it is sent again after a crash. Runs on the event loop.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from telegram import InlineKeyboardButton, InlineKeyboardMarkup
from telegram.constants import ReactionEmoji

from audio.types import Outcome
from bot.chat import reactions
from bot.chat.outbox import Outbox
from bot.core.draft import Draft
from bot.core.inbox import Inbox
from bot.core.late import LateChoice
from bot.core.message import NO_CHAT, QueuedMessage, State

LATE_ALL, LATE_LAST, LATE_NONE = "late:all", "late:last", "late:none"
"""The callback data of the buttons under the question about late messages."""

LATE_CHOICES = {
    LATE_ALL: LateChoice.ALL,
    LATE_LAST: LateChoice.LATEST,
    LATE_NONE: LateChoice.NONE,
}

_REACTIONS = {
    Outcome.HEARD: reactions.HEARD,
    Outcome.STOPPED: reactions.CUT,
    Outcome.SKIPPED: reactions.CUT,
    Outcome.FAILED: reactions.FAILED,
}
_PAUSED = "Paused, so it waits. /resume goes on."

_OnAnswer = Callable[[Any], Awaitable[None]]


class ChatReceipts:
    """Reports to the people in chats; a message over HTTP has none."""

    def __init__(self, outbox: Outbox, inbox: Inbox) -> None:
        """Send through *outbox*; *inbox* has the owed receipts."""
        self._outbox = outbox
        self._inbox = inbox

    def symbol(self, outcome: Outcome) -> str:
        """Return the reaction of an outcome."""
        return _REACTIONS[outcome]

    def stored(self, message: QueuedMessage) -> None:
        """React with 👀."""
        self._react(message, reactions.STORED)

    def paused(self, message: QueuedMessage) -> None:
        """Reply that speech is paused."""
        self._reply(message, _PAUSED)

    def delayed(self, message: QueuedMessage, reason: str = "") -> None:
        """React with 😴 and, if given, reply with the reason."""
        self._react(message, reactions.HELD)
        if reason:
            self._reply(message, reason)

    def late(self, messages: Sequence[QueuedMessage]) -> None:
        """Ask, with buttons, what to do with the late messages of one chat."""

        async def asked(answer: Any) -> None:
            if answer is None:
                return  # refused; asked again after the next start
            for message in messages:
                await self._inbox.change_state(message.id, (State.LATE,), State.OFFERED)

        is_single = len(messages) == 1
        came = "1 message came" if is_single else f"{len(messages)} messages came"
        away = "while I was away"
        if all(message.room for message in messages):
            away = "while a room was away"
        buttons = [("Say it" if is_single else "Say all", LATE_ALL), ("No", LATE_NONE)]
        if not is_single:
            buttons.insert(1, ("Only the latest", LATE_LAST))
        row = [InlineKeyboardButton(label, callback_data=data) for label, data in buttons]
        self._outbox.reply(
            messages[-1].chat_id,
            f"{came} {away}. Shall I say {'it' if is_single else 'them'}?",
            thread_id=messages[-1].thread_id,
            keyboard=InlineKeyboardMarkup([row]),
            on_answer=asked,
        )

    def ended(self, message: QueuedMessage, symbol: str, reason: str) -> None:
        """React with *symbol* and reply with the reason, if given; both are owed."""

        async def reacted(answer: Any) -> None:
            if answer is None:
                await self._inbox.store_refused_reaction(message.id, symbol)
            else:
                await self._inbox.store_sent_reaction(message.id, symbol)

        async def replied(_: Any) -> None:
            await self._inbox.store_sent_reply(message.id)

        if symbol:
            self._react(message, ReactionEmoji(symbol), reacted)
        if reason:
            self._reply(message, reason, replied)

    def refused(self, draft: Draft, reason: str) -> None:
        """React with 💔 and, if given, reply with the reason; neither is owed."""
        self._react(draft, reactions.FAILED)
        if reason:
            self._reply(draft, reason)

    def warned(self, draft: Draft, warning: str) -> None:
        """Send a warning, not as a reply."""
        if draft.chat_id != NO_CHAT:
            self._outbox.reply(draft.chat_id, warning, thread_id=draft.thread_id)

    def _react(
        self, to: QueuedMessage | Draft, emoji: ReactionEmoji, on_answer: _OnAnswer | None = None
    ) -> None:
        if to.chat_id != NO_CHAT:
            self._outbox.react(to.chat_id, to.message_id, emoji, on_answer=on_answer)

    def _reply(
        self, to: QueuedMessage | Draft, text: str, on_answer: _OnAnswer | None = None
    ) -> None:
        if to.chat_id != NO_CHAT:
            self._outbox.reply(
                to.chat_id, text, to=to.message_id, thread_id=to.thread_id, on_answer=on_answer
            )

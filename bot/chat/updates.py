"""Carries out each update once, and a command that silences first. Runs on the event loop.

Telegram sends an unconfirmed update again: after a crash, or if the network was lost between the
work and the next getUpdates. A text is recognized by its row in the inbox; commands, buttons and
edits are recorded here. A command is recorded before it is carried out, so that it is never carried
out twice; /stop afterwards, since no later update can have been handled before it.
"""

import contextlib
import logging
import sqlite3
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

from telegram import MessageEntity, Update

from bot.chat import status_message
from bot.chat.drafts import wordless_draft
from bot.chat.menu import COMMANDS, ROOM_COMMANDS
from bot.core.access import Access
from bot.core.attempts import MAX_DEATHS, Attempts
from bot.core.delivery import Delivery
from bot.core.inbox import Inbox
from bot.core.receipts import Receipts

log = logging.getLogger(__name__)

_NOTE = "note"
_STOP = "stop"
_SILENCING = frozenset({_STOP, "pause", "mute"})
# Without commands whose text is stored as a message, which is how they are recognized.
_COMMANDS = ({command.command for command in COMMANDS + ROOM_COMMANDS} | {"start", "pair"}) - {
    "urgent",
    "to",
}
_REMEMBERED = 200
"""Twice the most that one getUpdates returns."""
_DEADLY = "Crier ended twice while it was reading this, so it is left out. Send it in other words."


class Updates:
    """Stands between fetching updates and handling them."""

    def __init__(
        self,
        process: Callable[[Update], Awaitable[None]],
        inbox: Inbox,
        receipts: Receipts,
        delivery: Delivery,
        access: Access,
        attempts: Attempts,
        bot_id: int,
        bot_name: Callable[[], str],
    ) -> None:
        """Pass each new update to *process*, which must not raise.

        Args:
            process: handles an update.
            inbox: stores what was handled.
            receipts: reports updates that are given up.
            delivery: falls silent.
            access: knows who may silence it.
            attempts: knows during which updates the process died.
            bot_id: the bot that they were sent to.
            bot_name: returns its user name.
        """
        self._process = process
        self._inbox = inbox
        self._receipts = receipts
        self._delivery = delivery
        self._access = access
        self._attempts = attempts
        self._bot_id = bot_id
        self._bot_name = bot_name
        self._recent: deque[int] = deque(maxlen=_REMEMBERED)  # for a full disk

    @asynccontextmanager
    async def batch(self, updates: Sequence[Update]) -> AsyncIterator[None]:
        """Fall silent at once if one of *updates* asks for it, until all are handled.

        A batch may contain a hundred long texts, and the last command counts.
        """
        try:
            silencing = [await self._silencing(update) for update in updates[1:]]
        except Exception:  # polling must survive any error; each update is handled in its turn
            log.exception("Unexpected error in searching for commands that silence")
            silencing = []
        if _STOP in silencing:
            await self._delivery.stop_early()
        if any(silencing):
            with self._delivery.suspended():
                yield
        else:
            yield

    async def handle(self, update: Update) -> None:
        """Handle an update, unless it was handled before."""
        if await self._is_seen(update):
            log.info("Update %d was handled before", update.update_id)
            return
        key = f"update:{update.update_id}"
        if self._attempts.deaths(key) >= MAX_DEATHS:
            log.error("The process died again during update %d; giving it up", update.update_id)
            self._refuse(update)
            await self._mark(update)
            self._attempts.finish(key)
            return
        mark_first = _is_marked_first(update)
        if mark_first:
            await self._mark(update)
        self._attempts.start(key)
        try:
            await self._process(update)
        finally:
            self._attempts.finish(key)
        if not mark_first and not await self._is_seen(update):  # a stored text is seen
            await self._mark(update)

    async def _silencing(self, update: Update) -> str:
        """Return the command of an update if it silences Crier; empty otherwise."""
        user, message = update.effective_user, update.effective_message
        if user is None or not self._access.allows(user.id):
            return ""
        if update.callback_query is not None:
            command = {status_message.STOP: _STOP, status_message.PAUSE: "pause"}.get(
                status_message.button_of(update.callback_query.data or "")
            )
        elif message is None or message.sender_chat is not None or update.message is None:
            return ""
        else:
            command, _, name = _command_of(update).partition("@")
            if name and name != self._bot_name().casefold():
                return ""
            if command == _STOP and self._delivery.rooms is not None and _has_words(update):
                return ""  # it is for one room
        return command if command in _SILENCING and not await self._is_seen(update) else ""

    async def _is_seen(self, update: Update) -> bool:
        with contextlib.suppress(sqlite3.Error):
            if await self._inbox.has_seen(self._bot_id, update.update_id):
                return True
        return update.update_id in self._recent

    async def _mark(self, update: Update) -> None:
        self._recent.append(update.update_id)
        try:
            await self._inbox.mark_handled(self._bot_id, update.update_id)
        except sqlite3.Error as exc:  # /stop has to work even if the disk is full
            log.error("A handled update can't be stored: %s", exc)  # noqa: TRY400

    def _refuse(self, update: Update) -> None:
        message, user = update.message, update.effective_user
        if message is None or user is None or not self._access.allows(user.id):
            return
        self._receipts.refused(wordless_draft(message), _DEADLY)


def _is_marked_first(update: Update) -> bool:
    """Whether an update is recorded before it is carried out; a /note is stored as a message."""
    if update.callback_query is not None:
        return status_message.button_of(update.callback_query.data or "") != status_message.STOP
    command = _command_of(update).partition("@")[0]
    return command in _COMMANDS and command not in (_STOP, _NOTE)


def _has_words(update: Update) -> bool:
    """Whether something follows the command that a message begins with."""
    return len((update.message.text or "").split() if update.message else ()) > 1


def _command_of(update: Update) -> str:
    """Return the command that a message begins with, such as ``stop@a_bot``; empty without one."""
    message = update.message
    if message is None or not message.text:
        return ""
    for entity in message.entities:
        if entity.type == MessageEntity.BOT_COMMAND and entity.offset == 0:
            return message.text[1 : entity.length].casefold()
    return ""

"""The access check: only updates from people who may speak, meant for the bot, pass. And pairing.

Runs on the event loop.
"""

import logging
import sqlite3
from dataclasses import dataclass
from typing import Any

from telegram import Message, MessageEntity, Update
from telegram.constants import ChatType
from telegram.ext import ApplicationHandlerStop

from bot.chat.handlers import HELP
from bot.chat.kinds import command_of, words_of
from bot.chat.outbox import Outbox
from bot.core.access import Access, PairResult, code_in
from bot.settings import NOT_PEOPLE

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ChatGuard:
    """Checks each update before any handler gets it."""

    access: Access
    outbox: Outbox
    bot_id: int

    async def check(self, update: Update, context: Any) -> None:
        """Raise ApplicationHandlerStop unless the update is from somebody who may speak."""
        try:
            if await self._passes(update, context.bot.username):
                return
        except Exception:  # python-telegram-bot would continue with the next handlers
            log.exception("Access check failed; update rejected")
        raise ApplicationHandlerStop

    async def _passes(self, update: Update, bot_name: str) -> bool:
        user, chat = update.effective_user, update.effective_chat
        message = update.message or update.edited_message
        if message and (message.sender_chat or (user and user.id in NOT_PEOPLE)):
            self.access.log_nobody(message.chat_id)
            return False
        private = chat is not None and chat.type == ChatType.PRIVATE
        if user and chat and self.access.allows(user.id):
            # In a group, people also talk with each other.
            return private or self._is_addressed(update, bot_name)
        if private and self.access.is_pairing_open and update.message:
            await self._pair(update.message)
        else:
            self.access.log_stranger(user.id if user else None)
        return False

    def _is_addressed(self, update: Update, bot_name: str) -> bool:
        """Whether something in a group is meant for the bot."""
        if update.callback_query is not None or update.edited_message is not None:
            return True  # an edit has an effect only if its message was meant for the bot
        message = update.effective_message
        if message is None or message.chat.type not in (ChatType.GROUP, ChatType.SUPERGROUP):
            return False
        name = f"@{bot_name}".casefold()
        command = command_of(message)
        if command is not None:  # another bot's is ignored, even in a reply to this bot
            return command.bot_name.casefold() in ("", name[1:])
        answered = message.reply_to_message
        if answered and answered.from_user and answered.from_user.id == self.bot_id:
            return True
        words = words_of(message)
        return any(
            entity.type == MessageEntity.MENTION and words.part(entity).casefold() == name
            for entity in words.entities
        )

    async def _pair(self, message: Message) -> None:
        """Pair the sender of a correct code; explain errors only while nobody may speak yet."""
        user, code = message.from_user, code_in(message.text or "")
        if user is None or code is None or not (code or self.access.is_first):
            # Also a bare /start during an invitation, which anybody can send.
            self.access.log_stranger(user.id if user else None)
            return
        if not code:
            self.outbox.reply(
                message.chat_id,
                "Nobody may speak here yet. Send /pair and the code that is shown on the "
                "computer, for example: /pair ABCD2345",
            )
            return
        try:
            paired = await self.access.pair(user.id, user.full_name, code)
        except sqlite3.Error as exc:
            log.error("A pairing can't be stored: %s", exc)  # noqa: TRY400
            text = f"The code is right, but the computer can't store it ({exc}). Make room there."
            self.outbox.reply(message.chat_id, text)
            return
        match paired:
            case PairResult.PAIRED:
                self.outbox.reply(message.chat_id, f"Paired. Welcome!\n\n{HELP}")
            case PairResult.WRONG_CODE if self.access.is_first:
                self.outbox.reply(
                    message.chat_id,
                    "That is not the code that the computer shows now. Send it like this: "
                    "/pair ABCD2345",
                )
            case _:
                self.access.log_stranger(user.id)

"""The people who may speak: invited, listed, removed. Runs on the event loop."""

from dataclasses import dataclass
from typing import Any

from telegram import InlineKeyboardButton, InlineKeyboardMarkup, Message, Update
from telegram.constants import ChatType
from telegram.ext import Application, CallbackQueryHandler, CommandHandler

from bot.chat.outbox import Outbox
from bot.core.access import Access
from bot.core.store import Store

Context = Any  # python-telegram-bot's CallbackContext


@dataclass(frozen=True, slots=True)
class PeopleCommands:
    """What the household's list needs."""

    store: Store
    outbox: Outbox
    access: Access

    def register(self, application: Application[Any, Any, Any, Any, Any, Any]) -> None:
        """Tell python-telegram-bot what is handled where."""
        application.add_handler(CommandHandler("invite", self.invite))
        application.add_handler(CommandHandler("people", self.people))
        application.add_handler(CallbackQueryHandler(self.press, pattern=r"^person:"))

    async def invite(self, update: Update, _: Context) -> None:
        """Make a code with which one more person may speak."""
        if not await self._is_owner(update):
            return
        if update.effective_chat and update.effective_chat.type != ChatType.PRIVATE:
            self.outbox.respond(
                update, "Ask me in a private chat: a code is for one person to see."
            )
            return
        code = self.access.invite()
        self.outbox.respond(
            update,
            "For one person, within an hour. Pass this on: they open\n"
            f"{self.access.link(code)}\nand press Start, or send me\n/pair {code}\n"
            "As long as it is not exactly that, I don't answer them. /people lists who may speak.",
        )

    async def _is_owner(self, update: Update) -> bool:
        user = update.effective_user
        if user is not None and await self.access.is_owner(user.id):
            return True
        self.outbox.respond(update, "Only the owner of this computer's bot can do that.")
        return False

    async def people(self, update: Update, _: Context) -> None:
        """List the people who were paired, with a button to remove each."""
        names = await self.store.names()
        own = update.effective_user.id if update.effective_user else 0
        lines = [f"• {name}" + (" (you)" if who == own else "") for who, name in names.items()]
        others = self.access.fixed
        if others:
            lines.append(f"• {others} more by TELEGRAM_ALLOWED_USERS")
        rows = [
            [InlineKeyboardButton(f"Remove {name}", callback_data=f"person:remove:{who}")]
            for who, name in names.items()
            if who != own and await self.access.is_owner(own)
        ]
        lines.append("/invite lets one more in.")
        self.outbox.respond(update, "\n".join(lines), InlineKeyboardMarkup(rows) if rows else None)

    async def press(self, update: Update, _: Context) -> None:
        """Remove a person."""
        query = update.callback_query
        if query is None or query.data is None or not isinstance(query.message, Message):
            return
        _, _, who = query.data.partition(":remove:")
        chat_id = query.message.chat_id
        own = query.from_user.id
        if not await self.access.is_owner(own) or who == str(own):
            said = "Only the owner can do that, and not to themselves."
        elif not who.isdecimal() or not await self.access.remove(int(who)):
            said = "They are gone already."
        elif self.access.allows(int(who)):
            said = "Removed, but TELEGRAM_ALLOWED_USERS still lets them speak."
        else:
            said = "Removed. They are not heard any more."
        self.outbox.answer(chat_id, query.id, said)
        self.outbox.edit(chat_id, query.message.message_id, said, None)

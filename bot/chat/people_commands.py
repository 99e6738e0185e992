"""The people who may speak: invited, listed, removed. Runs on the event loop."""

from dataclasses import dataclass
from typing import Any

from telegram import InlineKeyboardButton, InlineKeyboardMarkup, Update
from telegram.constants import ChatType

from bot.chat.buttons import Press
from bot.chat.outbox import Outbox
from bot.core.access import Access
from bot.core.store import Store


@dataclass(frozen=True, slots=True)
class PeopleCommands:
    """/invite, /people and its buttons."""

    store: Store
    outbox: Outbox
    access: Access

    async def invite(self, update: Update, _: Any) -> None:
        """Send a code with which one more person can pair."""
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

    async def people(self, update: Update, _: Any) -> None:
        """List the people who were paired, with a button to remove each."""
        names = await self.store.names()
        own = update.effective_user.id if update.effective_user else 0
        lines = [
            f"• {name}" + (" (you)" if user_id == own else "") for user_id, name in names.items()
        ]
        others = self.access.fixed
        if others:
            lines.append(f"• {others} more by TELEGRAM_ALLOWED_USERS")
        rows = [
            [InlineKeyboardButton(f"Remove {name}", callback_data=f"person:remove:{user_id}")]
            for user_id, name in names.items()
            if user_id != own and await self.access.is_owner(own)
        ]
        lines.append("/invite lets one more in.")
        self.outbox.respond(update, "\n".join(lines), InlineKeyboardMarkup(rows) if rows else None)

    async def press(self, press: Press) -> None:
        """Remove a person."""
        _, _, person = press.data.partition(":remove:")
        if not await self.access.is_owner(press.user_id) or person == str(press.user_id):
            answer = "Only the owner can do that, and not to themselves."
        elif not person.isdecimal() or not await self.access.remove(int(person)):
            answer = "They are gone already."
        elif self.access.allows(int(person)):
            answer = "Removed, but TELEGRAM_ALLOWED_USERS still lets them speak."
        else:
            answer = "Removed. They are not heard any more."
        self.outbox.answer(press.chat_id, press.query_id, answer)
        self.outbox.edit(press.chat_id, press.message_id, answer, None)

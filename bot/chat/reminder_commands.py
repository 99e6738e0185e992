"""Texts that are spoken later: set, listed, paused, deleted. Runs on the event loop."""

import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from telegram import InlineKeyboardButton, InlineKeyboardMarkup, Message, Update
from telegram.constants import ChatType

from bot.chat.buttons import Press
from bot.chat.drafts import draft_of
from bot.chat.kinds import command_of, words_of
from bot.chat.outbox import Outbox
from bot.core.inbox import InboxError
from bot.core.intake import RefusedError
from bot.core.reminders import Reminder, Reminders
from bot.core.when import WhenError

PATTERN = r"^reminder:"

_DELETE, _PAUSE, _RESUME = "reminder:delete:", "reminder:pause:", "reminder:resume:"
_SHOWN_CHARS = 60
_EXAMPLES = {
    "at": "/at 18:30 Dinner",
    "in": "/in 20m Turn the oven off",
    "every": "/every weekday 7:15 Good morning",
}
_NONE = f"No reminders. Such as: {_EXAMPLES['at']}"


@dataclass(frozen=True, slots=True)
class ReminderCommands:
    """/at, /in, /every; /reminders and its buttons."""

    reminders: Reminders
    outbox: Outbox
    usual_room: Callable[[int], Awaitable[str]]
    """Returns where a person's texts are said; empty: here."""

    async def at(self, update: Update, _: Any) -> None:
        """Speak a text, or the message that this replies to, at a time."""
        await self._set(update, "at")

    async def in_(self, update: Update, _: Any) -> None:
        """Speak it after a while."""
        await self._set(update, "in")

    async def every(self, update: Update, _: Any) -> None:
        """Speak it again and again."""
        await self._set(update, "every")

    async def _set(self, update: Update, command: str) -> Reminder | None:
        """Set a reminder, and answer what was understood, or why nothing was."""
        message = update.effective_message
        if message is None or update.effective_user is None:
            return None
        words = words_of(message).after_command().text
        if not words:
            example = _EXAMPLES[command]
            self.outbox.respond(update, f"Like this: {example}\nIn reply to a message, I say that.")
            return None
        prefix = "" if command == "at" else f"{command} "
        try:
            when, text = self.reminders.understand(prefix + words)
            text = text or _answered_text(message)
            if not text:
                raise WhenError(f"What shall I say then? Such as: {_EXAMPLES[command]}")
            draft = replace(
                draft_of(update, message),
                text=text.lstrip("! "),
                composer=None,
                urgent=text.startswith("!"),
                room=await self.usual_room(update.effective_user.id),
            )
            reminder = await self.reminders.set(draft, when)
        except (WhenError, RefusedError, InboxError) as exc:
            self.outbox.respond(update, str(exc))
            return None
        if reminder is not None:  # None: this update was handled before
            words = when.words(self.reminders.now())
            self.outbox.respond(update, f"{words}: {_shown(reminder)}")
        return reminder

    async def edited(self, update: Update, _: Any) -> None:
        """Set a reminder as its edited command says, or delete it if that is no command now."""
        message = update.edited_message
        if message is None or update.effective_user is None:
            return
        earlier = await self.reminders.list_set_by(message.chat_id, message.message_id)
        if not earlier:
            return
        command = command_of(message)
        name = command.name.casefold() if command else ""
        if name in _EXAMPLES:
            if await self._set(update, name) is None:
                return  # it stays as it was
        else:
            self.outbox.respond(update, "Deleted.")
        for reminder in earlier:
            if reminder.draft.update_id != update.update_id:  # this update may come again
                await self.reminders.delete(reminder)

    async def list_own(self, update: Update, _: Any) -> None:
        """List a person's reminders, with buttons; in a group, only those that were set there."""
        if update.effective_chat is None or update.effective_user is None:
            return
        is_private = update.effective_chat.type == ChatType.PRIVATE
        chat_id = None if is_private else update.effective_chat.id
        text, keyboard = self._list(await self.reminders.list_of(update.effective_user.id, chat_id))
        self.outbox.respond(update, text, keyboard)

    async def press(self, press: Press) -> None:
        """Delete, pause or resume one of a person's own reminders."""
        action, _, number = press.data.rpartition(":")
        reminder = await self.reminders.find(int(number)) if number.isdecimal() else None
        if reminder is None:
            answer = "It was said, or deleted, already."
        elif reminder.draft.user_id != press.user_id:
            answer = "Only the person who set it can do that."
        else:
            answer = await self._do(f"{action}:", reminder)
        self.outbox.answer(press.chat_id, press.query_id, answer)
        is_private = press.chat_id == press.user_id
        if is_private or (reminder is not None and reminder.draft.user_id == press.user_id):
            chat_id = None if is_private else press.chat_id
            text, keyboard = self._list(await self.reminders.list_of(press.user_id, chat_id))
            self.outbox.edit(press.chat_id, press.message_id, text, keyboard)

    async def _do(self, action: str, reminder: Reminder) -> str:
        """Carry out what a button says; return the answer."""
        try:
            if action == _DELETE:
                await self.reminders.delete(reminder)
                return "Deleted."
            await self.reminders.pause(reminder, paused=action == _PAUSE)
        except sqlite3.Error as exc:
            return f"That could not be stored on the computer ({exc})."
        return "Paused." if action == _PAUSE else "It is said again from its next time on."

    def _list(self, reminders: Sequence[Reminder]) -> tuple[str, InlineKeyboardMarkup | None]:
        if not reminders:
            return _NONE, None
        now = self.reminders.now()
        lines, rows = [], []
        for number, reminder in enumerate(reminders, 1):
            paused = " (paused)" if reminder.paused else ""
            lines.append(f"{number}. {reminder.when.words(now)}{paused}: {_shown(reminder)}")
            actions = {"Delete": _DELETE}
            if reminder.paused:
                actions["Resume"] = _RESUME
            elif reminder.when.rule:
                actions["Pause"] = _PAUSE
            rows.append(
                [
                    InlineKeyboardButton(f"{label} {number}", callback_data=f"{data}{reminder.id}")
                    for label, data in actions.items()
                ]
            )
        return "\n".join(lines), InlineKeyboardMarkup(rows)


def _answered_text(message: Message) -> str:
    """Return the words that a message replies to; only the part that it quotes, if it does."""
    if message.quote is not None:
        return message.quote.text
    answered = message.reply_to_message
    return words_of(answered).text if answered else ""


def _shown(reminder: Reminder) -> str:
    text = " ".join(reminder.draft.text.split())
    short = f"{text[:_SHOWN_CHARS]}…" if len(text) > _SHOWN_CHARS else text
    where = f" ({reminder.draft.room})" if reminder.draft.room else ""
    return f"{'!' * reminder.draft.urgent}{short}{where}"

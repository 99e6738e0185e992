"""Other rooms: said there, listed, chosen as usual, silenced. Runs on the event loop."""

import contextlib
import hashlib
from dataclasses import dataclass, replace
from typing import Any

from telegram import InlineKeyboardButton, InlineKeyboardMarkup, Message, Update

from bot.chat.buttons import Press
from bot.chat.drafts import draft_of
from bot.chat.handlers import Handlers
from bot.chat.kinds import speaks_by_file, words_of
from bot.chat.playback_commands import PlaybackCommands
from bot.core.draft import Draft
from bot.core.preferences import ROOM
from bot.core.rooms import Rooms, RoomView, UnknownRoomError
from bot.room_names import EVERYWHERE

PATTERN = r"^room:"
_USE, _FORGET, _HERE = "room:use:", "room:forget:", "room:here"
_EXAMPLE = "Say where and what, such as: /to study Dinner is ready. /rooms lists the rooms."
_OUT_OF_DATE = "That button is out of date."
_SHORT_CHARS = 40


@dataclass(frozen=True, slots=True)
class RoomCommands:
    """/to, /rooms and its buttons, and /stop with a room; only if there is a broker."""

    handlers: Handlers
    playback: PlaybackCommands
    rooms: Rooms

    async def to(self, update: Update, context: Any) -> None:
        """Queue a text, or the message that this replies to, in a room."""
        message, outbox = update.effective_message, self.handlers.outbox
        if message is None or update.effective_user is None:
            return
        words = words_of(message).after_command().text
        if not words:
            outbox.respond(update, _EXAMPLE)
            return
        try:
            room, length = self.rooms.split(words)
        except UnknownRoomError as exc:
            outbox.respond(update, str(exc))
            return
        answered = message.reply_to_message
        if words[length:].strip() or answered is None:
            answered = None
        elif speaks_by_file(answered):
            outbox.respond(update, "Only texts can be said in another room.")
            return
        draft = self._draft(update, message, context, answered, length)
        example = "Send the words along, such as: /to everywhere Dinner is ready"
        await self.handlers.accept(replace(draft, room=room), if_empty=example, update=update)

    def _draft(
        self, update: Update, message: Message, context: Any, answered: Message | None, length: int
    ) -> Draft:
        return draft_of(
            update,
            message,
            bot_name=context.bot.username,
            name_emoji=self.handlers.settings.speak_emoji,
            after_command=answered is None,
            after_chars=length if answered is None else 0,
            words_from=answered,
        )

    async def edited(self, update: Update, context: Any) -> None:
        """Change or withdraw the text of an edited /to; its room stays."""
        message = update.edited_message
        if message is None or update.effective_user is None:
            return
        words = words_of(message).after_command().text
        with contextlib.suppress(UnknownRoomError):
            _, length = self.rooms.split(words)
            draft = self._draft(update, message, context, None, length)
            await self.handlers.intake.revise(draft)

    # ---- /rooms ----

    async def list(self, update: Update, _: Any) -> None:
        """List the rooms, with a button to make each this person's usual one."""
        user_id = update.effective_user.id if update.effective_user else 0
        self.handlers.outbox.respond(update, *await self._list(user_id))

    async def press(self, press: Press) -> None:
        """Carry out a button of the list."""
        answer = await self._carry_out(press)
        outbox = self.handlers.outbox
        outbox.answer(press.chat_id, press.query_id, answer)
        outbox.edit(press.chat_id, press.message_id, *await self._list(press.user_id))

    async def _carry_out(self, press: Press) -> str:
        preferences = self.handlers.intake.preferences
        if press.data == _HERE:
            await preferences.choose(press.user_id, ROOM, "")
            return "What you send is said here."
        if press.data == _USE + EVERYWHERE:
            await preferences.choose(press.user_id, ROOM, EVERYWHERE)
            return "What you send is said everywhere. Sound is played here only."
        for view in self.rooms.views():
            if press.data == _USE + _key(view):
                await preferences.choose(press.user_id, ROOM, view.slug)
                return f"Texts that you send are said in {view.name}. Sound is played here."
            if press.data == _FORGET + _key(view) and not view.is_present:
                await self.rooms.forget(view.slug)
                return f"{view.name} is forgotten. It is there again when it comes back."
        return _OUT_OF_DATE

    async def _list(self, user_id: int) -> tuple[str, InlineKeyboardMarkup]:
        usual = await self.handlers.usual_room(user_id)
        views = self.rooms.views()
        lines = [_line(view, user_id) for view in views]
        names = {EVERYWHERE: EVERYWHERE, **{view.slug: view.name for view in views}}
        lines.append(
            f"\nYour usual room: {names.get(usual, 'here')}. /to study TEXT says it there."
        )
        buttons = [
            (view.name, _HERE if view.is_here else _USE + _key(view))
            for view in views
            if view.slug != usual and (usual or not view.is_here)
        ]
        if usual != EVERYWHERE:
            buttons.append(("Everywhere", _USE + EVERYWHERE))
        rows = [
            [InlineKeyboardButton(f"Usually: {label}", callback_data=data)]
            for label, data in buttons
        ]
        rows += [
            [InlineKeyboardButton(f"Forget {view.name}", callback_data=_FORGET + _key(view))]
            for view in views
            if not view.is_present
        ]
        return "\n".join(lines), InlineKeyboardMarkup(rows)

    # ---- /stop ----

    async def stop(self, update: Update, context: Any) -> None:
        """Silence everything or, with its name, one room."""
        name = " ".join(context.args or ())
        try:
            room = self.rooms.find(name) if name else EVERYWHERE
        except UnknownRoomError as exc:
            self.handlers.outbox.respond(update, f"Nothing is stopped. {exc}")
            return
        if room == EVERYWHERE:
            await self.playback.stop(update, context)
            return
        stop = self.rooms.stop(room) if room else self.handlers.delivery.stop(here_only=True)
        count = await stop
        dropped = "1 message" if count == 1 else f"{count} messages"
        said = f"Silent there. {dropped} dropped." if count else "Silent there."
        self.handlers.outbox.respond(update, said)


def _line(view: RoomView, user_id: int) -> str:
    """Return a room in a line; a text is shown only to its sender."""
    here = " (here)" if view.is_here else ""
    if not view.is_present:
        wait = f", {view.waiting} wait{'s' * (view.waiting == 1)} for it" if view.waiting else ""
        return f"• {view.name}: away{wait}"
    waiting = f", {view.waiting} waiting" if view.waiting else ""
    saying = view.saying
    is_own = saying is not None and saying.user_id == user_id
    text = " ".join(saying.shown_text.split()) if saying is not None and is_own else ""
    text = text if len(text) <= _SHORT_CHARS else f"{text[: _SHORT_CHARS - 1]}…"
    return f"• {view.name}{here}: {view.doing}{waiting}" + (f": {text}" if text else "")


def _key(view: RoomView) -> str:
    """Return a room in a button's data, of which Telegram accepts 64 bytes."""
    return hashlib.sha256(view.slug.encode()).hexdigest()[:16]

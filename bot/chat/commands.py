"""Maps updates to handlers: a table of commands, a table of buttons, and the order of the rest.

A new command has a row here and one in `bot.chat.menu`, and a line in `HELP` or `MORE_HELP`.
"""

from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from telegram import Message, Update
from telegram.ext import (
    Application,
    CallbackQueryHandler,
    CommandHandler,
    MessageHandler,
    TypeHandler,
    filters,
)

from bot.chat import question_message, room_commands, status_message
from bot.chat.buttons import Press, pressed
from bot.chat.device_commands import DeviceCommands
from bot.chat.guard import ChatGuard
from bot.chat.handlers import Handlers
from bot.chat.kinds import command_of, is_service, speaks_by_file, words_of
from bot.chat.outbox import Outbox
from bot.chat.people_commands import PeopleCommands
from bot.chat.playback_commands import PlaybackCommands
from bot.chat.question_message import QuestionAnswers
from bot.chat.reminder_commands import PATTERN as REMINDER_PATTERN
from bot.chat.reminder_commands import ReminderCommands
from bot.chat.room_commands import RoomCommands
from bot.chat.status_message import StatusMessage
from bot.chat.voice_commands import VoiceCommands
from bot.chat.voice_notes import VoiceNotes

_Handle = Callable[[Update, Any], Coroutine[Any, Any, None]]
_App = Application[Any, Any, Any, Any, Any, Any]
_HandlePress = Callable[[Press], Awaitable[None]]

# Groups of handlers, in order; in each group, the first matching handler gets the update.
_MIGRATION, _GUARD, _MAIN, _AFTERWARDS = -2, -1, 0, 1


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateRouter:
    """Maps commands and buttons to handlers."""

    guard: ChatGuard
    handlers: Handlers
    playback: PlaybackCommands
    devices: DeviceCommands
    voices: VoiceCommands
    people: PeopleCommands
    rooms: RoomCommands | None = None
    """None: there are no other rooms."""
    notes: VoiceNotes
    questions: QuestionAnswers
    reminders: ReminderCommands
    status_message: StatusMessage
    outbox: Outbox

    def commands(self) -> dict[str, _Handle]:
        """Return the handler of each command."""
        return {
            "start": self.handlers.start,
            "help": self.handlers.help,
            "pair": self.handlers.pair,
            "stop": self.playback.stop,
            "skip": self.playback.skip,
            "pause": self.playback.pause,
            "resume": self.playback.resume,
            "replay": self.playback.replay,
            "queue": self.playback.queue,
            "status": self.playback.status,
            "volume": self.playback.volume,
            "speed": self.playback.speed,
            "mute": self.playback.mute,
            "unmute": self.playback.unmute,
            "pronounce": self.playback.pronounce,
            "urgent": self.handlers.urgent,
            "note": self.notes.note,
            "at": self.reminders.at,
            "in": self.reminders.in_,
            "every": self.reminders.every,
            "reminders": self.reminders.list_own,
            "devices": self.devices.devices,
            "voice": self.voices.voice,
            "invite": self.people.invite,
            "people": self.people.people,
            **self._room_commands(),
        }

    def _room_commands(self) -> dict[str, _Handle]:
        if self.rooms is None:
            return {}
        return {"to": self.rooms.to, "rooms": self.rooms.list, "stop": self.rooms.stop}

    def buttons(self) -> dict[str, _HandlePress]:
        """Return the handler of each button, by a pattern of its data."""
        return {
            status_message.PATTERN: self.playback.press,
            r"^device": self.devices.press,
            r"^voice:": self.voices.press,
            r"^person:": self.people.press,
            REMINDER_PATTERN: self.reminders.press,
            r"^late:": self.handlers.decide_late,
            r"^file:": self.handlers.decide_file,
            question_message.PATTERN: self.questions.press,
            **({room_commands.PATTERN: self.rooms.press} if self.rooms else {}),
        }

    async def _edited(self, update: Update, context: Any) -> None:
        await self.reminders.edited(update, context)
        edited = self.handlers.edited
        command = command_of(update.edited_message) if update.edited_message else None
        if self.rooms is not None and command and command.name.casefold() == "to":
            edited = self.rooms.edited
        await edited(update, context)

    def register(self, application: _App) -> None:
        """Register everything with python-telegram-bot."""
        # Telegram itself reports a migration, so it comes before the access check.
        migrated = MessageHandler(filters.StatusUpdate.MIGRATE, self.outbox.migrated)
        application.add_handler(migrated, group=_MIGRATION)
        application.add_handler(TypeHandler(Update, self.guard.check), group=_GUARD)
        for handler in (
            MessageHandler(filters.UpdateType.EDITED_MESSAGE, self._edited),
            *(CommandHandler(name, handle) for name, handle in self.commands().items()),
            MessageHandler(filters.StatusUpdate.ALL | _Service(), self.handlers.ignore),
            MessageHandler(_File(), self.handlers.attached),
            MessageHandler(_Command(), self.handlers.unknown_command),
            MessageHandler(_Words(), self._answer_or_speak),
            MessageHandler(filters.ALL, self.handlers.refuse_wordless),
            *(
                CallbackQueryHandler(_on_press(handle), pattern=pattern)
                for pattern, handle in self.buttons().items()
            ),
            CallbackQueryHandler(self.handlers.old_button),
        ):
            application.add_handler(handler, group=_MAIN)
        refresh = CallbackQueryHandler(
            _on_press(self.status_message.pressed), pattern=status_message.PATTERN
        )
        application.add_handler(refresh, group=_AFTERWARDS)
        application.add_error_handler(self.handlers.error)

    async def _answer_or_speak(self, update: Update, context: Any) -> None:
        """Speak words, unless they answer a question of a program."""
        if not await self.questions.take_reply(update):
            await self.handlers.speak(update, context)


def _on_press(handle: _HandlePress) -> _Handle:
    async def handle_update(update: Update, _: Any) -> None:
        if (press := pressed(update)) is not None:
            await handle(press)

    return handle_update


class _Service(filters.MessageFilter):
    def filter(self, message: Message) -> bool:
        return is_service(message)


class _File(filters.MessageFilter):
    def filter(self, message: Message) -> bool:
        return speaks_by_file(message)


class _Command(filters.MessageFilter):
    def filter(self, message: Message) -> bool:
        return command_of(message) is not None


class _Words(filters.MessageFilter):
    def filter(self, message: Message) -> bool:
        return bool(words_of(message).text)

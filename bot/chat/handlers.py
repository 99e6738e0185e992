"""One short coroutine per message, command or button, and the wording of every reply.

A handler gives orders and returns: it never waits for speech or for the Bot API, so that /stop
never stands in a queue behind anything. Runs on the event loop.
"""

import asyncio
import hashlib
import logging
import sqlite3
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from telegram import (
    CallbackQuery,
    InlineKeyboardButton,
    InlineKeyboardMarkup,
    Message,
    MessageEntity,
    Update,
)
from telegram.constants import ChatType
from telegram.ext import (
    Application,
    ApplicationHandlerStop,
    CallbackQueryHandler,
    CommandHandler,
    MessageHandler,
    TypeHandler,
    filters,
)

from audio.pipeline import SpeechPipeline
from audio.types import AudioError, Devices
from audio.voices import describe
from bot.chat.albums import Albums
from bot.chat.attachments import Attachments, attachment_of
from bot.chat.compose import compose
from bot.chat.decode import AttachmentError
from bot.chat.kinds import (
    cant_speak,
    command_of,
    is_picture,
    is_service,
    speaks_by_file,
    words_of,
)
from bot.chat.outbox import Outbox, thread_of
from bot.chat.polling import Polling
from bot.core.access import Access, Pairing, code_in
from bot.core.composing import ComposeError, composing
from bot.core.delivery import Delivery
from bot.core.inbox import Inbox
from bot.core.intake import Intake
from bot.core.plain_text import Composed
from bot.core.preferences import Preferences
from bot.core.store import Store
from bot.settings import NOT_PEOPLE, Settings

log = logging.getLogger(__name__)

HELP = """Send me a text and I say it aloud here; with ! in front it comes next. Voice and video \
notes and sound are played, .txt, .md and .pdf files read; polls, checklists, places and captions \
are said. Edit a message to a dot to take it back.

/stop silence, forget what waits
/skip the next one, /pause, /resume
/replay the last one, /queue what waits
/note text: as a voice note, not aloud
/volume 80, /speed 1.2, /voice
/mute 2h, /unmute; what comes is kept
/devices where sound goes, /status
/pronounce Nguyen = win
/invite someone, /people

On your messages: 👀 stored and in the queue, 👍 heard to the end, 🙊 cut off, 😴 held (I say \
why), 💔 not spoken (I say why)."""

# How long the audio thread may take to list devices before the chat is told that it is busy.
_DEVICES_TIMEOUT_S = 0.8
_DEVICE = "device:"
_FOLLOW = "device="  # follow the system
_FOLLOW_SETTING = "device-"

Context = Any  # python-telegram-bot's CallbackContext, which these handlers have no use for


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


class Room(Protocol):
    """Handles commands and buttons of its own."""

    def register(self, application: Application[Any, Any, Any, Any, Any, Any]) -> None:
        """Tell python-telegram-bot what is handled where."""


@dataclass(frozen=True, slots=True)
class Handlers:
    """What the handlers need; one method for each thing that a person can do."""

    settings: Settings
    pipeline: SpeechPipeline
    inbox: Inbox
    store: Store
    outbox: Outbox
    delivery: Delivery
    access: Access
    preferences: Preferences
    intake: Intake
    attachments: Attachments
    polling: Polling
    bot_id: int
    rooms: tuple[Room, ...]
    """Whose commands and buttons are handled besides these."""
    albums: Albums = field(init=False)

    def __post_init__(self) -> None:
        """Refuse an album without words as a single picture is refused."""
        object.__setattr__(self, "albums", Albums(self._refuse))

    def register(self, application: Application[Any, Any, Any, Any, Any, Any]) -> None:
        """Tell python-telegram-bot what is handled where."""
        application.add_handler(TypeHandler(Update, self.guard), group=-1)
        application.add_handler(MessageHandler(filters.UpdateType.EDITED_MESSAGE, self.edited))
        for name, handler in {
            "start": self.start,
            "help": self.help,
            "pair": self.pair,
            "stop": self.stop,
            "devices": self.devices,
            "status": self.status,
        }.items():
            application.add_handler(CommandHandler(name, handler))
        for room in self.rooms:
            room.register(application)
        for kind, handle in (  # the first that fits
            (filters.StatusUpdate.ALL | _Service(), self.ignore),
            (_File(), self.attached),
            (_Command(), self.unknown_command),
            (_Words(), self.speak),
            (filters.ALL, self.cant_speak),
        ):
            application.add_handler(MessageHandler(kind, handle))
        application.add_handler(CallbackQueryHandler(self.choose_device, pattern=r"^device"))
        application.add_handler(CallbackQueryHandler(self.decide_late, pattern=r"^late:"))
        application.add_handler(CallbackQueryHandler(self.decide_file, pattern=r"^file:"))
        application.add_handler(CallbackQueryHandler(self.old_button))
        application.add_error_handler(self.mistake)

    # ---- who ----

    async def guard(self, update: Update, context: Context) -> None:
        """Let nothing pass but what people who may speak say to the bot."""
        try:
            user, chat = update.effective_user, update.effective_chat
            message = update.message or update.edited_message
            if message and (message.sender_chat or (user and user.id in NOT_PEOPLE)):
                self.access.note_nobody(message.chat_id)
                raise ApplicationHandlerStop
            if user and chat and self.access.allows(user.id):
                if chat.type == ChatType.PRIVATE or self._is_addressed(update, context):
                    return
                raise ApplicationHandlerStop  # people talking with each other
            private = chat is not None and chat.type == ChatType.PRIVATE
            if private and self.access.pairing and update.message:
                await self._greet_unpaired(update.message)
                raise ApplicationHandlerStop
            self.access.note_stranger(user.id if user else None)
        except ApplicationHandlerStop:
            raise
        except Exception:  # python-telegram-bot would go on to the next handlers
            log.exception("Mistake at the door; it stays shut")
        raise ApplicationHandlerStop

    def _is_addressed(self, update: Update, context: Context) -> bool:
        """Say whether something in a group is meant for the bot."""
        if update.callback_query is not None or update.edited_message is not None:
            return True  # an edit matters only where what it changes was meant for the bot
        message = update.effective_message
        if message is None or message.chat.type not in (ChatType.GROUP, ChatType.SUPERGROUP):
            return False
        name = f"@{context.bot.username}".casefold()
        command = command_of(message)
        if command is not None:  # another bot's is none of ours, whatever it answers
            return command.bot_name.casefold() in ("", name[1:])
        answered = message.reply_to_message
        if answered and answered.from_user and answered.from_user.id == self.bot_id:
            return True
        words = words_of(message)
        return any(
            entity.type == MessageEntity.MENTION and words.part(entity).casefold() == name
            for entity in words.entities
        )

    async def _greet_unpaired(self, message: Message) -> None:
        user, code = message.from_user, code_in(message.text or "")
        if user is None or code is None or not (code or self.access.is_first):
            # Also a bare /start during an invitation: it may be anybody's.
            self.access.note_stranger(user.id if user else None)
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
            case Pairing.PAIRED:
                self.outbox.reply(message.chat_id, f"Paired. Welcome!\n\n{HELP}")
            case Pairing.WRONG_CODE if self.access.is_first:
                self.outbox.reply(
                    message.chat_id,
                    "That is not the code that the computer shows now. Send it like this: "
                    "/pair ABCD2345",
                )
            case _:
                self.access.note_stranger(user.id)

    # ---- what is spoken ----

    async def speak(self, update: Update, context: Context, left_out: str = "") -> None:
        """Queue the words of a message; a leading ! makes them urgent."""
        message, user = update.message, update.effective_user
        if message is None or user is None:
            return
        self.albums.note(message, has_words=True)
        composed = await self._compose(message, context)
        if left_out:
            skipped = f"{composed.skipped}, {left_out}" if composed.skipped else left_out
            composed = replace(composed, skipped=skipped)
        await self.intake.take(update.update_id, message, user, composed, urgent=composed.urgent)

    async def attached(self, update: Update, context: Context) -> None:
        """Fetch a voice note, a sound, a video or a text file, and queue it."""
        message, user = update.message, update.effective_user
        if message is None or user is None:
            return
        self.albums.note(message, has_words=True)
        try:
            attachment = attachment_of(message)
        except AttachmentError as exc:
            if message.caption:
                await self.speak(update, context, exc.left_out)
            else:
                await self.intake.refuse(update.update_id, message, str(exc))
            return
        if attachment is None:
            await (self.speak if message.caption else self.cant_speak)(update, context)
            return
        try:
            caption = await self._compose(message, context)
        except ComposeError:  # the file can be said all the same
            caption = Composed("", "1 caption")
        stored = await self.intake.take(
            update.update_id, message, user, caption, attachment=attachment
        )
        if stored is not None:
            self.attachments.fetch(stored)

    async def decide_file(self, update: Update, _: Context) -> None:
        """Say a long file, or some of it, or send it as a voice note."""
        query = update.callback_query
        if query is None or query.data is None or not isinstance(query.message, Message):
            return
        chat_id = query.message.chat_id
        said = await self.attachments.decide(chat_id, query.data)
        self.outbox.answer(chat_id, query.id, said)
        self.outbox.edit(chat_id, query.message.message_id, said, None)

    async def edited(self, update: Update, context: Context) -> None:
        """Change what still waits, or take it back; what has been said stays said."""
        message, user = update.edited_message, update.effective_user
        if message is None or user is None or speaks_by_file(message):
            return  # the caption of a file is not what is said
        # A command is no text any more, and it is too late to carry it out.
        is_text = command_of(message) is None
        composed = await self._compose(message, context) if is_text else Composed("")
        await self.intake.revise(message, user, composed)

    async def _compose(self, message: Message, context: Context) -> Composed:
        user_id = message.from_user.id if message.from_user else 0
        text = words_of(message).text
        style = await self.preferences.style(user_id, text)
        names = self.settings.speak_emoji
        return await composing(
            len(text), compose, message, style.lang, context.bot.username, name_emoji=names
        )

    async def cant_speak(self, update: Update, _: Context) -> None:
        """Refuse what has no words, such as a sticker or a dice."""
        message = update.message
        if message is None or message.chat.type != ChatType.PRIVATE:
            return
        if message.media_group_id and is_picture(message):
            self.albums.note(message, has_words=False)
        else:
            await self.intake.refuse(update.update_id, message, cant_speak(message))

    def _refuse(self, message: Message) -> None:
        self.intake.refuse_unstored(message, cant_speak(message))

    async def ignore(self, update: Update, _: Context) -> None:
        """Ignore service messages, such as a pinned message."""

    # ---- commands ----

    async def start(self, update: Update, _: Context) -> None:
        """Welcome someone who may speak."""
        self._answer(update, f"Hello. {HELP}")

    async def help(self, update: Update, _: Context) -> None:
        """Show what can be done."""
        self._answer(update, HELP)

    async def pair(self, update: Update, _: Context) -> None:
        """Tell someone who may speak that pairing is over."""
        self._answer(update, "You are paired already. Send me a text and I say it.")

    async def unknown_command(self, update: Update, _: Context) -> None:
        """Name the help page; in a group only where the bot is named, for others have commands."""
        command = command_of(update.message) if update.message else None
        chat = update.effective_chat
        if command is None or chat is None:
            return
        if chat.type == ChatType.PRIVATE or command.bot_name:
            self._answer(update, f"I don't know {command}. /help lists what I can do.")

    async def stop(self, update: Update, _: Context) -> None:
        """Fall silent and forget what waits; silence first, then the answer."""
        early = self.delivery.take_cut_early()
        speaking = self.delivery.under_way > 0 and self.pipeline.status().speaking
        dropped = await self.delivery.stop() + early
        waiting = dropped - speaking
        match dropped, waiting:
            case 0, _:
                self._answer(update, "Silent. Nothing was waiting.")
            case _, 0:
                self._answer(update, "Silent. Nothing else was waiting.")
            case _:
                self._answer(update, f"Silent. {_count(waiting, 'waiting message')} dropped.")

    async def status(self, update: Update, _: Context) -> None:
        """Say what the audio world is doing, as it published it last."""
        status = self.pipeline.status()
        waiting = self.delivery.under_way - status.speaking
        user_id = update.effective_user.id if update.effective_user else 0
        style = await self.preferences.style(user_id, "")
        first, voice = status.first_sound_ms, style.voice
        lines = [
            f"{'Paused' if self.delivery.paused else 'Speaking' if status.speaking else 'Idle'}. "
            + (f"{_count(waiting, 'message')} waiting." if waiting > 0 else "Nothing waits."),
            f"Voice: {voice} ({describe(voice)}), speed {style.speed:g}",
            f"Device: {status.device or 'not used yet'}",
            "Last time to first sound: " + (f"{first / 1000:.1f} s" if first else "none yet"),
        ]
        if reason := self.delivery.quiet_reason():
            kept = _count(self.delivery.kept, "message")
            lines.insert(1, f"{reason} {kept} kept.")
        if self.delivery.paused:
            lines.insert(1, "/resume goes on.")
        warnings = (
            *(status.warning, status.unheard, self.inbox.database.notice),
            *(self.polling.warning, self.polling.clock_warning),
        )
        lines += [f"Warning: {warning}" for warning in warnings if warning]
        if status.last_error:
            lines.append(f"Last error: {status.last_error}")
        self._answer(update, "\n".join(lines))

    async def devices(self, update: Update, _: Context) -> None:
        """List where sound can go, with a button for each."""
        text, keyboard = await self._device_list()
        self._answer(update, text, keyboard)

    def _answer(
        self, update: Update, text: str, keyboard: InlineKeyboardMarkup | None = None
    ) -> None:
        self.outbox.respond(update, text, keyboard)

    # ---- buttons ----

    async def choose_device(self, update: Update, _: Context) -> None:
        """Send sound where the button says, from the next sentence on."""
        query = update.callback_query
        if query is None or query.data is None or not isinstance(query.message, Message):
            return
        setting = self.settings.audio_device
        said = "Following the system."
        if query.data == _FOLLOW:
            await self._choose(query, "")
        elif query.data == _FOLLOW_SETTING:
            await self._choose(query, None)
            said = f"Following the setting: {setting or 'the system'}."
        else:
            devices = await self._ask_devices()
            names = [d.name for d in devices.outputs] if isinstance(devices, Devices) else []
            name = next((n for n in names if _device_button(n) == query.data), None)
            if name is None:
                said = "That device is not there any more."
            else:
                await self._choose(query, name)
                said = f"Using {name}."
        chat_id = query.message.chat_id
        self.outbox.answer(chat_id, query.id, said)
        text, keyboard = await self._device_list()
        self.outbox.edit(chat_id, query.message.message_id, text, keyboard)

    async def _choose(self, query: CallbackQuery, wanted: str | None) -> None:
        setting = self.settings.audio_device
        self.pipeline.select_device(setting if wanted is None else wanted)
        try:
            await self.store.choose("device", wanted, setting)
        except Exception:  # the choice holds until the next start; saying so is enough
            log.exception("The choice of a device can't be stored")
            chat_id = query.message.chat.id if query.message else query.from_user.id
            self.outbox.reply(
                chat_id,
                "I could not store that; it holds until I am restarted.",
                thread_id=thread_of(query.message),
            )

    async def decide_late(self, update: Update, _: Context) -> None:
        """Speak the messages that came late, or some of them, or none."""
        query = update.callback_query
        if query is None or query.data is None or not isinstance(query.message, Message):
            return
        chat_id = query.message.chat_id
        said = await self.delivery.decide(chat_id, query.data)
        self.outbox.answer(chat_id, query.id, said)
        self.outbox.edit(chat_id, query.message.message_id, said, None)

    async def old_button(self, update: Update, _: Context) -> None:
        """Answer a button that an earlier version made."""
        if update.callback_query and update.effective_chat:
            said = "That button is out of date."
            self.outbox.answer(update.effective_chat.id, update.callback_query.id, said)

    async def _device_list(self) -> tuple[str, InlineKeyboardMarkup | None]:
        devices = await self._ask_devices()
        if isinstance(devices, str):
            return devices, None
        if not devices.outputs:
            return "There is no output device. Connect one, then send /devices again.", None
        lines = []
        for device in devices.outputs:
            marks = [
                *(["the system's default"] if device.is_default else []),
                *(["in use"] if device.in_use else []),
            ]
            lines.append(f"• {device.name}" + (f" ({', '.join(marks)})" if marks else ""))
        wanted = devices.wanted
        lines.append("")
        lines.append(f"Chosen: {wanted}" if wanted else "Following the system.")
        if devices.warning:
            lines.append(f"Warning: {devices.warning}")
        if wanted.startswith("file:"):
            return "\n".join(lines), None
        rows = [
            [InlineKeyboardButton(device.name, callback_data=_device_button(device.name))]
            for device in devices.outputs
        ]
        rows.append([InlineKeyboardButton("Follow the system", callback_data=_FOLLOW)])
        if self.settings.audio_device:
            label = f"Follow the setting ({self.settings.audio_device})"
            rows.append([InlineKeyboardButton(label, callback_data=_FOLLOW_SETTING)])
        return "\n".join(lines), InlineKeyboardMarkup(rows)

    async def _ask_devices(self) -> Devices | str:
        """Ask the audio thread; a text where it has no answer in time."""
        try:
            answer = asyncio.wrap_future(self.pipeline.devices())
            return await asyncio.wait_for(answer, _DEVICES_TIMEOUT_S)
        except AudioError as exc:
            return str(exc)
        except TimeoutError:
            return "The loudspeaker does not answer just now. Try again in a moment."

    # ---- mistakes ----

    async def mistake(self, update: object, context: Context) -> None:
        """Log what a handler did wrong, and say that something is wrong."""
        why = "I made a mistake on that one; my log says more."
        if isinstance(context.error, ComposeError):
            why = str(context.error)
        else:
            log.error("Unexpected error in a handler", exc_info=context.error)
        if not isinstance(update, Update):
            return
        message = update.message
        if message is not None and command_of(message) is None:
            await self.intake.refuse(update.update_id, message, why)
        else:  # what was there before an edit is still said
            self.outbox.respond(update, why)


def _device_button(name: str) -> str:
    """Return a button's data for a device; Telegram takes 64 bytes, and indices shift."""
    return _DEVICE + hashlib.sha256(name.encode()).hexdigest()[:16]


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}" + ("" if number == 1 else "s")

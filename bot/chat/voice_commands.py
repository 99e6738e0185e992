"""Choosing a voice: by name, by buttons, or a blend. Runs on the event loop."""

from dataclasses import dataclass
from typing import Any

from telegram import InlineKeyboardButton, InlineKeyboardMarkup, Message, Update
from telegram.ext import Application, CallbackQueryHandler, CommandHandler

from audio.kokoro.phonemes import is_supported
from audio.types import UnknownVoiceError, Utterance
from audio.voices import check_voice, describe, families, introduction, language_of, voices_of
from bot.chat.outbox import Outbox, thread_of
from bot.chat.voice_notes import VoiceNotes
from bot.core.preferences import MATCH_LANGUAGE, VOICE, Preferences

Context = Any  # python-telegram-bot's CallbackContext

_PAGE = 8  # voices on one page of buttons


@dataclass(frozen=True, slots=True)
class VoiceCommands:
    """What the choice of a voice needs."""

    outbox: Outbox
    preferences: Preferences
    notes: VoiceNotes

    def register(self, application: Application[Any, Any, Any, Any, Any, Any]) -> None:
        """Tell python-telegram-bot what is handled where."""
        application.add_handler(CommandHandler("voice", self.voice))
        application.add_handler(CallbackQueryHandler(self.press, pattern=r"^voice:"))

    async def voice(self, update: Update, context: Context) -> None:
        """Choose a voice, or a blend of voices, by name or by button."""
        user_id = update.effective_user.id if update.effective_user else 0
        given = "".join(context.args or ())
        if not given:
            self.outbox.respond(update, await self._voice_text(user_id), _language_keyboard())
            return
        if given.casefold() == "reset":
            self.outbox.respond(update, await self._reset(user_id))
            return
        try:
            check_voice(given)
        except UnknownVoiceError as exc:
            self.outbox.respond(update, f"{exc} Or blend some: /voice af_heart:70,af_bella:30")
            return
        await self.preferences.choose(user_id, VOICE, given)
        said = f"{given} speaks for you from your next message on."
        self.outbox.respond(update, f"{said} {_caution(given)}".strip())

    async def _reset(self, user_id: int) -> str:
        """Go back to the voice of the settings; return what to say about it."""
        await self.preferences.choose(user_id, VOICE, "")
        voice = (await self.preferences.style(user_id, "")).voice
        return f"{voice} speaks for you now, as in the settings."

    async def _voice_text(self, user_id: int) -> str:
        style = await self.preferences.style(user_id, "")
        follows = bool((await self.preferences.chosen(user_id)).get(MATCH_LANGUAGE))
        return (
            f"Your voice: {style.voice} ({describe(style.voice)}).\n"
            + ("It changes with the language of the text.\n" if follows else "")
            + "Choose a language, or blend some: /voice af_heart:70,af_bella:30"
        )

    async def press(self, update: Update, _: Context) -> None:
        """Page through voices, preview one, choose one."""
        query = update.callback_query
        if query is None or query.data is None or not isinstance(query.message, Message):
            return
        user_id, chat_id = query.from_user.id, query.message.chat_id
        _, action, *rest = query.data.split(":", 2)
        argument = rest[0] if rest else ""
        said, keyboard = "", None
        match action:
            case "languages":
                keyboard = _language_keyboard()
            case "page" if (page := _page(argument)) is not None:
                keyboard = page
            case "one" if _is_voice(argument):
                keyboard = _voice_keyboard(argument)
                self._preview(query.message, argument)
                said = f"{argument}: listen to the voice note."
            case "set" if _is_voice(argument):
                await self.preferences.choose(user_id, VOICE, argument)
                said = f"{argument} speaks for you now."
                if caution := _caution(argument):  # too long for what pops up over a chat
                    self.outbox.reply(chat_id, caution, thread_id=thread_of(query.message))
            case "reset":
                said = await self._reset(user_id)
            case "follow":
                follows = (await self.preferences.chosen(user_id)).get(MATCH_LANGUAGE)
                await self.preferences.choose(user_id, MATCH_LANGUAGE, "" if follows else "yes")
                said = "Always the same voice." if follows else "The voice follows the language."
            case _:
                said = "That button is out of date."
        self.outbox.answer(chat_id, query.id, said)
        if keyboard is not None or action in ("set", "reset", "follow"):
            text = await self._voice_text(user_id)
            shown = keyboard or _language_keyboard()
            self.outbox.edit(chat_id, query.message.message_id, text, shown)

    def _preview(self, message: Message, voice: str) -> None:
        """Send a voice as a voice note; nothing sounds on the computer."""
        lang = language_of(voice)
        said = Utterance(0, introduction(voice), voice, 1.0, lang)
        self.notes.send(message.chat_id, said, thread_id=thread_of(message))


_NEEDED = {"ja": "japanese", "cmn": "chinese"}


def _caution(voice: str) -> str:
    """Return what to do about a language whose signs are misread."""
    lang = language_of(voice)
    if is_supported(lang):
        return ""
    return (
        "Most of its characters are misread, since what reads them is not installed. To install "
        f"it, type in Crier's folder on the computer: make {_NEEDED[lang]} – then start me again."
    )


def _is_voice(name: str) -> bool:
    try:
        check_voice(name)
    except UnknownVoiceError:
        return False
    return True


def _language_keyboard() -> InlineKeyboardMarkup:
    rows = [
        [InlineKeyboardButton(name, callback_data=f"voice:page:{family}:0")]
        for family, name in families()
    ]
    label = "Follow the language of the text (on or off)"
    rows.append([InlineKeyboardButton(label, callback_data="voice:follow")])
    rows.append([InlineKeyboardButton("As in the settings", callback_data="voice:reset")])
    return InlineKeyboardMarkup(rows)


def _page(argument: str) -> InlineKeyboardMarkup | None:
    """Return a page of voices; *argument* is a family and a number."""
    family, _, number = argument.partition(":")
    voices = voices_of(family)
    if not voices or not number.isdecimal():
        return None
    first = int(number) * _PAGE
    rows = [
        [InlineKeyboardButton(voice, callback_data=f"voice:one:{voice}")]
        for voice in voices[first : first + _PAGE]
    ]
    turns = []
    if first:
        turns.append(("Back", f"voice:page:{family}:{int(number) - 1}"))
    if first + _PAGE < len(voices):
        turns.append(("More", f"voice:page:{family}:{int(number) + 1}"))
    turns.append(("Languages", "voice:languages"))
    rows.append([InlineKeyboardButton(label, callback_data=data) for label, data in turns])
    return InlineKeyboardMarkup(rows)


def _voice_keyboard(voice: str) -> InlineKeyboardMarkup:
    rows = [
        [InlineKeyboardButton(f"Use {voice}", callback_data=f"voice:set:{voice}")],
        [InlineKeyboardButton("Others", callback_data=f"voice:page:{voice[:2]}:0")],
    ]
    return InlineKeyboardMarkup(rows)

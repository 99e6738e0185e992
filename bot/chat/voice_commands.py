"""Selecting a voice: by name, by buttons, or a blend. Runs on the event loop."""

from dataclasses import dataclass
from typing import Any

from telegram import InlineKeyboardButton, InlineKeyboardMarkup, Update

from audio.kokoro.phonemes import is_supported
from audio.types import UnknownVoiceError, Utterance
from audio.voices import check_voice, describe, families, introduction, language_of, voices_of
from bot.chat.buttons import Press
from bot.chat.outbox import Outbox
from bot.chat.voice_notes import VoiceNotes
from bot.core.preferences import MATCH_LANGUAGE, VOICE, Preferences

_PAGE = 8  # voices on one page of buttons


@dataclass(frozen=True, slots=True)
class VoiceCommands:
    """/voice and its buttons."""

    outbox: Outbox
    preferences: Preferences
    notes: VoiceNotes

    async def voice(self, update: Update, context: Any) -> None:
        """Select a voice, or a blend of voices, by name; without a name show buttons."""
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
        answer = f"{given} speaks for you from your next message on."
        self.outbox.respond(update, f"{answer} {_caution(given)}".strip())

    async def _reset(self, user_id: int) -> str:
        """Return to the voice in the settings; return the answer."""
        await self.preferences.choose(user_id, VOICE, "")
        voice = (await self.preferences.style(user_id)).voice
        return f"{voice} speaks for you now, as in the settings."

    async def _voice_text(self, user_id: int) -> str:
        style = await self.preferences.style(user_id)
        follows = bool((await self.preferences.chosen(user_id)).get(MATCH_LANGUAGE))
        return (
            f"Your voice: {style.voice} ({describe(style.voice)}).\n"
            + ("It changes with the language of the text.\n" if follows else "")
            + "Choose a language, or blend some: /voice af_heart:70,af_bella:30"
        )

    async def press(self, press: Press) -> None:
        """Page through voices, preview one, select one."""
        user_id, chat_id = press.user_id, press.chat_id
        _, action, *rest = press.data.split(":", 2)
        argument = rest[0] if rest else ""
        answer, keyboard = "", None
        match action:
            case "languages":
                keyboard = _language_keyboard()
            case "page" if (page := _page(argument)) is not None:
                keyboard = page
            case "one" if _is_voice(argument):
                keyboard = _voice_keyboard(argument)
                self._preview(press, argument)
                answer = f"{argument}: listen to the voice note."
            case "set" if _is_voice(argument):
                await self.preferences.choose(user_id, VOICE, argument)
                answer = f"{argument} speaks for you now."
                if caution := _caution(argument):  # too long for a pop-up
                    self.outbox.reply(chat_id, caution, thread_id=press.thread_id)
            case "reset":
                answer = await self._reset(user_id)
            case "follow":
                follows = (await self.preferences.chosen(user_id)).get(MATCH_LANGUAGE)
                await self.preferences.choose(user_id, MATCH_LANGUAGE, "" if follows else "yes")
                answer = "Always the same voice." if follows else "The voice follows the language."
            case _:
                answer = "That button is out of date."
        self.outbox.answer(chat_id, press.query_id, answer)
        if keyboard is not None or action in ("set", "reset", "follow"):
            text = await self._voice_text(user_id)
            shown = keyboard or _language_keyboard()
            self.outbox.edit(chat_id, press.message_id, text, shown)

    def _preview(self, press: Press, voice: str) -> None:
        """Introduce a voice in a voice note; the computer stays silent."""
        utterance = Utterance(
            id=0, text=introduction(voice), voice=voice, speed=1.0, lang=language_of(voice)
        )
        self.notes.send(press.chat_id, utterance, thread_id=press.thread_id)


_TARGETS = {"ja": "japanese", "cmn": "chinese"}


def _caution(voice: str) -> str:
    """Return what to do about a voice whose language is misread; empty if it is read well."""
    lang = language_of(voice)
    if is_supported(lang):
        return ""
    return (
        "Most of its characters are misread, since what reads them is not installed. To install "
        f"it, type in Crier's folder on the computer: make {_TARGETS[lang]} – then start me again."
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

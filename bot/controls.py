"""Everything that steers speech: skip and pause, loudness and speed, voices, quiet, people.

One short coroutine per command, and the wording of its reply; a wrong argument gets the right form
and an example. Runs on the event loop.
"""

import asyncio
import io
import logging
import math
import sqlite3
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from telegram import InlineKeyboardButton, InlineKeyboardMarkup, Message, Update
from telegram.constants import ChatType
from telegram.ext import Application, CallbackQueryHandler, CommandHandler

from audio.pipeline import SpeechPipeline
from audio.reading import pronounce
from audio.text import speakable
from audio.types import SAMPLE_RATE_HZ, AudioError, Samples, UnknownVoiceError, Utterance
from audio.voices import check_voice, describe, families, language_of, voices_of
from bot import strip
from bot.access import Access
from bot.compose import compose_text
from bot.delivery import Delivery
from bot.inbox import Inbox
from bot.intake import Intake
from bot.preferences import FASTEST, FOLLOW, SLOWEST, SPEED, VOICE, Preferences
from bot.quiet import FOR_GOOD, span_s
from bot.receipts import Outbox

log = logging.getLogger(__name__)

Context = Any  # python-telegram-bot's CallbackContext

_LOUDEST = 150
_YEAR_S = 366 * 86400.0
_NOTE_CHARS = 8000  # about ten minutes
_VOLUME_STEP, _SPEED_STEP = 15, 0.1
_PAGE = 8  # voices on one page of buttons
_PREVIEW = {
    "en-us": "This is how I sound.",
    "en-gb": "This is how I sound.",
    "es": "Así es como sueno.",
    "fr-fr": "Voici comment je parle.",
    "hi": "मेरी आवाज़ ऐसी है।",
    "it": "Ecco come suono.",
    "ja": "わたしのこえはこうです。",
    "pt-br": "É assim que eu falo.",
    "cmn": "这就是我的声音。",
}


@dataclass(frozen=True, slots=True)
class Controls:
    """What the controls need."""

    pipeline: SpeechPipeline
    inbox: Inbox
    outbox: Outbox
    delivery: Delivery
    access: Access
    preferences: Preferences
    intake: Intake
    bot_id: int

    def register(self, application: Application[Any, Any, Any, Any, Any, Any]) -> None:
        """Tell python-telegram-bot what is handled where."""
        for name, handler in {
            "skip": self.skip,
            "pause": self.pause,
            "resume": self.resume,
            "replay": self.replay,
            "queue": self.queue,
            "volume": self.volume,
            "speed": self.speed,
            "mute": self.mute,
            "unmute": self.unmute,
            "urgent": self.urgent,
            "note": self.note,
            "voice": self.voice,
            "pronounce": self.pronounce,
            "invite": self.invite,
            "people": self.people,
        }.items():
            application.add_handler(CommandHandler(name, handler))
        application.add_handler(CallbackQueryHandler(self.press, pattern=r"^strip:"))
        application.add_handler(CallbackQueryHandler(self.press_voice, pattern=r"^voice:"))
        application.add_handler(CallbackQueryHandler(self.press_person, pattern=r"^person:"))

    async def start(self) -> None:
        """Take up what was chosen before the restart."""
        self.pipeline.set_gain(_gain(await self.volume_percent()))

    # ---- what sounds ----

    async def skip(self, update: Update, _: Context) -> None:
        """End the message that sounds; the next one follows."""
        left = self.delivery.under_way
        self.pipeline.skip()
        match left:
            case 0:
                self._answer(update, "Nothing is being said.")
            case 1:
                self._answer(update, "Skipped. Nothing else waits.")
            case _:
                self._answer(update, "Skipped.")

    async def pause(self, update: Update, _: Context) -> None:
        """Fall silent, and keep everything."""
        self.pipeline.pause()
        self._answer(update, "Paused. /resume goes on, /stop forgets.")

    async def resume(self, update: Update, _: Context) -> None:
        """Go on after a pause."""
        was_paused = self.pipeline.status().paused
        self.pipeline.resume()
        self._answer(update, "Going on." if was_paused else "I was not paused.")

    async def replay(self, update: Update, _: Context) -> None:
        """Say the last message of this chat again."""
        if update.effective_chat:
            self._answer(update, await self._replay(update.effective_chat.id))

    async def _replay(self, chat_id: int) -> str:
        last = await self.inbox.last_heard(self.bot_id, chat_id)
        if last is None:
            return "There is nothing to say again."
        # No update of Telegram's has a negative number.
        again = await self.inbox.accept(self.bot_id, -time.time_ns(), last)
        if again is not None:
            await self.delivery.submit(again)
        return "Saying it again."

    async def queue(self, update: Update, _: Context) -> None:
        """List what has not been heard."""
        waiting = self.delivery.queue()
        speaking = self.pipeline.status().speaking_id
        lines = []
        for number, message in enumerate(waiting[:10], 1):
            text = " ".join(message.text.split())
            short = text if len(text) <= 60 else f"{text[:57]}…"  # noqa: PLR2004
            lines.append(f"{number}. {short}" + (" (now)" if message.id == speaking else ""))
        if len(waiting) > len(lines):
            lines.append(f"… and {len(waiting) - len(lines)} more")
        self._answer(update, "\n".join(lines) or "Nothing waits.")

    async def urgent(self, update: Update, context: Context) -> None:
        """Say a text next, after the sentence that sounds."""
        message = update.effective_message
        text = " ".join(context.args or ())
        if message is None:
            return
        composed = compose_text(text, "en-us")
        if not speakable(composed.text):
            self._answer(update, "Send the words along, such as: /urgent The bath is full")
            return
        user = update.effective_user
        if user is not None:
            await self.intake.take(update.update_id, message, user, composed, urgent=True)

    async def note(self, update: Update, context: Context) -> None:
        """Send a text, or the message that is answered, back as a voice note."""
        message, user = update.effective_message, update.effective_user
        if message is None or user is None:
            return
        answered = message.reply_to_message
        text = " ".join(context.args or ()) or (answered.text or "" if answered else "")
        manner = await self.preferences.manner(user.id, text)
        composed = compose_text(text, manner.lang)
        if not speakable(composed.text):
            self._answer(update, "Send the words along, such as: /note Good night. Or answer one.")
            return
        said = pronounce(composed.text, await self.inbox.pronunciations())
        utterance = Utterance(0, said, manner.voice, manner.speed, manner.lang)
        self.voice_note(message.chat_id, utterance)

    # ---- how it sounds ----

    async def volume(self, update: Update, context: Context) -> None:
        """Show or change how loud Crier is, beside the computer's own volume."""
        given = (context.args or [""])[0].rstrip("%")
        now = await self.volume_percent()
        if not given:
            self._answer(update, f"The volume is {now} %. Change it like this: /volume 80")
        elif not given.isdecimal() or not 0 <= int(given) <= _LOUDEST:
            self._answer(update, f"The volume is 0 to {_LOUDEST}, such as: /volume 80")
        else:
            self._answer(update, await self.set_volume(int(given)))

    async def volume_percent(self) -> int:
        return int(await self.inbox.choice("volume", "") or 100)

    async def set_volume(self, percent: int) -> str:
        percent = max(0, min(_LOUDEST, percent))
        self.pipeline.set_gain(_gain(percent))
        await self.inbox.choose("volume", str(percent), "")
        return f"Volume {percent} %."

    async def speed(self, update: Update, context: Context) -> None:
        """Show or change how fast a person's messages are said."""
        user_id = update.effective_user.id if update.effective_user else 0
        given = (context.args or [""])[0].rstrip("x×").replace(",", ".")
        now = (await self.preferences.manner(user_id, "")).speed
        try:
            wanted = float(given) if given else None
        except ValueError:
            wanted = math.nan
        if wanted is None:
            self._answer(update, f"The speed is {now:g}. Change it like this: /speed 1.2")
        elif not SLOWEST <= wanted <= FASTEST:
            self._answer(update, f"The speed is {SLOWEST:g} to {FASTEST:g}, such as: /speed 1.2")
        else:
            self._answer(update, await self._set_speed(user_id, wanted))

    async def _set_speed(self, user_id: int, speed: float) -> str:
        speed = round(max(SLOWEST, min(FASTEST, speed)), 2)
        await self.preferences.choose(user_id, SPEED, f"{speed:g}")
        return f"Speed {speed:g}, from your next message on."

    # ---- the buttons of the status message ----

    async def press(self, update: Update, _: Context) -> None:
        """Do what a button under the status message says."""
        query = update.callback_query
        if query is None or query.data is None or not isinstance(query.message, Message):
            return
        user_id = query.from_user.id
        said = ""
        match query.data:
            case strip.STOP:
                await self.delivery.stop()
                said = "Silent."
            case strip.SKIP:
                self.pipeline.skip()
                said = "Skipped."
            case strip.PAUSE:
                self.pipeline.pause()
                said = "Paused."
            case strip.RESUME:
                self.pipeline.resume()
                said = "Going on."
            case strip.LOUDER:
                said = await self.set_volume(await self.volume_percent() + _VOLUME_STEP)
            case strip.SOFTER:
                said = await self.set_volume(await self.volume_percent() - _VOLUME_STEP)
            case strip.SLOWER | strip.FASTER:
                step = _SPEED_STEP if query.data == strip.FASTER else -_SPEED_STEP
                now = (await self.preferences.manner(user_id, "")).speed
                said = await self._set_speed(user_id, now + step)
            case strip.REPLAY:
                said = await self._replay(query.message.chat_id)
        self.outbox.answer(query.message.chat_id, query.id, said)

    # ---- quiet ----

    async def mute(self, update: Update, context: Context) -> None:
        """Be quiet for a while, or until /unmute; what comes meanwhile is kept."""
        given = " ".join(context.args or ())
        span = span_s(given) if given else FOR_GOOD
        if span is None or span <= 0:
            self._answer(update, "For how long? Such as: /mute 2h, /mute 30m, or /mute alone.")
            return
        await self.delivery.mute(FOR_GOOD if span > _YEAR_S else time.time() + span)
        self._answer(update, f"{self.delivery.quiet_reason()} What comes meanwhile is kept.")

    async def unmute(self, update: Update, _: Context) -> None:
        """End a /mute, and say what was kept."""
        await self.delivery.mute(0)
        reason = self.delivery.quiet_reason()
        self._answer(update, f"Unmuted. {reason}".strip())

    # ---- voices ----

    async def voice(self, update: Update, context: Context) -> None:
        """Choose a voice, or a blend of voices, by name or by button."""
        user_id = update.effective_user.id if update.effective_user else 0
        given = "".join(context.args or ())
        if not given:
            self._answer(update, await self._voice_text(user_id), _language_keyboard())
            return
        try:
            check_voice(given)
        except UnknownVoiceError as exc:
            self._answer(update, f"{exc} Or blend some: /voice af_heart:70,af_bella:30")
            return
        await self.preferences.choose(user_id, VOICE, given)
        said = f"{given} speaks for you from your next message on."
        self._answer(update, f"{said} {_caution(given)}".strip())

    async def _voice_text(self, user_id: int) -> str:
        manner = await self.preferences.manner(user_id, "")
        follows = bool((await self.preferences.chosen(user_id)).get(FOLLOW))
        return (
            f"Your voice: {manner.voice} ({describe(manner.voice)}).\n"
            + ("It changes with the language of the text.\n" if follows else "")
            + "Choose a language, or blend some: /voice af_heart:70,af_bella:30"
        )

    async def press_voice(self, update: Update, _: Context) -> None:
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
                self._preview(chat_id, argument)
                said = f"{argument}: listen to the voice note."
            case "set" if _is_voice(argument):
                await self.preferences.choose(user_id, VOICE, argument)
                said = f"{argument} speaks for you now. {_caution(argument)}".strip()
            case "follow":
                follows = (await self.preferences.chosen(user_id)).get(FOLLOW)
                await self.preferences.choose(user_id, FOLLOW, "" if follows else "yes")
                said = "Always the same voice." if follows else "The voice follows the language."
            case _:
                said = "That button is out of date."
        self.outbox.answer(chat_id, query.id, said)
        if keyboard is not None or action in ("set", "follow"):
            text = await self._voice_text(user_id)
            shown = keyboard or _language_keyboard()
            self.outbox.edit(chat_id, query.message.message_id, text, shown)

    def _preview(self, chat_id: int, voice: str) -> None:
        """Send a voice as a voice note; nothing sounds on the computer."""
        lang = language_of(voice)
        self.voice_note(chat_id, Utterance(0, _PREVIEW[lang], voice, 1.0, lang))

    def voice_note(
        self,
        chat_id: int,
        utterance: Utterance,
        then: Callable[[str], Awaitable[None]] | None = None,
    ) -> None:
        """Send a text as a voice note, the first ten minutes of it.

        Args:
            chat_id: where to.
            utterance: what to say.
            then: called when it was sent, with an empty text, or with what went wrong.
        """
        loop = asyncio.get_running_loop()
        parts: list[Samples] = []
        utterance = replace(utterance, text=utterance.text[:_NOTE_CHARS])

        def on_sound(part: Samples | AudioError | None) -> None:  # on the audio thread
            if isinstance(part, np.ndarray):
                parts.append(part)
            else:
                work = self._send_note(chat_id, parts, str(part or ""), then)
                asyncio.run_coroutine_threadsafe(work, loop)

        self.pipeline.render(utterance, on_sound)

    async def _send_note(
        self,
        chat_id: int,
        parts: list[Samples],
        wrong: str,
        then: Callable[[str], Awaitable[None]] | None,
    ) -> None:
        async def sent(_: Any) -> None:
            if then is not None:
                await then("")

        try:
            if not wrong:
                note = await asyncio.to_thread(_encode, parts)
                self.outbox.voice(chat_id, note, sent)
            elif then is not None:
                await then(wrong)
            else:
                self.outbox.reply(chat_id, wrong)
        except Exception:
            log.exception("Mistake in a voice note")

    # ---- words ----

    async def pronounce(self, update: Update, context: Context) -> None:
        """Teach how a word is said, list what was taught, or forget it."""
        given = " ".join(context.args or ())
        word, equals, said = (part.strip() for part in given.partition("="))
        try:
            if not given:
                known = await self.inbox.pronunciations()
                lines = [f"{one} = {other}" for one, other in sorted(known.items())]
                lines.append("Teach me like this: /pronounce Nguyen = win")
                self._answer(update, "\n".join(lines))
            elif not equals or not word:
                self._answer(
                    update, "Like this: /pronounce Nguyen = win. Forget: /pronounce Nguyen ="
                )
            else:
                await self.inbox.pronounce(word, said)
                self._answer(update, f"I say {word} as “{said}”." if said else f"Forgot {word}.")
        except sqlite3.Error as exc:
            self._answer(
                update, f"I could not store that ({exc}). Make room on the computer's disk."
            )

    # ---- people ----

    async def invite(self, update: Update, _: Context) -> None:
        """Make a code with which one more person may speak."""
        if not await self._is_owner(update):
            return
        if update.effective_chat and update.effective_chat.type != ChatType.PRIVATE:
            self._answer(update, "Ask me in a private chat: a code is for one person to see.")
            return
        code = self.access.invite()
        self._answer(
            update,
            f"For one person, within an hour: they send me\n/pair {code}\n"
            "/people lists who may speak.",
        )

    async def _is_owner(self, update: Update) -> bool:
        user = update.effective_user
        if user is not None and await self.access.is_owner(user.id):
            return True
        self._answer(update, "Only the owner of this computer's bot can do that.")
        return False

    async def people(self, update: Update, _: Context) -> None:
        """List the people who were paired, with a button to remove each."""
        names = await self.inbox.names()
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
        self._answer(update, "\n".join(lines), InlineKeyboardMarkup(rows) if rows else None)

    async def press_person(self, update: Update, _: Context) -> None:
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

    def _answer(
        self, update: Update, text: str, keyboard: InlineKeyboardMarkup | None = None
    ) -> None:
        if update.effective_chat:
            self.outbox.reply(update.effective_chat.id, text, keyboard=keyboard)


def _encode(parts: list[Samples]) -> bytes:
    """Return sound as OGG/Opus. Blocks."""
    import soundfile  # noqa: PLC0415  # loads libsndfile

    note = io.BytesIO()
    with soundfile.SoundFile(note, "w", SAMPLE_RATE_HZ, 1, format="OGG", subtype="OPUS") as file:
        for part in parts:
            file.write(part)
    return note.getvalue()


def _gain(percent: int) -> float:
    """Return the factor of a volume; squared, since ears hear in ratios."""
    return (percent / 100) ** 2


def _caution(voice: str) -> str:
    """Return what to know about a language that espeak, which tells sounds from letters, lacks."""
    if language_of(voice) in ("ja", "cmn"):
        return "Many of its signs are misread: espeak knows only the simplest of them."
    return ""


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

"""What steers speech: skip and pause, loudness and speed, quiet, taught words.

One short coroutine per command, and the wording of its reply; a wrong argument gets the right form
and an example. Runs on the event loop.
"""

import logging
import math
import sqlite3
import time
from dataclasses import dataclass, replace
from typing import Any

from telegram import Message, Update
from telegram.ext import Application, CallbackQueryHandler, CommandHandler

from audio.pipeline import SpeechPipeline
from audio.text.sentences import speakable
from bot.chat import status_message
from bot.chat.compose import compose
from bot.chat.kinds import words_of
from bot.chat.outbox import Outbox
from bot.core.composing import composing
from bot.core.delivery import Delivery
from bot.core.inbox import Inbox
from bot.core.intake import Intake
from bot.core.preferences import FASTEST, SLOWEST, SPEED, Preferences
from bot.core.quiet_hours import FOR_GOOD, span_s
from bot.core.store import Store

log = logging.getLogger(__name__)

Context = Any  # python-telegram-bot's CallbackContext

_LOUDEST = 150
_YEAR_S = 366 * 86400.0
_LISTED, _LISTED_CHARS = 10, 60
_VOLUME_STEP, _SPEED_STEP = 15, 0.1


@dataclass(frozen=True, slots=True)
class PlaybackCommands:
    """What the controls need."""

    pipeline: SpeechPipeline
    inbox: Inbox
    store: Store
    outbox: Outbox
    delivery: Delivery
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
            "pronounce": self.pronounce,
        }.items():
            application.add_handler(CommandHandler(name, handler))
        application.add_handler(CallbackQueryHandler(self.press, pattern=r"^strip:"))

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
                self.outbox.respond(update, "Nothing is being said.")
            case 1:
                self.outbox.respond(update, "Skipped. Nothing else waits.")
            case _:
                self.outbox.respond(update, "Skipped.")

    async def pause(self, update: Update, _: Context) -> None:
        """Fall silent, and keep everything."""
        await self.delivery.pause()
        self.outbox.respond(update, "Paused. /resume goes on, /stop forgets.")

    async def resume(self, update: Update, _: Context) -> None:
        """Go on after a pause."""
        was_paused = await self.delivery.unpause()
        self.outbox.respond(update, "Going on." if was_paused else "I was not paused.")

    async def replay(self, update: Update, _: Context) -> None:
        """Say the last message of this chat again."""
        if update.effective_chat:
            self.outbox.respond(update, await self._replay(update.effective_chat.id))

    async def _replay(self, chat_id: int) -> str:
        last = await self.inbox.last_heard(self.bot_id, chat_id)
        if last is None:
            return "There is nothing to say again."
        # No update of Telegram's has a negative number.
        wanted = replace(last, fresh_at=self.intake.now())
        again = await self.inbox.accept(self.bot_id, -time.time_ns(), wanted)
        if again is not None:
            await self.delivery.submit(again)
        return "Saying it again."

    async def queue(self, update: Update, _: Context) -> None:
        """List what its sender has in the queue from this chat, and count the rest.

        A text is shown to nobody but who sent it, and nowhere but where it was sent: in a group
        everybody reads the answer.
        """
        chat, user = update.effective_chat, update.effective_user
        if chat is None or user is None:
            return
        places = self.delivery.places()
        own = [p for p in places if (p.message.chat_id, p.message.user_id) == (chat.id, user.id)]
        marks = {"sounding": " (now)", "held": " (held)"}
        lines = [
            f"{place.position}. {_short(place.message.text)}{marks.get(place.state, '')}"
            for place in own[:_LISTED]
        ]
        if len(own) > len(lines):
            lines.append(f"… and {len(own) - len(lines)} more of yours")
        if others := len(places) - len(own):
            count = "1 message" if others == 1 else f"{others} messages"
            lines.append(f"{count} from other people, chats or programs.")
        if self.delivery.paused:
            lines.insert(0, "Paused. /resume goes on.")
        self.outbox.respond(update, "\n".join(lines) or "Nothing waits.")

    async def urgent(self, update: Update, context: Context) -> None:
        """Say a text next, after the sentence that sounds."""
        message, user = update.effective_message, update.effective_user
        if message is None or user is None:
            return
        text = words_of(message).after_command().text
        style = await self.preferences.style(user.id, text)
        name = context.bot.username
        composed = await composing(
            len(text), compose, message, style.lang, name, after_command=True
        )
        if composed.skipped or speakable(composed.text):
            await self.intake.take(update.update_id, message, user, composed, urgent=True)
        else:
            example = "Send the words along, such as: /urgent The bath is full"
            self.outbox.respond(update, example)

    # ---- how it sounds ----

    async def volume(self, update: Update, context: Context) -> None:
        """Show or change how loud Crier is, beside the computer's own volume."""
        given = (context.args or [""])[0].rstrip("%")
        now = await self.volume_percent()
        if not given:
            self.outbox.respond(update, f"The volume is {now} %. Change it like this: /volume 80")
        elif not given.isdecimal() or not 0 <= int(given) <= _LOUDEST:
            self.outbox.respond(update, f"The volume is 0 to {_LOUDEST}, such as: /volume 80")
        else:
            self.outbox.respond(update, await self.set_volume(int(given)))

    async def volume_percent(self) -> int:
        return int(await self.store.choice("volume", "") or 100)

    async def set_volume(self, percent: int) -> str:
        percent = max(0, min(_LOUDEST, percent))
        self.pipeline.set_gain(_gain(percent))
        await self.store.choose("volume", str(percent), "")
        return f"Volume {percent} %."

    async def speed(self, update: Update, context: Context) -> None:
        """Show or change how fast a person's messages are said."""
        user_id = update.effective_user.id if update.effective_user else 0
        word = (context.args or [""])[0]
        if word.casefold() == "reset":
            await self.preferences.choose(user_id, SPEED, "")
            now = (await self.preferences.style(user_id, "")).speed
            said = f"Speed {now:g}, as in the settings, from your next message on."
            self.outbox.respond(update, said)
            return
        given = word.rstrip("x×").replace(",", ".")
        now = (await self.preferences.style(user_id, "")).speed
        try:
            wanted = float(given) if given else None
        except ValueError:
            wanted = math.nan
        if wanted is None:
            self.outbox.respond(
                update,
                f"The speed is {now:g}. Change it like this: /speed 1.2, or /speed reset to follow "
                "the settings.",
            )
        elif not SLOWEST <= wanted <= FASTEST:
            self.outbox.respond(
                update, f"The speed is {SLOWEST:g} to {FASTEST:g}, such as: /speed 1.2"
            )
        else:
            self.outbox.respond(update, await self._set_speed(user_id, wanted))

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
            case status_message.STOP:
                await self.delivery.stop()
                said = "Silent."
            case status_message.SKIP:
                self.pipeline.skip()
                said = "Skipped."
            case status_message.PAUSE:
                await self.delivery.pause()
                said = "Paused."
            case status_message.RESUME:
                await self.delivery.unpause()
                said = "Going on."
            case status_message.LOUDER:
                said = await self.set_volume(await self.volume_percent() + _VOLUME_STEP)
            case status_message.SOFTER:
                said = await self.set_volume(await self.volume_percent() - _VOLUME_STEP)
            case status_message.SLOWER | status_message.FASTER:
                step = _SPEED_STEP if query.data == status_message.FASTER else -_SPEED_STEP
                now = (await self.preferences.style(user_id, "")).speed
                said = await self._set_speed(user_id, now + step)
            case status_message.REPLAY:
                said = await self._replay(query.message.chat_id)
        self.outbox.answer(query.message.chat_id, query.id, said)

    # ---- quiet ----

    async def mute(self, update: Update, context: Context) -> None:
        """Be quiet for a while, or until /unmute; what comes meanwhile is kept."""
        given = " ".join(context.args or ())
        span = span_s(given) if given else FOR_GOOD
        if span is None or span <= 0:
            self.outbox.respond(
                update, "For how long? Such as: /mute 2h, /mute 30m, or /mute alone."
            )
            return
        await self.delivery.mute(FOR_GOOD if span > _YEAR_S else time.time() + span)
        self.outbox.respond(update, f"{self.delivery.quiet_reason()} What comes meanwhile is kept.")

    async def unmute(self, update: Update, _: Context) -> None:
        """End a /mute, and say what was kept."""
        await self.delivery.mute(0)
        reason = self.delivery.quiet_reason()
        self.outbox.respond(update, f"Unmuted. {reason}".strip())

    # ---- words ----

    async def pronounce(self, update: Update, context: Context) -> None:
        """Teach how a word is said, list what was taught, or forget it."""
        given = " ".join(context.args or ())
        word, equals, said = (part.strip() for part in given.partition("="))
        try:
            if not given:
                known = await self.store.pronunciations()
                lines = [f"{one} = {other}" for one, other in sorted(known.items())]
                lines.append("Teach me like this: /pronounce Nguyen = win")
                self.outbox.respond(update, "\n".join(lines))
            elif not equals or not word:
                self.outbox.respond(
                    update, "Like this: /pronounce Nguyen = win. Forget: /pronounce Nguyen ="
                )
            else:
                await self.store.pronounce(word, said)
                self.outbox.respond(
                    update, f"I say {word} as “{said}”." if said else f"Forgot {word}."
                )
        except sqlite3.Error as exc:
            self.outbox.respond(
                update, f"I could not store that ({exc}). Make room on the computer's disk."
            )


def _short(text: str) -> str:
    """Return the beginning of a text, on one line."""
    text = " ".join(text.split()) or "a recording"
    return text if len(text) <= _LISTED_CHARS else f"{text[: _LISTED_CHARS - 3]}…"


def _gain(percent: int) -> float:
    """Return the factor of a volume; squared, since ears hear in ratios."""
    return (percent / 100) ** 2

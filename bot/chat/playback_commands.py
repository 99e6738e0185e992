"""Commands that control speech: stop and pause, volume and speed, quiet, taught words.

One short coroutine per command, with the wording of its reply; an invalid argument is answered with
the correct form and an example. Runs on the event loop.
"""

import datetime as dt
import logging
import math
import sqlite3
import time
from dataclasses import dataclass
from typing import Any

from telegram import Update

from audio.pipeline import SpeechPipeline
from audio.text import inline
from audio.voices import describe
from bot.chat import status_message
from bot.chat.buttons import Press
from bot.chat.outbox import Outbox
from bot.core.delivery import Delivery
from bot.core.health import SourceHealth
from bot.core.intake import Intake
from bot.core.output import LOUDEST_PERCENT, SoundOutput
from bot.core.preferences import FASTEST, SLOWEST, SPEED, Preferences
from bot.core.quiet_hours import mute_s
from bot.core.store import Store

log = logging.getLogger(__name__)

_LISTED, _LISTED_CHARS = 10, 60
_VOLUME_STEP_PERCENT, _SPEED_STEP = 15, 0.1


@dataclass(frozen=True, slots=True)
class PlaybackCommands:
    """The commands, and the buttons of the status message."""

    pipeline: SpeechPipeline
    store: Store
    outbox: Outbox
    delivery: Delivery
    output: SoundOutput
    preferences: Preferences
    intake: Intake
    source: SourceHealth
    notice: str
    """What the owner should know about the database; usually empty."""

    # ---- stop, pause, queue ----

    async def stop(self, update: Update, _: Any) -> None:
        """Fall silent and drop waiting messages; silence first, then the answer."""
        early = self.delivery.pop_stopped_early()
        speaking = self.delivery.under_way_count > 0 and self.pipeline.status().speaking
        dropped = await self.delivery.stop() + early
        waiting = dropped - speaking
        match dropped, waiting:
            case 0, _:
                self.outbox.respond(update, "Silent. Nothing was waiting.")
            case _, 0:
                self.outbox.respond(update, "Silent. Nothing else was waiting.")
            case _:
                count = _count(waiting, "waiting message")
                self.outbox.respond(update, f"Silent. {count} dropped.")

    async def status(self, update: Update, _: Any) -> None:
        """Show whether Crier speaks, how, and what is wrong."""
        status = self.pipeline.status()
        waiting = self.delivery.under_way_count - status.speaking
        user_id = update.effective_user.id if update.effective_user else 0
        style = await self.preferences.style(user_id)
        first, voice = status.first_sound_ms, style.voice
        lines = [
            f"{'Paused' if self.delivery.paused else 'Speaking' if status.speaking else 'Idle'}. "
            + (f"{_count(waiting, 'message')} waiting." if waiting > 0 else "Nothing waits."),
            f"Voice: {voice} ({describe(voice)}), speed {style.speed:g}",
            f"Device: {status.device or 'not used yet'}",
            "Last time to first sound: " + (f"{first / 1000:.1f} s" if first else "none yet"),
            f"Underruns since the start: {status.underruns}",
        ]
        if elsewhere := self._elsewhere():
            lines.insert(1, elsewhere)
        if until := self.output.night_until():
            percent = await self.output.volume_percent()
            lines.append(f"Volume: {percent} % until {until}")
        if reason := self.delivery.quiet_reason():
            lines.insert(1, f"{reason} {_count(self.delivery.held_count, 'message')} kept.")
        if self.delivery.paused:
            lines.insert(1, "/resume goes on.")
        warnings = (
            status.warning,
            status.unheard,
            self.notice,
            self.source.warning,
            self.source.clock_warning,
            *self.delivery.warnings.values(),
        )
        lines += [f"Warning: {warning}" for warning in warnings if warning]
        if status.last_error:
            lines.append(f"Last error: {status.last_error}")
        self.outbox.respond(update, "\n".join(lines))

    async def skip(self, update: Update, _: Any) -> None:
        """End the current message; the next one follows."""
        under_way = self.delivery.under_way_count
        self.pipeline.skip()
        match under_way:
            case 0:
                self.outbox.respond(update, "Nothing is being said.")
            case 1:
                self.outbox.respond(update, "Skipped. Nothing else waits.")
            case _:
                self.outbox.respond(update, "Skipped.")

    async def pause(self, update: Update, _: Any) -> None:
        """Fall silent and drop nothing."""
        await self.delivery.pause()
        self.outbox.respond(update, "Paused. /resume goes on, /stop forgets.")

    async def resume(self, update: Update, _: Any) -> None:
        """Continue after a pause."""
        was_paused = await self.delivery.resume()
        self.outbox.respond(update, "Going on." if was_paused else "I was not paused.")

    async def replay(self, update: Update, _: Any) -> None:
        """Repeat the last message of this chat."""
        if update.effective_chat:
            self.outbox.respond(update, await self._replay(update.effective_chat.id))

    async def _replay(self, chat_id: int) -> str:
        repeated = await self.intake.replay(chat_id)
        return "Saying it again." if repeated else "There is nothing to say again."

    async def queue(self, update: Update, _: Any) -> None:
        """List the sender's messages from this chat, and count the others.

        A text is shown only to its sender, and only in the chat that it came from: in a group
        everybody reads the answer.
        """
        chat, user = update.effective_chat, update.effective_user
        if chat is None or user is None:
            return
        places = self.delivery.queue.places()
        own = [p for p in places if (p.message.chat_id, p.message.user_id) == (chat.id, user.id)]
        marks = {"sounding": " (now)", "held": " (held)"}
        lines = [
            f"{place.position}. {_short(place.message.shown_text)}{marks.get(place.state, '')}"
            for place in own[:_LISTED]
        ]
        if len(own) > len(lines):
            lines.append(f"… and {len(own) - len(lines)} more of yours")
        if others := len(places) - len(own):
            count = "1 message" if others == 1 else f"{others} messages"
            lines.append(f"{count} from other people, chats or programs.")
        if self.delivery.paused:
            lines.insert(0, "Paused. /resume goes on.")
        if elsewhere := self._elsewhere():
            lines.append(elsewhere)
        self.outbox.respond(update, "\n".join(lines) or "Nothing waits.")

    def _elsewhere(self) -> str:
        """Return how many messages are for other rooms; empty if there are none."""
        rooms = self.delivery.rooms
        count = rooms.waiting_count() if rooms is not None else 0
        return f"{_count(count, 'message')} in other rooms: /rooms" if count else ""

    # ---- volume and speed ----

    async def volume(self, update: Update, context: Any) -> None:
        """Show or change the volume, which is applied in addition to the computer's."""
        given = (context.args or [""])[0].rstrip("%")
        now = await self.output.volume_percent()
        if not given:
            self.outbox.respond(
                update,
                f"The volume is {now} %{self._tonight()}. Change it like this: /volume 80",
            )
        elif not given.isdecimal() or not 0 <= int(given) <= LOUDEST_PERCENT:
            self.outbox.respond(
                update, f"The volume is 0 to {LOUDEST_PERCENT}, such as: /volume 80"
            )
        else:
            self.outbox.respond(update, await self._set_volume(int(given)))

    async def _set_volume(self, percent: int) -> str:
        return f"Volume {await self.output.set_volume(percent)} %{self._tonight()}."

    def _tonight(self) -> str:
        """Return until when a volume applies, as the end of a sentence; empty by day."""
        until = self.output.night_until()
        return until and f" until {until}, as it is night"

    async def speed(self, update: Update, context: Any) -> None:
        """Show or change the speed of a person's messages."""
        user_id = update.effective_user.id if update.effective_user else 0
        word = (context.args or [""])[0]
        if word.casefold() == "reset":
            await self.preferences.choose(user_id, SPEED, "")
            now = (await self.preferences.style(user_id)).speed
            answer = f"Speed {now:g}, as in the settings, from your next message on."
            self.outbox.respond(update, answer)
            return
        given = word.rstrip("x×").replace(",", ".")
        now = (await self.preferences.style(user_id)).speed
        try:
            requested = float(given) if given else None
        except ValueError:
            requested = math.nan
        if requested is None:
            self.outbox.respond(
                update,
                f"The speed is {now:g}. Change it like this: /speed 1.2, or /speed reset to follow "
                "the settings.",
            )
        elif not SLOWEST <= requested <= FASTEST:
            self.outbox.respond(
                update, f"The speed is {SLOWEST:g} to {FASTEST:g}, such as: /speed 1.2"
            )
        else:
            self.outbox.respond(update, await self._set_speed(user_id, requested))

    async def _set_speed(self, user_id: int, speed: float) -> str:
        speed = round(max(SLOWEST, min(FASTEST, speed)), 2)
        await self.preferences.choose(user_id, SPEED, f"{speed:g}")
        return f"Speed {speed:g}, from your next message on."

    # ---- the buttons of the status message ----

    async def press(self, press: Press) -> None:
        """Carry out a button of the status message."""
        answer = await self._carry_out(press)
        self.outbox.answer(press.chat_id, press.query_id, answer)

    async def _carry_out(self, press: Press) -> str:
        """Carry out a button; return its answer."""
        data = status_message.button_of(press.data)
        match data:
            case status_message.STOP:
                await self.delivery.stop()
                return "Silent."
            case status_message.SKIP:
                self.pipeline.skip()
                return "Skipped."
            case status_message.PAUSE:
                await self.delivery.pause()
                return "Paused."
            case status_message.RESUME:
                await self.delivery.resume()
                return "Going on."
            case status_message.LOUDER | status_message.SOFTER:
                louder = data == status_message.LOUDER
                step = _VOLUME_STEP_PERCENT if louder else -_VOLUME_STEP_PERCENT
                return await self._set_volume(await self.output.volume_percent() + step)
            case status_message.SLOWER | status_message.FASTER:
                speed_step = _SPEED_STEP if data == status_message.FASTER else -_SPEED_STEP
                now = (await self.preferences.style(press.user_id)).speed
                return await self._set_speed(press.user_id, now + speed_step)
            case status_message.REPLAY:
                return await self._replay(press.chat_id)
        return ""

    # ---- quiet ----

    async def mute(self, update: Update, context: Any) -> None:
        """Mute for a while, or until /unmute; messages are held meanwhile."""
        given = " ".join(context.args or ())
        span_s = mute_s(given, dt.datetime.now().astimezone())
        if span_s is None:
            self.outbox.respond(
                update, "For how long? Such as: /mute 2h, /mute until 7:00, or /mute alone."
            )
            return
        await self.delivery.mute(time.time() + span_s)
        self.outbox.respond(update, f"{self.delivery.quiet_reason()} What comes meanwhile is kept.")

    async def unmute(self, update: Update, _: Any) -> None:
        """End a /mute, and speak the held messages."""
        await self.delivery.mute(0)
        reason = self.delivery.quiet_reason()
        self.outbox.respond(update, f"Unmuted. {reason}".strip())

    # ---- words ----

    async def pronounce(self, update: Update, context: Any) -> None:
        """Teach, list or forget pronunciations."""
        given = " ".join(context.args or ())
        word, equals, pronunciation = (part.strip() for part in given.partition("="))
        try:
            if not given:
                known = await self.store.pronunciations()
                lines = [f"{taught} = {spoken}" for taught, spoken in sorted(known.items())]
                lines.append(
                    "Teach me like this: /pronounce Nguyen = win, or in sounds: "
                    "/pronounce Nguyen = /wˈɪn/"
                )
                self.outbox.respond(update, "\n".join(lines))
            elif not equals or not word:
                self.outbox.respond(
                    update, "Like this: /pronounce Nguyen = win. Forget: /pronounce Nguyen ="
                )
            else:
                given_sounds = inline.in_slashes(pronunciation)
                if given_sounds is not None:
                    pronunciation = f"/{inline.sounds(given_sounds)}/"
                await self.store.pronounce(word, pronunciation)
                said = pronunciation if given_sounds is not None else f"“{pronunciation}”"
                self.outbox.respond(
                    update, f"I say {word} as {said}." if pronunciation else f"Forgot {word}."
                )
        except inline.SoundsError as exc:
            self.outbox.respond(update, f"{exc}. The alphabet is in docs/pronunciation.md.")
        except sqlite3.Error as exc:
            self.outbox.respond(
                update, f"I could not store that ({exc}). Make room on the computer's disk."
            )


def _short(text: str) -> str:
    """Return the start of a text, on one line."""
    text = " ".join(text.split()) or "a recording"
    return text if len(text) <= _LISTED_CHARS else f"{text[: _LISTED_CHARS - 3]}…"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")

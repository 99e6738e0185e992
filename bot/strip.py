"""One message a burst that tells what is being said, with buttons under it.

It comes when a burst lasts long enough to be worth steering, is edited at most once a second and
only when something changed, and ends as a sentence. Runs on the event loop.
"""

import asyncio
import logging
import time
from dataclasses import dataclass
from typing import Any

from telegram import InlineKeyboardButton, InlineKeyboardMarkup, Message

from audio.pipeline import SpeechPipeline
from bot.delivery import Burst, Delivery
from bot.receipts import Outbox

log = logging.getLogger(__name__)

EVERY_S = 1.0
"""Telegram takes about one edit a second in a chat."""
_GROUP_EVERY_S = 5.0
_AFTER_S = 3.0
_WORTH_S = 4.0  # a burst that is nearly over needs no buttons

STOP, SKIP, PAUSE, RESUME = "strip:stop", "strip:skip", "strip:pause", "strip:resume"
LOUDER, SOFTER, SLOWER, FASTER = "strip:louder", "strip:softer", "strip:slower", "strip:faster"
REPLAY = "strip:replay"


@dataclass(slots=True)
class _Shown:
    """What a chat sees of a burst."""

    burst: Burst
    message_id: int = 0  # 0: on its way
    text: str = ""
    edited_s: float = 0.0


class Strip:
    """Keeps each chat's message true."""

    def __init__(self, pipeline: SpeechPipeline, delivery: Delivery, outbox: Outbox) -> None:
        """Show nothing yet."""
        self._pipeline = pipeline
        self._delivery = delivery
        self._outbox = outbox
        self._shown: dict[int, _Shown] = {}

    async def run(self) -> None:
        """Keep it true until cancelled."""
        while True:
            await asyncio.sleep(EVERY_S)
            try:
                self.look()
            except Exception:  # a wrong word there must not end the others
                log.exception("Mistake in the status message")

    def look(self) -> None:
        """Send, edit or end what has to be."""
        for chat_id, burst in self._delivery.bursts().items():
            shown = self._shown.get(chat_id)
            if shown is not None and shown.burst is not burst:
                self._end(chat_id)
                shown = None
            text = self._describe(burst)
            if shown is None:
                left_s = self._delivery.left_s(chat_id)
                if burst.age_s > _AFTER_S and left_s > _WORTH_S:
                    self._send(chat_id, burst, text)
            elif shown.message_id and shown.text != text and self._may_edit(chat_id, shown):
                shown.text, shown.edited_s = text, time.monotonic()
                self._outbox.edit(chat_id, shown.message_id, text, self._buttons())
        for chat_id in [c for c in self._shown if c not in self._delivery.bursts()]:
            self._end(chat_id)

    def _may_edit(self, chat_id: int, shown: _Shown) -> bool:
        """Say whether it is time for an edit: a group takes 20 messages a minute, edits too."""
        return chat_id > 0 or time.monotonic() - shown.edited_s > _GROUP_EVERY_S

    def _send(self, chat_id: int, burst: Burst, text: str) -> None:
        shown = self._shown[chat_id] = _Shown(burst, text=text)

        async def sent(answer: Any) -> None:
            if isinstance(answer, Message):
                shown.message_id = answer.message_id
                if self._shown.get(chat_id) is not shown:
                    self._outbox.edit(chat_id, shown.message_id, _summary(burst), _again())

        self._outbox.reply(chat_id, text, keyboard=self._buttons(), then=sent)

    def _end(self, chat_id: int) -> None:
        shown = self._shown.pop(chat_id)
        if shown.message_id:
            self._outbox.edit(chat_id, shown.message_id, _summary(shown.burst), _again())

    def _describe(self, burst: Burst) -> str:
        status = self._pipeline.status()
        which = f"{min(burst.ended + 1, burst.total)} of {burst.total}"
        if status.paused:
            return f"Paused at {which}."
        if reason := self._delivery.quiet_reason():
            return f"{burst.total - burst.ended} held. {reason}"
        if status.speaking_id not in burst.ids:
            return f"{burst.total - burst.ended} waiting for their turn."
        left_s = round(self._delivery.left_s(burst.chat_id))
        return f"Speaking {which}, {_duration(left_s)} left, on {status.device}."

    def _buttons(self) -> InlineKeyboardMarkup:
        paused = self._pipeline.status().paused
        rows = [
            [("Resume", RESUME) if paused else ("Pause", PAUSE), ("Skip", SKIP), ("Stop", STOP)],
            [("Softer", SOFTER), ("Louder", LOUDER), ("Slower", SLOWER), ("Faster", FASTER)],
        ]
        return _keyboard(rows)


def _again() -> InlineKeyboardMarkup:
    return _keyboard([[("Say it again", REPLAY)]])


def _keyboard(rows: list[list[tuple[str, str]]]) -> InlineKeyboardMarkup:
    return InlineKeyboardMarkup(
        [[InlineKeyboardButton(label, callback_data=data) for label, data in row] for row in rows]
    )


def _summary(burst: Burst) -> str:
    heard = burst.heard
    cut = burst.ended - heard
    said = f"Heard {heard} message{'' if heard == 1 else 's'}"
    return f"{said}, {cut} not to the end." if cut else f"{said}."


def _duration(seconds: int) -> str:
    minutes, seconds = divmod(seconds, 60)
    return f"{minutes} min {seconds} s" if minutes else f"{seconds} s"

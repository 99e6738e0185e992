"""One message for each burst that shows what is being spoken, with buttons under it.

It is sent when a burst lasts long enough for the buttons to be useful. It is edited at once when
something important changes, and occasionally while only time passes; at the end it becomes a
summary. Telegram has blocked bots for minutes that edited every second or two. The message is
stored, so that it can be continued or ended after a restart. Runs on the event loop.
"""

import asyncio
import logging
import math
import re
import sqlite3
import time
from dataclasses import dataclass, field
from typing import Any

from telegram import InlineKeyboardButton, InlineKeyboardMarkup, Message
from telegram.constants import KeyboardButtonStyle

from audio.pipeline import SpeechPipeline
from bot.chat.buttons import Press
from bot.chat.outbox import Outbox
from bot.core.delivery import Delivery
from bot.core.inbox import Inbox
from bot.core.message import Conversation, StatusMessageId
from bot.core.queue import Burst

log = logging.getLogger(__name__)

EVERY_S = 1.0
"""How often to check for changes."""
_PROGRESS_EVERY_S = 5.0
_GROUP_PROGRESS_EVERY_S = 15.0  # a group takes 20 messages a minute, edits too
_EAGER_S = 5.0  # after a press, its effect is shown as soon as it is known
_AFTER_S = 3.0
_WORTH_S = 4.0  # a burst that is nearly over needs no buttons

_OVER = "Over. I was restarted; the reactions on your messages tell what was heard."
_INTERRUPTED = "Interrupted. What is left is said when I am started again."

STOP, SKIP, PAUSE, RESUME = "status:stop", "status:skip", "status:pause", "status:resume"
LOUDER, SOFTER, SLOWER, FASTER = "status:louder", "status:softer", "status:slower", "status:faster"
REPLAY = "status:replay"

_STYLES = {STOP: KeyboardButtonStyle.DANGER, RESUME: KeyboardButtonStyle.SUCCESS}
"""Red and green, in Telegram's apps since February 2026; older ones show them like the others."""

PATTERN = r"^(?:status|strip):"
"""Matches the callback data of these buttons, also of older versions: ``strip:stop``."""


@dataclass(frozen=True, slots=True)
class _Content:
    """What a status message shows about a burst."""

    key: str
    """Changes when something important does, but not while only time passes."""
    text: str


@dataclass(slots=True)
class _Shown:
    """A burst and its status message."""

    burst: Burst
    message: StatusMessageId | None = None
    """None: on its way, or deleted."""
    content: _Content | None = None
    edited_s: float = field(default_factory=time.monotonic)


class StatusMessage:
    """Keeps the status message of each conversation up to date."""

    def __init__(
        self,
        pipeline: SpeechPipeline,
        delivery: Delivery,
        outbox: Outbox,
        inbox: Inbox,
        bot_id: int,
    ) -> None:
        """Show nothing yet."""
        self._pipeline = pipeline
        self._delivery = delivery
        self._outbox = outbox
        self._inbox = inbox
        self._bot_id = bot_id
        self._shown: dict[Conversation, _Shown] = {}
        self._pressed_s: dict[Conversation, float] = {}
        self._closed = False

    async def pressed(self, press: Press) -> None:
        """Show the effect of a button soon."""
        self._pressed_s[press.chat_id, press.thread_id] = time.monotonic()

    async def restore(self) -> None:
        """Continue or end the status messages of an earlier run.

        Call it after `Delivery.restore`, which queues the unfinished messages.
        """
        bursts = dict(self._delivery.queue.bursts())
        for message in reversed(await self._inbox.list_status_messages(self._bot_id)):
            burst = bursts.pop((message.chat_id, message.thread_id), None)
            if burst is None:
                self._edit_to_end(message, _OVER, None)
            else:
                shown = _Shown(burst, message, edited_s=-math.inf)
                self._shown[burst.conversation] = shown

    async def run(self) -> None:
        """Update the messages until cancelled."""
        while True:
            await asyncio.sleep(EVERY_S)
            try:
                self.update()
            except Exception:  # an error in one must not end the others
                log.exception("Unexpected error in the status message")

    def update(self) -> None:
        """Send, edit or end each message as needed."""
        bursts = self._delivery.queue.bursts()
        for conversation, burst in bursts.items():
            shown = self._shown.get(conversation)
            if shown is not None and shown.burst is not burst:
                self._end(conversation)
                shown = None
            content = self._describe(burst)
            if shown is None:
                left_s = self._delivery.queue.left_s(burst)
                if burst.age_s > _AFTER_S and left_s > _WORTH_S:
                    self._send(burst, content)
            elif shown.message is not None and self._is_due(conversation, shown, content):
                self._edit(shown, shown.message, content)
        for conversation in [key for key in self._shown if key not in bursts]:
            self._end(conversation)

    def close(self) -> None:
        """Remove the buttons, which have no effect until the next start."""
        self._closed = True
        for shown in self._shown.values():
            if shown.message is not None:
                self._interrupt(shown.message)
        self._shown.clear()

    def _interrupt(self, message: StatusMessageId) -> None:
        self._outbox.edit(message.chat_id, message.message_id, _INTERRUPTED, None)

    def _is_due(self, conversation: Conversation, shown: _Shown, content: _Content) -> bool:
        """Whether it is time to show a change."""
        if shown.content is None or content.key != shown.content.key:
            return True
        now_s = time.monotonic()
        eager = now_s - self._pressed_s.get(conversation, -math.inf) < _EAGER_S
        chat_id, _ = conversation
        every_s = _GROUP_PROGRESS_EVERY_S if chat_id < 0 else _PROGRESS_EVERY_S
        return content != shown.content and (eager or now_s - shown.edited_s >= every_s)

    def _send(self, burst: Burst, content: _Content) -> None:
        conversation = chat_id, thread_id = burst.conversation
        shown = self._shown[conversation] = _Shown(burst, content=content)

        async def sent(answer: Any) -> None:
            if not isinstance(answer, Message):
                return  # refused: this burst has no status message
            # Its chat is the supergroup if the group has become one meanwhile.
            message = StatusMessageId(answer.chat_id, answer.message_id, thread_id)
            shown.message = message
            try:
                await self._inbox.store_status_message(self._bot_id, message)
            except sqlite3.Error as exc:
                log.error("A status message can't be stored: %s", exc)  # noqa: TRY400
            if self._closed:
                self._interrupt(message)
            elif self._shown.get(conversation) is not shown:
                self._edit_to_end(message, _summary(burst), _replay_button())

        keyboard = self._buttons()
        self._outbox.reply(
            chat_id, content.text, thread_id=thread_id, keyboard=keyboard, on_answer=sent
        )

    def _edit(self, shown: _Shown, message: StatusMessageId, content: _Content) -> None:
        ids = message.chat_id, message.message_id

        async def edited(answer: Any) -> None:
            if answer is None:  # for example because it was deleted
                shown.message = None
                await self._inbox.remove_status_message(self._bot_id, *ids)

        shown.content, shown.edited_s = content, time.monotonic()
        self._outbox.edit(*ids, content.text, self._buttons(), on_answer=edited, asked_for=False)

    def _end(self, conversation: Conversation) -> None:
        shown = self._shown.pop(conversation)
        self._pressed_s.pop(conversation, None)
        if shown.message is not None:
            self._edit_to_end(shown.message, _summary(shown.burst), _replay_button())

    def _edit_to_end(
        self, message: StatusMessageId, text: str, keyboard: InlineKeyboardMarkup | None
    ) -> None:
        """Show the end in a status message; the edit is owed until Telegram has answered."""
        ids = message.chat_id, message.message_id

        async def ended(_: Any) -> None:
            await self._inbox.remove_status_message(self._bot_id, *ids)

        self._outbox.edit(*ids, text, keyboard, on_answer=ended, asked_for=False)

    def _describe(self, burst: Burst) -> _Content:
        status = self._pipeline.status()
        number = min(burst.ended + 1, burst.total)
        remaining = burst.total - burst.ended
        if self._delivery.paused:
            return _Content("paused", f"Paused at {number} of {burst.total}.")
        if reason := self._delivery.quiet_reason():
            return _Content(reason, f"{remaining} held. {reason}")
        if status.blocked and not status.speaking:
            return _Content("blocked", f"{remaining} held: no loudspeaker plays just now.")
        key = f"on {status.device}"  # the turn changes too often to be shown at once
        if status.speaking_id is not None and status.speaking_id not in burst.ids:
            return _Content(key, f"{remaining} waiting for their turn.")
        time_left = roughly(self._delivery.queue.left_s(burst))
        device = f", {key}" if status.device else ""
        return _Content(key, f"Speaking {number} of {burst.total}, {time_left} left{device}.")

    def _buttons(self) -> InlineKeyboardMarkup:
        paused = self._delivery.paused
        rows = [
            [("Resume", RESUME) if paused else ("Pause", PAUSE), ("Skip", SKIP), ("Stop", STOP)],
            [("Softer", SOFTER), ("Louder", LOUDER), ("Slower", SLOWER), ("Faster", FASTER)],
        ]
        return _keyboard(rows)


def button_of(data: str) -> str:
    """Return the callback data of a button as this version writes it."""
    return re.sub(r"^strip:", "status:", data)


def _replay_button() -> InlineKeyboardMarkup:
    return _keyboard([[("Say it again", REPLAY)]])


def _keyboard(rows: list[list[tuple[str, str]]]) -> InlineKeyboardMarkup:
    return InlineKeyboardMarkup(
        [
            [
                InlineKeyboardButton(label, callback_data=data, style=_STYLES.get(data))
                for label, data in row
            ]
            for row in rows
        ]
    )


def _summary(burst: Burst) -> str:
    heard = burst.heard
    cut = burst.ended - heard
    counted = f"Heard {heard} message{'' if heard == 1 else 's'}"
    return f"{counted}, {cut} not to the end." if cut else f"{counted}."


def roughly(seconds: float) -> str:
    """Return a duration in words, rounded so that a countdown does not change every second."""
    if seconds >= 90:  # noqa: PLR2004
        return f"about {round(seconds / 60)} min"
    if seconds > 10:  # noqa: PLR2004
        return f"about {math.ceil(seconds / 10) * 10} s"
    return "a few seconds"

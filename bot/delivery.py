"""A stored message -> the pipeline -> its outcome -> its receipt. Runs on the event loop."""

import asyncio
import logging
import sqlite3
from typing import Any

from telegram import InlineKeyboardButton, InlineKeyboardMarkup
from telegram.constants import ReactionEmoji

from audio.pace import Pace, letters
from audio.pipeline import SpeechPipeline
from audio.types import Ended, Fact, Held, Outcome, SentenceHeard, Utterance
from bot import inbox as states
from bot import receipts
from bot.inbox import Inbox, Message
from bot.receipts import Outbox
from bot.settings import Settings

log = logging.getLogger(__name__)

_REACTIONS = {
    Outcome.HEARD: receipts.HEARD,
    Outcome.STOPPED: receipts.CUT,
    Outcome.SKIPPED: receipts.CUT,
    Outcome.FAILED: receipts.FAILED,
}

# Late messages come in a burst; this long after the last of them their sender is asked.
_BURST_S = 1.0
LATE_ALL, LATE_LAST, LATE_NONE = "late:all", "late:last", "late:none"


class Delivery:
    """Sees each accepted message through to its end and tells its sender."""

    def __init__(
        self,
        pipeline: SpeechPipeline,
        inbox: Inbox,
        outbox: Outbox,
        settings: Settings,
        bot_id: int,
    ) -> None:
        """Begin with nothing under way."""
        self._pipeline = pipeline
        self._inbox = inbox
        self._outbox = outbox
        self._settings = settings
        self._bot_id = bot_id
        self._under_way: dict[int, Message] = {}
        self._facts: asyncio.Queue[Fact] = asyncio.Queue()
        self._told_held: set[int] = set()  # chats that know why nothing sounds
        self._offers: dict[int, asyncio.TimerHandle] = {}  # by chat
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def under_way(self) -> int:
        """How many accepted messages have not ended."""
        return len(self._under_way)

    def waiting(self, chat_id: int) -> tuple[int, float]:
        """Return how many messages of a chat have not ended, and how long they last, in seconds."""
        texts = [m.text for m in self._under_way.values() if m.chat_id == chat_id]
        speed = self._settings.kokoro_speed
        return len(texts), sum(Pace().audio_s(letters(text), speed) for text in texts)

    def submit(self, message: Message) -> None:
        """Have a stored message spoken in its turn."""
        self._under_way[message.id] = message
        self._outbox.react(message.chat_id, message.message_id, receipts.STORED)
        self._pipeline.say(
            Utterance(
                message.id,
                message.text,
                self._settings.kokoro_voice,
                self._settings.kokoro_speed,
                self._settings.lang,
                message.sentence,
            )
        )

    async def resume(self) -> None:
        """Go on with what an earlier life of the process left: messages, receipts, questions."""
        for message, reaction, reason in await self._inbox.owed(self._bot_id):
            self._tell_end(message, reaction, reason)
        left = await self._inbox.unfinished(self._bot_id)
        if left:
            late_after_s = self._settings.late_after_s
            idle_s = await self._inbox.idle_s(self._bot_id)
            if late_after_s and idle_s > late_after_s:
                log.info("%d message(s) waited %.0f s for a start; asking first", len(left), idle_s)
                for message in left:
                    await self._inbox.mark(message.id, states.LATE)
            else:
                log.info("Going on with %d message(s) from before the restart", len(left))
                for message in left:
                    self.submit(message)
        for chat_id in await self._inbox.not_offered(self._bot_id):
            self._ask_soon(chat_id)

    async def stop(self) -> None:
        """Fall silent and forget what waits, also where the audio thread is past listening."""
        self._pipeline.abort()
        try:
            # On the disk at once, so that a restart does not speak what was stopped.
            await self._inbox.end_all(self._bot_id, Outcome.STOPPED, receipts.CUT)
        except sqlite3.Error as exc:
            log.error("A stop can't be stored: %s", exc)  # noqa: TRY400

    # ---- messages that came late ----

    def set_late(self, message: Message) -> None:
        """Keep a message that is too old to be spoken unasked; its sender is asked soon."""
        self._outbox.react(message.chat_id, message.message_id, receipts.HELD)
        self._ask_soon(message.chat_id)

    def _ask_soon(self, chat_id: int) -> None:
        if earlier := self._offers.pop(chat_id, None):
            earlier.cancel()
        loop = asyncio.get_running_loop()
        self._offers[chat_id] = loop.call_later(_BURST_S, self._ask_now, chat_id)

    def _ask_now(self, chat_id: int) -> None:
        del self._offers[chat_id]
        task = asyncio.get_running_loop().create_task(self._ask(chat_id))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _ask(self, chat_id: int) -> None:
        """Ask what shall become of the late messages of a chat."""
        late = await self._inbox.late(self._bot_id, chat_id)
        if not late:
            return

        async def asked(_: Any) -> None:
            for message in late:
                await self._inbox.mark(message.id, states.OFFERED)

        one = len(late) == 1
        came = "1 message came" if one else f"{len(late)} messages came"
        buttons = [("Say it" if one else "Say all", LATE_ALL), ("No", LATE_NONE)]
        if not one:
            buttons.insert(1, ("Only the latest", LATE_LAST))
        keyboard = InlineKeyboardMarkup(
            [[InlineKeyboardButton(label, callback_data=data) for label, data in buttons]]
        )
        text = f"{came} while I was away. Shall I say {'it' if one else 'them'}?"
        self._outbox.reply(chat_id, text, keyboard=keyboard, then=asked)

    async def decide(self, chat_id: int, choice: str) -> str:
        """Do with the late messages of a chat as was chosen; return what to say about it."""
        late = await self._inbox.late(self._bot_id, chat_id)
        if not late:
            return "Nothing waits for a decision any more."
        said = {LATE_ALL: late, LATE_LAST: late[-1:]}.get(choice, [])
        for message in late:
            if message in said:
                await self._inbox.mark(message.id, states.WAITING)
                self.submit(message)
            else:
                await self._inbox.end(message.id, Outcome.SKIPPED, receipts.CUT)
                self._tell_end(message, receipts.CUT, "")
        if not said:
            return "Left unsaid."
        return "Saying it now." if len(said) == 1 else f"Saying {len(said)} messages now."

    # ---- facts ----

    def note(self, fact: Fact) -> None:
        """Take a fact from the pipeline. Runs on: event loop (by call_soon_threadsafe)."""
        self._facts.put_nowait(fact)

    async def run(self) -> None:
        """Turn facts into records and receipts until cancelled."""
        while True:
            fact = await self._facts.get()
            message = self._under_way.get(fact.id)
            try:
                if message is not None:
                    await self._record(fact)
                    self._tell(message, fact)
            except Exception:  # the next receipt must not suffer from this one
                log.exception("Mistake in a receipt")
            finally:
                self._facts.task_done()

    async def drain(self) -> None:
        """Return when every fact that is there has become a record and a receipt."""
        await self._facts.join()

    async def _record(self, fact: Fact) -> None:
        try:
            match fact:
                case SentenceHeard(id_, sentence):
                    await self._inbox.sentence_heard(id_, sentence)
                case Held(id_, _):
                    await self._inbox.mark(id_, states.HELD)
                case Ended(id_, outcome, reason):
                    owed = reason if outcome is Outcome.FAILED else ""
                    await self._inbox.end(id_, outcome, _REACTIONS[outcome], owed)
        except sqlite3.Error as exc:
            # The receipt is true all the same; a restart may say the message once more.
            log.error("A message's state can't be stored: %s", exc)  # noqa: TRY400

    def _tell(self, message: Message, fact: Fact) -> None:
        match fact:
            case Held(_, reason):
                self._outbox.react(message.chat_id, message.message_id, receipts.HELD)
                if message.chat_id not in self._told_held:
                    self._told_held.add(message.chat_id)
                    self._outbox.reply(message.chat_id, reason, to=message.message_id)
            case Ended():
                del self._under_way[message.id]
                self._told_held.clear()
                reason = fact.reason if fact.outcome is Outcome.FAILED else ""
                self._tell_end(message, _REACTIONS[fact.outcome], reason)
                log.info(
                    "Message %d: %s, %d characters, %.1f s of sound on %s%s",
                    message.id,
                    fact.outcome,
                    len(message.text),
                    fact.audio_s,
                    fact.device or "no device",
                    f" ({', '.join(fact.files)})" if fact.files else "",
                )

    def _tell_end(self, message: Message, reaction: str, reason: str) -> None:
        """Give the last receipt, which is owed until Telegram has answered."""

        async def reacted(_: Any) -> None:
            await self._inbox.reacted(message.id, reaction)

        async def replied(_: Any) -> None:
            await self._inbox.replied(message.id)

        emoji = ReactionEmoji(reaction)
        self._outbox.react(message.chat_id, message.message_id, emoji, then=reacted)
        if reason:
            self._outbox.reply(message.chat_id, reason, to=message.message_id, then=replied)

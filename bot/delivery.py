"""A stored message -> the pipeline -> its outcome -> its receipt. Runs on the event loop."""

import asyncio
import logging
import sqlite3

from audio.pipeline import SpeechPipeline
from audio.types import Ended, Fact, Held, Outcome, SentenceHeard, Utterance
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


class Delivery:
    """Sees each accepted message through to its end and tells its sender."""

    def __init__(
        self, pipeline: SpeechPipeline, inbox: Inbox, outbox: Outbox, settings: Settings
    ) -> None:
        """Begin with nothing under way."""
        self._pipeline = pipeline
        self._inbox = inbox
        self._outbox = outbox
        self._settings = settings
        self._under_way: dict[int, Message] = {}
        self._facts: asyncio.Queue[Fact] = asyncio.Queue()
        self._told_held: set[int] = set()  # chats that know why nothing sounds

    @property
    def under_way(self) -> int:
        """How many accepted messages have not ended."""
        return len(self._under_way)

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

    async def resume(self, bot_id: int) -> None:
        """Submit what an earlier life of the process left unfinished."""
        left = await self._inbox.unfinished(bot_id)
        if left:
            log.info("Going on with %d message(s) from before the restart", len(left))
        for message in left:
            self.submit(message)

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
                    await self._inbox.mark(id_, "held")
                case Ended(id_, outcome):
                    await self._inbox.mark(id_, outcome)
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
                reaction = _REACTIONS[fact.outcome]
                self._outbox.react(message.chat_id, message.message_id, reaction)
                if fact.outcome is Outcome.FAILED:
                    self._outbox.reply(message.chat_id, fact.reason, to=message.message_id)
                log.info(
                    "Message %d: %s, %d characters, %.1f s of sound on %s%s",
                    message.id,
                    fact.outcome,
                    len(message.text),
                    fact.audio_s,
                    fact.device or "no device",
                    f" ({', '.join(fact.files)})" if fact.files else "",
                )

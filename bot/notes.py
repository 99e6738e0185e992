"""Texts as voice notes, sent to the chat; nothing sounds here. Runs on the event loop."""

import asyncio
import io
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from telegram import Update
from telegram.ext import Application, CommandHandler

from audio.pipeline import SpeechPipeline
from audio.reading import pronounce
from audio.text import speakable
from audio.types import SAMPLE_RATE_HZ, AudioError, Samples, Utterance
from bot.chat.kinds import words_of
from bot.compose import compose, nothing_to_say
from bot.composing import composing
from bot.inbox import Inbox
from bot.preferences import Preferences
from bot.receipts import Outbox

log = logging.getLogger(__name__)

Context = Any  # python-telegram-bot's CallbackContext

_NOTE_CHARS = 8000  # about ten minutes


@dataclass(frozen=True, slots=True)
class Notes:
    """Makes voice notes and sends them."""

    pipeline: SpeechPipeline
    inbox: Inbox
    outbox: Outbox
    preferences: Preferences

    def register(self, application: Application[Any, Any, Any, Any, Any, Any]) -> None:
        """Tell python-telegram-bot what is handled where."""
        application.add_handler(CommandHandler("note", self.note))

    async def note(self, update: Update, context: Context) -> None:
        """Send a text, or the message that is answered, back as a voice note."""
        message, user = update.effective_message, update.effective_user
        if message is None or user is None:
            return
        own = words_of(message).after_command().text
        answered = None if own else message.reply_to_message
        source = answered or message
        text = own or words_of(source).text
        manner = await self.preferences.manner(user.id, text)
        name, is_own = context.bot.username, answered is None
        composed = await composing(
            len(text), compose, source, manner.lang, name, after_command=is_own
        )
        if not speakable(composed.text):
            example = "Send the words along, such as: /note Good night. Or answer one."
            self.outbox.respond(update, nothing_to_say(composed) if composed.skipped else example)
            return
        known = await self.inbox.pronunciations()
        said = await composing(len(composed.text), pronounce, composed.text, known)
        utterance = Utterance(0, said, manner.voice, manner.speed, manner.lang)
        self.send(message.chat_id, utterance)

    def send(
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
                work = self._send(chat_id, parts, str(part or ""), then)
                asyncio.run_coroutine_threadsafe(work, loop)

        self.pipeline.render(utterance, on_sound)

    async def _send(
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


def _encode(parts: list[Samples]) -> bytes:
    """Return sound as OGG/Opus. Blocks."""
    import soundfile  # noqa: PLC0415  # loads libsndfile

    note = io.BytesIO()
    with soundfile.SoundFile(note, "w", SAMPLE_RATE_HZ, 1, format="OGG", subtype="OPUS") as file:
        for part in parts:
            file.write(part)
    return note.getvalue()

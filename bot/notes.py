"""Texts as voice notes, sent to the chat; nothing sounds here. Runs on the event loop."""

import asyncio
import io
import logging
from dataclasses import dataclass, field, replace
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

NOT_TAKEN = (
    "Telegram did not take the voice note: this chat allows none from me. You can change that in "
    "Telegram's settings, under Privacy and Security, Voice Messages; in a group, an admin can."
)

_NOTE_CHARS = 8000  # about ten minutes


@dataclass(frozen=True, slots=True)
class Notes:
    """Makes voice notes and sends them."""

    pipeline: SpeechPipeline
    inbox: Inbox
    outbox: Outbox
    preferences: Preferences
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

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

    def send(self, chat_id: int, utterance: Utterance) -> None:
        """Send a text as a voice note, the first ten minutes of it, or the reason why not."""
        task = asyncio.get_running_loop().create_task(self._send(chat_id, utterance))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _send(self, chat_id: int, utterance: Utterance) -> None:
        async def taken(answer: Any) -> None:
            if answer is None:
                self.outbox.reply(chat_id, NOT_TAKEN)

        try:
            self.outbox.voice(chat_id, await self.render(utterance), taken)
        except AudioError as exc:
            self.outbox.reply(chat_id, str(exc))
        except Exception:
            log.exception("Unexpected error in a voice note")
            self.outbox.reply(chat_id, "I could not make a voice note of that; my log says why.")

    async def render(self, utterance: Utterance) -> bytes:
        """Return a text as a voice note, the first ten minutes of it: OGG/Opus.

        Raises:
            RenderingEndedError: it was stopped.
            AudioError: it can't be said.
        """
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()
        parts: list[Samples] = []

        def finish(error: AudioError | None) -> None:
            if done.done():
                return  # nobody waits for it any more
            if error is None:
                done.set_result(None)
            else:
                done.set_exception(error)

        def on_sound(part: Samples | AudioError | None) -> None:  # on the audio thread
            if isinstance(part, np.ndarray):
                parts.append(part)
            else:
                loop.call_soon_threadsafe(finish, part)

        self.pipeline.render(replace(utterance, text=utterance.text[:_NOTE_CHARS]), on_sound)
        await done
        return await asyncio.to_thread(_encode, parts)


def _encode(parts: list[Samples]) -> bytes:
    """Return sound as OGG/Opus. Blocks."""
    import soundfile  # noqa: PLC0415  # loads libsndfile

    note = io.BytesIO()
    with soundfile.SoundFile(note, "w", SAMPLE_RATE_HZ, 1, format="OGG", subtype="OPUS") as file:
        for part in parts:
            file.write(part)
    return note.getvalue()

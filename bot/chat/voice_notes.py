"""Texts as voice notes, sent to the chat; nothing sounds here.

A note that someone asked for is on the disk before it is made, and owed until Telegram has taken
it: after a restart it is made again. Runs on the event loop.
"""

import asyncio
import functools
import io
import logging
import sqlite3
from collections.abc import Coroutine
from dataclasses import replace
from typing import Any

import numpy as np
from telegram import Update
from telegram.ext import Application, CommandHandler

from audio.pipeline import SpeechPipeline
from audio.text.normalize import pronounce
from audio.text.sentences import speakable
from audio.types import (
    SAMPLE_RATE_HZ,
    AudioError,
    Outcome,
    RenderingEndedError,
    Samples,
    Utterance,
)
from bot.chat import outbox as receipts
from bot.chat.compose import compose
from bot.chat.kinds import words_of
from bot.chat.outbox import Outbox, thread_of
from bot.core.attempts import MAX_DEATHS, Attempts
from bot.core.composing import composing
from bot.core.delivery import Delivery
from bot.core.inbox import Inbox, InboxError
from bot.core.message import QueuedMessage, State
from bot.core.plain_text import nothing_to_say
from bot.core.preferences import Preferences
from bot.core.store import Store

log = logging.getLogger(__name__)

Context = Any  # python-telegram-bot's CallbackContext

NOT_TAKEN = (
    "Telegram did not take the voice note: this chat allows none from me. You can change that in "
    "Telegram's settings, under Privacy and Security, Voice Messages; in a group, an admin can."
)

NO_REPLAY = "note"
"""The file of a message that became a voice note: /replay is for what sounded."""

_NOTE_CHARS = 8000  # about ten minutes
_MISTAKE = "I could not make a voice note of that; my log says why."
_ENDED_WHILE_NOTING = "Crier ended twice while making this voice note, so I leave it out."


class VoiceNotes:
    """Makes voice notes and sends them."""

    def __init__(
        self,
        pipeline: SpeechPipeline,
        inbox: Inbox,
        store: Store,
        outbox: Outbox,
        delivery: Delivery,
        preferences: Preferences,
        attempts: Attempts,
        bot_id: int,
    ) -> None:
        """Start with none under way."""
        self.pipeline = pipeline
        self.inbox = inbox
        self.store = store
        self.outbox = outbox
        self.delivery = delivery
        self.preferences = preferences
        self.attempts = attempts
        self.bot_id = bot_id
        self._tasks: set[asyncio.Task[None]] = set()
        self._wanted: set[int] = set()  # messages whose notes are to be made or sent
        self._left: set[int] = set()  # those of an earlier life that are to be resumed
        delivery.on_stop.append(self._wanted.clear)

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
        style = await self.preferences.style(user.id, text)
        name, is_own = context.bot.username, answered is None
        composed = await composing(
            len(text), compose, source, style.lang, name, after_command=is_own
        )
        if not speakable(composed.text):
            example = "Send the words along, such as: /note Good night. Or answer one."
            self.outbox.respond(update, nothing_to_say(composed) if composed.skipped else example)
            return
        known = await self.store.pronunciations()
        said = await composing(len(composed.text), pronounce, composed.text, known)
        try:
            stored = await self.inbox.accept(
                self.bot_id,
                update.update_id,
                QueuedMessage(
                    *(0, message.chat_id, message.message_id, said),
                    user_id=user.id,
                    voice=style.voice,
                    speed=style.speed,
                    lang=style.lang,
                    file=NO_REPLAY,
                    thread_id=thread_of(message),
                ),
                State.NOTING,
            )
        except InboxError as exc:
            self.outbox.respond(update, str(exc))
            return
        if stored is not None:  # None: this update came before
            self.begin(stored)

    # ---- notes that are owed ----

    async def take_stock(self) -> None:
        """Find the notes that an earlier life owed."""
        self._left = {message.id for message in await self.inbox.noting(self.bot_id)}

    async def resume(self) -> None:
        """Make what was found, as far as nobody has stopped it since."""
        for message in await self.inbox.noting(self.bot_id):
            if message.id in self._left:
                self.begin(message)
        self._left.clear()

    async def close(self) -> None:
        """Give up what is under way; what is owed is made after the next start."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def begin(self, message: QueuedMessage) -> None:
        """Make a voice note of a stored message, and end the message when Telegram took it."""
        self._wanted.add(message.id)
        self._start(self._see_through(message))

    async def _see_through(self, message: QueuedMessage) -> None:
        key = f"note:{message.id}"
        try:
            if self.attempts.deaths(key) >= MAX_DEATHS:
                self.attempts.end(key)
                await self._fail(message, _ENDED_WHILE_NOTING)
                return
            self.attempts.begin(key)
            try:
                note = await self._render_anew(message)
            finally:
                self.attempts.end(key)
        except AudioError as exc:
            await self._fail(message, str(exc))
        except Exception:
            log.exception("Unexpected error in a voice note")
            await self._fail(message, _MISTAKE)
        else:
            self.outbox.voice(
                message.chat_id,
                note,
                functools.partial(self._taken, message),
                thread_id=message.thread_id,
                wanted=lambda: message.id in self._wanted,
            )

    async def _render_anew(self, message: QueuedMessage) -> bytes:
        utterance = replace(self.delivery.utterance(message), recording="")
        while True:
            try:
                return await self.render(utterance)
            except RenderingEndedError:  # also by a mute, which means no note
                if message.id not in self._wanted:
                    raise

    async def _taken(self, message: QueuedMessage, answer: Any) -> None:
        if message.id not in self._wanted:
            return  # stopped meanwhile
        if answer is None:
            await self._fail(message, NOT_TAKEN)
            return
        self._wanted.discard(message.id)
        await self.delivery.close(message, Outcome.HEARD, receipts.HEARD)

    async def _fail(self, message: QueuedMessage, why: str) -> None:
        if message.id not in self._wanted:
            return  # stopped meanwhile
        self._wanted.discard(message.id)
        try:
            await self.delivery.close(message, Outcome.FAILED, receipts.FAILED, why)
        except sqlite3.Error as exc:
            log.error("What became of a voice note can't be stored: %s", exc)  # noqa: TRY400

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # ---- notes of the moment ----

    def send(self, chat_id: int, utterance: Utterance, thread_id: int | None = None) -> None:
        """Send a text as a voice note, the first ten minutes of it, or the reason why not."""
        self._start(self._send(chat_id, utterance, thread_id))

    async def _send(self, chat_id: int, utterance: Utterance, thread_id: int | None) -> None:
        async def taken(answer: Any) -> None:
            if answer is None:
                self.outbox.reply(chat_id, NOT_TAKEN, thread_id=thread_id)

        try:
            note = await self.render(utterance)
            self.outbox.voice(chat_id, note, taken, thread_id=thread_id)
        except AudioError as exc:
            self.outbox.reply(chat_id, str(exc), thread_id=thread_id)
        except Exception:
            log.exception("Unexpected error in a voice note")
            self.outbox.reply(chat_id, _MISTAKE, thread_id=thread_id)

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

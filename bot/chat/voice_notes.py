"""Texts as voice notes, sent to the chat; the computer stays silent.

A requested note is on the disk before it is made, and owed until Telegram has accepted it: after a
restart it is made again. Runs on the event loop.
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

from audio.pipeline import SpeechPipeline
from audio.text import inline
from audio.types import (
    SAMPLE_RATE_HZ,
    AudioError,
    Outcome,
    RenderingCancelledError,
    Samples,
    Utterance,
)
from bot.chat.drafts import draft_of
from bot.chat.kinds import words_of
from bot.chat.outbox import Outbox
from bot.core.attempts import MAX_DEATHS, Attempts
from bot.core.delivery import Delivery
from bot.core.inbox import Inbox, InboxError
from bot.core.intake import Intake, RefusedError
from bot.core.message import QueuedMessage

log = logging.getLogger(__name__)

NOT_TAKEN = (
    "Telegram did not take the voice note: this chat allows none from me. You can change that in "
    "Telegram's settings, under Privacy and Security, Voice Messages; in a group, an admin can."
)

_NOTE_CHARS = 8000  # about ten minutes
_ERROR = "I could not make a voice note of that; my log says why."
_EXAMPLE = "Send the words along, such as: /note Good night. Or answer one."
_ENDED_WHILE_NOTING = "Crier ended twice while making this voice note, so I leave it out."


class VoiceNotes:
    """Makes voice notes and sends them."""

    def __init__(
        self,
        *,
        pipeline: SpeechPipeline,
        inbox: Inbox,
        outbox: Outbox,
        delivery: Delivery,
        intake: Intake,
        attempts: Attempts,
        bot_id: int,
    ) -> None:
        """Start with none in progress.

        Args:
            pipeline: renders the notes.
            inbox: stores which notes are owed.
            outbox: sends the notes.
            delivery: ends their messages; a stop of everything stops notes too.
            intake: accepts the texts.
            attempts: knows during which notes the process died.
            bot_id: the bot whose messages these are.
        """
        self._pipeline = pipeline
        self._inbox = inbox
        self._outbox = outbox
        self._delivery = delivery
        self._intake = intake
        self._attempts = attempts
        self._bot_id = bot_id
        self._tasks: set[asyncio.Task[None]] = set()
        self._wanted: set[int] = set()  # messages whose notes have to be made or sent
        self._to_resume: set[int] = set()  # messages of an earlier run
        delivery.on_stop.append(self._wanted.clear)

    async def note(self, update: Update, context: Any) -> None:
        """Send a text, or the message that this replies to, back as a voice note."""
        message = update.effective_message
        if message is None or update.effective_user is None:
            return
        has_words = bool(words_of(message).after_command().text)
        answered = None if has_words else message.reply_to_message
        draft = draft_of(
            update,
            message,
            bot_name=context.bot.username,
            after_command=answered is None,
            words_from=answered,
        )
        try:
            stored = await self._intake.accept(replace(draft, as_note=True))
        except RefusedError as exc:
            self._outbox.respond(update, _EXAMPLE if exc.empty else str(exc))
        except InboxError as exc:
            self._outbox.respond(update, str(exc))
        else:
            if stored is not None:  # None: this update was handled before
                self.start(stored)

    # ---- owed notes ----

    async def restore(self) -> None:
        """Find the owed notes of an earlier run."""
        self._to_resume = {
            message.id for message in await self._inbox.list_unsent_notes(self._bot_id)
        }

    async def resume(self) -> None:
        """Make the notes that `restore` found, unless they were stopped since."""
        for message in await self._inbox.list_unsent_notes(self._bot_id):
            if message.id in self._to_resume:
                self.start(message)
        self._to_resume.clear()

    async def close(self) -> None:
        """Cancel notes in progress; owed ones are made after the next start."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def start(self, message: QueuedMessage) -> None:
        """Make a voice note of a stored message, which ends when Telegram has accepted it."""
        self._wanted.add(message.id)
        self._run(self._make_and_send(message))

    async def _make_and_send(self, message: QueuedMessage) -> None:
        key = f"note:{message.id}"
        try:
            if self._attempts.deaths(key) >= MAX_DEATHS:
                self._attempts.finish(key)
                await self._fail(message, _ENDED_WHILE_NOTING)
                return
            self._attempts.start(key)
            try:
                note = await self._render_again(message)
            finally:
                self._attempts.finish(key)
        except AudioError as exc:
            await self._fail(message, str(exc))
        except Exception:
            log.exception("Unexpected error in a voice note")
            await self._fail(message, _ERROR)
        else:
            self._outbox.voice(
                message.chat_id,
                note,
                functools.partial(self._accepted, message),
                thread_id=message.thread_id,
                wanted=lambda: message.id in self._wanted,
            )

    async def _render_again(self, message: QueuedMessage) -> bytes:
        utterance = self._delivery.queue.utterance(message)
        while True:
            try:
                return await self.render(utterance)
            except RenderingCancelledError:  # a mute cancels too, but does not concern notes
                if message.id not in self._wanted:
                    raise

    async def _accepted(self, message: QueuedMessage, answer: Any) -> None:
        if message.id not in self._wanted:
            return  # stopped meanwhile
        if answer is None:
            await self._fail(message, NOT_TAKEN)
            return
        self._wanted.discard(message.id)
        await self._delivery.end_message(message, Outcome.HEARD)

    async def _fail(self, message: QueuedMessage, reason: str) -> None:
        if message.id not in self._wanted:
            return  # stopped meanwhile
        self._wanted.discard(message.id)
        try:
            await self._delivery.end_message(message, Outcome.FAILED, reason)
        except sqlite3.Error as exc:
            log.error("The outcome of a voice note can't be stored: %s", exc)  # noqa: TRY400

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # ---- unstored notes ----

    def send(self, chat_id: int, utterance: Utterance, thread_id: int | None = None) -> None:
        """Send the first ten minutes of a text as a voice note, or the reason why not."""
        self._run(self._send(chat_id, utterance, thread_id))

    async def _send(self, chat_id: int, utterance: Utterance, thread_id: int | None) -> None:
        async def accepted(answer: Any) -> None:
            if answer is None:
                self._outbox.reply(chat_id, NOT_TAKEN, thread_id=thread_id)

        try:
            note = await self.render(utterance)
            self._outbox.voice(chat_id, note, accepted, thread_id=thread_id)
        except AudioError as exc:
            self._outbox.reply(chat_id, str(exc), thread_id=thread_id)
        except Exception:
            log.exception("Unexpected error in a voice note")
            self._outbox.reply(chat_id, _ERROR, thread_id=thread_id)

    async def render(self, utterance: Utterance) -> bytes:
        """Return the first ten minutes of a text as a voice note: OGG/Opus.

        Raises:
            RenderingCancelledError: it was stopped.
            AudioError: it can't be spoken.
        """
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()
        parts: list[Samples] = []

        def finish(error: AudioError | None) -> None:
            if done.done():
                return  # cancelled
            if error is None:
                done.set_result(None)
            else:
                done.set_exception(error)

        def on_sound(part: Samples | AudioError | None) -> None:  # on the audio thread
            if isinstance(part, np.ndarray):
                parts.append(part)
            else:
                loop.call_soon_threadsafe(finish, part)

        self._pipeline.render(
            replace(utterance, text=inline.cut(utterance.text, _NOTE_CHARS)), on_sound
        )
        await done
        return await asyncio.to_thread(_encode, parts)


def _encode(parts: list[Samples]) -> bytes:
    """Encode sound as OGG/Opus. Blocks."""
    import soundfile  # noqa: PLC0415  # loads libsndfile

    note = io.BytesIO()
    with soundfile.SoundFile(note, "w", SAMPLE_RATE_HZ, 1, format="OGG", subtype="OPUS") as file:
        for part in parts:
            file.write(part)
    return note.getvalue()

"""Voice and video notes, sound and text files: fetched, made into sound or text, and queued.

The message is on the disk before its file is fetched, so that a restart fetches it again; so are
the question about a long file, which is owed until Telegram has accepted it, and the decision.
Files are fetched in parallel. They are queued in order of arrival, except that none waits longer
than `_PATIENCE_S` for earlier files of its chat. Runs on the event loop; files are read in a
separate process.
"""

import asyncio
import contextlib
import logging
import re
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from telegram import Bot, InlineKeyboardButton, InlineKeyboardMarkup, Message

from audio.cost import SynthesisCost, speech_length
from audio.text import inline
from audio.text.sentences import speakable
from audio.types import Outcome
from bot.chat.decode import (
    MAX_SOUND_S,
    PDF,
    SOUND,
    SOUND_SUFFIXES,
    TEXT,
    TOO_LONG,
    AttachmentError,
    FileText,
    first_part,
)
from bot.chat.downloads import MAX_BYTES, TOO_LARGE, Downloads
from bot.chat.extraction import extract
from bot.chat.outbox import Outbox
from bot.chat.voice_notes import VoiceNotes
from bot.core.attempts import MAX_DEATHS, Attempts
from bot.core.composing import ComposeError, run_composer
from bot.core.delivery import Delivery
from bot.core.inbox import Inbox
from bot.core.message import QueuedMessage, State
from bot.core.outcomes import discard
from bot.core.plain_text import compose_text, nothing_to_say
from bot.core.preferences import Preferences
from bot.core.receipts import Receipts

log = logging.getLogger(__name__)

_LONG_S = 90.0
_PATIENCE_S = 5.0
_READ_AT_ONCE = 2
_DETECTED_CHARS = 2000  # enough to tell a language

_ENDED_WHILE_READING = "Crier ended twice while reading this file, so I leave it out."

_UNDECIDED = (State.ASKING, State.ASKED)
_DECIDED = "That was decided already."

ALL, FIRST, NOTE, NO = "file:all:", "file:first:", "file:note:", "file:no:"


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file in a message that can become speech."""

    kind: str
    file_id: str

    def __str__(self) -> str:
        return f"{self.kind}:{self.file_id}"

    @classmethod
    def parse(cls, stored: str) -> "Attachment":
        """Parse the `str` of an attachment."""
        kind, _, file_id = stored.partition(":")
        return cls(kind, file_id)


def attachment_of(message: Message) -> Attachment | None:
    """Return the file of a message that can be played or read, if it has one.

    A picture that was sent as a file does not count.

    Raises:
        AttachmentError: it is too large, too long, or of a kind that can't be spoken.
    """
    sound = message.voice or message.audio or message.video_note or message.video
    document = message.document
    if sound is not None:
        length = sound.duration
        seconds = length.total_seconds() if hasattr(length, "total_seconds") else float(length)
        if seconds > MAX_SOUND_S:
            raise AttachmentError(TOO_LONG)
        kind, file_id, size = SOUND, sound.file_id, sound.file_size
    elif document is not None:
        kind = _kind_of(document.file_name or "", document.mime_type or "")
        if not kind:
            return None
        file_id, size = document.file_id, document.file_size
    else:
        return None
    if (size or 0) > MAX_BYTES:
        raise AttachmentError(TOO_LARGE)
    return Attachment(kind, file_id)


def _kind_of(name: str, mime: str) -> str:
    suffix = Path(name).suffix.lower()
    if mime.startswith("image/"):
        return ""
    if mime.startswith(("audio/", "video/")) or suffix in SOUND_SUFFIXES:
        return SOUND
    if suffix == ".pdf" or mime == "application/pdf":
        return PDF
    if suffix in (".txt", ".md", ".markdown", ".text", ".html", ".htm") or mime.startswith("text/"):
        return TEXT
    raise AttachmentError("I can read .txt, .md, .html and .pdf files, and play sound. Send one.")


@dataclass(eq=False, slots=True)
class _FileJob:
    """A file that is fetched, read and queued."""

    message: QueuedMessage
    task: asyncio.Task[None] | None = None
    ready: bool = False
    """Whether only queueing is left, so that it can't be cancelled any more."""
    settled: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when later files need not wait for it any more: it is queued, or takes long."""


class Attachments:
    """Takes each file to the queue."""

    def __init__(
        self,
        *,
        bot: Bot,
        inbox: Inbox,
        outbox: Outbox,
        receipts: Receipts,
        delivery: Delivery,
        preferences: Preferences,
        notes: VoiceNotes,
        attempts: Attempts,
        folder: Path,
        now: Callable[[], float],
    ) -> None:
        """Start with none in progress.

        Args:
            bot: fetches the files.
            inbox: stores their content and the decisions about them.
            outbox: asks about long files.
            receipts: reports to senders.
            delivery: speaks them; a stop of everything stops these too.
            preferences: the style in which a file's text is spoken.
            notes: sends a long file as a voice note.
            attempts: knows during which files the process died.
            folder: where recordings are stored until they have been heard.
            now: returns the true time, in seconds since 1970.
        """
        self._inbox = inbox
        self._outbox = outbox
        self._receipts = receipts
        self._delivery = delivery
        self._preferences = preferences
        self._notes = notes
        self._attempts = attempts
        self._folder = folder
        self._now = now
        self._downloads = Downloads(bot)
        self._readers = asyncio.Semaphore(_READ_AT_ONCE)
        self._jobs: dict[int, _FileJob] = {}  # by the message's id, in order of arrival
        self._to_resume: set[int] = set()  # messages of an earlier run
        self._stops = 0
        self._deciding = asyncio.Lock()
        delivery.on_stop.append(self._stop)

    async def restore(self, bot_id: int) -> None:
        """Find the unfinished messages of an earlier run, and remove files that it left."""
        unfinished = (self._inbox.list_unasked, self._inbox.list_unfetched)
        self._to_resume = {message.id for find in unfinished for message in await find(bot_id)}
        known = {Path(m.recording).name for m in await self._inbox.list_with_recordings(bot_id)}
        with contextlib.suppress(OSError):  # no room; each file will report it
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._folder.chmod(0o700)  # an older version may have made it
            for path in self._folder.iterdir():
                if path.name not in known:
                    path.unlink(missing_ok=True)

    async def resume(self, bot_id: int) -> None:
        """Continue the messages that `restore` found, unless stopped or decided upon since."""
        for find, resume in (
            (self._inbox.list_unasked, self._ask),
            (self._inbox.list_unfetched, self.fetch),
        ):
            for message in await find(bot_id):
                if message.id in self._to_resume:
                    self._to_resume.discard(message.id)
                    resume(message)

    def fetch(self, message: QueuedMessage) -> None:
        """Fetch the file of a stored message, and queue its content."""
        self._receipts.stored(message)
        job = self._jobs[message.id] = _FileJob(message)
        job.task = asyncio.get_running_loop().create_task(self._run(job))

    async def close(self) -> None:
        """Cancel the jobs in progress; they continue after the next start."""
        tasks = [job.task for job in self._jobs.values() if job.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self, job: _FileJob) -> None:
        try:
            await self._fetch_and_queue(job)
        except sqlite3.Error as exc:
            log.error("The outcome of a file can't be stored: %s", exc)  # noqa: TRY400
        except Exception:
            log.exception("Unexpected error in a file")
        finally:
            job.settled.set()
            del self._jobs[job.message.id]

    def _stop(self) -> None:
        """Cancel the jobs in progress for good; `Delivery.stop` reports that."""
        self._stops += 1
        for job in self._jobs.values():
            if not job.ready and job.task is not None:
                job.task.cancel()

    # ---- files ----

    async def _fetch_and_queue(self, job: _FileJob) -> None:
        message = job.message
        try:
            content = await self._obtain(job)
        except AttachmentError as exc:
            job.ready = True
            await self._leave_out(message, exc)
            return
        except Exception as exc:  # a file can be wrong in any way
            log.exception("Unexpected error in a file")
            job.ready = True
            reason = f"The file can't be read ({type(exc).__name__}). Send it in another form."
            await self._leave_out(message, AttachmentError(reason))
            return
        job.ready = True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_PATIENCE_S):
                for other in list(self._jobs.values()):
                    if other is job:
                        break
                    if other.message.chat_id == message.chat_id:
                        await other.settled.wait()
        if content.recording or not _is_long(content):
            await self._queue(content)
        elif await self._inbox.store_content(content, State.ASKING):
            self._receipts.delayed(message)
            self._ask(content)

    async def _obtain(self, job: _FileJob) -> QueuedMessage:
        """Return a message with the content of its file: a recording, or a text.

        Raises:
            AttachmentError: it can't be fetched or spoken.
        """
        message = job.message
        attachment = Attachment.parse(message.attachment)
        key = f"file:{message.id}"
        if self._attempts.deaths(key) >= MAX_DEATHS:
            self._attempts.finish(key)
            raise AttachmentError(_ENDED_WHILE_READING)
        source, target = (self._folder / f"{message.id}{suffix}" for suffix in (".fetched", ".wav"))
        try:
            await self._downloads.fetch(attachment.file_id, source, job.settled.set)
            async with self._readers:
                self._attempts.start(key)
                try:
                    content = await extract(attachment.kind, source, target)
                    if attachment.kind != SOUND:
                        return await self._read(message, content)
                finally:
                    self._attempts.finish(key)
        except OSError as exc:
            reason = exc.strerror or type(exc).__name__
            raise AttachmentError(
                f"It could not be kept on the computer ({reason}). Make room and send it again."
            ) from exc
        finally:
            source.unlink(missing_ok=True)
        return replace(message, text="", file=str(target), skipped=_caption(message))

    async def _read(self, message: QueuedMessage, content: FileText) -> QueuedMessage:
        """Return a message with the text of its file.

        Raises:
            AttachmentError: there is nothing to say.
        """
        text = content.text
        style = await self._preferences.style(message.user_id, text[:_DETECTED_CHARS])
        try:
            composed = await run_composer(len(text), compose_text, text, style.lang)
            spoken = await self._preferences.pronounced(composed.text)
        except ComposeError as exc:
            raise AttachmentError(str(exc)) from exc
        if not speakable(spoken):
            if composed.unread:
                raise AttachmentError(nothing_to_say(composed))
            raise AttachmentError("There are no words in it. A scanned page has only pictures.")
        if notice := await self._preferences.accent_notice(message.user_id, style):
            self._outbox.reply(message.chat_id, notice, thread_id=message.thread_id)
        part = first_part(spoken)  # numbers in words are longer
        return replace(
            message,
            text=inline.cut(spoken, len(part.text)),
            file="",
            skipped=_joined(_caption(message), composed.skipped, content.left_out or part.left_out),
            voice=style.voice,
            speed=style.speed,
            lang=style.lang,
        )

    async def _leave_out(self, message: QueuedMessage, error: AttachmentError) -> None:
        """Speak the caption of a file that can't be spoken; without one, send the reason."""
        if speakable(message.text):
            left_out = _joined(message.skipped, error.left_out)
            await self._queue(replace(message, file="", skipped=left_out))
        else:
            await self._delivery.end_message(message, Outcome.FAILED, str(error))

    async def _queue(
        self, message: QueuedMessage, from_: tuple[str, ...] = (State.FETCHING,)
    ) -> bool:
        """Queue a message; return whether it had not been stopped or decided meanwhile."""
        late = self._delivery.late.is_late(message.fresh_at)
        stops = self._stops
        if not await self._inbox.store_content(
            message, State.LATE if late else State.WAITING, from_
        ):
            discard(message)
            return False
        if stops != self._stops:  # a stop that came too early to know about it
            await self._delivery.end_message(message, Outcome.STOPPED)
        elif late:
            self._delivery.late.report(message)
        else:
            await self._delivery.submit(message)
        return True

    # ---- questions ----

    def _ask(self, message: QueuedMessage) -> None:
        """Ask what to do with a long text; the question is owed until Telegram has accepted it."""
        buttons = (("All of it", ALL), ("The first paragraph", FIRST), ("A voice note", NOTE))
        rows = [
            [InlineKeyboardButton(label, callback_data=f"{data}{message.id}")]
            for label, data in (*buttons, ("No", NO))
        ]

        async def asked(answer: Any) -> None:
            if answer is not None:
                await self._inbox.change_state(message.id, (State.ASKING,), State.ASKED)

        queue = self._delivery.queue
        duration_s = queue.duration_s(speech_length(message.text), message.speed, message.lang)
        minutes = round(duration_s / 60) or 1
        self._outbox.reply(
            message.chat_id,
            f"That takes about {minutes} minutes to say. What shall I do?",
            to=message.message_id,
            thread_id=message.thread_id,
            keyboard=InlineKeyboardMarkup(rows),
            on_answer=asked,
        )

    async def decide(self, chat_id: int, data: str) -> str:
        """Carry out the decision about a long file; return the answer."""
        choice, _, number = data.rpartition(":")
        async with self._deciding:  # a button pressed twice has one effect
            message = (
                await self._inbox.find_undecided_file(int(number), chat_id)
                if number.isdecimal()
                else None
            )
            if message is None:
                return _DECIDED
            return await self._decide(replace(message, fresh_at=self._now()), f"{choice}:")

    async def _decide(self, message: QueuedMessage, choice: str) -> str:
        if choice == ALL:
            return "Saying all of it." if await self._queue(message, _UNDECIDED) else _DECIDED
        if choice == FIRST:
            first = re.split(r"\n\s*\n", message.text.strip(), maxsplit=1)[0]
            queued = await self._queue(replace(message, text=first), _UNDECIDED)
            return "Saying the first paragraph." if queued else _DECIDED
        if choice == NOTE:
            message = message.as_note()
            if not await self._inbox.store_content(message, State.NOTING, _UNDECIDED):
                return _DECIDED
            self._notes.start(message)
            return "Making a voice note of it, ten minutes at most."
        await self._delivery.end_message(message, Outcome.SKIPPED)
        return "Left unsaid."


def _is_long(message: QueuedMessage) -> bool:
    """Whether a file's text is long enough to ask its sender first; the same on every machine."""
    length, speed = speech_length(message.text), message.speed or 1.0
    return SynthesisCost().audio_s(length, speed, message.lang) > _LONG_S


def _caption(message: QueuedMessage) -> str:
    """Return a file's caption as it is counted in `skipped`; empty if it has none."""
    return "1 caption" if message.text or message.skipped else ""


def _joined(*parts: str) -> str:
    return ", ".join(part for part in parts if part)

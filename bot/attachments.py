"""Voice and video notes, sound and text files: fetched, made into sound or text, and queued.

The message is on the disk before the file is fetched, so that a restart fetches it again. Runs on
the event loop; decoding has a thread of its own for as long as it takes.
"""

import asyncio
import logging
import re
import sqlite3
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path

from telegram import Bot, InlineKeyboardButton, InlineKeyboardMarkup, Message
from telegram.error import BadRequest, Forbidden, TelegramError

from audio.pace import Pace, letters
from audio.text import speakable
from audio.types import Outcome, Utterance
from bot import inbox as states
from bot import receipts
from bot.compose import compose_text, nothing_to_say
from bot.composing import ComposeError, composing
from bot.delivery import Delivery, discard
from bot.files import (
    MAX_SOUND_S,
    MAX_TEXT_CHARS,
    PDF,
    SOUND,
    SOUND_SUFFIXES,
    TEXT,
    TOO_LONG,
    AttachmentError,
    decode,
    text_of,
)
from bot.inbox import Inbox
from bot.inbox import Message as Stored
from bot.receipts import Outbox

log = logging.getLogger(__name__)

MAX_BYTES = 20_000_000
"""What a bot may fetch. Source: Bot API, getFile."""
_LONG_S = 90.0

_BACK_OFF_S = (1.0, 2.0, 5.0, 10.0, 30.0)

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
        """Return what `str` made."""
        kind, _, file_id = stored.partition(":")
        return cls(kind, file_id)


def attachment_of(message: Message) -> Attachment | None:
    """Return the file of a message that can be played or read; None where it has none.

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
        file_id, size = document.file_id, document.file_size
    else:
        return None
    if (size or 0) > MAX_BYTES:
        raise AttachmentError("Telegram lets me fetch 20 MB at most. Send a smaller file.")
    return Attachment(kind, file_id)


def _kind_of(name: str, mime: str) -> str:
    suffix = Path(name).suffix.lower()
    if mime.startswith(("audio/", "video/")) or suffix in SOUND_SUFFIXES:
        return SOUND
    if suffix == ".pdf" or mime == "application/pdf":
        return PDF
    if suffix in (".txt", ".md", ".markdown", ".text") or mime.startswith("text/"):
        return TEXT
    raise AttachmentError("I can read .txt, .md and .pdf files, and play sound. Send one of these.")


class Attachments:
    """Sees each file through to the queue."""

    def __init__(  # what it ties together
        self,
        bot: Bot,
        inbox: Inbox,
        outbox: Outbox,
        delivery: Delivery,
        send_note: Callable[[int, Utterance, Callable[[str], Awaitable[None]]], None],
        folder: Path,
        late_after_s: float,
    ) -> None:
        """Fetch with *bot*; keep sound in *folder* until it was heard."""
        self._bot = bot
        self._inbox = inbox
        self._outbox = outbox
        self._delivery = delivery
        self._send_note = send_note
        self._folder = folder
        self._late_after_s = late_after_s
        self._turn = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()

    async def resume(self, bot_id: int) -> None:
        """Fetch again what an earlier life did not finish, and remove what is left over."""
        for message in await self._inbox.fetching(bot_id):
            self.fetch(message)
        known = {Path(m.file).name for m in await self._inbox.with_files(bot_id)}
        for path in self._folder.glob("*.wav"):
            if path.name not in known:
                path.unlink(missing_ok=True)

    def fetch(self, message: Stored) -> None:
        """Fetch the file of a stored message, and queue what it says."""
        self._outbox.react(message.chat_id, message.message_id, receipts.STORED)
        task = asyncio.get_running_loop().create_task(self._see_through(message))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Give up what is being fetched; it is taken up after the next start."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _see_through(self, message: Stored) -> None:
        attachment = Attachment.parse(message.file)
        async with self._turn:  # one after another, in the order in which they came
            await self._fetch(message, attachment)

    async def _fetch(self, message: Stored, attachment: Attachment) -> None:
        try:
            content = await self._download(attachment.file_id)
            if attachment.kind == SOUND:
                path = self._folder / f"{message.id}.wav"
                await asyncio.to_thread(decode, content, path)
                await self._queue(replace(message, file=str(path)))
                return
            lang = message.lang or "en-us"
            text = await asyncio.to_thread(text_of, content, attachment.kind)
            composed = await composing(len(text), compose_text, text, lang)
            if composed.unread and not speakable(composed.text):
                raise AttachmentError(nothing_to_say(composed))
            left_out = ", ".join(part for part in (message.skipped, composed.skipped) if part)
            await self._offer(replace(message, skipped=left_out), composed.text)
        except (AttachmentError, ComposeError) as exc:
            await self._fail(message, str(exc))
        except (OSError, sqlite3.Error) as exc:
            why = f"It could not be kept on the computer ({exc}). Make room and send it again."
            await self._fail(message, why)
        except asyncio.CancelledError:
            raise
        except Exception as exc:  # a file can be wrong in any way
            log.exception("Mistake in a file")
            why = f"The file can't be read ({type(exc).__name__}). Send it in another form."
            await self._fail(message, why)

    async def _download(self, file_id: str) -> bytes:
        """Fetch a file, trying on where there is no network."""
        tries = 0
        while True:
            try:
                file = await self._bot.get_file(file_id)
                return bytes(await file.download_as_bytearray())
            except (BadRequest, Forbidden) as exc:
                raise AttachmentError(f"Telegram does not give me the file ({exc}).") from exc
            except TelegramError as exc:
                log.debug("A file can't be fetched yet: %s", exc)
                await asyncio.sleep(_BACK_OFF_S[min(tries, len(_BACK_OFF_S) - 1)])
                tries += 1

    async def _offer(self, message: Stored, text: str) -> None:
        """Queue a text; ask first where it is long."""
        if not speakable(text):
            raise AttachmentError("There are no words in it. A scanned page has only pictures.")
        message = replace(message, text=text[:MAX_TEXT_CHARS], file="")
        seconds = Pace().audio_s(letters(message.text), message.speed or 1.0)
        if seconds <= _LONG_S:
            await self._queue(message)
            return
        await self._inbox.fetched(message, states.ASKED)
        self._outbox.react(message.chat_id, message.message_id, receipts.HELD)
        buttons = (("All of it", ALL), ("The first paragraph", FIRST), ("A voice note", NOTE))
        rows = [
            [InlineKeyboardButton(label, callback_data=f"{data}{message.id}")]
            for label, data in (*buttons, ("No", NO))
        ]
        self._outbox.reply(
            message.chat_id,
            f"That takes about {round(seconds / 60) or 1} minutes to say. What shall I do?",
            to=message.message_id,
            keyboard=InlineKeyboardMarkup(rows),
        )

    async def decide(self, chat_id: int, data: str) -> str:
        """Do with a long file as was chosen; return what to say about it."""
        choice, _, number = data.rpartition(":")
        message = await self._inbox.asked(int(number), chat_id) if number.isdecimal() else None
        if message is None:
            return "That was decided already."
        match f"{choice}:":
            case _ if choice == ALL[:-1]:
                await self._queue(message)
                return "Saying all of it."
            case _ if choice == FIRST[:-1]:
                first = re.split(r"\n\s*\n", message.text.strip(), maxsplit=1)[0]
                await self._queue(replace(message, text=first))
                return "Saying the first paragraph."
            case _ if choice == NOTE[:-1]:

                async def sent(wrong: str) -> None:
                    if wrong:
                        await self._fail(message, wrong)
                    else:
                        await self._delivery.close(message, Outcome.HEARD, receipts.HEARD)

                self._send_note(chat_id, self._delivery.utterance(message), sent)
                return "Making a voice note of it, ten minutes at most."
        await self._delivery.close(message, Outcome.SKIPPED, receipts.CUT)
        return "Left unsaid."

    async def _queue(self, message: Stored) -> None:
        late_after_s = self._late_after_s
        late = 0 < late_after_s < await self._inbox.age_s(message.id)
        if not await self._inbox.fetched(message, states.LATE if late else states.WAITING):
            if message.file:
                discard(message)  # stopped meanwhile
        elif late:
            self._delivery.set_late(message)
        else:
            await self._delivery.submit(message)

    async def _fail(self, message: Stored, why: str) -> None:
        try:
            await self._delivery.close(message, Outcome.FAILED, receipts.FAILED, why)
        except sqlite3.Error as exc:
            log.error("A failure can't be stored: %s", exc)  # noqa: TRY400

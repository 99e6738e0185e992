"""The durable queue: messages on the disk, their states and their owed receipts (SQLite).

Runs on the event loop; aiosqlite runs SQLite on its own thread.
"""

import asyncio
import contextlib
import logging
import sqlite3
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

from audio.text import inline
from bot.core.database import Database, InboxError
from bot.core.message import ENDED, QueuedMessage, Record, State, StatusMessageId

__all__ = ["Inbox", "InboxError"]

log = logging.getLogger(__name__)

_KEEP_S = 48 * 3600.0
"""How long ended messages are stored. Source: Telegram may send an update again for 24 h."""

_KEEP_UNDECIDED_S = 7 * 24 * 3600.0
"""How long messages wait for their sender's decision."""

_PRUNE_EVERY_S = 3600.0
_RECORDINGS = "sounds"
_NEW_S = 3600.0
"""A younger recording may belong to a message that is not stored yet."""

_COLUMNS = (
    "id, chat_id, message_id, text, sentence, user_id, voice, speed, lang, urgent, skipped, file,"
    " client, chime, fresh_at, thread_id, expires_at, replace_key, volume, room,"
    " origin"
)


class Inbox:
    """Messages that survive a crash. Every write is on the disk when its call returns."""

    def __init__(self, database: Database) -> None:
        """Read from and write to *database*."""
        self.database = database
        self._database = database.connection

    @classmethod
    async def open(cls, path: Path) -> Self:
        """Open the database at *path*, and prune it.

        Raises:
            InboxError: it can't be opened, a newer Crier made it, or it can't be upgraded.
        """
        inbox = cls(await Database.open(path))
        with contextlib.suppress(sqlite3.Error, OSError):  # a full disk; `accept` will report it
            await inbox.prune()
        return inbox

    async def close(self) -> None:
        """Close the database."""
        await self.database.close()

    # ---- new messages ----

    async def accept(
        self, bot_id: int, update_id: int, message: QueuedMessage, state: str = State.WAITING
    ) -> QueuedMessage | None:
        """Store a new message.

        Args:
            bot_id: the bot that it was sent to.
            update_id: as in `bot.core.draft.Draft`.
            message: its *id* is ignored.
            state: its first state.

        Returns:
            The message with its id; None if this update was stored before.

        Raises:
            InboxError: it can't be stored, so it is not accepted.
        """
        now = time.time()
        fresh_at = message.fresh_at or now
        columns = {
            "bot_id": bot_id,
            "update_id": update_id,
            "chat_id": message.chat_id,
            "message_id": message.message_id,
            "text": message.text,
            "accepted_at": now,
            "changed_at": now,
            "state": state,
            "user_id": message.user_id,
            "voice": message.voice,
            "speed": message.speed,
            "lang": message.lang,
            "urgent": message.urgent,
            "skipped": message.skipped,
            "file": message.file,
            "client": message.client,
            "chime": message.chime,
            "fresh_at": fresh_at,
            "thread_id": message.thread_id,
            "expires_at": message.expires_at,
            "replace_key": message.replace_key,
            "volume": message.volume,
            "room": message.room,
            "origin": message.origin,
        }
        try:
            id_ = await self._insert(columns)
        except sqlite3.Error as exc:
            log.error("A message can't be stored: %s", exc)  # noqa: TRY400  # no traceback needed
            raise InboxError(
                f"It could not be stored on the computer ({exc}), so it will not be spoken. "
                "Make room on its disk and send it again."
            ) from exc
        return None if id_ is None else replace(message, id=id_, fresh_at=fresh_at)

    async def store_refusal(
        self, bot_id: int, update_id: int, message: QueuedMessage, owed: str, reply: str
    ) -> QueuedMessage | None:
        """Store that a message was refused, and the receipt that is owed to its sender.

        Returns:
            The message with its id; None if this update was stored before.

        Raises:
            InboxError: it can't be stored.
        """
        now = time.time()
        columns = {
            "bot_id": bot_id,
            "update_id": update_id,
            "chat_id": message.chat_id,
            "message_id": message.message_id,
            "text": "",
            "accepted_at": now,
            "changed_at": now,
            "state": "failed",
            "owed": owed,
            "reply": reply,
            "reason": reply,
            "thread_id": message.thread_id,
        }
        try:
            id_ = await self._insert(columns)
        except sqlite3.Error as exc:
            raise InboxError(f"A refusal can't be stored ({exc}).") from exc
        return None if id_ is None else replace(message, id=id_)

    async def _insert(self, columns: dict[str, Any]) -> int | None:
        """Insert a message; return its id, or None if its update was stored before."""
        marks = ", ".join(f":{name}" for name in columns)
        cursor = await self._database.execute(
            f"INSERT OR IGNORE INTO message ({', '.join(columns)}) VALUES ({marks})",  # noqa: S608  # constants
            columns,
        )
        return cursor.lastrowid if cursor.rowcount else None

    async def has_seen(self, bot_id: int, update_id: int) -> bool:
        """Whether an update was stored as a message, or carried out, before."""
        rows = await self._database.execute_fetchall(
            "SELECT 1 FROM message WHERE bot_id = :bot_id AND update_id = :update_id"
            " UNION ALL"
            " SELECT 1 FROM handled_update WHERE bot_id = :bot_id AND update_id = :update_id",
            {"bot_id": bot_id, "update_id": update_id},
        )
        return bool(rows)

    async def mark_handled(self, bot_id: int, update_id: int) -> None:
        """Store that an update was carried out, so that it is ignored if it comes again."""
        await self._database.execute(
            "INSERT OR IGNORE INTO handled_update VALUES (?, ?, ?)",
            (bot_id, update_id, time.time()),
        )

    # ---- messages by state ----

    async def list_to_speak(self, bot_id: int) -> list[QueuedMessage]:
        """Return the messages to be spoken, WAITING or HELD, in order."""
        return await self._messages("bot_id = ? AND state IN ('waiting', 'held')", bot_id)

    async def list_unfetched(self, bot_id: int) -> list[QueuedMessage]:
        """Return the messages whose files have not been fetched yet."""
        return await self._messages("bot_id = ? AND state = 'fetching'", bot_id)

    async def list_unasked(self, bot_id: int) -> list[QueuedMessage]:
        """Return the long texts whose question the chat has not accepted yet."""
        return await self._messages("bot_id = ? AND state = 'asking'", bot_id)

    async def find_undecided_file(self, id_: int, chat_id: int) -> QueuedMessage | None:
        """Return a long text if its chat has not decided about it yet."""
        key = "id = ? AND chat_id = ? AND state IN ('asking', 'asked')"
        messages = await self._messages(key, id_, chat_id)
        return messages[0] if messages else None

    async def list_unsent_notes(self, bot_id: int) -> list[QueuedMessage]:
        """Return the messages whose voice notes have not been sent yet."""
        return await self._messages("bot_id = ? AND state = 'noting'", bot_id)

    async def list_late(self, bot_id: int, chat_id: int) -> list[QueuedMessage]:
        """Return a chat's late messages that are undecided, LATE or OFFERED, oldest first."""
        return await self._messages(
            "bot_id = ? AND chat_id = ? AND state IN ('late', 'offered')", bot_id, chat_id
        )

    async def list_chats_to_ask(self, bot_id: int) -> set[int]:
        """Return the chats that have not been asked about some of their late messages."""
        rows = await self._database.execute_fetchall(
            "SELECT DISTINCT chat_id FROM message WHERE bot_id = ? AND state = 'late'", (bot_id,)
        )
        return {row[0] for row in rows}

    async def list_with_recordings(self, bot_id: int) -> list[QueuedMessage]:
        """Return the messages whose recordings are still needed."""
        return await self._messages(
            "bot_id = ? AND file != '' AND state IN ('waiting', 'held', 'late', 'offered')", bot_id
        )

    async def list_in_rooms(self, bot_id: int, *states: State) -> list[QueuedMessage]:
        """Return the messages for rooms that are in one of *states*, in order."""
        marks = ", ".join("?" * len(states))
        return await self._messages(
            f"bot_id = ? AND room != '' AND state IN ({marks})", bot_id, *states
        )

    async def list_of_bots(self, bot_id: int) -> list[QueuedMessage]:
        """Return the unfinished messages that bots have asked for in this room, in order."""
        return await self._messages(f"bot_id = ? AND origin != '' AND state NOT IN {ENDED}", bot_id)

    async def find_by_update(self, bot_id: int, update_id: int) -> QueuedMessage | None:
        """Return the message of an update, if it is stored."""
        messages = await self._messages("bot_id = ? AND update_id = ?", bot_id, update_id)
        return messages[0] if messages else None

    async def find_last_heard(self, bot_id: int, chat_id: int) -> QueuedMessage | None:
        """Return a copy of the last message heard in a chat, to speak again, if it is still stored.

        A message that was cut counts if some of it was heard.
        """
        rows = await self._database.execute_fetchall(
            f"SELECT {_COLUMNS} FROM message"  # noqa: S608  # a constant
            " WHERE bot_id = ? AND chat_id = ? AND file = '' AND text != ''"
            " AND (state = 'heard' OR (state IN ('stopped', 'skipped') AND audio_s > 0))"
            " ORDER BY changed_at DESC LIMIT 1",
            (bot_id, chat_id),
        )
        for row in rows:
            # What another room has said may have expired since, and kept its key.
            return replace(
                _message(row), sentence=0, urgent=False, skipped="", expires_at=0.0, replace_key=""
            )
        return None

    async def measure_unfinished(
        self, bot_id: int, user_id: int, client: str, replace_key: str = ""
    ) -> tuple[int, float]:
        """Return the number of unfinished messages of a person or program, and their speech length.

        The length is counted as `audio.cost.speech_length` does. Messages with the *replace_key*,
        if there is one, are about to be replaced and don't count.
        """
        rows = await self._database.execute_fetchall(
            "SELECT count(*), total(speech_length(text)) FROM message"  # noqa: S608  # a constant
            " WHERE bot_id = ? AND user_id = ? AND client = ? AND origin = ''"
            f" AND state NOT IN {ENDED} AND (replace_key = '' OR replace_key != ?)",
            (bot_id, user_id, client, replace_key),
        )
        ((count, length),) = rows
        return int(count), float(length)

    async def find_text(self, bot_id: int, chat_id: int, message_id: int) -> str:
        """Return the stored text of a message; empty if there is none."""
        key = "bot_id = ? AND chat_id = ? AND message_id = ?"
        messages = await self._messages(key, bot_id, chat_id, message_id)
        return messages[-1].text if messages else ""

    async def idle_s(self, bot_id: int) -> float:
        """Return how many seconds ago a message of this bot changed last."""
        rows = await self._database.execute_fetchall(
            "SELECT max(changed_at) FROM message WHERE bot_id = ?", (bot_id,)
        )
        return time.time() - (next(iter(rows))[0] or time.time())

    async def _messages(self, where: str, *values: int | str) -> list[QueuedMessage]:
        rows = await self._database.execute_fetchall(
            f"SELECT {_COLUMNS} FROM message WHERE {where} ORDER BY coalesce(place, id)",  # noqa: S608  # constants
            values,
        )
        return [_message(row) for row in rows]

    # ---- changes ----

    async def store_content(
        self, message: QueuedMessage, to: str, from_: tuple[str, ...] = (State.FETCHING,)
    ) -> bool:
        """Store the content of a file, or the part of it to speak.

        Returns:
            Whether the message was in one of the states *from_*; if not, it was stopped or decided
            meanwhile, and nothing changes.
        """
        states = {f"from_{number}": state for number, state in enumerate(from_)}
        marks = ", ".join(f":{name}" for name in states)
        cursor = await self._database.execute(
            "UPDATE message SET text = :text, file = :file, skipped = :skipped, voice = :voice,"  # noqa: S608  # marks only
            " speed = :speed, lang = :lang, fresh_at = :fresh_at, state = :state, changed_at = :now"
            f" WHERE id = :id AND state IN ({marks})",
            {
                "text": message.text,
                "file": message.file,
                "skipped": message.skipped,
                "voice": message.voice,
                "speed": message.speed,
                "lang": message.lang,
                "fresh_at": message.fresh_at,
                "state": to,
                "now": time.time(),
                "id": message.id,
                **states,
            },
        )
        return cursor.rowcount > 0

    async def revise(self, id_: int, text: str, skipped: str) -> None:
        """Replace the text of a waiting message."""
        await self._database.execute(
            "UPDATE message SET text = ?, skipped = ? WHERE id = ?", (text, skipped, id_)
        )

    async def extend(self, id_: int, addition: str, skipped: str) -> bool:
        """Append to the text of a message that is to be spoken; return whether it still is."""
        cursor = await self._database.execute(
            "UPDATE message SET text = text || ?, skipped = ?, changed_at = ?"
            " WHERE id = ? AND state IN ('waiting', 'held')",
            (addition, skipped, time.time(), id_),
        )
        return cursor.rowcount > 0

    async def store_begun(self, id_: int) -> None:
        """Store that the first word of a message has begun: it neither expires nor is replaced."""
        await self._database.execute(
            "UPDATE message SET expires_at = 0, replace_key = '' WHERE id = ?", (id_,)
        )

    async def store_heard_sentence(self, id_: int, sentence: int) -> None:
        """Store that a message continues after *sentence*."""
        await self._database.execute(
            "UPDATE message SET sentence = ?, changed_at = ? WHERE id = ?",
            (sentence + 1, time.time(), id_),
        )

    async def set_state(self, id_: int, state: str) -> None:
        """Change the state of a message that has not ended."""
        await self._database.execute(
            "UPDATE message SET state = ?, changed_at = ? WHERE id = ?", (state, time.time(), id_)
        )

    async def change_state(
        self, id_: int, from_: tuple[str, ...], to: str, *, fresh_at: float | None = None
    ) -> bool:
        """Change the state of a message if it is one of *from_*; return whether it was.

        Args:
            id_: the message.
            from_: the states that it may be in.
            to: its new state.
            fresh_at: when somebody decided to hear it, in seconds since 1970: its lateness counts
                from there.
        """
        marks = ", ".join("?" * len(from_))
        cursor = await self._database.execute(
            "UPDATE message SET state = ?, changed_at = ?, fresh_at = coalesce(?, fresh_at)"  # noqa: S608  # marks only
            f" WHERE id = ? AND state IN ({marks})",
            (to, time.time(), fresh_at, id_, *from_),
        )
        return cursor.rowcount > 0

    async def reorder(self, ids: Sequence[int]) -> None:
        """Give messages a new order, within the places that they occupy."""
        marks = ", ".join("?" * len(ids))
        rows = await self._database.execute_fetchall(
            "SELECT coalesce(place, id) AS at FROM message"  # noqa: S608  # marks only
            f" WHERE id IN ({marks}) ORDER BY at",
            tuple(ids),
        )
        places = [value for id_, (place,) in zip(ids, rows, strict=True) for value in (id_, place)]
        # One statement: messages accepted meanwhile would join a transaction of several.
        await self._database.execute(
            f"UPDATE message SET place = CASE id {'WHEN ? THEN ? ' * len(ids)}END"  # noqa: S608
            f" WHERE id IN ({marks})",
            (*places, *ids),
        )

    async def store_end(
        self,
        id_: int,
        state: str,
        owed: str,
        reply: str = "",
        *,
        device: str = "",
        audio_s: float = 0.0,
        first_sound_ms: int | None = None,
    ) -> None:
        """Store how a message ended, and the last reaction and reply owed to its chat, if any."""
        await self._database.execute(
            "UPDATE message SET state = :state, changed_at = :now,"
            " owed = CASE chat_id WHEN 0 THEN '' ELSE :owed END,"
            " reply = CASE chat_id WHEN 0 THEN '' ELSE :reply END, reason = :reply,"
            " device = :device, audio_s = :audio_s, first_sound_ms = :first_sound_ms"
            " WHERE id = :id",
            {
                "state": state,
                "now": time.time(),
                "owed": owed,
                "reply": reply,
                "device": device,
                "audio_s": audio_s,
                "first_sound_ms": first_sound_ms,
                "id": id_,
            },
        )

    async def store_end_of_all(
        self, bot_id: int, state: str, owed: str, *, here_only: bool = False
    ) -> None:
        """Store that every message waiting to be spoken, fetched or sent ended in the same way.

        Args:
            bot_id: the bot that they were sent to.
            state: how they ended.
            owed: the reaction that is owed to their chats.
            here_only: whether those for rooms go on.
        """
        await self._database.execute(
            "UPDATE message SET state = ?, owed = CASE chat_id WHEN 0 THEN '' ELSE ? END,"
            " changed_at = ?"
            " WHERE bot_id = ? AND state IN ('waiting', 'held', 'fetching', 'noting')"
            " AND (room = '' OR NOT ?)",
            (state, owed, time.time(), bot_id, here_only),
        )

    # ---- what became of messages ----

    async def list_history(self, bot_id: int, limit: int) -> list[Record]:
        """Return what became of the last messages, the latest first."""
        return await self._records(
            # A refused message has no text; a bot's own part of one for everywhere is in that.
            f"bot_id = ? AND state IN {ENDED} AND (text != '' OR file != '')"
            " AND origin NOT LIKE bot_id || '/%' ORDER BY changed_at DESC, id DESC LIMIT ?",
            (bot_id, limit),
        )

    async def find_record(self, bot_id: int, update_id: int) -> Record | None:
        """Return what became of the message of an update, if it is stored."""
        records = await self._records("bot_id = ? AND update_id = ?", (bot_id, update_id))
        return records[0] if records else None

    async def find_record_of(self, id_: int) -> Record | None:
        """Return what became of a message, if it is stored."""
        records = await self._records("id = ?", (id_,))
        return records[0] if records else None

    async def is_part(self, bot_id: int, id_: int) -> bool:
        """Whether a message is what a bot's own computer says of one for everywhere."""
        rows = await self._database.execute_fetchall(
            "SELECT 1 FROM message WHERE id = ? AND origin LIKE ? || '/%'", (id_, bot_id)
        )
        return bool(rows)

    async def _records(self, where: str, values: tuple[int, ...]) -> list[Record]:
        rows = await self._database.execute_fetchall(
            "SELECT id, text, client, state, reason, device, audio_s, first_sound_ms, changed_at"  # noqa: S608  # constants
            f" FROM message WHERE {where}",
            values,
        )
        return [
            Record(row[0], inline.shown(row[1]), row[2] or "telegram", *row[3:]) for row in rows
        ]

    # ---- owed receipts ----

    async def list_owed(self, bot_id: int) -> list[tuple[QueuedMessage, str, str]]:
        """Return the ended messages with a receipt still owed: (message, reaction, reply)."""
        rows = await self._database.execute_fetchall(
            f"SELECT {_COLUMNS}, owed, reply FROM message"  # noqa: S608  # a constant
            " WHERE bot_id = ? AND (owed != '' OR reply != '') ORDER BY id",
            (bot_id,),
        )
        return [(_message(row[:-2]), row[-2], row[-1]) for row in rows]

    async def store_sent_reaction(self, id_: int, reaction: str) -> None:
        """Store that the chat accepted a last reaction."""
        await self._database.execute(
            "UPDATE message SET owed = '' WHERE id = ? AND owed = ?", (id_, reaction)
        )

    async def store_refused_reaction(self, id_: int, reaction: str) -> None:
        """Store that the chat refused a last reaction, which is no longer owed."""
        await self._database.execute(
            "UPDATE message SET owed = '', reason = trim(reason || ' ' || ?)"
            " WHERE id = ? AND owed = ?",
            (f"Telegram refused {reaction}.", id_, reaction),
        )

    async def store_sent_reply(self, id_: int) -> None:
        """Store that the chat accepted the last reply."""
        await self._database.execute("UPDATE message SET reply = '' WHERE id = ?", (id_,))

    async def forget_owed(self, bot_id: int, chat_id: int) -> None:
        """Drop the receipts owed to a chat that can't be written to any more."""
        await self._database.execute(
            "UPDATE message SET owed = '', reply = ''"
            " WHERE bot_id = ? AND chat_id = ? AND (owed != '' OR reply != '')",
            (bot_id, chat_id),
        )

    async def migrate_chat(self, bot_id: int, old_chat_id: int, new_chat_id: int) -> None:
        """Move a group's messages to the supergroup that it has become.

        They have other, unknown numbers there, so reactions are no longer owed.
        """
        ids = bot_id, old_chat_id
        await self._database.execute(
            "UPDATE message SET chat_id = ?, message_id = 0, thread_id = NULL, owed = ''"
            " WHERE bot_id = ? AND chat_id = ?",
            (new_chat_id, *ids),
        )
        await self._database.execute(
            "UPDATE reminder SET chat_id = ?, message_id = 0, thread_id = NULL"
            " WHERE bot_id = ? AND chat_id = ?",
            (new_chat_id, *ids),
        )
        await self._database.execute(
            "DELETE FROM status_message WHERE bot_id = ? AND chat_id = ?", ids
        )

    # ---- status messages ----

    async def list_status_messages(self, bot_id: int) -> list[StatusMessageId]:
        """Return the status messages that do not show the end of their burst yet, oldest first."""
        rows = await self._database.execute_fetchall(
            "SELECT chat_id, message_id, thread_id FROM status_message WHERE bot_id = ?"
            " ORDER BY message_id",
            (bot_id,),
        )
        return [StatusMessageId(*row) for row in rows]

    async def store_status_message(self, bot_id: int, message: StatusMessageId) -> None:
        """Store a status message, so that it can be edited after a restart."""
        await self._database.execute(
            "INSERT OR REPLACE INTO status_message (bot_id, chat_id, message_id, thread_id)"
            " VALUES (?, ?, ?, ?)",
            (bot_id, message.chat_id, message.message_id, message.thread_id),
        )

    async def remove_status_message(self, bot_id: int, chat_id: int, message_id: int) -> None:
        """Remove a status message that shows the end, or was deleted."""
        await self._database.execute(
            "DELETE FROM status_message WHERE bot_id = ? AND chat_id = ? AND message_id = ?",
            (bot_id, chat_id, message_id),
        )

    # ---- pruning ----

    async def prune_hourly(self) -> None:
        """Prune every hour until cancelled."""
        while True:
            await asyncio.sleep(_PRUNE_EVERY_S)
            try:
                await self.prune()
            except (sqlite3.Error, OSError) as exc:  # a full disk; retried in an hour
                log.error("Old messages can't be removed: %s", exc)  # noqa: TRY400

    async def prune(self) -> None:
        """Remove old messages and files, so that no file has a trace of them.

        Raises:
            sqlite3.Error: the database can't be written.
            OSError: a file can't be removed.
        """
        now = time.time()
        ended = await self._database.execute(
            "DELETE FROM message WHERE accepted_at < ? AND owed = '' AND reply = ''"
            " AND state NOT IN ('waiting', 'held', 'late', 'offered', 'fetching', 'asking',"
            " 'asked', 'noting')",
            (now - _KEEP_S,),
        )
        undecided = await self._database.execute(
            "DELETE FROM message WHERE changed_at < ?"
            " AND state IN ('late', 'offered', 'asking', 'asked')",
            (now - _KEEP_UNDECIDED_S,),
        )
        await self._database.execute("DELETE FROM handled_update WHERE at < ?", (now - _KEEP_S,))
        await self._database.execute(
            "DELETE FROM room_part WHERE message_id NOT IN (SELECT id FROM message)"
        )
        questions = await self._database.execute(
            "DELETE FROM question WHERE status != 'open' AND ended_at < ?", (now - _KEEP_S,)
        )
        if ended.rowcount or undecided.rowcount or questions.rowcount:
            # secure_delete overwrites rows, but not the copies that are left behind when rows move
            # between pages.
            await self._database.execute("VACUUM")
        # The write-ahead log has copies of written pages, and keeps them when it is reused; so
        # it is emptied.
        await self._database.execute_fetchall("PRAGMA wal_checkpoint(TRUNCATE)")
        rows = await self._database.execute_fetchall("SELECT file FROM message WHERE file != ''")
        self.database.remove_old_copies(now)
        _remove_recordings(self.database.path.parent, {Path(file).name for (file,) in rows}, now)


def _remove_recordings(folder: Path, needed: set[str], now: float) -> None:
    """Remove the recordings that belong to no message, unless they are new."""
    for file in folder.glob(f"{_RECORDINGS}/*"):
        if file.name not in needed and now - file.stat().st_mtime > _NEW_S:
            file.unlink(missing_ok=True)


def _message(row: Sequence[Any]) -> QueuedMessage:
    """Convert a row of `_COLUMNS`."""
    message = QueuedMessage(*row)
    chime = None if message.chime is None else bool(message.chime)
    return replace(message, urgent=bool(message.urgent), chime=chime)

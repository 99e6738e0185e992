"""The durable queue: what was accepted, who may speak, and what was chosen (SQLite).

Runs on the event loop; aiosqlite does the waiting in a thread of its own.
"""

import asyncio
import contextlib
import logging
import sqlite3
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import aiosqlite

from bot.core.database import UpgradeError, backup_before, upgrade
from bot.core.message import ENDED, QueuedMessage, Record, State, StatusMessageId

log = logging.getLogger(__name__)

_KEEP_S = 48 * 3600.0
"""How long ended messages are kept: Telegram may send an update again for 24 h."""

_KEEP_OFFERED_S = 7 * 24 * 3600.0
"""How long late messages wait for someone to say what shall become of them."""

_KEEP_COPIES_S = 30 * 24 * 3600.0
"""How long damaged databases, and copies from before upgrades, are kept."""

_PRUNE_EVERY_S = 3600.0
_RECORDINGS = "sounds"
_NEW_S = 3600.0
"""A recording that no message has yet may be in the making for so long."""

_SCHEMA_VERSION = 4
_SCHEMA = """
CREATE TABLE message (
    id INTEGER PRIMARY KEY,        -- in order of acceptance; update ids may jump
    bot_id INTEGER NOT NULL,
    update_id INTEGER NOT NULL,
    chat_id INTEGER NOT NULL,
    message_id INTEGER NOT NULL,
    text TEXT NOT NULL,
    accepted_at REAL NOT NULL,     -- seconds since 1970
    state TEXT NOT NULL DEFAULT 'waiting', -- see bot.core.message.State
    sentence INTEGER NOT NULL DEFAULT 0,   -- the first one not heard yet
    changed_at REAL NOT NULL DEFAULT 0,    -- of the state or the sentence
    owed TEXT NOT NULL DEFAULT '',         -- a last reaction that Telegram has not taken yet
    reply TEXT NOT NULL DEFAULT '',        -- what its sender was not told yet
    user_id INTEGER NOT NULL DEFAULT 0,
    voice TEXT NOT NULL DEFAULT '',        -- empty: as the settings say
    speed REAL NOT NULL DEFAULT 0,         -- likewise
    lang TEXT NOT NULL DEFAULT '',         -- empty: the voice's own
    urgent INTEGER NOT NULL DEFAULT 0,
    skipped TEXT NOT NULL DEFAULT '',      -- what was left out of it
    file TEXT NOT NULL DEFAULT '',         -- what to fetch; then the recording to play
    client TEXT NOT NULL DEFAULT '',       -- whose it is that came over HTTP; those have chat_id 0
    chime INTEGER,                         -- NULL: as the settings say
    place INTEGER,                         -- in the queue; NULL: as its id
    reason TEXT NOT NULL DEFAULT '',       -- why it ended so
    device TEXT NOT NULL DEFAULT '',       -- where it sounded last
    audio_s REAL NOT NULL DEFAULT 0,       -- how much of it was heard
    first_sound_ms INTEGER,                -- of one that came to an idle loudspeaker
    fresh_at REAL NOT NULL DEFAULT 0,      -- lateness counts from here: when it was sent, or when
                                           -- someone decided to have it said; since 1970
    thread_id INTEGER,                     -- the forum topic that it was sent in; NULL: none
    UNIQUE (bot_id, update_id)
);
CREATE TABLE handled_update (              -- commands and buttons that were carried out
    bot_id INTEGER NOT NULL,
    update_id INTEGER NOT NULL,
    at REAL NOT NULL,                      -- seconds since 1970
    PRIMARY KEY (bot_id, update_id)
);
CREATE TABLE status_message (              -- those that don't tell the end of their burst yet
    bot_id INTEGER NOT NULL,
    chat_id INTEGER NOT NULL,
    message_id INTEGER NOT NULL,
    thread_id INTEGER,                     -- the forum topic that it is in; NULL: none
    PRIMARY KEY (bot_id, chat_id, message_id)
);
CREATE TABLE preference (
    user_id INTEGER NOT NULL,
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (user_id, name)
);
CREATE TABLE pronunciation (word TEXT PRIMARY KEY, said TEXT NOT NULL);
CREATE TABLE person (user_id INTEGER PRIMARY KEY, name TEXT NOT NULL, paired_at REAL NOT NULL);
CREATE TABLE choice (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL,
    setting TEXT NOT NULL          -- the variable's value when this was chosen over it
);
"""
# How a database of an older version becomes one of the next.
_MIGRATIONS = {
    1: """
    ALTER TABLE message ADD COLUMN changed_at REAL NOT NULL DEFAULT 0;
    UPDATE message SET changed_at = accepted_at;
    ALTER TABLE message ADD COLUMN owed TEXT NOT NULL DEFAULT '';
    ALTER TABLE message ADD COLUMN reply TEXT NOT NULL DEFAULT '';
    ALTER TABLE message ADD COLUMN user_id INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE message ADD COLUMN voice TEXT NOT NULL DEFAULT '';
    ALTER TABLE message ADD COLUMN speed REAL NOT NULL DEFAULT 0;
    ALTER TABLE message ADD COLUMN lang TEXT NOT NULL DEFAULT '';
    ALTER TABLE message ADD COLUMN urgent INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE message ADD COLUMN skipped TEXT NOT NULL DEFAULT '';
    ALTER TABLE message ADD COLUMN file TEXT NOT NULL DEFAULT '';
    CREATE TABLE preference (user_id INTEGER NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL,
        PRIMARY KEY (user_id, name));
    CREATE TABLE pronunciation (word TEXT PRIMARY KEY, said TEXT NOT NULL);
    """,
    2: """
    ALTER TABLE message ADD COLUMN client TEXT NOT NULL DEFAULT '';
    ALTER TABLE message ADD COLUMN chime INTEGER;
    ALTER TABLE message ADD COLUMN place INTEGER;
    ALTER TABLE message ADD COLUMN reason TEXT NOT NULL DEFAULT '';
    ALTER TABLE message ADD COLUMN device TEXT NOT NULL DEFAULT '';
    ALTER TABLE message ADD COLUMN audio_s REAL NOT NULL DEFAULT 0;
    ALTER TABLE message ADD COLUMN first_sound_ms INTEGER;
    """,
    3: """
    ALTER TABLE message ADD COLUMN fresh_at REAL NOT NULL DEFAULT 0;
    UPDATE message SET fresh_at = accepted_at;
    ALTER TABLE message ADD COLUMN thread_id INTEGER;
    CREATE TABLE handled_update (bot_id INTEGER NOT NULL, update_id INTEGER NOT NULL,
        at REAL NOT NULL, PRIMARY KEY (bot_id, update_id));
    CREATE TABLE status_message (bot_id INTEGER NOT NULL, chat_id INTEGER NOT NULL,
        message_id INTEGER NOT NULL, thread_id INTEGER,
        PRIMARY KEY (bot_id, chat_id, message_id));
    """,
}


_COLUMNS = (
    "id, chat_id, message_id, text, sentence, user_id, voice, speed, lang, urgent, skipped, file,"
    " client, chime, fresh_at, thread_id"
)


class InboxError(Exception):
    """The database can't be used; the message says why and what to do."""


class Inbox:
    """What must survive a crash. Every write is on the disk when its call returns."""

    def __init__(self, database: aiosqlite.Connection, path: Path) -> None:
        """Use `open`."""
        self._database = database
        self._path = path
        self.notice = ""
        """What its owner should know about it; empty where nothing."""

    @classmethod
    async def open(cls, path: Path) -> Self:
        """Open the database at *path*, made when missing; one that is damaged is set aside.

        Raises:
            InboxError: it can't be opened, a newer Crier made it, or it is of an older one and
                can't be brought to this version.
        """
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            try:
                inbox = cls(await _connect(path), path)
            except sqlite3.DatabaseError as exc:
                if not _is_damage(exc):
                    raise
                notice = _set_aside(path, exc)
                inbox = cls(await _connect(path), path)
                inbox.notice = notice
        except (OSError, sqlite3.Error) as exc:
            raise InboxError(
                f"{path} can't be used ({exc}). Make room on its disk, or set DATA_DIR elsewhere."
            ) from exc
        with contextlib.suppress(sqlite3.Error, OSError):  # a full disk; each text will say so
            await inbox.prune()
        return inbox

    async def close(self) -> None:
        """Close the database."""
        await self._database.close()

    # ---- messages ----

    async def accept(
        self, bot_id: int, update_id: int, message: QueuedMessage, state: str = State.WAITING
    ) -> QueuedMessage | None:
        """Store a message; None if this update was stored before.

        Args:
            bot_id: the bot that it was sent to.
            update_id: Telegram's number of the update.
            message: its *id* does not count yet.
            state: what it waits for: its turn, or something else.

        Raises:
            InboxError: it can't be stored, so it is not accepted.
        """
        now = time.time()
        try:
            cursor = await self._database.execute(
                "INSERT OR IGNORE INTO message"
                " (bot_id, update_id, chat_id, message_id, text, accepted_at, changed_at, state,"
                " user_id, voice, speed, lang, urgent, skipped, file, client, chime, fresh_at,"
                " thread_id)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    *(bot_id, update_id, message.chat_id, message.message_id, message.text),
                    *(now, now, state),
                    *(message.user_id, message.voice, message.speed, message.lang),
                    *(message.urgent, message.skipped, message.file),
                    *(message.client, message.chime, message.fresh_at or now, message.thread_id),
                ),
            )
        except sqlite3.Error as exc:
            log.error("A message can't be stored: %s", exc)  # noqa: TRY400  # no traceback needed
            raise InboxError(
                f"It could not be stored on the computer ({exc}), so it will not be spoken. "
                "Make room on its disk and send it again."
            ) from exc
        if not cursor.rowcount or cursor.lastrowid is None:
            return None
        return replace(message, id=cursor.lastrowid, fresh_at=message.fresh_at or now)

    async def seen(self, bot_id: int, update_id: int) -> bool:
        """Return whether an update was stored as a message or carried out before."""
        key = (bot_id, update_id)
        rows = await self._database.execute_fetchall(
            "SELECT 1 FROM message WHERE bot_id = ? AND update_id = ?"
            " UNION ALL SELECT 1 FROM handled_update WHERE bot_id = ? AND update_id = ?",
            (*key, *key),
        )
        return bool(rows)

    async def mark_handled(self, bot_id: int, update_id: int) -> None:
        """Remember that an update was carried out, so that it is not when it comes again."""
        await self._database.execute(
            "INSERT OR IGNORE INTO handled_update VALUES (?, ?, ?)",
            (bot_id, update_id, time.time()),
        )

    async def waiting(self, bot_id: int, user_id: int, client: str) -> tuple[int, int]:
        """Return what a person, or a program, has sent that has not ended, wherever it is.

        Returns:
            How many messages, and their length in characters.
        """
        rows = await self._database.execute_fetchall(
            "SELECT count(*), total(length(text)) FROM message"  # noqa: S608  # a constant
            f" WHERE bot_id = ? AND user_id = ? AND client = ? AND state NOT IN {ENDED}",
            (bot_id, user_id, client),
        )
        ((count, characters),) = rows
        return int(count), int(characters)

    async def refuse(
        self, bot_id: int, update_id: int, message: QueuedMessage, owed: str, reply: str
    ) -> QueuedMessage | None:
        """Store that a message was not taken, and what its sender is owed for it.

        Returns:
            The message, without its words; None if this update was stored before.

        Raises:
            InboxError: it can't be stored.
        """
        now = time.time()
        try:
            cursor = await self._database.execute(
                "INSERT OR IGNORE INTO message (bot_id, update_id, chat_id, message_id, text,"
                " accepted_at, changed_at, state, owed, reply, reason, thread_id)"
                " VALUES (?, ?, ?, ?, '', ?, ?, 'failed', ?, ?, ?, ?)",
                (
                    *(bot_id, update_id, message.chat_id, message.message_id),
                    *(now, now, owed, reply, reply, message.thread_id),
                ),
            )
        except sqlite3.Error as exc:
            raise InboxError(f"A refusal can't be stored ({exc}).") from exc
        if not cursor.rowcount or cursor.lastrowid is None:
            return None
        return replace(message, id=cursor.lastrowid)

    async def last_heard(self, bot_id: int, chat_id: int) -> QueuedMessage | None:
        """Return the message of a chat that was heard last, if it is still known.

        One that was cut counts where some of it was heard.
        """
        rows = await self._database.execute_fetchall(
            f"SELECT {_COLUMNS} FROM message"  # noqa: S608  # a constant
            " WHERE bot_id = ? AND chat_id = ? AND file = '' AND text != ''"
            " AND (state = 'heard' OR (state IN ('stopped', 'skipped') AND audio_s > 0))"
            " ORDER BY changed_at DESC LIMIT 1",
            (bot_id, chat_id),
        )
        for row in rows:
            return replace(_message(row), sentence=0, urgent=False, skipped="")
        return None

    async def fetching(self, bot_id: int) -> list[QueuedMessage]:
        """Return the messages whose files were not fetched yet."""
        return await self._messages("bot_id = ? AND state = 'fetching'", bot_id)

    async def asking(self, bot_id: int) -> list[QueuedMessage]:
        """Return the long texts about which Telegram has not taken the question yet."""
        return await self._messages("bot_id = ? AND state = 'asking'", bot_id)

    async def noting(self, bot_id: int) -> list[QueuedMessage]:
        """Return the messages of which voice notes are being made or sent."""
        return await self._messages("bot_id = ? AND state = 'noting'", bot_id)

    async def with_files(self, bot_id: int) -> list[QueuedMessage]:
        """Return the messages whose recordings are still needed."""
        return await self._messages(
            "bot_id = ? AND file != '' AND state IN ('waiting', 'held', 'late', 'offered')", bot_id
        )

    async def fetched(
        self, message: QueuedMessage, state: str, from_: tuple[str, ...] = (State.FETCHING,)
    ) -> bool:
        """Remember what a file turned out to be, or what shall be said of it.

        Returns:
            Whether it was in one of the states *from_*; stopped or decided meanwhile, it was not.
        """
        marks = ", ".join("?" * len(from_))
        cursor = await self._database.execute(
            "UPDATE message SET text = ?, file = ?, skipped = ?, voice = ?, speed = ?, lang = ?,"  # noqa: S608  # marks only
            f" fresh_at = ?, state = ?, changed_at = ? WHERE id = ? AND state IN ({marks})",
            (
                *(message.text, message.file, message.skipped),
                *(message.voice, message.speed, message.lang, message.fresh_at),
                *(state, time.time(), message.id, *from_),
            ),
        )
        return cursor.rowcount > 0

    async def asked(self, id_: int, chat_id: int) -> QueuedMessage | None:
        """Return a long text about which a chat was asked, if that is not decided."""
        key = "id = ? AND chat_id = ? AND state IN ('asking', 'asked')"
        found = await self._messages(key, id_, chat_id)
        return found[0] if found else None

    async def text_of(self, bot_id: int, chat_id: int, message_id: int) -> str:
        """Return what is to be said of a message; empty where that is not known."""
        key = "bot_id = ? AND chat_id = ? AND message_id = ?"
        found = await self._messages(key, bot_id, chat_id, message_id)
        return found[-1].text if found else ""

    async def revise(self, id_: int, text: str, skipped: str) -> None:
        """Store another text for a message that waits."""
        await self._database.execute(
            "UPDATE message SET text = ?, skipped = ? WHERE id = ?", (text, skipped, id_)
        )

    async def unfinished(self, bot_id: int) -> list[QueuedMessage]:
        """Return the messages to this bot that shall be spoken and have not ended, oldest first."""
        return await self._messages("bot_id = ? AND state IN ('waiting', 'held')", bot_id)

    async def idle_s(self, bot_id: int) -> float:
        """Return for how long nothing happened to the messages of this bot."""
        rows = await self._database.execute_fetchall(
            "SELECT max(changed_at) FROM message WHERE bot_id = ?", (bot_id,)
        )
        return time.time() - (next(iter(rows))[0] or time.time())

    async def age_s(self, id_: int) -> float:
        """Return how long ago a message was accepted."""
        rows = await self._database.execute_fetchall(
            "SELECT accepted_at FROM message WHERE id = ?", (id_,)
        )
        return time.time() - float(next(iter(rows))[0])

    async def sentence_heard(self, id_: int, sentence: int) -> None:
        """Remember that *sentence* need not be said again."""
        await self._database.execute(
            "UPDATE message SET sentence = ?, changed_at = ? WHERE id = ?",
            (sentence + 1, time.time(), id_),
        )

    async def mark(self, id_: int, state: str) -> None:
        """Remember that a message waits, is held, late or offered."""
        await self._database.execute(
            "UPDATE message SET state = ?, changed_at = ? WHERE id = ?", (state, time.time(), id_)
        )

    async def move(
        self, id_: int, from_: tuple[str, ...], to: str, *, fresh_at: float | None = None
    ) -> bool:
        """Change a state if it is one of *from_*; return whether it was.

        Args:
            id_: the message.
            from_: the states that it may be in.
            to: its new state.
            fresh_at: when someone decided so, in seconds since 1970: a decision is never late.
        """
        marks = ", ".join("?" * len(from_))
        cursor = await self._database.execute(
            "UPDATE message SET state = ?, changed_at = ?, fresh_at = coalesce(?, fresh_at)"  # noqa: S608  # marks only
            f" WHERE id = ? AND state IN ({marks})",
            (to, time.time(), fresh_at, id_, *from_),
        )
        return cursor.rowcount > 0

    async def end(
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
        """Remember how a message ended, and what its sender, if in a chat, has to be told."""
        await self._database.execute(
            "UPDATE message SET state = ?, changed_at = ?,"
            " owed = CASE chat_id WHEN 0 THEN '' ELSE ? END,"
            " reply = CASE chat_id WHEN 0 THEN '' ELSE ? END,"
            " reason = ?, device = ?, audio_s = ?, first_sound_ms = ? WHERE id = ?",
            (
                *(state, time.time(), owed, reply),
                *(reply, device, audio_s, first_sound_ms, id_),
            ),
        )

    async def end_all(self, bot_id: int, state: str, owed: str) -> None:
        """Remember that everything that waited to be spoken ended in the same way."""
        await self._database.execute(
            "UPDATE message SET state = ?, owed = CASE chat_id WHEN 0 THEN '' ELSE ? END,"
            " changed_at = ?"
            " WHERE bot_id = ? AND state IN ('waiting', 'held', 'fetching', 'noting')",
            (state, owed, time.time(), bot_id),
        )

    async def arrange(self, ids: Sequence[int]) -> None:
        """Remember that these come in this order, in the places that they have between them."""
        marks = ", ".join("?" * len(ids))
        rows = await self._database.execute_fetchall(
            "SELECT coalesce(place, id) AS at FROM message"  # noqa: S608  # marks only
            f" WHERE id IN ({marks}) ORDER BY at",
            tuple(ids),
        )
        places = [value for id_, (place,) in zip(ids, rows, strict=True) for value in (id_, place)]
        # One statement: in a transaction of several, others' messages would be accepted unseen.
        await self._database.execute(
            f"UPDATE message SET place = CASE id {'WHEN ? THEN ? ' * len(ids)}END"  # noqa: S608
            f" WHERE id IN ({marks})",
            (*places, *ids),
        )

    async def history(self, bot_id: int, limit: int) -> list[Record]:
        """Return what became of the last messages, the latest first."""
        return await self._records(
            # What was refused has no words.
            f"bot_id = ? AND state IN {ENDED} AND (text != '' OR file != '')"
            " ORDER BY changed_at DESC, id DESC LIMIT ?",
            (bot_id, limit),
        )

    async def record(self, bot_id: int, update_id: int) -> Record | None:
        """Return what has become so far of the message that was stored under this number."""
        found = await self._records("bot_id = ? AND update_id = ?", (bot_id, update_id))
        return found[0] if found else None

    async def _records(self, where: str, values: tuple[int, ...]) -> list[Record]:
        rows = await self._database.execute_fetchall(
            "SELECT id, text, client, state, reason, device, audio_s, first_sound_ms, changed_at"  # noqa: S608  # constants
            f" FROM message WHERE {where}",
            values,
        )
        return [Record(row[0], row[1], row[2] or "telegram", *row[3:]) for row in rows]

    async def reacted(self, id_: int, reaction: str) -> None:
        """Remember that Telegram took a last reaction."""
        await self._database.execute(
            "UPDATE message SET owed = '' WHERE id = ? AND owed = ?", (id_, reaction)
        )

    async def replied(self, id_: int) -> None:
        """Remember that the sender was told the reason."""
        await self._database.execute("UPDATE message SET reply = '' WHERE id = ?", (id_,))

    async def refused(self, id_: int, reaction: str) -> None:
        """Remember that Telegram refused a last reaction, which is owed no more."""
        await self._database.execute(
            "UPDATE message SET owed = '', reason = trim(reason || ' ' || ?)"
            " WHERE id = ? AND owed = ?",
            (f"Telegram refused {reaction}.", id_, reaction),
        )

    async def forget_owed(self, bot_id: int, chat_id: int) -> None:
        """Forget what a chat was not told yet, since nothing can be sent there any more."""
        await self._database.execute(
            "UPDATE message SET owed = '', reply = ''"
            " WHERE bot_id = ? AND chat_id = ? AND (owed != '' OR reply != '')",
            (bot_id, chat_id),
        )

    async def migrate_chat(self, bot_id: int, old_chat_id: int, new_chat_id: int) -> None:
        """Move what belongs to a group to the supergroup that it has become.

        A message's number there is another one, and not known, so that reactions are owed no more.
        """
        ids = bot_id, old_chat_id
        await self._database.execute(
            "UPDATE message SET chat_id = ?, message_id = 0, thread_id = NULL, owed = ''"
            " WHERE bot_id = ? AND chat_id = ?",
            (new_chat_id, *ids),
        )
        await self._database.execute(
            "DELETE FROM status_message WHERE bot_id = ? AND chat_id = ?", ids
        )

    async def status_messages(self, bot_id: int) -> list[StatusMessageId]:
        """Return the status messages that don't tell the end of their burst yet, oldest first."""
        rows = await self._database.execute_fetchall(
            "SELECT chat_id, message_id, thread_id FROM status_message WHERE bot_id = ?"
            " ORDER BY message_id",
            (bot_id,),
        )
        return [StatusMessageId(*row) for row in rows]

    async def status_sent(self, bot_id: int, message: StatusMessageId) -> None:
        """Remember a status message, so that a later life can go on with it."""
        await self._database.execute(
            "INSERT OR REPLACE INTO status_message (bot_id, chat_id, message_id, thread_id)"
            " VALUES (?, ?, ?, ?)",
            (bot_id, message.chat_id, message.message_id, message.thread_id),
        )

    async def status_ended(self, bot_id: int, chat_id: int, message_id: int) -> None:
        """Forget a status message that tells the end, or is gone."""
        await self._database.execute(
            "DELETE FROM status_message WHERE bot_id = ? AND chat_id = ? AND message_id = ?",
            (bot_id, chat_id, message_id),
        )

    async def owed(self, bot_id: int) -> list[tuple[QueuedMessage, str, str]]:
        """Return the ended messages whose senders don't know: (message, reaction, reason)."""
        rows = await self._database.execute_fetchall(
            f"SELECT {_COLUMNS}, owed, reply FROM message"  # noqa: S608  # a constant
            " WHERE bot_id = ? AND (owed != '' OR reply != '') ORDER BY id",
            (bot_id,),
        )
        return [(_message(row[:-2]), row[-2], row[-1]) for row in rows]

    async def late(self, bot_id: int, chat_id: int) -> list[QueuedMessage]:
        """Return the messages of a chat that came late and wait for a decision, oldest first."""
        return await self._messages(
            "bot_id = ? AND chat_id = ? AND state IN ('late', 'offered')", bot_id, chat_id
        )

    async def not_offered(self, bot_id: int) -> set[int]:
        """Return the chats with late messages of which they were not told yet."""
        rows = await self._database.execute_fetchall(
            "SELECT DISTINCT chat_id FROM message WHERE bot_id = ? AND state = 'late'", (bot_id,)
        )
        return {row[0] for row in rows}

    async def _messages(self, where: str, *values: int) -> list[QueuedMessage]:
        rows = await self._database.execute_fetchall(
            f"SELECT {_COLUMNS} FROM message WHERE {where} ORDER BY coalesce(place, id)",  # noqa: S608  # constants
            values,
        )
        return [_message(row) for row in rows]

    async def keep_pruned(self) -> None:
        """Prune every hour, whether messages come or not; until cancelled."""
        while True:
            await asyncio.sleep(_PRUNE_EVERY_S)
            try:
                await self.prune()
            except (sqlite3.Error, OSError) as exc:  # a full disk; it is tried again
                log.error("What is old can't be removed: %s", exc)  # noqa: TRY400

    async def prune(self) -> None:
        """Forget what has been kept long enough, so that nothing of it is left in any file.

        Raises:
            sqlite3.Error: the database can't be written.
            OSError: a file can't be removed.
        """
        now = time.time()
        over = await self._database.execute(
            "DELETE FROM message WHERE accepted_at < ? AND owed = '' AND reply = ''"
            " AND state NOT IN ('waiting', 'held', 'late', 'offered', 'fetching', 'asking',"
            " 'asked', 'noting')",
            (now - _KEEP_S,),
        )
        undecided = await self._database.execute(
            "DELETE FROM message WHERE changed_at < ?"
            " AND state IN ('late', 'offered', 'asking', 'asked')",
            (now - _KEEP_OFFERED_S,),
        )
        await self._database.execute("DELETE FROM handled_update WHERE at < ?", (now - _KEEP_S,))
        if over.rowcount or undecided.rowcount:
            # secure_delete overwrites rows, but not the copies of them that moving rows between
            # pages leaves behind.
            await self._database.execute("VACUUM")
        # The log beside the database has copies of the pages that were written, and keeps them when
        # it is used again: only an emptied one holds nothing.
        await self._database.execute_fetchall("PRAGMA wal_checkpoint(TRUNCATE)")
        rows = await self._database.execute_fetchall("SELECT file FROM message WHERE file != ''")
        _remove_old(self._path, {Path(file).name for (file,) in rows}, now)

    # ---- people ----

    async def people(self) -> frozenset[int]:
        """Return the ids of those who were paired."""
        rows = await self._database.execute_fetchall("SELECT user_id FROM person")
        return frozenset(row[0] for row in rows)

    async def add_person(self, user_id: int, name: str) -> None:
        """Let a person speak from now on."""
        await self._database.execute(
            "INSERT OR REPLACE INTO person VALUES (?, ?, ?)", (user_id, name, time.time())
        )

    async def names(self) -> dict[int, str]:
        """Return the paired people's names by their ids, the first one first."""
        rows = await self._database.execute_fetchall(
            "SELECT user_id, name FROM person ORDER BY paired_at"
        )
        return {row[0]: row[1] for row in rows}

    async def remove_person(self, user_id: int) -> bool:
        """Let a person speak no more; return whether there was such a one."""
        cursor = await self._database.execute("DELETE FROM person WHERE user_id = ?", (user_id,))
        return cursor.rowcount > 0

    async def preferences(self, user_id: int) -> dict[str, str]:
        """Return what a person has chosen."""
        rows = await self._database.execute_fetchall(
            "SELECT name, value FROM preference WHERE user_id = ?", (user_id,)
        )
        return {row[0]: row[1] for row in rows}

    async def is_preferred(self, name: str) -> bool:
        """Whether anybody has made that choice."""
        rows = await self._database.execute_fetchall(
            "SELECT 1 FROM preference WHERE name = ? LIMIT 1", (name,)
        )
        return bool(list(rows))

    async def prefer(self, user_id: int, name: str, value: str) -> None:
        """Remember a person's choice; an empty one is forgotten."""
        if value:
            await self._database.execute(
                "INSERT OR REPLACE INTO preference VALUES (?, ?, ?)", (user_id, name, value)
            )
        else:
            await self._database.execute(
                "DELETE FROM preference WHERE user_id = ? AND name = ?", (user_id, name)
            )

    # ---- pronunciations ----

    async def pronunciations(self) -> dict[str, str]:
        """Return how words are said, by the word in lower case."""
        rows = await self._database.execute_fetchall("SELECT word, said FROM pronunciation")
        return {row[0]: row[1] for row in rows}

    async def pronounce(self, word: str, said: str) -> None:
        """Remember how a word is said; an empty way is forgotten."""
        if said:
            await self._database.execute(
                "INSERT OR REPLACE INTO pronunciation VALUES (?, ?)", (word.casefold(), said)
            )
        else:
            await self._database.execute(
                "DELETE FROM pronunciation WHERE word = ?", (word.casefold(),)
            )

    # ---- choices that outrank a setting ----

    async def choice(self, name: str, setting: str) -> str | None:
        """Return what was chosen over *setting*; None when nothing was, or it changed since."""
        rows = list(
            await self._database.execute_fetchall(
                "SELECT value FROM choice WHERE name = ? AND setting = ?", (name, setting)
            )
        )
        return rows[0][0] if rows else None

    async def choose(self, name: str, value: str | None, setting: str) -> None:
        """Remember a choice over the present *setting*; None follows the setting again."""
        if value is None:
            await self._database.execute("DELETE FROM choice WHERE name = ?", (name,))
        else:
            await self._database.execute(
                "INSERT OR REPLACE INTO choice VALUES (?, ?, ?)", (name, value, setting)
            )


def _message(row: Sequence[Any]) -> QueuedMessage:
    """Return a row of `_COLUMNS` as a message."""
    message = QueuedMessage(*row)
    chime = None if message.chime is None else bool(message.chime)
    return replace(message, urgent=bool(message.urgent), chime=chime)


async def _connect(path: Path) -> aiosqlite.Connection:
    """Open a database that is sound and of this version.

    Raises:
        InboxError: a newer Crier made it, or an older one's can't be brought to this version.
        sqlite3.Error: it can't be opened, or is damaged.
    """
    database = await aiosqlite.connect(path, isolation_level=None)
    try:
        version = await _one(database, "PRAGMA user_version")
        if version > _SCHEMA_VERSION:
            raise InboxError(_newer(path))
        await database.execute("PRAGMA journal_mode = WAL")
        await database.execute("PRAGMA synchronous = FULL")
        await database.execute("PRAGMA secure_delete = ON")  # what was pruned is gone
        if sys.platform == "darwin":  # where a plain fsync leaves the data in the drive's cache
            await database.execute("PRAGMA fullfsync = ON")
        rows = list(await database.execute_fetchall("PRAGMA quick_check(1)"))
        if rows[0][0] != "ok":
            raise sqlite3.DatabaseError(f"malformed: {rows[0][0]}")
        if version == 0:
            await database.executescript(
                f"BEGIN; {_SCHEMA} PRAGMA user_version = {_SCHEMA_VERSION}; COMMIT;"
            )
        elif version < _SCHEMA_VERSION:
            await upgrade(database, path, version, _SCHEMA_VERSION, _MIGRATIONS)
    except UpgradeError as exc:
        raise InboxError(str(exc)) from exc
    except BaseException:
        await database.close()
        raise
    return database


def _remove_old(path: Path, recordings: set[str], now: float) -> None:
    """Remove copies of the database that are old, and recordings that no message has."""
    old = [
        copy
        for kind in ("damaged-", "before-v")
        for copy in path.parent.glob(f"{path.name}.{kind}*")
        if now - copy.stat().st_mtime > _KEEP_COPIES_S
    ]
    old += [
        file
        for file in path.parent.glob(f"{_RECORDINGS}/*")
        if file.name not in recordings and now - file.stat().st_mtime > _NEW_S
    ]
    for file in old:
        file.unlink(missing_ok=True)


def _newer(path: Path) -> str:
    backup = backup_before(path, _SCHEMA_VERSION + 1)
    back = f", or go back to what it was before: put {backup} in its place" * backup.exists()
    return f"{path} was made by a newer Crier. Update this one{back}."


def _is_damage(error: sqlite3.DatabaseError) -> bool:
    """Tell a file that is no sound database from one that can't be reached."""
    return type(error) is sqlite3.DatabaseError or "no such table" in str(error)


def _set_aside(path: Path, error: Exception) -> str:
    """Move a damaged database out of the way, never away; return what to tell about it."""
    kept = path.with_name(f"{path.name}.damaged-{time.strftime('%Y%m%d-%H%M%S')}")
    for suffix in ("", "-wal", "-shm"):
        with contextlib.suppress(FileNotFoundError):
            path.with_name(path.name + suffix).rename(kept.with_name(kept.name + suffix))
            kept.with_name(kept.name + suffix).touch()  # from now on it is kept for a while
    notice = (
        f"The database was damaged ({error}) and was set aside as {kept}, for "
        f"{_KEEP_COPIES_S / 86400:.0f} days. A new one was begun: what waited and who was paired "
        "is only in the old one."
    )
    log.error("%s", notice)
    return notice


async def _one(database: aiosqlite.Connection, query: str) -> int:
    rows = list(await database.execute_fetchall(query))
    return int(rows[0][0])

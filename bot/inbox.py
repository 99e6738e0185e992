"""The durable queue: what was accepted, who may speak, and what was chosen (SQLite).

Runs on the event loop; aiosqlite does the waiting in a thread of its own.
"""

import logging
import sqlite3
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import aiosqlite

log = logging.getLogger(__name__)

_KEEP_S = 48 * 3600.0
"""How long ended messages are kept: Telegram may send an update again for 24 h."""

_PRUNE_EVERY_S = 3600.0

_SCHEMA_VERSION = 1
_SCHEMA = """
CREATE TABLE message (
    id INTEGER PRIMARY KEY,        -- in order of acceptance; update ids may jump
    bot_id INTEGER NOT NULL,
    update_id INTEGER NOT NULL,
    chat_id INTEGER NOT NULL,
    message_id INTEGER NOT NULL,
    text TEXT NOT NULL,
    accepted_at REAL NOT NULL,     -- seconds since 1970
    state TEXT NOT NULL DEFAULT 'waiting', -- waiting, held, or how it ended
    sentence INTEGER NOT NULL DEFAULT 0,   -- the first one not heard yet
    UNIQUE (bot_id, update_id)
);
CREATE TABLE person (user_id INTEGER PRIMARY KEY, name TEXT NOT NULL, paired_at REAL NOT NULL);
CREATE TABLE choice (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL,
    setting TEXT NOT NULL          -- the variable's value when this was chosen over it
);
"""


class InboxError(Exception):
    """The database can't be used; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Message:
    """A text from Telegram that will be spoken."""

    id: int
    chat_id: int
    message_id: int
    text: str
    sentence: int = 0
    """The first sentence that was not heard yet."""


class Inbox:
    """What must survive a crash. Every write is on the disk when its call returns."""

    def __init__(self, database: aiosqlite.Connection) -> None:
        """Use `open`."""
        self._database = database
        self._pruned_s = 0.0

    @classmethod
    async def open(cls, path: Path) -> Self:
        """Open the database at *path*, made when missing.

        Raises:
            InboxError: it can't be opened, or a newer Crier made it.
        """
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            database = await aiosqlite.connect(path, isolation_level=None)
        except (OSError, sqlite3.Error) as exc:
            raise InboxError(f"{path} can't be opened ({exc}). Set DATA_DIR elsewhere.") from exc
        try:
            await database.execute("PRAGMA journal_mode = WAL")
            await database.execute("PRAGMA synchronous = FULL")
            await database.execute("PRAGMA secure_delete = ON")  # what was pruned is gone
            if sys.platform == "darwin":  # where a plain fsync leaves the data in the drive's cache
                await database.execute("PRAGMA fullfsync = ON")
            version = await _one(database, "PRAGMA user_version")
            if version > _SCHEMA_VERSION:
                raise InboxError(f"{path} was made by a newer Crier. Update this one.")
            if version == 0:
                await database.executescript(
                    f"BEGIN; {_SCHEMA} PRAGMA user_version = {_SCHEMA_VERSION}; COMMIT;"
                )
            inbox = cls(database)
            await inbox._prune()
        except sqlite3.Error as exc:
            await database.close()
            raise InboxError(
                f"{path} can't be used ({exc}). If it is damaged, move it away and start again."
            ) from exc
        except BaseException:
            await database.close()
            raise
        return inbox

    async def close(self) -> None:
        """Close the database."""
        await self._database.close()

    # ---- messages ----

    async def accept(
        self, bot_id: int, update_id: int, chat_id: int, message_id: int, text: str
    ) -> Message | None:
        """Store a text; None if this update was stored before.

        Raises:
            InboxError: it can't be stored, so it is not accepted.
        """
        try:
            if time.monotonic() - self._pruned_s > _PRUNE_EVERY_S:
                await self._prune()
            cursor = await self._database.execute(
                "INSERT OR IGNORE INTO message"
                " (bot_id, update_id, chat_id, message_id, text, accepted_at)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                (bot_id, update_id, chat_id, message_id, text, time.time()),
            )
        except sqlite3.Error as exc:
            log.error("A message can't be stored: %s", exc)  # noqa: TRY400  # no traceback needed
            raise InboxError(
                f"It could not be stored on the computer ({exc}), so it will not be spoken. "
                "Make room on its disk and send it again."
            ) from exc
        if not cursor.rowcount or cursor.lastrowid is None:
            return None
        return Message(cursor.lastrowid, chat_id, message_id, text)

    async def unfinished(self, bot_id: int) -> list[Message]:
        """Return the messages to this bot that have not ended, oldest first."""
        rows = await self._database.execute_fetchall(
            "SELECT id, chat_id, message_id, text, sentence FROM message"
            " WHERE bot_id = ? AND state IN ('waiting', 'held') ORDER BY id",
            (bot_id,),
        )
        return [Message(*row) for row in rows]

    async def sentence_heard(self, id_: int, sentence: int) -> None:
        """Remember that *sentence* need not be said again."""
        await self._database.execute(
            "UPDATE message SET sentence = ? WHERE id = ?", (sentence + 1, id_)
        )

    async def mark(self, id_: int, state: str) -> None:
        """Remember that a message is held, or how it ended."""
        await self._database.execute("UPDATE message SET state = ? WHERE id = ?", (state, id_))

    async def _prune(self) -> None:
        self._pruned_s = time.monotonic()
        await self._database.execute(
            "DELETE FROM message WHERE state NOT IN ('waiting', 'held') AND accepted_at < ?",
            (time.time() - _KEEP_S,),
        )

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


async def _one(database: aiosqlite.Connection, query: str) -> int:
    rows = list(await database.execute_fetchall(query))
    return int(rows[0][0])

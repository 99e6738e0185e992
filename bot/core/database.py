"""The database file: opened, created, upgraded, and set aside when it is damaged (SQLite).

Before an upgrade the database is copied to the same folder, so that it can be undone. Runs on the
event loop; aiosqlite runs SQLite on its own thread.
"""

import contextlib
import logging
import os
import shutil
import sqlite3
import sys
import time
from pathlib import Path
from typing import Self

import aiosqlite

from audio.cost import speech_length

log = logging.getLogger(__name__)

_MAX_COPIES = 2
"""How many copies from before upgrades are kept."""

_KEEP_COPIES_S = 30 * 24 * 3600.0
"""How long damaged databases, and copies from before upgrades, are kept."""

SCHEMA_VERSION = 5
SCHEMA = """
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
    owed TEXT NOT NULL DEFAULT '',         -- the last reaction, until the chat accepted it
    reply TEXT NOT NULL DEFAULT '',        -- the last reply, until the chat accepted it
    user_id INTEGER NOT NULL DEFAULT 0,
    voice TEXT NOT NULL DEFAULT '',        -- empty: as the settings say
    speed REAL NOT NULL DEFAULT 0,         -- likewise
    lang TEXT NOT NULL DEFAULT '',         -- empty: the voice's own
    urgent INTEGER NOT NULL DEFAULT 0,
    skipped TEXT NOT NULL DEFAULT '',      -- what was left out of it
    file TEXT NOT NULL DEFAULT '',         -- what to fetch; then the recording to play
    client TEXT NOT NULL DEFAULT '',       -- which program sent it; its chat_id is 0
    chime INTEGER,                         -- NULL: as the settings say
    place INTEGER,                         -- in the queue; NULL: as its id
    reason TEXT NOT NULL DEFAULT '',       -- why it ended like that
    device TEXT NOT NULL DEFAULT '',       -- the last one that played it
    audio_s REAL NOT NULL DEFAULT 0,       -- how much of it was heard
    first_sound_ms INTEGER,                -- if the loudspeaker was idle when it came
    fresh_at REAL NOT NULL DEFAULT 0,      -- lateness counts from here: when it was sent, or when
                                           -- someone decided to hear it; since 1970
    thread_id INTEGER,                     -- the forum topic that it was sent in; NULL: none
    expires_at REAL NOT NULL DEFAULT 0,    -- not spoken after that time, since 1970; 0: always
    replace_key TEXT NOT NULL DEFAULT '',  -- a newer one with the same key takes its place
    volume INTEGER,                        -- in percent, of this one; NULL: as it is set
    room TEXT NOT NULL DEFAULT '',         -- where it is spoken; empty: on this computer
    origin TEXT NOT NULL DEFAULT '',       -- in a room: which bot's it is; empty: its own
    UNIQUE (bot_id, update_id)
);
CREATE TABLE handled_update (              -- commands and buttons that were carried out
    bot_id INTEGER NOT NULL,
    update_id INTEGER NOT NULL,
    at REAL NOT NULL,                      -- seconds since 1970
    PRIMARY KEY (bot_id, update_id)
);
CREATE TABLE status_message (              -- which do not show the end of their burst yet
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
    setting TEXT NOT NULL          -- the variable's value when this was selected instead
);
CREATE TABLE known_room (slug TEXT PRIMARY KEY, name TEXT NOT NULL); -- other computers
CREATE TABLE room_part (                   -- of a message: what one room has to say
    ref TEXT PRIMARY KEY,                  -- what bot and room call it
    message_id INTEGER NOT NULL,
    room TEXT NOT NULL,                    -- the room's slug
    state TEXT NOT NULL,                   -- see bot.core.room_store.PartState
    reason TEXT NOT NULL DEFAULT '',       -- why it ended like that
    UNIQUE (message_id, room)
);
"""
MIGRATIONS: dict[int, str] = {
    4: """
ALTER TABLE message ADD COLUMN expires_at REAL NOT NULL DEFAULT 0;
ALTER TABLE message ADD COLUMN replace_key TEXT NOT NULL DEFAULT '';
ALTER TABLE message ADD COLUMN volume INTEGER;
ALTER TABLE message ADD COLUMN room TEXT NOT NULL DEFAULT '';
ALTER TABLE message ADD COLUMN origin TEXT NOT NULL DEFAULT '';
CREATE TABLE known_room (slug TEXT PRIMARY KEY, name TEXT NOT NULL);
CREATE TABLE room_part (
    ref TEXT PRIMARY KEY,
    message_id INTEGER NOT NULL,
    room TEXT NOT NULL,
    state TEXT NOT NULL,
    reason TEXT NOT NULL DEFAULT '',
    UNIQUE (message_id, room)
);
""",
}
"""The SQL that upgrades each version to the next. Released versions start with 4.

A test upgrades the stored database of each (`tests/core/snapshots.py`)."""


class InboxError(Exception):
    """The database can't be used; the message says why and what to do."""


class Database:
    """An open database. Every write is on the disk when its call returns."""

    def __init__(self, connection: aiosqlite.Connection, path: Path, notice: str = "") -> None:
        """Use `open`."""
        self.connection = connection
        self.path = path
        self.notice = notice
        """What its owner should know about it; usually empty."""

    @classmethod
    async def open(cls, path: Path) -> Self:
        """Open the database at *path*. A missing one is created, a damaged one set aside.

        Raises:
            InboxError: it can't be opened, a newer Crier made it, or it can't be upgraded.
        """
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            try:
                return cls(await _connect(path), path)
            except sqlite3.DatabaseError as exc:
                if not _is_damage(exc):
                    raise
                notice = _set_aside(path, exc)
                return cls(await _connect(path), path, notice)
        except (OSError, sqlite3.Error) as exc:
            raise InboxError(
                f"{path} can't be used ({exc}). Make room on its disk, or set DATA_DIR elsewhere."
            ) from exc

    @classmethod
    async def view(cls, path: Path | None) -> Self:
        """Open the database at *path* to read it, as it is; an empty one if there is none.

        Raises:
            InboxError: another version of Crier made it.
            sqlite3.Error: it can't be opened, or is damaged.
        """
        uri = _read_only_uri(path) if path else ""
        if not uri:
            empty = await aiosqlite.connect(":memory:", isolation_level=None)
            await empty.executescript(SCHEMA)
            return cls(empty, path or Path())
        database = await aiosqlite.connect(uri, isolation_level=None, uri=True)
        try:
            if await _one(database, "PRAGMA user_version") != SCHEMA_VERSION:
                raise InboxError(f"{path} was made by another version of Crier.")
        except BaseException:
            await database.close()
            raise
        return cls(database, path or Path())

    async def close(self) -> None:
        """Close the connection."""
        await self.connection.close()

    def remove_old_copies(self, now: float) -> None:
        """Remove damaged databases and copies from before upgrades that are older than a month.

        Raises:
            OSError: one can't be removed.
        """
        for kind in ("damaged-", "before-v"):
            for copy in self.path.parent.glob(f"{self.path.name}.{kind}*"):
                if now - copy.stat().st_mtime > _KEEP_COPIES_S:
                    copy.unlink(missing_ok=True)


def _read_only_uri(path: Path) -> str:
    """Return SQLite's name of a file that is only read; empty if there is no such file."""
    return f"{path.absolute().as_uri()}?mode=ro" if path.exists() else ""


async def _connect(path: Path) -> aiosqlite.Connection:
    """Open the database, creating or upgrading it if necessary.

    Raises:
        InboxError: a newer Crier made it, or it can't be upgraded.
        sqlite3.Error: it can't be opened, or is damaged.
    """
    database = await aiosqlite.connect(path, isolation_level=None)
    try:
        version = await _one(database, "PRAGMA user_version")
        if version > SCHEMA_VERSION:
            raise InboxError(_newer(path))
        # For sums over texts, which are then taken on SQLite's thread.
        await database.create_function("speech_length", 1, speech_length, deterministic=True)
        await database.execute("PRAGMA journal_mode = WAL")
        await database.execute("PRAGMA synchronous = FULL")
        await database.execute("PRAGMA secure_delete = ON")  # overwrites pruned rows
        if sys.platform == "darwin":  # a plain fsync leaves the data in the drive's cache
            await database.execute("PRAGMA fullfsync = ON")
        await _check(database)
        if version == 0:
            await database.executescript(
                f"BEGIN; {SCHEMA} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;"
            )
        elif version < SCHEMA_VERSION:
            await _upgrade(database, path, version)
    except BaseException:
        await database.close()
        raise
    return database


async def _check(database: aiosqlite.Connection) -> None:
    """Raise sqlite3.DatabaseError if a database is damaged."""
    rows = list(await database.execute_fetchall("PRAGMA quick_check(1)"))
    if rows[0][0] != "ok":
        raise sqlite3.DatabaseError(f"malformed: {rows[0][0]}")


async def _one(database: aiosqlite.Connection, query: str) -> int:
    rows = list(await database.execute_fetchall(query))
    return int(rows[0][0])


def _is_damage(error: sqlite3.DatabaseError) -> bool:
    """Whether an error means a corrupt database, and not an unreachable one."""
    return type(error) is sqlite3.DatabaseError or "no such table" in str(error)


def _set_aside(path: Path, error: Exception) -> str:
    """Move a damaged database out of the way, without deleting it; return the notice about it."""
    aside = path.with_name(f"{path.name}.damaged-{time.strftime('%Y%m%d-%H%M%S')}")
    for suffix in ("", "-wal", "-shm"):
        with contextlib.suppress(FileNotFoundError):
            path.with_name(path.name + suffix).rename(aside.with_name(aside.name + suffix))
            aside.with_name(aside.name + suffix).touch()  # its month starts now
    notice = (
        f"The database was damaged ({error}) and was set aside as {aside}, for "
        f"{_KEEP_COPIES_S / 86400:.0f} days. A new one was begun: what waited and who was paired "
        "is only in the old one."
    )
    log.error("%s", notice)
    return notice


# ---- upgrades ----


async def _upgrade(database: aiosqlite.Connection, path: Path, old: int) -> None:
    """Copy a database of version *old*, then upgrade it to `SCHEMA_VERSION`.

    Args:
        database: an open connection, which is closed if a step fails.
        path: the database file.
        old: its version.

    Raises:
        InboxError: a step is missing or failed; the file is unchanged, and the message says what
            to do.
        OSError: there is no room for the copy; nothing was changed.
        sqlite3.Error: likewise.
    """
    new = SCHEMA_VERSION
    way_out = f"to start again, without waiting messages and paired people, move {path} away."
    if any(version not in MIGRATIONS for version in range(old, new)):
        raise InboxError(f"{path} is of version {old}, which can't be upgraded: {way_out}")
    backup = _backup_before(path, new)
    await _copy(database, backup)
    script = "\n".join(MIGRATIONS[version] for version in range(old, new))
    try:
        await database.executescript(f"BEGIN;\n{script}\nPRAGMA user_version = {new};\nCOMMIT;")
        await _check(database)
    except sqlite3.Error as exc:
        await database.close()
        _put_back(backup, path)
        raise InboxError(
            f"{path} is of version {old}, and making it one of version {new} failed ({exc}). It "
            f"is as it was; a copy is {backup}. Go back to the Crier that you had, or, {way_out}"
        ) from exc
    log.info("The database was upgraded to version %d; a copy from before: %s", new, backup)
    for outdated in _backups(path)[:-_MAX_COPIES]:
        outdated.unlink(missing_ok=True)


def _backup_before(path: Path, version: int) -> Path:
    """Return the path of the copy from before the upgrade to *version*."""
    return path.with_name(f"{path.name}.before-v{version}")


def _backups(path: Path) -> list[Path]:
    """Return the copies from before upgrades, oldest first."""
    prefix = f"{path.name}.before-v"
    copies = [p for p in path.parent.glob(f"{prefix}*") if p.name.removeprefix(prefix).isdigit()]
    return sorted(copies, key=lambda p: int(p.name.removeprefix(prefix)))


def _newer(path: Path) -> str:
    backup = _backup_before(path, SCHEMA_VERSION + 1)
    back = f", or go back to what it was before: put {backup} in its place" * backup.exists()
    return f"{path} was made by a newer Crier. Update this one{back}."


async def _copy(database: aiosqlite.Connection, to: Path) -> None:
    """Copy a database, including its log; the copy appears only when it is complete."""
    part = to.with_name(f"{to.name}.part")
    part.unlink(missing_ok=True)
    async with aiosqlite.connect(part) as copy:
        await database.backup(copy)
    _sync(part)
    part.replace(to)


def _put_back(backup: Path, path: Path) -> None:
    part = path.with_name(f"{path.name}.part")
    shutil.copyfile(backup, part)
    _sync(part)
    for log_file in ("-wal", "-shm"):  # they belong to the failed upgrade
        path.with_name(path.name + log_file).unlink(missing_ok=True)
    part.replace(path)


def _sync(path: Path) -> None:
    """Flush a file to the disk. Blocks."""
    with path.open("r+b") as file:
        os.fsync(file.fileno())

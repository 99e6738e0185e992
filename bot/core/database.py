"""How an older database becomes one of today, with a way back. Runs on the event loop."""

import logging
import os
import shutil
import sqlite3
from collections.abc import Mapping
from pathlib import Path

import aiosqlite

log = logging.getLogger(__name__)

_KEPT = 2
"""How many copies of older databases are kept beside today's."""


class UpgradeError(Exception):
    """An older database can't become one of today; it is as it was."""


async def upgrade(
    database: aiosqlite.Connection, path: Path, old: int, new: int, steps: Mapping[int, str]
) -> None:
    """Bring a database from version *old* to *new*; a copy of it is made first, and kept.

    Args:
        database: open, and closed again where this fails.
        path: where it is.
        old: its version.
        new: the version that it shall have.
        steps: SQL for each version, which makes it the next one.

    Raises:
        UpgradeError: a step failed; the file is as it was, and the message says what to do.
        OSError: there is no room for the copy; nothing was changed.
        sqlite3.Error: likewise.
    """
    backup = backup_before(path, new)
    await _copy(database, backup)
    script = "\n".join(steps[version] for version in range(old, new))
    try:
        await database.executescript(f"BEGIN;\n{script}\nPRAGMA user_version = {new};\nCOMMIT;")
        rows = list(await database.execute_fetchall("PRAGMA quick_check(1)"))
        if rows[0][0] != "ok":
            raise sqlite3.DatabaseError(rows[0][0])
    except sqlite3.Error as exc:
        await database.close()
        _put_back(backup, path)
        raise UpgradeError(
            f"{path} is of version {old}, and making it one of version {new} failed ({exc}). It "
            f"is as it was; a copy is {backup}. Go back to the Crier that you had, or, to begin "
            f"anew without what waited and who was paired, move {path} away."
        ) from exc
    log.info("The database is of version %d now; as it was before: %s", new, backup)
    for outdated in backups(path)[:-_KEPT]:
        outdated.unlink(missing_ok=True)


def backup_before(path: Path, version: int) -> Path:
    """Return where the copy is that was made before a database became one of *version*."""
    return path.with_name(f"{path.name}.before-v{version}")


def backups(path: Path) -> list[Path]:
    """Return the copies of older databases, the oldest first."""
    prefix = f"{path.name}.before-v"
    found = [p for p in path.parent.glob(f"{prefix}*") if p.name.removeprefix(prefix).isdigit()]
    return sorted(found, key=lambda p: int(p.name.removeprefix(prefix)))


async def _copy(database: aiosqlite.Connection, to: Path) -> None:
    """Copy a database as it is on the disk and in its log; the copy appears when it is whole."""
    part = to.with_name(f"{to.name}.part")
    part.unlink(missing_ok=True)
    async with aiosqlite.connect(part) as copy:
        await database.backup(copy)
    _onto_the_disk(part)
    part.replace(to)


def _put_back(backup: Path, path: Path) -> None:
    part = path.with_name(f"{path.name}.part")
    shutil.copyfile(backup, part)
    _onto_the_disk(part)
    for log_file in ("-wal", "-shm"):  # they belong to what failed
        path.with_name(path.name + log_file).unlink(missing_ok=True)
    part.replace(path)


def _onto_the_disk(path: Path) -> None:
    with path.open("r+b") as file:
        os.fsync(file.fileno())

"""Databases as each released version left them, so that real upgrades are tested.

`python -m tests.core.snapshots` writes the one of today's version, which is needed once for each
new version; those of older versions never change.
"""

import asyncio
import sqlite3
import tempfile
from pathlib import Path

from bot.core.database import SCHEMA_VERSION
from bot.core.inbox import Inbox
from bot.core.message import QueuedMessage, StatusMessageId
from bot.core.store import Store
from bot.paths import CHECKOUT
from tests.conftest import ALICE

BOT = 4217
FOLDER = CHECKOUT / "tests" / "data"

_NEVER_OLD = 4e9
"""Seconds since 1970, so that nothing is pruned."""


def snapshot_of(version: int) -> Path:
    """Return the file with a version's database as SQL."""
    return FOLDER / f"database-v{version}.sql"


def versions() -> list[int]:
    """Return the versions that have a snapshot."""
    return sorted(int(path.stem.rpartition("v")[2]) for path in FOLDER.glob("database-v*.sql"))


async def fill(path: Path) -> None:
    """Create a database of today's version, with two messages, a person and choices."""
    inbox = await Inbox.open(path)
    store = Store(inbox.database)
    for number, text in enumerate(("One, 1. Two, 2.", "Five, 5."), 1):
        message = QueuedMessage(
            0, ALICE.id, 10 + number, text, urgent=number == 2, voice="bf_emma", skipped="a table"
        )
        await inbox.accept(BOT, number, message)
    await inbox.store_heard_sentence(1, 0)
    await store.add_person(ALICE.id, "Alice")
    await store.prefer(ALICE.id, "voice", "bf_emma")
    await store.pronounce("Nguyen", "win")
    await store.choose("device", "speaker_b", "speaker_a")
    await inbox.close()


def restore(version: int, path: Path) -> None:
    """Create the database of a version from its snapshot."""
    database = sqlite3.connect(path)
    database.executescript(snapshot_of(version).read_text(encoding="utf-8"))
    database.execute(f"PRAGMA user_version = {version}")
    database.close()


async def write() -> None:
    """Write the snapshot of today's version: a row or two in every table."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "crier.db"
        await fill(path)
        inbox = await Inbox.open(path)
        await inbox.mark_handled(BOT, 3)
        await inbox.store_status_message(BOT, StatusMessageId(ALICE.id, 13, None))
        await inbox.close()
        database = sqlite3.connect(path)
        database.execute("UPDATE handled_update SET at = ?", (_NEVER_OLD,))
        database.execute("UPDATE message SET accepted_at = 1e9, changed_at = 1e9, fresh_at = 1e9")
        database.execute("UPDATE person SET paired_at = 1e9")
        reminder = {
            "update_id": 4,
            "due": "2096-12-24T18:30:00",
            "rule": "30 18 * * *",
            "chat_id": ALICE.id,
            "message_id": 14,
            "user_id": ALICE.id,
            "user_name": "Alice",
            "text": "Dinner",
        }
        zeros = dict.fromkeys(("set_at", "expires_s", "speed", "urgent"), 0)
        empty = dict.fromkeys(("client", "voice", "lang", "replace_key", "room"), "")
        columns = {"bot_id": BOT, **reminder, **zeros, **empty}
        marks = ", ".join(f":{name}" for name in columns)
        database.execute(
            f"INSERT INTO reminder ({', '.join(columns)}) VALUES ({marks})",  # noqa: S608
            columns,
        )
        database.commit()
        lines = "\n".join(database.iterdump())
        database.close()
    snapshot_of(SCHEMA_VERSION).write_text(f"{lines}\n", encoding="utf-8")


if __name__ == "__main__":
    asyncio.run(write())

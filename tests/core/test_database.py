"""The database file: damaged, newer, older. Stored data survives, and a downgrade is possible."""

import sqlite3
from pathlib import Path

import pytest

from bot.chat.sandbox import Sandbox
from bot.core import database as module
from bot.core.database import SCHEMA_VERSION, Database, InboxError
from bot.core.inbox import Inbox
from bot.core.message import QueuedMessage
from bot.core.store import Store
from tests.conftest import ALICE, StartBot, reaction_to
from tests.core.snapshots import BOT, fill, restore, versions

NEXT = SCHEMA_VERSION + 1
# What a later version may change: a column, a table, and values in them.
STEP = """
ALTER TABLE message ADD COLUMN mood TEXT NOT NULL DEFAULT '';
UPDATE message SET mood = 'calm' WHERE urgent = 0;
CREATE TABLE room (name TEXT PRIMARY KEY);
"""


def release(patch: pytest.MonkeyPatch, version: int, step: str = STEP) -> None:
    """Act as a later version of Crier, which upgrades databases by *step*."""
    patch.setitem(module.MIGRATIONS, version - 1, step)
    patch.setattr(module, "SCHEMA_VERSION", version)


def version_of(path: Path) -> int:
    """Return the version that a database says it has."""
    database = sqlite3.connect(path)
    try:
        return int(database.execute("PRAGMA user_version").fetchone()[0])
    finally:
        database.close()


def columns_of(path: Path) -> list[tuple[str, ...]]:
    """Return the columns of every table and index."""
    database = sqlite3.connect(path)
    rows = database.execute(
        'SELECT m.name, c.name, c.type, c."notnull", c.dflt_value, c.pk FROM sqlite_master m,'
        " pragma_table_xinfo(m.name) c WHERE m.type = 'table'"
        ' UNION SELECT m.name, i.name, c.name, i."unique", i.partial, c.seqno'
        " FROM sqlite_master m, pragma_index_list(m.name) i, pragma_index_info(i.name) c"
        " WHERE m.type = 'table' ORDER BY 1, 2, 3"
    ).fetchall()
    database.close()
    return rows


# ---- the real upgrades ----


def test_schema_has_a_snapshot_for_each_version() -> None:
    """A new version has a step from the one before it, and a snapshot."""
    first = versions()[0]

    assert versions() == list(range(first, SCHEMA_VERSION + 1)), (
        "Write the new snapshot: python -m tests.core.snapshots"
    )
    assert sorted(module.MIGRATIONS) == list(range(first, SCHEMA_VERSION))


async def test_schema_changes_only_with_its_version(tmp_path: Path) -> None:
    """A database of today's version has the form that was stored when the version was made."""
    restore(SCHEMA_VERSION, tmp_path / "snapshot.db")
    await (await Database.open(tmp_path / "new.db")).close()

    assert columns_of(tmp_path / "new.db") == columns_of(tmp_path / "snapshot.db"), (
        "SCHEMA has changed: increase SCHEMA_VERSION, add a step to MIGRATIONS, and write the new "
        "snapshot: python -m tests.core.snapshots"
    )


@pytest.mark.parametrize("version", versions())
async def test_upgrade_takes_every_real_step(tmp_path: Path, version: int) -> None:
    """The database of each version gets today's form, and nothing of it is lost."""
    old, new = tmp_path / "old.db", tmp_path / "new.db"
    restore(version, old)
    inbox = await Inbox.open(old)
    store = Store(inbox.database)
    first, second = await inbox.list_to_speak(BOT)
    people, device = await store.names(), await store.choice("device", "speaker_a")
    preferences, words = await store.preferences(ALICE.id), await store.pronunciations()
    handled, shown = await inbox.has_seen(BOT, 3), await inbox.list_status_messages(BOT)
    await inbox.close()
    await (await Database.open(new)).close()

    assert version_of(old) == SCHEMA_VERSION
    assert columns_of(old) == columns_of(new)
    assert (first.text, first.sentence, first.urgent) == ("One, 1. Two, 2.", 1, False)
    assert (second.text, second.voice, second.urgent) == ("Five, 5.", "bf_emma", True)
    assert people == {ALICE.id: "Alice"}
    assert device == "speaker_b"
    assert preferences == {"voice": "bf_emma"}
    assert words == {"nguyen": "win"}
    assert handled
    assert [message.message_id for message in shown] == [13]


# ---- upgrades in general, by made-up steps ----


async def test_upgrade_keeps_stored_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Messages with all their fields, people and choices are there afterwards."""
    path = tmp_path / "crier.db"
    await fill(path)
    release(monkeypatch, NEXT)
    inbox = await Inbox.open(path)
    store = Store(inbox.database)
    first, second = await inbox.list_to_speak(BOT)
    moods = list(await inbox._database.execute_fetchall("SELECT mood FROM message ORDER BY id"))
    people, device = await store.names(), await store.choice("device", "speaker_a")
    preferences, words = await store.preferences(ALICE.id), await store.pronunciations()
    await inbox.store_end(first.id, "heard", "👍")
    owed = [message.id for message, _, _ in await inbox.list_owed(BOT)]
    await inbox.close()

    assert (first.text, first.sentence, first.urgent) == ("One, 1. Two, 2.", 1, False)
    assert (second.text, second.sentence, second.urgent) == ("Five, 5.", 0, True)
    assert (first.voice, first.skipped) == ("bf_emma", "a table")
    assert [mood for (mood,) in moods] == ["calm", ""]
    assert people == {ALICE.id: "Alice"}
    assert device == "speaker_b"
    assert preferences == {"voice": "bf_emma"}
    assert words == {"nguyen": "win"}
    assert owed == [first.id]


async def test_upgrade_gives_the_form_of_a_new_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over several versions, each step applies to the result of the step before it."""
    old, new = tmp_path / "old.db", tmp_path / "new.db"
    await fill(old)
    later = "ALTER TABLE room ADD COLUMN floor INTEGER; ALTER TABLE message ADD COLUMN mood2 TEXT;"
    release(monkeypatch, NEXT)
    release(monkeypatch, NEXT + 1, later)
    monkeypatch.setattr(module, "SCHEMA", module.SCHEMA + STEP + later)
    for path in (old, new):
        await (await Database.open(path)).close()

    assert columns_of(old) == columns_of(new)


async def test_upgrade_keeps_a_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A complete copy, which the older Crier can read, is next to the current database."""
    path = tmp_path / "crier.db"
    await fill(path)
    release(monkeypatch, NEXT)
    await (await Inbox.open(path)).close()
    (copy,) = tmp_path.glob("*.before-v*")
    older = sqlite3.connect(copy)
    texts = older.execute("SELECT text FROM message WHERE state = 'waiting'").fetchall()
    older.close()

    assert copy.name == f"crier.db.before-v{NEXT}"
    assert version_of(copy) == SCHEMA_VERSION
    assert texts == [("One, 1. Two, 2.",), ("Five, 5.",)]
    assert not list(tmp_path.glob("*.part*"))


async def test_open_makes_no_copy_of_a_new_database(tmp_path: Path) -> None:
    """A first start, and one without an upgrade, leave no other file."""
    for _ in range(2):
        await (await Inbox.open(tmp_path / "crier.db")).close()

    assert [path.name for path in tmp_path.iterdir()] == ["crier.db"]


async def test_upgrade_keeps_two_copies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After many upgrades the last two copies are there, in the order of their numbers."""
    path = tmp_path / "crier.db"
    await fill(path)
    for version in range(NEXT, 12):
        release(monkeypatch, version, f"CREATE TABLE t{version} (x);")
        await (await Inbox.open(path)).close()

    assert sorted(p.name for p in tmp_path.glob("*.before-*")) == [
        "crier.db.before-v10",
        "crier.db.before-v11",
    ]


@pytest.mark.parametrize(
    "step",
    [
        "DROP TABLE message; ALTER TABLE nowhere ADD COLUMN x;",
        "DELETE FROM person; COMMIT; DROP TABLE message; this is no SQL;",
    ],
)
async def test_upgrade_that_fails_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """The database is unchanged, even if a step committed before it failed."""
    path = tmp_path / "crier.db"
    await fill(path)
    with monkeypatch.context() as patch:
        release(patch, NEXT, step)
        with pytest.raises(InboxError, match="It is as it was") as error:
            await Inbox.open(path)
    version = version_of(path)
    inbox = await Inbox.open(path)
    waiting, people = await inbox.list_to_speak(BOT), await Store(inbox.database).people()
    await inbox.close()

    assert f"crier.db.before-v{NEXT}" in str(error.value)
    assert version == SCHEMA_VERSION
    assert len(waiting) == 2
    assert people == {ALICE.id}


async def test_open_refuses_a_version_that_was_never_released(tmp_path: Path) -> None:
    """A database that no step upgrades is left as it is, and the message says what to do."""
    path = tmp_path / "crier.db"
    old = sqlite3.connect(path)
    old.execute("PRAGMA user_version = 1")
    old.close()
    with pytest.raises(InboxError, match=r"version 1, which can't be upgraded: .*move .* away"):
        await Inbox.open(path)

    assert version_of(path) == 1


async def test_open_names_the_way_back_from_a_newer_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a downgrade, the error names the copy that this Crier can read."""
    path = tmp_path / "crier.db"
    await fill(path)
    with monkeypatch.context() as patch:
        release(patch, NEXT)
        await (await Inbox.open(path)).close()
    with pytest.raises(InboxError, match=rf"newer Crier.*put .*before-v{NEXT} in its place"):
        await Inbox.open(path)


async def test_upgrade_keeps_waiting_messages(
    start_toned: StartBot, sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Messages of a moment ago are heard after an upgrade."""
    path = tmp_path / "data" / "crier.db"
    path.parent.mkdir()
    await fill(path)
    for message_id in (11, 12):
        sandbox._messages[ALICE.id, message_id] = {"chat": ALICE.as_chat()}
    release(monkeypatch, NEXT)
    async with start_toned():
        for message_id in (11, 12):
            await sandbox.wait_for(reaction_to(message_id, "👍"))


# ---- damage, and a newer version ----


@pytest.mark.parametrize("damage", [b"this is no database at all", b""])
async def test_open_sets_a_damaged_database_aside(tmp_path: Path, damage: bytes) -> None:
    """A file that is no intact database is kept under another name, and a new one is created."""
    path = tmp_path / "crier.db"
    inbox = await Inbox.open(path)
    await inbox.accept(BOT, 1, QueuedMessage(0, ALICE.id, 10, "Old. " * 4000))
    await inbox.close()
    content = path.read_bytes()
    path.write_bytes(damage or content[:8192] + b"\xff" * 8192 + content[16384:])
    inbox = await Inbox.open(path)
    await inbox.accept(BOT, 2, QueuedMessage(0, ALICE.id, 11, "New."))
    texts = [message.text for message in await inbox.list_to_speak(BOT)]
    await inbox.close()

    assert texts == ["New."]
    assert "was damaged" in inbox.database.notice
    assert [p for p in tmp_path.iterdir() if ".damaged-" in p.name]


async def test_open_leaves_a_newer_database_alone(tmp_path: Path) -> None:
    """A database of a newer Crier is not changed."""
    path = tmp_path / "crier.db"
    newer = sqlite3.connect(path)
    newer.execute("PRAGMA user_version = 99")
    newer.close()
    before = path.read_bytes()
    with pytest.raises(InboxError, match="newer Crier"):
        await Inbox.open(path)

    assert path.read_bytes() == before

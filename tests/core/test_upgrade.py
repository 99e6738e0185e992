"""Upgrades: what an older Crier left is read, spoken, and kept as it was beside today's."""

import asyncio
import sqlite3
import time
from pathlib import Path

import pytest

from bot.chat.sandbox import Sandbox
from bot.core import inbox as module
from bot.core.inbox import Inbox, InboxError
from tests.conftest import ALICE, StartBot, reaction_to, reply_with
from tests.support.fake_voice import find_tones
from tests.support.loudspeaker import RATE_HZ, Ear

BOT = 4217
DATA = Path(__file__).parent.parent / "data"


def make(path: Path, version: int, *, age_s: float | None = None) -> bytes:
    """Put an older Crier's database at *path*, its messages of *age_s* ago; return its bytes."""
    path.parent.mkdir(exist_ok=True)
    old = sqlite3.connect(path)
    old.executescript((DATA / f"crier-v{version}.sql").read_text())
    if age_s is not None:
        old.execute("UPDATE message SET accepted_at = ?", (time.time() - age_s,))
    old.commit()
    old.close()
    return path.read_bytes()


def remember(sandbox: Sandbox) -> None:
    """Let the server know the messages that the older Crier was sent."""
    for message_id in (11, 12, 13, 14):
        sandbox._messages[ALICE.id, message_id] = {"chat": ALICE.as_chat()}


def version_of(path: Path) -> int:
    """Return the version that a database says it has."""
    database = sqlite3.connect(path)
    try:
        return int(database.execute("PRAGMA user_version").fetchone()[0])
    finally:
        database.close()


@pytest.mark.parametrize("version", [1, 2, 3])
async def test_what_an_older_version_left_is_read(tmp_path: Path, version: int) -> None:
    """Waiting messages with where they were cut, people and choices are there after an upgrade."""
    path = tmp_path / "crier.db"
    make(path, version)
    inbox = await Inbox.open(path)
    waiting = await inbox.unfinished(BOT)
    people, device = await inbox.names(), await inbox.choice("device", "speaker_a")
    idle_s = await inbox.idle_s(BOT)
    await inbox.end(waiting[0].id, "heard", "👍")
    owed = [message.id for message, _, _ in await inbox.owed(BOT)]
    await inbox.close()

    assert [(message.text, message.sentence) for message in waiting] == [
        ("One, 1. Two, 2. Three, 3.", 1),
        ("Five, 5.", 0),
        ("Six, 6.", 0),
    ]
    assert people == {7: "Alice"}
    assert device == "speaker_b"
    assert 1 in owed
    assert idle_s > 86400  # so that what waited for months is not spoken unasked


async def test_what_the_second_version_knew_of_a_message_is_kept(tmp_path: Path) -> None:
    """Voice, speed, urgency, what was left out, preferences and pronunciations stay."""
    path = tmp_path / "crier.db"
    make(path, 2)
    inbox = await Inbox.open(path)
    first, second, _ = await inbox.unfinished(BOT)
    preferences, words = await inbox.preferences(7), await inbox.pronunciations()
    await inbox.close()

    assert (first.voice, first.speed, first.lang) == ("bf_emma", 1.2, "en-gb")
    assert (second.urgent, second.skipped) == (True, "a table")
    assert preferences == {"voice": "bf_emma"}
    assert words == {"nguyen": "win"}


async def test_an_upgraded_database_has_the_form_of_a_new_one(tmp_path: Path) -> None:
    """Whatever version it began with, every table ends with the columns of today."""
    forms = []
    for version in (0, 1, 2, 3):
        path = tmp_path / f"{version}.db"
        if version:
            make(path, version)
        inbox = await Inbox.open(path)
        rows = await inbox._database.execute_fetchall(
            'SELECT m.name, c.name, c.type, c."notnull" FROM sqlite_master m,'
            " pragma_table_info(m.name) c WHERE m.type = 'table' ORDER BY m.name, c.name"
        )
        forms.append([tuple(row) for row in rows])
        await inbox.close()

    assert forms[1] == forms[0]
    assert forms[2] == forms[0]


async def test_an_upgrade_keeps_a_copy(tmp_path: Path) -> None:
    """What the older Crier could read lies beside today's, whole, under a name that says what."""
    path = tmp_path / "crier.db"
    make(path, 1)
    await (await Inbox.open(path)).close()
    (copy,) = tmp_path.glob("*.before-v*")
    older = sqlite3.connect(copy)
    texts = older.execute("SELECT text FROM message WHERE state = 'waiting'").fetchall()
    older.close()

    assert copy.name == f"crier.db.before-v{module._SCHEMA_VERSION}"
    assert version_of(copy) == 1
    assert texts == [("One, 1. Two, 2. Three, 3.",), ("Six, 6.",)]
    assert not list(tmp_path.glob("*.part*"))


async def test_a_new_database_needs_no_copy(tmp_path: Path) -> None:
    """A first start, and one without an upgrade, leave nothing beside the database."""
    for _ in range(2):
        await (await Inbox.open(tmp_path / "crier.db")).close()

    assert [path.name for path in tmp_path.iterdir()] == ["crier.db"]


async def test_two_copies_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After many upgrades the last two copies are there, in the order of their numbers."""
    path = tmp_path / "crier.db"
    make(path, 1)
    await (await Inbox.open(path)).close()
    now = module._SCHEMA_VERSION
    for version in range(now + 1, 12):
        monkeypatch.setitem(module._MIGRATIONS, version - 1, f"CREATE TABLE t{version} (x);")
        monkeypatch.setattr(module, "_SCHEMA_VERSION", version)
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
async def test_a_failed_upgrade_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """The database is as it was, even where a step wrote for good before it failed; it is said."""
    path = tmp_path / "crier.db"
    make(path, 1)
    broken = module._SCHEMA_VERSION + 1
    monkeypatch.setitem(module._MIGRATIONS, broken - 1, step)
    monkeypatch.setattr(module, "_SCHEMA_VERSION", broken)
    with pytest.raises(InboxError, match="It is as it was") as error:
        await Inbox.open(path)
    monkeypatch.undo()
    version = version_of(path)
    inbox = await Inbox.open(path)
    waiting, people = await inbox.unfinished(BOT), await inbox.people()
    await inbox.close()

    assert f"crier.db.before-v{broken}" in str(error.value)
    assert version == 1
    assert len(waiting) == 3
    assert people == {7}


async def test_a_newer_database_names_the_way_back(tmp_path: Path) -> None:
    """After going back to an older Crier, it says which copy it could read."""
    path = tmp_path / "crier.db"
    make(path, 1)
    await (await Inbox.open(path)).close()
    newer = module._SCHEMA_VERSION + 1
    path.rename(tmp_path / f"crier.db.before-v{newer}")
    database = sqlite3.connect(path)
    database.execute(f"PRAGMA user_version = {newer}")
    database.close()
    with pytest.raises(InboxError, match=rf"newer Crier.*put .*before-v{newer} in its place"):
        await Inbox.open(path)


@pytest.mark.parametrize("version", [1, 2, 3])
async def test_what_waited_for_an_upgrade_is_spoken(
    start_toned: StartBot, sandbox: Sandbox, tmp_path: Path, ear_b: Ear, version: int
) -> None:
    """Messages of a moment ago go on where the older Crier left them, on the chosen device."""
    make(tmp_path / "data" / "crier.db", version, age_s=20)
    database = sqlite3.connect(tmp_path / "data" / "crier.db")
    if version > 1:
        database.execute("UPDATE message SET changed_at = accepted_at")
    database.commit()
    database.close()
    remember(sandbox)
    async with start_toned():
        for message_id in (11, 13, 14):
            await sandbox.wait_for(reaction_to(message_id, "👍"))
    await asyncio.to_thread(ear_b.wait_for_silence)

    assert sorted(heard.code for heard in find_tones(ear_b.samples(), RATE_HZ)) == [2, 3, 5, 6]


async def test_what_waited_for_months_is_asked_about(
    start_toned: StartBot, sandbox: Sandbox, tmp_path: Path
) -> None:
    """An upgrade after a long time speaks nothing unasked: one question offers what waited."""
    make(tmp_path / "data" / "crier.db", 1)
    remember(sandbox)
    async with start_toned() as bot:
        question = await sandbox.wait_for(reply_with("3 messages"))

        assert question.chat_id == ALICE.id
        assert bot.pipeline.status().waiting == 0

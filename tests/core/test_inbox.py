"""The durable queue: what is on the disk stays, and what can't get there is told."""

import asyncio
import os
import random
import sqlite3
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.core.inbox import Inbox, InboxError
from bot.core.message import NO_CHAT, QueuedMessage

BOT, CHAT = 4217, 7


@pytest.fixture
async def inbox(tmp_path: Path) -> AsyncIterator[Inbox]:
    """Return an open inbox."""
    inbox = await Inbox.open(tmp_path / "crier.db")
    yield inbox
    await inbox.close()


async def test_an_update_is_stored_once(inbox: Inbox) -> None:
    """The same update again, from a server that was not told in time, is no second message."""
    assert await inbox.accept(BOT, 1, QueuedMessage(0, CHAT, 10, "Once.")) is not None
    assert await inbox.accept(BOT, 1, QueuedMessage(0, CHAT, 10, "Once.")) is None
    assert len(await inbox.unfinished(BOT)) == 1


async def test_a_full_disk_refuses_a_text_and_keeps_the_rest(inbox: Inbox) -> None:
    """Where the disk is full the error says so, and what was stored before can still be read."""
    await inbox.accept(BOT, 1, QueuedMessage(0, CHAT, 10, "Before."))
    await inbox._database.execute("PRAGMA max_page_count = 1")  # SQLite's own "disk is full"
    with pytest.raises(InboxError, match="Make room"):
        await inbox.accept(BOT, 2, QueuedMessage(0, CHAT, 11, "x" * 50_000))

    assert [message.text for message in await inbox.unfinished(BOT)] == ["Before."]


@pytest.mark.parametrize("damage", [b"this is no database at all", b""])
async def test_a_damaged_database_is_set_aside(tmp_path: Path, damage: bytes) -> None:
    """A file that is no database is kept under another name, told of, and a new one begun."""
    path = tmp_path / "crier.db"
    inbox = await Inbox.open(path)
    await inbox.accept(BOT, 1, QueuedMessage(0, CHAT, 10, "Old. " * 4000))
    await inbox.close()
    content = path.read_bytes()
    path.write_bytes(damage or content[:8192] + b"\xff" * 8192 + content[16384:])
    inbox = await Inbox.open(path)
    await inbox.accept(BOT, 2, QueuedMessage(0, CHAT, 11, "New."))
    texts = [message.text for message in await inbox.unfinished(BOT)]
    await inbox.close()

    assert texts == ["New."]
    assert "was damaged" in inbox.notice
    assert [p for p in tmp_path.iterdir() if ".damaged-" in p.name]


async def test_a_newer_database_is_left_alone(tmp_path: Path) -> None:
    """What a newer Crier wrote is not touched."""
    path = tmp_path / "crier.db"
    newer = sqlite3.connect(path)
    newer.execute("PRAGMA user_version = 99")
    newer.close()
    before = path.read_bytes()
    with pytest.raises(InboxError, match="newer Crier"):
        await Inbox.open(path)

    assert path.read_bytes() == before


async def test_ended_messages_are_pruned_when_their_receipts_are_settled(inbox: Inbox) -> None:
    """The database does not grow for ever, and forgets nobody who is still owed an answer."""
    for number in range(3):
        await inbox.accept(BOT, number, QueuedMessage(0, CHAT, number, "Long ago."))
    await inbox.end(1, "heard", "")
    await inbox.end(2, "heard", "👍")
    await inbox._database.execute("UPDATE message SET accepted_at = 1e9")
    await inbox.prune()
    rows = list(await inbox._database.execute_fetchall("SELECT id FROM message"))

    assert [row[0] for row in rows] == [2, 3]


async def test_pruned_texts_are_in_no_file(inbox: Inbox, tmp_path: Path) -> None:
    """Of texts that are over no byte is left in the data folder, nor of their recordings."""
    canary = "canary"
    recordings = tmp_path / "sounds"
    recordings.mkdir()
    chance = random.Random(1)  # noqa: S311  # no secret
    for number in range(600):
        over = number % 3 > 0  # among them are others, which move when these are removed
        text = (f"{canary}{canary} {number} " if over else f"It waits {number} ") * chance.choice(
            [1, 2, 5, 30, 100, 900]
        )
        stored = await inbox.accept(BOT, number, QueuedMessage(0, CHAT, number, text))
        assert stored is not None
        if over and chance.random() < 0.3:
            await inbox.revise(
                stored.id, f"{canary}{canary} r{number} " * chance.choice([1, 3, 50]), ""
            )
        for sentence in range(chance.randrange(3)):
            await inbox.sentence_heard(stored.id, sentence)
        if over:
            await inbox.end(stored.id, "heard", "")
    for name in ("of-nobody.wav", "half.part", "waits.wav"):
        (recordings / name).write_text(canary if name != "waits.wav" else "")
        os.utime(recordings / name, (1e9, 1e9))
    waits = QueuedMessage(0, CHAT, 1000, "", file=str(recordings / "waits.wav"))
    await inbox.accept(BOT, 1000, waits)
    kept = {path for path in tmp_path.rglob("*") if canary.encode() in _content(path)}
    await inbox._database.execute("UPDATE message SET accepted_at = 1e9")
    await inbox.prune()

    assert tmp_path / "crier.db-wal" in kept
    assert [path for path in tmp_path.rglob("*") if canary.encode() in _content(path)] == []
    assert [path.name for path in recordings.iterdir()] == ["waits.wav"]


def _content(path: Path) -> bytes:
    return path.read_bytes() if path.is_file() else b""


async def test_copies_are_kept_for_a_month(inbox: Inbox, tmp_path: Path) -> None:
    """Damaged databases and copies from before upgrades go, with their logs, after 30 days."""
    day_s = 86_400
    for name, age_days in {
        "crier.db.damaged-20260101-000000": 31,
        "crier.db.damaged-20260101-000000-wal": 31,
        "crier.db.before-v3": 31,
        "crier.db.damaged-20260301-000000": 29,
        "crier.db.before-v4": 29,
        "another": 99,
    }.items():
        (tmp_path / name).touch()
        at_s = time.time() - age_days * day_s
        os.utime(tmp_path / name, (at_s, at_s))
    await inbox.prune()

    left = {path.name for path in tmp_path.iterdir()} - {"crier.db", "crier.db-wal", "crier.db-shm"}
    assert left == {"crier.db.damaged-20260301-000000", "crier.db.before-v4", "another"}


async def test_pruning_goes_by_the_clock(inbox: Inbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is over is forgotten also where nothing comes any more and nobody starts anew."""
    monkeypatch.setattr("bot.core.inbox._PRUNE_EVERY_S", 0.01)
    await inbox.accept(BOT, 1, QueuedMessage(0, CHAT, 1, "Long ago."))
    await inbox.end(1, "heard", "")
    await inbox._database.execute("INSERT INTO handled_update VALUES (1, 1, 1e9)")
    await inbox._database.execute("UPDATE message SET accepted_at = 1e9")
    pruning = asyncio.create_task(inbox.keep_pruned())
    async with asyncio.timeout(30):
        query = "SELECT id FROM message UNION SELECT update_id FROM handled_update"
        while list(await inbox._database.execute_fetchall(query)):  # noqa: ASYNC110  # on the disk
            await asyncio.sleep(0.01)
    pruning.cancel()


async def test_what_was_rearranged_comes_in_its_new_order(inbox: Inbox) -> None:
    """The places are shared out anew among those that were moved; the others keep theirs."""
    for number in range(1, 6):
        await inbox.accept(BOT, number, QueuedMessage(0, CHAT, number, str(number)))
    await inbox.arrange([4, 2, 3])

    assert [message.id for message in await inbox.unfinished(BOT)] == [1, 4, 2, 3, 5]


async def test_nothing_is_owed_where_there_is_no_chat(inbox: Inbox) -> None:
    """A program's message ends without a reaction or a reply to send; the reason is kept."""
    stored = await inbox.accept(BOT, -1, QueuedMessage(0, NO_CHAT, 0, "Hello.", client="door"))
    assert stored is not None
    await inbox.end(stored.id, "failed", "💔", "No sound.", device="desk", audio_s=0.5)
    (record,) = await inbox.history(BOT, 10)

    assert await inbox.owed(BOT) == []
    assert (record.source, record.outcome, record.reason) == ("door", "failed", "No sound.")
    assert (record.device, record.audio_s, record.first_sound_ms) == ("desk", 0.5, None)

"""The durable queue: stored messages survive, and a failed write is reported."""

import asyncio
import os
import random
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


async def test_accept_stores_an_update_once(inbox: Inbox) -> None:
    """An update that Telegram sends again, since it was not confirmed, is no second message."""
    assert await inbox.accept(BOT, 1, QueuedMessage(0, CHAT, 10, "Once.")) is not None
    assert await inbox.accept(BOT, 1, QueuedMessage(0, CHAT, 10, "Once.")) is None
    assert len(await inbox.list_to_speak(BOT)) == 1


async def test_accept_raises_on_a_full_disk(inbox: Inbox) -> None:
    """The error says that the disk is full, and what was stored before can still be read."""
    await inbox.accept(BOT, 1, QueuedMessage(0, CHAT, 10, "Before."))
    await inbox._database.execute("PRAGMA max_page_count = 1")  # SQLite's own "disk is full"
    with pytest.raises(InboxError, match="Make room"):
        await inbox.accept(BOT, 2, QueuedMessage(0, CHAT, 11, "x" * 50_000))

    assert [message.text for message in await inbox.list_to_speak(BOT)] == ["Before."]


async def test_prune_keeps_messages_with_an_owed_receipt(inbox: Inbox) -> None:
    """Old messages go when they have ended and nothing is owed for them; the others stay."""
    for number in range(3):
        await inbox.accept(BOT, number, QueuedMessage(0, CHAT, number, "Long ago."))
    await inbox.store_end(1, "heard", "")
    await inbox.store_end(2, "heard", "👍")
    await inbox._database.execute("UPDATE message SET accepted_at = 1e9")
    await inbox.prune()
    rows = list(await inbox._database.execute_fetchall("SELECT id FROM message"))

    assert [row[0] for row in rows] == [2, 3]


async def test_prune_leaves_texts_in_no_file(inbox: Inbox, tmp_path: Path) -> None:
    """No byte of pruned texts, or of their recordings, is left in the data folder."""
    canary = "canary"
    recordings = tmp_path / "sounds"
    recordings.mkdir()
    chance = random.Random(1)  # noqa: S311  # no secret
    for number in range(600):
        over = number % 3 > 0  # the others between them move when these are removed
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
            await inbox.store_heard_sentence(stored.id, sentence)
        if over:
            await inbox.store_end(stored.id, "heard", "")
    for name in ("of-nobody.wav", "half.part", "waits.wav"):
        (recordings / name).write_text(canary if name != "waits.wav" else "")
        os.utime(recordings / name, (1e9, 1e9))
    waits = QueuedMessage(0, CHAT, 1000, "", file=str(recordings / "waits.wav"))
    await inbox.accept(BOT, 1000, waits)
    before = {path for path in tmp_path.rglob("*") if canary.encode() in _content(path)}
    await inbox._database.execute("UPDATE message SET accepted_at = 1e9")
    await inbox.prune()

    assert tmp_path / "crier.db-wal" in before
    assert [path for path in tmp_path.rglob("*") if canary.encode() in _content(path)] == []
    assert [path.name for path in recordings.iterdir()] == ["waits.wav"]


def _content(path: Path) -> bytes:
    return path.read_bytes() if path.is_file() else b""


async def test_prune_keeps_copies_for_a_month(inbox: Inbox, tmp_path: Path) -> None:
    """Damaged databases and copies from before upgrades go after 30 days, with their logs."""
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


async def test_prune_hourly_needs_no_restart(inbox: Inbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Old messages are removed even if no message comes and nothing is restarted."""
    monkeypatch.setattr("bot.core.inbox._PRUNE_EVERY_S", 0.01)
    await inbox.accept(BOT, 1, QueuedMessage(0, CHAT, 1, "Long ago."))
    await inbox.store_end(1, "heard", "")
    await inbox._database.execute("INSERT INTO handled_update VALUES (1, 1, 1e9)")
    await inbox._database.execute("UPDATE message SET accepted_at = 1e9")
    pruning = asyncio.create_task(inbox.prune_hourly())
    async with asyncio.timeout(30):
        query = "SELECT id FROM message UNION SELECT update_id FROM handled_update"
        while list(await inbox._database.execute_fetchall(query)):  # noqa: ASYNC110  # on the disk
            await asyncio.sleep(0.01)
    pruning.cancel()


async def test_reorder_moves_messages_within_their_places(inbox: Inbox) -> None:
    """The messages that were moved share their places; the others keep theirs."""
    for number in range(1, 6):
        await inbox.accept(BOT, number, QueuedMessage(0, CHAT, number, str(number)))
    await inbox.reorder([4, 2, 3])

    assert [message.id for message in await inbox.list_to_speak(BOT)] == [1, 4, 2, 3, 5]


async def test_end_owes_nothing_without_a_chat(inbox: Inbox) -> None:
    """A message over HTTP ends without a reaction or reply to send; the reason is stored."""
    stored = await inbox.accept(BOT, -1, QueuedMessage(0, NO_CHAT, 0, "Hello.", client="door"))
    assert stored is not None
    await inbox.store_end(stored.id, "failed", "💔", "No sound.", device="desk", audio_s=0.5)
    (record,) = await inbox.list_history(BOT, 10)

    assert await inbox.list_owed(BOT) == []
    assert (record.source, record.outcome, record.reason) == ("door", "failed", "No sound.")
    assert (record.device, record.audio_s, record.first_sound_ms) == ("desk", 0.5, None)

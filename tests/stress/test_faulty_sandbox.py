"""The server of the stress tests fails as documented."""

import random
from collections.abc import AsyncIterator

import pytest
from telegram import Bot
from telegram.error import NetworkError, RetryAfter, TelegramError

from tests.conftest import ALICE, TOKEN
from tests.stress.faulty_sandbox import FaultySandbox


@pytest.fixture
async def faulty() -> AsyncIterator[FaultySandbox]:
    """Serve the sandbox, at first without faults."""
    sandbox = FaultySandbox(TOKEN, random.Random(1))
    async with sandbox.serve():
        yield sandbox


def _client(sandbox: FaultySandbox) -> Bot:
    return Bot(TOKEN, base_url=f"{sandbox.url}/bot", base_file_url=f"{sandbox.url}/file/bot")


async def test_faulty_sandbox_resends_updates_after_a_lost_confirmation(
    faulty: FaultySandbox,
) -> None:
    """A call that would confirm fails, and the next call gets the same updates again."""
    faulty.send(ALICE, "one")
    faulty.send(ALICE, "two")
    async with _client(faulty) as bot:
        first = await bot.get_updates()
        faulty.lose_confirmations = True
        with pytest.raises(NetworkError):
            await bot.get_updates(first[-1].update_id + 1, timeout=0)
        again = await bot.get_updates()
        faulty.lose_confirmations = False
        after = await bot.get_updates(first[-1].update_id + 1, timeout=0)

    assert faulty.confirmation_lost.is_set()
    assert [u.update_id for u in again] == [u.update_id for u in first]
    assert after == ()


async def test_faulty_sandbox_refuses_calls_at_random_without_effect(
    faulty: FaultySandbox,
) -> None:
    """Of many reactions some fail, and exactly the others are recorded."""
    message = faulty.send(ALICE, "one")
    faulty.unreliable = True
    refused = 0
    async with _client(faulty) as bot:
        for _ in range(60):
            try:
                await bot.set_message_reaction(ALICE.id, message, "👍")
            except (NetworkError, RetryAfter):
                refused += 1

    assert 0 < refused < 60
    assert sum(event.kind == "reaction" for event in faulty.events) == 60 - refused


async def test_faulty_sandbox_never_serves_a_missing_file(faulty: FaultySandbox) -> None:
    """A file that was answered with 404 once is always answered with 404."""
    file_id = faulty.add_file(b"sound")
    faulty.missing_files.add(file_id)
    async with _client(faulty) as bot:
        for _ in range(2):
            with pytest.raises(TelegramError, match="Not Found"):
                await bot.get_file(file_id)

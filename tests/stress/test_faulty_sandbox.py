"""The server of the crash lab fails as it says it does."""

import random
from collections.abc import AsyncIterator

import pytest
from telegram import Bot
from telegram.error import NetworkError, RetryAfter, TelegramError

from tests.conftest import ALICE, TOKEN
from tests.stress.faulty_sandbox import FaultySandbox


@pytest.fixture
async def faulty() -> AsyncIterator[FaultySandbox]:
    """Serve it, in a good mood."""
    sandbox = FaultySandbox(TOKEN, random.Random(1))
    async with sandbox.serve():
        yield sandbox


def _client(sandbox: FaultySandbox) -> Bot:
    return Bot(TOKEN, base_url=f"{sandbox.url}/bot", base_file_url=f"{sandbox.url}/file/bot")


async def test_faulty_sandbox_sends_again_what_was_not_confirmed(faulty: FaultySandbox) -> None:
    """A lost confirmation fails, and the next one who asks gets the same updates again."""
    faulty.send(ALICE, "one")
    faulty.send(ALICE, "two")
    async with _client(faulty) as bot:
        first = await bot.get_updates()
        faulty.confirmations_lost = True
        with pytest.raises(NetworkError):
            await bot.get_updates(first[-1].update_id + 1, timeout=0)
        again = await bot.get_updates()
        faulty.confirmations_lost = False
        after = await bot.get_updates(first[-1].update_id + 1, timeout=0)

    assert faulty.lost.is_set()
    assert [u.update_id for u in again] == [u.update_id for u in first]
    assert after == ()


async def test_faulty_sandbox_refuses_calls_by_chance_and_does_nothing_then(
    faulty: FaultySandbox,
) -> None:
    """Of many reactions some fail; exactly the others are there."""
    message = faulty.send(ALICE, "one")
    faulty.moody = True
    refused = 0
    async with _client(faulty) as bot:
        for _ in range(60):
            try:
                await bot.set_message_reaction(ALICE.id, message, "👍")
            except (NetworkError, RetryAfter):
                refused += 1

    assert 0 < refused < 60
    assert sum(event.kind == "reaction" for event in faulty.events) == 60 - refused


async def test_faulty_sandbox_never_gives_a_file_that_is_gone(faulty: FaultySandbox) -> None:
    """What was answered with 404 once is answered so again."""
    file_id = faulty.add_file(b"sound")
    faulty.gone.add(file_id)
    async with _client(faulty) as bot:
        for _ in range(2):
            with pytest.raises(TelegramError, match="Not Found"):
                await bot.get_file(file_id)

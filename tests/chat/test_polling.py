"""Polling continues whatever Telegram answers."""

import asyncio
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from telegram.error import TimedOut

from bot.chat.polling import UpdatesRequest
from bot.chat.sandbox import Fault, Sandbox
from tests.conftest import ALICE, TOKEN, StartBot, reaction_to, reply_with


async def test_polling_survives_a_second_instance(sandbox: Sandbox, start_toned: StartBot) -> None:
    """After a 409 polling continues, and the next message is spoken."""
    sandbox.faults["getupdates"] = Fault(status=409, description="Conflict: terminated", times=1)
    async with start_toned():
        message = sandbox.send(ALICE, "Hello.")
        await sandbox.wait_for(reaction_to(message, "👍"))


async def test_polling_survives_an_update_that_cannot_be_parsed(
    sandbox: Sandbox, start_toned: StartBot
) -> None:
    """Polling continues after an update that can't be parsed."""
    async with start_toned():
        bad = {"update_id": sandbox.push({"message": {"text": 1}})}
        await sandbox.wait_for_call("getupdates", 3)
        sandbox._updates = type(sandbox._updates)(
            update for update in sandbox._updates if update["update_id"] != bad["update_id"]
        )
        message = sandbox.send(ALICE, "Hello.")
        await sandbox.wait_for(reaction_to(message, "👍"))


@pytest.mark.parametrize(("ahead_s", "way"), [(-3600.0, "fast"), (3600.0, "slow")])
async def test_polling_uses_the_clock_of_telegram_if_ours_is_wrong(
    sandbox: Sandbox, start_toned: StartBot, ahead_s: float, way: str
) -> None:
    """With a clock that is an hour off, new messages are said at once, and /status warns."""
    sandbox.ahead_s = ahead_s
    async with start_toned():
        message = sandbox.send(ALICE, "Number 1.")
        await sandbox.wait_for(reply_with("so I go by Telegram's"))
        await sandbox.wait_for(reaction_to(message, "👍"))
        sandbox.send(ALICE, "/status")
        await sandbox.wait_for(reply_with(f"clock is 60 minutes {way}"))
        fields = {"text": "Number 2.", "date": 1_700_000_000}
        sandbox.send_fields(ALICE, fields)
        await sandbox.wait_for(reply_with("1 message came while I was away"))


_ODD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["from", "chat", "text", "id", "date", "message_id", "entities", "type"]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=8,
)


@given(updates=st.lists(st.fixed_dictionaries({"message": _ODD}), min_size=1, max_size=4))
@hypothesis_settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
async def test_polling_survives_any_update(
    sandbox: Sandbox, start_toned: StartBot, tmp_path: Path, updates: list[dict[str, Any]]
) -> None:
    """Whatever a server sends, the next message is spoken."""
    data_dir = tmp_path / str(random.getrandbits(40))  # a new one for each example
    async with start_toned(data_dir=data_dir):
        for update in updates:
            sandbox.push(update)
        message = sandbox.send(ALICE, "Number 1.")
        await sandbox.wait_for(reaction_to(message, "👍"))


async def test_polling_can_be_poked_at_any_moment(sandbox: Sandbox, start_toned: StartBot) -> None:
    """A poke is harmless, whether updates are being handled or not."""
    async with start_toned() as bot:
        for number in range(5):
            message = sandbox.send(ALICE, f"Number {number}.")
            for _ in range(20):
                assert bot.watch._polling is not None
                bot.watch._polling.poke()
                await asyncio.sleep(0.005)
            await sandbox.wait_for(reaction_to(message, "👍"))
        assert bot.polling is not None
        assert not bot.polling.done()


async def test_request_replaces_a_connection_that_is_never_released(sandbox: Sandbox) -> None:
    """If its one connection is in use for ever, polling gets a new one instead of timing out."""
    request = UpdatesRequest(pool_timeout=0.1)
    await request.initialize()
    url = f"{sandbox.url}/bot{TOKEN}/getMe"
    sandbox.faults["getme"] = Fault(delay_s=60, times=1)
    taken = asyncio.create_task(request.post(url))
    await sandbox.wait_for_call("getme")
    with pytest.raises(TimedOut):
        await request.post(url)

    await request.renew()

    assert (await request.post(url))["username"] == "crier_bot"  # type: ignore[call-overload,index]
    await asyncio.gather(taken, return_exceptions=True)
    await request.shutdown()

"""Receipts if Telegram refuses reactions or asks to wait."""

import asyncio

from bot.chat.sandbox import Fault, Sandbox
from tests.conftest import ALICE, StartBot, reaction_to
from tests.support.loudspeaker import Ear


async def test_reaction_that_is_refused_does_not_affect_speech(
    sandbox: Sandbox, start_bot: StartBot, ear_a: Ear
) -> None:
    """Messages are spoken in a chat that allows no reactions."""
    sandbox.faults["setmessagereaction"] = Fault(
        status=400, description="Bad Request: REACTION_INVALID"
    )
    async with start_bot():
        sandbox.send(ALICE, "Hello there.")
        await asyncio.to_thread(ear_a.wait_for_sound, 0.0)


async def test_reaction_after_a_429_waits_and_is_the_newest(
    sandbox: Sandbox, start_bot: StartBot
) -> None:
    """After a 429 the bot waits as long as requested, then sends only the newest receipt."""
    sandbox.faults["setmessagereaction"] = Fault(
        status=429, description="Too Many Requests: retry after 4", retry_after_s=4, times=1
    )
    async with start_bot():
        message = sandbox.send(ALICE, "Hello.")
        await sandbox.wait_for(reaction_to(message, "👍"))

    tries = [at_s for at_s, method, _ in sandbox.calls if method == "setmessagereaction"]
    assert len(tries) == 2
    assert tries[1] - tries[0] >= 4

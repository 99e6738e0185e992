"""Each update is carried out once."""

import asyncio

from bot.chat.sandbox import Sandbox
from tests.conftest import ALICE, StartBot, reaction_to
from tests.support.loudspeaker import Ear


async def test_update_received_twice_is_spoken_once(
    sandbox: Sandbox, start_bot: StartBot, ear_a: Ear
) -> None:
    """Telegram resends an unconfirmed update after a crash; it was stored, so it is recognized."""
    async with start_bot():
        message = sandbox.send(ALICE, "Only once.")
        update = dict(sandbox._updates[0])
        await sandbox.wait_for(reaction_to(message, "👍"))
        sandbox._updates.append(update)
        sandbox._arrived.set()
        message = sandbox.send(ALICE, "Second.")
        await sandbox.wait_for(reaction_to(message, "👍"))
        await asyncio.to_thread(ear_a.wait_for_silence)

    assert len(ear_a.spans()) == 2

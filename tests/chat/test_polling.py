"""Polling continues whatever Telegram answers."""

from bot.chat.sandbox import Fault, Sandbox
from tests.conftest import ALICE, StartBot, reaction_to


async def test_polling_survives_a_second_instance(sandbox: Sandbox, start_bot: StartBot) -> None:
    """After a 409 polling continues, and the next message is spoken."""
    sandbox.faults["getupdates"] = Fault(status=409, description="Conflict: terminated", times=1)
    async with start_bot():
        message = sandbox.send(ALICE, "Hello.")
        await sandbox.wait_for(reaction_to(message, "👍"))


async def test_polling_survives_an_update_that_cannot_be_parsed(
    sandbox: Sandbox, start_bot: StartBot
) -> None:
    """Polling continues after an update that can't be parsed."""
    async with start_bot():
        bad = {"update_id": sandbox.push({"message": {"text": 1}})}
        await sandbox.wait_for_call("getupdates", 3)
        sandbox._updates = type(sandbox._updates)(
            update for update in sandbox._updates if update["update_id"] != bad["update_id"]
        )
        message = sandbox.send(ALICE, "Hello.")
        await sandbox.wait_for(reaction_to(message, "👍"))

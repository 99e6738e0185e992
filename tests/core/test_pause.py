"""A pause lasts over restarts, until it is ended."""

from bot.chat.sandbox import Sandbox
from tests.chat.steps import count_replies
from tests.conftest import ALICE, StartBot, reaction_to, reply_with
from tests.support.loudspeaker import Ear


async def test_pause_survives_a_restart(
    sandbox: Sandbox, start_toned: StartBot, ear_a: Ear
) -> None:
    """Messages sent while paused get one reply; after a restart they still wait for /resume."""
    async with start_toned():
        sandbox.send(ALICE, "/pause")
        await sandbox.wait_for(reply_with("Paused. /resume goes on"))
        messages = [sandbox.send(ALICE, f"Number {n}.") for n in range(2)]
        await sandbox.wait_for(reply_with("Paused, so it waits.", to=messages[0]))
        await sandbox.wait_for(reaction_to(messages[1], "👀"))
    async with start_toned() as bot:
        sandbox.send(ALICE, "/status")
        await sandbox.wait_for(reply_with("Paused. 2 messages waiting."))
        sandbox.send(ALICE, "/queue")
        await sandbox.wait_for(reply_with("Paused. /resume goes on.\n1. Number 0."))
        assert bot.delivery.paused
        assert ear_a.spans() == []
        sandbox.send(ALICE, "/resume")
        for message in messages:
            await sandbox.wait_for(reaction_to(message, "👍"))

    assert count_replies(sandbox, "Paused, so it waits.") == 1


async def test_stop_ends_a_pause_for_good(sandbox: Sandbox, start_toned: StartBot) -> None:
    """After /stop, also over a restart, the next message is said."""
    async with start_toned():
        sandbox.send(ALICE, "/pause")
        sandbox.send(ALICE, "/stop")
        await sandbox.wait_for(reply_with("Silent."))
    async with start_toned():
        message = sandbox.send(ALICE, "Number 1.")
        await sandbox.wait_for(reaction_to(message, "👍"))

"""Each update is carried out once."""

import asyncio
import json

import pytest

from bot.chat.sandbox import Sandbox
from bot.settings import Settings
from tests.chat.steps import Confirmations, count_replies, last_reaction
from tests.conftest import ALICE, StartBot, reaction_to, reply_with
from tests.support.loudspeaker import Ear


async def test_update_received_twice_is_spoken_once(
    sandbox: Sandbox, start_toned: StartBot, ear_a: Ear
) -> None:
    """Telegram resends an unconfirmed update after a crash; it was stored, so it is recognized."""
    async with start_toned():
        message = sandbox.send(ALICE, "Number 1.")
        update = dict(sandbox._updates[0])
        await sandbox.wait_for(reaction_to(message, "👍"))
        sandbox._updates.append(update)
        sandbox._arrived.set()
        message = sandbox.send(ALICE, "Number 2.")
        await sandbox.wait_for(reaction_to(message, "👍"))
        await asyncio.to_thread(ear_a.wait_for_silence)

    assert len(ear_a.spans()) == 2


async def test_updates_give_up_an_update_after_two_deaths(
    sandbox: Sandbox, start_toned: StartBot, settings: Settings
) -> None:
    """A text that kills the process before it is stored is refused; the next one is said."""
    message = sandbox.send(ALICE, "Number 1.")
    number = sandbox._updates[-1]["update_id"]
    later = sandbox.send(ALICE, "Number 2.")
    settings.data_dir.mkdir()
    left = {"deaths": {f"update:{number}": 1}, "under_way": {f"update:{number}": True}}
    (settings.data_dir / "attempts.json").write_text(json.dumps(left))
    async with start_toned():
        await sandbox.wait_for(reply_with("Crier ended twice while it was reading", to=message))
        await sandbox.wait_for(reaction_to(later, "👍"))

    assert last_reaction(sandbox, message) == "💔"


async def test_updates_ignore_a_repeated_stop(sandbox: Sandbox, start_toned: StartBot) -> None:
    """A /stop that is sent again does not end what came after the first one."""
    confirmations = Confirmations(sandbox)
    first = sandbox.send(ALICE, "Number 1. " * 9)
    sandbox.send(ALICE, "/stop")
    later = [sandbox.send(ALICE, f"{'Number 2. ' * 20}"), sandbox.send(ALICE, "Number 3.")]
    confirmations.record()
    async with start_toned():
        await sandbox.wait_for(reaction_to(later[1], "👀"))
        await sandbox.wait_for(reply_with("Silent."))
    confirmations.lose()
    async with start_toned():
        for message in later:
            await sandbox.wait_for(reaction_to(message, "👍"))

    assert last_reaction(sandbox, first) == "🙊"
    assert count_replies(sandbox, "Silent.") == 1


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        ("/skip", "being said"),
        ("/replay", "say again"),
        ("/note", "Send the words along"),
        ("/volume 80", "Volume 80"),
        ("/mute 2h", "Muted until"),
    ],
)
async def test_updates_carry_out_a_command_once(
    sandbox: Sandbox, start_toned: StartBot, command: str, answer: str
) -> None:
    """A command that is sent again has no second effect and no second answer."""
    confirmations = Confirmations(sandbox)
    sandbox.send(ALICE, command)
    confirmations.record()
    async with start_toned():
        await sandbox.wait_for(reply_with(answer))
    confirmations.lose()
    async with start_toned():
        sandbox.send(ALICE, "/people")
        await sandbox.wait_for(reply_with("/invite lets one more in"))

    assert count_replies(sandbox, answer) == 1


@pytest.mark.parametrize("data", ["status:louder", "strip:louder"])
async def test_updates_carry_out_a_button_once(
    sandbox: Sandbox, start_toned: StartBot, data: str
) -> None:
    """A press is one step, however often Telegram sends it; older buttons still work."""
    confirmations = Confirmations(sandbox)
    async with start_toned():
        sandbox.send(ALICE, "/volume")
        shown = await sandbox.wait_for(reply_with("The volume is 100 %"))
    sandbox.press(ALICE, shown.message_id, data)
    confirmations.record()
    async with start_toned():
        await sandbox.wait_for(lambda e: e.kind == "answer" and "115" in e.text)
    confirmations.lose()
    async with start_toned():
        sandbox.send(ALICE, "/volume")
        await sandbox.wait_for(reply_with("The volume is 115 %"))


async def test_updates_fall_silent_before_the_rest_of_a_batch(
    sandbox: Sandbox, start_toned: StartBot, ear_a: Ear
) -> None:
    """Nothing of 99 long texts sounds if a /stop comes after them."""
    # Together less than the hour of speech that may wait.
    messages = [sandbox.send(ALICE, "Number 1. " * 50) for _ in range(99)]
    sandbox.send(ALICE, "/stop")
    async with start_toned():
        await sandbox.wait_for(reply_with("Silent. 99 waiting messages dropped."))
        for message in messages:
            await sandbox.wait_for(reaction_to(message, "🙊"))
        later = sandbox.send(ALICE, "Number 2.")
        await sandbox.wait_for(reaction_to(later, "👍"))

    assert len(ear_a.spans()) == 1

"""After a crash or a restart each message ends once, and no receipt is lost."""

import asyncio
import time
from pathlib import Path

import pytest

from bot.chat.sandbox import Fault, Sandbox
from bot.core.inbox import Inbox
from bot.core.message import QueuedMessage
from bot.settings import Settings
from tests.chat.steps import Confirmations, count_replies
from tests.conftest import ALICE, StartBot, reaction_to, reply_with
from tests.support import fork_server
from tests.support.commandline import Environment
from tests.support.loudspeaker import Ear

DEADLY = "tests.support.run_with_deadly_voice"


async def run_until_it_ends(environment: Environment) -> int:
    """Run a bot whose voice dies of the number 13; return its exit code."""
    process = await fork_server.start(DEADLY, environment=environment)
    try:
        return await asyncio.wait_for(process.wait(), 120)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@pytest.mark.parametrize(("number", "code"), [(13, -9), (14, -11)])
async def test_delivery_gives_up_a_message_during_which_the_process_died_twice(
    bot_environment: Environment, sandbox: Sandbox, number: int, code: int
) -> None:
    """It ends with a reason in the third run; those before and behind it are said."""
    first = sandbox.send(ALICE, "Number 4.")
    deadly = sandbox.send(ALICE, f"Number {number}.")
    behind = sandbox.send(ALICE, "Number 5.")
    codes = [await run_until_it_ends(bot_environment) for _ in range(2)]
    process = await fork_server.start(DEADLY, environment=bot_environment)
    try:
        await sandbox.wait_for(reaction_to(deadly, "💔"))
        await sandbox.wait_for(reply_with("Crier ended 2 times while it was saying this", deadly))
        await sandbox.wait_for(reaction_to(first, "👍"))
        await sandbox.wait_for(reaction_to(behind, "👍"))
    finally:
        process.terminate()
        await process.wait()

    log = (Path(bot_environment["DATA_DIR"]) / "crier.log").read_text()
    assert codes == [code, code]
    assert ("ended in a native crash" in log) == (code == -11)


async def test_delivery_says_a_message_despite_kills_from_outside(
    bot_environment: Environment, sandbox: Sandbox, ear_a: Ear
) -> None:
    """A process that is killed again and again from outside loses no message."""
    message = sandbox.send(ALICE, "Number 2 3 4 5 6 7 8 9.")
    for _ in range(3):
        since_s = time.monotonic()
        process = await fork_server.start("tests.support.fake_voice", environment=bot_environment)
        try:
            await asyncio.to_thread(ear_a.wait_for_sound, since_s)
        finally:
            process.kill()
            await process.wait()
    process = await fork_server.start("tests.support.fake_voice", environment=bot_environment)
    try:
        await sandbox.wait_for(reaction_to(message, "👍"))
    finally:
        process.terminate()
        await process.wait()


async def test_start_speaking_waits_for_the_first_poll(
    bot_environment: Environment, sandbox: Sandbox
) -> None:
    """A /stop that was sent while the bot was down acts before the deadly message is tried."""
    deadly = sandbox.send(ALICE, "Number 13.")
    await run_until_it_ends(bot_environment)
    sandbox.send(ALICE, "/stop")
    process = await fork_server.start(DEADLY, environment=bot_environment)
    try:
        await sandbox.wait_for(reply_with("Silent."))
        await sandbox.wait_for(reaction_to(deadly, "🙊"))
        later = sandbox.send(ALICE, "Number 5.")
        await sandbox.wait_for(reaction_to(later, "👍"))
    finally:
        process.terminate()
        await process.wait()


async def test_stop_survives_a_crash(sandbox: Sandbox, start_toned: StartBot, ear_a: Ear) -> None:
    """A stop is on the disk at once: after a crash nothing comes back."""
    async with start_toned() as bot:
        messages = [sandbox.send(ALICE, "Number 1. " * 9) for _ in range(2)]
        await asyncio.to_thread(ear_a.wait_for_sound, 0.0)
        await bot.delivery.stop()  # and no fact of the pipeline's is seen any more
        left = await bot.delivery._inbox.list_to_speak(sandbox.bot_id)
    async with start_toned() as bot:
        for message in messages:
            await sandbox.wait_for(reaction_to(message, "🙊"))

    assert left == []


async def test_receipt_survives_a_restart(sandbox: Sandbox, start_toned: StartBot) -> None:
    """A 👍 that could not be sent is given after the restart; the message is not said again."""
    async with start_toned() as bot:
        message = sandbox.send(ALICE, "Number 1.")
        await sandbox.wait_for(reaction_to(message, "👀"))
        sandbox.faults["setmessagereaction"] = Fault(status=502, description="Bad Gateway")
        await sandbox.wait_for_call("setmessagereaction", 2)
        assert bot.delivery.under_way_count == 0
    sandbox.faults.clear()
    async with start_toned() as bot:
        await sandbox.wait_for(reaction_to(message, "👍"))
        assert bot.pipeline.status().first_sound_ms is None


async def test_receipt_may_be_owed_in_part(
    sandbox: Sandbox, start_toned: StartBot, settings: Settings
) -> None:
    """If only the reply could not be sent before the restart, it is sent afterwards."""
    inbox = await Inbox.open(settings.data_dir / "crier.db")
    number = sandbox.send(ALICE, "Number 1.")
    message = await inbox.accept(sandbox.bot_id, 1, QueuedMessage(0, ALICE.id, number, "Number 1."))
    assert message is not None
    await inbox.store_end(message.id, "failed", "💔", "The reason.")
    await inbox.store_sent_reaction(message.id, "💔")
    await inbox.close()
    async with start_toned():
        await sandbox.wait_for(reply_with("The reason.", to=number))


async def test_refusal_is_owed_until_telegram_accepts_it(
    sandbox: Sandbox, start_toned: StartBot
) -> None:
    """A refused message gets its 💔 and the reason once, even if only after a restart."""
    confirmations = Confirmations(sandbox)
    message = sandbox.send(ALICE, "…")
    confirmations.record()
    sandbox.faults = {
        "setmessagereaction": Fault(status=502, description="Bad Gateway"),
        "sendmessage": Fault(status=502, description="Bad Gateway"),
    }
    async with start_toned():
        await sandbox.wait_for_call("setmessagereaction")
    sandbox.faults = {}
    confirmations.lose()
    async with start_toned():
        await sandbox.wait_for(reaction_to(message, "💔"))
        await sandbox.wait_for(reply_with("nothing to say", to=message))
        later = sandbox.send(ALICE, "Number 1.")
        await sandbox.wait_for(reaction_to(later, "👍"))

    assert count_replies(sandbox, "nothing to say") == 1

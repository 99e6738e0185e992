"""Receipts if Telegram refuses reactions or asks to wait."""

import asyncio
from typing import Any

import pytest

from audio.types import Outcome
from bot.chat.receipts import ChatReceipts
from bot.chat.sandbox import Fault, Sandbox
from bot.core.draft import Draft
from bot.core.message import NO_CHAT, QueuedMessage
from tests.conftest import ALICE, StartBot, reaction_to
from tests.support.loudspeaker import Ear


async def test_reaction_that_is_refused_does_not_affect_speech(
    sandbox: Sandbox, start_toned: StartBot, ear_a: Ear
) -> None:
    """Messages are spoken in a chat that allows no reactions."""
    sandbox.faults["setmessagereaction"] = Fault(
        status=400, description="Bad Request: REACTION_INVALID"
    )
    async with start_toned():
        sandbox.send(ALICE, "Number 1.")
        await asyncio.to_thread(ear_a.wait_for_sound, 0.0)


async def test_reaction_after_a_429_waits_and_is_the_newest(
    sandbox: Sandbox, start_toned: StartBot
) -> None:
    """After a 429 the bot waits as long as requested, then sends only the newest receipt."""
    sandbox.faults["setmessagereaction"] = Fault(
        status=429, description="Too Many Requests: retry after 4", retry_after_s=4, times=1
    )
    async with start_toned():
        message = sandbox.send(ALICE, "Hello.")
        await sandbox.wait_for(reaction_to(message, "👍"))

    tries = [at_s for at_s, method, _ in sandbox.calls if method == "setmessagereaction"]
    assert len(tries) == 2
    assert tries[1] - tries[0] >= 4


async def test_receipts_of_programs_reach_no_outbox() -> None:
    """Nothing about a message over HTTP is sent to Telegram."""
    sent: list[str] = []

    class Outbox:
        def __getattr__(self, name: str) -> Any:
            return lambda *_, **__: sent.append(name)

    outbox: Any = Outbox()
    inbox: Any = None  # nothing is owed
    receipts = ChatReceipts(outbox, inbox)
    message = QueuedMessage(1, NO_CHAT, 0, "Hello.", client="door")
    receipts.stored(message)
    receipts.delayed(message, "Muted.")
    receipts.paused(message)
    receipts.ended(message, receipts.symbol(Outcome.FAILED), "No sound.")
    receipts.refused(Draft(update_id=-1, text="", client="door"), "No.")

    assert sent == []


async def test_receipt_never_becomes_outdated(
    sandbox: Sandbox, start_toned: StartBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a network other reactions are dropped after a while, a last one is not."""
    monkeypatch.setattr("bot.chat.outbox._OUTDATED_S", -1.0)
    async with start_toned():
        message = sandbox.send(ALICE, "Number 1.")
        await sandbox.wait_for(reaction_to(message, "👍"))
    reactions = [e.text for e in sandbox.events if reaction_to(message)(e)]

    assert reactions == ["👍"]  # and no 👀, which would have been as old

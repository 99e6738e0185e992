"""Messages that are held while it is quiet."""

import asyncio
import sqlite3
from typing import Any

import pytest

from bot.chat.sandbox import Sandbox
from bot.core.message import State
from bot.core.quiet_hours import FOR_GOOD
from tests.conftest import ALICE, StartBot, reaction_to, reply_with
from tests.core.lab import Lab


async def test_quiet_hold_survives_a_full_disk(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """A held message whose state can't be stored is said after the mute all the same."""
    await lab.delivery.mute(FOR_GOOD)
    with monkeypatch.context() as patch:

        async def full(*_: Any, **__: Any) -> bool:
            raise sqlite3.OperationalError("disk is full")

        patch.setattr(lab.inbox, "change_state", full)
        message = await lab.submit()
    await lab.delivery.mute(0)

    assert lab.receipts.of(message.id) == ["held", "stored"]
    assert lab.pipeline.said == [message.id]


async def test_quiet_hold_asks_about_what_became_late(lab: Lab) -> None:
    """A message that was held for longer than LATE_AFTER_S is asked about, and once."""
    await lab.delivery.mute(FOR_GOOD)
    message = await lab.submit()
    lab.now_s += lab.settings.late_after_s + 1
    await lab.delivery.mute(0)
    async with asyncio.timeout(10):
        while "asked" not in lab.receipts.of(message.id):  # noqa: ASYNC110  # a second after it
            await asyncio.sleep(0.05)

    assert await lab.state_of(message) == State.LATE
    assert lab.receipts.of(message.id) == ["held", "asked"]
    assert lab.pipeline.said == []


async def test_stop_counts_held_messages(sandbox: Sandbox, start_toned: StartBot) -> None:
    """While muted, /stop counts the messages that were held."""
    async with start_toned():
        sandbox.send(ALICE, "/mute")
        messages = [sandbox.send(ALICE, f"Number {n}.") for n in range(3)]
        for message in messages:
            await sandbox.wait_for(reaction_to(message, "😴"))
        sandbox.send(ALICE, "/stop")
        await sandbox.wait_for(reply_with("Silent. 3 waiting messages dropped."))

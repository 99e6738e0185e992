"""Messages that are held while it is quiet."""

import asyncio
import sqlite3
from typing import Any

import pytest

from audio.types import Ended, Outcome, SentenceHeard
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


async def test_quiet_hold_keeps_what_is_not_urgent_while_a_condition_lasts(lab: Lab) -> None:
    """Senders are told why, and it is said as soon as the condition is over."""
    hold = lab.delivery.quiet_hold
    await hold.hold_while("call", "The Mac is in a call")
    with lab.events.listen() as listener:
        message = await lab.submit()
        held = await listener.next()
    urgent = await lab.submit(urgent=True)
    assert lab.pipeline.said == [urgent.id]
    assert hold.reason() == "The Mac is in a call."
    await hold.hold_while("call", "")

    assert held is not None
    assert held.data["reason"] == "The Mac is in a call; I'll say it afterwards."
    assert lab.receipts.of(message.id) == ["held", "stored"]
    assert lab.pipeline.said == [urgent.id, message.id]


async def test_quiet_hold_lasts_until_every_reason_is_over(lab: Lab) -> None:
    """A mute, a call and another user's session end in any order."""
    hold = lab.delivery.quiet_hold
    await lab.delivery.mute(FOR_GOOD)
    await hold.hold_while("call", "The Mac is in a call")
    await hold.hold_while("session", "Somebody else is using the Mac")
    message = await lab.submit()
    await lab.delivery.mute(0)
    await hold.hold_while("call", "")
    assert lab.pipeline.said == []
    assert hold.reason() == "Somebody else is using the Mac."
    await hold.hold_while("session", "")

    assert lab.pipeline.said == [message.id]


async def test_quiet_hold_pulls_what_waits_when_a_condition_begins(lab: Lab) -> None:
    """What the pipeline has and has not begun is held, too."""
    message = await lab.submit()
    await lab.delivery.quiet_hold.hold_while("call", "The Mac is in a call")
    assert lab.pipeline.skipped == [message.id]
    lab.delivery.receive(Ended(message.id, Outcome.SKIPPED))
    await lab.delivery.drain()
    await lab.delivery.quiet_hold.hold_while("call", "")

    assert lab.receipts.of(message.id) == ["stored", "held", "stored"]
    assert lab.pipeline.said == [message.id, message.id]


@pytest.mark.parametrize("urgent", [False, True])
async def test_quiet_hold_lets_what_sounds_finish_its_sentence(lab: Lab, urgent: bool) -> None:
    """The rest follows after the call, from the next sentence; an urgent message goes on."""
    message = await lab.submit("One. Two. Three.", urgent=urgent)
    lab.pipeline.speaking_id = message.id
    await lab.delivery.quiet_hold.hold_while("call", "The Mac is in a call")
    assert lab.pipeline.skipped == []
    lab.delivery.receive(SentenceHeard(message.id, 0))
    await lab.delivery.drain()
    assert lab.pipeline.skipped == ([] if urgent else [message.id])
    if not urgent:
        lab.pipeline.speaking_id = None
        lab.delivery.receive(Ended(message.id, Outcome.SKIPPED))
        await lab.delivery.drain()
        held = lab.delivery.queue.held()
        assert [(m.id, m.sentence) for m in held] == [(message.id, 1)]


async def test_quiet_hold_does_not_hold_what_ends_with_its_sentence(lab: Lab) -> None:
    """A message whose last sentence was heard in a call is heard."""
    message = await lab.submit("One.")
    lab.pipeline.speaking_id = message.id
    await lab.delivery.quiet_hold.hold_while("call", "The Mac is in a call")
    lab.delivery.receive(SentenceHeard(message.id, 0))
    lab.delivery.receive(Ended(message.id, Outcome.HEARD))
    await lab.delivery.drain()

    assert lab.receipts.of(message.id) == ["stored", "heard"]

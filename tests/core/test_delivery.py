"""Delivery: stops end each message once, and after a sleep its messages are asked about."""

import asyncio
import itertools
from typing import Any

import pytest

from audio.types import Ended, Held, Outcome
from bot.chat.sandbox import Sandbox
from bot.core.quiet_hours import FOR_GOOD
from tests.chat.steps import last_reaction
from tests.conftest import ALICE, StartBot, reaction_to, reply_with
from tests.core.lab import Lab
from tests.support.loudspeaker import Ear


async def test_stop_while_a_message_is_pulled_ends_it_once(lab: Lab) -> None:
    """A mute and a stop before the pipeline has reported anything: one end, on the disk too."""
    message = await lab.submit()
    await lab.delivery.mute(FOR_GOOD)
    stopped = await lab.delivery.stop()
    on_the_disk = await lab.state_of(message)
    lab.delivery.receive(Ended(message.id, Outcome.STOPPED))  # of the mute's abort
    await lab.delivery.drain()

    assert stopped == 1
    assert on_the_disk == "stopped"
    assert lab.receipts.of(message.id) == ["stored", "stopped"]
    assert lab.delivery.under_way_count == lab.delivery.held_count == 0


async def test_stop_while_a_message_is_being_held_ends_it_once(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stop between the decision to hold a message and its write to the disk wins."""
    change_state = lab.inbox.change_state

    async def stop_first(*args: Any, **fields: Any) -> bool:
        monkeypatch.setattr(lab.inbox, "change_state", change_state)
        await lab.delivery.stop()
        return await change_state(*args, **fields)

    await lab.delivery.mute(FOR_GOOD)
    monkeypatch.setattr(lab.inbox, "change_state", stop_first)
    message = await lab.submit()
    await lab.delivery.mute(0)

    assert lab.receipts.of(message.id) == ["stopped"]
    assert await lab.state_of(message) == "stopped"
    assert lab.pipeline.said == []


async def test_delivery_replies_once_for_each_reason_to_hold(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A chat that knows that a device was not ready is told that headphones are gone, too."""
    reasons: list[str] = []
    monkeypatch.setattr(lab.receipts, "delayed", lambda _, reason="": reasons.append(reason))
    messages = [await lab.submit(), await lab.submit()]
    for reason in ("Not ready.", "Gone."):
        for message in messages:
            lab.delivery.receive(Held(message.id, reason))
    await lab.delivery.drain()

    assert reasons == ["Not ready.", "", "Gone.", ""]


async def test_delivery_asks_about_its_messages_after_sleep(
    sandbox: Sandbox, start_toned: StartBot, monkeypatch: pytest.MonkeyPatch, ear_a: Ear
) -> None:
    """After hours with the lid closed nothing continues unasked; new messages are said."""
    asleep_s = [0.0]
    monkeypatch.setattr("bot.start.phases.time_asleep_s", lambda: asleep_s[0])
    async with start_toned():
        messages = [sandbox.send(ALICE, "Number 1. " * 30), sandbox.send(ALICE, "Number 2.")]
        await asyncio.to_thread(ear_a.wait_for_sound, 0.0)
        asleep_s[0] = 3600.0
        question = await sandbox.wait_for(reply_with("2 messages came while I was away"))
        later = sandbox.send(ALICE, "Number 3.")
        await sandbox.wait_for(reaction_to(later, "👍"))
        assert [last_reaction(sandbox, m) for m in messages] == ["😴", "😴"]
        sandbox.press(ALICE, question.message_id, "late:all")
        for message in messages:
            await sandbox.wait_for(reaction_to(message, "👍"))


async def test_delivery_continues_after_a_short_sleep(
    sandbox: Sandbox, start_toned: StartBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sleep that is shorter than LATE_AFTER_S changes nothing."""
    naps = itertools.count()
    monkeypatch.setattr("bot.start.phases.time_asleep_s", lambda: next(naps) * 60.0)
    async with start_toned():
        message = sandbox.send(ALICE, "Number 1. Number 2.")
        await sandbox.wait_for(reaction_to(message, "👍"))

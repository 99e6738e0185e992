"""Messages that are said in time or not at all."""

import asyncio
from pathlib import Path

import pytest

from audio.types import Ended, Outcome, PlaybackStarted
from bot.core.expiry import TOO_LATE
from bot.core.message import QueuedMessage
from bot.core.quiet_hours import FOR_GOOD
from tests.core.lab import BOT, Lab


def started(id_: int) -> PlaybackStarted:
    """Return the fact that the first word of a message is on its way."""
    return PlaybackStarted(id_, 0, "Hello.", (), 0.0)


async def end_of(lab: Lab, message: QueuedMessage) -> tuple[str, str]:
    """Return the state of a message on the disk, and the reason."""
    record = await lab.inbox.find_record_of(message.id)
    assert record is not None
    return record.outcome, record.reason


async def test_expiry_withdraws_what_waits_for_its_turn(lab: Lab) -> None:
    """At its time, and not before; the pipeline, which knows whether it sounds, ends it."""
    message = await lab.submit(expires_at=lab.now_s + 60)
    await lab.delivery.expiry._end_expired()
    early = list(lab.pipeline.withdrawn)
    lab.now_s += 60
    await lab.delivery.expiry._end_expired()
    lab.delivery.receive(Ended(message.id, Outcome.SKIPPED, reason=TOO_LATE))
    await lab.delivery.drain()

    assert early == []
    assert lab.pipeline.withdrawn == [(message.id, TOO_LATE)]
    assert await end_of(lab, message) == ("skipped", TOO_LATE)


@pytest.mark.parametrize("waits", ["muted", "suspended", "behind a suspect"])
async def test_expiry_ends_what_the_pipeline_does_not_have(lab: Lab, waits: str) -> None:
    """What is held, or not handed over yet, ends at its time with its receipt."""
    if waits == "muted":
        await lab.delivery.mute(FOR_GOOD)
    if waits == "behind a suspect":
        lab.attempts._deaths["message:1"] = 1.0
        await lab.submit()
    with lab.delivery.suspended():
        message = await lab.submit(expires_at=lab.now_s + 60)
        lab.now_s += 61
        await lab.delivery.expiry._end_expired()
        await lab.delivery.drain()

        assert lab.receipts.of(message.id)[1:] == ["skipped"]
        assert await end_of(lab, message) == ("skipped", TOO_LATE)
    assert message.id not in lab.pipeline.said


async def test_expiry_spares_what_has_begun(lab: Lab) -> None:
    """From its first word on a message does not expire, nor in the next process."""
    message = await lab.submit(expires_at=lab.now_s + 60)
    lab.delivery.receive(started(message.id))
    await lab.delivery.drain()
    lab.now_s += 61
    await lab.delivery.expiry._end_expired()
    (stored,) = await lab.inbox.list_to_speak(BOT)

    assert lab.pipeline.withdrawn == []
    assert stored.expires_at == 0.0


async def test_expiry_ends_what_is_released_too_late(lab: Lab) -> None:
    """A message that a mute held beyond its time is not said after it."""
    await lab.delivery.mute(FOR_GOOD)
    message = await lab.submit(expires_at=lab.now_s + 60)
    lab.now_s += 61
    await lab.delivery.mute(0)

    assert lab.receipts.of(message.id) == ["held", "skipped"]
    assert lab.pipeline.said == []


async def test_expiry_survives_a_restart(lab: Lab, tmp_path: Path) -> None:
    """What expired while Crier was away ends as such; the rest is said in its time."""
    expired = await lab.submit(expires_at=lab.now_s + 60)
    fresh = await lab.submit(expires_at=lab.now_s + 120)
    after = Lab(lab.inbox, tmp_path)
    after.now_s += 61
    await after.delivery.restore()
    after.delivery.start_speaking()

    assert await end_of(after, expired) == ("skipped", TOO_LATE)
    assert after.pipeline.said == [fresh.id]


async def test_expiry_is_the_reason_of_what_is_late_too(lab: Lab, tmp_path: Path) -> None:
    """After a long time away nobody is asked about what has expired."""
    message = await lab.submit(expires_at=lab.now_s + 60)
    await lab.inbox._database.execute("UPDATE message SET changed_at = changed_at - 7200")
    after = Lab(lab.inbox, tmp_path)
    after.now_s += 7200
    await after.delivery.restore()

    assert await end_of(after, message) == ("skipped", TOO_LATE)


async def test_expiry_of_a_message_that_comes_too_late(lab: Lab) -> None:
    """A text that a broker brings after its time is not said at all."""
    message = await lab.submit(expires_at=lab.now_s - 1)

    assert lab.pipeline.said == []
    assert await end_of(lab, message) == ("skipped", TOO_LATE)


async def test_watch_ends_messages_at_their_time(lab: Lab) -> None:
    """It sleeps while nothing expires, and wakes for a message that does."""
    watching = asyncio.create_task(lab.delivery.expiry.watch())
    await asyncio.sleep(0)
    await lab.delivery.mute(FOR_GOOD)
    message = await lab.submit(expires_at=lab.now_s + 0.02)
    ended = lab.events.wait_result(message.id)
    lab.now_s += 1
    result = await asyncio.wait_for(ended, 10)
    watching.cancel()

    assert result is not None
    assert (result.result, result.reason) == (Outcome.SKIPPED, TOO_LATE)

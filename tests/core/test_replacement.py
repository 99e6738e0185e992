"""A newer message in the place of an older one that waits."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from audio.types import Ended, Outcome
from bot.core.draft import Draft
from bot.core.growing import GrowingMessage
from bot.core.intake import RefusedError
from bot.core.limits import Limits
from bot.core.queue import REPLACED
from bot.core.quiet_hours import FOR_GOOD
from tests.core.lab import BOT, Lab
from tests.core.test_expiry import end_of, started


def draft(number: int, text: str, key: str = "build") -> Draft:
    """Return a draft of a program."""
    return Draft(update_id=-number, text=text, client="ci", replace_key=key)


async def test_newer_message_takes_the_place_of_the_older(lab: Lab) -> None:
    """In the queue and on the disk; the older one ends as skipped."""
    first = await lab.submit("First.")
    older = await lab.submit("40 %.", client="ci", replace_key="build")
    last = await lab.submit("Last.")
    newer = await lab.submit("41 %.", client="ci", replace_key="build")
    lab.delivery.receive(Ended(older.id, Outcome.SKIPPED, reason=REPLACED))
    await lab.delivery.drain()
    on_the_disk = [message.id for message in await lab.inbox.list_to_speak(BOT)]

    assert lab.pipeline.withdrawn == [(older.id, REPLACED)]
    assert [m.id for m in lab.delivery.queue.under_way()] == [first.id, newer.id, last.id]
    assert on_the_disk == [first.id, newer.id, last.id]
    assert await end_of(lab, older) == ("skipped", REPLACED)


@pytest.mark.parametrize(
    "fields",
    [
        {"client": "ci", "replace_key": "other"},
        {"client": "another", "replace_key": "build"},
        {"user_id": 1, "client": "ci", "replace_key": "build"},
        {"client": "ci", "replace_key": ""},
    ],
)
async def test_newer_message_replaces_only_its_own_kind(lab: Lab, fields: dict[str, Any]) -> None:
    """Of the same sender, with the same key."""
    await lab.submit("40 %.", client="ci", replace_key="build")
    await lab.submit("41 %.", **fields)

    assert lab.pipeline.withdrawn == []


async def test_newer_message_follows_one_that_has_begun(lab: Lab) -> None:
    """What sounds is said to its end."""
    older = await lab.submit("40 %.", client="ci", replace_key="build")
    lab.delivery.receive(started(older.id))
    await lab.delivery.drain()
    waiting = await lab.submit("Last.")
    newer = await lab.submit("41 %.", client="ci", replace_key="build")

    assert lab.pipeline.withdrawn == []
    assert [m.id for m in lab.delivery.queue.under_way()] == [older.id, waiting.id, newer.id]


async def test_newer_message_replaces_one_that_is_held(lab: Lab) -> None:
    """After a mute only the newest is said, in the place of the first."""
    await lab.delivery.mute(FOR_GOOD)
    older = await lab.submit("40 %.", client="ci", replace_key="build")
    other = await lab.submit("Last.")
    newer = await lab.submit("41 %.", client="ci", replace_key="build")
    await lab.delivery.mute(0)

    assert lab.receipts.of(older.id) == ["held", "skipped"]
    assert lab.pipeline.said == [newer.id, other.id]


async def test_newer_message_wins_over_one_that_is_being_held(lab: Lab) -> None:
    """A mute pulls the older one, and its end in the pipeline comes after the newer one."""
    older = await lab.submit("40 %.", client="ci", replace_key="build")
    await lab.delivery.mute(FOR_GOOD)
    newer = await lab.submit("41 %.", client="ci", replace_key="build")
    lab.delivery.receive(Ended(older.id, Outcome.STOPPED))  # of the mute's abort
    await lab.delivery.drain()
    await lab.delivery.mute(0)

    assert await end_of(lab, older) == ("skipped", REPLACED)
    assert lab.pipeline.said == [older.id, newer.id]


@pytest.mark.parametrize("is_moved", [True, False])
async def test_replaced_message_is_not_said_after_a_restart(
    lab: Lab, tmp_path: Path, is_moved: bool
) -> None:
    """A process that died before the older one's end was stored, or before the order was."""
    older = await lab.submit("40 %.", client="ci", replace_key="build")
    other = await lab.submit("Last.")
    newer = await lab.submit("41 %.", client="ci", replace_key="build")
    if not is_moved:
        await lab.inbox._database.execute("UPDATE message SET place = NULL")
    after = Lab(lab.inbox, tmp_path)
    await after.delivery.restore()
    while not after.delivery._facts.empty():
        await after.delivery._handle(after.delivery._facts.get_nowait())
    after.delivery.start_speaking()

    assert await end_of(after, older) == ("skipped", REPLACED)
    assert after.pipeline.said == [newer.id, other.id]


async def test_limits_do_not_count_what_is_replaced(lab: Lab) -> None:
    """A program whose queue is full may replace what it has there, and add nothing."""
    intake = replace(lab.intake(), limits=Limits(0, 1))
    await intake.accept(draft(1, "40 %."))
    await intake.accept(draft(2, "41 %."))
    with pytest.raises(RefusedError, match="wait already"):
        await intake.accept(draft(3, "Another.", key=""))


async def test_rest_of_a_growing_text_does_not_replace_its_beginning(lab: Lab) -> None:
    """What follows a break is another message, without the key."""
    growing = GrowingMessage(lab.intake(), draft(1, ""))
    await growing.add("One. Two. ")
    growing.rest()
    await growing.add("Three. Four. ")
    await growing.finish()

    assert lab.pipeline.withdrawn == []
    assert [message.replace_key for message in lab.delivery.queue.under_way()] == ["build", ""]

"""The queue: order, places, estimates, and what the pipeline gets when."""

import asyncio
import wave
from pathlib import Path

from audio.types import SAMPLE_RATE_HZ, Ended, Outcome
from bot.core.message import attempt_key
from bot.core.quiet_hours import FOR_GOOD
from tests.core.lab import Lab


async def test_queue_hands_over_a_suspect_alone(lab: Lab) -> None:
    """A message during which the process died is not in the pipeline with any other."""
    lab.attempts._deaths[attempt_key(2)] = 1.0
    messages = [await lab.submit() for _ in range(3)]
    said = [list(lab.pipeline.said)]
    for message in messages:
        lab.delivery.receive(Ended(message.id, Outcome.HEARD))
        await lab.delivery.drain()
        said.append(list(lab.pipeline.said))

    assert said == [[1], [1, 2], [1, 2, 3], [1, 2, 3]]


async def test_queue_hands_over_nothing_while_suspended(lab: Lab) -> None:
    """Afterwards the urgent ones come first, in the order in which they came."""
    with lab.delivery.suspended():
        for urgent in (False, True, True):
            await lab.submit(urgent=urgent)
        assert lab.pipeline.said == []

    assert lab.pipeline.said == [2, 3, 1]


async def test_queue_has_places_for_held_messages(lab: Lab) -> None:
    """A held message is in the queue, too, and can be removed from it."""
    await lab.delivery.mute(FOR_GOOD)
    message = await lab.submit()

    assert [place.state for place in lab.delivery.queue.places()] == ["held"]
    assert await lab.delivery.queue.remove(message.id)
    assert not await lab.delivery.queue.remove(message.id)
    assert lab.receipts.of(message.id) == ["held", "skipped"]
    assert await lab.state_of(message) == "skipped"


async def test_remove_wins_over_holding(lab: Lab) -> None:
    """A message that is removed while it is being pulled is not said later."""
    message = await lab.submit()
    await lab.delivery.mute(FOR_GOOD)
    await lab.delivery.queue.remove(message.id)
    lab.delivery.receive(Ended(message.id, Outcome.STOPPED))
    await lab.delivery.drain()

    assert lab.receipts.of(message.id) == ["stored", "stopped"]
    assert lab.delivery.held_count == 0


async def test_queue_counts_the_length_of_a_recording(lab: Lab, tmp_path: Path) -> None:
    """A recording that waits takes as long as its sound, less what was heard before a restart."""
    path = tmp_path / "hello.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE_HZ)
        file.writeframes(bytes(2 * 12 * SAMPLE_RATE_HZ))
    await lab.submit("", file=str(path))
    await lab.submit("", file=str(path), sentence=1)
    await lab.submit("", file=str(tmp_path / "missing.wav"))
    await lab.submit()
    async with asyncio.timeout(10):
        await asyncio.gather(*lab.delivery.queue._readings)
    starts = [place.estimate_s for place in lab.delivery.queue.places()]

    assert starts == [0.0, 12.0, 19.0, 19.0]
    (burst,) = lab.delivery.queue.bursts().values()
    assert lab.delivery.queue.left_s(burst) > 19

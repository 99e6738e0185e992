"""The phases of the bot's start."""

import asyncio

import pytest

from bot.start.phases import wait_briefly


@pytest.mark.parametrize("turns", range(4))
async def test_wait_loses_no_cancellation(turns: int) -> None:
    """A stop soon after the updates are caught up ends the task, or the bot would never end."""
    caught_up = asyncio.Event()

    async def run() -> None:
        await wait_briefly(caught_up)
        await asyncio.Event().wait()

    task = asyncio.create_task(run())
    for _ in range(4):  # it waits by then
        await asyncio.sleep(0)
    caught_up.set()
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    done, _ = await asyncio.wait({task}, timeout=5)
    task.cancel()

    assert done == {task}

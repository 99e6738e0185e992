"""Events: who gets which, and what a program that waits gets."""

import pytest

from audio.types import Outcome
from bot.core import events as module
from bot.core.events import Events, WaitResult
from bot.core.message import State
from bot.core.quiet_hours import FOR_GOOD
from tests.core.lab import Lab


async def test_wait_result_is_the_outcome_or_that_it_is_held(lab: Lab) -> None:
    """A program that waits gets the first of both."""
    spoken = await lab.submit()
    ended = lab.events.wait_result(spoken.id)
    await lab.delivery.end_message(spoken, Outcome.FAILED, "No sound.")
    await lab.delivery.mute(FOR_GOOD)
    held = lab.events.wait_result(spoken.id + 1)
    await lab.submit()

    assert await ended == WaitResult(Outcome.FAILED, "No sound.")
    result = await held
    assert result is not None
    assert result.result is State.HELD
    assert "Muted" in result.reason


async def test_wait_result_is_none_after_the_end() -> None:
    """Nobody waits for a Crier that stops."""
    events = Events()
    before = events.wait_result(1)
    events.close()

    assert await before is None
    assert await events.wait_result(2) is None


async def test_events_close_a_listener_that_falls_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    """It gets what it has already, and the others get everything."""
    monkeypatch.setattr(module, "_MAX_BEHIND", 2)
    events = Events()
    with events.listen() as slow, events.listen() as quick:
        for _ in range(4):
            events.queue()
            assert await quick.next() is not None
        behind = [await slow.next() for _ in range(3)]

    assert [event is not None for event in behind] == [True, True, False]

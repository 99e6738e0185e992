"""Starts what makes music step back, and undoes what an earlier run of the process left.

Runs on the event loop.
"""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from audio.pipeline import SpeechPipeline
from bot.core.events import Events
from bot.core.store import Store
from bot.manners.music import Ducking, Players, stored_changes

# A part of the 3 s that a SIGTERM may take; what is not done by then is undone at the next start.
_RESTORE_TIMEOUT_S = 0.7


def _make_players(duck: str | float) -> Players:
    """Return the players of this system, which will pause, or get quieter by *duck* dB."""
    if sys.platform == "darwin":
        from bot.manners.mac_players import MacPlayers  # noqa: PLC0415  # one of them is used

        return MacPlayers(duck)
    if isinstance(duck, str):
        from bot.manners.mpris import MprisPlayers  # noqa: PLC0415  # likewise

        return MprisPlayers()
    from bot.manners.pulse_players import PulsePlayers  # noqa: PLC0415  # likewise

    return PulsePlayers(duck)


@asynccontextmanager
async def stepping_back(
    duck: str | float,
    store: Store,
    pipeline: SpeechPipeline,
    events: Events,
    warnings: dict[str, str],
    make_players: Callable[[str | float], Players] = _make_players,
) -> AsyncIterator[Callable[[], None]]:
    """Make music step back while the context is open.

    Args:
        duck: ``off``, ``pause``, or by how many dB it gets quieter.
        store: stores what has to be undone.
        pipeline: knows whether something is being spoken.
        events: what is about to be heard is among them.
        warnings: gets why a player can't be controlled.
        make_players: returns the players that a way to step back is for.

    Yields:
        What to call when a text is taken up for synthesis.
    """

    def is_speaking() -> bool:
        status = pipeline.status()
        return bool(status.speaking or status.waiting) and not (status.paused or status.blocked)

    def ducking(way: str | float) -> Ducking:
        return Ducking(way, make_players(way), store, is_speaking, warnings)

    left = await stored_changes(store)
    if duck == "off":
        recovering = ducking(left[0]).recover(left[1]) if left else asyncio.sleep(0)
        async with _background(recovering):
            yield lambda: None
        return
    current = ducking(duck)

    async def run() -> None:
        if left is not None:
            way, changes = left
            is_same_way = isinstance(way, str) == isinstance(duck, str)
            await (current if is_same_way else ducking(way)).recover(changes)
        await current.run()

    def on_event(name: str, _: dict[str, Any]) -> None:
        if name == "sounding":  # what was made before a pause is not taken up again
            current.speech_is_due()

    events.watch(on_event)
    async with _background(run()):
        yield current.speech_is_due


@asynccontextmanager
async def _background(work: Any) -> AsyncIterator[None]:
    task = asyncio.create_task(work, name="music")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task}, timeout=_RESTORE_TIMEOUT_S)

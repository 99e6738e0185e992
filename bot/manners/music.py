"""Music steps back while Crier speaks: it gets quieter, or pauses, and comes back afterwards.

It goes down when the first text is taken up for synthesis, so that the first word is not delayed,
and back up when nothing has been spoken for `BACK_AFTER_S`. What is changed is stored before, so
that it comes back after a crash, too; what a person changes meanwhile stays so. Runs on the event
loop, in a task of its own: a player that hangs delays music only.
"""

import asyncio
import json
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from bot.core.store import Store
from bot.manners.processes import ProgramError

log = logging.getLogger(__name__)

BACK_AFTER_S = 1.0
CHOICE = "ducked"
"""Under which name in the `Store` the changes are stored."""

FADE_STEP_S = 0.0375
"""Between two steps of a fade, which takes 0.15 s."""

_POLL_S = 0.2
_FADE_STEPS = 4
# After that, music that was paused when the process died stays so: nobody expects it any more.
_FORGET_PAUSE_S = 600.0
# A person's change is one per cent at least; servers round.
_SAME_VOLUME = 0.004
# If the players take longer to answer, for example while a Mac asks for permission, speech may be
# over.
_FRESH_S = 1.0
_SUBJECT = "music"

Volumes = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Change:
    """What is done to a player."""

    player: str
    before: Volumes = ()
    """Its volume on each channel; empty if it was playing and is paused."""
    after: Volumes = ()
    program: str = ""
    """By which its next stream is known, if this one has ended."""

    @property
    def steps(self) -> list[Volumes]:
        """The volumes of a fade from `before` to `after`, both included."""
        return [
            tuple(
                round(low if low == high else high * (low / high) ** (step / _FADE_STEPS))
                for high, low in zip(self.before, self.after, strict=True)
            )
            for step in range(_FADE_STEPS + 1)
        ]

    def left_at(self, volumes: Volumes) -> list[Volumes] | None:
        """Return the steps back from *volumes*; None if a person has set these."""
        steps = self.steps
        for index in range(_FADE_STEPS, -1, -1):
            if _is_same(volumes, steps[index], self.before):
                return steps[:index][::-1]
        return None


def _is_same(volumes: Volumes, others: Volumes, full: Volumes) -> bool:
    slack = max(1.0, _SAME_VOLUME * max(full))
    return len(volumes) == len(others) and all(
        abs(one - other) <= slack for one, other in zip(volumes, others, strict=True)
    )


@dataclass(frozen=True, slots=True)
class Look:
    """What could be changed now."""

    changes: tuple[Change, ...]
    """Of what is playing, and of nothing else."""
    warning: str = ""
    """Which player can't be controlled, and what to do."""


class Players(Protocol):
    """The players of a system, and one way to make them step back.

    Each method may raise `ProgramError`.
    """

    async def look(self) -> Look:
        """Return what can be changed; change nothing."""
        ...

    async def lower(self, changes: Sequence[Change]) -> None:
        """Change it."""
        ...

    async def restore(self, changes: Sequence[Change]) -> tuple[Change, ...]:
        """Undo changes that a person has not undone; return those that can't be undone yet."""
        ...


class Ducking:
    """Makes music step back while something is spoken."""

    def __init__(
        self,
        duck: str | float,
        players: Players,
        store: Store,
        is_speaking: Callable[[], bool],
        warnings: dict[str, str],
    ) -> None:
        """Change nothing yet.

        Args:
            duck: how, as the setting says; stored with the changes.
            players: what is changed.
            store: stores what has to be undone.
            is_speaking: returns whether something sounds, or is about to.
            warnings: gets, under ``music``, why a player can't be controlled.
        """
        self._duck = duck
        self._players = players
        self._store = store
        self._is_speaking = is_speaking
        self._warnings = warnings
        self._due = asyncio.Event()
        self._changes: tuple[Change, ...] = ()  # that have to be undone, as stored

    def speech_is_due(self) -> None:
        """Make music step back now, unless it has: a text has been taken up for synthesis."""
        self._due.set()

    async def run(self) -> None:
        """Lower and restore music until cancelled."""
        while True:
            await self._due.wait()
            try:
                await self._lower()
                await self._until_silent()
            finally:
                await self._restore()

    async def recover(self, changes: Sequence[Change]) -> None:
        """Undo what an earlier process has left, and store what can't be undone yet."""
        self._changes = tuple(changes)
        if changes:
            await self._restore()
        else:
            await self._remember(())

    async def _lower(self) -> None:
        try:
            if self._changes:  # left from earlier, of a player that had ended
                await self._restore()
            started_s = time.monotonic()
            look = await self._players.look()
            self._warn(look.warning)
            is_fresh = time.monotonic() - started_s < _FRESH_S
            if look.changes and (is_fresh or self._is_speaking()):
                await self._remember((*self._changes, *look.changes))
                await self._players.lower(look.changes)
        except ProgramError as exc:
            self._warn(f"Music can't be controlled: {exc}.")
        except Exception:  # music must not affect speech
            log.exception("Unexpected error in lowering music")

    async def _until_silent(self) -> None:
        silent_since_s = time.monotonic()
        while time.monotonic() - silent_since_s < BACK_AFTER_S:
            await asyncio.sleep(_POLL_S)
            if self._due.is_set() or self._is_speaking():
                self._due.clear()
                silent_since_s = time.monotonic()

    async def _restore(self) -> None:
        if not self._changes:
            return
        try:
            await self._remember(await self._players.restore(self._changes))
        except ProgramError as exc:
            self._warn(f"Music can't be controlled: {exc}.")
        except Exception:  # tried again before the next time, and at the next start
            log.exception("Unexpected error in restoring music")

    async def _remember(self, changes: tuple[Change, ...]) -> None:
        """Store what has to be undone.

        Raises:
            sqlite3.Error: it can't be stored, so nothing may be changed.
        """
        self._changes = changes
        await store_changes(self._store, self._duck, changes)

    def _warn(self, warning: str) -> None:
        """Log a warning once, and show it for as long as it holds."""
        if not warning:
            self._warnings.pop(_SUBJECT, None)
        elif self._warnings.get(_SUBJECT) != warning:
            log.warning("%s", warning)
            self._warnings[_SUBJECT] = warning


async def store_changes(store: Store, duck: str | float, changes: Sequence[Change]) -> None:
    """Store the changes that have to be undone; none removes them.

    Raises:
        sqlite3.Error: they can't be stored.
    """
    value = {"duck": duck, "at": time.time(), "changes": [asdict(change) for change in changes]}
    await store.choose(CHOICE, json.dumps(value) if changes else None)


async def stored_changes(store: Store) -> tuple[str | float, tuple[Change, ...]] | None:
    """Return the way and the changes of an earlier process that have to be undone, if any."""
    stored = await store.choice(CHOICE)
    if not stored:
        return None
    try:
        value = json.loads(stored)
        changes = tuple(_change(found) for found in value["changes"])
        if value["duck"] == "pause" and time.time() - value["at"] > _FORGET_PAUSE_S:
            changes = ()
        return value["duck"], changes
    except (ValueError, KeyError, TypeError):  # of another version
        log.warning("What an earlier run changed of music can't be read, and stays so")
        return "pause", ()


def _change(found: dict[str, Any]) -> Change:
    before, after = tuple(map(int, found["before"])), tuple(map(int, found["after"]))
    return Change(str(found["player"]), before, after, str(found["program"]))

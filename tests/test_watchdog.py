"""The watchdog: what it reports, and what it only pokes."""

import asyncio
import itertools
from typing import Any

import pytest
from telegram.error import NetworkError

from audio.types import Status
from bot import watchdog


class _Watched:
    """A bot as the watchdog sees it."""

    def __init__(self) -> None:
        self.answers = 0
        self.pokes = 0
        self.under_way_count = 1
        self.beats = itertools.count()
        self.beating = True

    def status(self) -> Status:
        return Status(heartbeat_s=float(next(self.beats)) if self.beating else 1.0)

    def poke(self) -> None:
        self.pokes += 1

    async def get_me(self) -> None:
        pass


async def _watch(watched: _Watched, monkeypatch: pytest.MonkeyPatch, timeout_s: float = 5.0) -> str:
    monkeypatch.setattr(watchdog, "_EVERY_S", 0.01)
    monkeypatch.setattr(watchdog, "WEDGED_S", 0.1)
    monkeypatch.setattr(watchdog, "STALLED_S", 0.2)
    any_: Any = watched
    return await asyncio.wait_for(watchdog.Watchdog(any_, any_, any_, any_).run(), timeout_s)


async def test_watchdog_reports_a_wedged_audio_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """If the audio thread is stuck, only a new process helps."""
    watched = _Watched()
    watched.beating = False

    assert "stuck" in await _watch(watched, monkeypatch)


async def test_watchdog_pokes_dead_polling_before_it_reports_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """If Telegram answers getMe but not getUpdates: first a new request, then a new process."""
    watched = _Watched()

    assert "does not work" in await _watch(watched, monkeypatch)
    assert watched.pokes == 1


async def test_watchdog_waits_while_offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """While nothing of Telegram answers, the bot waits for the network."""
    watched = _Watched()

    async def get_me() -> None:
        raise NetworkError("offline")

    monkeypatch.setattr(watched, "get_me", get_me)
    with pytest.raises(TimeoutError):
        await _watch(watched, monkeypatch, 1.0)

    assert watched.pokes == 0


async def test_watchdog_pokes_polling_after_sleep(monkeypatch: pytest.MonkeyPatch) -> None:
    """Connections die during a sleep; polling does not wait for their time-out."""
    watched = _Watched()
    asleep_s = itertools.chain([0.0], itertools.repeat(500.0))
    monkeypatch.setattr(watchdog, "time_asleep_s", lambda: next(asleep_s))
    with pytest.raises(TimeoutError):
        await _watch(watched, monkeypatch, 0.1)

    assert watched.pokes == 1


async def test_watchdog_reports_leaked_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """An idle process that uses too much memory is restarted."""
    watched = _Watched()
    watched.under_way_count = 0
    monkeypatch.setattr(watchdog, "MAX_MEMORY_BYTES", 1)

    assert "memory" in await _watch(watched, monkeypatch)

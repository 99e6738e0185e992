"""The volume by day and at night."""

import asyncio
import datetime as dt
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from bot.core import output
from bot.core.database import Database
from bot.core.output import Nights, SoundOutput
from bot.core.store import Store
from bot.settings import Settings

BERLIN = ZoneInfo("Europe/Berlin")


class GainRecorder:
    """A pipeline that only records the last gain."""

    gain = 0.0
    by_clock = False

    def __init__(self) -> None:
        self.changed = asyncio.Event()

    def set_gain(self, gain: float, *, by_clock: bool = False) -> None:
        """Record it."""
        self.gain, self.by_clock = gain, by_clock
        self.changed.set()


class Lab:
    """A sound output with a clock that can be set."""

    def __init__(self, store: Store, setting: str = "30@22:00-07:00") -> None:
        self.now = dt.datetime(2026, 11, 27, 12, 0, tzinfo=BERLIN)
        self.pipeline = GainRecorder()
        pipeline: Any = self.pipeline
        self.output = SoundOutput(pipeline, store, Settings(), Nights(setting, lambda: self.now))


@pytest.fixture
async def lab(tmp_path: Path) -> AsyncIterator[Lab]:
    """Return an output whose nights are from ten to seven, at 30 %."""
    database = await Database.open(tmp_path / "crier.db")
    yield Lab(Store(database))
    await database.close()


def at(day: int, hour: int, minute: int = 0) -> dt.datetime:
    """Return a time in November 2026."""
    return dt.datetime(2026, 11, day, hour, minute, tzinfo=BERLIN)


async def test_volume_is_lower_at_night(lab: Lab) -> None:
    """From the hour that the setting names to the one at which it ends."""
    assert (await lab.output.volume_percent(), lab.output.night_until()) == (100, "")
    lab.now = at(27, 22)
    assert (await lab.output.volume_percent(), lab.output.night_until()) == (30, "07:00")
    lab.now = at(28, 7)
    assert await lab.output.volume_percent() == 100


async def test_volume_at_night_is_never_louder_than_by_day(lab: Lab) -> None:
    """Whoever has it at 20 % by day keeps that at night."""
    await lab.output.set_volume(20)
    lab.now = at(27, 23)
    assert await lab.output.volume_percent() == 20


async def test_volume_set_at_night_counts_for_that_night(lab: Lab) -> None:
    """Also after midnight; neither by day nor in the next night."""
    await lab.output.set_volume(80)
    lab.now = at(27, 23)
    await lab.output.set_volume(50)
    assert lab.pipeline.gain == 0.25
    lab.now = at(28, 6, 59)
    assert await lab.output.volume_percent() == 50
    lab.now = at(28, 12)
    assert await lab.output.volume_percent() == 80
    lab.now = at(28, 22)
    assert await lab.output.volume_percent() == 30


async def test_watch_nights_changes_the_volume_when_a_night_begins_and_ends(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without anybody doing anything, also if the computer slept over it."""
    monkeypatch.setattr(output, "_CHECK_EVERY_S", 0.01)
    await lab.output.restore()
    task = asyncio.create_task(lab.output.watch_nights())
    for now, gain in ((at(27, 22), 0.09), (at(28, 7), 1.0), (at(29, 3), 0.09)):
        lab.pipeline.changed.clear()
        lab.now = now
        await asyncio.wait_for(lab.pipeline.changed.wait(), 30)
        assert lab.pipeline.gain == pytest.approx(gain)
        assert lab.pipeline.by_clock
    task.cancel()


@pytest.mark.parametrize(
    ("zone", "utc", "is_night"),
    [
        # Spring forward: 01:59:59 is followed by 03:00.
        ("Europe/Berlin", "2026-03-29T00:59", True),
        ("Europe/Berlin", "2026-03-29T01:00", False),
        # Fall back: the hour from two to three comes twice.
        ("Europe/Berlin", "2026-10-25T00:29", True),
        ("Europe/Berlin", "2026-10-25T00:31", False),
        ("Europe/Berlin", "2026-10-25T01:29", True),
        ("America/New_York", "2026-03-08T06:59", True),
        ("America/New_York", "2026-03-08T07:00", False),
        ("Asia/Kolkata", "2026-03-29T20:59", True),
        ("Asia/Kolkata", "2026-03-29T21:01", False),
    ],
)
def test_nights_follow_the_clock_on_the_wall(zone: str, utc: str, is_night: bool) -> None:
    """Until half past two, as the clock shows it, whatever it does that night."""
    now = dt.datetime.fromisoformat(utc).replace(tzinfo=dt.UTC).astimezone(ZoneInfo(zone))
    assert (Nights("30@22:00-02:30", lambda: now).current() is not None) == is_night

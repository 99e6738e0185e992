"""The device and the volume: selected, stored, restored. Runs on the event loop."""

import asyncio
import datetime as dt
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from audio.pipeline import SpeechPipeline
from audio.types import Devices
from bot.core.quiet_hours import DailyHours
from bot.core.store import Store
from bot.settings import Settings

log = logging.getLogger(__name__)

LOUDEST_PERCENT = 150

_DEVICE, _VOLUME, _VOLUME_TONIGHT = "device", "volume", "volume tonight"
_CHECK_EVERY_S = 5.0


@dataclass(frozen=True, slots=True)
class Night:
    """A night with a volume of its own."""

    percent: int
    until: dt.time
    started_on: dt.date


class Nights:
    """When it is night, by the setting VOLUME_AT_NIGHT and the clock on the wall."""

    def __init__(
        self, setting: str, now: Callable[[], dt.datetime] = lambda: dt.datetime.now().astimezone()
    ) -> None:
        """Parse a setting such as ``30@22:00-07:00``; empty: it is never night."""
        percent, _, hours = setting.partition("@")
        self._percent = int(percent or 0)
        self._hours = DailyHours(hours) if hours else None
        self._now = now

    def current(self) -> Night | None:
        """Return the night that it is now, if it is night."""
        now = self._now()
        if self._hours is None or now not in self._hours:
            return None
        return Night(self._percent, self._hours.end, self._hours.started_on(now))


async def wanted_device(store: Store, settings: Settings) -> str:
    """Return the device to open after a start; empty follows the system."""
    chosen = await store.choice(_DEVICE, settings.audio_device)
    return settings.audio_device if chosen is None else chosen


class SoundOutput:
    """The sound output, as front ends control it."""

    def __init__(
        self,
        pipeline: SpeechPipeline,
        store: Store,
        settings: Settings,
        nights: Nights | None = None,
    ) -> None:
        """Control *pipeline*; store selections in *store*."""
        self._pipeline = pipeline
        self._store = store
        self._settings = settings
        self._nights = nights or Nights(settings.volume_at_night)
        self._restored_in: Night | None = None
        self._devices: Devices | None = None
        self._listed_s = 0.0

    async def restore(self) -> None:
        """Set the volume that applies now; the device after a restart is `wanted_device`."""
        night = self._nights.current()
        self._pipeline.set_gain(gain_of(await self.volume_percent()), by_clock=True)
        self._restored_in = night

    async def volume_percent(self) -> int:
        """Return the volume, which is applied in addition to the computer's.

        At night it is the one set this night, or else the setting's, if the day's is not lower.
        """
        by_day = int(await self._store.choice(_VOLUME) or 100)
        night = self._nights.current()
        if night is None:
            return by_day
        tonight = await self._store.choice(_VOLUME_TONIGHT, str(night.started_on))
        return min(night.percent, by_day) if tonight is None else int(tonight)

    def night_until(self) -> str:
        """Return until when the night's volume applies, such as ``07:00``; empty by day."""
        night = self._nights.current()
        return f"{night.until:%H:%M}" if night else ""

    async def watch_nights(self) -> None:
        """Change the volume when a night begins or ends, until cancelled.

        The time is read again and again, since clocks are set, and computers sleep.
        """
        while True:
            await asyncio.sleep(_CHECK_EVERY_S)
            if self._nights.current() == self._restored_in:
                continue
            try:
                await self.restore()
            except Exception:  # for example a full disk; tried again at the next check
                log.exception("Unexpected error in the volume at night")

    async def set_volume(self, percent: int) -> int:
        """Set and store the volume, within its limits; return it. At night it is this night's.

        Raises:
            sqlite3.Error: it can't be stored, and applies only until the next start.
        """
        percent = _within_limits(percent)
        self._pipeline.set_gain(gain_of(percent))
        if night := self._nights.current():
            await self._store.choose(_VOLUME_TONIGHT, str(percent), str(night.started_on))
        else:
            await self._store.choose(_VOLUME, str(percent))
        return percent

    async def devices(self, timeout_s: float, max_age_s: float = 0.0) -> Devices:
        """Return where sound can go.

        Args:
            timeout_s: how long the audio thread may take.
            max_age_s: with which age the last list will do. While something is said, it then will
                do in any case, since devices are not searched for meanwhile.

        Raises:
            AudioError: PortAudio is missing or will not start.
            TimeoutError: the audio thread does not answer in time.
        """
        now_s, status = time.monotonic(), self._pipeline.status()
        if self._devices is not None and max_age_s:
            is_busy = status.speaking or status.waiting
            if is_busy or now_s - self._listed_s <= max_age_s:
                return self._devices
        devices = await asyncio.wait_for(asyncio.wrap_future(self._pipeline.devices()), timeout_s)
        self._devices, self._listed_s = devices, now_s
        return devices

    async def select_device(self, wanted: str | None) -> None:
        """Send sound to a device from the next sentence on, and store that.

        Args:
            wanted: part of its name; empty follows the system, None the setting.

        Raises:
            sqlite3.Error: it can't be stored, and applies only until the next start.
        """
        setting = self._settings.audio_device
        self._pipeline.select_device(setting if wanted is None else wanted)
        self._devices = None  # it names the selected one
        await self._store.choose(_DEVICE, wanted, setting)


def gain_of(percent: int) -> float:
    """Return the gain of a volume; squared, since people hear loudness in ratios."""
    return (_within_limits(percent) / 100) ** 2


def _within_limits(percent: int) -> int:
    return max(0, min(LOUDEST_PERCENT, percent))

"""The device and the volume: selected, stored, restored. Runs on the event loop."""

import asyncio
import time

from audio.pipeline import SpeechPipeline
from audio.types import Devices
from bot.core.store import Store
from bot.settings import Settings

LOUDEST_PERCENT = 150

_DEVICE, _VOLUME = "device", "volume"


async def wanted_device(store: Store, settings: Settings) -> str:
    """Return the device to open after a start; empty follows the system."""
    chosen = await store.choice(_DEVICE, settings.audio_device)
    return settings.audio_device if chosen is None else chosen


class SoundOutput:
    """The sound output, as front ends control it."""

    def __init__(self, pipeline: SpeechPipeline, store: Store, settings: Settings) -> None:
        """Control *pipeline*; store selections in *store*."""
        self._pipeline = pipeline
        self._store = store
        self._settings = settings
        self._devices: Devices | None = None
        self._listed_s = 0.0

    async def restore(self) -> None:
        """Set the volume from before the restart; the device is `wanted_device`."""
        self._pipeline.set_gain(gain_of(await self.volume_percent()))

    async def volume_percent(self) -> int:
        """Return the volume, which is applied in addition to the computer's."""
        return int(await self._store.choice(_VOLUME) or 100)

    async def set_volume(self, percent: int) -> int:
        """Set and store the volume, within its limits; return it.

        Raises:
            sqlite3.Error: it can't be stored, and applies only until the next start.
        """
        percent = _within_limits(percent)
        self._pipeline.set_gain(gain_of(percent))
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

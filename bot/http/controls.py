"""Playback, the device, the volume and the speed: the routes of what controls the sound.

/docs shows the docstrings of routes. Runs on the event loop.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Query

from audio.pipeline import SpeechPipeline
from audio.types import AudioError, Devices
from bot.core.delivery import Delivery
from bot.core.output import SoundOutput
from bot.core.preferences import Preferences
from bot.core.quiet_hours import FOR_GOOD
from bot.http import schemas
from bot.http.guard import Refused
from bot.http.responses import NOT_FOUND

_DEVICES_TIMEOUT_S = 2.0

MaxAge = Annotated[
    float,
    Query(
        ge=0,
        allow_inf_nan=False,
        description="A list of this age will do, in seconds. Making one closes an idle stream.",
    ),
]


@dataclass(frozen=True, slots=True)
class ControlRoutes:
    """The routes, and the objects that they use."""

    pipeline: SpeechPipeline
    delivery: Delivery
    output: SoundOutput
    preferences: Preferences

    def routes(self) -> Iterator[tuple[str, str, Callable[..., Any], dict[str, Any]]]:
        """Yield method, path, endpoint and options of each route."""
        yield from (
            ("POST", "/v1/audio/stop", self.stop, {}),
            ("POST", "/v1/audio/skip", self.skip, {}),
            ("POST", "/v1/audio/pause", self.pause, {}),
            ("POST", "/v1/audio/resume", self.resume, {}),
            ("POST", "/v1/audio/mute", self.mute, {}),
            ("POST", "/v1/audio/unmute", self.unmute, {}),
            ("GET", "/v1/devices", self.devices, {}),
            ("PUT", "/v1/device", self.choose_device, {"responses": NOT_FOUND}),
            ("GET", "/v1/volume", self.current_volume, {}),
            ("PUT", "/v1/volume", self.volume, {}),
            ("GET", "/v1/speed", self.current_speed, {}),
            ("PUT", "/v1/speed", self.speed, {}),
        )

    # ---- playback ----

    async def stop(self) -> schemas.Stopped:
        """Stop speaking, and drop everything that waits."""
        return schemas.Stopped(stopped=await self.delivery.stop())

    async def skip(self, target: schemas.SkipTarget | None = None) -> schemas.Skipped:
        """Skip one message, or else the one that is playing; the next one follows."""
        if target is None or target.id is None:
            skipped = self.delivery.under_way_count > 0
            self.pipeline.skip()
        else:
            skipped = await self.delivery.remove(target.id)
        return schemas.Skipped(skipped=skipped)

    async def pause(self) -> schemas.Paused:
        """Stop playing, and keep everything."""
        await self.delivery.pause()
        return schemas.Paused(paused=True)

    async def resume(self) -> schemas.Paused:
        """Continue with the word that was cut."""
        await self.delivery.resume()
        return schemas.Paused(paused=False)

    async def mute(self, mute: schemas.Mute | None = None) -> schemas.Quiet:
        """Hold everything for a while, or until unmute; what sounds is held, too."""
        for_s = mute.for_s if mute else None
        await self.delivery.mute(FOR_GOOD if for_s is None else time.time() + for_s)
        return schemas.Quiet(quiet=self.delivery.quiet_reason())

    async def unmute(self) -> schemas.Quiet:
        """End a mute, and speak what was held; quiet hours may go on."""
        await self.delivery.mute(0)
        return schemas.Quiet(quiet=self.delivery.quiet_reason())

    # ---- devices, volume, speed ----

    async def devices(self, max_age_s: MaxAge = 0.0) -> schemas.DeviceList:
        """List the output devices.

        With `max_age_s` the last list will do if it is not older, or while something is said.
        """
        return schemas.DeviceList.model_validate(await self._query_devices(max_age_s))

    async def choose_device(self, choice: schemas.ChooseDevice) -> schemas.DeviceList:
        """Select an output device, from the next sentence on; it is remembered."""
        wanted = choice.name
        if wanted:
            names = [device.name for device in (await self._query_devices()).outputs]
            if not any(wanted.casefold() in name.casefold() for name in names):
                present = ", ".join(names) or "none"
                reason = f"name: there is no such device. Now: {present}"
                raise Refused(404, "no_such_device", reason)
        await self.output.select_device(wanted)
        return await self.devices()

    async def _query_devices(self, max_age_s: float = 0.0) -> Devices:
        try:
            return await self.output.devices(_DEVICES_TIMEOUT_S, max_age_s)
        except AudioError as exc:
            raise Refused(503, "no_sound", str(exc)) from exc
        except TimeoutError:
            reason = "The loudspeaker does not answer just now. Try again in a moment."
            raise Refused(503, "busy", reason) from None

    async def current_volume(self) -> schemas.Volume:
        """Return the volume, relative to the computer's own."""
        return schemas.Volume(percent=await self.output.volume_percent())

    async def volume(self, volume: schemas.Volume) -> schemas.Volume:
        """Set the volume, relative to the computer's own; it is remembered."""
        await self.output.set_volume(volume.percent)
        return volume

    async def current_speed(self) -> schemas.Speed:
        """Return the speed of messages of programs that give none."""
        return schemas.Speed(speed=await self.preferences.speed_of_programs())

    async def speed(self, choice: schemas.ChooseSpeed) -> schemas.Speed:
        """Set the speed of messages of programs that give none, from the next on; remembered.

        People choose their own in the chat.
        """
        await self.preferences.choose_speed_of_programs(choice.speed)
        return await self.current_speed()

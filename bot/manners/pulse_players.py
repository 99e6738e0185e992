"""Players on PulseAudio or PipeWire get quieter: the volume of their streams.

The server remembers a stream's volume for the next stream of the same program, so what a program
has changed meanwhile, such as a browser from one video to the next, is restored on that one.
"""

import asyncio
import os
from collections.abc import Sequence

from audio.output import pulse
from audio.output.pulse import PlayerStream
from bot.manners import pactl
from bot.manners.music import FADE_STEP_S, Change, Look, Volumes
from bot.manners.processes import ProgramError

_DB_PER_FACTOR = 60.0
"""A volume of a tenth is 60 dB less, since amplitude is its cube. Source: pulse/volume.c."""


class PulsePlayers:
    """Makes players quieter by the same number of dB."""

    def __init__(self, duck_db: float) -> None:
        """Make them quieter by *duck_db*."""
        self._factor = 10 ** (-duck_db / _DB_PER_FACTOR)

    async def look(self) -> Look:
        """Return the streams that play.

        Raises:
            ProgramError: the sound server does not answer.
        """
        return Look(
            tuple(
                Change(
                    player=str(stream.index),
                    before=stream.volumes,
                    after=tuple(round(volume * self._factor) for volume in stream.volumes),
                    program=stream.program,
                )
                for stream in await _streams()
            )
        )

    async def lower(self, changes: Sequence[Change]) -> None:
        """Fade the streams down."""
        await _fade({int(change.player): change.steps[1:] for change in changes})

    async def restore(self, changes: Sequence[Change]) -> tuple[Change, ...]:
        """Fade back up the streams whose volume is still the one that was set.

        Returns:
            The changes whose programs have no stream now.

        Raises:
            ProgramError: the sound server does not answer.
        """
        streams = {stream.index: stream for stream in await _streams(playing=False)}
        fades: dict[int, list[Volumes]] = {}
        left = []
        for change in changes:
            stream = _stream_of(change, streams)
            if stream is None:
                left.append(change)
            elif steps := change.left_at(stream.volumes):
                fades[stream.index] = steps
        await _fade(fades)
        return tuple(left)


def _stream_of(change: Change, streams: dict[int, PlayerStream]) -> PlayerStream | None:
    """Return the stream of a change, or its program's next one; None if there is none."""
    same = streams.get(int(change.player))
    if same is not None and same.program == change.program:
        return same
    return next((found for found in streams.values() if found.program == change.program), None)


async def _streams(*, playing: bool = True) -> tuple[PlayerStream, ...]:
    if not (pulse.has_server() and pactl.is_installed()):
        return ()
    listing = await pactl.listing("sink-inputs")
    return pulse.players(listing, os.getpid(), playing=playing)


async def _fade(fades: dict[int, list[Volumes]]) -> None:
    """Set the volumes of streams, one step after the other; one that has ended is left out."""
    for step in range(max(map(len, fades.values()), default=0)):
        if step:
            await asyncio.sleep(FADE_STEP_S)
        await asyncio.gather(
            *(
                _set_volume(index, volumes[step])
                for index, volumes in fades.items()
                if step < len(volumes)
            )
        )


async def _set_volume(index: int, volumes: Volumes) -> None:
    try:
        await pactl.set_volume(index, volumes)
    except ProgramError as exc:
        if "No such entity" not in str(exc):  # it has not just ended
            raise

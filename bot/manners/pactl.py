"""Asks PulseAudio, or PipeWire in its place, with `pactl`, and follows what changes there.

What the answers mean is in `audio.output.pulse`. Runs on the event loop.
"""

import asyncio
import contextlib
import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from bot.manners.processes import ProgramError, lines_of, run

_TIMEOUT_S = 2.0


def is_installed() -> bool:
    """Return whether there is a `pactl`."""
    return shutil.which("pactl") is not None


async def listing(*kind: str) -> Any:
    """Return everything on the server, or what is of a kind such as ``sink-inputs``.

    Raises:
        ProgramError: the server does not answer, or its `pactl` has no JSON (before 16.0).
    """
    printed = await run("pactl", "-f", "json", "list", *kind, timeout_s=_TIMEOUT_S)
    try:
        return json.loads(printed)
    except ValueError as exc:
        raise ProgramError("pactl printed no JSON; it is older than 16.0") from exc


async def set_volume(sink_input: int, volumes: tuple[int, ...]) -> None:
    """Set the volume of a stream on each of its channels.

    Raises:
        ProgramError: the server does not answer, or the stream is gone.
    """
    words = ("set-sink-input-volume", str(sink_input), *map(str, volumes))
    await run("pactl", *words, timeout_s=_TIMEOUT_S)


class Changes:
    """What has changed on the server since it was last waited for."""

    def __init__(self) -> None:
        """Start without a change."""
        self._changed = asyncio.Event()
        self.over = False
        """Whether no more are reported: the server has ended."""

    async def wait(self, timeout_s: float | None) -> None:
        """Wait for a change, or for the end of the server, *timeout_s* at most."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._changed.wait()
        self._changed.clear()

    async def read(self, lines: AsyncIterator[str], kind: str) -> None:
        """Read what ``pactl subscribe`` prints, to its end."""
        async for line in lines:
            if f" {kind} " in line:
                self._changed.set()
        self.over = True
        self._changed.set()


@asynccontextmanager
async def changes(kind: str) -> AsyncIterator[Changes]:
    """Follow the changes to what is of a kind such as ``source-output``."""
    async with lines_of("pactl", "subscribe") as lines:
        follower = Changes()
        reading = asyncio.create_task(follower.read(lines, kind), name="pactl subscribe")
        try:
            yield follower
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)

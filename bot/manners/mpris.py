"""Players on Linux pause: those that speak MPRIS over D-Bus.

Source: freedesktop.org, MPRIS D-Bus Interface Specification 2.2.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from dbus_fast import Message, MessageType
from dbus_fast.aio import MessageBus
from dbus_fast.errors import DBusFastError

from bot.manners.music import Change, Look
from bot.manners.processes import ProgramError

_PREFIX = "org.mpris.MediaPlayer2."
_PATH, _PLAYER = "/org/mpris/MediaPlayer2", "org.mpris.MediaPlayer2.Player"
# One stands for whichever other player is active, the other for those on a telephone.
_NOT_OURS = ("playerctld", "kdeconnect")
_TIMEOUT_S = 2.0


class MprisPlayers:
    """Pauses what is playing."""

    async def look(self) -> Look:
        """Return the players that are playing.

        Raises:
            ProgramError: there is no session bus.
        """
        async with _session() as session:
            names = [
                name
                for name in await session.names()
                if name.startswith(_PREFIX) and not name.removeprefix(_PREFIX).startswith(_NOT_OURS)
            ]
            states = await asyncio.gather(*map(session.status, names))
        playing = zip(names, states, strict=True)
        return Look(tuple(Change(name) for name, state in playing if state == "Playing"))

    async def lower(self, changes: Sequence[Change]) -> None:
        """Pause them."""
        async with _session() as session:
            await asyncio.gather(*(session.order(change.player, "Pause") for change in changes))

    async def restore(self, changes: Sequence[Change]) -> tuple[Change, ...]:
        """Start again those that are still paused; none has to be started later.

        Raises:
            ProgramError: there is no session bus.
        """
        async with _session() as session:
            for change in changes:  # in turn, since two of them may be one player
                if await session.status(change.player) == "Paused":
                    await session.order(change.player, "Play")
        return ()


class _Session:
    """Calls over the session bus; a player that does not answer in time is left alone."""

    def __init__(self, bus: MessageBus) -> None:
        self._bus = bus

    async def names(self) -> list[str]:
        """Return the names on the bus."""
        answer = await self._call("org.freedesktop.DBus", "org.freedesktop.DBus", "ListNames")
        return answer[0] if answer else []

    async def status(self, player: str) -> str:
        """Return ``Playing``, ``Paused`` or ``Stopped``; empty if it does not say."""
        properties = "org.freedesktop.DBus.Properties"
        answer = await self._call(player, properties, "Get", _PLAYER, "PlaybackStatus")
        return str(answer[0].value) if answer else ""

    async def order(self, player: str, member: str) -> None:
        """Call a method of a player that has no arguments."""
        await self._call(player, _PLAYER, member)

    async def _call(self, destination: str, interface: str, member: str, *texts: str) -> list[Any]:
        path = _PATH if destination.startswith(_PREFIX) else "/org/freedesktop/DBus"
        message = Message(
            destination=destination,
            path=path,
            interface=interface,
            member=member,
            signature="s" * len(texts),
            body=list(texts),
        )
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                reply = await self._bus.call(message)
        except TimeoutError:
            return []
        if reply.message_type is not MessageType.METHOD_RETURN:
            return []  # for example a player that has just ended
        return list(reply.body)


def _address() -> str:
    """Return the address of the session bus; a service may have to go by its usual place."""
    usual = f"unix:path={os.environ.get('XDG_RUNTIME_DIR', '/nowhere')}/bus"
    return os.environ.get("DBUS_SESSION_BUS_ADDRESS") or usual


@asynccontextmanager
async def _session() -> AsyncIterator[_Session]:
    """Connect to the session bus while the context is open.

    Raises:
        ProgramError: there is none.
    """
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            bus = await MessageBus(bus_address=_address()).connect()
    except (OSError, TimeoutError, DBusFastError) as exc:
        raise ProgramError(f"the D-Bus session can't be reached ({exc})") from exc
    try:
        yield _Session(bus)
    finally:
        bus.disconnect()

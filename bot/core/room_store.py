"""The rooms that are known, and the part that each has in a message (SQLite).

Runs on the event loop; aiosqlite runs SQLite on its own thread.
"""

import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from bot.core.database import Database
from bot.core.message import ENDED


class PartState(StrEnum):
    """Where a part is, as the disk knows it; an `audio.types.Outcome` is its end."""

    NEW = "new"
    """The room has not said that it has it."""
    AWAY = "away"
    """The same, and its sender knows that the room is away."""
    STORED = "stored"
    """The room has it on its disk."""
    LATE = "late"
    """It became too old in the room; its sender is asked."""
    STOPPING = "stopping"
    """For its sender it has ended, and the room has not said yet that it knows."""


@dataclass(frozen=True, slots=True)
class StoredPart:
    """What one room has to say of a message."""

    ref: str
    """What bot and room call it."""
    message_id: int
    room: str
    """The room's slug."""
    state: str
    """A `PartState` or an outcome."""
    reason: str = ""
    """Why it ended like that."""

    @property
    def has_ended(self) -> bool:
        """Whether the room has said how it ended."""
        return self.state in ENDED


class RoomStore:
    """Known rooms and parts, which outlive restarts."""

    def __init__(self, database: Database) -> None:
        """Read from and write to *database*."""
        self._database = database.connection

    async def names(self) -> dict[str, str]:
        """Return the names of the known rooms by slug."""
        rows = await self._database.execute_fetchall(
            "SELECT slug, name FROM known_room ORDER BY slug"
        )
        return {row[0]: row[1] for row in rows}

    async def add_room(self, slug: str, name: str) -> None:
        """Store a room, or its new name."""
        await self._database.execute(
            "INSERT OR REPLACE INTO known_room VALUES (?, ?)", (slug, name)
        )

    async def remove_room(self, slug: str) -> None:
        """Forget a room."""
        await self._database.execute("DELETE FROM known_room WHERE slug = ?", (slug,))

    async def add_parts(self, message_id: int, rooms: Iterable[str]) -> list[StoredPart]:
        """Give a message a part for each room, unless it has parts; return those that it has."""
        if parts := await self._parts("message_id = ?", message_id):
            return parts
        new = [StoredPart(secrets.token_hex(8), message_id, room, PartState.NEW) for room in rooms]
        marks = ", ".join(["(?, ?, ?, ?)"] * len(new))
        # One statement, so that a crash leaves all of them or none.
        await self._database.execute(
            f"INSERT INTO room_part (ref, message_id, room, state) VALUES {marks}",  # noqa: S608
            [value for part in new for value in (part.ref, message_id, part.room, part.state)],
        )
        return new

    async def parts(self) -> list[StoredPart]:
        """Return all parts."""
        return await self._parts("1")

    async def set_part(self, part: StoredPart) -> None:
        """Store the state of a part, and the reason."""
        await self._database.execute(
            "UPDATE room_part SET state = ?, reason = ? WHERE ref = ?",
            (part.state, part.reason, part.ref),
        )

    async def remove_part(self, ref: str) -> None:
        """Remove a part that neither its sender nor its room needs any more."""
        await self._database.execute("DELETE FROM room_part WHERE ref = ?", (ref,))

    async def _parts(self, where: str, *values: int) -> list[StoredPart]:
        rows = await self._database.execute_fetchall(
            "SELECT ref, message_id, room, state, reason FROM room_part"  # noqa: S608  # constants
            f" WHERE {where} ORDER BY message_id, room",
            values,
        )
        return [StoredPart(*row) for row in rows]

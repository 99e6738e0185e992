"""Other rooms: what front ends and the delivery know of them. `bot.home.rooms` has them.

A message whose `room` is not empty is delivered by them, and not by the queue; its end comes from
them. Runs on the event loop.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from bot.core.message import QueuedMessage

NO_ROOMS = "Only a bot whose MQTT_URL is set has other rooms (docs/rooms.md)."


class UnknownRoomError(Exception):
    """There is no such room; the message names those that there are."""


@dataclass(frozen=True, slots=True)
class RoomView:
    """A room, as people see it."""

    slug: str
    name: str
    is_here: bool
    """Whether it is the bot's own computer."""
    is_present: bool
    doing: str
    """What it is doing, in a word or two; empty if it is away."""
    waiting: int
    """How many messages wait in it or, if it is away, for it."""
    saying: QueuedMessage | None
    """The message of this bot that it is saying."""


class Rooms(Protocol):
    """The other rooms, and the messages for them."""

    async def submit(self, message: QueuedMessage) -> None:
        """Deliver a stored message to its room, which says it in its turn, and report its end.

        Raises:
            sqlite3.Error: it can't be stored; it is said after the next start.
        """
        ...

    async def withdraw(self, id_: int, reason: str = "", *, also_said: bool = False) -> bool:
        """End a message as skipped; return whether it did.

        Args:
            id_: the message.
            reason: what its sender is told.
            also_said: also if a room is saying it.

        Raises:
            sqlite3.Error: its end can't be stored.
        """
        ...

    async def revise(self, chat_id: int, message_id: int, text: str, skipped: str) -> None:
        """Replace the text of a chat's message that no room has yet; without one, end it anywhere.

        Raises:
            sqlite3.Error: it can't be stored.
        """
        ...

    def waiting_count(self) -> int:
        """Return how many messages of this bot are for other rooms, and have not ended."""
        ...

    async def stop(self, slug: str) -> int:
        """Silence one room, and end what waits for it; return how many messages that concerns."""
        ...

    async def forget(self, slug: str) -> None:
        """Forget a room that is away, and end what waits for it."""
        ...

    def views(self) -> Sequence[RoomView]:
        """Return the rooms, this computer first."""
        ...

    def find(self, name: str) -> str:
        """Return the slug of a room, or `EVERYWHERE`; empty if it is this computer.

        Raises:
            UnknownRoomError: there is no such room.
        """
        ...

    def split(self, words: str) -> tuple[str, int]:
        """Return the room that *words* begin with, as `find` does, and the length of its name.

        Raises:
            UnknownRoomError: they begin with none.
        """
        ...

"""The table of commands and buttons."""

from typing import Any

from bot.chat.commands import Rooms
from bot.chat.menu import COMMANDS


class AnyRoom:
    """Has every attribute; the value is its name."""

    def __getattr__(self, name: str) -> Any:
        return name


def test_commands_are_those_of_the_menu() -> None:
    """Every command of the menu has a handler, and no other except those for pairing."""
    room: Any = AnyRoom()
    rooms = Rooms(
        guard=room,
        handlers=room,
        playback=room,
        devices=room,
        voices=room,
        people=room,
        notes=room,
        status_message=room,
        outbox=room,
    )

    assert set(rooms.commands()) == {command.command for command in COMMANDS} | {"start", "pair"}

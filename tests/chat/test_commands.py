"""The table of commands and buttons."""

import re
from typing import Any

from bot.chat.commands import UpdateRouter
from bot.chat.handlers import HELP, MORE_HELP, ROOMS_HELP
from bot.chat.menu import COMMANDS, ROOM_COMMANDS


class AnyHandlers:
    """Has every handler, as its name."""

    def __getattr__(self, name: str) -> Any:
        return name


def test_commands_are_those_of_the_menu() -> None:
    """Every command of the menu has a handler, and no other except those for pairing."""
    assert set(router_with().commands()) == {k.command for k in COMMANDS} | {"start", "pair"}


def test_commands_of_rooms_are_those_of_their_menu() -> None:
    """They are there only if there are rooms."""
    with_rooms = router_with(rooms=AnyHandlers()).commands()

    assert set(with_rooms) - set(router_with().commands()) == {k.command for k in ROOM_COMMANDS}


def test_help_names_every_command_and_fits_a_phone() -> None:
    """The help and the rest of it name all; a line of commands is a line on a phone."""
    named = set(re.findall(r"/([a-z]+)", HELP + MORE_HELP + ROOMS_HELP))
    lines = [line for line in (HELP + MORE_HELP).splitlines() if line.startswith("/")]

    assert {k.command for k in COMMANDS + ROOM_COMMANDS} - named == set()
    assert max(map(len, lines)) <= 44
    assert len(HELP) + len(ROOMS_HELP) < 800


def router_with(**handlers: Any) -> UpdateRouter:
    """Return a router whose handlers are names."""
    any_handler: Any = AnyHandlers()
    return UpdateRouter(
        guard=any_handler,
        handlers=any_handler,
        playback=any_handler,
        devices=any_handler,
        voices=any_handler,
        people=any_handler,
        notes=any_handler,
        questions=any_handler,
        reminders=any_handler,
        status_message=any_handler,
        outbox=any_handler,
        **handlers,
    )

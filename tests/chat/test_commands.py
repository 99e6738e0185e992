"""The table of commands and buttons."""

from typing import Any

from bot.chat.commands import UpdateRouter
from bot.chat.menu import COMMANDS


class AnyHandlers:
    """Has every handler, as its name."""

    def __getattr__(self, name: str) -> Any:
        return name


def test_commands_are_those_of_the_menu() -> None:
    """Every command of the menu has a handler, and no other except those for pairing."""
    any_handler: Any = AnyHandlers()
    router = UpdateRouter(
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
    )

    assert set(router.commands()) == {known.command for known in COMMANDS} | {"start", "pair"}

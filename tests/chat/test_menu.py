"""The menu of commands."""

from telegram import Bot

from bot.chat.menu import COMMANDS, register
from bot.chat.sandbox import Fault, Sandbox
from tests.conftest import ALICE, TOKEN, StartBot, reaction_to


async def test_menu_is_registered(sandbox: Sandbox, start_toned: StartBot) -> None:
    """Telegram receives the list of commands."""
    async with start_toned():
        menu = await sandbox.wait_for(lambda e: e.kind == "menu")

    assert menu.text == ", ".join(command.command for command in COMMANDS)


async def test_menu_that_is_refused_does_not_stop_the_bot(
    sandbox: Sandbox, start_toned: StartBot
) -> None:
    """The menu is optional: messages are spoken without it."""
    sandbox.faults["setmycommands"] = Fault(status=404, description="Not Found: method not found")
    async with start_toned():
        message = sandbox.send(ALICE, "Hello.")
        await sandbox.wait_for(reaction_to(message, "👍"))


async def test_menu_is_registered_in_each_translation(sandbox: Sandbox) -> None:
    """English is the default; a translation falls back to English if a command has none."""
    async with Bot(TOKEN, f"{sandbox.url}/bot") as bot:
        await register(bot, {"de": {"stop": "sofort still"}})
    (_, _, english), (_, _, german) = [c for c in sandbox.calls if c[1] == "setmycommands"]

    assert "language_code" not in english
    assert german["language_code"] == "de"
    assert german["commands"][0] == {"command": "stop", "description": "sofort still"}
    assert german["commands"][1:] == english["commands"][1:]

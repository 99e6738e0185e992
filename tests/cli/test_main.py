"""The table of commands and their options."""

import importlib

import pytest

from bot.cli.main import COMMANDS, parser_for


@pytest.mark.parametrize("name", COMMANDS)
def test_command_has_the_options_that_its_module_declares(name: str) -> None:
    """A command whose module has a function for its options is marked, and no other is."""
    command = COMMANDS[name]
    module = importlib.import_module(command.module)

    assert command.has_options == hasattr(module, f"{command.name}_arguments")


def test_parser_of_all_commands_does_not_import_those_without_options(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A shell that completes commands at its start does not wait for Telegram's or MCP's packages.

    `crier completion` is often part of a shell's start.
    """
    imported = []

    def import_module(name: str) -> object:
        imported.append(name)
        return modules[name]

    modules = {
        c.module: importlib.import_module(c.module) for c in COMMANDS.values() if c.has_options
    }
    monkeypatch.setattr(importlib, "import_module", import_module)
    parser_for(None)

    assert "bot.cli.say" in imported
    assert not {"bot.setup.wizard", "bot.cli.mcp"} & set(imported)

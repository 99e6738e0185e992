"""The table of commands and their options."""

import importlib

import pytest

from bot.cli.main import COMMANDS, main, parser_for


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


@pytest.mark.parametrize(
    ("given", "code", "says"),
    [
        (
            "say --volume loud x",
            2,
            "crier say: argument --volume: 'loud' is not between 0 and 150.",
        ),
        ("say --bogus x", 2, "crier say: unknown: --bogus."),
        ("reminders delete 99", 2, "crier reminders: unknown: delete 99."),
        ("reminder", 2, "crier: there is no command 'reminder'; did you mean reminders?"),
        ("--bogus", 2, "crier: unknown: --bogus."),
        ("hook --max-seconds nan", 1, "crier hook: argument --max-seconds: 'nan' is no number"),
        ("hook --bogus", 1, "crier hook: unknown: --bogus."),
    ],
)
def test_main_reports_wrong_usage_in_one_line(
    given: str, code: int, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """It names the command's help; a hook never exits with 2, by which it would stop an agent."""
    with pytest.raises(SystemExit) as exited:
        main(given.split())

    line = capsys.readouterr().err
    assert exited.value.code == code
    assert line.startswith(says)
    assert "--help` says more." in line
    assert line.count("\n") == 1

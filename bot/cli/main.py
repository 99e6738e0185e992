"""The command line `crier`: which commands there are, and where each of them is.

Imports nothing but the standard library, and of the project only the module of the command that
was given, so that a thin one starts at once.

Exit codes: 0 done; 1 failed; 2 wrong usage or configuration; 70 what only a new process can mend.
"""

import argparse
import importlib
import os
import sys
from collections.abc import Callable
from typing import NamedTuple

from bot.errors import OK, CommandError


class Command(NamedTuple):
    """Where a command is: ``module.name(options)`` runs it and returns the exit code.

    What it takes is declared by ``module.name_arguments(parser)``, where there is one.
    """

    module: str
    name: str
    help: str

    def run(self, options: argparse.Namespace) -> int:
        """Run it."""
        work: Callable[[argparse.Namespace], int] = getattr(self._module(), self.name)
        return work(options)

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare what it takes."""
        declare = getattr(self._module(), f"{self.name}_arguments", None)
        if declare is not None:
            declare(parser)

    def _module(self) -> object:
        return importlib.import_module(self.module)


COMMANDS = {
    "setup": Command("bot.setup.wizard", "setup", "ask for what Crier needs, try it and store it"),
    "run": Command("bot.cli.run", "run", "start the bot"),
    "demo": Command("bot.cli.run", "demo", "chat with the same bot here, without Telegram"),
    "say": Command("bot.cli.say", "say", "say a text, a file or what is piped in"),
    "stop": Command("bot.cli.remote", "stop", "be silent now, and forget what waits"),
    "skip": Command("bot.cli.remote", "skip", "go on with the next message"),
    "pause": Command("bot.cli.remote", "pause", "be silent now, and keep everything"),
    "resume": Command("bot.cli.remote", "resume", "go on where it was paused"),
    "status": Command("bot.cli.remote", "status", "what is said, what waits, and how all is"),
    "devices": Command("bot.cli.remote", "devices", "list where sound can go, or choose"),
    "voices": Command("bot.cli.remote", "voices", "list the voices, or hear one"),
    "page": Command("bot.cli.remote", "page", "open Crier's page in the browser"),
    "doctor": Command("bot.doctor.command", "doctor", "look at everything, say what is wrong"),
    "models": Command(
        "bot.cli.run", "models", "fetch what is missing or damaged of the model files"
    ),
    "mcp": Command("bot.cli.mcp", "mcp", "serve speech to agents (MCP, on stdio)"),
    "completion": Command("bot.cli.remote", "completion", "print what completes words in a shell"),
    "pair": Command("bot.cli.pair", "pair", "show the code that lets the first phone in"),
    "install": Command("bot.service.manage", "install", "start at login and after a failure"),
    "uninstall": Command("bot.service.manage", "uninstall", "end it and start at login no more"),
    "restart": Command("bot.service.manage", "restart", "start the installed one anew"),
    "logs": Command("bot.service.log_tail", "logs", "show the end of the log"),
}
DEFAULT = Command("bot.cli.run", "start", "")
"""Without a command: the bot, or the demo where there is no token."""


class _Version(argparse.Action):
    """Looks at the checkout and the settings only when asked."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        print(importlib.import_module("bot.version").describe())
        parser.exit(OK)


def parser_for(given: str | None) -> argparse.ArgumentParser:
    """Return the parser; only the command *given* gets its arguments, or all where it is None."""
    parser = argparse.ArgumentParser(
        prog="crier",
        description="A Telegram bot that says your messages aloud. Without a command: the bot, "
        "or the demo where there is no token.",
    )
    parser.add_argument(
        "--version", action=_Version, nargs=0, help="version, commit and model, and exit"
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    for name, command in COMMANDS.items():
        its_parser = commands.add_parser(name, help=command.help, description=command.help)
        if given in (None, name):
            command.add_arguments(its_parser)
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    given = next((argument for argument in arguments if not argument.startswith("-")), "")
    options = parser_for(given).parse_args(arguments)
    try:
        return COMMANDS.get(options.command, DEFAULT).run(options)
    except CommandError as exc:
        print(exc, file=sys.stderr)
        return exc.exit_code
    except KeyboardInterrupt:
        return OK
    except BrokenPipeError:  # `crier voices | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK

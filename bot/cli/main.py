"""The command line `crier`: all commands, and the module of each.

Imports only the standard library and the module of the given command, so that commands that only
talk to the running bot start at once.

Exit codes: 0 success; 1 failure; 2 wrong usage or configuration; 70 only a restart helps.
"""

import argparse
import importlib
import os
import sys
from collections.abc import Callable
from typing import NamedTuple, NoReturn

from bot.errors import FAILED, OK, WRONG_USAGE, CommandError


class Command(NamedTuple):
    """A command: ``module.name(options)`` runs it and returns the exit code.

    ``module.name_arguments(parser)`` declares its options, if it has any; the module of a command
    without options is imported only to run it.
    """

    module: str
    name: str
    help: str
    has_options: bool = False

    def run(self, options: argparse.Namespace) -> int:
        """Run it, and return the exit code."""
        function: Callable[[argparse.Namespace], int] = getattr(self._module(), self.name)
        return function(options)

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare its options."""
        if self.has_options:
            getattr(self._module(), f"{self.name}_arguments")(parser)

    def _module(self) -> object:
        return importlib.import_module(self.module)


COMMANDS = {
    "setup": Command("bot.setup.wizard", "setup", "ask for the settings, try them and store them"),
    "run": Command("bot.cli.run", "run", "start the bot", has_options=True),
    "demo": Command("bot.cli.run", "demo", "chat with the same bot here, without Telegram"),
    "say": Command("bot.cli.say", "say", "say a text, a file or piped input", has_options=True),
    "ask": Command(
        "bot.cli.ask", "ask", "ask aloud and in the chat; print the answer", has_options=True
    ),
    "hook": Command(
        "bot.cli.hook", "hook", "say what a coding agent tells its hooks", has_options=True
    ),
    "stop": Command("bot.cli.remote", "stop", "stop speaking and drop all waiting messages"),
    "skip": Command("bot.cli.remote", "skip", "skip to the next message", has_options=True),
    "pause": Command("bot.cli.remote", "pause", "pause; nothing is lost"),
    "resume": Command("bot.cli.remote", "resume", "continue after a pause"),
    "mute": Command(
        "bot.cli.remote", "mute", "keep quiet for a while; nothing is lost", has_options=True
    ),
    "unmute": Command("bot.cli.remote", "unmute", "end a mute, and say what was kept"),
    "volume": Command("bot.cli.remote", "volume", "show the volume, or set it", has_options=True),
    "speed": Command(
        "bot.cli.remote", "speed", "show or set the speed of what programs send", has_options=True
    ),
    "status": Command(
        "bot.cli.remote", "status", "show what is being said and what waits", has_options=True
    ),
    "devices": Command(
        "bot.cli.remote", "devices", "list the output devices, or choose one", has_options=True
    ),
    "voices": Command("bot.cli.remote", "voices", "list the voices, or play one", has_options=True),
    "menubar": Command("bot.cli.menubar", "menubar", "print a menu for SwiftBar or xbar"),
    "reminders": Command(
        "bot.cli.remote", "reminders", "list what is said later, or delete it", has_options=True
    ),
    "page": Command("bot.cli.remote", "page", "open Crier's page in the browser"),
    "doctor": Command(
        "bot.doctor.command", "doctor", "check everything, and say how to fix it", has_options=True
    ),
    "models": Command("bot.cli.run", "models", "fetch model files that are missing or damaged"),
    "mcp": Command("bot.cli.mcp", "mcp", "serve speech to agents (MCP, on stdio)"),
    "completion": Command(
        "bot.cli.remote", "completion", "print a completion script for a shell", has_options=True
    ),
    "pair": Command("bot.cli.pair", "pair", "show the code that pairs the first phone"),
    "install": Command(
        "bot.service.manage", "install", "start at login and after a failure", has_options=True
    ),
    "uninstall": Command(
        "bot.service.manage", "uninstall", "stop it, and no longer start it at login"
    ),
    "restart": Command("bot.service.manage", "restart", "restart the installed service"),
    "logs": Command("bot.service.log_tail", "logs", "show the end of the log", has_options=True),
}
DEFAULT = Command("bot.cli.run", "start", "")
"""Without a command: the bot, or the demo if there is no token."""


class _Version(argparse.Action):
    """Prints the version, which is read only then."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        print(importlib.import_module("bot.version").describe())
        parser.exit(OK)


class _Parser(argparse.ArgumentParser):
    """Reports wrong usage in one sentence; the usage of `say` alone would be ten lines."""

    def error(self, message: str) -> NoReturn:
        """Exit with the sentence."""
        end = "" if message.endswith(("?", ".")) else "."
        # 2 would keep Claude Code at work until its hook is corrected.
        code = FAILED if self.prog == "crier hook" else WRONG_USAGE
        self.exit(code, f"{self.prog}: {message}{end} `{self.prog} --help` says more.\n")


def parser_for(given: str | None) -> argparse.ArgumentParser:
    """Return the parser, with the options of the command *given*, or of all if it is None."""
    parser = _Parser(
        prog="crier",
        description="A Telegram bot that says your messages aloud. Without a command: the bot, "
        "or the demo if there is no token.",
    )
    parser.add_argument(
        "--version", action=_Version, nargs=0, help="version, commit and model, and exit"
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    for name, command in COMMANDS.items():
        subparser = commands.add_parser(name, help=command.help, description=command.help)
        if given in (None, name):
            command.add_arguments(subparser)
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    given = next((argument for argument in arguments if not argument.startswith("-")), "")
    if given and given not in COMMANDS:
        import difflib  # noqa: PLC0415  # for a mistyped command alone

        near = difflib.get_close_matches(given, COMMANDS, 1)
        maybe = f"; did you mean {near[0]}?" if near else ""
        _Parser(prog="crier").error(f"there is no command {given!r}{maybe}")
    options, unknown = parser_for(given).parse_known_args(arguments)
    if unknown:
        _Parser(prog=f"crier {given}".rstrip()).error(f"unknown: {' '.join(unknown)}")
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

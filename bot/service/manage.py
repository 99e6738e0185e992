"""`crier install`, `uninstall`, `restart`: one door to launchd and to systemd."""

import argparse
import contextlib
import os
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from bot.errors import FAILED, OK, UsageError
from bot.paths import CHECKOUT, data_dir
from bot.service.launchd import PROCESS_TYPES, Launchd
from bot.service.systemd import Systemd
from bot.settings import Settings, SettingsError, load


class System(Protocol):
    """What starts programs at login."""

    file: Path
    """What tells it to."""

    def content(self) -> bytes: ...

    def steps(self) -> list[str]: ...

    def warnings(self) -> list[str]: ...

    def install(self) -> str: ...

    def uninstall(self) -> bool: ...

    def restart(self) -> str: ...


def install_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `crier install` takes."""
    parser.add_argument("--yes", action="store_true", help="do it without asking")
    parser.add_argument(
        "--process-type",
        choices=PROCESS_TYPES,
        help="macOS only. interactive, the default, is not throttled, as an app is not; standard "
        "is, a little; adaptive stays in the background, since Crier serves no XPC",
    )


def install(
    options: argparse.Namespace, platform: str = sys.platform, checkout: Path = CHECKOUT
) -> int:
    """Have Crier started at login; shows first what that writes and does."""
    program = checkout / ".venv" / "bin" / "crier"
    if not program.exists():
        raise UsageError(f"{program} is missing. `make setup` makes it.")
    with _as_a_service_sees_it(checkout) as (unseen, folder):
        system = _system(platform, checkout, folder, options.process_type)
        warnings = [*system.warnings(), *_unready(unseen, checkout)]
    print(f"This starts Crier at login, and again after a failure. It writes {system.file}:\n")
    print(textwrap.indent(system.content().decode(), "    "))
    print("and runs\n")
    for step in system.steps():
        print(f"    {step}")
    print()
    for warning in warnings:
        print(f"Attention: {warning}\n")
    if not options.yes and not _agreed():
        print("Nothing was changed.")
        return FAILED
    print(system.install())
    print(
        "`crier logs -f` shows what it does, `crier pair` the code that lets your phone in, and "
        "`crier uninstall` takes it away."
    )
    return OK


def uninstall(
    _: argparse.Namespace, platform: str = sys.platform, checkout: Path = CHECKOUT
) -> int:
    """End Crier and start it at login no more; messages and settings stay."""
    with _as_a_service_sees_it(checkout) as (_unseen, folder):
        system = _system(platform, checkout, folder)
    if not system.uninstall():
        print("It is not installed.")
        return OK
    print(f"Crier has ended, and {system.file} is removed.")
    print(f"Messages and choices are still in {folder}.")
    return OK


def restart(_: argparse.Namespace, platform: str = sys.platform, checkout: Path = CHECKOUT) -> int:
    """Start the installed Crier anew."""
    with _as_a_service_sees_it(checkout) as (_unseen, folder):
        system = _system(platform, checkout, folder)
    print(system.restart())
    return OK


def _system(platform: str, checkout: Path, folder: Path, process_type: str | None = None) -> System:
    if platform == "darwin":
        return Launchd(checkout, folder, process_type or PROCESS_TYPES[0])
    if process_type:
        raise UsageError("--process-type is for macOS; systemd knows no such thing.")
    if platform == "linux":
        return Systemd(checkout)
    raise UsageError(f"Crier can be installed on macOS and Linux, not on {platform}.")


@contextlib.contextmanager
def _as_a_service_sees_it(checkout: Path) -> Iterator[tuple[list[str], Path]]:
    """Hide what only this shell has set: launchd and systemd start programs without it.

    Yields:
        The names of the settings that are hidden, and the data folder that is used without them.
    """
    names = [name for name in os.environ if name.lower() in Settings.model_fields]
    hidden = {name: os.environ.pop(name) for name in names}
    try:
        yield [name for name in names if hidden[name]], data_dir(checkout)
    finally:
        os.environ.update(hidden)


def _unready(unseen: list[str], checkout: Path) -> list[str]:
    """Return what the bot would wait for."""
    found = [
        f"{name} is set in this shell, where the service does not see it. Write it into "
        f"{checkout / '.env'}."
        for name in unseen
    ]
    try:
        settings, unknown = load(checkout)
    except SettingsError as exc:
        return [*found, f"{exc}\nUntil that is mended it waits, and tries again."]
    if settings.telegram_bot_token is None:
        found.append(
            "There is no TELEGRAM_BOT_TOKEN yet. It waits until there is one in "
            f"{checkout / '.env'}."
        )
    return found + unknown


def _agreed() -> bool:
    if not sys.stdin.isatty():
        raise UsageError("There is no terminal to ask at. `crier install --yes` does not ask.")
    try:
        return input("Go on? [Y/n] ").strip().lower() in {"", "y", "yes"}
    except EOFError:
        return False

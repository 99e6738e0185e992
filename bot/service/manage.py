"""`crier install`, `uninstall`, `restart`, with launchd or with systemd."""

import argparse
import contextlib
import os
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from bot.console import confirm
from bot.errors import FAILED, OK, UsageError
from bot.paths import CHECKOUT, data_dir
from bot.service.launchd import PROCESS_TYPES, Launchd, is_guarded
from bot.service.notify import notify
from bot.service.systemd import Systemd
from bot.settings import Settings, SettingsError, load

NO_NOTIFICATIONS = (
    "macOS hides it: notifications of a script belong to Script Editor. Open Script Editor "
    "(`open -a 'Script Editor'`), run this in it, and allow what macOS asks:\n\n"
    '    display notification "Hello"\n\n'
    "Or allow it in System Settings, Notifications, Script Editor; and see that no Focus is on. "
    "Until then `crier pair` shows the code, and what stops Crier is shown in a window."
)


class ServiceManager(Protocol):
    """Starts Crier at login: launchd or systemd."""

    file: Path
    """The agent or the unit."""

    def content(self) -> bytes: ...

    def steps(self) -> list[str]: ...

    def warnings(self) -> list[str]: ...

    def install(self) -> str: ...

    def uninstall(self) -> bool: ...

    def restart(self) -> str: ...


def install_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `crier install`."""
    parser.add_argument("--yes", action="store_true", help="don't ask")
    parser.add_argument(
        "--process-type",
        choices=PROCESS_TYPES,
        help="macOS only. interactive, the default, is not throttled, like an app; standard is, a "
        "little; adaptive stays in the background, since Crier serves no XPC",
    )


def install(options: argparse.Namespace) -> int:
    """Start Crier at login, after showing what that writes and runs."""
    return install_service(
        ask=not options.yes,
        process_type=options.process_type,
        try_notification=not options.yes,
    )


def install_service(
    *,
    ask: bool,
    process_type: str | None = None,
    try_notification: bool = False,
    platform: str = sys.platform,
    checkout: Path = CHECKOUT,
) -> int:
    """Start Crier at login, after showing what that writes and runs. Blocks.

    Args:
        ask: whether the person has to confirm it.
        try_notification: whether to ask the person at a Mac if they see notifications.
        process_type: one of `PROCESS_TYPES`, for macOS only; None for the default.
        platform: as `sys.platform`.
        checkout: the folder of Crier's code.

    Returns:
        The exit code.

    Raises:
        CommandError: it can't be installed, or does not run.
    """
    program = checkout / ".venv" / "bin" / "crier"
    if not program.exists():
        raise UsageError(f"{program} is missing. `make setup` makes it.")
    with _service_environment(checkout) as (hidden, folder):
        manager = _service_manager(platform, checkout, folder, process_type)
        warnings = [*manager.warnings(), *_configuration_warnings(hidden, checkout, platform)]
    _print_plan(manager, warnings)
    if ask and not _confirmed():
        print("Nothing was changed.")
        return FAILED
    print(manager.install())
    if try_notification and platform == "darwin":
        _try_notification()
    print(
        "`crier logs -f` shows what it does, `crier pair` the code that lets your phone in, and "
        "`crier uninstall` removes it."
    )
    return OK


def uninstall(
    _: argparse.Namespace, *, platform: str = sys.platform, checkout: Path = CHECKOUT
) -> int:
    """Stop Crier, and no longer start it at login; messages and settings stay."""
    with _service_environment(checkout) as (_hidden, folder):
        manager = _service_manager(platform, checkout, folder)
    if not manager.uninstall():
        print("It is not installed.")
        return OK
    print(f"Crier was stopped, and {manager.file} is removed.")
    print(f"Messages and choices are still in {folder}.")
    return OK


def restart(
    _: argparse.Namespace, *, platform: str = sys.platform, checkout: Path = CHECKOUT
) -> int:
    """Restart the installed Crier."""
    with _service_environment(checkout) as (_hidden, folder):
        manager = _service_manager(platform, checkout, folder)
    print(manager.restart())
    return OK


def _service_manager(
    platform: str, checkout: Path, folder: Path, process_type: str | None = None
) -> ServiceManager:
    if platform == "darwin":
        return Launchd(checkout, folder, process_type or PROCESS_TYPES[0])
    if process_type:
        raise UsageError("--process-type is for macOS; systemd has no such option.")
    if platform == "linux":
        return Systemd(checkout)
    raise UsageError(f"Crier can be installed on macOS and Linux, not on {platform}.")


@contextlib.contextmanager
def _service_environment(checkout: Path) -> Iterator[tuple[list[str], Path]]:
    """Hide the settings of this shell: launchd and systemd start programs without them.

    Yields:
        The names of the hidden settings, and the data folder that the service uses.
    """
    names = [name for name in os.environ if name.lower() in Settings.model_fields]
    hidden = {name: os.environ.pop(name) for name in names}
    try:
        yield [name for name in names if hidden[name]], data_dir(checkout)
    finally:
        os.environ.update(hidden)


def _configuration_warnings(hidden: list[str], checkout: Path, platform: str) -> list[str]:
    """Return why the service would wait instead of speaking."""
    warnings = [
        f"{name} is set in this shell, where the service does not see it. Write it into "
        f"{checkout / '.env'}."
        for name in hidden
    ]
    try:
        settings, unknown = load(checkout)
    except SettingsError as exc:
        return [*warnings, f"{exc}\nUntil that is fixed it waits, and tries again."]
    if settings.telegram_bot_token is None and not settings.is_room:
        warnings.append(
            "There is no TELEGRAM_BOT_TOKEN yet. It waits until there is one in "
            f"{checkout / '.env'}."
        )
    if platform == "darwin" and is_guarded(settings.model_dir):
        warnings.append(
            f"MODEL_DIR: {settings.model_dir} is in a folder that macOS guards, which an agent may "
            "not read. Set it to another one."
        )
    return warnings + unknown


def _print_plan(manager: ServiceManager, warnings: list[str]) -> None:
    print(f"This starts Crier at login, and again after a failure. It writes {manager.file}:\n")
    print(textwrap.indent(manager.content().decode(), "    "))
    print("and runs\n")
    for step in manager.steps():
        print(f"    {step}")
    print()
    for warning in warnings:
        print(f"Attention: {warning}\n")


def _try_notification() -> None:
    """Show a notification, ask whether it was seen, and say what to do if not."""
    notify("Crier shows its pairing code like this.")
    try:
        seen = confirm("A notification was shown. Did you see it?", default=False)
    except (EOFError, KeyboardInterrupt):
        print()
        return
    if not seen:
        print(NO_NOTIFICATIONS)


def _confirmed() -> bool:
    """Ask whether to go ahead; Ctrl-C and Ctrl-D mean no."""
    if not sys.stdin.isatty():
        raise UsageError("There is no terminal to ask at. `crier install --yes` does not ask.")
    try:
        return confirm("Go on?", default=True)
    except (EOFError, KeyboardInterrupt):
        print()
        return False

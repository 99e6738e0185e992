"""The commands that run the bot in this process, or that need no bot."""

import argparse
import asyncio
import contextlib
import sqlite3
import sys
from collections.abc import Callable, Coroutine
from typing import Any

from bot.core import pairing_file
from bot.errors import FAILED, OK, CommandError
from bot.paths import data_dir, make_private
from bot.service.process import restart_process
from bot.service.supervise import ServiceRunner
from bot.settings import Settings, SettingsError, configured


def start(options: argparse.Namespace) -> int:
    """Start the bot; without a token, offer to set it up, or start the demo."""
    settings = configured()
    if settings.telegram_bot_token is not None or settings.is_room:
        return _run(None)
    try:
        if not _wants_setup():
            return demo(options)
    except (EOFError, KeyboardInterrupt):
        print()
        return FAILED
    from bot.setup.wizard import set_up  # noqa: PLC0415  # slow to import

    code, wizard = set_up()
    if code != OK:
        return code
    wizard.print_summary("it starts now; send your bot a message")
    if wizard.settings.telegram_bot_token is None:
        return demo(options)
    if wizard.install:
        return OK
    # A new process has neither the wizard's model nor its threads.
    return restart_process()


def _wants_setup() -> bool:
    """Ask whether to set up Telegram; False without a terminal."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return False
    from bot.console import confirm  # noqa: PLC0415  # slow to import

    return confirm("Set up Telegram now? (n starts the demo in this terminal)", default=True)


def run_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `crier run`."""
    # An option, since the variables that launchd and systemd set (XPC_SERVICE_NAME, INVOCATION_ID)
    # are inherited by the terminals that they start.
    parser.add_argument(
        "--service",
        action="store_true",
        help="as launchd or systemd start it: notify about errors, and wait until they are fixed",
    )


def run(options: argparse.Namespace) -> int:
    """Start the bot."""
    if not options.service:
        return _run(None)
    service = ServiceRunner(data_dir())
    return service.run(lambda: _run(service))


def _run(service: ServiceRunner | None) -> int:
    settings = configured(with_token=True)
    from bot import app  # noqa: PLC0415  # slow to import

    _prepare(settings, terminal=service is None)
    if service is not None:
        service.listen()

    def show_code(code: str) -> None:
        with contextlib.suppress(OSError):  # a full disk; the code is shown all the same
            if code:
                pairing_file.write(settings.data_dir, code)
            else:
                pairing_file.remove(settings.data_dir)
        if not code:
            return
        message = f"Nobody may speak yet. Send this to your bot:  /pair {code}"
        if service is None:
            print(f"\n  {message}\n", file=sys.stderr, flush=True)
        else:
            service.show(message)

    def show_link(link: str) -> None:
        with contextlib.suppress(OSError):
            pairing_file.add_link(settings.data_dir, link)
        if service is None:
            from bot.console import invitation  # noqa: PLC0415  # slow to import

            text = invitation(link) if sys.stderr.isatty() else f"Or open {link}"
            print(f"{text}\n", file=sys.stderr, flush=True)

    # launchd and systemd restart a bot that exits with 70; nobody does so for a terminal.
    restart = restart_process if service is None and sys.stderr.isatty() else None
    if settings.is_room:
        work = app.run_room(settings, restart=restart)
        return _finish(work, service.on_exit if service else None)
    work = app.run(settings, show_code, show_link=show_link, restart=restart)
    return _finish(work, service.on_exit if service else None)


def demo(_: argparse.Namespace) -> int:
    """Chat with the same bot in this terminal."""
    from bot.cli import demo  # noqa: PLC0415  # slow to import

    settings = demo.demo_settings(configured())
    _prepare(settings, terminal=False)
    return _finish(demo.demo(settings))


def _finish(work: Coroutine[Any, Any, int], on_exit: Callable[[int], int] | None = None) -> int:
    """Run *work*, then exit.

    Args:
        work: returns the exit code.
        on_exit: called with that code; returns the one to exit with.

    Raises:
        CommandError: the database can't be used.
    """
    from bot.app import exit_process  # noqa: PLC0415  # slow to import
    from bot.core.inbox import InboxError  # noqa: PLC0415  # slow to import

    async def main() -> None:
        code = await work
        exit_process(on_exit(code) if on_exit else code)

    try:
        asyncio.run(main())
    except InboxError as exc:
        raise CommandError(str(exc)) from exc
    except sqlite3.Error as exc:
        raise CommandError(f"The database can't be used ({exc}). Make room on its disk.") from exc
    return OK


def _prepare(settings: Settings, *, terminal: bool) -> None:
    """Fetch the model files if necessary, and start the log."""
    from bot import logs  # noqa: PLC0415  # slow to import
    from bot.console import fetch_models  # noqa: PLC0415  # slow to import

    fetch_models(settings)
    token = settings.telegram_bot_token.get_secret_value() if settings.telegram_bot_token else ""
    try:
        make_private(settings.data_dir)
        logs.keep_terminal_clean(settings.data_dir)
        level, form = settings.log_level, settings.log_format
        logs.start(level, settings.data_dir, token, terminal=terminal, form=form)
    except OSError as exc:
        raise SettingsError(
            f"DATA_DIR: {settings.data_dir} can't be written to ({exc.strerror}). "
            "Make room or set it to another folder."
        ) from exc


def models(_: argparse.Namespace) -> int:
    """Fetch the model files that are missing or damaged, and find how they are fastest."""
    from bot.console import fetch_models  # noqa: PLC0415  # slow to import

    fetch_models(configured(), measure=True)
    return OK


def devices(_: argparse.Namespace) -> int:
    """List the output devices."""
    from audio.types import AudioError  # noqa: PLC0415  # slow to import
    from bot.console import print_table  # noqa: PLC0415  # slow to import
    from bot.start.phases import list_devices  # noqa: PLC0415  # slow to import

    try:
        available = list_devices(configured())
    except AudioError as exc:
        raise CommandError(str(exc)) from exc
    if not available.outputs:
        print("There is no output device.", file=sys.stderr)
        return FAILED
    rows = [(device.name, "default" if device.is_default else "") for device in available.outputs]
    print_table(("device", ""), rows)
    if available.warning:
        print(f"AUDIO_DEVICE: {available.warning}", file=sys.stderr)
    return OK

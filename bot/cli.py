"""The command line `crier`.

Exit codes: 0 done; 1 failed; 2 wrong usage or configuration.
"""

import argparse
import asyncio
import os
import sqlite3
import sys
from collections.abc import Callable, Coroutine
from typing import Any

from bot import __version__
from bot.settings import Settings, SettingsError, load

OK, FAILED, WRONG_USAGE = 0, 1, 2


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code."""
    parser = argparse.ArgumentParser(
        prog="crier",
        description="A Telegram bot that says your messages aloud. Without a command: the bot, "
        "or the demo where there is no token.",
    )
    parser.add_argument("--version", action="version", version=f"crier {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    for name, (_, help_) in _COMMANDS.items():
        commands.add_parser(name, help=help_, description=help_)
    command = parser.parse_args(arguments).command
    try:
        settings, warnings = load()
        for warning in warnings:
            print(f"Warning: {warning}", file=sys.stderr)
        if command is None:
            command = "demo" if settings.telegram_bot_token is None else "run"
        return _COMMANDS[command][0](settings)
    except SettingsError as exc:
        print(exc, file=sys.stderr)
        return WRONG_USAGE
    except KeyboardInterrupt:
        return OK
    except BrokenPipeError:  # `crier voices | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK


def _run(settings: Settings) -> int:
    """Start the bot."""
    if settings.telegram_bot_token is None:
        raise SettingsError(
            "TELEGRAM_BOT_TOKEN is not set. Ask @BotFather for a token and write it into .env "
            "(.env.example shows how), or try `crier demo`, which needs none."
        )
    from bot.app import run  # noqa: PLC0415  # slow to import

    if code := _prepare(settings, terminal=True):
        return code

    def show_code(code: str) -> None:
        print(
            f"\n  Nobody may speak yet. Send this to your bot:  /pair {code}\n",
            file=sys.stderr,
            flush=True,
        )

    return _finish(run(settings, show_code))


def _demo(settings: Settings) -> int:
    """Chat with the same bot in this terminal."""
    from bot.demo import demo, demo_settings  # noqa: PLC0415  # slow to import

    settings = demo_settings(settings)
    if code := _prepare(settings, terminal=False):
        return code
    return _finish(demo(settings))


def _finish(work: Coroutine[Any, Any, int]) -> int:
    """Run *work* to its end and the process with it; returns only where it could not begin."""
    from bot.app import exit_process  # noqa: PLC0415  # slow to import
    from bot.inbox import InboxError  # noqa: PLC0415  # slow to import

    async def main() -> None:
        exit_process(await work)

    try:
        asyncio.run(main())
    except InboxError as exc:
        print(exc, file=sys.stderr)
        return FAILED
    except sqlite3.Error as exc:
        print(f"The database can't be used ({exc}). Make room on its disk.", file=sys.stderr)
        return FAILED
    return OK


def _prepare(settings: Settings, *, terminal: bool) -> int:
    """Start the log and have the model files in place."""
    from bot import logs  # noqa: PLC0415  # slow to import

    if code := _models(settings):
        return code
    token = settings.telegram_bot_token.get_secret_value() if settings.telegram_bot_token else ""
    try:
        logs.keep_terminal_clean(settings.data_dir)
        logs.start(settings.log_level, settings.data_dir, token, terminal=terminal)
    except OSError as exc:
        raise SettingsError(
            f"DATA_DIR: {settings.data_dir} can't be written to ({exc.strerror}). "
            "Make room or set it to another folder."
        ) from exc
    return OK


def _models(settings: Settings) -> int:
    """Fetch what is missing or damaged of the model files."""
    from audio.models import ensure, resolve_kind  # noqa: PLC0415  # slow to import
    from audio.types import ModelFileError  # noqa: PLC0415  # slow to import
    from bot.progress import file_progress  # noqa: PLC0415  # slow to import

    try:
        with file_progress() as progress:
            fetched = ensure(resolve_kind(settings.kokoro_model), settings.model_dir, progress)
    except ModelFileError as exc:
        print(exc, file=sys.stderr)
        return FAILED
    for path in fetched:
        print(f"Fetched and checked {path}", file=sys.stderr)
    return OK


def _voices(_: Settings) -> int:
    """List the voices."""
    from audio.voices import VOICES, describe  # noqa: PLC0415
    from bot.progress import print_table  # noqa: PLC0415  # slow to import

    print_table(("voice", "speaks"), [(voice, describe(voice)) for voice in VOICES])
    return OK


def _devices(settings: Settings) -> int:
    """List where sound can go."""
    from audio.types import AudioError  # noqa: PLC0415  # slow to import
    from bot.app import list_devices  # noqa: PLC0415  # slow to import
    from bot.progress import print_table  # noqa: PLC0415  # slow to import

    try:
        devices = list_devices(settings)
    except AudioError as exc:
        print(exc, file=sys.stderr)
        return FAILED
    if not devices.outputs:
        print("There is no output device.", file=sys.stderr)
        return FAILED
    rows = [(device.name, "default" if device.is_default else "") for device in devices.outputs]
    print_table(("device", ""), rows)
    if devices.warning:
        print(f"AUDIO_DEVICE: {devices.warning}", file=sys.stderr)
    return OK


_COMMANDS: dict[str, tuple[Callable[[Settings], int], str]] = {
    "run": (_run, "start the bot"),
    "demo": (_demo, "chat with the same bot here, without Telegram"),
    "devices": (_devices, "list where sound can go"),
    "voices": (_voices, "list the voices"),
    "models": (_models, "fetch what is missing or damaged of the model files"),
}

"""The commands that run the bot in this process, or work beside it without one."""

import argparse
import asyncio
import sqlite3
import sys
from collections.abc import Coroutine
from typing import Any

from bot.cli import FAILED, OK
from bot.settings import Settings, SettingsError, load


def configured() -> Settings:
    """Read the settings; say on the terminal what is odd about them.

    Raises:
        SettingsError: a value is wrong.
    """
    settings, warnings = load()
    for warning in warnings:
        print(f"Warning: {warning}", file=sys.stderr)
    return settings


def start(options: argparse.Namespace) -> int:
    """Start the bot, or the demo where there is no token."""
    return demo(options) if configured().telegram_bot_token is None else run(options)


def run(_: argparse.Namespace) -> int:
    """Start the bot."""
    settings = configured()
    if settings.telegram_bot_token is None:
        raise SettingsError(
            "TELEGRAM_BOT_TOKEN is not set. Ask @BotFather for a token and write it into .env "
            "(.env.example shows how), or try `crier demo`, which needs none."
        )
    from bot import app  # noqa: PLC0415  # slow to import

    if code := _prepare(settings, terminal=True):
        return code

    def show_code(code: str) -> None:
        print(
            f"\n  Nobody may speak yet. Send this to your bot:  /pair {code}\n",
            file=sys.stderr,
            flush=True,
        )

    return _finish(app.run(settings, show_code))


def demo(_: argparse.Namespace) -> int:
    """Chat with the same bot in this terminal."""
    from bot import demo  # noqa: PLC0415  # slow to import

    settings = demo.demo_settings(configured())
    if code := _prepare(settings, terminal=False):
        return code
    return _finish(demo.demo(settings))


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

    if code := fetch_models(settings):
        return code
    token = settings.telegram_bot_token.get_secret_value() if settings.telegram_bot_token else ""
    try:
        logs.keep_terminal_clean(settings.data_dir)
        level, form = settings.log_level, settings.log_format
        logs.start(level, settings.data_dir, token, terminal=terminal, form=form)
    except OSError as exc:
        raise SettingsError(
            f"DATA_DIR: {settings.data_dir} can't be written to ({exc.strerror}). "
            "Make room or set it to another folder."
        ) from exc
    return OK


def models(_: argparse.Namespace) -> int:
    """Fetch what is missing or damaged of the model files."""
    return fetch_models(configured())


def fetch_models(settings: Settings) -> int:
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


def devices(_: argparse.Namespace) -> int:
    """List where sound can go."""
    from audio.types import AudioError  # noqa: PLC0415  # slow to import
    from bot.app import list_devices  # noqa: PLC0415  # slow to import
    from bot.progress import print_table  # noqa: PLC0415  # slow to import

    try:
        found = list_devices(configured())
    except AudioError as exc:
        print(exc, file=sys.stderr)
        return FAILED
    if not found.outputs:
        print("There is no output device.", file=sys.stderr)
        return FAILED
    rows = [(device.name, "default" if device.is_default else "") for device in found.outputs]
    print_table(("device", ""), rows)
    if found.warning:
        print(f"AUDIO_DEVICE: {found.warning}", file=sys.stderr)
    return OK

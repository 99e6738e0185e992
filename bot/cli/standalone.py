"""`crier say --standalone`: speaks in this process, without the bot."""

import argparse
import asyncio
import contextlib
import signal
import sys

from audio.types import Outcome, Utterance
from bot.app import exit_process
from bot.cli.dry_run import chosen_style, local_composer
from bot.client import Client, ClientError
from bot.console import fetch_models
from bot.core.draft import Draft
from bot.core.intake import RefusedError
from bot.errors import FAILED, OK, CommandError, UsageError
from bot.settings import Settings, configured
from bot.setup.preview import Preview


def say(text: str, options: argparse.Namespace) -> int:
    """Speak a text and return the exit code. Blocks.

    Raises:
        CommandError: the bot is running, there is nothing to say, or there is no such voice or
            language.
    """
    settings = configured()
    with contextlib.suppress(ClientError):
        Client().get("/v1/status")
        raise UsageError("Crier is running and would be talked over. Leave --standalone out.")
    utterance = asyncio.run(_utterance(text, options, settings))
    fetch_models(settings)
    return asyncio.run(_speak(utterance, settings))


async def _utterance(text: str, options: argparse.Namespace, settings: Settings) -> Utterance:
    voice, lang = chosen_style(options)
    draft = Draft(0, text, voice=voice, speed=options.speed or 0.0, lang=lang, client="cli")
    async with local_composer(settings) as composer:
        style = await composer.style(draft)
        try:
            composed = await composer.compose(draft, style)
        except RefusedError as exc:
            raise CommandError(str(exc)) from exc
    return Utterance(1, composed.text, style.voice, style.speed, style.lang, chime=options.chime)


async def _speak(utterance: Utterance, settings: Settings) -> int:
    async with Preview(settings) as preview:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, preview.stop)
        ended = await preview.say(utterance)
    if ended.outcome is not Outcome.HEARD:
        reason = ended.reason or f"it was {ended.outcome}."
        print(f"Not heard to the end: {reason}", file=sys.stderr)
    for path in ended.files:
        print(f"Written: {path}", file=sys.stderr)
    exit_process(OK if ended.outcome is Outcome.HEARD else FAILED)

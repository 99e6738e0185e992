"""`crier say --standalone`: speaks in this process, without the bot."""

import argparse
import asyncio
import contextlib
import signal
import sys

from audio.text.scripts import language_by_script
from audio.types import Outcome, UnknownVoiceError, Utterance
from audio.voices import SPOKEN, check_voice, language_of
from bot.app import exit_process
from bot.client import Client, ClientError
from bot.console import fetch_models
from bot.core.plain_text import compose_text
from bot.errors import FAILED, OK, UsageError
from bot.settings import Settings, configured
from bot.setup.preview import Preview


def say(text: str, options: argparse.Namespace) -> int:
    """Speak a text and return the exit code. Blocks.

    Raises:
        UsageError: the bot is running, or there is no such voice or language.
    """
    settings = configured()
    with contextlib.suppress(ClientError):
        Client().get("/v1/status")
        raise UsageError("Crier is running and would be talked over. Leave --standalone out.")
    utterance = _utterance(text, options, settings)
    fetch_models(settings)
    return asyncio.run(_speak(utterance, settings))


def _utterance(text: str, options: argparse.Namespace, settings: Settings) -> Utterance:
    voice = options.voice or settings.kokoro_voice
    try:
        check_voice(voice)
    except UnknownVoiceError as exc:
        raise UsageError(f"--voice: {exc}") from exc
    if options.lang and options.lang not in SPOKEN:
        raise UsageError(f"--lang: choose {', '.join(SPOKEN)}.")
    default_lang = settings.lang if voice == settings.kokoro_voice else language_of(voice)
    lang = options.lang or language_by_script(text, default_lang)
    composed = compose_text(text, lang, name_emoji=settings.speak_emoji)
    speed = options.speed or settings.kokoro_speed
    return Utterance(1, composed.text, voice, speed, lang, chime=options.chime)


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

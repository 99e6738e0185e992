"""`crier say --standalone`: the voice and the loudspeaker in this process, without the bot."""

import argparse
import asyncio
import contextlib
import signal
import sys

from audio.models import resolve_kind
from audio.pipeline import SpeechPipeline
from audio.types import Ended, Fact, Held, Outcome, UnknownVoiceError, Utterance
from audio.voice import KokoroVoice
from audio.voices import LANGUAGES, check_voice, language_of
from bot.app import exit_process, make_speaker
from bot.cli import FAILED, OK, UsageError
from bot.client import Client, ClientError
from bot.compose import compose_text
from bot.settings import Settings
from bot.start import configured, fetch_models


def say(text: str, options: argparse.Namespace) -> int:
    """Say a text, and return when it was heard.

    Raises:
        UsageError: the bot runs and would be talked over, or there is no such voice.
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
    if options.lang and options.lang not in LANGUAGES:
        raise UsageError(f"--lang: choose {', '.join(LANGUAGES)}.")
    own = settings.lang if voice == settings.kokoro_voice else language_of(voice)
    lang = options.lang or own
    composed = compose_text(text, lang, name_emoji=settings.speak_emoji)
    speed = options.speed or settings.kokoro_speed
    return Utterance(1, composed.text, voice, speed, lang, chime=options.chime)


async def _speak(utterance: Utterance, settings: Settings) -> int:
    loop = asyncio.get_running_loop()
    facts: asyncio.Queue[Fact] = asyncio.Queue()

    def on_fact(fact: Fact) -> None:  # on the audio thread
        loop.call_soon_threadsafe(facts.put_nowait, fact)

    pipeline = SpeechPipeline(
        KokoroVoice(settings.model_dir, resolve_kind(settings.kokoro_model)),
        make_speaker(settings, settings.audio_device),
        on_fact,
    )
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, pipeline.abort)
    pipeline.start()
    pipeline.say(utterance)
    while not isinstance(fact := await facts.get(), Ended):
        if isinstance(fact, Held):
            print(fact.reason, file=sys.stderr)
            pipeline.abort()  # nobody would see to it
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(asyncio.wrap_future(pipeline.close()), 2.0)
    if fact.outcome is not Outcome.HEARD:
        print(f"Not heard to the end: {fact.reason or fact.outcome}", file=sys.stderr)
    for path in fact.files:
        print(f"Written: {path}", file=sys.stderr)
    exit_process(OK if fact.outcome is Outcome.HEARD else FAILED)

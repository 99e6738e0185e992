"""`crier say --dry-run`: shows how a text would be read. Needs no bot, no sound and no model."""

import argparse
import asyncio
import json
import sqlite3
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, replace

from audio.types import UnknownVoiceError
from audio.voices import LANGUAGE_CHOICES, SPOKEN, check_voice
from bot.console import print_table
from bot.core.database import Database, InboxError
from bot.core.draft import Draft
from bot.core.intake import DraftComposer, RefusedError
from bot.core.preferences import Preferences
from bot.core.reading import Reading, read_draft
from bot.core.store import Store
from bot.errors import OK, CommandError, UsageError
from bot.settings import Settings, configured


def say(parts: list[str], options: argparse.Namespace) -> int:
    """Print how a text, given in parts, would be read, and return the exit code.

    Raises:
        CommandError: there is nothing to say, or no such voice or language.
    """
    reading = asyncio.run(_read(parts, options, configured()))
    if options.json:
        print(json.dumps(asdict(reading), ensure_ascii=False, indent=2))
    else:
        _show(reading)
    return OK


async def _read(parts: list[str], options: argparse.Namespace, settings: Settings) -> Reading:
    voice, lang = chosen_style(options)
    readings: list[Reading] = []
    refusals: list[str] = []
    async with local_composer(settings) as composer:
        for part in parts:
            draft = Draft(0, part, voice=voice, lang=lang, client="cli")
            try:
                readings.append(await read_draft(draft, composer))
            except RefusedError as exc:
                refusals.append(str(exc))
    if not readings:
        raise CommandError(refusals[0])
    for refusal in refusals:
        print(f"A part is left out: {refusal}", file=sys.stderr)
    return replace(
        readings[0],
        skipped=", ".join(reading.skipped for reading in readings if reading.skipped),
        sentences=tuple(sentence for reading in readings for sentence in reading.sentences),
    )


def chosen_style(options: argparse.Namespace) -> tuple[str, str]:
    """Return the voice and the language that were asked for; empty ones come from the settings.

    Raises:
        UsageError: there is no such voice or language.
    """
    if options.voice:
        try:
            check_voice(options.voice)
        except UnknownVoiceError as exc:
            raise UsageError(f"--voice: {exc}") from exc
    if options.lang and options.lang not in SPOKEN:
        raise UsageError(f"--lang: {LANGUAGE_CHOICES}.")
    return options.voice, options.lang


@asynccontextmanager
async def local_composer(settings: Settings) -> AsyncIterator[DraftComposer]:
    """Compose texts as the bot of these settings does, with the pronunciations that it knows."""
    try:
        database = await Database.view(settings.data_dir / "crier.db")
    except (InboxError, sqlite3.Error) as exc:
        print(f"Taught pronunciations are left out: {exc}", file=sys.stderr)
        database = await Database.view(None)
    try:
        yield DraftComposer(settings, Preferences(Store(database), settings))
    finally:
        await database.close()


def _show(reading: Reading) -> None:
    print(f"Voice {reading.voice}, language {reading.lang}")
    if reading.skipped:
        print(f"Skipped: {reading.skipped}")
    rows = [
        (
            "" if place else str(number),
            word.text,
            word.phonemes,
            word.source,
            f"pause {word.pause_s:g} s" if word.pause_s else "",
        )
        for number, sentence in enumerate(reading.sentences, 1)
        for place, word in enumerate(sentence.words)
    ]
    print_table(("", "word", "sounds", "from", ""), rows)

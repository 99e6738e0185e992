"""How a text is read, without speaking it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from bot.core.composing import off_the_loop
from bot.core.database import Database
from bot.core.draft import Draft
from bot.core.intake import DraftComposer
from bot.core.preferences import Preferences
from bot.core.reading import read_draft
from bot.core.store import Store
from bot.settings import Settings


@asynccontextmanager
async def composer_without_model(settings: Settings, folder: Path) -> AsyncIterator[DraftComposer]:
    database = await Database.view(None)
    alone = settings.replaced(model_dir=folder)
    try:
        yield DraftComposer(alone, Preferences(Store(database), alone))
    finally:
        await database.close()


async def test_read_draft_lets_messages_be_composed_between_its_sentences(
    settings: Settings, tmp_path: Path
) -> None:
    """A long dry run takes turns with the texts that are to be spoken."""
    draft = Draft(0, "The door is open. " * 60, lang="fr-fr", client="cli")
    async with composer_without_model(settings, tmp_path) as composer:
        reads = asyncio.create_task(read_draft(draft, composer))
        turns = 0
        while not reads.done():
            await off_the_loop(str)
            turns += 1
        result = await reads

    assert len(result.sentences) == 60
    assert turns > 20


async def test_read_draft_shows_the_pauses_that_are_played(
    settings: Settings, tmp_path: Path
) -> None:
    """Nothing follows the last word of a text, so a pause there is not played."""
    draft = Draft(0, "Stop. [pause:1s] Go on. [pause:2s]", client="cli")
    async with composer_without_model(settings, tmp_path) as composer:
        result = await read_draft(draft, composer)

    assert [[word.pause_s for word in s.words] for s in result.sentences] == [[1.0], [0.0, 0.0]]

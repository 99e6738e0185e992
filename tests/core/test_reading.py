"""How a text is read, without speaking it."""

import asyncio
from pathlib import Path

from bot.core.composing import off_the_loop
from bot.core.database import Database
from bot.core.draft import Draft
from bot.core.intake import DraftComposer
from bot.core.preferences import Preferences
from bot.core.reading import read_draft
from bot.core.store import Store
from bot.settings import Settings


async def test_read_draft_lets_messages_be_composed_between_its_sentences(
    settings: Settings, tmp_path: Path
) -> None:
    """A long dry run takes turns with the texts that are to be spoken."""
    database = await Database.view(None)
    alone = settings.replaced(model_dir=tmp_path)
    composer = DraftComposer(alone, Preferences(Store(database), alone))
    draft = Draft(0, "The door is open. " * 60, lang="fr-fr", client="cli")
    try:
        reads = asyncio.create_task(read_draft(draft, composer))
        turns = 0
        while not reads.done():
            await off_the_loop(str)
            turns += 1
        result = await reads
    finally:
        await database.close()

    assert len(result.sentences) == 60
    assert turns > 20

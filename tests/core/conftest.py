"""The fixture that tests of single units share."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.core.inbox import Inbox
from tests.core.lab import Lab


@pytest.fixture
async def lab(tmp_path: Path) -> AsyncIterator[Lab]:
    """Return a delivery whose facts are handled."""
    inbox = await Inbox.open(tmp_path / "crier.db")
    lab = Lab(inbox, tmp_path)
    task = asyncio.create_task(lab.delivery.run())
    lab.delivery.start_speaking()
    yield lab
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await inbox.close()

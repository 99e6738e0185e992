"""Outcomes: stored before they are reported."""

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from audio.types import Outcome
from tests.core.lab import Lab


async def test_end_reports_nothing_that_is_not_stored(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the disk is full, neither the sender nor a program gets an outcome."""

    async def full(*_: Any, **__: Any) -> None:
        raise sqlite3.OperationalError("disk is full")

    message = await lab.submit()
    with lab.events.listen() as listener:
        monkeypatch.setattr(lab.inbox, "store_end", full)
        with pytest.raises(sqlite3.Error):
            await lab.delivery.end_message(message, Outcome.FAILED, "No reason.")

        assert listener._events.empty()
    assert lab.receipts.of(message.id) == ["stored"]


async def test_end_removes_a_recording(lab: Lab, tmp_path: Path) -> None:
    """A recording is removed with the end of its message."""
    path = tmp_path / "hello.wav"
    path.touch()
    message = await lab.submit("", file=str(path))
    await lab.delivery.end_message(message, Outcome.SKIPPED)

    assert not path.exists()

"""The outcome of a message: stored, and reported to its sender and to programs.

Runs on the event loop.
"""

import logging
import time
from pathlib import Path

from audio.types import Ended, Outcome
from bot.core.events import Events
from bot.core.inbox import Inbox
from bot.core.message import QueuedMessage, Record
from bot.core.receipts import Receipts

log = logging.getLogger(__name__)


class OutcomeRecorder:
    """Stores and reports how messages ended."""

    def __init__(self, inbox: Inbox, receipts: Receipts, events: Events) -> None:
        """Store outcomes in *inbox*; report them through *receipts* and *events*."""
        self._inbox = inbox
        self._receipts = receipts
        self._events = events

    async def end(self, message: QueuedMessage, outcome: Outcome, reason: str = "") -> None:
        """Store and report the end of a message that the pipeline does not have.

        Raises:
            sqlite3.Error: it can't be stored; nothing was reported.
        """
        await self.store(message, outcome, reason)
        self.report(message, Ended(message.id, outcome), reason)

    async def store(self, message: QueuedMessage, outcome: Outcome, reason: str = "") -> None:
        """Store an outcome, with its receipt as owed; call `report` afterwards.

        Raises:
            sqlite3.Error: it can't be stored.
        """
        await self._inbox.store_end(message.id, outcome, self._receipts.symbol(outcome), reason)

    def report(self, message: QueuedMessage, fact: Ended, reason: str = "") -> None:
        """Report an outcome that has been stored, and remove the recording of the message."""
        discard(message)
        self._receipts.ended(message, self._receipts.symbol(fact.outcome), reason)
        self._events.ended(_record(message, fact, reason))


def discard(message: QueuedMessage) -> None:
    """Remove the recording of a message that has ended."""
    if message.recording:
        Path(message.recording).unlink(missing_ok=True)


def _record(message: QueuedMessage, fact: Ended, reason: str) -> Record:
    """Return what became of a message, as stored in the inbox."""
    return Record(
        id=message.id,
        text=message.shown_text,
        source=message.source,
        outcome=fact.outcome,
        reason=reason,
        device=fact.device,
        audio_s=fact.audio_s,
        first_sound_ms=fact.first_sound_ms,
        ended_at=time.time(),
    )


def log_end(message: QueuedMessage, fact: Ended) -> None:
    """Log one line about a message: everything that is known except its words."""
    chunks = "1 chunk" if fact.chunks == 1 else f"{fact.chunks} chunks"
    parts = [
        f"Message {message.id}: {fact.outcome}, from {message.source}",
        f"{len(message.text)} characters in {chunks}",
        *([f"first sound after {fact.first_sound_ms} ms"] if fact.first_sound_ms else []),
        f"{fact.audio_s:.1f} s of sound on {fact.device or 'no device'}"
        + (f" ({fact.warning})" if fact.warning else ""),
        *([f"{fact.underruns} underruns"] if fact.underruns else []),
    ]
    line = ", ".join(parts) + (f" ({', '.join(fact.files)})" if fact.files else "")
    facts = {
        "id": message.id,
        "source": message.source,
        "outcome": fact.outcome,
        "characters": len(message.text),
        "chunks": fact.chunks,
        "first_sound_ms": fact.first_sound_ms,
        "audio_s": round(fact.audio_s, 2),
        "device": fact.device,
        "underruns": fact.underruns,
        "warning": fact.warning,
        "files": fact.files,
    }
    log.info("%s", line, extra={"facts": facts})

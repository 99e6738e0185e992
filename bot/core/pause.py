"""Pausing by a person, which lasts over restarts; and a brief suspension.

Runs on the event loop.
"""

import contextlib
import logging
import sqlite3
from collections.abc import Iterator

from audio.pipeline import SpeechPipeline
from bot.core.attempts import Attempts
from bot.core.message import ATTEMPT_PREFIX
from bot.core.store import Store

log = logging.getLogger(__name__)

_CHOICE = "paused"


class SpeechPause:
    """Whether speech is paused, and why."""

    def __init__(self, pipeline: SpeechPipeline, store: Store, attempts: Attempts) -> None:
        """Start without a pause; see `restore`."""
        self._pipeline = pipeline
        self._store = store
        self._attempts = attempts
        self._notified: set[int] = set()  # chats that know about the pause
        self.paused = False
        """Whether someone has paused speech."""
        self.suspended = False
        """Whether messages stay out of the pipeline for a moment; see `suspend`."""

    async def restore(self) -> None:
        """Pause again after a restart, if it was paused before."""
        if await self._store.choice(_CHOICE):
            self.paused = True
            self._pipeline.pause()

    async def pause(self) -> None:
        """Fall silent and drop nothing; lasts over restarts."""
        self.paused = True
        self._pipeline.pause()
        self._attempts.suspend(ATTEMPT_PREFIX)
        await self.store()

    async def resume(self) -> bool:
        """Continue after a pause; return whether there was one."""
        was_paused = self.paused or self._pipeline.status().paused
        self.clear()
        await self.store()
        return was_paused

    def clear(self) -> None:
        """Continue after a pause; call `store` afterwards."""
        self.paused = False
        self._notified.clear()
        self._attempts.resume()
        self.resume_pipeline()

    async def store(self) -> None:
        """Store whether speech is paused."""
        try:
            await self._store.choose(_CHOICE, "1" if self.paused else None)
        except sqlite3.Error as exc:
            log.error("A pause can't be stored: %s", exc)  # noqa: TRY400

    def resume_pipeline(self) -> None:
        """Resume the pipeline, unless there is a reason to pause."""
        if not (self.paused or self.suspended):
            self._pipeline.resume()

    def pause_pipeline_again(self) -> None:
        """Pause the pipeline again after an abort, which resumes it."""
        if self.paused or self.suspended:
            self._pipeline.pause()

    @contextlib.contextmanager
    def suspend(self) -> Iterator[None]:
        """Stay silent while the context is open, for example until a batch has been read."""
        self.suspended = True
        self._pipeline.pause()
        try:
            yield
        finally:
            self.suspended = False
            self.resume_pipeline()

    def mark_notified(self, chat_id: int) -> bool:
        """Record that a chat was told of the pause; return whether that is due now."""
        if not self.paused or chat_id in self._notified:
            return False
        self._notified.add(chat_id)
        return True

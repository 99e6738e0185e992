"""Messages that are said in time or not at all: each ends when its time is over.

Runs on the event loop.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable

from bot.core.message import QueuedMessage
from bot.core.queue import MessageQueue

log = logging.getLogger(__name__)

TOO_LATE = "Too late: it expired before its turn came."

_CHECK_EVERY_S = 5.0
"""The clock may be set, or jump after a sleep."""
_AGAIN_S = 1.0


class Expiry:
    """Ends messages whose time is over before their first word, whatever they wait for."""

    def __init__(self, queue: MessageQueue, now: Callable[[], float]) -> None:
        """Watch nothing yet.

        Args:
            queue: has the messages, waiting or held.
            now: returns the true time, in seconds since 1970.
        """
        self._queue = queue
        self._now = now
        self._changed = asyncio.Event()

    def is_over(self, message: QueuedMessage) -> bool:
        """Whether the time of a message is over."""
        return 0 < message.expires_at <= self._now()

    def expect(self, message: QueuedMessage) -> None:
        """Watch a message that is in the queue now, if it expires."""
        if message.expires_at:
            self._changed.set()

    async def watch(self) -> None:
        """End messages when their time is over; until cancelled."""
        while True:
            self._changed.clear()
            try:
                await self._end_expired()
            except Exception:  # for example a full disk; retried soon
                log.exception("Unexpected error in expiry")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), self._wait_s())

    async def _end_expired(self) -> None:
        for message in (*self._queue.under_way(), *self._queue.held()):
            if self.is_over(message):
                await self._queue.end_waiting(message.id, TOO_LATE)

    def _wait_s(self) -> float | None:
        """Return how long to wait until the next check; None if nothing expires."""
        messages = (*self._queue.under_way(), *self._queue.held())
        left_s = [m.expires_at - self._now() for m in messages if m.expires_at]
        if not left_s:
            return None
        # One whose time is over has started just now, or its end is on its way.
        return min(_CHECK_EVERY_S, *(s if s > 0 else _AGAIN_S for s in left_s))

"""A connection to the broker that is made again whenever it is lost. Runs on the event loop."""

import asyncio
import logging
import sqlite3
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from bot.core.inbox import InboxError
from bot.home.broker import Broker, BrokerError, BrokerLostError, explained, refuse_open

log = logging.getLogger(__name__)

FIRST_RETRY_S, LONGEST_RETRY_S = 1.0, 30.0
_OPEN_BROKER_RETRY_S = 600.0
_STABLE_S = 30.0
"""After a connection of this length the next try comes soon again, and its failure is logged."""


@dataclass(slots=True)
class BrokerConnection:
    """Connects, and connects again."""

    broker: Broker
    connect: Callable[[], Awaitable[None]]
    """Connects, and works until the connection is lost."""
    is_quiet: bool = False
    """Whether another connection of this process logs why there is none."""
    reason: str = ""
    """Why there was no connection, the last time that one was tried."""

    async def run(self) -> None:
        """Stay connected until cancelled."""
        retry_s, last_reason = FIRST_RETRY_S, ""
        while True:
            started_s, self.reason = asyncio.get_running_loop().time(), ""
            try:
                await refuse_open(self.broker)
                await self.connect()
            except BrokerError as exc:
                self.reason, retry_s = str(exc), _OPEN_BROKER_RETRY_S
            except (BrokerLostError, OSError, ValueError) as exc:
                self.reason = str(explained(exc, self.broker))
            except (InboxError, sqlite3.Error) as exc:
                # It is not acknowledged, so it is sent again.
                self.reason = f"A text of the broker can't be stored: {exc}"
            except Exception:  # the connection must not end for ever
                log.exception("Unexpected error at the broker")
            if asyncio.get_running_loop().time() - started_s > _STABLE_S:
                retry_s, last_reason = FIRST_RETRY_S, ""
            if self.reason and self.reason != last_reason and not self.is_quiet:
                log.warning("%s", self.reason)
            last_reason = self.reason
            await asyncio.sleep(retry_s)
            retry_s = min(2 * retry_s, max(retry_s, LONGEST_RETRY_S))

"""Detects what nothing else does: a wedged audio thread, dead polling, sleep, a memory leak.

Runs on the event loop. What can't be fixed inside the process ends it with 70, and its supervisor
(launchd, systemd) starts it again; the inbox has what is to be said.
"""

import asyncio
import contextlib
import logging
from typing import Protocol

import psutil
from telegram import Bot
from telegram.error import TelegramError

from audio.pipeline import SpeechPipeline
from audio.sleep import time_asleep_s
from bot.core.delivery import Delivery
from bot.core.health import STALLED_S, WEDGED_S

log = logging.getLogger(__name__)

_EVERY_S = 1.0
_SLEPT_S = 5.0
_MEMORY_BYTES = 1536 << 20
"""fp32 weights, their packed copies and a long chunk take about 900 MB."""


class PollingLoop(Protocol):
    """What is watched of the loop that fetches messages."""

    @property
    def answers(self) -> int:
        """How often Telegram has answered, if only to refuse."""
        ...

    def poke(self) -> None:
        """Give up the present request and start a new one: its connection may be dead."""


class Watchdog:
    """Checks everything once a second."""

    def __init__(
        self, pipeline: SpeechPipeline, polling: PollingLoop, delivery: Delivery, bot: Bot
    ) -> None:
        """Watch *pipeline* and *polling*; memory counts only while *delivery* is idle."""
        self._pipeline = pipeline
        self._polling = polling
        self._delivery = delivery
        self._bot = bot
        self._beat_s = 0.0
        self._wedged_s = 0.0
        self._answers = -1
        self._stalled_s = 0.0
        self._poked = False
        self._asking: asyncio.Task[bool] | None = None

    async def run(self) -> str:
        """Watch until the process has to end; return why."""
        asleep_s = time_asleep_s()
        while True:
            await asyncio.sleep(_EVERY_S)
            slept_s = time_asleep_s() - asleep_s
            asleep_s += slept_s
            if slept_s > _SLEPT_S:
                log.info("The computer slept for %.0f s", slept_s)
                self._polling.poke()  # connections die meanwhile
            if self._is_wedged():
                return (
                    f"The audio thread has been stuck for {self._wedged_s:.0f} s, most likely in a "
                    "device that does not answer."
                )
            if self._asking is None and self._is_stalled():
                self._asking = asyncio.create_task(self._is_deaf())
            elif self._asking is not None and self._asking.done():
                deaf, self._asking = self._asking.result(), None
                if deaf:
                    return "Telegram answers, but fetching messages does not work."
            if self._delivery.under_way_count == 0:
                used = psutil.Process().memory_info().rss
                if used > _MEMORY_BYTES:
                    return f"{used >> 20} MB of memory are in use although nothing is spoken."

    def _is_wedged(self) -> bool:
        # Counted in checks, not in time: while the whole process is stopped, none is missed.
        heartbeat_s = self._pipeline.status().heartbeat_s
        self._wedged_s = self._wedged_s + _EVERY_S if heartbeat_s == self._beat_s else 0.0
        self._beat_s = heartbeat_s
        return self._wedged_s >= WEDGED_S

    def _is_stalled(self) -> bool:
        if self._polling.answers != self._answers:
            self._answers, self._stalled_s, self._poked = self._polling.answers, 0.0, False
            return False
        self._stalled_s += _EVERY_S
        if self._stalled_s < STALLED_S:
            return False
        self._stalled_s = 0.0
        return True

    async def _is_deaf(self) -> bool:
        """Whether polling is dead although Telegram answers. Being offline is no fault."""
        with contextlib.suppress(TelegramError):
            await self._bot.get_me()
            if self._poked:
                return True
            log.warning("Telegram answers, but fetching messages does not; reconnecting")
            self._poked = True
            self._polling.poke()
        return False

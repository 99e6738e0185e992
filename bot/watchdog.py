"""Detects a wedged audio thread, dead polling, sleep and a memory leak.

Runs on the event loop. If only a new process can help, this one exits with 70, and its supervisor
(launchd, systemd) starts it again; the inbox still has the messages.
"""

import asyncio
import contextlib
import logging
from typing import Protocol

from telegram import Bot
from telegram.error import TelegramError

from audio.pipeline import SpeechPipeline
from audio.system_sleep import time_asleep_s
from bot.core.delivery import Delivery
from bot.core.health import STALLED_S, WEDGED_S
from bot.memory import used_bytes

log = logging.getLogger(__name__)

_EVERY_S = 1.0
_SLEPT_S = 5.0
MAX_MEMORY_BYTES = 1536 << 20
"""fp32 weights, their packed copies and a long chunk take about 900 MB."""


class PollingLoop(Protocol):
    """The parts of the polling loop that the watchdog uses."""

    @property
    def answers(self) -> int:
        """How often Telegram has answered, refusals included."""
        ...

    def poke(self) -> None:
        """Abandon the current request and retry at once: its connection may be dead."""


class Watchdog:
    """Checks everything once a second."""

    def __init__(
        self,
        pipeline: SpeechPipeline,
        polling: PollingLoop | None,
        delivery: Delivery,
        bot: Bot | None,
    ) -> None:
        """Watch *pipeline*, *polling* and, while *delivery* is idle, the memory.

        A room has neither *polling* nor *bot*.
        """
        self._pipeline = pipeline
        self._polling = polling
        self._delivery = delivery
        self._bot = bot
        self._beat_s = 0.0
        self._wedged_s = 0.0
        self._answers = -1
        self._stalled_s = 0.0
        self._poked = False
        self._probe: asyncio.Task[bool] | None = None

    async def run(self) -> str:
        """Watch until the process has to end; return why."""
        asleep_s = time_asleep_s()
        while True:
            await asyncio.sleep(_EVERY_S)
            slept_s = time_asleep_s() - asleep_s
            asleep_s += slept_s
            if slept_s > _SLEPT_S:
                log.info("The computer slept for %.0f s", slept_s)
                if self._polling is not None:
                    self._polling.poke()  # connections die meanwhile
            if self._is_wedged():
                return (
                    f"The audio thread has been stuck for {self._wedged_s:.0f} s, most likely in a "
                    "device that does not answer."
                )
            if self._polling is not None and self._bot is not None:
                self._start_probe(self._polling, self._bot)
            if self._probe is not None and self._probe.done():
                is_dead, self._probe = self._probe.result(), None
                if is_dead:
                    return "Telegram answers, but fetching messages does not work."
            if self._delivery.under_way_count == 0:
                used = used_bytes()
                if used > MAX_MEMORY_BYTES:
                    return f"{used >> 20} MB of memory are in use although nothing is spoken."

    def _is_wedged(self) -> bool:
        # Counted in checks, not in time: while the whole process is stopped, none is due.
        heartbeat_s = self._pipeline.status().heartbeat_s
        self._wedged_s = self._wedged_s + _EVERY_S if heartbeat_s == self._beat_s else 0.0
        self._beat_s = heartbeat_s
        return self._wedged_s >= WEDGED_S

    def _start_probe(self, polling: PollingLoop, bot: Bot) -> None:
        if self._probe is None and self._is_stalled(polling):
            self._probe = asyncio.create_task(self._is_polling_dead(polling, bot))

    def _is_stalled(self, polling: PollingLoop) -> bool:
        if polling.answers != self._answers:
            self._answers, self._stalled_s, self._poked = polling.answers, 0.0, False
            return False
        self._stalled_s += _EVERY_S
        if self._stalled_s < STALLED_S:
            return False
        self._stalled_s = 0.0
        return True

    async def _is_polling_dead(self, polling: PollingLoop, bot: Bot) -> bool:
        """Whether polling is dead although Telegram answers; being offline does not count."""
        with contextlib.suppress(TelegramError):
            await bot.get_me()
            if self._poked:
                return True
            log.warning("Telegram answers, but fetching messages does not; reconnecting")
            self._poked = True
            polling.poke()
        return False

"""The state of the bot, in the shapes that clients get. Runs on the event loop."""

import math
import time
from dataclasses import asdict, dataclass
from typing import Any

from audio.pipeline import SpeechPipeline
from bot import __version__
from bot.core.delivery import Delivery
from bot.core.health import STALLED_S, WEDGED_S, SourceHealth
from bot.core.inbox import Inbox
from bot.http import schemas
from bot.settings import Settings


@dataclass(frozen=True, slots=True)
class BotState:
    """Reads the state of the bot; every method returns at once."""

    settings: Settings
    pipeline: SpeechPipeline
    inbox: Inbox
    delivery: Delivery
    polling: SourceHealth

    def snapshot(self) -> dict[str, Any]:
        """Return the fields of `schemas.StatusNow`, as JSON has them."""
        status = self.pipeline.status()
        facts = asdict(status)
        del facts["heartbeat_s"]  # means nothing outside this process
        warnings = [
            status.warning,
            status.blocked,
            status.unheard,
            self.inbox.database.notice,
            self.polling.warning,
            self.polling.clock_warning,
        ]
        return {
            **facts,
            "time": time.time(),
            "waiting": max(0, self.delivery.under_way_count - status.speaking),
            "voice": self.settings.kokoro_voice,
            "volume": round(100 * math.sqrt(status.gain)),
            "quiet": self.delivery.quiet_reason(),
            "version": __version__,
            "polling": self._polling_state().model_dump(),
            "warnings": [warning for warning in warnings if warning],
        }

    def queue(self) -> schemas.Queue:
        """Return the messages to be spoken, in the order in which they will be heard."""
        return schemas.Queue.model_validate(
            {
                "items": [
                    {
                        "id": place.message.id,
                        "text": place.message.shown_text,
                        "source": place.message.source,
                        "state": place.state,
                        "position": place.position,
                        "estimate_s": place.estimate_s,
                    }
                    for place in self.delivery.queue.places()
                ]
            }
        )

    def health(self) -> schemas.Health:
        """Return whether messages come in and sound goes out, and why not."""
        status = self.pipeline.status()
        polling_errors = []
        if self.polling.warning:
            polling_errors.append(self.polling.warning)
        if self.polling.age_s >= STALLED_S:
            source, age_s = self.polling.source, self.polling.age_s
            polling_errors.append(f"{source} has not answered for {age_s:.0f} s.")
        sound_errors = []
        if status.blocked:
            sound_errors.append(status.blocked)
        heartbeat_age_s = time.monotonic() - status.heartbeat_s
        if heartbeat_age_s >= WEDGED_S:
            sound_errors.append(f"The audio thread has been stuck for {heartbeat_age_s:.0f} s.")
        return schemas.Health(
            ok=not polling_errors and not sound_errors,
            polling=not polling_errors,
            sound=not sound_errors,
            reasons=polling_errors + sound_errors,
        )

    def _polling_state(self) -> schemas.PollingState:
        age_s = self.polling.age_s
        ok = age_s < STALLED_S and not self.polling.warning
        return schemas.PollingState(
            source=self.polling.source,
            ok=ok,
            age_s=round(age_s, 1),
            warning=self.polling.warning,
        )

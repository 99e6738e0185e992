"""A sandbox server with random faults, missing files and lost confirmations."""

import asyncio
import random
from collections import Counter

from bot.chat.sandbox import BotApiError, Fault, Json, Sandbox

_SLOW_DOWN = "Too Many Requests: retry after {}"
_NOT_MODIFIED = (
    "Bad Request: message is not modified: specified new message content and reply markup are "
    "exactly the same as a current content and reply markup of the message"
)
_METHODS = (
    "sendmessage",
    "setmessagereaction",
    "editmessagetext",
    "answercallbackquery",
    "sendvoice",
    "getupdates",
    "getfile",
    "download",
)


class FaultySandbox(Sandbox):
    """A sandbox that fails at random while it is *unreliable*, and can lose confirmations.

    A refused call has no effect, so a retry repeats nothing. The exception is an edit answered with
    "not modified": it was made, as if the answer to a first try had been lost.
    """

    def __init__(self, token: str, rng: random.Random) -> None:
        """Serve the bot of *token*; *rng* decides which calls fail."""
        super().__init__(token)
        self.unreliable = False
        """Whether calls fail at random."""
        self.max_delay_s = 0.0
        """The longest delay of an answer while unreliable."""
        self.lose_confirmations = False
        """Whether a getUpdates that would confirm an update fails before it does."""
        self.confirmation_lost = asyncio.Event()
        """Set when a confirmation was lost."""
        self.missing_files: set[str] = set()
        """The file_ids that are answered with 404 from now on."""
        self.fault_counts: Counter[str] = Counter()
        """The number of injected faults, by method and fault."""
        self._rng = rng

    def _fault(self, method: str) -> Fault | None:
        fault = super()._fault(method)
        if fault is not None or not self.unreliable or method not in _METHODS:
            return fault
        delay_s = self._rng.uniform(0.0, self.max_delay_s)
        match self._rng.random():
            case roll if roll < 0.03:
                self.fault_counts[f"{method} 500"] += 1
                return Fault(delay_s, status=500, description="Internal Server Error")
            case roll if roll < 0.06 and method != "download":
                self.fault_counts[f"{method} 429"] += 1
                wait_s = self._rng.randint(1, 2)
                return Fault(
                    delay_s,
                    status=429,
                    description=_SLOW_DOWN.format(wait_s),
                    retry_after_s=wait_s,
                )
        return Fault(delay_s) if delay_s else None

    async def _do_getupdates(self, parameters: Json) -> list[Json]:
        offset = int(parameters.get("offset") or 0)
        confirms = bool(self._updates) and self._updates[0]["update_id"] < offset
        if self.lose_confirmations and confirms:
            self.fault_counts["a lost confirmation"] += 1
            self.confirmation_lost.set()
            raise BotApiError(502, "Bad Gateway")
        return await super()._do_getupdates(parameters)

    async def _do_getfile(self, parameters: Json) -> Json:
        file_id = str(parameters.get("file_id", ""))
        if self.unreliable and self._rng.random() < 0.05:
            self.missing_files.add(file_id)
        if file_id in self.missing_files:
            self.fault_counts["getfile 404"] += 1
            raise BotApiError(404, "Not Found")
        return await super()._do_getfile(parameters)

    async def _do_editmessagetext(self, parameters: Json) -> Json:
        message = await super()._do_editmessagetext(parameters)
        if self.unreliable and self._rng.random() < 0.05:
            self.fault_counts["editmessagetext, not modified"] += 1
            raise BotApiError(400, _NOT_MODIFIED)
        return message

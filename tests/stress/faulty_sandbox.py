"""A sandbox whose server has bad days: chance faults, missing files, lost confirmations."""

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
    *("sendmessage", "setmessagereaction", "editmessagetext", "answercallbackquery"),
    *("sendvoice", "getupdates", "getfile", "download"),
)


class FaultySandbox(Sandbox):
    """A sandbox that fails by chance where it is *moody*, and can forget what was confirmed.

    A refused call has done nothing, so trying it again repeats nothing. The one exception is an
    edit that answers "not modified": it was made, as where the answer to a first try was lost.
    """

    def __init__(self, token: str, chance: random.Random) -> None:
        """Serve the bot of *token*; *chance* decides what fails."""
        super().__init__(token)
        self.moody = False
        """Whether calls fail by chance."""
        self.slow_s = 0.0
        """How long a moody server may take over an answer, at most."""
        self.confirmations_lost = False
        """Whether a getUpdates that would confirm something fails before it does."""
        self.lost = asyncio.Event()
        """Set when a confirmation was lost."""
        self.gone: set[str] = set()
        """The file_ids that are answered with 404, for good."""
        self.suffered: Counter[str] = Counter()
        """How often what failed."""
        self._chance = chance

    def _fault(self, method: str) -> Fault | None:
        fault = super()._fault(method)
        if fault is not None or not self.moody or method not in _METHODS:
            return fault
        delay_s = self._chance.uniform(0.0, self.slow_s)
        match self._chance.random():
            case roll if roll < 0.03:
                self.suffered[f"{method} 500"] += 1
                return Fault(delay_s, status=500, description="Internal Server Error")
            case roll if roll < 0.06 and method != "download":
                self.suffered[f"{method} 429"] += 1
                wait_s = self._chance.randint(1, 2)
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
        if self.confirmations_lost and confirms:
            self.suffered["a lost confirmation"] += 1
            self.lost.set()
            raise BotApiError(502, "Bad Gateway")
        return await super()._do_getupdates(parameters)

    async def _do_getfile(self, parameters: Json) -> Json:
        file_id = str(parameters.get("file_id", ""))
        if self.moody and self._chance.random() < 0.05:
            self.gone.add(file_id)
        if file_id in self.gone:
            self.suffered["getfile 404"] += 1
            raise BotApiError(404, "Not Found")
        return await super()._do_getfile(parameters)

    async def _do_editmessagetext(self, parameters: Json) -> Json:
        message = await super()._do_editmessagetext(parameters)
        if self.moody and self._chance.random() < 0.05:
            self.suffered["editmessagetext, not modified"] += 1
            raise BotApiError(400, _NOT_MODIFIED)
        return message

"""How much one person, or one program, may send. Runs on the event loop."""

import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass

_WAITING_S = 3600.0
"""How much speech of one person may wait, regardless of the number of messages."""
_REPORT_EVERY_S = 60.0
_MAX_KNOWN = 1000  # programs choose their own names


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a message is refused."""

    reason: str
    say: bool
    """Whether to report it; not for each message of a flood."""


@dataclass(slots=True)
class _Allowance:
    left: float
    since_s: float
    reported_s: float = float("-inf")


class Limits:
    """Keeps one person from filling the queue; commands are not counted."""

    def __init__(
        self, per_minute: int, waiting: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Allow *per_minute* messages a minute, and *waiting* in the queue; 0 means no limit."""
        self._per_minute = per_minute
        self._waiting = waiting
        self._clock = clock
        self._allowances: dict[Hashable, _Allowance] = {}

    def check(self, sender: Hashable, waiting: int, waiting_s: float) -> Refusal | None:
        """Count one more message of a person or program; return why it is refused, or None.

        Args:
            sender: who sent it.
            waiting: how many of the sender's messages wait.
            waiting_s: how long they will take to speak.
        """
        now_s = self._clock()
        if len(self._allowances) >= _MAX_KNOWN:
            self._allowances.clear()
        allowance = self._allowances.setdefault(sender, _Allowance(self._per_minute, now_s))
        gained = (now_s - allowance.since_s) * self._per_minute / 60
        allowance.left = min(self._per_minute, allowance.left + gained)
        allowance.since_s = now_s
        if self._waiting and (waiting >= self._waiting or waiting_s >= _WAITING_S):
            amount = (
                f"{waiting} messages of yours" if waiting_s < _WAITING_S else "An hour of speech"
            )
            reason = f"{amount} wait already. Send it again when some were heard, or /stop them."
        elif self._per_minute and allowance.left < 1:
            reason = (
                f"These are more than {self._per_minute} messages in a minute. I did not take this "
                "one; send it again in a while."
            )
        else:
            allowance.left -= 1
            return None
        say = now_s - allowance.reported_s >= _REPORT_EVERY_S
        if say:
            allowance.reported_s = now_s
        return Refusal(reason, say)

"""How much one person, or one program, may send. Runs on the event loop."""

import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass

from bot.rate_limit import TokenBucket

_WAITING_S = 3600.0
"""How much speech of one person may wait, regardless of the number of messages."""
_REPORT_EVERY_S = 60.0
_MAX_KNOWN = 1000  # programs choose their own names


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a message is refused."""

    reason: str
    notify_sender: bool
    """Whether to reply with the reason; not to each message of a flood."""


@dataclass(slots=True)
class _Sender:
    allowance: TokenBucket
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
        self._senders: dict[Hashable, _Sender] = {}

    def check(self, sender: Hashable, waiting: int, waiting_s: float) -> Refusal | None:
        """Count one more message of a person or program; return why it is refused, or None.

        Args:
            sender: who sent it.
            waiting: how many of the sender's messages wait.
            waiting_s: how long they will take to speak.
        """
        known = self._known(sender)
        if self._waiting and (waiting >= self._waiting or waiting_s >= _WAITING_S):
            amount = (
                f"{waiting} messages of yours" if waiting_s < _WAITING_S else "An hour of speech"
            )
            reason = f"{amount} wait already. Send it again when some were heard, or /stop them."
        elif self._per_minute and not known.allowance.take():
            reason = (
                f"These are more than {self._per_minute} messages in a minute. I did not take this "
                "one; send it again in a while."
            )
        else:
            return None
        now_s = self._clock()
        notify_sender = now_s - known.reported_s >= _REPORT_EVERY_S
        if notify_sender:
            known.reported_s = now_s
        return Refusal(reason, notify_sender)

    def _known(self, sender: Hashable) -> _Sender:
        if len(self._senders) >= _MAX_KNOWN:
            self._senders.clear()
        if sender not in self._senders:
            allowance = TokenBucket(self._per_minute, self._per_minute / 60, self._clock)
            self._senders[sender] = _Sender(allowance)
        return self._senders[sender]

"""A token bucket: a burst at once, then a steady rate. Standard library only."""

import time
from collections.abc import Callable


class TokenBucket:
    """Holds up to *burst* tokens and gains *per_s* each second; not safe across threads."""

    def __init__(
        self, burst: float, per_s: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Start full; *clock* returns seconds and never goes back."""
        self._burst = burst
        self._per_s = per_s
        self._clock = clock
        self._tokens = burst
        self._refilled_s = clock()

    def take(self) -> bool:
        """Take one token; return whether there was one."""
        now_s = self._clock()
        gained = (now_s - self._refilled_s) * self._per_s
        self._tokens = min(self._burst, self._tokens + gained)
        self._refilled_s = now_s
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True

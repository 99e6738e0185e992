"""Measures how long something took, however busy the machine is."""

import contextlib
import time
from pathlib import Path

_SCHEDSTAT = Path("/proc/thread-self/schedstat")


class Stopwatch:
    """Seconds since its creation, without those in which this thread waited for a processor.

    Only Linux counts the latter; elsewhere it is the time by the clock.
    """

    def __init__(self) -> None:
        """Start."""
        self._started_s = _own_time_s()

    @property
    def elapsed_s(self) -> float:
        """Seconds since the start."""
        return _own_time_s() - self._started_s


def _own_time_s() -> float:
    waited_ns = 0
    with contextlib.suppress(OSError):
        # Time on the processor, time in its queue. Source: Documentation/scheduler/sched-stats.rst
        waited_ns = int(_SCHEDSTAT.read_text().split()[1])
    return time.monotonic() - waited_ns / 1e9

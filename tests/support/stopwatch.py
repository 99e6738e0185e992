"""Measures how long something took, however busy the machine is."""

import contextlib
import threading
import time
from pathlib import Path

_THREADS = Path("/proc/self/task")


class Stopwatch:
    """Seconds since it was made, without those spent waiting for a processor.

    That is, by this thread, and by the one other thread of the process that waited longest and may
    have held it up. Only Linux counts this; elsewhere it is the time by the clock.
    """

    def __init__(self) -> None:
        """Start."""
        self._started_s = time.monotonic()
        self._waited_s = _waited_s()

    @property
    def elapsed_s(self) -> float:
        """Seconds since the start."""
        now_s, own = time.monotonic(), threading.get_native_id()
        waited_s = {
            thread: total_s - self._waited_s.get(thread, 0.0)
            for thread, total_s in _waited_s().items()
        }
        own_s = waited_s.pop(own, 0.0)
        return now_s - self._started_s - own_s - max(waited_s.values(), default=0.0)


def _waited_s() -> dict[int, float]:
    """Return how long each thread has waited for a processor."""
    waited_s = {}
    for thread in _THREADS.glob("*"):
        with contextlib.suppress(OSError):  # it has just ended
            # Nanoseconds on a processor, and in its queue. Source: kernel.org, sched-stats.
            waited_s[int(thread.name)] = int((thread / "schedstat").read_text().split()[1]) / 1e9
    return waited_s

"""How long the computer has slept. Runs on: any thread."""

import sys
import time

if sys.platform == "darwin":
    # The first counts sleep, the second does not. Source: clock_gettime(3) of macOS.
    _WITH_SLEEP, _WITHOUT_SLEEP = time.CLOCK_MONOTONIC, time.CLOCK_UPTIME_RAW
else:
    # Source: clock_gettime(2) of Linux.
    _WITH_SLEEP, _WITHOUT_SLEEP = time.CLOCK_BOOTTIME, time.CLOCK_MONOTONIC


def time_asleep_s() -> float:
    """Return how long the computer has slept since it was booted, in seconds.

    Setting the clock does not change it.
    """
    return time.clock_gettime(_WITH_SLEEP) - time.clock_gettime(_WITHOUT_SLEEP)

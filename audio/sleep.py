"""How long the computer has slept. Any thread."""

import sys
import time

if sys.platform == "darwin":
    # Goes on during sleep, and stands still during sleep. Source: clock_gettime(3) of macOS.
    _ALWAYS, _AWAKE = time.CLOCK_MONOTONIC, time.CLOCK_UPTIME_RAW
else:
    # Source: clock_gettime(2) of Linux.
    _ALWAYS, _AWAKE = time.CLOCK_BOOTTIME, time.CLOCK_MONOTONIC


def time_asleep_s() -> float:
    """Return for how long the computer has slept since it was started, in seconds.

    Setting the clock does not change it.
    """
    return time.clock_gettime(_ALWAYS) - time.clock_gettime(_AWAKE)

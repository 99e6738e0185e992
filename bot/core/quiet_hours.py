"""When it has to be quiet: muted until a time, or in the quiet hours. Pure but for the clock."""

import datetime as dt
import math
import re
from collections.abc import Callable

FOR_GOOD = math.inf
"""Muted until someone ends it."""

_SPAN = re.compile(r"(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>m|min|minutes?|h|hours?|d|days?)?")
_SAME_DAY = dt.timedelta(hours=20)
_UNIT_S = {"m": 60.0, "h": 3600.0, "d": 86400.0}


class QuietHours:
    """Knows whether something may be spoken now."""

    def __init__(
        self, hours: str, now: Callable[[], dt.datetime] = lambda: dt.datetime.now().astimezone()
    ) -> None:
        """Be quiet in *hours*, such as ``22:00-07:00``; empty is never."""
        self._now = now
        begin, _, end = hours.partition("-")
        self._hours = (_time(begin), _time(end)) if hours else None
        self._muted_until = 0.0

    def mute(self, until: float) -> None:
        """Be quiet until *until*, in seconds since 1970; 0 ends it."""
        self._muted_until = until

    def reason(self, *, urgent: bool = False) -> str:
        """Return why it is quiet now; empty where it is not. Quiet hours let the urgent pass."""
        now = self._now()
        if now.timestamp() < self._muted_until:
            if self._muted_until == FOR_GOOD:
                return "Muted until /unmute."
            try:
                until = dt.datetime.fromtimestamp(self._muted_until, now.tzinfo)
            except (ValueError, OverflowError, OSError):  # further off than any calendar
                return "Muted until /unmute."
            far = until - now > _SAME_DAY
            return f"Muted until {until:%-d %B, %H:%M}." if far else f"Muted until {until:%H:%M}."
        if self._hours is None or urgent:
            return ""
        begin, end = self._hours
        time = now.time()
        inside = begin <= time < end if begin <= end else time >= begin or time < end
        return f"Quiet hours until {end:%H:%M}." if inside else ""


def span_s(text: str) -> float | None:
    """Return the length of a span such as ``2h`` or ``90 min``; None where it is none."""
    match = _SPAN.fullmatch(text.strip().lower())
    if match is None:
        return None
    unit = (match["unit"] or "m")[0]
    return float(match["number"]) * _UNIT_S[unit]


def _time(text: str) -> dt.time:
    hour, _, minute = text.partition(":")
    return dt.time(int(hour), int(minute))

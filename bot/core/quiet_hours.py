"""When it has to be quiet: while muted, and in the quiet hours. Pure, except for the clock."""

import datetime as dt
import math
import re
from collections.abc import Callable

FOR_GOOD = math.inf
"""Muted until an /unmute."""

_SPAN = re.compile(
    r"(?P<number>\d+(?:\.\d+)?)\s*"
    r"(?P<unit>s|sec|seconds?|m|min|minutes?|h|hours?|d|days?)?"
)
_CLOCK = re.compile(r"until\s+(?P<hour>[01]?\d|2[0-3])(?::(?P<minute>[0-5]\d))?")
_SAME_DAY = dt.timedelta(hours=20)
_UNIT_S = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_YEAR_S = 366 * 86400.0


class DailyHours:
    """A part of each day by the clock on the wall, such as ``22:00-07:00``; may span midnight."""

    def __init__(self, hours: str) -> None:
        """Parse the hours."""
        start, _, end = hours.partition("-")
        self._start, self.end = _time(start), _time(end)

    def __contains__(self, now: dt.datetime) -> bool:
        time = now.time()
        if self._start <= self.end:
            return self._start <= time < self.end
        return time >= self._start or time < self.end

    def started_on(self, now: dt.datetime) -> dt.date:
        """Return the day on which the hours began that *now* is in."""
        before_midnight = now.time() >= self._start
        return now.date() if before_midnight else now.date() - dt.timedelta(days=1)


class QuietHours:
    """The quiet hours, and a mute."""

    def __init__(
        self, hours: str, now: Callable[[], dt.datetime] = lambda: dt.datetime.now().astimezone()
    ) -> None:
        """Parse quiet hours such as ``22:00-07:00``; empty: none."""
        self._now = now
        self._hours = DailyHours(hours) if hours else None
        self._muted_until = 0.0

    def mute(self, until: float) -> None:
        """Mute until *until*, in seconds since 1970; 0 ends a mute."""
        self._muted_until = until

    @property
    def muted(self) -> bool:
        """Whether a mute lasts."""
        return self._now().timestamp() < self._muted_until

    def reason(self, *, urgent: bool = False) -> str:
        """Return why it has to be quiet; empty otherwise. Quiet hours exempt urgent messages."""
        now = self._now()
        if now.timestamp() < self._muted_until:
            if self._muted_until == FOR_GOOD:
                return "Muted until /unmute."
            try:
                until = dt.datetime.fromtimestamp(self._muted_until, now.tzinfo)
            except (ValueError, OverflowError, OSError):  # beyond any calendar
                return "Muted until /unmute."
            far = until - now > _SAME_DAY
            return f"Muted until {until:%-d %B, %H:%M}." if far else f"Muted until {until:%H:%M}."
        if self._hours is None or urgent or now not in self._hours:
            return ""
        return f"Quiet hours until {self._hours.end:%H:%M}."


def span_s(text: str) -> float | None:
    """Return the seconds of a time span such as ``2h`` or ``90 min``; None if it is invalid."""
    match = _SPAN.fullmatch(text.strip().lower())
    if match is None:
        return None
    unit = (match["unit"] or "m")[0]
    return float(match["number"]) * _UNIT_S[unit]


def mute_s(text: str, now: dt.datetime) -> float | None:
    """Return for how many seconds a mute such as ``2h`` or ``until 7:00`` lasts.

    Args:
        text: empty: until an /unmute.
        now: in local time, with its zone.

    Returns:
        `FOR_GOOD` if that is more than a year; None if it is invalid.
    """
    text = " ".join(text.lower().split())
    if match := _CLOCK.fullmatch(text):
        local = now.replace(tzinfo=None)
        time = dt.time(int(match["hour"]), int(match["minute"] or 0))
        until = dt.datetime.combine(local, time)
        until += dt.timedelta(days=until <= local)
        return until.astimezone().timestamp() - now.timestamp()
    span = span_s(text) if text else FOR_GOOD
    if span is None or span <= 0:
        return None
    return FOR_GOOD if span > _YEAR_S else span


def _time(text: str) -> dt.time:
    hour, _, minute = text.partition(":")
    return dt.time(int(hour), int(minute))

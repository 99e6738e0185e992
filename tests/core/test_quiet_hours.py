"""Quiet hours and mutes: their times and exceptions."""

import datetime as dt
import math

import pytest

from bot.core.quiet_hours import QuietHours, span_s


def test_quiet_hours_span_midnight_and_admit_urgent_messages() -> None:
    """Quiet from ten to seven except for urgent messages; a mute is quiet for all."""
    now = [dt.datetime(2026, 11, 23, 23, 0, tzinfo=dt.UTC)]
    quiet = QuietHours("22:00-07:00", now=lambda: now[0])
    assert quiet.reason() == "Quiet hours until 07:00."
    assert quiet.reason(urgent=True) == ""
    now[0] = dt.datetime(2026, 11, 24, 7, 0, tzinfo=dt.UTC)
    assert quiet.reason() == ""
    quiet.mute(now[0].timestamp() + 2 * 3600)
    assert quiet.reason() == "Muted until 09:00."
    quiet.mute(now[0].timestamp() + 48 * 3600)
    assert quiet.reason() == "Muted until 26 November, 07:00."
    quiet.mute(math.inf)
    assert quiet.reason(urgent=True) == "Muted until /unmute."


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("2h", 7200), ("30m", 1800), ("90 min", 5400), ("45", 2700), ("1.5h", 5400), ("x", None)],
)
def test_span_s_parses_hours_and_minutes(text: str, seconds: float | None) -> None:
    """Durations are parsed as people write them."""
    assert span_s(text) == seconds

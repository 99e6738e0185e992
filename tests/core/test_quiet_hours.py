"""Quiet hours and mutes: their times and exceptions."""

import datetime as dt
import math
import time
from collections.abc import Iterator

import pytest

from bot.core.quiet_hours import QuietHours, mute_s, span_s


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
    [
        ("2h", 7200),
        ("30m", 1800),
        ("90 min", 5400),
        ("45", 2700),
        ("1.5h", 5400),
        ("90s", 90),
        ("x", None),
    ],
)
def test_span_s_parses_hours_and_minutes(text: str, seconds: float | None) -> None:
    """Durations are parsed as people write them."""
    assert span_s(text) == seconds


@pytest.fixture
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Set the computer's time zone."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "Europe/Berlin")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.parametrize(
    ("text", "now", "seconds"),
    [
        ("", "2026-11-27 22:30", math.inf),
        ("1h", "2026-11-27 22:30", 3600),
        ("999d", "2026-11-27 22:30", math.inf),
        ("0m", "2026-11-27 22:30", None),
        ("until 23:00", "2026-11-27 22:30", 1800),
        ("Until  7", "2026-11-27 22:30", 8.5 * 3600),
        ("until 22:30", "2026-11-27 22:30", 24 * 3600),
        ("until 7:00", "2026-10-24 22:00", 10 * 3600),  # summer time ends meanwhile
        ("until 7:00", "2026-03-28 22:00", 8 * 3600),  # it begins meanwhile
        ("until 25:00", "2026-11-27 22:30", None),
        ("until noon", "2026-11-27 22:30", None),
    ],
)
@pytest.mark.usefixtures("berlin")
def test_mute_s_parses_a_span_or_a_time(text: str, now: str, seconds: float | None) -> None:
    """A time is the next one, by the computer's own clock."""
    assert mute_s(text, dt.datetime.fromisoformat(now).astimezone()) == seconds

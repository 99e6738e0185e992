"""What people write for a time, and when that is: also where clocks are changed."""

import datetime as dt
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core.when import When, WhenError, understand

BERLIN = ZoneInfo("Europe/Berlin")
NEW_YORK = ZoneInfo("America/New_York")
LORD_HOWE = ZoneInfo("Australia/Lord_Howe")  # its clocks change by half an hour

FRIDAY = dt.datetime(2026, 11, 27, 19, 0, 30, tzinfo=BERLIN)

# What is written on Friday, 27 November 2026 at 19:00:30, and when it is due; an instant is in UTC.
ONCE = {
    "20:15 X": "2026-11-27 20:15",
    "18:30 X": "2026-11-28 18:30",
    "at 18:30 X": "2026-11-28 18:30",
    "18:30: X": "2026-11-28 18:30",
    "6pm X": "2026-11-28 18:00",
    "6 pm X": "2026-11-28 18:00",
    "6:30 pm X": "2026-11-28 18:30",
    "6:30PM X": "2026-11-28 18:30",
    "6.30 p.m. X": "2026-11-28 18:30",
    "8 in the evening X": "2026-11-27 20:00",
    "8 in the morning X": "2026-11-28 08:00",
    "12am X": "2026-11-28 00:00",
    "12pm X": "2026-11-28 12:00",
    "noon X": "2026-11-28 12:00",
    "midnight X": "2026-11-28 00:00",
    "18h30 X": "2026-11-28 18:30",
    "18.30 X": "2026-11-28 18:30",
    "18h X": "2026-11-28 18:00",
    "18 Uhr X": "2026-11-28 18:00",
    "um 18:30 Uhr X": "2026-11-28 18:30",
    "à 18h30 X": "2026-11-28 18:30",
    "1830 X": "2026-11-28 18:30",
    "18 X": "2026-11-28 18:00",
    "20 o'clock X": "2026-11-27 20:00",
    "today 20:00 X": "2026-11-27 20:00",
    "tonight at 8 X": "2026-11-27 20:00",
    "this evening at 9 X": "2026-11-27 21:00",
    "tomorrow 8:00 X": "2026-11-28 08:00",
    "tomorrow at noon X": "2026-11-28 12:00",
    "tomorrow morning at 8 X": "2026-11-28 08:00",
    "8:00 tomorrow X": "2026-11-28 08:00",
    "friday 17:00 X": "2026-12-04 17:00",
    "Fri 21:00 X": "2026-11-27 21:00",
    "on monday at 5pm X": "2026-11-30 17:00",
    "17:00 on monday X": "2026-11-30 17:00",
    "next friday 17:00 X": "2026-12-04 17:00",
    "2026-12-24 18:00 X": "2026-12-24 18:00",
    "2026-12-24T18:00 X": "2026-12-24 18:00",
    "2026-12-24T18:00:30+01:00 X": "2026-12-24 17:00:30Z",
    "2026-12-24T17:00Z X": "2026-12-24 17:00Z",
    "24.12. 18:00 X": "2026-12-24 18:00",
    "24. 12. 18:00 X": "2026-12-24 18:00",
    "24.12.2027 18:00 X": "2027-12-24 18:00",
    "24.12.27 18h X": "2027-12-24 18:00",
    "1.2. 9:00 X": "2027-02-01 09:00",
    "29.2. 9:00 X": "2028-02-29 09:00",
    "24/12 18:00 X": "2026-12-24 18:00",
    "12/24 18:00 X": "2026-12-24 18:00",
    "24 December 18:00 X": "2026-12-24 18:00",
    "24 Dec 2026 at 18:00 X": "2026-12-24 18:00",
    "December 24 6pm X": "2026-12-24 18:00",
    "Dec 24th, 2027 6pm X": "2027-12-24 18:00",
    "on the 24th of december at 18:00 X": "2026-12-24 18:00",
    "in 20m X": "2026-11-27 18:20:30Z",
    "in 20 min X": "2026-11-27 18:20:30Z",
    "in 1h30 X": "2026-11-27 19:30:30Z",
    "in 1h 30m X": "2026-11-27 19:30:30Z",
    "in 2 hours X": "2026-11-27 20:00:30Z",
    "in two hours X": "2026-11-27 20:00:30Z",
    "in 90 seconds X": "2026-11-27 18:02Z",
    "in 5 minutes and 30 seconds X": "2026-11-27 18:06Z",
    "in half an hour X": "2026-11-27 18:30:30Z",
    "in an hour and a half X": "2026-11-27 19:30:30Z",
    "in a quarter of an hour X": "2026-11-27 18:15:30Z",
    "in 1.5 hours X": "2026-11-27 19:30:30Z",
    "in 1,5 h X": "2026-11-27 19:30:30Z",
    "in 20 Minuten X": "2026-11-27 18:20:30Z",
    "in 2 heures X": "2026-11-27 20:00:30Z",
    "in 2 days X": "2026-11-29 19:00:30",
    "in 3 weeks X": "2026-12-18 19:00:30",
}

# The same for what repeats: its rule, and the first time.
REPEATED = {
    "every day 7:15 X": ("15 7 * * *", "2026-11-28 07:15"),
    "every 7:15 X": ("15 7 * * *", "2026-11-28 07:15"),
    "daily at 7:15 X": ("15 7 * * *", "2026-11-28 07:15"),
    "every day at noon X": ("0 12 * * *", "2026-11-28 12:00"),
    "every morning at 7 X": ("0 7 * * *", "2026-11-28 07:00"),
    "every evening at 8 X": ("0 20 * * *", "2026-11-27 20:00"),
    "every weekday 7:15 X": ("15 7 * * 1-5", "2026-11-30 07:15"),
    "every weekend at 9:00 X": ("0 9 * * 6,7", "2026-11-28 09:00"),
    "every mon,wed 18:00 X": ("0 18 * * 1,3", "2026-11-30 18:00"),
    "every monday and thursday at 6pm X": ("0 18 * * 1,4", "2026-11-30 18:00"),
    "every mon-fri 18h30 X": ("30 18 * * 1-5", "2026-11-30 18:30"),
    "every sat to mon 9:00 X": ("0 9 * * 1,6,7", "2026-11-28 09:00"),
    "weekly friday 17:00 X": ("0 17 * * 5", "2026-12-04 17:00"),
    "every month 1 9:00 X": ("0 9 1 * *", "2026-12-01 09:00"),
    "every month on the 15th at 9:00 X": ("0 9 15 * *", "2026-12-15 09:00"),
    "every month 31 9:00 X": ("0 9 L * *", "2026-11-30 09:00"),
    "every last day of the month 9:00 X": ("0 9 L * *", "2026-11-30 09:00"),
    "every 1st of the month 9:00 X": ("0 9 1 * *", "2026-12-01 09:00"),
    "every year 24.12. 18:00 X": ("0 18 24 12 *", "2026-12-24 18:00"),
    "every 24 december 18:00 X": ("0 18 24 12 *", "2026-12-24 18:00"),
    "every 2 hours X": ("@every 7200", "2026-11-27 20:00:30Z"),
    "every hour X": ("@every 3600", "2026-11-27 19:00:30Z"),
    "every half hour X": ("@every 1800", "2026-11-27 18:30:30Z"),
    "every 10 minutes X": ("@every 600", "2026-11-27 18:10:30Z"),
}

# What is refused, and a part of the reason.
REFUSED = {
    "": "I see no time in “”. Such as: 18:30",
    "Dinner at six": "I see no time in “Dinner at six”",
    "6 X": "6 may be in the morning or in the evening. Write 6:00, 6am or 6pm.",
    "6 o'clock X": "6 may be in the morning",
    "25:00 X": "There is no time “25:00”",
    "18:75 X": "There is no time “18:75”",
    "13pm X": "There is no time “13pm”",
    "18:30:15 X": "I see no time",
    "today 8:00 X": "“today 8:00” is over; it is 19:00 now.",
    "2025-01-01 10:00 X": "“2025-01-01 10:00” is over",
    "2026-13-01 10:00 X": "There is no “2026-13-01 10:00”",
    "24.12. X": "At what time? Such as: 18:30",
    "31.11. 18:00 X": "There is no day “31.11.”",
    "5/6 18:00 X": "5/6 may be a day of two months. Write 5.6. or 6.5., the day first.",
    "2031-01-01 10:00 X": "more than two years ahead",
    "29.2.2027 9:00 X": "There is no day “29.2.2027”",
    "in X": "I don't see how long in “in X”. Such as: in 20m",
    "in 20 eggs": "I don't see how long in “in 20 eggs”",
    "in 0m X": "That is now.",
    "in 999999 weeks X": "more than two years ahead",
    "every": "I see no time of day in “every”",
    "every day X": "I see no time of day in “every day X”. Such as: every day 7:15",
    "every other day 9:00 X": "I see no time of day",
    "every 2 days 9:00 X": "I can't count days or weeks.",
    "every week 9:00 X": "On which day? Such as: every friday 17:00",
    "yearly 9:00 X": "On which day?",
    "every month 9:00 X": "On which day of the month?",
    "every month 32 9:00 X": "No month has a day 32.",
    "every 30 seconds X": "That is too often: once a minute at most.",
    "every tomorrow 9:00 X": "I see no time of day",
}


def time(text: str) -> dt.datetime:
    """Return a time of the tables."""
    return dt.datetime.fromisoformat(text)


@pytest.mark.parametrize("text", ONCE)
def test_understand_takes_a_time(text: str) -> None:
    """Each way to write a time is understood, and the text after it is left."""
    when, rest = understand(text, FRIDAY)

    assert (when, rest) == (When(time(ONCE[text])), "X")


@pytest.mark.parametrize("text", REPEATED)
def test_understand_takes_a_rule(text: str) -> None:
    """Each way to write a rule is understood, and the text after it is left."""
    rule, first = REPEATED[text]

    assert understand(text, FRIDAY) == (When(time(first), rule), "X")


@pytest.mark.parametrize("text", REFUSED)
def test_understand_refuses_what_is_no_time(text: str) -> None:
    """The reason says what is wrong, with an example."""
    with pytest.raises(WhenError) as refused:
        understand(text, FRIDAY)

    assert REFUSED[text] in str(refused.value)


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ("18:30 Today is the day", "Today is the day"),
        ("18:30 Friday prayers", "Friday prayers"),
        ("in 20m 5 m of cable", "5 m of cable"),
        ("in 20m\n\nTwo\nlines", "Two\nlines"),
        ("18:30 !The bath", "!The bath"),
        ("18:30. Dinner", "Dinner"),
        ("every hour 5 minutes of rest", "5 minutes of rest"),
        ("8:00 On Friday we pray", "On Friday we pray"),
    ],
)
def test_understand_leaves_the_text(text: str, rest: str) -> None:
    """As little as possible of the text is taken for a part of the time."""
    assert understand(text, FRIDAY)[1] == rest


_PIECES = st.sampled_from(
    (
        "at in on every each the next of and half a day week month year weekday hours h m s min pm"
        " am . : / , - 0 1 2 7 9 12 18 24 30 31 59 60 75 99 2026 2027 9999 mon fri sun dec february"
        " 29 tomorrow today tonight noon midnight last first 1st 31st T Z +14:00 -23:59 !"
    ).split()
)
_CHANGE_S = int(dt.datetime(2026, 10, 25, 1, tzinfo=dt.UTC).timestamp())  # in Berlin


@given(
    text=st.one_of(
        st.text(max_size=30),
        st.lists(_PIECES, max_size=8).map(" ".join),
        st.lists(_PIECES, max_size=8).map("".join),
    ),
    now_s=st.one_of(
        st.integers(0, 250_000_000_000),  # until the year 9892
        st.integers(_CHANGE_S - 7200, _CHANGE_S + 7200),
    ),
    zone=st.sampled_from([BERLIN, NEW_YORK, LORD_HOWE, dt.UTC]),
)
def test_understand_never_fails_and_never_returns_the_past(
    text: str, now_s: int, zone: dt.tzinfo
) -> None:
    """Whatever is written is a time to come, also after that, or is refused with a sentence."""
    now = dt.datetime.fromtimestamp(now_s, zone)
    try:
        when, rest = understand(text, now)
    except WhenError:
        return
    due_at = when.due_at(zone)
    assert due_at > now.timestamp()
    assert text.strip().endswith(rest)
    assert when.words(now)
    then = dt.datetime.fromtimestamp(due_at + 1e6, zone)
    assert when.due_at(zone) <= when.latest(then).due_at(zone) <= then.timestamp()
    if following := when.following(then):
        assert following.due_at(zone) > then.timestamp()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("20:15", "Today at 20:15"),
        ("18:30", "Tomorrow at 18:30"),
        ("tue 18:30", "On Tuesday at 18:30"),
        ("24.12. 18:00", "On Thursday, 24 December at 18:00"),
        ("24.12.2027 18:00", "On Friday, 24 December 2027 at 18:00"),
        ("in 20m", "Today at 19:20"),
        ("every weekday 7:15", "At 07:15 on Monday through Friday, next on Monday at 07:15"),
        ("every 2 hours", "Every 2 hours, next today at 21:00"),
        ("every 1h30", "Every 90 minutes, next today at 20:30"),
    ],
)
def test_when_is_put_into_words(text: str, words: str) -> None:
    """A person reads what was understood."""
    assert understand(text, FRIDAY)[0].words(FRIDAY) == words


# A zone, the day of a change, a time that it leaves out or repeats, and that time's due times as
# seen from the day before: as written, and in UTC.
CHANGES = [
    (BERLIN, "2026-03-29", "2:30", "2026-03-29 01:30Z"),  # 3:30
    (BERLIN, "2026-10-25", "2:30", "2026-10-25 00:30Z"),  # the first
    (NEW_YORK, "2026-03-08", "2:30", "2026-03-08 07:30Z"),  # 3:30
    (NEW_YORK, "2026-11-01", "1:30", "2026-11-01 05:30Z"),  # the first
    (LORD_HOWE, "2026-10-04", "2:15", "2026-10-03 15:45Z"),  # 2:45
    (LORD_HOWE, "2026-04-05", "1:45", "2026-04-04 14:45Z"),  # the first
]


@pytest.mark.parametrize(("zone", "day", "hour", "due"), CHANGES)
def test_when_is_due_once_on_the_day_of_a_change(
    zone: ZoneInfo, day: str, hour: str, due: str
) -> None:
    """A rule is due once on each day; a time that is left out is later by as much."""
    start = dt.datetime.fromisoformat(day).replace(tzinfo=zone) - dt.timedelta(hours=18)
    once = understand(hour, start)[0]
    when = understand(f"every day {hour}", start)[0]
    times = []
    for minutes in range(0, 60 * 60, 5):
        now = dt.datetime.fromtimestamp(start.timestamp() + 60 * minutes, zone)
        if when.due_at(zone) <= now.timestamp():
            times.append(when.latest(now).due_at(zone))
            following = when.following(now)
            assert following is not None
            when = following

    assert once.due_at(zone) == time(due).timestamp()
    assert [dt.datetime.fromtimestamp(time_, zone).date().isoformat() for time_ in times] == [
        day,
        (dt.date.fromisoformat(day) + dt.timedelta(days=1)).isoformat(),
    ]
    assert times[0] == time(due).timestamp()


def test_understand_takes_the_second_of_two_times_after_the_first() -> None:
    """In the hour that comes again, its times are still to come."""
    now = dt.datetime(2026, 10, 25, 2, 40, tzinfo=BERLIN)  # the first 2:40

    assert understand("2:30", now)[0].due_at(BERLIN) == time("2026-10-25 01:30Z").timestamp()
    assert understand("2:50", now)[0].due_at(BERLIN) == time("2026-10-25 00:50Z").timestamp()


def test_rule_set_in_the_hour_that_comes_again_begins_on_the_next_day() -> None:
    """Only the first of two times counts for a rule."""
    now = dt.datetime(2026, 10, 25, 2, 10, tzinfo=BERLIN, fold=1)

    assert understand("every day 2:30", now)[0].due == time("2026-10-26 02:30")


def test_rule_is_not_due_yet_while_its_time_is_left_out() -> None:
    """At 3:10, 2:30 is still to come, since it is 3:30 on that day."""
    when = When(time("2026-03-27 02:30"), "30 2 * * *")
    now = dt.datetime(2026, 3, 29, 3, 10, tzinfo=BERLIN)
    following = when.following(now)

    assert when.latest(now).due == time("2026-03-28 02:30")
    assert following is not None
    assert following.due == time("2026-03-29 02:30")


def test_when_on_the_wall_clock_follows_a_traveller() -> None:
    """7:15 is 7:15 wherever the computer is; an instant stays where it is."""
    wall, instant = understand("tomorrow 7:15", FRIDAY)[0], understand("in 20m", FRIDAY)[0]

    assert wall.due_at(NEW_YORK) - wall.due_at(BERLIN) == 6 * 3600
    assert instant.due_at(NEW_YORK) == instant.due_at(BERLIN)


@pytest.mark.parametrize("text", ["every day 7:15", "every 10 minutes"])
def test_latest_skips_what_was_missed(text: str) -> None:
    """Of what was missed in a year, the last time counts, and the next is to come."""
    when = understand(text, FRIDAY)[0]
    now = FRIDAY + dt.timedelta(days=365, minutes=3)
    following = when.following(now)

    assert following is not None
    last_at = when.latest(now).due_at(BERLIN)
    assert last_at <= now.timestamp() < following.due_at(BERLIN)
    assert following.due_at(BERLIN) - last_at in (86400, 600)

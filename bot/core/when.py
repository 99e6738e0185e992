"""When a reminder is due: the words of a person -> a time, or a rule that repeats. Pure.

A due time without an offset is on this computer's wall clock, wherever the computer is by then; one
with an offset is an instant, such as that of "in 20m". A rule is a cron expression on the wall
clock, or ``@every`` and a number of seconds.
"""

import contextlib
import datetime as dt
import re
from dataclasses import dataclass

from cronsim import CronSim, CronSimError

AT_EXAMPLE = "18:30, 6:30 pm, tomorrow 8:00, friday 17:00 or 24.12. 18:00"
IN_EXAMPLE = "in 20m, in 1h30, in 2 hours or in half an hour"
EVERY_EXAMPLE = "every day 7:15, every weekday 7:15, every mon,wed 18:00 or every 2 hours"

_LONGEST_S = 2 * 366 * 86400.0
_SHORTEST_S = 60.0
"""How much time is between two of a rule at least."""

_EVERY = "@every "
_ANY_DAY = "* * *"
_SHOWN_CHARS = 40
_NOON = 12


class WhenError(ValueError):
    """A time is not understood, or can't be; the message says why, with an example."""


@dataclass(frozen=True, slots=True)
class When:
    """When something is due, and by which rule it is due again."""

    due: dt.datetime
    """Naive: on this computer's wall clock; aware: an instant."""
    rule: str = ""
    """Empty: once."""

    def due_at(self, zone: dt.tzinfo) -> float:
        """Return when it is due, in seconds since 1970.

        A time that the clocks skip in spring is read as if they did not, so that 2:30 is 3:30; of a
        time that comes twice in autumn, the first counts. Source: RFC 5545, 3.3.5.
        """
        return (self.due if self.due.tzinfo else self.due.replace(tzinfo=zone)).timestamp()

    def latest(self, now: dt.datetime) -> "When":
        """Return the last time that it was due until *now*, which is not before `due`."""
        if every_s := self._every_s:
            times = (now - self.due).total_seconds() // every_s
            return When(self.due + dt.timedelta(seconds=times * every_s), self.rule)
        if self.rule:
            after = now.replace(tzinfo=None, second=0, microsecond=0) + dt.timedelta(minutes=1)
            for due in CronSim(self.rule, after, reverse=True):
                when = When(due, self.rule)
                if due <= self.due:
                    break
                if when.due_at(_zone(now)) <= now.timestamp():
                    return when
        return self

    def following(self, now: dt.datetime) -> "When | None":
        """Return when it is due after *now*, which is not before `due`; None if never."""
        if every_s := self._every_s:
            return When(self.latest(now).due + dt.timedelta(seconds=every_s), self.rule)
        return _first(self.rule, now) if self.rule else None

    def words(self, now: dt.datetime) -> str:
        """Return when it is due, as people say it, such as ``Tomorrow at 18:30``."""
        zone = _zone(now)
        due = _in_words(dt.datetime.fromtimestamp(self.due_at(zone), zone), now)
        if every_s := self._every_s:
            return f"Every {_span_in_words(every_s)}, next {due[0].lower()}{due[1:]}"
        if self.rule:
            rule = CronSim(self.rule, self.due).explain()
            return f"{rule}, next {due[0].lower()}{due[1:]}"
        return due

    @property
    def _every_s(self) -> float:
        """The seconds of a rule that counts them; 0 if it does not."""
        return float(self.rule.removeprefix(_EVERY)) if self.rule.startswith(_EVERY) else 0.0


def understand(text: str, now: dt.datetime) -> tuple[When, str]:
    """Return when the words at the beginning of a text say, and the rest of the text.

    Args:
        text: such as ``18:30 Dinner``, ``in 20m Turn the oven off``, ``every weekday 7:15 Up!``.
        now: the time, in the zone of this computer.

    Raises:
        WhenError: they say no time, an ambiguous one, or one that can't be.
    """
    words = _Words(text)
    try:
        if words.take("in"):
            when = _in(words, now)
        elif words.peek("every|each|daily|hourly|weekly|monthly|yearly"):
            when = _every(words, now)
        else:
            when = _at(words, now)
        is_too_far = when.due_at(_zone(now)) - now.timestamp() > _LONGEST_S
    except (OverflowError, CronSimError):  # beyond any calendar
        is_too_far = True
    if is_too_far:
        raise WhenError("That is more than two years ahead. Choose a time before.")
    return when, words.rest


# ---- words ----

_WEEKDAYS = "mon tue wed thu fri sat sun".split()
_WEEKDAY = (
    r"(mon(?:days?)?|tue(?:s(?:days?)?)?|wed(?:nesdays?)?|thu(?:rs(?:days?)?)?|fri(?:days?)?"
    r"|sat(?:urdays?)?|sun(?:days?)?)"
)
_MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec".split()
_MONTH = (
    r"(jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?"
    r"|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\.?"
)
_ORDINAL = r"(\d{1,2})(?:st|nd|rd|th)?"
_NO_TIME = r"(?![:.h]\d|\s*[ap]\.?m\b)"
"""What follows a number that is a day, and not an hour."""
_HALF = "(morning|afternoon|evening|night)"

_NUMBERS = "one two three four five six seven eight nine ten eleven twelve".split()
_UNITS_S = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_UNIT = (
    r"(s(?:ec(?:onde?)?s?|ek(?:unden?)?)?|m(?:in(?:ute)?[sn]?)?"
    r"|h(?:(?:ou)?rs?|eures?)?|std|stunden?|d(?:ays?)?|tage?n?|jours?|w(?:eeks?)?|wochen?|semaines?)"
)
_OTHER_UNITS = {"std": "h", "stu": "h", "tag": "d", "jou": "d", "sem": "w"}


class _Words:
    """A text whose beginning is being understood."""

    def __init__(self, text: str) -> None:
        self.given = self.rest = text.strip()

    def peek(self, pattern: str) -> re.Match[str] | None:
        """Match whole words at the beginning."""
        return re.match(rf"(?:{pattern})(?!\w)(?:[\s,;:]|\.(?=\s|\Z))*", self.rest, re.IGNORECASE)

    def take(self, pattern: str) -> re.Match[str] | None:
        """Match whole words at the beginning, and remove them."""
        if match := self.peek(pattern):
            self.rest = self.rest[match.end() :]
        return match

    @property
    def taken(self) -> str:
        """What was removed, as an error quotes it."""
        return _quoted(self.given[: len(self.given) - len(self.rest)])


def _quoted(text: str) -> str:
    line = " ".join(text.split()).rstrip(",;:")
    return f"“{line[:_SHOWN_CHARS]}…”" if len(line) > _SHOWN_CHARS else f"“{line}”"


def _zone(now: dt.datetime) -> dt.tzinfo:
    assert now.tzinfo is not None  # noqa: S101  # see `understand`
    return now.tzinfo


# ---- at ----


@dataclass(frozen=True, slots=True)
class _Day:
    """A date, or the last three fields of a cron expression."""

    date: dt.date | None = None
    cron: str = _ANY_DAY
    half: str = ""
    """Its half in which an hour is that does not say so: a, p, or empty if it is unknown."""


def _at(words: _Words, now: dt.datetime) -> When:
    words.take("at|um|à")
    if (instant := _instant(words)) is not None:
        return When(_to_come(instant, now, words))
    day = _day(words, now)
    words.take("at|um|à")
    time = _time(words, day.half if day else "")
    if time is None:
        asked = "At what time?" if day else f"I see no time in {_quoted(words.given)}."
        raise WhenError(f"{asked} Such as: {AT_EXAMPLE}.")
    behind = rf"today|tonight|tomorrow|on\s+(?:{_WEEKDAY}|\d.*|{_MONTH})"
    if day is None and words.rest[:1].islower() and words.peek(behind):  # else a text begins
        day = _day(words, now)
    day = day or _Day()
    if day.date is not None:
        return When(_to_come(dt.datetime.combine(day.date, time), now, words))
    for due in _times(f"{time.minute} {time.hour} {day.cron}", now):
        with contextlib.suppress(WhenError):  # it is over
            return When(_to_come(due, now, words))
    raise OverflowError


def _instant(words: _Words) -> dt.datetime | None:
    """Take a date and time of ISO 8601."""
    match = words.take(
        r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d(?::\d\d(?:[.,]\d{1,6})?)?)\s?(Z|[+-]\d\d:?\d\d)?"
        r"(?![:.+-]?\d)"
    )
    if match is None:
        return None
    try:
        return dt.datetime.fromisoformat(f"{match[1]}T{match[2]}{match[3] or ''}".upper())
    except ValueError as exc:
        raise WhenError(f"There is no {words.taken}: {exc}.") from exc


def _to_come(due: dt.datetime, now: dt.datetime, words: _Words) -> dt.datetime:
    """Return a due time that is after *now*; of one that comes twice, maybe the second.

    Raises:
        WhenError: it is over.
    """
    if When(due).due_at(_zone(now)) > now.timestamp():
        return due
    second = due if due.tzinfo else due.replace(tzinfo=_zone(now), fold=1)
    if second.timestamp() > now.timestamp():
        return second.astimezone(dt.UTC)
    raise WhenError(f"{words.taken} is over; it is {now:%H:%M} now. Such as: {AT_EXAMPLE}.")


def _times(rule: str, now: dt.datetime) -> CronSim:
    """Return the times of a cron expression on the wall clock, from a bit before *now* on.

    Where the clocks change, what they have passed may be still to come, or come again.
    """
    return CronSim(rule, now.replace(tzinfo=None) - dt.timedelta(hours=2))


def _first(rule: str, now: dt.datetime) -> When:
    """Return when a cron expression is due first after *now*."""
    for due in _times(rule, now):
        if (when := When(due, rule)).due_at(_zone(now)) > now.timestamp():
            return when
    raise OverflowError


def _day(words: _Words, now: dt.datetime) -> _Day | None:
    """Take a day."""
    if match := words.take(rf"tonight|this\s+{_HALF}|(?:today|tomorrow)(?:\s+{_HALF})?"):
        date = now.date() + dt.timedelta(days=match[0].lower().startswith("tomorrow"))
        part = "night" if match[0].lower().startswith("tonight") else match[1] or match[2]
        return _Day(date, half=_half(part or ""))
    if match := words.take(rf"(?:on\s+)?(?:next\s+|this\s+)?{_WEEKDAY}(?:\s+{_HALF})?"):
        return _Day(cron=f"* * {_weekday(match[1])}", half=_half(match[2] or ""))
    words.take(r"on(?:\s+the)?(?=\s+\S*\d|\s+[a-z]+\.?\s+\d)")
    if match := words.take(r"(\d{4})-(\d{1,2})-(\d{1,2})"):
        return _date(match[0], match[3], match[2], match[1])
    if match := words.take(r"(\d{1,2})\.\s?(\d{1,2})\.(\d{4}|\d\d)?(?![:.h]?\d)"):
        return _date(match[0], match[1], match[2], match[3])
    if match := words.take(r"(\d{1,2})/(\d{1,2})(?:/(\d{4}))?(?!/)"):
        return _date(match[0], *_told_apart(match[1], match[2]), match[3])
    if match := words.take(rf"{_ORDINAL}\.?\s+(?:of\s+)?{_MONTH}(?:\s+(\d{{4}}))?"):
        return _date(match[0], match[1], match[2], match[3])
    if match := words.take(rf"{_MONTH}\s+{_ORDINAL}(?:,?\s+(\d{{4}}))?{_NO_TIME}"):
        return _date(match[0], match[2], match[1], match[3])
    return None


def _half(part: str) -> str:
    return ("a" if part.lower() == "morning" else "p") if part else ""


def _told_apart(first: str, second: str) -> tuple[str, str]:
    """Return day and month of ``24/12`` or ``12/24``."""
    if int(first) > len(_MONTHS) or first == second:
        return first, second
    if int(second) > len(_MONTHS):
        return second, first
    raise WhenError(
        f"{first}/{second} may be a day of two months. Write {first}.{second}. or "
        f"{second}.{first}., the day first."
    )


def _date(given: str, day: str, month: str, year: str | None) -> _Day:
    """Return a date; without a year, that of every year."""
    try:
        is_number = month.isdecimal()
        number = int(month) if is_number else _MONTHS.index(month[:3].lower()) + 1
        if year:
            return _Day(dt.date(int(year) + (2000 if len(year) == 2 else 0), number, int(day)))  # noqa: PLR2004  # two digits
        dt.date(2000, number, int(day))  # a leap year
        return _Day(cron=f"{int(day)} {number} *")
    except ValueError as exc:
        raise WhenError(f"There is no day {_quoted(given)}. Such as: {AT_EXAMPLE}.") from exc


def _weekday(name: str) -> int:
    """Return the number of a weekday in cron, which calls a Sunday 7, too."""
    return _WEEKDAYS.index(name[:3].lower()) + 1


def _time(words: _Words, half: str) -> dt.time | None:
    """Take a time of day.

    Args:
        words: where it is.
        half: the half of the day of an hour that does not say so, as in `_Day`.
    """
    if words.take("noon|midday"):
        return dt.time(_NOON)
    if words.take("midnight"):
        return dt.time(0)
    part = r"(?:([ap])\.?m\b|in\s+the\s+(morning|afternoon|evening))"
    if match := words.take(rf"(\d{{1,2}})(?:[:.h](\d\d))?\s*{part}"):
        return _time_of(match[0], match[1], match[2], (match[3] or _half(match[4])).lower())
    if match := words.take(r"(\d{1,2})[:.h](\d\d)(?:\s*(?:uhr|h))?(?![:.,]?\d)"):
        return _time_of(match[0], match[1], match[2])
    if match := words.take(r"(\d{1,2})\s*(?:h|uhr)"):
        return _time_of(match[0], match[1])
    if match := words.take(r"([01]\d|2[0-3])([0-5]\d)(?![:./-]?\d)"):
        return _time_of(match[0], match[1], match[2])
    if match := words.take(r"(\d{1,2})(?:\s*o['’]?clock)?(?![:./-]?\d)"):
        is_half = int(match[1]) <= _NOON
        if is_half and not half:
            raise WhenError(
                f"{match[1]} may be in the morning or in the evening. Write {match[1]}:00, "
                f"{match[1]}am or {match[1]}pm."
            )
        return _time_of(match[0], match[1], half=half if is_half else "")
    return None


def _time_of(given: str, hour: str, minute: str | None = None, half: str = "") -> dt.time:
    """Return a time of day.

    Args:
        given: as it was written.
        hour: of the day, or of its half.
        minute: None: the full hour.
        half: of the day: a or p; empty: the hour counts from midnight.
    """
    try:
        number = int(hour)
        if half:
            if not 1 <= number <= _NOON:
                raise ValueError(hour)
            number = number % _NOON + (_NOON if half == "p" else 0)
        return dt.time(number, int(minute or 0))
    except ValueError as exc:
        raise WhenError(f"There is no time {_quoted(given)}. Such as: {AT_EXAMPLE}.") from exc


# ---- in ----


@dataclass(frozen=True, slots=True)
class _Span:
    seconds: float
    in_days: bool
    """Whether it counts days or weeks, some of which are an hour shorter or longer."""


def _in(words: _Words, now: dt.datetime) -> When:
    span = _span(words)
    if span is None:
        raise WhenError(f"I don't see how long in {_quoted(words.given)}. Such as: {IN_EXAMPLE}.")
    if span.seconds < 1:
        raise WhenError(f"That is now. Such as: {IN_EXAMPLE}.")
    length = dt.timedelta(seconds=span.seconds)
    if span.in_days:
        return When(_to_come(now.replace(tzinfo=None) + length, now, words))
    return When(now.astimezone(dt.UTC) + length)


def _span(words: _Words) -> _Span | None:
    """Take a span of time, of several parts, each in a smaller unit than the one before."""
    if match := words.take(r"(\d{1,4})\s?h\s?([0-5]?\d)(?:\s?m(?:in)?)?(?![:.,]?\d)"):  # 1h30
        return _Span(3600.0 * int(match[1]) + 60.0 * int(match[2]), in_days=False)
    number = rf"(\d{{1,6}}(?:[.,]\d{{1,3}})?|half(?:\s+an?)?|an?|{'|'.join(_NUMBERS)})"
    part = rf"(?:and\s+)?(?:{number}\s*|(?:a\s+)?(quarter)\s+of\s+an\s+){_UNIT}"
    seconds, in_days, smallest_s = 0.0, False, float("inf")
    while match := words.peek(part):
        unit_s = _UNITS_S[_OTHER_UNITS.get(match[3][:3].lower(), match[3][0].lower())]
        if unit_s >= smallest_s:
            break  # the text begins with a number
        words.take(part)
        half = 0.5 if words.take(r"and\s+a\s+half") else 0.0
        seconds += (_amount((match[1] or match[2]).lower()) + half) * unit_s
        in_days = in_days or unit_s >= _UNITS_S["d"]
        smallest_s = unit_s
    return _Span(seconds, in_days) if smallest_s < float("inf") else None


def _amount(number: str) -> float:
    if number[0].isdecimal():
        return float(number.replace(",", "."))
    if number in _NUMBERS:
        return _NUMBERS.index(number) + 1.0
    return {"h": 0.5, "q": 0.25}.get(number[0], 1.0)  # half, quarter; a, an


# ---- every ----


def _every(words: _Words, now: dt.datetime) -> When:
    if adverb := words.take("daily|hourly|weekly|monthly|yearly"):
        unit = {"d": "day", "h": "hour", "w": "week", "m": "month", "y": "year"}
        words.rest = f"{unit[adverb[0][0].lower()]} {words.rest}"
    else:
        words.take("every|each")
    if match := words.take("hour|minute"):
        span: _Span | None = _Span(_UNITS_S[match[0][0].lower()], in_days=False)
    else:
        span = _span(words)
    if span is not None:
        if span.in_days:
            raise WhenError(f"I can't count days or weeks. Such as: {EVERY_EXAMPLE}.")
        if span.seconds < _SHORTEST_S:
            raise WhenError("That is too often: once a minute at most. Such as: every 10 minutes.")
        due = now.astimezone(dt.UTC) + dt.timedelta(seconds=span.seconds)
        return When(due, f"{_EVERY}{span.seconds:g}")
    day = _days(words, now)
    words.take("at|um|à")
    time = _time(words, day.half)
    if time is None or day.date is not None:
        raise WhenError(
            f"I see no time of day in {_quoted(words.given)}. Such as: {EVERY_EXAMPLE}."
        )
    return _first(f"{time.minute} {time.hour} {day.cron}", now)


def _days(words: _Words, now: dt.datetime) -> _Day:
    """Take the days of a rule; none are all days."""
    if words.take("days?"):
        return _Day()
    if words.take(r"(?:week|work|working\s+)days?"):
        return _Day(cron="* * 1-5")
    if words.take("weekends?"):
        return _Day(cron="* * 6,7")
    if match := words.take(_HALF):
        return _Day(half=_half(match[1]))
    if words.take("month") or words.peek(
        rf"(?:\d{{1,2}}(?:st|nd|rd|th)|last\s+day)(?!\s+(?:of\s+)?{_MONTH}\b)"
    ):
        return _day_of_month(words)
    unit = words.take("week|year")
    if weekdays := _weekdays(words):
        return _Day(cron=f"* * {weekdays}")
    day = _day(words, now)
    if unit and day is None:
        raise WhenError("On which day? Such as: every friday 17:00 or every year 24.12. 9:00.")
    return day or _Day()


def _day_of_month(words: _Words) -> _Day:
    match = words.take(
        rf"(?:on\s+)?(?:the\s+)?(?:day\s+)?(?:{_ORDINAL}\.?{_NO_TIME}|(first|last)(?:\s+day)?)"
    )
    if match is None:
        raise WhenError("On which day of the month? Such as: every month 1 9:00.")
    words.take(r"of\s+(?:the|each|every)\s+month")
    if match[2]:
        return _Day(cron="1 * *" if match[2].lower() == "first" else "L * *")
    day = int(match[1])
    if not 1 <= day <= 31:  # noqa: PLR2004  # days of a month
        raise WhenError(f"No month has a day {day}. Such as: every month 1 9:00.")
    return _Day(cron="L * *" if day == 31 else f"{day} * *")  # noqa: PLR2004  # likewise


def _weekdays(words: _Words) -> str:
    """Take the days of the week; return them as cron does, empty if there are none."""
    days: set[int] = set()
    to = r"(?:\s*(?:[-–]|to|through)\s*"
    while match := words.take(rf"(?:and\s+|[&/+]\s*)?(?:on\s+)?{_WEEKDAY}{to}{_WEEKDAY})?"):
        first = _weekday(match[1])
        count = (_weekday(match[2]) - first) % 7 if match[2] else 0
        days |= {(first + day - 1) % 7 + 1 for day in range(count + 1)}
    if len(days) > 2 and max(days) - min(days) == len(days) - 1:  # noqa: PLR2004  # neighbours
        return f"{min(days)}-{max(days)}" if len(days) < len(_WEEKDAYS) else "*"
    return ",".join(map(str, sorted(days)))


# ---- back into words ----


def _in_words(due: dt.datetime, now: dt.datetime) -> str:
    """Return a time as people say it; both are in the same zone."""
    days = (due.date() - now.date()).days
    if days in (0, 1):
        day = ("Today", "Tomorrow")[days]
    elif 1 < days < 7:  # noqa: PLR2004  # days of a week
        day = f"On {due:%A}"
    else:
        day = f"On {due:%A, %-d %B}" + (f" {due.year}" if due.year != now.year else "")
    return f"{day} at {due:%H:%M}"


def _span_in_words(seconds: float) -> str:
    """Return a span of time, such as ``2 hours`` or ``90 seconds``."""
    for unit, unit_s in (("hour", 3600), ("minute", 60)):
        if seconds % unit_s == 0:
            number = seconds / unit_s
            return unit if number == 1 else f"{number:g} {unit}s"
    return f"{seconds:g} seconds"

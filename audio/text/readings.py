"""The readings of the rules in `audio.text.english`: match -> words. Pure.

Numbers stay in digits where espeak reads them well: a year becomes two numbers, "19 98".
"""

import re
from collections.abc import Callable, Mapping

from audio.text.lexicon import (
    CURRENCIES,
    DECADES,
    DIGITS,
    MONTH_SHORT,
    MONTHS,
    SCALES,
    SHORTHAND,
    UNITS,
    WEEKDAYS,
)

Match = re.Match[str]


def known(words: Mapping[str, str], word: str) -> str:
    """Return the entry of a table for a word, in any case; the word itself if there is none.

    A pattern that ignores case matches letters whose lower case is another, such as a long s.
    """
    return words.get(word.casefold(), word)


def shorthand(match: Match) -> str:
    """Read a short form."""
    return known(SHORTHAND, match[0])


# ---- money ----


def price_range(match: Match) -> str:
    """Read a range: 5 to 10 dollars."""
    return f"{match['low']} to {match['high']} {CURRENCIES[match['sign']][1]}"


def single_price(match: Match) -> str:
    """Read a price that describes a thing: 50 dollar."""
    return f"{match['lead']}{match['number']} {CURRENCIES[match['sign']][0]}"


def price(match: Match) -> str:
    """Read a price: 5 dollars 50 cents, 3 million euros."""
    sign = (match["before"] or match["after"]).casefold()
    one, many, cent, cents = CURRENCIES[sign]
    number = match["number"].replace(",", "")
    if match["scale"]:
        return f"{number} {SCALES[match['scale'].casefold()]} {many}"
    units, _, fraction = number.partition(".")
    text = f"{match['number'].partition('.')[0]} {one if units == '1' else many}"
    if len(fraction) != 2 or not cents:  # noqa: PLR2004  # cents have two digits
        return f"{number} {many}" if fraction else text
    if int(fraction) == 0:
        return text
    small = f"{int(fraction)} {cent if int(fraction) == 1 else cents}"
    return small if units == "0" else f"{text} {small}"


# ---- times ----


def duration(hours: str, minutes: str) -> str:
    """Return a duration in words."""
    return (
        f"{hours} hour{'' if hours == '1' else 's'} "
        f"{int(minutes)} minute{'' if int(minutes) == 1 else 's'}"
    )


def clock_time(match: Match) -> str:
    """Read a time: 7 o'clock, 7 oh 5 PM, 19 hundred."""
    hour, minute = int(match["hour"]), int(match["minute"])
    half = (match["half"] or "").replace(".", "").upper()
    half = f" {half}" if half else ""
    if minute == 0:
        if half:
            return f"{hour}{half}"
        return f"{hour} o'clock" if 1 <= hour <= 12 else f"{hour} hundred"  # noqa: PLR2004
    minutes = f"oh {minute}" if minute < 10 else f"{minute}"  # noqa: PLR2004
    return f"{hour} {minutes}{half}"


# ---- years and dates ----


def year(number: int) -> str:
    """Split a year as it is spoken: 19 98, 19 oh 5, 19 hundred."""
    century_, rest = divmod(number, 100)
    if 2000 <= number < 2010:  # noqa: PLR2004  # two thousand five, as espeak says
        return str(number)
    if rest == 0:
        return f"{century_} hundred"
    return f"{century_} oh {rest}" if rest < 10 else f"{century_} {rest}"  # noqa: PLR2004


def season(match: Match) -> str:
    """Read a season, if the second year follows the first: 20 25 to 26."""
    first, second = int(match[1]), int(match[2])
    return f"{year(first)} to {second}" if second == (first + 1) % 100 else match[0]


def decade(tens: str) -> str:
    """Return the plural of 20, 30 and so on."""
    return DECADES[int(tens) // 10]


def ordinal(number: int) -> str:
    """Return a number as an ordinal that espeak reads, such as 3rd."""
    teen = 10 < number % 100 < 14  # noqa: PLR2004  # 11th, 12th, 13th
    return f"{number}{'th' if teen else {1: 'st', 2: 'nd', 3: 'rd'}.get(number % 10, 'th')}"


def _date(year_: str, month: int, day: int) -> str:
    text = f"{MONTHS[month - 1]} {ordinal(day)}"
    return f"{text}, {year(int(year_))}" if year_ else text


def iso_date(match: Match) -> str:
    """Read a date: November 24th, 20 26."""
    month, day = int(match["month"]), int(match["day"])
    if not (1 <= month <= 12 and 1 <= day <= 31):  # noqa: PLR2004
        return match[0]
    return _date(match["year"], month, day)


def slashed_date(*, day_first: bool) -> Callable[[Match], str]:
    """Return a function that reads 11/24/2026; *day_first* decides if both orders are possible."""

    def read(match: Match) -> str:
        first, second = int(match["first"]), int(match["second"])
        day, month = (first, second) if day_first or first > 12 else (second, first)  # noqa: PLR2004
        if month > 12:  # noqa: PLR2004  # in the order of the other country
            day, month = month, day
        if not (1 <= month <= 12 and 1 <= day <= 31):  # noqa: PLR2004
            return match[0]
        year_ = match["year"]
        return _date(f"20{year_}" if len(year_) == 2 else year_, month, day)  # noqa: PLR2004

    return read


def day_month(match: Match) -> str:
    """Read a date: the 3rd of November; without "the" if the text has it."""
    name = known(MONTH_SHORT, match["month"])
    article = "" if _THE.search(_before(match)) else "the "
    return f"{article}{ordinal(int(match['day']))} of {name}"


def month_day(match: Match) -> str:
    """Read a date: November 3rd."""
    return f"{known(MONTH_SHORT, match['month'])} {ordinal(int(match['day']))}"


def month_range(match: Match) -> str:
    """Read a range: January to March."""
    return f"{known(MONTH_SHORT, match[1])} to {known(MONTH_SHORT, match[2])}"


def weekday_range(match: Match) -> str:
    """Read a range: Monday to Friday."""
    return f"{known(WEEKDAYS, match[1])} to {known(WEEKDAYS, match[2])}"


# ---- other numbers ----


def spelled(digits: str) -> str:
    """Return digits as words."""
    return " ".join(DIGITS[int(digit)] for digit in digits)


def phone_number(match: Match) -> str:
    """Read digit by digit, with a pause between the groups."""
    groups = re.split(r"[\s\-./()]+", match[0].replace("+", "plus "))
    return ", ".join(
        " ".join(DIGITS[int(c)] if c.isdigit() else c for c in group) if group != "plus" else group
        for group in groups
        if group
    ).replace("plus, ", "plus ")


def dotted(match: Match) -> str:
    """Read an address: 192 dot 168 dot 0 dot 1."""
    return " dot ".join(match[0].split("."))


def version(match: Match) -> str:
    """Read a version: version 1 point 2."""
    return "version " + " point ".join(match[1].split("."))


def dimensions(match: Match) -> str:
    """Read two sides, those of a screen as pairs of digits: 19 20 by 10 80."""
    return " by ".join(re.sub(r"^(\d\d)([1-9]\d)$", r"\1 \2", match[side]) for side in (1, 2))


def measure(match: Match) -> str:
    """Read a number with its unit: 5 kilometres, a 60 watt bulb."""
    one, many = UNITS[match["unit"]]
    follows = match.string[match.end() : match.end() + 1]
    describes = follows == " " and _ARTICLE.search(_before(match))  # a 60 watt bulb
    return f"{match['number']} {one if match['number'] == '1' or describes else many}"


_ARTICLE = re.compile(r"\b[Aa]n? $")
_THE = re.compile(r"\b[Tt]he $")


def _before(match: Match) -> str:
    """Return the characters before a match; cheaper than a pattern that looks behind."""
    return match.string[max(0, match.start() - 5) : match.start()]


# ---- Roman numerals ----

_ROMAN = {"I": 1, "V": 5, "X": 10, "L": 50, "C": 100}


def _roman(numeral: str) -> int:
    values = [_ROMAN[char] for char in numeral]
    pairs = zip(values, [*values[1:], 0], strict=True)
    return sum(-value if value < following else value for value, following in pairs)


def century(match: Match) -> str:
    """Read a century: 14th century."""
    return f"{ordinal(_roman(match['numeral']))} {match['century']}"


def regnal_number(match: Match) -> str:
    """Read a monarch: Henry the 8th."""
    return f"{match['name']} the {ordinal(_roman(match['numeral']))}"


def numbered_title(match: Match) -> str:
    """Read a title: Chapter 4."""
    return f"{match['name']} {_roman(match['numeral'])}"

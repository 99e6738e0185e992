"""The readings of the rules in `audio.text.english`: match -> words. Pure.

Numbers stay in digits where espeak reads them well: a year becomes two numbers, "19 98".
"""

import re
import unicodedata
from collections.abc import Callable, Mapping

from audio.text.lexicon import (
    AS_LETTERS,
    BOOK_SHORT,
    CURRENCIES,
    DECADES,
    DIGITS,
    DIRECTIONS,
    FRACTIONS,
    LEADING,
    MONTH_SHORT,
    MONTHS,
    NEVER_STREETS,
    NUMERATORS,
    OPENERS,
    PARTS_OF_ONE,
    PER,
    SCALES,
    SHORTHAND,
    STREETS,
    STREETS_OR_TITLES,
    TITLES,
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
    """Read a short form; the stop of one at the end of a sentence stays."""
    short = match[0]
    if short in AS_LETTERS and not _ends_clause(match):
        return short
    if short.casefold() == "etc.":
        ends = _CAPITAL_FOLLOWS.match(match.string, match.end()) is not None
    elif short.casefold() == "co." and not _NAME.search(match.string[: match.start()][-30:]):
        return short
    else:
        ends = (
            short.endswith(".")
            and short.casefold() not in LEADING
            and begins_sentence(match.string, match.end())
        )
    return known(SHORTHAND, short) + ("." if ends else "")


_CAPITAL_FOLLOWS = re.compile(r"\s+[A-Z]")
_NAME = re.compile(r"[A-Z][\w'’&-]* $")
_WORD_FOLLOWS = re.compile(r"(?P<line>\s*\n)|\s+[\"“‘']?(?P<word>[A-Z][a-z]*)(?P<stop>\.)?")


def begins_sentence(text: str, place: int) -> bool:
    """Return whether a new sentence begins after the stop at a place, by its first word."""
    follows = _WORD_FOLLOWS.match(text, place)
    if follows is None:
        return False
    return bool(follows["line"]) or (follows["word"] in OPENERS and not follows["stop"])


def _ends_clause(match: Match) -> bool:
    """Return whether RN is right now, as in “busy RN.”, and not a nurse."""
    before = match.string[: match.start()].rsplit(maxsplit=1)
    after = match.string[match.end() : match.end() + 1]
    return (
        match[0] == "RN"
        and after in ("", ".", "!", "?")
        and bool(before)
        and before[-1].islower()
        and before[-1] not in {"a", "an", "the", "my", "our", "your", "her", "his", "as", "new"}
    )


# ---- money ----


def _currency(sign: str) -> tuple[str, str, str, str]:
    return CURRENCIES.get(sign.casefold()) or CURRENCIES[sign[-1]]


def _scale(text: str | None) -> str:
    return f" {SCALES[text.strip(' -').casefold()]}" if text else ""


def price_range(match: Match) -> str:
    """Read a range: 5 to 10 dollars, 2 to 3 million euros."""
    one, many, cent, cents = _currency(match["sign"])
    low, high = match["low"], match["high"]
    low_scale, high_scale = _scale(match["low_scale"]), _scale(match["high_scale"])
    to = between(match)
    if not high_scale and not low_scale and ("." in low or "." in high):
        currency = (one, many, cent, cents)
        return f"{_priced(low, currency)} {to} {_priced(high, currency)}"
    return f"{low}{low_scale} {to} {high}{high_scale} {many}"


def single_price(match: Match) -> str:
    """Read a price that describes a thing: 50 dollar."""
    parts = match.groupdict()
    number = match["number"] or f"{parts['amount']}{_scale(parts['scale'])}"
    return f"{match['lead']}{number} {_currency(match['sign'])[0]}"


def price(match: Match) -> str:
    """Read a price: 5 dollars 50 cents, 3 million euros."""
    currency = _currency(match["before"] or match["code"])
    plus = " plus" if match["plus"] else ""
    if match["scale"]:
        number = match["number"].replace(",", "")
        return f"{number}{_scale(match['scale'])} {currency[1]}{plus}"
    return _priced(match["number"], currency) + plus


def _priced(number: str, currency: tuple[str, str, str, str]) -> str:
    """Return a number of units, and of cents."""
    one, many, cent, cents = currency
    plain = number.replace(",", "")
    units, _, rest = plain.partition(".")
    text = f"{number.partition('.')[0]} {one if units == '1' else many}"
    if len(rest) != 2 or not cents:  # noqa: PLR2004  # cents have two digits
        return f"{plain} {many}" if rest else text
    if int(rest) == 0:
        return text
    small = f"{int(rest)} {cent if int(rest) == 1 else cents}"
    return small if units in ("0", "") else f"{text} {small}"


# ---- times ----


def duration(hours: str, minutes: str) -> str:
    """Return a duration in words."""
    return (
        f"{hours} hour{'' if hours == '1' else 's'} "
        f"{int(minutes)} minute{'' if int(minutes) == 1 else 's'}"
    )


def clock_time(match: Match) -> str:
    """Read a time: 7 o'clock, 7 oh 5 PM, 19 hundred, midnight."""
    hour, minute = int(match["hour"]), int(match["minute"])
    half = (match["half"] or "").replace(".", "").upper()
    if half:
        hour = hour or 12
        return f"{hour} {half}" if minute == 0 else f"{_clock(hour, minute)} {half}"
    return _clock(hour, minute)


def _clock(hour: int, minute: int) -> str:
    if (hour, minute) in ((0, 0), (24, 0)):
        return "midnight"
    if minute == 0:
        return f"{hour} o'clock" if 1 <= hour <= 12 else f"{hour} hundred"  # noqa: PLR2004
    return f"{hour} {f'oh {minute}' if minute < 10 else minute}"  # noqa: PLR2004


def seconds_with_colon(match: Match) -> str:
    """Read a duration such as 0:30: 30 seconds long, a 30 second timer."""
    seconds, more = int(match["seconds"]), match["more"]
    if more is None:
        return f"{seconds} second"
    counted = f"{seconds} second{'' if seconds == 1 else 's'}"
    return counted if more.lstrip().startswith("min") else counted + more


def stopwatch_time(match: Match) -> str:
    """Read hours, minutes and seconds: 3 05 and 7 seconds."""
    hours, minutes, seconds = int(match[1]), int(match[2]), int(match[3])
    if not seconds:
        return _clock(hours, minutes)
    time = _clock(hours, minutes) if minutes else f"{hours} {match[2]}"
    return f"{time} and {seconds} second{'' if seconds == 1 else 's'}"


def verse(match: Match) -> str:
    """Read a chapter and its verses: Genesis 1 verses 1 to 3."""
    name, last = match["name"], match["last"]
    number, chapter, first = match["number"], match["chapter"], match["verse"]
    may_be_time = int(chapter) < 25 and len(first) == 2 and int(first) < 60  # noqa: PLR2004
    if name and may_be_time and not last and not number:
        return match[0]  # John 3:16, or John, at 3:16: they sound alike
    book = BOOK_SHORT.get(name or match["book"], name or match["book"])
    if number:
        place = len(number) if number[0] == "I" else int(number)
        book = f"{('First', 'Second', 'Third')[place - 1]} {book}"
    verses = f"verses {first} to {last}" if last else f"verse {first}"
    return f"{book} {chapter} {verses}"


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
    """Read two years, if the second may be one after the first: 20 25 to 26."""
    first, second = int(match[1]), int(match[2])
    follows = second == (first + 1) % 100
    later = second > max(first % 100, 12)  # 12 and less may be a month
    return f"{year(first)} to {second}" if follows or later else match[0]


def year_of_era(digits: str) -> str:
    """Read a year before or after Christ: 14 93, 7 53."""
    number = int(digits)
    if number < 1000 and number % 100:  # noqa: PLR2004
        rest = number % 100
        return f"{number // 100} {f'oh {rest}' if rest < 10 else rest}"  # noqa: PLR2004
    return digits if number % 1000 == 0 or number < 1000 else year(number)  # noqa: PLR2004


def decade(tens: str) -> str:
    """Return the plural of 20, 30 and so on; that of 00 is two thousands."""
    return DECADES[int(tens) // 10] if int(tens) else "two thousands"


def long_decade(match: Match) -> str:
    """Read a decade or a century: 19 twenties, 18 hundreds, two thousands."""
    century_, tens = match[1], match[2]
    if tens != "00":
        return f"{century_} {decade(tens)}"
    return "two thousands" if century_ == "20" else f"{century_} hundreds"


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
        second = match["second"] or match["hyphened"]
        month_and_day = _month_and_day(int(match["first"]), int(second), day_first=day_first)
        if month_and_day is None:
            return match[0]
        year_ = match["year"] or match["full"]
        return _date(f"20{year_}" if len(year_) == 2 else year_, *month_and_day)  # noqa: PLR2004

    return read


def slashed_day(*, day_first: bool) -> Callable[[Match], str]:
    """Return a function that reads 11/24, as `slashed_date` does."""

    def read(match: Match) -> str:
        first, second = int(match["first"]), int(match["second"])
        month_and_day = _month_and_day(first, second, day_first=day_first)
        return match["lead"] + _date("", *month_and_day) if month_and_day else match[0]

    return read


def _month_and_day(first: int, second: int, *, day_first: bool) -> tuple[int, int] | None:
    day, month = (first, second) if day_first or first > 12 else (second, first)  # noqa: PLR2004
    if month > 12:  # noqa: PLR2004  # in the order of the other country
        day, month = month, day
    return (month, day) if 1 <= month <= 12 and 1 <= day <= 31 else None  # noqa: PLR2004


def day_month(match: Match) -> str:
    """Read a date: the 3rd of November; without "the" if the text has it."""
    name = known(MONTH_SHORT, match["month"]) + _stop(match)
    article = "" if _THE.search(_before(match)) else "the "
    return f"{article}{ordinal(int(match['day']))} of {name}"


def month_day(match: Match) -> str:
    """Read a date, or the days from one to another: November 3rd to 5th."""
    day, last = int(match["day"]), int(match["last"] or 0)
    text = f"{known(MONTH_SHORT, match['month'])} {ordinal(day)}"
    if match["to"] is not None:
        return f"{text} to "
    if last and not day < last <= 31:  # noqa: PLR2004
        return text + match[0][match.end("day") - match.start() :]
    return f"{text} to {ordinal(last)}" if last else text


def days_of_month(match: Match) -> str:
    """Read the days from one to another: the 5th to the 7th of."""
    first, last = int(match[1]), int(match[2])
    if not 0 < first < last <= 31:  # noqa: PLR2004
        return match[0]
    article = "" if _THE.search(_before(match)) else "the "
    return f"{article}{ordinal(first)} to the {ordinal(last)} of"


def month_range(match: Match) -> str:
    """Read a range: January to March."""
    return f"{known(MONTH_SHORT, match[1])} to {known(MONTH_SHORT, match[2])}"


def short_day(match: Match) -> str:
    """Read a short weekday, or each of a list of them; a stop that ends a sentence stays."""
    return _DAY_IN_LIST.sub(lambda day: known(WEEKDAYS, day[1]), match[0]) + _stop(match)


_DAY_IN_LIST = re.compile(r"\b(Mon|Tues?|Wed|Thu(?:rs?)?|Fri|Sat|Sun)\b\.?")


def short_month(match: Match) -> str:
    """Read a short month, or each of a list of them; a stop that ends a sentence stays."""
    return _MONTH_IN_LIST.sub(lambda month: known(MONTH_SHORT, month[1]), match[0]) + _stop(match)


_MONTH_IN_LIST = re.compile(r"\b(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sept?|Oct|Nov|Dec)\b\.?")


def weekend(match: Match) -> str:
    """Read w/e: the week that ends on a date, the weekend, or whatever."""
    if re.match(r" (?:on )?(?:the )?\d", match.string[match.end() :]):
        return "week ending"
    is_named = _OF_WEEKEND.search(match.string[: match.start()][-12:])
    return "weekend" if match[0].isupper() or is_named else "whatever"


_OF_WEEKEND = re.compile(
    r"\b(?:the|this|next|last|good|nice|great|lovely|long|your|our|my|every|all|bank|holiday|a|"
    r"at|over) $",
    re.IGNORECASE,
)


def weekday_range(match: Match) -> str:
    """Read a range: Monday to Friday."""
    return f"{known(WEEKDAYS, match[1])} to {known(WEEKDAYS, match[2])}"


_DATE = re.compile(
    r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sept?|Oct|Nov|Dec|Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*\b"
)


def _stop(match: Match) -> str:
    """Return the stop of a short form if it ends a sentence, too."""
    rest = match.string[match.end() : match.end() + 20].lstrip(" ")
    follows = rest[:1]
    ends = not follows or follows in '\n"”' or (follows.isupper() and not _DATE.match(rest))
    return "." if match[0].endswith(".") and ends else ""


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


def digits_apart(number: str) -> str:
    """Return a telephone number as single digits, which every language reads, in groups."""
    groups = re.split(r"[^\d+]+", number)
    return ", ".join(" ".join(group) for group in groups if group).replace("+ ", "+")


def called_number(match: Match) -> str:
    """Read a number after a word that says so, if it is long enough to be called."""
    digits = re.sub(r"\D", "", match["digits"])
    if 3 < len(digits) < 7:  # noqa: PLR2004
        return match[0]
    groups = re.split(r"[ -]", match["digits"])
    return match["lead"] + ", ".join(map(spelled, groups))


def grouped_number(match: Match) -> str:
    """Read a number as one, unless it is a list of hundreds."""
    first, *others = match[0].split(" ")
    hundreds = all(group.endswith("00") for group in (first, *others))
    if len(first) == 3 and hundreds and any(group != "000" for group in others):  # noqa: PLR2004
        return match[0]
    return re.sub(r"\s", "", match[0])


def number_range(match: Match) -> str:
    """Read a range, of years as such; a difference if it falls: 10 to 20, 10 minus 3."""
    low, high = match["low"], match["high"]
    first, last = float(low.replace(",", "")), float(high.replace(",", ""))
    if match["gap"] and first > last:
        return f"{low} minus {high}"
    if first > last and "." in low:
        return match[0]  # a version, more likely
    if all(number.isdigit() and len(number) == 4 for number in (low, high)) and (  # noqa: PLR2004
        1100 <= first < last < 2100  # noqa: PLR2004
    ):
        return f"{year(int(low))} {between(match)} {year(int(high))}"
    return f"{low} {between(match)} {high}"


def between(match: Match) -> str:
    """Return the word between the ends of a range."""
    return "and" if match.string[: match.start()].endswith("etween ") else "to"


def part_of_several(match: Match) -> str:
    """Read which of how many: part 1 of 2."""
    which, of = match[2], match[3]
    return f"{match['lead']}{which} of {of}" if int(which) <= int(of) else match[0]


def dimensions(match: Match) -> str:
    """Read two sides, those of a screen as pairs of digits: 19 20 by 10 80."""
    return " by ".join(re.sub(r"^(\d\d)([1-9]\d)$", r"\1 \2", match[side]) for side in (1, 2))


def measure(match: Match) -> str:
    """Read a number with its unit: 5 kilometres, a 60 watt bulb, metres per second squared."""
    one, many = UNITS[match["unit"]]
    if power_ := match["power"]:
        shape = _SHAPES[power_[-1]][0]
        one, many = f"{shape} {one}", f"{shape} {many}"
    follows = match.string[match.end() : match.end() + 1]
    describes = follows == " " and (  # a 60 watt bulb
        _ARTICLE.search(_before(match)) or _THING.match(match.string, match.end())
    )
    single = match["number"] == "1" or describes or match["hyphen"]
    text = f"{match['number']} {one if single else many}"
    if not (each := match["each"]):
        return text
    each_power = match["each_power"]
    if not each_power:
        return f"{text} per {PER[each]}"
    before, after = _SHAPES[each_power[-1]]
    return f"{text} per {f'second {after}' if each == 's' else f'{before} {PER[each]}'}"


_ARTICLE = re.compile(r"\b[Aa]n? $")
_THING = re.compile(
    r" (?:drive|disk|SSD|card|stick|file|bulb|monitor|screen|engine|walk|run|race|hike|ride|room|"
    r"flat|tank|bottle|bag|battery|batteries|charger|cable|angle|turn|radius|limit|zone|dash|sprint|relay|swim)s?\b"
)
_THE = re.compile(r"\b[Tt]he $")


def _before(match: Match) -> str:
    """Return the characters before a match; cheaper than a pattern that looks behind."""
    return match.string[max(0, match.start() - 5) : match.start()]


_SHAPES = {"2": ("square", "squared"), "3": ("cubic", "cubed")}


def direction(match: Match) -> str:
    """Read a degree of latitude or longitude: 52 degrees 30 minutes north."""
    names = {"N": "north", "S": "south", "E": "east", "W": "west"}
    minutes = f" {match[1]} minutes" if match[1] else ""
    seconds = f" {match[2]} seconds" if match[2] else ""
    return f" degrees{minutes}{seconds} {names[match[3]]}"


# ---- sums ----


def superscript(match: Match) -> str:
    """Read a raised number with a caret; leave out that of a footnote."""
    before = match.string[: match.start()]
    word = _WORD_AT_END.search(before[-_LONGEST_UNIT:])
    if before[-1] in '.,;:!?”"' or (word and word[0] not in UNITS):
        return ""
    return "^" + unicodedata.normalize("NFKC", match[0]).replace("\u2212", "-")


_LONGEST_UNIT = 10
_WORD_AT_END = re.compile(r"[A-Za-z]{3,}$")


def power(match: Match) -> str:
    """Read a power: squared, to the power of 10."""
    number = match["number"]
    if number in _SHAPES:
        return f" {_SHAPES[number][1]}"
    if number is None:
        return f" to the power of {match['sum']}"
    return f" to the power of {re.sub('^[-−]', 'minus ', number)}"


def equation(match: Match) -> str:
    """Read a calculation: 10 minus 3 equals 7."""
    *parts, result = re.split(r"(?<=[\d%])\s?([-+−–×*·÷x/=])\s?", match[0])
    said = [_SIGNS.get(part) or _with_minus(part) for part in parts]
    return " ".join([*said, _with_minus(result)])


def _with_minus(number: str) -> str:
    return re.sub("^[-−]", "minus ", number)


_SIGNS = {
    "+": "plus",
    "-": "minus",
    "−": "minus",
    "–": "minus",
    "×": "times",
    "*": "times",
    "·": "times",
    "x": "times",
    "÷": "divided by",
    "/": "divided by",
    "=": "equals",
}


def sign_of_mathematics(match: Match) -> str:
    """Read a sign before a number, or between two."""
    if match["either"]:
        return f"{'' if match['between'] is None else ' '}plus or minus "
    if match["root"]:
        return f"{match['between'] or ''}the square root of "
    return f"{match['between'] or ''}section " if match["section"] else "infinity"


# ---- fractions ----


def _fraction(match: Match) -> tuple[int, int] | None:
    """Return numerator and denominator; None if nobody has a word for it."""
    groups = match.groupdict()
    if sign := groups.get("sign"):
        return FRACTIONS[sign]
    if whole := groups.get("usual") or groups.get("told"):
        part, of = whole.split("/")
    else:
        part, of = groups["part"], groups["of"]
    return (int(part), int(of)) if int(of) in PARTS_OF_ONE and 0 < int(part) < int(of) else None


def _portion(part: int, of: int) -> str:
    """Return a fraction in words: a half, three quarters."""
    one, several = PARTS_OF_ONE[of]
    if part == 1:
        return f"{_article(one)} {one}"
    return f"{_several(part)} {several}"


def _several(part: int) -> str:
    return NUMERATORS[part] if part < len(NUMERATORS) else str(part)


def _article(word: str) -> str:
    return "an" if word[0] in "aeiou" or word == "hour" else "a"


def fraction(match: Match) -> str:
    """Read a fraction: a half, two thirds; after an article, without another."""
    value = _fraction(match)
    if value is None:
        return match[0]
    if match["article"]:
        part, of = value
        one = PARTS_OF_ONE[of][0]
        article = match["article"][0] + _article(one)[1:]
        return f"{article} {one}" if part == 1 else f"{match['article']}{_several(part)} {one}"
    return _portion(*value)


def mixed_fraction(match: Match) -> str:
    """Read a fraction after a whole number: and a half."""
    value = _fraction(match)
    return match[0] if value is None else f" and {_portion(*value)}"


def fraction_of_unit(match: Match) -> str:
    """Read a fraction of a unit: half a teaspoon, 1 and a half ounces, half inch."""
    value = _fraction(match)
    if value is None or (match["unit"] and value[1] > _LARGEST_OF_UNIT):
        return match[0]
    part, of = value
    if match["inch"]:
        text = (
            f"{match['whole']} and {_portion(*value)}"
            if match["whole"]
            else f"{_several(part)} {PARTS_OF_ONE[of][of != 4]}"  # noqa: PLR2004
            if part > 1
            else PARTS_OF_ONE[of][0]
        )
        return f"{text} inch"
    one, many = UNITS[match["unit"]]
    if match["whole"]:
        return f"{match['whole']} and {_portion(*value)} {many}"
    return f"{'half' if of == 2 else f'{_portion(*value)} of'} {_article(one)} {one}"  # noqa: PLR2004


_LARGEST_OF_UNIT = 8  # denominator, but for inches


# ---- addresses ----


def title(match: Match) -> str:
    """Read a title without its stop, unless it is a drive at the end of a sentence."""
    short = match[1] or match[2] or match[3]
    if short == "Dr" and begins_sentence(match.string, match.start() + len("Dr.")):
        name = _NAME_BEFORE.search(match.string[: match.start()][-30:])
        if name and name[1] not in OPENERS:
            return match[0]
    return f"{TITLES[short]} "


_NAME_BEFORE = re.compile(r"\b([A-Z][\w'’]+|\d+(?:st|nd|rd|th)) $")


def street(match: Match) -> str:
    """Read a street, unless it is a saint or a doctor: Main Street."""
    name, kind = match["name"], match["kind"]
    if match["capital"] is None:
        return f"{name} {STREETS[kind]}"
    opens = begins_sentence(match.string, match.end())
    if match["capital"] == "Maria":
        return match[0]
    if kind in STREETS_OR_TITLES and not name[0].isdigit() and not _is_street(match, opens=opens):
        return match[0]
    stop = "" if match["capital"] in DIRECTIONS else match["stop"] or ""
    return f"{name} {STREETS[kind]}{stop}"


_ON = re.compile(r"\b(?:[Oo]n|[Aa]t|[Tt]o|[Nn]ear|[Oo]ff|[Aa]long|[Dd]own) (?:[A-Z][\w'’]+ )?$")


def _is_street(match: Match, *, opens: bool) -> bool:
    """Return whether St or Dr before a capital is one of the name before it."""
    name = match["name"]
    if name in OPENERS:
        return False
    if opens or match["capital"] in DIRECTIONS:
        return True
    may_be_saint = match["kind"] == "St" and name in NEVER_STREETS
    return (
        match["kind"] == "St"
        and not may_be_saint
        and bool(_ON.search(match.string[: match.start()][-40:]))
    )


# ---- Roman numerals ----

_ROMAN = {"I": 1, "V": 5, "X": 10, "L": 50, "C": 100, "D": 500, "M": 1000}


def roman(numeral: str) -> int:
    """Return the value of a Roman number."""
    values = [_ROMAN[char] for char in numeral.upper()]
    pairs = zip(values, [*values[1:], 0], strict=True)
    return sum(-value if value < following else value for value, following in pairs)


def century(match: Match) -> str:
    """Read a century: 14th century."""
    return f"{ordinal(roman(match['numeral']))} {match['century']}"


def regnal_number(match: Match) -> str:
    """Read a monarch: Henry the 8th."""
    return f"{match['name']} the {ordinal(roman(match['numeral']))}"


def numbered_title(match: Match) -> str:
    """Read a title: Chapter 4."""
    return f"{match['name']} {roman(match['numeral'])}"

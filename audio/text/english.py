"""What a number, a sign or a short form is in an English text, and how a person reads it. Pure.

A table of rules, applied in order; each leaves alone what a later one needs.
"""

import functools
import re
import string
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from audio.text.lexicon import (
    COMPARED,
    CURRENCIES,
    DECADES,
    DIGITS,
    EACH,
    FRACTIONS,
    LETTERED,
    MONTH_SHORT,
    MONTHS,
    PLACES,
    QUICK,
    SCALES,
    SHORTHAND,
    UNITS,
    WEEKDAYS,
)

_Match = re.Match[str]

# A number with a mark that people put between thousands.
_NUMBER = r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?"


def _money_range(match: _Match) -> str:
    return f"{match['low']} to {match['high']} {CURRENCIES[match['sign']][1]}"


def _gift_card(match: _Match) -> str:
    """Read a price that belongs to a thing: a 50 dollar gift card."""
    return f"{match['lead']}{match['number']} {CURRENCIES[match['sign']][0]}"


def _money(match: _Match) -> str:
    sign = (match["before"] or match["after"]).casefold()
    one, many, cent, cents = CURRENCIES[sign]
    number = match["number"].replace(",", "")
    if match["scale"]:
        return f"{number} {SCALES[match['scale'].casefold()]} {many}"
    whole, _, part = number.partition(".")
    said = f"{match['number'].partition('.')[0]} {one if whole == '1' else many}"
    if len(part) != 2 or not cents:  # noqa: PLR2004  # cents have two digits
        return f"{number} {many}" if part else said
    if int(part) == 0:
        return said
    small = f"{int(part)} {cent if int(part) == 1 else cents}"
    return small if whole == "0" else f"{said} {small}"


def _long(hours: str, minutes: str) -> str:
    """Return a length of time in words."""
    return (
        f"{hours} hour{'' if hours == '1' else 's'} "
        f"{int(minutes)} minute{'' if int(minutes) == 1 else 's'}"
    )


def _clock(match: _Match) -> str:
    hour, minute = int(match["hour"]), int(match["minute"])
    half = (match["half"] or "").replace(".", "").upper()
    half = f" {half}" if half else ""
    if minute == 0:
        if half:
            return f"{hour}{half}"
        return f"{hour} o'clock" if 1 <= hour <= 12 else f"{hour} hundred"  # noqa: PLR2004
    small = f"oh {minute}" if minute < 10 else f"{minute}"  # noqa: PLR2004
    return f"{hour} {small}{half}"


def _year(number: int) -> str:
    """Split a year as it is said: 19 98, 19 oh 5, 19 hundred."""
    century, rest = divmod(number, 100)
    if 2000 <= number < 2010:  # noqa: PLR2004  # two thousand five, as espeak says
        return str(number)
    if rest == 0:
        return f"{century} hundred"
    return f"{century} oh {rest}" if rest < 10 else f"{century} {rest}"  # noqa: PLR2004


def _season(match: _Match) -> str:
    first, second = int(match[1]), int(match[2])
    return f"{_year(first)} to {second}" if second == (first + 1) % 100 else match[0]


def _decade(tens: str) -> str:
    """Return the plural of 20, 30 and so on."""
    return DECADES[int(tens) // 10]


def _by(match: _Match) -> str:
    """Read two sides, such as of a screen: 19 20 by 10 80."""
    return " by ".join(re.sub(r"^(\d\d)([1-9]\d)$", r"\1 \2", match[side]) for side in (1, 2))


def _ordinal(number: int) -> str:
    """Return a number as espeak reads an ordinal."""
    teen = 10 < number % 100 < 14  # noqa: PLR2004  # 11th, 12th, 13th
    return f"{number}{'th' if teen else {1: 'st', 2: 'nd', 3: 'rd'}.get(number % 10, 'th')}"


def _date(year: str, month: int, day: int) -> str:
    said = f"{MONTHS[month - 1]} {_ordinal(day)}"
    return f"{said}, {_year(int(year))}" if year else said


def _iso_date(match: _Match) -> str:
    month, day = int(match["month"]), int(match["day"])
    if not (1 <= month <= 12 and 1 <= day <= 31):  # noqa: PLR2004
        return match[0]
    return _date(match["year"], month, day)


def _slashed_date(day_first: bool) -> Callable[[_Match], str]:
    """Return what reads 11/24/2026, in the order that a country writes."""

    def say(match: _Match) -> str:
        first, second = int(match["first"]), int(match["second"])
        day, month = (first, second) if day_first or first > 12 else (second, first)  # noqa: PLR2004
        if month > 12:  # noqa: PLR2004  # the other country's
            day, month = month, day
        if not (1 <= month <= 12 and 1 <= day <= 31):  # noqa: PLR2004
            return match[0]
        year = match["year"]
        return _date(f"20{year}" if len(year) == 2 else year, month, day)  # noqa: PLR2004

    return say


def _day_month(match: _Match) -> str:
    name = _known(MONTH_SHORT, match["month"])
    return f"{'' if _THE.search(_before(match)) else 'the '}{_ordinal(int(match['day']))} of {name}"


def _month_range(match: _Match) -> str:
    return f"{_known(MONTH_SHORT, match[1])} to {_known(MONTH_SHORT, match[2])}"


def _weekday_range(match: _Match) -> str:
    return f"{_known(WEEKDAYS, match[1])} to {_known(WEEKDAYS, match[2])}"


def _known(words: Mapping[str, str], word: str) -> str:
    """Return what a table has for a word, in any case; the word itself where it has nothing.

    A pattern that ignores case matches letters that no lower case leads back to, such as a long s.
    """
    return words.get(word.casefold(), word)


def _named_date(match: _Match) -> str:
    name = _known(MONTH_SHORT, match["month"])
    return f"{name} {_ordinal(int(match['day']))}"


def _digits(match: _Match) -> str:
    """Read a telephone number digit by digit, with a breath between its groups."""
    said = match[0].replace("+", "plus ")
    groups = re.split(r"[\s\-./()]+", said)
    return ", ".join(
        " ".join(DIGITS[int(c)] if c.isdigit() else c for c in group) if group != "plus" else group
        for group in groups
        if group
    ).replace("plus, ", "plus ")


_ARTICLE = re.compile(r"\b[Aa]n? $")
_THE = re.compile(r"\b[Tt]he $")


def _before(match: _Match) -> str:
    """Return some letters before a match: cheaper than looking for them everywhere."""
    return match.string[max(0, match.start() - 5) : match.start()]


def _unit(match: _Match) -> str:
    one, many = UNITS[match["unit"]]
    follows = match.string[match.end() : match.end() + 1]
    of_a_thing = follows == " " and _ARTICLE.search(_before(match))  # a 60 watt bulb
    said = one if match["number"] == "1" or of_a_thing else many
    return f"{match['number']} {said}"


def _dotted(match: _Match) -> str:
    return " dot ".join(match[0].split("."))


def _version(match: _Match) -> str:
    return "version " + " point ".join(match[1].split("."))


_ROMAN = {"I": 1, "V": 5, "X": 10, "L": 50, "C": 100}


def _roman(numeral: str) -> int:
    values = [_ROMAN[char] for char in numeral]
    pairs = zip(values, [*values[1:], 0], strict=True)
    return sum(-value if value < following else value for value, following in pairs)


def _century(match: _Match) -> str:
    return f"{_ordinal(_roman(match['numeral']))} {match['century']}"


def _regnal(match: _Match) -> str:
    return f"{match['name']} the {_ordinal(_roman(match['numeral']))}"


def _numbered(match: _Match) -> str:
    return f"{match['name']} {_roman(match['numeral'])}"


def _short(match: _Match) -> str:
    return _known(SHORTHAND, match[0])


def _either(words: Iterable[str]) -> str:
    """Return a pattern of any of them, the longest first; by first letters, which is faster."""
    by_first: dict[str, list[str]] = {}
    for word in sorted(words, key=len, reverse=True):
        by_first.setdefault(word[0], []).append(re.escape(word[1:]))
    return "|".join(f"{re.escape(first)}(?:{'|'.join(ends)})" for first, ends in by_first.items())


_Say = str | Callable[[_Match], str]
_Rule = tuple[str, re.Pattern[str], _Say]
"""What a text must have for the pattern to find something: of each group one character, where 0 is
any digit. Most texts lack it, so that most patterns need not be tried."""
_CAPITALS, _SMALL = string.ascii_uppercase, string.ascii_lowercase


def _firsts(words: Iterable[str]) -> str:
    return "".join(sorted({word[0] for word in words}))


_KINGS = (
    "King|Queen|Pope|Emperor|Henry|Elizabeth|George|Edward|Charles|William|James|Louis|Philip|"
    "Peter|Catherine|Richard|Mary|Pius|John Paul|Benedict|Frederick|Napoleon|Ramses|Gregory"
)
_PARTS = (
    "World War|Chapter|Part|Volume|Vol|Act|Scene|Rocky|Final Fantasy|Phase|Type|Level|Class|Book|"
    "Episode|Super Bowl|Appendix|Section|Article"
)

_MONTH = (
    "Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec|January|February|March|April|May|June|July|"
    "August|September|October|November|December"
)
_MONTH_SHORT_NAMES = "Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec"
_DAY = "Mon|Tues?|Wed|Thu(?:rs?)?|Fri|Sat|Sun"
_SIGN = "[$€£¥₹]"


@dataclass(frozen=True, slots=True)
class Rule:
    """What is found in a text, and how it is read."""

    needs: tuple[frozenset[str], ...]
    """Of each of them, the text must have a character."""
    pattern: re.Pattern[str]
    say: _Say

    def may_find(self, chars: frozenset[str]) -> bool:
        """Whether it can find something in a text of these characters."""
        return not any(chars.isdisjoint(some) for some in self.needs)


@functools.cache
def rules(lang: str) -> tuple[Rule, ...]:
    """Return the rules of American English or, for ``en-gb``, of British, in order."""
    return tuple(
        Rule(
            tuple(frozenset(some.replace("0", string.digits)) for some in needs.split()),
            pattern,
            say,
        )
        for needs, pattern, say in (*_DATES["en-gb" if lang == "en-gb" else "en-us"], *_ENGLISH)
    )


_DATES: dict[str, tuple[_Rule, ...]] = {
    country: (
        (
            "0 /",
            re.compile(
                r"(?<![\d/.-])(?P<first>\d{1,2})/(?P<second>\d{1,2})/(?P<year>\d{4}|\d{2})(?![\d/])"
            ),
            _slashed_date(country == "en-gb"),
        ),
        (
            "0 .",
            re.compile(
                r"(?<![\d/.-])(?P<first>\d{1,2})\.(?P<second>\d{1,2})\.(?P<year>\d{4})(?![\d.]*\d)"
            ),
            _slashed_date(day_first=True),
        ),
    )
    for country in ("en-us", "en-gb")
}

_ENGLISH: tuple[_Rule, ...] = (
    (
        "0 $€£¥₹ -–",
        re.compile(rf"(?P<sign>{_SIGN})(?P<low>\d+)\s?[-–]\s?{_SIGN}?(?P<high>\d+)(?![\w.,])"),
        _money_range,
    ),
    (
        "0 $€£¥₹ bnc",
        re.compile(
            rf"(?P<lead>)(?P<sign>{_SIGN})\s?(?P<number>{_NUMBER})"
            r"(?=[ -](?:bills?|notes?|coins?)\b)"
        ),
        _gift_card,
    ),
    (
        "0 $€£¥₹ Aa",
        re.compile(
            rf"(?P<lead>\b[Aa]n? )(?P<sign>{_SIGN})"
            r"(?P<number>\d{1,3}(?:,\d{3})+|\d+)(?=[ -][a-z])"
        ),
        _gift_card,
    ),
    (
        "0 s",
        re.compile(
            r"(?=['’2-9])"
            r"(?:(?<=\b[Tt]he )|(?<=\b[Hh]er )|(?<=\b[Hh]is )|(?<=\b[Mm]y )|(?<=[Mm]id-))"
            r"['’]?([2-9]0)s\b|['’]([2-9]0)s\b"
        ),
        lambda match: _decade(match[1] or match[2]),
    ),
    (
        "0 -–/",
        re.compile(r"\b((?:19|20)\d\d)[-–/](\d\d)\b(?![-–/])"),
        _season,
    ),
    (
        "0 s",
        re.compile(r"\b(1[1-9]|20)([1-9]0)s\b"),
        lambda match: f"{match[1]} {_decade(match[2])}",
    ),
    (
        "0 $€£¥₹",
        re.compile(
            rf"(?<![\w.])(?:(?P<before>[$€£¥₹])\s?)(?P<number>{_NUMBER})"
            r"(?:\s?(?P<scale>k|mn|m|bn|b|K|M|B))?(?P<after>)(?![\w])"
        ),
        _money,
    ),
    (
        "0 $€£¥₹¢DRPF",
        re.compile(
            rf"(?<![\w.])(?P<before>)(?P<number>{_NUMBER})(?P<scale>)\s?"
            r"(?P<after>[$€£¥₹¢]|USD|EUR|GBP|CHF)(?!\w)"
        ),
        _money,
    ),
    (
        "0 T :",
        re.compile(r"(?<=\d{4}-\d\d-\d\d)T(\d\d:\d\d)(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?"),
        r" at \1",
    ),
    (
        "0 -",
        re.compile(r"(?<![\d.-])(?P<year>\d{4})-(?P<month>\d\d)-(?P<day>\d\d)(?![\d-])"),
        _iso_date,
    ),
    ("-–", re.compile(rf"\b({_DAY})\s?[-–]\s?({_DAY})\b", re.IGNORECASE), _weekday_range),
    (
        "-–",
        re.compile(rf"\b({_MONTH_SHORT_NAMES})\s?[-–]\s?({_MONTH_SHORT_NAMES})\b"),
        _month_range,
    ),
    (
        "MTWFS",
        re.compile(rf"\b({_DAY})\b\.?(?=,? (?:\d|at \d|(?:{_MONTH})\b))"),
        lambda match: _known(WEEKDAYS, match[1]),
    ),
    (
        "0 JFMASOND",
        re.compile(
            rf"(?<![\d:.,$€£-])\b(?P<day>[12]?\d|3[01])(?:st|nd|rd|th)?"
            rf" (?:of )?(?P<month>{_MONTH})\b\.?"
        ),
        _day_month,
    ),
    (
        "0 JFMASOND",
        re.compile(
            rf"\b(?P<month>{_MONTH})\.? "
            r"(?P<day>[12]?\d|3[01])(?:st|nd|rd|th)?\b(?![:.]\d)"
        ),
        _named_date,
    ),
    ("0 . ap m", re.compile(r"(?<![\w:.])(\d{1,2})\.([0-5]\d)(?=\s?[ap]\.?m\b)"), r"\1:\2"),
    (
        "0 -– :ap",
        re.compile(
            r"(?<![\w:.-])(\d{1,2}(?::\d\d)?)\s?([aApP]\.?[mM]\b\.?)?\s?[-–]\s?"
            r"(?=\d{1,2}(?::\d\d(?![\d:])|\s?[ap]\.?m\b))"
        ),
        lambda match: f"{match[1]}{' ' + match[2] if match[2] else ''} to ",
    ),
    (
        "0 h m",
        re.compile(r"(?<![\w:.])(\d+)\s?h(?:rs?)?\s?(\d{1,2})\s?(?:m|min|mins)\b"),
        lambda match: _long(match[1], match[2]),
    ),
    (
        "0 h",
        re.compile(r"(?<![\w:.])(\d+)h([0-5]\d)\b"),
        lambda match: _long(match[1], match[2]),
    ),
    (
        "0 :",
        re.compile(r"(?<![\w:.])(\d{1,2}):([0-5]\d):([0-5]\d)(?![\d:])"),
        lambda match: f"{int(match[1])} {match[2]} and {int(match[3])} seconds",
    ),
    (
        "0 :",
        re.compile(
            r"(?<![\w:.])(?P<hour>[01]?\d|2[0-4]):(?P<minute>[0-5]\d)"
            r"(?: ?(?P<half>[aApP]\.?[mM]\.?(?!\w)))?(?![\d:])"
        ),
        _clock,
    ),
    (
        "0 aApP mM",
        re.compile(r"(?<=\d) ?([aApP])\.?[mM]\b(?:\.(?=\s*[a-z,;:!?)]|$))?"),
        lambda match: f" {match[1].upper()}M",
    ),
    ("0 +(", re.compile(r"\+\d{1,3}(?:[\s.-]?\(?\d{2,5}\)?){2,5}|\(\d{3}\) ?\d{3}-\d{4}"), _digits),
    ("0 -", re.compile(r"(?<![\w-])1-\d{3}-\d{3}-\d{4}(?![\w-])"), _digits),
    ("0 .", re.compile(r"(?<![\w.-])\d{3}\.\d{3}\.\d{4}(?![\w.-])"), _digits),
    ("0", re.compile(r"(?<![\w.,:-])0\d{2,4}(?:[\s/-]\d{3,4}){1,3}(?![\w.,:-]\d)"), _digits),
    (
        f"0 {_CAPITALS}",
        re.compile(r"\b(?P<lead>[A-Z]{2} )(?P<code>\d{5})\b(?![,.]\d)"),
        lambda match: match["lead"] + " ".join(DIGITS[int(c)] for c in match["code"]),
    ),
    (
        "0 -",
        re.compile(r"(?<![\w-])\d{3}-\d{3}-\d{4}(?![\w-])|(?<![\w-])\d{3}-\d{4}(?![\w-])"),
        _digits,
    ),
    ("0 .", re.compile(r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?![\w.])"), _dotted),
    ("0 v .", re.compile(r"\bv(\d+(?:\.\d+)+)\b"), _version),
    (
        "0 ½⅓⅔¼¾/",
        re.compile(r"(?<=\d)\s?([½⅓⅔¼¾])|(?<=\d) (1/2|[12]/3|[13]/4)(?![\d/])"),
        lambda match: f" and {FRACTIONS[match[1] or match[2]]}",
    ),
    ("0 / t", re.compile(r"(?<![\d/.])([1-4](?:\.5)?)/5(?= stars?\b)"), r"\1 out of 5"),
    (
        "½⅓⅔¼¾/",
        re.compile(r"(?<![\d/.])(?:[½⅓⅔¼¾]|(?:1/2|[12]/3|[13]/4|1/5|1/8)(?![\d/]))"),
        lambda match: FRACTIONS[match[0]],
    ),
    ("0 /", re.compile(r"\b24/7\b"), "twenty-four seven"),
    ("0 /", re.compile(r"\b50/50\b"), "fifty-fifty"),
    ("0 /", re.compile(r"(?<![\d/.])(\d{1,2}(?:\.5)?)/10(?![\d/])"), r"\1 out of 10"),
    ("0 :", re.compile(r"(?<![\d:.])(\d{1,2}):(\d)(?![\d:])"), r"\1 to \2"),
    (
        "0 oOpP",
        re.compile(r"(?P<lead>\b(?:code|OTP|PIN|pin|passcode)(?: is|:)? )(?P<code>\d{3,9})\b"),
        lambda match: match["lead"] + " ".join(DIGITS[int(c)] for c in match["code"]),
    ),
    (
        "0",
        re.compile(
            r"(?<![\d.])\d{1,3}(?:[\u00a0\u202f]\d{3})+(?!\d)|(?<![\d.])\d{1,3}(?: 000)+(?!\d)"
        ),
        lambda match: re.sub(r"\s", "", match[0]),
    ),
    ("0", re.compile(r"(?<![\w.,])(?:0\d{2,}|\d{10,})(?![\w.,]\d)"), _digits),
    ("0 %", re.compile(r"(?<=\d) %"), "%"),
    (
        "0 '’′",
        re.compile(r"(?<![\w.])([3-8])['’′](1[01]|\d)(?:[\"”″]|''|’’)?(?![\w])"),
        r"\1 foot \2",
    ),
    (
        "0 x×",
        re.compile(r"(?<![\w.,])(\d+)\s?[x×]\s?(\d+)(?=\s?(?:cm|mm|m|px|ft|in)?\b)(?!\w)"),
        _by,
    ),
    (
        "/",
        re.compile(rf"(?<=[a-z€$£\d%])\s?/\s?({_either(EACH)})\b(?<!24/7)(?=[\s,.;:!?)]|$)"),
        lambda match: f" per {EACH[match[1]]}",
    ),
    ("0 -−", re.compile(r"(?<![\w)\].])[-−](?=\d)"), "minus "),
    ("0 ^", re.compile(r"(?<![\w.])(\d+)\^(\d+)(?!\w)"), r"\1 to the power of \2"),
    (
        f"0 {_firsts(UNITS)}",
        re.compile(
            rf"(?<![\w.])(?P<number>{_NUMBER})\s?(?P<unit>{_either(UNITS)})"
            r"(?![\w/²'])(?:\.(?= [a-z(]))?"
        ),
        _unit,
    ),
    (
        "IVX y",
        re.compile(r"\b(?P<numeral>[IVX]{1,5})(?:th|st)? (?P<century>[Cc]entury)\b"),
        _century,
    ),
    (
        "IVX",
        re.compile(rf"\b(?P<name>(?:{_KINGS})(?: [A-Z][a-z]+)?) (?P<numeral>[IVX]{{1,6}})\b"),
        _regnal,
    ),
    ("IVXL", re.compile(rf"\b(?P<name>{_PARTS}) (?P<numeral>[IVXL]{{1,6}})\b"), _numbered),
    (
        f"0 {_SMALL}",
        re.compile(
            r"(?P<lead>\b(?:in|In|since|Since|until|before|after|year|[A-Z][a-z]+ \d+"
            rf"(?:th|st|nd|rd),|{'|'.join(MONTHS)}) )(?P<year>1[1-9]\d\d|20\d\d)\b(?![,.]\d)"
        ),
        lambda match: match["lead"] + _year(int(match["year"])),
    ),
    ("0 -–", re.compile(r"(?<![\w.-])(\d+)\s?[-–]\s?(\d+)(?![\w.-])"), r"\1 to \2"),
    (
        "0 .",
        re.compile(r"\b([Pp]p?|[Cc]h|[Ff]ig|[Vv]ol|Nos?|[Ee]xt)\. ?(?=\d)"),
        lambda match: f"{_known(PLACES, match[1])} ",
    ),
    ("0 #", re.compile(r"(?<!\w)#(?=\d)"), "number "),
    ("0 x", re.compile(r"(?<=\d)x\b"), " times"),
    ("0 k", re.compile(r"(?<=\d)k\b"), " thousand"),
    ("0 ~≈", re.compile(r"(?<!\w)[~≈] ?(?=\d)"), "about "),
    (">→⇒", re.compile(r"\s{0,9}(?:->|=>|→|⇒)\s{0,9}"), ", then "),
    (". r", re.compile(r"\b(Mr|Mrs|Dr|Prof)\. (?=\w)"), r"\1 "),
    ("M s", re.compile(r"\bMs\.? (?=[A-Z])"), "Miz "),
    # espeak takes a lone A for the article, quoted or not, and capitals after a digit for a word.
    ("A", re.compile(rf"\b({LETTERED}) A\b(?=\s+[a-z])"), r"\1 eh"),
    ("A", re.compile(r"\bA(?= (?:or|and|to|vs\.?) [B-Z]\b)|\bA(?=/[B-Z]\b)"), "eh"),
    ("A +", re.compile(r"\bA\+(?!\+)"), "A-plus"),
    (
        f"0 {_CAPITALS}",
        re.compile(r"(?<=\d)([A-Z]{2,3})\b(?<!AM)(?<!PM)"),
        lambda match: " " + " ".join(match[1]),
    ),
    (
        "<>≤≥≠",
        re.compile(r"(?<=[\d)]) ?([<>≤≥≠]) ?(?=-?[\d(])"),
        lambda match: f" {COMPARED[match[1]]} ",
    ),
    (
        "S t",
        re.compile(
            r"(?<=[a-z\d] )St\b(?:\.(?=,|\s[a-z]))?(?!\.? [A-Z][a-z]*['’]s)(?=[\s.,;!?)]|$)"
        ),
        "Street",
    ),
    ("S t", re.compile(r"\bSt\.? (?=[A-Z])"), "Saint "),
    ("A v", re.compile(r"(?<=[a-z\d] )Ave\b(?:\.(?=,|\s[a-z]))?"), "Avenue"),
    ("R d", re.compile(r"(?<=[a-z] )Rd\b(?:\.(?=,|\s[a-z]))?"), "Road"),
    ("@", re.compile(r"(?<=\s)@(?:\s+|(?=\d))"), "at "),
    ("C #", re.compile(r"\bC#"), "C sharp"),
    ("u", re.compile(r"(?<![\w'’.-])(u r|ur|r u|u)(?![\w'’.-])"), lambda match: QUICK[match[1]]),
    (
        f"{_CAPITALS}{_SMALL}ıİ",
        re.compile(rf"(?<![\w/.])(?:{_either(SHORTHAND)})(?![\w/])", re.IGNORECASE),
        _short,
    ),
    ("&", re.compile(r"(?<=\w) ?& ?(?=\w)"), " and "),
    ("/", re.compile(r"\band/or\b", re.IGNORECASE), "and or"),
    ("/", re.compile(r"(?<![\w/.~])([A-Za-z]+)/([A-Za-z]+)(?![\w/.]*[/.]\w)"), r"\1 or \2"),
)

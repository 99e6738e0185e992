"""What is written -> what a person would read aloud. Pure.

espeak reads plain numbers, decimals, percentages and ordinals well in every language. What it does
not know is what a number is: a price, a time, a year, a telephone. That is told here, for English;
other languages keep what espeak makes of them.
"""

import re
from collections.abc import Callable, Iterable

_Match = re.Match[str]

_REPEATED = re.compile(r"([!?.,;:…‼⁉])\1{1,}")
_MIXED = re.compile(r"[!?]{2,}")
_STRETCHED = re.compile(r"([^\W\d_])\1{3,}")


def read(text: str, lang: str) -> str:
    """Return *text* as it should be read, in the language of espeak's code *lang*."""
    text = _calm(text)
    if lang.startswith("en"):
        for pattern, say in _ENGLISH:
            text = pattern.sub(say, text)
    return text


def pronounce(text: str, words: dict[str, str]) -> str:
    """Return *text* with words said as someone taught.

    Args:
        text: what shall be spoken.
        words: how a word, in lower case, is said.
    """
    if not words:
        return text
    known = "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True))
    pattern = re.compile(rf"(?<!\w)(?:{known})(?!\w)", re.IGNORECASE)
    return pattern.sub(lambda match: words.get(match[0].casefold(), match[0]), text)


def _calm(text: str) -> str:
    """Take the shouting out: one mark instead of many, three letters instead of twenty."""

    def one(match: _Match) -> str:
        return "…" if match[0].startswith("..") else match[1]

    text = _MIXED.sub(lambda match: "?" if "?" in match[0] else "!", text)
    text = _REPEATED.sub(one, text)
    return _STRETCHED.sub(r"\1\1\1", text)


# ---- English ----

_MONTHS = (
    "January February March April May June July August September October November December"
).split()
_MONTH_SHORT = {name[:3].lower(): name for name in _MONTHS} | {"sept": "September"}

_CURRENCIES = {
    "$": ("dollar", "dollars", "cent", "cents"),
    "€": ("euro", "euros", "cent", "cents"),
    "£": ("pound", "pounds", "penny", "pence"),
    "¥": ("yen", "yen", "", ""),
    "₹": ("rupee", "rupees", "paisa", "paise"),
    "usd": ("dollar", "dollars", "cent", "cents"),
    "eur": ("euro", "euros", "cent", "cents"),
    "gbp": ("pound", "pounds", "penny", "pence"),
    "chf": ("franc", "francs", "centime", "centimes"),
}
_SCALES = {"k": "thousand", "m": "million", "mn": "million", "bn": "billion", "b": "billion"}

_UNITS = {  # one, several
    "km/h": ("kilometre per hour", "kilometres per hour"),
    "mph": ("mile per hour", "miles per hour"),
    "m/s": ("metre per second", "metres per second"),
    "km": ("kilometre", "kilometres"),
    "cm": ("centimetre", "centimetres"),
    "mm": ("millimetre", "millimetres"),
    "m²": ("square metre", "square metres"),
    "m2": ("square metre", "square metres"),
    "kg": ("kilogram", "kilograms"),
    "mg": ("milligram", "milligrams"),
    "ml": ("millilitre", "millilitres"),
    "lbs": ("pound", "pounds"),
    "lb": ("pound", "pounds"),
    "oz": ("ounce", "ounces"),
    "ft": ("foot", "feet"),
    "mi": ("mile", "miles"),
    "kW": ("kilowatt", "kilowatts"),
    "kWh": ("kilowatt hour", "kilowatt hours"),
    "MB/s": ("megabyte per second", "megabytes per second"),
    "GB": ("gigabyte", "gigabytes"),
    "MB": ("megabyte", "megabytes"),
    "KB": ("kilobyte", "kilobytes"),
    "kB": ("kilobyte", "kilobytes"),
    "TB": ("terabyte", "terabytes"),
    "ms": ("millisecond", "milliseconds"),
    "mins": ("minute", "minutes"),
    "min": ("minute", "minutes"),
    "hrs": ("hour", "hours"),
    "hr": ("hour", "hours"),
    "secs": ("second", "seconds"),
    "sec": ("second", "seconds"),
    "°C": ("degree Celsius", "degrees Celsius"),
    "°F": ("degree Fahrenheit", "degrees Fahrenheit"),
    "px": ("pixel", "pixels"),
    "Hz": ("hertz", "hertz"),
    "kHz": ("kilohertz", "kilohertz"),
    "GHz": ("gigahertz", "gigahertz"),
    "h": ("hour", "hours"),
    "m": ("metre", "metres"),
    "g": ("gram", "grams"),
    "s": ("second", "seconds"),
    "l": ("litre", "litres"),
    "L": ("litre", "litres"),
}

# How people write in a hurry. Only what is no word of its own.
_SHORTHAND = {
    "btw": "by the way",
    "imo": "in my opinion",
    "imho": "in my humble opinion",
    "afaik": "as far as I know",
    "iirc": "if I remember correctly",
    "idk": "I don't know",
    "omw": "on my way",
    "brb": "be right back",
    "ttyl": "talk to you later",
    "tbh": "to be honest",
    "fyi": "for your information",
    "thx": "thanks",
    "ty": "thank you",
    "pls": "please",
    "plz": "please",
    "tmrw": "tomorrow",
    "tmr": "tomorrow",
    "rn": "right now",
    "nvm": "never mind",
    "np": "no problem",
    "eta": "E T A",
    "asap": "as soon as possible",
    "w/": "with",
    "w/o": "without",
    "b/c": "because",
    "bc": "because",
    "approx.": "approximately",
    "vs.": "versus",
    "vs": "versus",
    "e.g.": "for example",
    "i.e.": "that is",
    "etc.": "et cetera",
    "aka": "also known as",
    "dept.": "department",
    "appt.": "appointment",
    "apt.": "apartment",
}

_FRACTIONS = {
    "½": "a half",
    "⅓": "a third",
    "⅔": "two thirds",
    "¼": "a quarter",
    "¾": "three quarters",
    "1/2": "a half",
    "1/3": "a third",
    "2/3": "two thirds",
    "1/4": "a quarter",
    "3/4": "three quarters",
    "1/5": "a fifth",
    "1/8": "an eighth",
}

_DIGITS = "zero one two three four five six seven eight nine".split()  # shorter

# A number with a mark that people put between thousands.
_NUMBER = r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?"


def _money(match: _Match) -> str:
    sign = (match["before"] or match["after"]).casefold()
    one, many, cent, cents = _CURRENCIES[sign]
    number = match["number"].replace(",", "")
    if match["scale"]:
        return f"{number} {_SCALES[match['scale'].casefold()]} {many}"
    whole, _, part = number.partition(".")
    said = f"{match['number'].partition('.')[0]} {one if whole == '1' else many}"
    if len(part) != 2 or not cents:  # noqa: PLR2004  # cents have two digits
        return f"{number} {many}" if part else said
    if int(part) == 0:
        return said
    small = f"{int(part)} {cent if int(part) == 1 else cents}"
    return small if whole == "0" else f"{said} {small}"


def _clock(match: _Match) -> str:
    hour, minute = int(match["hour"]), int(match["minute"])
    half = (match["half"] or "").replace(".", "").upper()
    half = f" {' '.join(half)}" if half else ""
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


def _ordinal(number: int) -> str:
    """Return a number as espeak reads an ordinal."""
    teen = 10 < number % 100 < 14  # noqa: PLR2004  # 11th, 12th, 13th
    return f"{number}{'th' if teen else {1: 'st', 2: 'nd', 3: 'rd'}.get(number % 10, 'th')}"


def _date(year: str, month: int, day: int) -> str:
    said = f"{_MONTHS[month - 1]} {_ordinal(day)}"
    return f"{said}, {_year(int(year))}" if year else said


def _iso_date(match: _Match) -> str:
    month, day = int(match["month"]), int(match["day"])
    if not (1 <= month <= 12 and 1 <= day <= 31):  # noqa: PLR2004
        return match[0]
    return _date(match["year"], month, day)


def _named_date(match: _Match) -> str:
    name = _MONTH_SHORT.get(match["month"].lower().rstrip("."), match["month"])
    return f"{name} {_ordinal(int(match['day']))}"


def _digits(match: _Match) -> str:
    """Read a telephone number digit by digit, with a breath between its groups."""
    said = match[0].replace("+", "plus ")
    groups = re.split(r"[\s\-./()]+", said)
    return ", ".join(
        " ".join(_DIGITS[int(c)] if c.isdigit() else c for c in group) if group != "plus" else group
        for group in groups
        if group
    ).replace("plus, ", "plus ")


def _unit(match: _Match) -> str:
    one, many = _UNITS[match["unit"]]
    return f"{match['number']} {one if match['number'] == '1' else many}"


def _dotted(match: _Match) -> str:
    return " dot ".join(match[0].split("."))


def _version(match: _Match) -> str:
    return "version " + " point ".join(match[1].split("."))


_ROMAN = {"I": 1, "V": 5, "X": 10, "L": 50, "C": 100}


def _roman(numeral: str) -> int:
    values = [_ROMAN[char] for char in numeral]
    pairs = zip(values, [*values[1:], 0], strict=True)
    return sum(-value if value < following else value for value, following in pairs)


def _regnal(match: _Match) -> str:
    return f"{match['name']} the {_ordinal(_roman(match['numeral']))}"


def _numbered(match: _Match) -> str:
    return f"{match['name']} {_roman(match['numeral'])}"


def _short(match: _Match) -> str:
    return _SHORTHAND.get(match[0].casefold(), match[0])


def _either(words: Iterable[str]) -> str:
    return "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True))


_Rule = tuple[re.Pattern[str], str | Callable[[_Match], str]]

_KINGS = (
    "King|Queen|Pope|Emperor|Henry|Elizabeth|George|Edward|Charles|William|James|Louis|Philip|"
    "Peter|Catherine|Richard|Mary|Pius|John Paul|Benedict|Frederick|Napoleon|Ramses|Gregory"
)
_PARTS = (
    "World War|Chapter|Part|Volume|Vol|Act|Scene|Rocky|Final Fantasy|Phase|Type|Level|Class|Book|"
    "Episode|Super Bowl|Appendix|Section|Article"
)

_ENGLISH: tuple[_Rule, ...] = (
    (re.compile(r"\b(1[1-9]\d0|20[1-9]0)s\b"), lambda match: _year(int(match[1])) + "'s"),
    (
        re.compile(
            rf"(?<![\w.])(?:(?P<before>[$€£¥₹])\s?)(?P<number>{_NUMBER})"
            r"(?:\s?(?P<scale>k|mn|m|bn|b|K|M|B))?(?P<after>)(?![\w])"
        ),
        _money,
    ),
    (
        re.compile(
            rf"(?<![\w.])(?P<before>)(?P<number>{_NUMBER})(?P<scale>)\s?"
            r"(?P<after>[$€£¥₹]|USD|EUR|GBP|CHF)(?!\w)"
        ),
        _money,
    ),
    (re.compile(r"(?<![\d.-])(?P<year>\d{4})-(?P<month>\d\d)-(?P<day>\d\d)(?![\d-])"), _iso_date),
    (
        re.compile(
            r"\b(?P<month>Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec|January|February|March|"
            r"April|May|June|July|August|September|October|November|December)\.? "
            r"(?P<day>[12]?\d|3[01])(?:st|nd|rd|th)?\b(?![:.]\d)"
        ),
        _named_date,
    ),
    (
        re.compile(
            r"(?<![\w:.])(?P<hour>[01]?\d|2[0-4]):(?P<minute>[0-5]\d)"
            r"(?: ?(?P<half>[aApP]\.?[mM]\.?(?!\w)))?(?![\d:])"
        ),
        _clock,
    ),
    (
        re.compile(r"(?<=\d) ?([aApP])\.?[mM]\b\.?(?=\s*(?:[a-z,;:!?)]|$))"),
        lambda match: f" {match[1].upper()} M",
    ),
    (re.compile(r"\+\d{1,3}(?:[\s.-]?\(?\d{2,5}\)?){2,5}|\(\d{3}\) ?\d{3}-\d{4}"), _digits),
    (re.compile(r"(?<![\w-])\d{3}-\d{3}-\d{4}(?![\w-])|(?<![\w-])\d{3}-\d{4}(?![\w-])"), _digits),
    (re.compile(r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?![\w.])"), _dotted),
    (re.compile(r"\bv(\d+(?:\.\d+)+)\b"), _version),
    (
        re.compile(r"(?<![\d/.])(?:[½⅓⅔¼¾]|(?:1/2|[12]/3|[13]/4|1/5|1/8)(?![\d/]))"),
        lambda match: _FRACTIONS[match[0]],
    ),
    (re.compile(r"\b24/7\b"), "twenty-four seven"),
    (re.compile(r"\b50/50\b"), "fifty-fifty"),
    (re.compile(r"(?<![\d/.])(\d{1,2})/10(?![\d/])"), r"\1 out of 10"),
    (re.compile(r"(?<![\d:.])(\d{1,2}):(\d)(?![\d:])"), r"\1 to \2"),
    (
        re.compile(r"(?P<lead>\b(?:code|OTP|PIN|pin|passcode)(?: is|:)? )(?P<code>\d{3,9})\b"),
        lambda match: match["lead"] + " ".join(_DIGITS[int(c)] for c in match["code"]),
    ),
    (
        re.compile(
            r"(?<![\d.])\d{1,3}(?:[\u00a0\u202f]\d{3})+(?!\d)|(?<![\d.])\d{1,3}(?: 000)+(?!\d)"
        ),
        lambda match: re.sub(r"\s", "", match[0]),
    ),
    (re.compile(r"(?<![\w.,])(?:0\d{2,}|\d{10,})(?![\w.,]\d)"), _digits),
    (re.compile(r"(?<=\d) %"), "%"),
    (
        re.compile(rf"(?<![\w.])(?P<number>{_NUMBER})\s?(?P<unit>{_either(_UNITS)})(?![\w/²'])"),
        _unit,
    ),
    (
        re.compile(rf"\b(?P<name>(?:{_KINGS})(?: [A-Z][a-z]+)?) (?P<numeral>[IVX]{{1,6}})\b"),
        _regnal,
    ),
    (re.compile(rf"\b(?P<name>{_PARTS}) (?P<numeral>[IVXL]{{1,6}})\b"), _numbered),
    (
        re.compile(
            r"(?P<lead>\b(?:in|In|since|Since|until|before|after|year|[A-Z][a-z]+ \d+"
            rf"(?:th|st|nd|rd),|{'|'.join(_MONTHS)}) )(?P<year>1[1-9]\d\d|20\d\d)\b(?![,.]\d)"
        ),
        lambda match: match["lead"] + _year(int(match["year"])),
    ),
    (re.compile(r"(?<![\w.-])(\d+)\s?[-–]\s?(\d+)(?![\w.-])"), r"\1 to \2"),
    (re.compile(r"\bNo\. ?(?=\d)"), "number "),
    (re.compile(r"(?<!\w)#(?=\d)"), "number "),
    (re.compile(r"(?<=\d)x\b"), " times"),
    (re.compile(r"(?<=\d)k\b"), " thousand"),
    (re.compile(r"(?<!\w)[~≈] ?(?=\d)"), "about "),
    (re.compile(r"\s*(?:->|=>|→|⇒)\s*"), ", then "),
    (re.compile(r"\b(Mr|Mrs|Ms|Dr|Prof)\. (?=\w)|\b(St)\. (?=[A-Z])"), r"\1\2 "),
    (re.compile(rf"(?<![\w/.])(?:{_either(_SHORTHAND)})(?![\w/])", re.IGNORECASE), _short),
    (re.compile(r"(?<=\w) ?& ?(?=\w)"), " and "),
    (re.compile(r"\band/or\b", re.IGNORECASE), "and or"),
    (re.compile(r"(?<![\w/.~])([A-Za-z]+)/([A-Za-z]+)(?![\w/.]*[/.]\w)"), r"\1 or \2"),
)

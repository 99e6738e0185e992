"""How a person reads the numbers, signs and short forms in an English text. Pure.

A table of rules, applied in order; each leaves alone what later ones need. To add one, put it
before the rules that would misread its text, with an example that no other rule handles: a test
runs every example through all rules, and checks that the rule itself has changed it.
"""

import functools
import re
import string
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from audio.text.lexicon import (
    COMPARED,
    EACH,
    FRACTIONS,
    LETTERED,
    MONTHS,
    PLACES,
    QUICK,
    SHORTHAND,
    UNITS,
    WEEKDAYS,
)
from audio.text.readings import (
    Match,
    century,
    clock_time,
    day_month,
    decade,
    dimensions,
    dotted,
    duration,
    iso_date,
    known,
    measure,
    month_day,
    month_range,
    numbered_title,
    phone_number,
    price,
    price_range,
    regnal_number,
    season,
    shorthand,
    single_price,
    slashed_date,
    spelled,
    version,
    weekday_range,
    year,
)


@dataclass(frozen=True, slots=True)
class Rule:
    """A pattern, and how to read what it matches."""

    name: str
    purpose: str
    """What it matches, as a sentence."""
    examples: tuple[tuple[str, str], ...]
    """A text, and the text after all rules."""
    needs: tuple[frozenset[str], ...]
    """Of each of these sets, a text must contain a character for the pattern to match.

    Most texts don't, so most patterns, which take longer, need not be tried."""
    pattern: re.Pattern[str]
    reading: str | Callable[[Match], str]
    """The replacement, as `re.sub` accepts it."""

    def may_match(self, chars: frozenset[str]) -> bool:
        """Return whether it can match in a text of these characters."""
        return not any(chars.isdisjoint(needed) for needed in self.needs)


def _needs(groups: str) -> tuple[frozenset[str], ...]:
    """Return `Rule.needs` from groups of characters, where 0 is any digit."""
    return tuple(frozenset(group.replace("0", string.digits)) for group in groups.split())


@functools.cache
def rules(lang: str) -> tuple[Rule, ...]:
    """Return the rules of American English or, for ``en-gb``, of British, in order."""
    return (_BRITISH_DATE if lang == "en-gb" else _AMERICAN_DATE, *_RULES)


# A number, possibly with commas between its thousands.
_NUMBER = r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?"
_CAPITALS, _SMALL = string.ascii_uppercase, string.ascii_lowercase

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


def _either(words: Iterable[str]) -> str:
    """Return a pattern of any of *words*, longest first; grouped by first letter, for speed."""
    by_first: dict[str, list[str]] = {}
    for word in sorted(words, key=len, reverse=True):
        by_first.setdefault(word[0], []).append(re.escape(word[1:]))
    return "|".join(f"{re.escape(first)}(?:{'|'.join(ends)})" for first, ends in by_first.items())


def _firsts(words: Iterable[str]) -> str:
    """Return the first characters of *words*."""
    return "".join(sorted({word[0] for word in words}))


_SLASHED_DATE = re.compile(
    r"(?<![\d/.-])(?P<first>\d{1,2})/(?P<second>\d{1,2})/(?P<year>\d{4}|\d{2})(?![\d/])"
)

_AMERICAN_DATE = Rule(
    name="slashed date",
    purpose="A date with slashes, month first if both orders are possible.",
    examples=(
        ("The lease ends 11/24/2026.", "The lease ends November 24th, 20 26."),
        ("It came on 13/2/26.", "It came on February 13th, 20 26."),
    ),
    needs=_needs("0 /"),
    pattern=_SLASHED_DATE,
    reading=slashed_date(day_first=False),
)

_BRITISH_DATE = Rule(
    name="slashed date",
    purpose="A date with slashes, day first if both orders are possible.",
    examples=(
        ("The lease ends 24/11/2026.", "The lease ends November 24th, 20 26."),
        ("It came on 5/2/26.", "It came on February 5th, 20 26."),
    ),
    needs=_needs("0 /"),
    pattern=_SLASHED_DATE,
    reading=slashed_date(day_first=True),
)

_RULES: tuple[Rule, ...] = (
    Rule(
        name="dotted date",
        purpose="A date with dots, day first.",
        examples=(("The lease ends 24.11.2026.", "The lease ends November 24th, 20 26."),),
        needs=_needs("0 ."),
        pattern=re.compile(
            r"(?<![\d/.-])(?P<first>\d{1,2})\.(?P<second>\d{1,2})\.(?P<year>\d{4})(?![\d.]*\d)"
        ),
        reading=slashed_date(day_first=True),
    ),
    Rule(
        name="price range",
        purpose="A range of prices, with the currency once.",
        examples=(("Tickets cost $5-10 each.", "Tickets cost 5 to 10 dollars each."),),
        needs=_needs("0 $€£¥₹ -–"),
        pattern=re.compile(
            rf"(?P<sign>{_SIGN})(?P<low>\d+)\s?[-–]\s?{_SIGN}?(?P<high>\d+)(?![\w.,])"
        ),
        reading=price_range,
    ),
    Rule(
        name="price of a note or coin",
        purpose="A banknote or coin, in the singular: a 50 dollar bill.",
        examples=(("I found a $50 bill.", "I found a 50 dollar bill."),),
        needs=_needs("0 $€£¥₹ bnc"),
        pattern=re.compile(
            rf"(?P<lead>)(?P<sign>{_SIGN})\s?(?P<number>{_NUMBER})"
            r"(?=[ -](?:bills?|notes?|coins?)\b)"
        ),
        reading=single_price,
    ),
    Rule(
        name="price before a noun",
        purpose="A price that describes a thing, in the singular.",
        examples=(("She got a $50 gift card.", "She got a 50 dollar gift card."),),
        needs=_needs("0 $€£¥₹ Aa"),
        pattern=re.compile(
            rf"(?P<lead>\b[Aa]n? )(?P<sign>{_SIGN})"
            r"(?P<number>\d{1,3}(?:,\d{3})+|\d+)(?=[ -][a-z])"
        ),
        reading=single_price,
    ),
    Rule(
        name="short decade",
        purpose="A decade without its century, after an article or an apostrophe.",
        examples=(
            ("Music of the 80s is back.", "Music of the eighties is back."),
            ("He likes the '90s.", "He likes the nineties."),
        ),
        needs=_needs("0 s"),
        pattern=re.compile(
            r"(?=['’2-9])"
            r"(?:(?<=\b[Tt]he )|(?<=\b[Hh]er )|(?<=\b[Hh]is )|(?<=\b[Mm]y )|(?<=[Mm]id-))"
            r"['’]?([2-9]0)s\b|['’]([2-9]0)s\b"
        ),
        reading=lambda match: decade(match[1] or match[2]),
    ),
    Rule(
        name="season",
        purpose="Two consecutive years as one season, the second shortened.",
        examples=(("The 2025-26 season starts soon.", "The 20 25 to 26 season starts soon."),),
        needs=_needs("0 -–/"),
        pattern=re.compile(r"\b((?:19|20)\d\d)[-–/](\d\d)\b(?![-–/])"),
        reading=season,
    ),
    Rule(
        name="decade",
        purpose="A decade with its century.",
        examples=(("A house from the 1920s.", "A house from the 19 twenties."),),
        needs=_needs("0 s"),
        pattern=re.compile(r"\b(1[1-9]|20)([1-9]0)s\b"),
        reading=lambda match: f"{match[1]} {decade(match[2])}",
    ),
    Rule(
        name="currency sign before",
        purpose="A price with its sign before the number.",
        examples=(
            ("It costs $5.50.", "It costs 5 dollars 50 cents."),
            ("They paid €3m.", "They paid 3 million euros."),
        ),
        needs=_needs("0 $€£¥₹"),
        pattern=re.compile(
            rf"(?<![\w.])(?:(?P<before>[$€£¥₹])\s?)(?P<number>{_NUMBER})"
            r"(?:\s?(?P<scale>k|mn|m|bn|b|K|M|B))?(?P<after>)(?![\w])"
        ),
        reading=price,
    ),
    Rule(
        name="currency after",
        purpose="A price with its sign or code after the number.",
        examples=(
            ("It costs 6 € today.", "It costs 6 euros today."),
            ("He sent 20 USD.", "He sent 20 dollars."),
        ),
        needs=_needs("0 $€£¥₹¢DRPF"),
        pattern=re.compile(
            rf"(?<![\w.])(?P<before>)(?P<number>{_NUMBER})(?P<scale>)\s?"
            r"(?P<after>[$€£¥₹¢]|USD|EUR|GBP|CHF)(?!\w)"
        ),
        reading=price,
    ),
    Rule(
        name="ISO time",
        purpose="The time in an ISO 8601 timestamp.",
        examples=(("Backup at 2026-11-24T09:30:00Z.", "Backup at November 24th, 20 26 at 9 30."),),
        needs=_needs("0 T :"),
        pattern=re.compile(
            r"(?<=\d{4}-\d\d-\d\d)T(\d\d:\d\d)(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?"
        ),
        reading=r" at \1",
    ),
    Rule(
        name="ISO date",
        purpose="A date in ISO 8601.",
        examples=(("The lease ends 2026-11-24.", "The lease ends November 24th, 20 26."),),
        needs=_needs("0 -"),
        pattern=re.compile(r"(?<![\d.-])(?P<year>\d{4})-(?P<month>\d\d)-(?P<day>\d\d)(?![\d-])"),
        reading=iso_date,
    ),
    Rule(
        name="weekday range",
        purpose="A range of short weekdays.",
        examples=(("Open Mon-Fri.", "Open Monday to Friday."),),
        needs=_needs("-–"),
        pattern=re.compile(rf"\b({_DAY})\s?[-–]\s?({_DAY})\b", re.IGNORECASE),
        reading=weekday_range,
    ),
    Rule(
        name="month range",
        purpose="A range of short months.",
        examples=(("Closed Jan-Mar.", "Closed January to March."),),
        needs=_needs("-–"),
        pattern=re.compile(rf"\b({_MONTH_SHORT_NAMES})\s?[-–]\s?({_MONTH_SHORT_NAMES})\b"),
        reading=month_range,
    ),
    Rule(
        name="short weekday",
        purpose="A short weekday before a date or time; elsewhere Sun and Sat are words.",
        examples=(
            ("See you Wed, 3 June, at home.", "See you Wednesday, the 3rd of June, at home."),
            ("Come on Sat at 5.", "Come on Saturday at 5."),
        ),
        needs=_needs("MTWFS"),
        pattern=re.compile(rf"\b({_DAY})\b\.?(?=,? (?:\d|at \d|(?:{_MONTH})\b))"),
        reading=lambda match: known(WEEKDAYS, match[1]),
    ),
    Rule(
        name="day before month",
        purpose="A date with the day first.",
        examples=(("It is on 3 Nov at home.", "It is on the 3rd of November at home."),),
        needs=_needs("0 JFMASOND"),
        pattern=re.compile(
            rf"(?<![\d:.,$€£-])\b(?P<day>[12]?\d|3[01])(?:st|nd|rd|th)?"
            rf" (?:of )?(?P<month>{_MONTH})\b\.?"
        ),
        reading=day_month,
    ),
    Rule(
        name="month before day",
        purpose="A date with the month first.",
        examples=(("It is on Nov. 3rd.", "It is on November 3rd."),),
        needs=_needs("0 JFMASOND"),
        pattern=re.compile(
            rf"\b(?P<month>{_MONTH})\.? "
            r"(?P<day>[12]?\d|3[01])(?:st|nd|rd|th)?\b(?![:.]\d)"
        ),
        reading=month_day,
    ),
    Rule(
        name="dotted time",
        purpose="A time with a dot in place of the colon, before am or pm.",
        examples=(("Dinner at 7.30 pm today.", "Dinner at 7 30 PM today."),),
        needs=_needs("0 . ap m"),
        pattern=re.compile(r"(?<![\w:.])(\d{1,2})\.([0-5]\d)(?=\s?[ap]\.?m\b)"),
        reading=r"\1:\2",
    ),
    Rule(
        name="time range",
        purpose="A range of times; the times themselves are read by later rules.",
        examples=(
            ("Open 9-5:30 pm today.", "Open 9 to 5 30 PM today."),
            ("Lunch is 12:00-13:30.", "Lunch is 12 o'clock to 13 30."),
        ),
        needs=_needs("0 -– :ap"),
        pattern=re.compile(
            r"(?<![\w:.-])(\d{1,2}(?::\d\d)?)\s?([aApP]\.?[mM]\b\.?)?\s?[-–]\s?"
            r"(?=\d{1,2}(?::\d\d(?![\d:])|\s?[ap]\.?m\b))"
        ),
        reading=lambda match: f"{match[1]}{' ' + match[2] if match[2] else ''} to ",
    ),
    Rule(
        name="duration in h and min",
        purpose="A duration with both units.",
        examples=(("It takes 1h 30min.", "It takes 1 hour 30 minutes."),),
        needs=_needs("0 h m"),
        pattern=re.compile(r"(?<![\w:.])(\d+)\s?h(?:rs?)?\s?(\d{1,2})\s?(?:m|min|mins)\b"),
        reading=lambda match: duration(match[1], match[2]),
    ),
    Rule(
        name="duration as 2h05",
        purpose="A duration with the minutes after the h.",
        examples=(("It takes 2h05.", "It takes 2 hours 5 minutes."),),
        needs=_needs("0 h"),
        pattern=re.compile(r"(?<![\w:.])(\d+)h([0-5]\d)\b"),
        reading=lambda match: duration(match[1], match[2]),
    ),
    Rule(
        name="stopwatch time",
        purpose="Hours, minutes and seconds, or a finishing time.",
        examples=(("She ran it in 3:05:07.", "She ran it in 3 05 and 7 seconds."),),
        needs=_needs("0 :"),
        pattern=re.compile(r"(?<![\w:.])(\d{1,2}):([0-5]\d):([0-5]\d)(?![\d:])"),
        reading=lambda match: f"{int(match[1])} {match[2]} and {int(match[3])} seconds",
    ),
    Rule(
        name="clock time",
        purpose="A time with a colon, with or without am and pm.",
        examples=(
            ("Dinner at 19:05.", "Dinner at 19 oh 5."),
            ("Wake me at 7:00 am tomorrow.", "Wake me at 7 AM tomorrow."),
        ),
        needs=_needs("0 :"),
        pattern=re.compile(
            r"(?<![\w:.])(?P<hour>[01]?\d|2[0-4]):(?P<minute>[0-5]\d)"
            r"(?: ?(?P<half>[aApP]\.?[mM]\.?(?!\w)))?(?![\d:])"
        ),
        reading=clock_time,
    ),
    Rule(
        name="am and pm",
        purpose="am or pm, in capitals, so that it is spelled out.",
        examples=(("Dinner at 7pm today.", "Dinner at 7 PM today."),),
        needs=_needs("0 aApP mM"),
        pattern=re.compile(r"(?<=\d) ?([aApP])\.?[mM]\b(?:\.(?=\s*[a-z,;:!?)]|$))?"),
        reading=lambda match: f" {match[1].upper()}M",
    ),
    Rule(
        name="international number",
        purpose="A telephone number with + or an area code in brackets.",
        examples=(
            (
                "Call +44 20 7946 0018.",
                "Call plus four four, two zero, seven nine four six, zero zero one eight.",
            ),
            ("Call (555) 123-4567.", "Call five five five, one two three, four five six seven."),
        ),
        needs=_needs("0 +("),
        pattern=re.compile(r"\+\d{1,3}(?:[\s.-]?\(?\d{2,5}\)?){2,5}|\(\d{3}\) ?\d{3}-\d{4}"),
        reading=phone_number,
    ),
    Rule(
        name="toll-free number",
        purpose="A North American number with the leading 1.",
        examples=(
            (
                "Call 1-800-555-1234.",
                "Call one, eight zero zero, five five five, one two three four.",
            ),
        ),
        needs=_needs("0 -"),
        pattern=re.compile(r"(?<![\w-])1-\d{3}-\d{3}-\d{4}(?![\w-])"),
        reading=phone_number,
    ),
    Rule(
        name="dotted number",
        purpose="A telephone number with dots.",
        examples=(
            (
                "Call 555.123.4567 today.",
                "Call five five five, one two three, four five six seven today.",
            ),
        ),
        needs=_needs("0 ."),
        pattern=re.compile(r"(?<![\w.-])\d{3}\.\d{3}\.\d{4}(?![\w.-])"),
        reading=phone_number,
    ),
    Rule(
        name="national number",
        purpose="A telephone number with the leading 0.",
        examples=(
            (
                "Call 020 7946 0018.",
                "Call zero two zero, seven nine four six, zero zero one eight.",
            ),
        ),
        needs=_needs("0"),
        pattern=re.compile(r"(?<![\w.,:-])0\d{2,4}(?:[\s/-]\d{3,4}){1,3}(?![\w.,:-]\d)"),
        reading=phone_number,
    ),
    Rule(
        name="ZIP code",
        purpose="A five-digit code after the two letters of a state.",
        examples=(("Send it to CA 90210.", "Send it to CA nine zero two one zero."),),
        needs=_needs(f"0 {_CAPITALS}"),
        pattern=re.compile(r"\b(?P<lead>[A-Z]{2} )(?P<code>\d{5})\b(?![,.]\d)"),
        reading=lambda match: match["lead"] + spelled(match["code"]),
    ),
    Rule(
        name="North American number",
        purpose="A telephone number with hyphens.",
        examples=(
            ("Call 555-123-4567.", "Call five five five, one two three, four five six seven."),
        ),
        needs=_needs("0 -"),
        pattern=re.compile(r"(?<![\w-])\d{3}-\d{3}-\d{4}(?![\w-])|(?<![\w-])\d{3}-\d{4}(?![\w-])"),
        reading=phone_number,
    ),
    Rule(
        name="IP address",
        purpose="An address of four numbers.",
        examples=(("Ping 192.168.0.1 first.", "Ping 192 dot 168 dot 0 dot 1 first."),),
        needs=_needs("0 ."),
        pattern=re.compile(r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?![\w.])"),
        reading=dotted,
    ),
    Rule(
        name="version",
        purpose="A version after a v.",
        examples=(("Crier v1.2.3 is out.", "Crier version 1 point 2 point 3 is out."),),
        needs=_needs("0 v ."),
        pattern=re.compile(r"\bv(\d+(?:\.\d+)+)\b"),
        reading=version,
    ),
    Rule(
        name="mixed fraction",
        purpose="A fraction after a whole number.",
        examples=(
            ("Add 1½ cups.", "Add 1 and a half cups."),
            ("Add 2 1/2 cups.", "Add 2 and a half cups."),
        ),
        needs=_needs("0 ½⅓⅔¼¾/"),
        pattern=re.compile(r"(?<=\d)\s?([½⅓⅔¼¾])|(?<=\d) (1/2|[12]/3|[13]/4)(?![\d/])"),
        reading=lambda match: f" and {FRACTIONS[match[1] or match[2]]}",
    ),
    Rule(
        name="star rating",
        purpose="A rating of stars out of five.",
        examples=(("It got 4/5 stars.", "It got 4 out of 5 stars."),),
        needs=_needs("0 / t"),
        pattern=re.compile(r"(?<![\d/.])([1-4](?:\.5)?)/5(?= stars?\b)"),
        reading=r"\1 out of 5",
    ),
    Rule(
        name="fraction",
        purpose="A fraction alone.",
        examples=(
            ("Add ½ a cup.", "Add a half a cup."),
            ("Drink 3/4 of it.", "Drink three quarters of it."),
        ),
        needs=_needs("½⅓⅔¼¾/"),
        pattern=re.compile(r"(?<![\d/.])(?:[½⅓⅔¼¾]|(?:1/2|[12]/3|[13]/4|1/5|1/8)(?![\d/]))"),
        reading=lambda match: FRACTIONS[match[0]],
    ),
    Rule(
        name="24/7",
        purpose="Day and night.",
        examples=(("They are open 24/7.", "They are open twenty-four seven."),),
        needs=_needs("0 /"),
        pattern=re.compile(r"\b24/7\b"),
        reading="twenty-four seven",
    ),
    Rule(
        name="50/50",
        purpose="Equal parts.",
        examples=(("We split it 50/50.", "We split it fifty-fifty."),),
        needs=_needs("0 /"),
        pattern=re.compile(r"\b50/50\b"),
        reading="fifty-fifty",
    ),
    Rule(
        name="rating out of 10",
        purpose="A rating out of ten.",
        examples=(("It was 8/10.", "It was 8 out of 10."),),
        needs=_needs("0 /"),
        pattern=re.compile(r"(?<![\d/.])(\d{1,2}(?:\.5)?)/10(?![\d/])"),
        reading=r"\1 out of 10",
    ),
    Rule(
        name="score",
        purpose="The score of a game; a time has two digits after the colon.",
        examples=(("We won 3:1.", "We won 3 to 1."),),
        needs=_needs("0 :"),
        pattern=re.compile(r"(?<![\d:.])(\d{1,2}):(\d)(?![\d:])"),
        reading=r"\1 to \2",
    ),
    Rule(
        name="secret code",
        purpose="A code or PIN, digit by digit.",
        examples=(("Your code is 4821.", "Your code is four eight two one."),),
        needs=_needs("0 oOpP"),
        pattern=re.compile(
            r"(?P<lead>\b(?:code|OTP|PIN|pin|passcode)(?: is|:)? )(?P<code>\d{3,9})\b"
        ),
        reading=lambda match: match["lead"] + spelled(match["code"]),
    ),
    Rule(
        name="number grouped by spaces",
        purpose="A number with spaces between its thousands.",
        examples=(("It has 12 000 seats.", "It has 12000 seats."),),
        needs=_needs("0"),
        pattern=re.compile(
            r"(?<![\d.])\d{1,3}(?:[\u00a0\u202f]\d{3})+(?!\d)|(?<![\d.])\d{1,3}(?: 000)+(?!\d)"
        ),
        reading=lambda match: re.sub(r"\s", "", match[0]),
    ),
    Rule(
        name="long number",
        purpose="A number with a leading zero or at least ten digits, digit by digit.",
        examples=(("Order 007 is here.", "Order zero zero seven is here."),),
        needs=_needs("0"),
        pattern=re.compile(r"(?<![\w.,])(?:0\d{2,}|\d{10,})(?![\w.,]\d)"),
        reading=phone_number,
    ),
    Rule(
        name="spaced percent sign",
        purpose="A percent sign after a space, as in French and German.",
        examples=(("It fell by 5 %.", "It fell by 5%."),),
        needs=_needs("0 %"),
        pattern=re.compile(r"(?<=\d) %"),
        reading="%",
    ),
    Rule(
        name="body height",
        purpose="A height in feet and inches.",
        examples=(("He is 6'2\" tall.", "He is 6 foot 2 tall."),),
        needs=_needs("0 '’′"),
        pattern=re.compile(r"(?<![\w.])([3-8])['’′](1[01]|\d)(?:[\"”″]|''|’’)?(?![\w])"),
        reading=r"\1 foot \2",
    ),
    Rule(
        name="dimensions",
        purpose="Two sides, for example of a screen; neither is a year.",
        examples=(("A 1920x1080 screen.", "A 19 20 by 10 80 screen."),),
        needs=_needs("0 x×"),
        pattern=re.compile(r"(?<![\w.,])(\d+)\s?[x×]\s?(\d+)(?=\s?(?:cm|mm|m|px|ft|in)?\b)(?!\w)"),
        reading=dimensions,
    ),
    Rule(
        name="rate per unit",
        purpose="A slash before a unit of time or measure.",
        examples=(("It costs $5/month.", "It costs 5 dollars per month."),),
        needs=_needs("/"),
        pattern=re.compile(
            rf"(?<=[a-z€$£\d%])\s?/\s?({_either(EACH)})\b(?<!24/7)(?=[\s,.;:!?)]|$)"
        ),
        reading=lambda match: f" per {EACH[match[1]]}",
    ),
    Rule(
        name="minus",
        purpose="A minus sign, or a hyphen in its place.",
        examples=(("It is -5 outside.", "It is minus 5 outside."),),
        needs=_needs("0 -−"),
        pattern=re.compile(r"(?<![\w)\].])[-−](?=\d)"),
        reading="minus ",
    ),
    Rule(
        name="power",
        purpose="A power with a caret.",
        examples=(("It is 2^10.", "It is 2 to the power of 10."),),
        needs=_needs("0 ^"),
        pattern=re.compile(r"(?<![\w.])(\d+)\^(\d+)(?!\w)"),
        reading=r"\1 to the power of \2",
    ),
    Rule(
        name="measure",
        purpose="A number with a unit; in the singular if it describes a thing.",
        examples=(
            ("Run 5km.", "Run 5 kilometres."),
            ("Buy a 60W bulb.", "Buy a 60 watt bulb."),
        ),
        needs=_needs(f"0 {_firsts(UNITS)}"),
        pattern=re.compile(
            rf"(?<![\w.])(?P<number>{_NUMBER})\s?(?P<unit>{_either(UNITS)})"
            r"(?![\w/²'])(?:\.(?= [a-z(]))?"
        ),
        reading=measure,
    ),
    Rule(
        name="century",
        purpose="A century in Roman numerals.",
        examples=(("A church of the XIV century.", "A church of the 14th century."),),
        needs=_needs("IVX y"),
        pattern=re.compile(r"\b(?P<numeral>[IVX]{1,5})(?:th|st)? (?P<century>[Cc]entury)\b"),
        reading=century,
    ),
    Rule(
        name="regnal number",
        purpose="The Roman number of a monarch or pope.",
        examples=(("Henry VIII had six.", "Henry the 8th had six."),),
        needs=_needs("IVX"),
        pattern=re.compile(
            rf"\b(?P<name>(?:{_KINGS})(?: [A-Z][a-z]+)?) (?P<numeral>[IVX]{{1,6}})\b"
        ),
        reading=regnal_number,
    ),
    Rule(
        name="numbered title",
        purpose="The Roman number of a war, chapter, part and so on.",
        examples=(
            ("See Chapter IV.", "See Chapter 4."),
            ("It was in World War II.", "It was in World War 2."),
        ),
        needs=_needs("IVXL"),
        pattern=re.compile(rf"\b(?P<name>{_PARTS}) (?P<numeral>[IVXL]{{1,6}})\b"),
        reading=numbered_title,
    ),
    Rule(
        name="year",
        purpose="A year, if the words before it show that it is one.",
        examples=(
            ("It happened in 1998.", "It happened in 19 98."),
            ("It happened in 1905.", "It happened in 19 oh 5."),
        ),
        needs=_needs(f"0 {_SMALL}"),
        pattern=re.compile(
            r"(?P<lead>\b(?:in|In|since|Since|until|before|after|year|[A-Z][a-z]+ \d+"
            rf"(?:th|st|nd|rd),|{'|'.join(MONTHS)}) )(?P<year>1[1-9]\d\d|20\d\d)\b(?![,.]\d)"
        ),
        reading=lambda match: match["lead"] + year(int(match["year"])),
    ),
    Rule(
        name="number range",
        purpose="A range of numbers.",
        examples=(("Read 10-20 pages.", "Read 10 to 20 pages."),),
        needs=_needs("0 -–"),
        pattern=re.compile(r"(?<![\w.-])(\d+)\s?[-–]\s?(\d+)(?![\w.-])"),
        reading=r"\1 to \2",
    ),
    Rule(
        name="short noun before a number",
        purpose="A page, chapter, figure, volume, number or extension, shortened.",
        examples=(
            ("See p. 12.", "See page 12."),
            ("It is No. 5.", "It is number 5."),
        ),
        needs=_needs("0 ."),
        pattern=re.compile(r"\b([Pp]p?|[Cc]h|[Ff]ig|[Vv]ol|Nos?|[Ee]xt)\. ?(?=\d)"),
        reading=lambda match: f"{known(PLACES, match[1])} ",
    ),
    Rule(
        name="number sign",
        purpose="A number sign before a number; a hashtag is left alone.",
        examples=(("You are #1.", "You are number 1."),),
        needs=_needs("0 #"),
        pattern=re.compile(r"(?<!\w)#(?=\d)"),
        reading="number ",
    ),
    Rule(
        name="times",
        purpose="A multiple.",
        examples=(("It is 3x faster.", "It is 3 times faster."),),
        needs=_needs("0 x"),
        pattern=re.compile(r"(?<=\d)x\b"),
        reading=" times",
    ),
    Rule(
        name="thousand",
        purpose="A short thousand.",
        examples=(("He has 5k followers.", "He has 5 thousand followers."),),
        needs=_needs("0 k"),
        pattern=re.compile(r"(?<=\d)k\b"),
        reading=" thousand",
    ),
    Rule(
        name="about",
        purpose="An approximate number.",
        examples=(("It takes ~5 minutes.", "It takes about 5 minutes."),),
        needs=_needs("0 ~≈"),
        pattern=re.compile(r"(?<!\w)[~≈] ?(?=\d)"),
        reading="about ",
    ),
    Rule(
        name="arrow",
        purpose="An arrow from one step to the next.",
        examples=(("Open Settings -> Sound.", "Open Settings, then Sound."),),
        needs=_needs(">→⇒"),
        pattern=re.compile(r"\s{0,9}(?:->|=>|→|⇒)\s{0,9}"),
        reading=", then ",
    ),
    Rule(
        name="title with a stop",
        purpose="The stop after a title, which would end the sentence.",
        examples=(("Ask Dr. Smith.", "Ask Dr Smith."),),
        needs=_needs(". r"),
        pattern=re.compile(r"\b(Mr|Mrs|Dr|Prof)\. (?=\w)"),
        reading=r"\1 ",
    ),
    Rule(
        name="Ms",
        purpose="A title that espeak spells.",
        examples=(("Ask Ms. Smith.", "Ask Miz Smith."),),
        needs=_needs("M s"),
        pattern=re.compile(r"\bMs\.? (?=[A-Z])"),
        reading="Miz ",
    ),
    Rule(
        name="letter A after a noun",
        purpose="A as a name; espeak takes a lone A for the article, quoted or not.",
        examples=(("Take plan A now.", "Take plan eh now."),),
        needs=_needs("A"),
        pattern=re.compile(rf"\b({LETTERED}) A\b(?=\s+[a-z])"),
        reading=r"\1 eh",
    ),
    Rule(
        name="letter A next to another",
        purpose="A as one of several letters, for the same reason.",
        examples=(("Choose A or B.", "Choose eh or B."),),
        needs=_needs("A"),
        pattern=re.compile(r"\bA(?= (?:or|and|to|vs\.?) [B-Z]\b)|\bA(?=/[B-Z]\b)"),
        reading="eh",
    ),
    Rule(
        name="grade A+",
        purpose="The grade, for the same reason.",
        examples=(("She got an A+.", "She got an A-plus."),),
        needs=_needs("A +"),
        pattern=re.compile(r"\bA\+(?!\+)"),
        reading="A-plus",
    ),
    Rule(
        name="capitals after a digit",
        purpose="Capitals that espeak would read as a word after a digit.",
        examples=(("The 4WD is here.", "The 4 W D is here."),),
        needs=_needs(f"0 {_CAPITALS}"),
        pattern=re.compile(r"(?<=\d)([A-Z]{2,3})\b(?<!AM)(?<!PM)"),
        reading=lambda match: " " + " ".join(match[1]),
    ),
    Rule(
        name="comparison",
        purpose="A sign that compares two numbers.",
        examples=(("Buy if 3 < 5.", "Buy if 3 is less than 5."),),
        needs=_needs("<>≤≥≠"),
        pattern=re.compile(r"(?<=[\d)]) ?([<>≤≥≠]) ?(?=-?[\d(])"),
        reading=lambda match: f" {COMPARED[match[1]]} ",
    ),
    Rule(
        name="street",
        purpose="St after a name.",
        examples=(("Turn left on Main St now.", "Turn left on Main Street now."),),
        needs=_needs("S t"),
        pattern=re.compile(
            r"(?<=[a-z\d] )St\b(?:\.(?=,|\s[a-z]))?(?!\.? [A-Z][a-z]*['’]s)(?=[\s.,;!?)]|$)"
        ),
        reading="Street",
    ),
    Rule(
        name="saint",
        purpose="St before a name.",
        examples=(("St. Ives is small.", "Saint Ives is small."),),
        needs=_needs("S t"),
        pattern=re.compile(r"\bSt\.? (?=[A-Z])"),
        reading="Saint ",
    ),
    Rule(
        name="avenue",
        purpose="Ave after a name.",
        examples=(("Meet me at Park Ave.", "Meet me at Park Avenue."),),
        needs=_needs("A v"),
        pattern=re.compile(r"(?<=[a-z\d] )Ave\b(?:\.(?=,|\s[a-z]))?"),
        reading="Avenue",
    ),
    Rule(
        name="road",
        purpose="Rd after a name.",
        examples=(("Meet me at Abbey Rd.", "Meet me at Abbey Road."),),
        needs=_needs("R d"),
        pattern=re.compile(r"(?<=[a-z] )Rd\b(?:\.(?=,|\s[a-z]))?"),
        reading="Road",
    ),
    Rule(
        name="at sign",
        purpose="An at sign for a place or a time; a handle is left alone.",
        examples=(("Meet @ noon.", "Meet at noon."),),
        needs=_needs("@"),
        pattern=re.compile(r"(?<=\s)@(?:\s+|(?=\d))"),
        reading="at ",
    ),
    Rule(
        name="C sharp",
        purpose="The language, or the note.",
        examples=(("He writes C#.", "He writes C sharp."),),
        needs=_needs("C #"),
        pattern=re.compile(r"\bC#"),
        reading="C sharp",
    ),
    Rule(
        name="chat spelling",
        purpose="Letters for words, as people type in a hurry.",
        examples=(("Where r u?", "Where are you?"),),
        needs=_needs("u"),
        pattern=re.compile(r"(?<![\w'’.-])(u r|ur|r u|u)(?![\w'’.-])"),
        reading=lambda match: QUICK[match[1]],
    ),
    Rule(
        name="shorthand",
        purpose="A short form of `audio.text.lexicon.SHORTHAND`.",
        examples=(
            ("Btw, bring milk.", "by the way, bring milk."),
            ("Tea vs. coffee.", "Tea versus coffee."),
        ),
        needs=_needs(f"{_CAPITALS}{_SMALL}ıİ"),
        pattern=re.compile(rf"(?<![\w/.])(?:{_either(SHORTHAND)})(?![\w/])", re.IGNORECASE),
        reading=shorthand,
    ),
    Rule(
        name="ampersand",
        purpose="An ampersand between words.",
        examples=(("Fish & chips.", "Fish and chips."),),
        needs=_needs("&"),
        pattern=re.compile(r"(?<=\w) ?& ?(?=\w)"),
        reading=" and ",
    ),
    Rule(
        name="and/or",
        purpose="Both words, without the slash.",
        examples=(("Bring tea and/or milk.", "Bring tea and or milk."),),
        needs=_needs("/"),
        pattern=re.compile(r"\band/or\b", re.IGNORECASE),
        reading="and or",
    ),
    Rule(
        name="alternative",
        purpose="A slash between two words; paths and addresses are left alone.",
        examples=(("Yes/no?", "Yes or no?"),),
        needs=_needs("/"),
        pattern=re.compile(r"(?<![\w/.~])([A-Za-z]+)/([A-Za-z]+)(?![\w/.]*[/.]\w)"),
        reading=r"\1 or \2",
    ),
)

"""How a person reads the numbers, signs and short forms in an English text. Pure.

A table of rules, applied in order; each leaves alone what later ones need. To add one, put it
before the rules that would misread its text, with an example that no other rule handles: a test
runs every example through all rules, and checks that the rule itself has changed it.
"""

import functools
import re

from audio.text.developers import DEVELOPERS
from audio.text.lexicon import (
    ADDRESS_PARTS,
    BOOKS,
    BOOKS_AND_PEOPLE,
    COMPARED,
    COMPASS,
    EACH,
    FRACTIONS,
    LETTERED,
    MONTH_SHORT,
    MONTHS,
    PER,
    PLACES,
    QUICK,
    SCALES,
    SHORTHAND,
    STREETS,
    TITLES,
    UNITS,
    WEEKDAYS,
)
from audio.text.readings import (
    between,
    called_number,
    century,
    clock_time,
    day_month,
    days_of_month,
    decade,
    dimensions,
    direction,
    duration,
    equation,
    fraction,
    fraction_of_unit,
    grouped_number,
    iso_date,
    known,
    long_decade,
    measure,
    mixed_fraction,
    month_day,
    month_range,
    number_range,
    numbered_title,
    part_of_several,
    phone_number,
    power,
    price,
    price_range,
    regnal_number,
    roman,
    season,
    seconds_with_colon,
    short_day,
    short_month,
    shorthand,
    sign_of_mathematics,
    single_price,
    slashed_date,
    slashed_day,
    spelled,
    stopwatch_time,
    street,
    superscript,
    title,
    verse,
    weekday_range,
    weekend,
    year,
    year_of_era,
)
from audio.text.rule import CAPITALS, NUMBER, SMALL, Rule, after, either, firsts, having


@functools.cache
def rules(lang: str) -> tuple[Rule, ...]:
    """Return the rules of American English or, for ``en-gb``, of British, in order."""
    british = _BRITISH_DATE, _BRITISH_DAY, _BRITISH_TIME
    dates = british if lang == "en-gb" else (_AMERICAN_DATE, _AMERICAN_DAY)
    return (*DEVELOPERS, *dates, *_RULES)


_KINGS = (
    "King|Queen|Pope|Emperor|Henry|Elizabeth|George|Edward|Charles|William|James|Louis|Philip|"
    "Peter|Catherine|Richard|Mary|Pius|John Paul|Benedict|Frederick|Napoleon|Ramses|Gregory|"
    "Alexander|Ivan|Leo|Nicholas|Ferdinand|Felipe|Gustav|Harald|Margaret|Christian|Innocent|"
    "Clement|Urban|Paul|Wilhelm|Leopold|Carlos|Alfonso|Robert|David|Francis|Joseph|Otto|Darius"
)
_PARTS = (
    "World War|[Cc]hapter|Part|[Vv]olume|Vol|Act|Scene|Rocky|Final Fantasy|Phase|Type|Level|Class|"
    "Book|Episode|Super Bowl|Appendix|[Ss]ection|Article|Stage|Grade|Title|Mark|Schedule|Apollo|"
    "Saturn|GTA|Season|Division|Group|Tier|Category|Unit|Table|Figure|Diablo|Psalm|Canto|Sonnet"
)

_MONTH = (
    "Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec|January|February|March|April|May|June|July|"
    "August|September|October|November|December"
)
_MONTH_SHORT_NAMES = "Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec"
_DAY = "Mon|Tues?|Wed|Thu(?:rs?)?|Fri|Sat|Sun"
_HALF_STOP = (
    r"(?:\.(?=[ \t]*[a-z\d,;:!?)&–-]|\s(?:Mon|Tues?|Wed|Thu|Fri|Sat|Sun|[ECMP][SD]?T\b|GMT|UTC|"
    r"BST|CES?T|"
    rf"(?:{_MONTH})\b)|\s*$))?"
)
"""The stop of p.m., unless it ends the sentence, too."""
_SIGN = r"(?:(?:US|NZ|HK|[ACSR])?\$|[€£¥₹₩₽₺₪₴₿₦₫])"
_SIGNS = "$€£¥₹₩₽₺₪₴₿₦₫"
_CODE = "USD|EUR|GBP|CHF|JPY|INR|AUD|CAD"
_SCALE = r"(?:[ -]?(?:thousand|million|billion|trillion|mil|mn|bn|tn)|[kmbKMBT])(?!\w)"

_APOSTROPHE = "['’‘`]"
_DECADE_OF = (
    "music|songs?|hits?|movies?|films?|party|parties|fashion|kids?|rock|pop|disco|dance|style|vibes?|"
    "nights?|bands?|shows?|playlist|themed?|hair|nostalgia|classics?|design|sitcoms?|child|era|cars?|"
    "synth|culture|radio|cartoons?|games?|babies|outfits?|jazz|soul|metal|television|TV"
)
_AMOUNTS = (
    "people|users|views|followers|subscribers|downloads|customers|players|visitors|votes|records|"
    "rows|euros?|dollars?|pounds|km|kg|miles|steps|words|metres|meters|parameters|tokens|years|copies|jobs|homes|tons|tonnes|barrels|streams|likes|residents|units"
)
_COUNTED = (
    rf"{_AMOUNTS}|more|of (?:us|them|you|the)|guests|friends|kids|children|persons|students|"
    rf"members|"
    "teams|days|weeks|months|hours|minutes|times|men|women|others|new|new ones|tickets|things|"
    "items|"
    "books|classes|places|seats|cars|trains|boxes|cups|percent"
)
_SUPERSCRIPTS = "⁰¹²³⁴⁵⁶⁷⁸⁹"

# Fractions: a sign, or a numerator and a denominator.
_FRACTION_SIGN = f"[{''.join(FRACTIONS)}]"
_SIGNS_OF_FRACTIONS = "".join(FRACTIONS)
_ABBREVIATED = either(unit for unit in UNITS if unit != "°")


_SLASHED_DATE = re.compile(
    r"(?<![\d/.-])(?P<first>\d{1,2})(?:/(?P<second>\d{1,2})/(?P<year>\d{4}|\d{2})"
    r"|-(?P<hyphened>\d{1,2})-(?P<full>\d{4}))(?![\d/-])"
)

_AMERICAN_DATE = Rule(
    name="slashed date",
    purpose="A date with slashes, month first if both orders are possible.",
    examples=(
        ("The lease ends 11/24/2026.", "The lease ends November 24th, 20 26."),
        ("It came on 13/2/26.", "It came on February 13th, 20 26."),
    ),
    needs=having("0 /-"),
    pattern=_SLASHED_DATE,
    at_number=True,
    reading=slashed_date(day_first=False),
)

_BRITISH_DATE = Rule(
    name="slashed date",
    purpose="A date with slashes, day first if both orders are possible.",
    examples=(
        ("The lease ends 24/11/2026.", "The lease ends November 24th, 20 26."),
        ("It came on 5/2/26.", "It came on February 5th, 20 26."),
    ),
    needs=having("0 /-"),
    pattern=_SLASHED_DATE,
    at_number=True,
    reading=slashed_date(day_first=True),
)

_SLASHED_DAY = re.compile(
    rf"(?P<lead>\b(?:[Oo]n|[Dd]ue|[Dd]ated|(?:{_DAY})[a-z]*,?) )(?!9/11\b)"
    r"(?P<first>\d{1,2})/(?P<second>\d{1,2})(?![\w/]|\.\d| (?:of|cups?|stars?)\b)"
)

_AMERICAN_DAY = Rule(
    name="slashed day",
    purpose="A day with a slash, without its year, month first.",
    examples=(("See you on 3/4 then.", "See you on March 4th then."),),
    needs=having("0 /"),
    pattern=_SLASHED_DAY,
    reading=slashed_day(day_first=False),
    hint=re.compile(r"\d/\d"),
)

_BRITISH_DAY = Rule(
    name="slashed day",
    purpose="A day with a slash, without its year, day first.",
    examples=(("See you on 3/4 then.", "See you on April 3rd then."),),
    needs=having("0 /"),
    pattern=_SLASHED_DAY,
    reading=slashed_day(day_first=True),
    hint=re.compile(r"\d/\d"),
)

_BRITISH_TIME = Rule(
    name="British time",
    purpose="A time with a dot in place of the colon, after a word that says so.",
    examples=(
        ("Be there at 10.30.", "Be there at 10 30."),
        ("Open until 5.30 on Fridays.", "Open until 5 30 on Fridays."),
    ),
    needs=having("0 ."),
    pattern=re.compile(
        r"(?:(?<=\b[Aa]t )|(?<=\b[Uu]ntil )|(?<=\b[Tt]ill ))(?<!ced at )(?<!ued at )"
        r"([01]?\d|2[0-3])\.([0-5][05])(?=[,.;:!?)]*(?:$|\s+(?:on|in|for|and|or|to|today|tonight|"
        r"tomorrow|sharp|with|at|by|please|then|if|as|but|so|from|this|every|the|[A-Z]\w*)\b)|[,.;!?)]+\s)"
    ),
    reading=r"\1:\2",
    at_number=True,
)

_RULES: tuple[Rule, ...] = (
    Rule(
        name="dotted date",
        purpose="A date with dots, day first.",
        examples=(("The lease ends 24.11.2026.", "The lease ends November 24th, 20 26."),),
        needs=having("0 ."),
        pattern=re.compile(
            r"(?<![\d/.-])(?P<first>\d{1,2})\.(?P<second>\d{1,2})\.(?P<year>\d{4})"
            r"(?P<hyphened>)(?P<full>)(?![\d.]*\d)"
        ),
        reading=slashed_date(day_first=True),
        at_number=True,
    ),
    Rule(
        name="superscript",
        purpose="A raised number, as with a caret; after a word or a stop it is of a footnote.",
        examples=(
            ("It has 10⁶ cells.", "It has 10 to the power of 6 cells."),
            ("He says so.² I agree.", "He says so. I agree."),
            ("Some doubt¹ it.", "Some doubt it."),
        ),
        needs=having(f"{_SUPERSCRIPTS}ⁿ"),
        pattern=re.compile(rf"(?<=[\w)\].,;:!?”\"])(?:[⁺⁻]?[{_SUPERSCRIPTS}]+|ⁿ)"),
        reading=superscript,
    ),
    Rule(
        name="equation",
        purpose="A calculation; the voice reads plus and equals itself.",
        examples=(
            ("So 10 - 3 = 7.", "So 10 minus 3 equals 7."),
            ("So 3 × 4 = 12.", "So 3 times 4 equals 12."),
        ),
        needs=having("0 = -−–×*·÷/x"),
        pattern=re.compile(
            r"(?<![\w.,/+×*])(?=[^=\n]*\d\s?[-−–×*·÷x/])\d+(?:[.,]\d+)*%?"
            r"(?:(?:\s?[-+−–×*·÷x]\s?|\s/\s)[-−]?\d+(?:[.,]\d+)*%?)+\s?=\s?(?:[-−]?\d+(?:[.,]\d+)*|\?|[a-z]\b)"
        ),
        reading=equation,
        at_number=True,
    ),
    Rule(
        name="division",
        purpose="A quotient, which is no fraction, since a number equals it.",
        examples=(("So 6/2=3 here.", "So 6 divided by 2 equals 3 here."),),
        needs=having("0 / ="),
        pattern=re.compile(
            r"(?<![\w.,/+×*-])(\d+(?:\.\d+)?)/(\d+(?:\.\d+)?)\s?=\s?(?=[-−]?\d+(?![\d/%]))"
        ),
        reading=lambda match: (
            f"{match[1]} divided by {match[2]} equals "
            if float(match[1]) >= float(match[2])
            else match[0]
        ),
        at_number=True,
    ),
    Rule(
        name="unknown",
        purpose="A number before an x of an equation, which is no multiple.",
        examples=(("Solve 3x + 2 = 11.", "Solve 3 x plus 2 = 11."),),
        needs=having("0 x =q"),
        pattern=re.compile(r"(?<=\d)x(?=\s?[-+−=^<>≤≥]\s?[\w(])(?!-\d+x)|((?:=|equals)\s?\d+)x\b"),
        reading=lambda match: (
            f"{match[1] or ''} x" if re.search("=|equals", match.string) else match[0]
        ),
    ),
    Rule(
        name="per thousand",
        purpose="The sign of a thousandth.",
        examples=(("It has 5‰ salt.", "It has 5 per thousand salt."),),
        needs=having("0 ‰"),
        pattern=re.compile(r"(?<=\d)\s?‰"),
        reading=" per thousand",
    ),
    Rule(
        name="operation",
        purpose="A sign between two numbers.",
        examples=(
            ("It is 8 ÷ 2.", "It is 8 divided by 2."),
            ("It is 6 * 7.", "It is 6 times 7."),
            ("It is 6.02 × 10^23.", "It is 6.02 times 10 to the power of 23."),
        ),
        needs=having("0 ÷*·⋅×x"),
        pattern=re.compile(r"(?<=[\d)])\s?(?:(÷)|[*·⋅]|[×x](?=\s?10\^))\s?(?=[\d(])"),
        reading=lambda match: " divided by " if match[1] else " times ",
    ),
    Rule(
        name="scientific number",
        purpose="A number with its power of ten.",
        examples=(("It is 1.5e-6.", "It is 1.5 times 10 to the power of minus 6."),),
        needs=having("0 eE"),
        pattern=re.compile(r"(?<![\w.])(\d\.\d+|\d(?=[eE][+-]))[eE](\+|-)?(\d{1,3})(?!\w)"),
        reading=lambda match: (
            f"{match[1]} times 10 to the power of {'minus ' if match[2] == '-' else ''}{match[3]}"
        ),
        at_number=True,
    ),
    Rule(
        name="sign of mathematics",
        purpose="A sign before a number, or for one.",
        examples=(
            ("It is ±5.", "It is plus or minus 5."),
            ("It is √16.", "It is the square root of 16."),
            ("See § 5.", "See section 5."),
        ),
        needs=having("±√∞§+"),
        pattern=re.compile(
            r"(?P<between>(?<=\d)\s?)?(?:(?P<either>±|\+/[-−])|(?P<root>√)|(?P<section>§))\s?(?=[\d(])"
            r"|∞"
        ),
        reading=sign_of_mathematics,
    ),
    Rule(
        name="same unit twice",
        purpose="A range whose unit is given twice.",
        examples=(
            ("It fell 5%-10% today.", "It fell 5 to 10% today."),
            ("Heat it to 60°C-70°C.", "Heat it to 60 to 70 degrees Celsius."),
            ("Add 5kg - 10kg.", "Add 5 to 10 kilograms."),
        ),
        needs=having("0 -–"),
        pattern=re.compile(
            rf"(?<![\w.,])(\d+(?:[.,]\d+)*)\s?(%|€|£|°|{_ABBREVIATED})\s?[-–]\s?(?=\d+(?:[.,]\d+)*\s?\2)"
        ),
        reading=lambda match: f"{match[1]} {between(match)} ",
        at_number=True,
    ),
    Rule(
        name="price range",
        purpose="A range of prices, with the currency once.",
        examples=(
            ("Tickets cost $5-10 each.", "Tickets cost 5 to 10 dollars each."),
            ("It takes €2-3 million.", "It takes 2 to 3 million euros."),
        ),
        needs=having(f"0 {_SIGNS} -–"),
        pattern=re.compile(
            rf"(?<!\w)(?P<sign>{_SIGN})\s?(?P<low>{NUMBER})(?P<low_scale>{_SCALE})?\s?[-–]\s?"
            rf"(?:{_SIGN})?(?P<high>{NUMBER})(?P<high_scale>{_SCALE})?(?!\w|[.,]\d)"
        ),
        reading=price_range,
    ),
    Rule(
        name="price of a note or coin",
        purpose="A banknote or coin, in the singular: a 50 dollar bill.",
        examples=(("I found a $50 bill.", "I found a 50 dollar bill."),),
        needs=having(f"0 {_SIGNS} bnc"),
        pattern=re.compile(
            rf"(?P<lead>)(?P<sign>{_SIGN})\s?(?P<number>{NUMBER})"
            r"(?=[ -](?:bills?|notes?|coins?)\b)"
        ),
        reading=single_price,
    ),
    Rule(
        name="price before a noun",
        purpose="A price that describes a thing, in the singular.",
        examples=(
            ("She got a $50 gift card.", "She got a 50 dollar gift card."),
            ("It is a $1.5 million house.", "It is a 1.5 million dollar house."),
        ),
        needs=having(f"0 {_SIGNS} Aa"),
        pattern=re.compile(
            rf"(?P<lead>\b[Aa]n? )(?P<sign>{_SIGN})"
            rf"(?:(?P<amount>{NUMBER})(?P<scale>{_SCALE})|(?P<number>\d{{1,3}}(?:,\d{{3}})+|\d+)(?!{_SCALE}))"
            r"(?=[ -][a-z])(?! (?:in|of|to|for|and|or|on|by|from|each|per|a)\b)"
        ),
        reading=single_price,
    ),
    Rule(
        name="short decade",
        purpose="A decade without its century, if the words around it or an apostrophe show it.",
        examples=(
            ("Music of the 80s is back.", "Music of the eighties is back."),
            ("He likes the ‘90s.", "He likes the nineties."),
            ("Play 80s music.", "Play eighties music."),
        ),
        needs=having("0 s"),
        pattern=re.compile(
            rf"(?=[‘’'`2-9])(?:{_APOSTROPHE}|(?<=\b[Tt]he )|(?<=\b[Hh]er )|(?<=\b[Hh]is )"
            r"|(?<=\b[Mm]y )|(?<=\b[Tt]heir )|(?<=\b[Oo]ur )|(?<=\b[Ii]ts )|(?<=[Mm]id[- ])"
            r"|(?<=[Ee]arly )"
            r"|(?<=[Ll]ate )|(?<=0s and )|(?<=0s or )|(?<=0s to )|"
            rf"(?<![\w.,:])(?=\d0{_APOSTROPHE}?s (?:{_DECADE_OF})\b))"
            rf"{_APOSTROPHE}?([02-9]0){_APOSTROPHE}?s\b"
        ),
        reading=lambda match: decade(match[1]),
        hint=re.compile(rf"0{_APOSTROPHE}?s\b"),
    ),
    Rule(
        name="season",
        purpose="Two years, the second shortened.",
        examples=(
            ("The 2025-26 season starts soon.", "The 20 25 to 26 season starts soon."),
            ("The war of 1939-45 was long.", "The war of 19 39 to 45 was long."),
        ),
        needs=having("0 -–/"),
        pattern=re.compile(r"(?<![\w.-])((?:1[6-9]|20)\d\d)[-–/](\d\d)\b(?![-–/:])"),
        reading=season,
        at_number=True,
    ),
    Rule(
        name="decade",
        purpose="A decade or century with its first digits.",
        examples=(
            ("A house from the 1920s.", "A house from the 19 twenties."),
            ("Phones of the 2000s.", "Phones of the two thousands."),
            ("Maps of the 1800s.", "Maps of the 18 hundreds."),
        ),
        needs=having("0 s"),
        pattern=re.compile(rf"\b(1[1-9]|20)(\d0){_APOSTROPHE}?s\b"),
        reading=long_decade,
        at_number=True,
    ),
    Rule(
        name="currency sign before",
        purpose="A price with its sign or code before the number.",
        examples=(
            ("It costs $5.50.", "It costs 5 dollars 50 cents."),
            ("They paid €3m.", "They paid 3 million euros."),
            ("It made $5.3 billion.", "It made 5.3 billion dollars."),
        ),
        needs=having(f"0 {_SIGNS}DRPFY"),
        pattern=re.compile(
            rf"(?<![\w.])(?:(?P<before>{_SIGN})\s?|(?P<code>{_CODE}) ?)(?P<number>{NUMBER}|\.\d\d)"
            rf"(?P<scale>{_SCALE})?(?P<plus>\+)?(?!\w)"
        ),
        reading=price,
        hint=re.compile(rf"[{_SIGNS}]|{_CODE}"),
    ),
    Rule(
        name="currency after",
        purpose="A price with its sign or code after the number.",
        examples=(
            ("It costs 6 € today.", "It costs 6 euros today."),
            ("He sent 20 USD.", "He sent 20 dollars."),
        ),
        needs=having(f"0 {_SIGNS}¢DRPFY"),
        pattern=re.compile(
            rf"(?<![\w.])(?P<number>{NUMBER})(?P<scale>{_SCALE})?\s?"
            rf"(?P<before>[$€£¥₹¢₩₽₺₪₴₿₦₫]|(?P<code>{_CODE}))(?P<plus>)(?!\w)"
        ),
        reading=price,
        at_number=True,
        hint=re.compile(rf"[{_SIGNS}¢]|{_CODE}"),
    ),
    Rule(
        name="ISO time",
        purpose="The time after a date in ISO 8601; logs have a space between them.",
        examples=(
            ("Backup at 2026-11-24T09:30:00Z.", "Backup at November 24th, 20 26 at 9 30."),
            ("2026-11-24 09:30:12,123 Start.", "November 24th, 20 26 at 9 30 Start."),
        ),
        needs=having("0 - :"),
        pattern=re.compile(
            r"(?<=\d{4}-\d\d-\d\d)[T ](\d\d:\d\d)(?::\d\d(?:[.,]\d+)?)?(?:Z|[+-]\d\d:?\d\d)?(?!\d)"
        ),
        reading=r" at \1",
        hint=re.compile(r"-\d\d[T ]\d\d:"),
    ),
    Rule(
        name="ISO date",
        purpose="A date in ISO 8601.",
        examples=(("The lease ends 2026-11-24.", "The lease ends November 24th, 20 26."),),
        needs=having("0 -"),
        pattern=re.compile(r"(?<![\d.-])(?P<year>\d{4})-(?P<month>\d\d)-(?P<day>\d\d)(?![\d-])"),
        reading=iso_date,
        at_number=True,
    ),
    Rule(
        name="weekday range",
        purpose="A range of short weekdays.",
        examples=(("Open Mon-Fri.", "Open Monday to Friday."),),
        needs=having("-–"),
        pattern=re.compile(rf"\b({_DAY})\s?[-–]\s?({_DAY})\b", re.IGNORECASE),
        reading=weekday_range,
        hint=re.compile(r"[A-Za-z]\s?[-–]\s?[MTWFSmtwfs]"),
    ),
    Rule(
        name="month range",
        purpose="A range of short months.",
        examples=(("Closed Jan-Mar.", "Closed January to March."),),
        needs=having("-–"),
        pattern=re.compile(rf"\b({_MONTH_SHORT_NAMES})\s?[-–]\s?({_MONTH_SHORT_NAMES})\b"),
        reading=month_range,
        hint=re.compile(r"[a-z]\s?[-–]\s?[A-Z]"),
    ),
    Rule(
        name="list of weekdays",
        purpose="Short weekdays next to each other.",
        examples=(
            ("Mon., Tue. and Wed. are off.", "Monday, Tuesday and Wednesday are off."),
            ("Open Sat & Sun. Call first.", "Open Saturday and Sunday. Call first."),
        ),
        needs=having("MTWFS"),
        pattern=re.compile(
            rf"\b(?:{_DAY})\b\.?(?:(?:,? (?:and|or|&|to|through|till|until) |, ?| ?[/&+] ?)"
            rf"(?:{_DAY})\b(?:\.(?!\w))?)+"
        ),
        reading=short_day,
        hint=re.compile(r"[a-z]\.?[ ,/&+].{0,9}[MTWFS]"),
    ),
    Rule(
        name="list of months",
        purpose="Short months next to each other.",
        examples=(("Closed in Jan, Feb and Mar.", "Closed in January, February and March."),),
        needs=having("JFMASOND"),
        pattern=re.compile(
            rf"\b(?:{_MONTH_SHORT_NAMES}|Sept)\b\.?"
            r"(?:(?:,? (?:and|or|&|to|through|till|until) |, ?| ?[/&+] ?)"
            rf"(?:{_MONTH_SHORT_NAMES}|Sept)\b(?:\.(?!\w))?(?! \d))+"
        ),
        reading=short_month,
        hint=re.compile(r"[a-z]\.?[ ,/&+].{0,9}[JFMASOND]"),
    ),
    Rule(
        name="weekday alone",
        purpose="A short weekday that is no word, or one that a preposition shows.",
        examples=(
            ("Answer by Fri. at noon.", "Answer by Friday at noon."),
            ("Closed Sun. Open Mon. again.", "Closed Sunday. Open Monday again."),
        ),
        needs=having("MTWFS"),
        pattern=re.compile(
            r"(?<![\w@#/.'’-])(?:"
            rf"{after('on by closed open')}(?:{_DAY})\.(?!\w)"
            r"|(?:Tues?|Thu(?:rs?)?|Fri|Mon|Wed)\.(?!\w)"
            r"|(?:Tues?|Thu(?:rs?)?|Fri)\b(?!-)(?! [A-Z])"
            rf"|{after('on by until till closed open opens from next last this every since due')}"
            r"(?:Mon|Wed|Sat|Sun)\b(?! [A-Z]))"
        ),
        reading=short_day,
        hint=re.compile(r"\b(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)"),
    ),
    Rule(
        name="short weekday",
        purpose="A short weekday before a date or time; elsewhere Sun and Sat are words.",
        examples=(
            ("See you Wed, 3 June, at home.", "See you Wednesday, the 3rd of June, at home."),
            ("Lunch is Sat at 5.", "Lunch is Saturday at 5."),
        ),
        needs=having("MTWFS"),
        pattern=re.compile(rf"\b({_DAY})\b\.?(?=,? (?:\d|at \d|(?:{_MONTH})\b))"),
        reading=lambda match: known(WEEKDAYS, match[1]),
    ),
    Rule(
        name="days of a month",
        purpose="The days from one to another, before their month.",
        examples=(("Away 5-7 Sept for work.", "Away the 5th to the 7th of September for work."),),
        needs=having("0 -– JFMASOND"),
        pattern=re.compile(
            r"(?<![\w.,:/$€£-])(\d{1,2})(?:st|nd|rd|th)?\s?[-–]\s?(\d{1,2})(?:st|nd|rd|th)?"
            rf"(?: of)?(?= (?:{_MONTH})\b)"
        ),
        reading=days_of_month,
        at_number=True,
    ),
    Rule(
        name="day before month",
        purpose="A date with the day first.",
        examples=(
            ("It is on 3 Nov at home.", "It is on the 3rd of November at home."),
            ("It was on 3 Nov. We won.", "It was on the 3rd of November. We won."),
        ),
        needs=having("0 JFMASOND"),
        pattern=re.compile(
            rf"(?<![\d:.,$€£-])\b(?P<day>[12]?\d|3[01])(?:st|nd|rd|th)?"
            rf" (?:of )?(?P<month>{_MONTH})\b(?:(?<!\w{{5}})(?<!May)(?<!June)(?<!July)\.)?"
        ),
        reading=day_month,
        at_number=True,
    ),
    Rule(
        name="month before day",
        purpose="A date with the month first.",
        examples=(
            ("It is on Nov. 3rd.", "It is on November 3rd."),
            ("It is on Nov. 3–5 only.", "It is on November 3rd to 5th only."),
            ("Until May. 5 are on May 6.", "Until May. 5 are on May 6th."),
        ),
        needs=having("0 JFMASOND"),
        pattern=re.compile(
            rf"\b(?P<month>{_MONTH})(?:(?<!\w{{5}})(?<!May)(?<!June)(?<!July)\.)? "
            rf"(?P<day>[12]?\d|3[01])(?:st|nd|rd|th|(?! (?:{_COUNTED})\b))\b(?![:.]\d)"
            rf"(?:\s?[-–]\s?(?:(?P<last>[12]?\d|3[01])(?:st|nd|rd|th)?(?![\w:/-]|\.\d| ?[ap]\.?m\b)"
            rf"|(?P<to>)(?=(?:{_MONTH})\b)))?"
        ),
        reading=month_day,
        hint=re.compile(r"[a-z.] \d"),
    ),
    Rule(
        name="month and year",
        purpose="A short month before a year.",
        examples=(("It starts in Sept. 2027.", "It starts in September 20 27."),),
        needs=having("0 JFMASOND"),
        pattern=re.compile(
            r"\b(?P<month>Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec)\.? "
            r"(?P<year>(?:19|20)\d\d)\b"
        ),
        reading=lambda match: f"{known(MONTH_SHORT, match['month'])} {year(int(match['year']))}",
        hint=re.compile(r"[a-z.] (?:19|20)\d\d"),
    ),
    Rule(
        name="month alone",
        purpose="A short month with its stop, or after a preposition.",
        examples=(
            ("Since Oct. we have two.", "Since October we have two."),
            ("It opens in Dec. Come then.", "It opens in December. Come then."),
            ("It ends in Feb for good.", "It ends in February for good."),
        ),
        needs=having("JFASOND"),
        pattern=re.compile(
            r"(?<![\w@#/.-])(?:(?:Feb|Apr|Aug|Sept|Oct|Nov)\.(?!\w)"
            rf"|(?:{after('in since until last next early late mid this')}|(?<=\b[Mm]id-)|"
            rf"(?<=\bend of ))"
            r"(?:Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec)\b(?:\.(?!\w))?"
            rf"|{after('by from till')}(?:Feb|Apr|Jul|Aug|Sept?|Oct|Nov|Dec)\b(?:\.(?!\w))?)"
        ),
        reading=short_month,
        hint=re.compile(r"\b(?:Jan|Feb|Mar|Apr|Ju[nl]|Aug|Sep|Oct|Nov|Dec)"),
    ),
    Rule(
        name="verse",
        purpose="A chapter and verses of the Bible; with a name, it may be a time as well.",
        examples=(
            ("Read Genesis 1:1-3 aloud.", "Read Genesis 1 verses 1 to 3 aloud."),
            ("Read 1 Cor. 13:4 aloud.", "Read First Corinthians 13 verse 4 aloud."),
        ),
        needs=having("0 :"),
        pattern=re.compile(
            r"\b(?:(?P<number>[123]|I{1,3}) )?"
            rf"(?:(?P<book>{BOOKS})|(?P<name>{BOOKS_AND_PEOPLE}))\.? "
            r"(?P<chapter>\d{1,3}):(?P<verse>\d{1,3})(?:[-–](?P<last>\d{1,3}))?(?![\d:])"
        ),
        reading=verse,
        hint=re.compile(r"\d:\d"),
    ),
    Rule(
        name="dotted time",
        purpose="A time with a dot in place of the colon, before am or pm.",
        examples=(("Dinner at 7.30 pm today.", "Dinner at 7 30 PM today."),),
        needs=having("0 . ap m"),
        pattern=re.compile(r"(?<![\w:.])(\d{1,2})\.([0-5]\d)(?=\s?[ap]\.?m\b)"),
        reading=r"\1:\2",
        at_number=True,
    ),
    Rule(
        name="time range",
        purpose="A range of times; the times themselves are read by later rules.",
        examples=(
            ("Open 9-5:30 pm today.", "Open 9 to 5 30 PM today."),
            ("Lunch is 12:00-13:30.", "Lunch is 12 o'clock to 13 30."),
        ),
        needs=having("0 -– :ap"),
        pattern=re.compile(
            r"(?<![\w:.-])(\d{1,2}(?::\d\d)?)\s?([aApP]\.?[mM]\b\.?)?\s?[-–]\s?"
            r"(?=\d{1,2}(?::\d\d(?![\d:])|\s?[ap]\.?m\b))"
        ),
        reading=lambda match: f"{match[1]}{' ' + match[2] if match[2] else ''} to ",
        at_number=True,
    ),
    Rule(
        name="duration in h and min",
        purpose="A duration with both units.",
        examples=(("It takes 1h 30min.", "It takes 1 hour 30 minutes."),),
        needs=having("0 h m"),
        pattern=re.compile(r"(?<![\w:.])(\d+)\s?h(?:rs?)?\s?(\d{1,2})\s?(?:m|min|mins)\b"),
        reading=lambda match: duration(match[1], match[2]),
        at_number=True,
    ),
    Rule(
        name="duration in m and s",
        purpose="A duration in minutes and seconds.",
        examples=(("It took 3m 20s.", "It took 3 minutes 20 seconds."),),
        needs=having("0 m s"),
        pattern=re.compile(r"(?<![\w:.])(\d+) ?m(?:in)? ?(\d{1,2}) ?s(?:ec)?\b"),
        reading=lambda match: (
            f"{match[1]} minute{'' if match[1] == '1' else 's'} "
            f"{match[2]} second{'' if match[2] == '1' else 's'}"
        ),
        at_number=True,
    ),
    Rule(
        name="duration as 2h05",
        purpose="A duration with the minutes after the h.",
        examples=(("It takes 2h05.", "It takes 2 hours 5 minutes."),),
        needs=having("0 h"),
        pattern=re.compile(r"(?<![\w:.])(\d+)h([0-5]\d)\b"),
        reading=lambda match: duration(match[1], match[2]),
        at_number=True,
    ),
    Rule(
        name="stopwatch time",
        purpose="Hours, minutes and seconds, or a finishing time.",
        examples=(("She ran it in 3:05:07.", "She ran it in 3 oh 5 and 7 seconds."),),
        needs=having("0 :"),
        pattern=re.compile(r"(?<![\w:.])(\d{1,2}):([0-5]\d):([0-5]\d)(?![\d:])"),
        reading=stopwatch_time,
        at_number=True,
    ),
    Rule(
        name="ratio",
        purpose="A ratio after a word that says so, or with a number that is no minute.",
        examples=(
            ("Mix it at a ratio of 1:10.", "Mix it at a ratio of 1 to 10."),
            ("A 1:200 model.", "A 1 to 200 model."),
        ),
        needs=having("0 :"),
        pattern=re.compile(
            r"(?P<lead>\b(?:ratio|scale|odds|mix|diluted?)(?: of| at|:)? )(\d+):(\d+)(?![\w:]|\.\d)"
            r"|(?<![\w:.])(1):(\d{3,5}|[6-9]\d)(?![\w:]|\.\d)"
        ),
        reading=lambda match: (
            f"{match['lead'] or ''}{match[2] or match[4]} to {match[3] or match[5]}"
        ),
        hint=re.compile(r"\d:\d"),
    ),
    Rule(
        name="seconds with a colon",
        purpose="A duration below a minute, where a word says that it is no time of day.",
        examples=(
            ("The clip is 0:30 long.", "The clip is 30 seconds long."),
            ("Set a 0:45 timer.", "Set a 45 second timer."),
            ("Wait 0:05 min.", "Wait 5 seconds."),
        ),
        needs=having("0 :"),
        pattern=re.compile(
            r"(?<![\w:.])(?<!\b[Aa]t )00?:(?P<seconds>[0-5]\d)(?:"
            r"(?P<more> (?:long|left|remaining)\b|(?: ?min(?:ute)?s?)\b)"
            r"|(?= (?:timer|countdown|clip|video|mark|break|pause|ad|teaser|trailer|delay|track|"
            r"recording|intro|outro|lead|rest)\b))"
        ),
        reading=seconds_with_colon,
        hint=re.compile("0:"),
        at_number=True,
    ),
    Rule(
        name="clock time",
        purpose="A time with a colon, with or without am and pm.",
        examples=(
            ("Dinner at 19:05.", "Dinner at 19 oh 5."),
            ("Wake me at 7:00 am tomorrow.", "Wake me at 7 AM tomorrow."),
            ("It ends at 6:30 p.m. Be there.", "It ends at 6 30 PM. Be there."),
            ("It ends at 6:30 p.m. Friday.", "It ends at 6 30 PM Friday."),
            ("Open 18:00-24:00.", "Open 18 hundred to midnight."),
        ),
        needs=having("0 :"),
        pattern=re.compile(
            r"(?<![\w:.])(?P<hour>[01]?\d|2[0-4]):(?P<minute>[0-5]\d)"
            rf"(?: ?(?P<half>[aApP]\.?[mM])\b{_HALF_STOP})?(?![\d:])"
        ),
        reading=clock_time,
        at_number=True,
    ),
    Rule(
        name="am and pm",
        purpose="am or pm, in capitals, so that it is spelled out.",
        examples=(("Dinner at 7pm today.", "Dinner at 7 PM today."),),
        needs=having("0 aApP mM"),
        pattern=re.compile(rf"(?<=\d) ?([aApP])\.?[mM]\b{_HALF_STOP}"),
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
        needs=having("0 +("),
        pattern=re.compile(r"\+\d{1,3}(?:[\s.-]?\(?\d{2,8}\)?){2,5}(?!\d)|\(\d{3}\) ?\d{3}-\d{4}"),
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
        needs=having("0 -"),
        pattern=re.compile(r"(?<![\w-])1-\d{3}-\d{3}-\d{4}(?![\w-])"),
        reading=phone_number,
        at_number=True,
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
        needs=having("0 ."),
        pattern=re.compile(r"(?<![\w.-])\d{3}\.\d{3}\.\d{4}(?![\w.-])"),
        reading=phone_number,
        at_number=True,
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
        needs=having("0"),
        pattern=re.compile(
            r"(?<![\w.,:-])(?<!\d )(?:0\d{2,4}(?:[\s/-]\d{3,8}){1,3}|0\d(?:[ .]\d\d){4})"
            r"(?![\w.,:-]?\d)"
        ),
        reading=phone_number,
        at_number=True,
    ),
    Rule(
        name="ZIP code",
        purpose="A five-digit code after the two letters of a state.",
        examples=(("Send it to CA 90210.", "Send it to CA nine zero two one zero."),),
        needs=having(f"0 {CAPITALS}"),
        pattern=re.compile(r"\b(?P<lead>[A-Z]{2} )(?P<code>\d{5})\b(?![,.]\d)"),
        reading=lambda match: match["lead"] + spelled(match["code"]),
        hint=re.compile(r" \d{5}"),
    ),
    Rule(
        name="North American number",
        purpose="A telephone number with hyphens.",
        examples=(
            ("Call 555-123-4567.", "Call five five five, one two three, four five six seven."),
        ),
        needs=having("0 -"),
        pattern=re.compile(r"(?<![\w-])\d{3}-\d{3}-\d{4}(?![\w-])|(?<![\w-])\d{3}-\d{4}(?![\w-])"),
        reading=phone_number,
        at_number=True,
    ),
    Rule(
        name="number that is called",
        purpose="A telephone number after a word that says so.",
        examples=(
            (
                "Text me on 912 345 678.",
                "Text me on nine one two, three four five, six seven eight.",
            ),
            ("Dial 911 at once.", "Dial nine one one at once."),
            ("The number is 112.", "The number is one one two."),
        ),
        needs=having("0 aeiuoT"),
        pattern=re.compile(
            r"(?P<lead>\b(?:[Cc]all|[Pp]hone|[Tt]el|[Dd]ial|[Rr]ing|[Tt]ext|[Mm]obile|[Ff]ax|[Cc]ell|"
            r"[Ww]hats[Aa]pp|[Hh]otline|[Nn]umber)"
            r"(?: me| us| him| her| them| is)?(?: at| on)?[:.]? )"
            r"(?P<digits>(?<!umber )(?:911|999|112|111|101|000|988|311)(?![\w-]|[., ]\d)"
            r"|\d{2,5}(?:[ -]\d{2,5}){1,5}(?![\w-]|[.,]\d))"
        ),
        reading=called_number,
        hint=re.compile(r"[ .:]\d{2}"),
    ),
    Rule(
        name="service number",
        purpose="A number that is free to call, or that costs as a local call, in Australia.",
        examples=(
            ("It is 1800 555 019.", "It is one eight zero zero, five five five, zero one nine."),
        ),
        needs=having("0 1"),
        pattern=re.compile(r"(?<![\w.,:+-])1[38]00 \d{3} \d{3}(?![\w.,:-]?\d)"),
        reading=phone_number,
        at_number=True,
    ),
    Rule(
        name="number grouped by spaces",
        purpose="A number with spaces between its thousands.",
        examples=(
            ("It has 12 000 seats.", "It has 12000 seats."),
            ("It costs 3 500 000 euros.", "It costs 3500000 euros."),
            ("I walked 12 345 steps.", "I walked 12345 steps."),
        ),
        needs=having("0"),
        pattern=re.compile(
            r"(?<![\d.,+])[1-9]\d{0,2}(?:(?:[\u00a0\u202f]\d{3})+|(?: 000)+|(?: \d{3}){2,})"
            r"(?![\d-]| \d)"
            rf"|(?<=[a-z$€£:] )[1-9]\d{{0,2}} \d{{3}}(?= (?:{_AMOUNTS})\b| [€£])"
        ),
        reading=grouped_number,
        at_number=True,
    ),
    Rule(
        name="part of several",
        purpose="Which of how many, or how many of all.",
        examples=(
            ("Watch part 1/2 now.", "Watch part 1 of 2 now."),
            ("It is long (2/5).", "It is long (2 of 5)."),
            ("It uses 12/16 GB now.", "It uses 12 of 16 gigabytes now."),
        ),
        needs=having("0 /"),
        pattern=re.compile(
            r"(?P<lead>\b(?:[Pp]art|[Pp]age|[Ss]tep|[Ee]pisode|[Qq]uestion|[Dd]ay|[Rr]ound|"
            r"[Ss]lide|[Tt]est|[Aa]ttempt|[Tt]ry|[Ww]eek|[Mm]essage|[Tt]ask|[Ss]tage|[Ll]ap|"
            r"[Cc]hapter) "
            r"|[\[(](?=\d+/\d+[\])])"
            r"|(?<![\w/.])(?=\d+/\d+ ?(?:[KMGT]i?B|bytes|files|tests|items|tasks|steps|checks|"
            r"points|right|correct|passed|done|failed|complete)\b))(\d+)/(\d+)(?![\d/]|\.\d)"
        ),
        reading=part_of_several,
        hint=re.compile(r"\d/\d"),
    ),
    Rule(
        name="9/11",
        purpose="The attacks of that day, a shop, or good sight.",
        examples=(("It was before 9/11.", "It was before 9 11."),),
        needs=having("0 /"),
        pattern=re.compile(r"(?<![\w/.])(?:([79])/(11)|(20)/(20))(?![\w/])"),
        reading=lambda match: f"{match[1] or match[3]} {match[2] or match[4]}",
        at_number=True,
    ),
    Rule(
        name="fraction of a unit",
        purpose="A fraction before a unit, which it is a part of.",
        examples=(
            ("Add ½ tsp of salt.", "Add half a teaspoon of salt."),
            ("Add 1 3/4 oz of it.", "Add 1 and three quarters ounces of it."),
            ('Use a 3/8" drill.', "Use a three eighths inch drill."),
        ),
        needs=having(f"{_SIGNS_OF_FRACTIONS}/"),
        pattern=re.compile(
            rf"(?<![\d/.])(?:(?P<whole>\d+)(?:[ -]|(?={_FRACTION_SIGN})))?"
            rf"(?:(?P<sign>{_FRACTION_SIGN})|(?P<part>\d{{1,2}})/(?P<of>\d{{1,2}}))"
            rf"(?:\s?(?P<unit>{_ABBREVIATED})(?![\w/'’])\.?(?!\s[A-Z])"
            r"|(?P<inch>[\"″”]| ?-?in\.|[ -]inch\b))"
        ),
        reading=fraction_of_unit,
        hint=re.compile(rf"[{_SIGNS_OF_FRACTIONS}]|\d/\d"),
    ),
    Rule(
        name="mixed fraction",
        purpose="A fraction after a whole number.",
        examples=(
            ("Add 1½ cups.", "Add 1 and a half cups."),
            ("Add 2 1/2 cups.", "Add 2 and a half cups."),
            ("Add 1-1/2 cups.", "Add 1 and a half cups."),
        ),
        needs=having(f"0 {_SIGNS_OF_FRACTIONS}/"),
        pattern=re.compile(
            rf"(?<=\d)(?:[ -]?(?P<sign>{_FRACTION_SIGN})"
            r"|(?<![/.]\d)[ -](?P<part>\d{1,2})/(?P<of>[2-689]|1[026]|32|64)(?![\d/.-]\d|\d))"
        ),
        reading=mixed_fraction,
    ),
    Rule(
        name="rating out of 5",
        purpose="A rating out of five: of stars, with a decimal, or after a word that says so.",
        examples=(
            ("It got 4/5 stars.", "It got 4 out of 5 stars."),
            ("Rated 4.5/5 by us.", "Rated 4.5 out of 5 by us."),
            ("He scored 5/5.", "He scored 5 out of 5."),
        ),
        needs=having("0 / 5"),
        pattern=re.compile(
            r"(?<![\d/.])(?:([0-5]\.\d|5(?=/5)|[0-5](?=/5 stars?\b))"
            rf"|(?:{after('rated scored scores score rating')}|(?<=core: )|(?<=ating: "
            rf"))([0-4](?=/5)))/5(?![\d/])(?!\.\d)"
        ),
        reading=lambda match: f"{match[1] or match[2]} out of 5",
        at_number=True,
    ),
    Rule(
        name="fraction",
        purpose="A fraction alone, or with the end of its ordinal.",
        examples=(
            ("Add ½ a cup.", "Add a half a cup."),
            ("Drink 3/4 of it.", "Drink three quarters of it."),
            ("Paint 2/3rds of it.", "Paint two thirds of it."),
            ("Add a 1/4 cup.", "Add a quarter cup."),
        ),
        needs=having(f"{_SIGNS_OF_FRACTIONS}/"),
        pattern=re.compile(
            rf"(?<![\d/.])(?P<article>\b[Aa]n? )?(?:(?P<sign>{_FRACTION_SIGN})|(?<![\d/.])(?:"
            r"(?P<part>\d{1,2})/(?P<of>\d{1,3})(?:rds?|ths?|nds?|sts?)\b"
            r"|(?P<usual>1/2|[12]/3|[13]/4|1/5|[1357]/8)(?![\d/])"
            r"|(?P<told>\d{1,2}/(?:[5-9]|1[026]|32|64|100))"
            r"(?= (?:of|cups?|inch(?:es)?|miles?|hours?)\b)))"
        ),
        reading=fraction,
        hint=re.compile(rf"[{_SIGNS_OF_FRACTIONS}]|\d/\d"),
    ),
    Rule(
        name="24/7",
        purpose="Day and night.",
        examples=(("They are open 24/7.", "They are open twenty-four seven."),),
        needs=having("0 /"),
        pattern=re.compile(r"\b24/7\b"),
        reading="twenty-four seven",
        at_number=True,
    ),
    Rule(
        name="50/50",
        purpose="Equal parts.",
        examples=(("We split it 50/50.", "We split it fifty-fifty."),),
        needs=having("0 /-"),
        pattern=re.compile(r"(?<![\w/.-])50[/-]50(?![\w/]|[.,-]\d)"),
        reading="fifty-fifty",
        at_number=True,
    ),
    Rule(
        name="rating out of 10",
        purpose="A rating out of ten.",
        examples=(("It was 8/10.", "It was 8 out of 10."),),
        needs=having("0 /"),
        pattern=re.compile(r"(?<![\d/.])(\d{1,2}(?:\.5)?)/10(?![\d/])"),
        reading=r"\1 out of 10",
        at_number=True,
    ),
    Rule(
        name="decimal without its zero",
        purpose="A decimal that begins with its point.",
        examples=(("It is .5 miles away.", "It is 0.5 miles away."),),
        needs=having("0 ."),
        pattern=re.compile(r"\.(?<![\w.]\.)(?=\d)"),
        reading="0.",
    ),
    Rule(
        name="score",
        purpose="The score of a game; a time has two digits after the colon.",
        examples=(("We won 3:1.", "We won 3 to 1."),),
        needs=having("0 :"),
        pattern=re.compile(r"(?<![\d:.])(\d{1,2}):(\d)(?![\d:])"),
        reading=r"\1 to \2",
        at_number=True,
    ),
    Rule(
        name="secret code",
        purpose="A code or PIN, digit by digit.",
        examples=(("Your code is 4821.", "Your code is four eight two one."),),
        needs=having("0 oOpP"),
        pattern=re.compile(
            r"(?<!exit )(?<!status )(?<!error )(?<!return )(?<!response )(?<!HTTP )"
            r"(?P<lead>\b(?:code|OTP|PIN|pin|passcode)(?: is|:)? )(?P<code>\d{3,9})\b"
        ),
        reading=lambda match: match["lead"] + spelled(match["code"]),
        hint=re.compile(r"code|OTP|PIN|pin"),
    ),
    Rule(
        name="long number",
        purpose="A number with a leading zero or at least ten digits, digit by digit.",
        examples=(("Order 007 is here.", "Order zero zero seven is here."),),
        needs=having("0"),
        pattern=re.compile(r"(?<![\w.,])(?:0\d{2,}|\d{10,})(?![\w.,]\d)"),
        reading=phone_number,
        at_number=True,
    ),
    Rule(
        name="spaced percent sign",
        purpose="A percent sign after a space, as in French and German.",
        examples=(("It fell by 5 %.", "It fell by 5%."),),
        needs=having("0 %"),
        pattern=re.compile(r"(?<=\d) %"),
        reading="%",
    ),
    Rule(
        name="body height",
        purpose="A height in feet and inches.",
        examples=(
            ("He is 6'2\" tall.", "He is 6 foot 2 tall."),
            ("He is 6' 2\" tall.", "He is 6 foot 2 tall."),
        ),
        needs=having("0 '’′"),
        pattern=re.compile(
            r"(?<![\w.])([3-8])['’′](?:(1[01]|\d)(?:[\"”″]|''|’’)?(?!\w)| (1[01]|\d)(?:[\"”″]|''))"
        ),
        reading=lambda match: f"{match[1]} foot {match[2] or match[3]}",
        at_number=True,
    ),
    Rule(
        name="dimensions",
        purpose="Two sides, for example of a screen; neither is a year.",
        examples=(("A 1920x1080 screen.", "A 19 20 by 10 80 screen."),),
        needs=having("0 x×"),
        pattern=re.compile(
            r"(?<![\w.,])(\d+(?:\.\d+)?)\s?[x×]\s?(\d+(?:\.\d+)?)(?=\s?(?:cm|mm|m|px|ft|in)?\b)(?!\w)"
        ),
        reading=dimensions,
        at_number=True,
    ),
    Rule(
        name="rate per unit",
        purpose="A slash before a unit of time or measure.",
        examples=(("It costs $5/month.", "It costs 5 dollars per month."),),
        needs=having("/"),
        pattern=re.compile(rf"(?<=[a-z€$£\d%])\s?/\s?({either(EACH)})\b(?<!24/7)(?=[\s,.;:!?)]|$)"),
        reading=lambda match: f" per {EACH[match[1]]}",
    ),
    Rule(
        name="minus",
        purpose="A minus sign, or a hyphen in its place.",
        examples=(("It is -5 outside.", "It is minus 5 outside."),),
        needs=having("0 -−"),
        pattern=re.compile(r"(?<![\w)\].])[-−](?=\d)"),
        reading="minus ",
    ),
    Rule(
        name="million",
        purpose="A short million or billion before what is counted.",
        examples=(("It has 5M users.", "It has 5 million users."),),
        needs=having("0 mMbB"),
        pattern=re.compile(
            rf"(?<![\w.])(\d{{1,3}}(?:\.\d+)?) ?([mMbB]|mn|bn)(?=\+? (?:{_AMOUNTS})\b)"
        ),
        reading=lambda match: f"{match[1]} {SCALES[match[2].lower()]}",
        at_number=True,
    ),
    Rule(
        name="feet and inches",
        purpose="A length in both.",
        examples=(("It is 6 ft 2 in long.", "It is 6 feet 2 inches long."),),
        needs=having("0 f i"),
        pattern=re.compile(r"(?<![\w.])(\d+) ?ft\.?,? ?(\d+) ?in\b\.?"),
        reading=r"\1 feet \2 inches",
        at_number=True,
    ),
    Rule(
        name="inches",
        purpose="A length in inches.",
        examples=(
            ('Buy a 27" monitor.', "Buy a 27 inch monitor."),
            ("Cut 12 in. of it.", "Cut 12 inches of it."),
        ),
        needs=having('0 "″”i'),
        pattern=re.compile(
            r"(?<![\w.\"“])(\d+(?:\.\d+)?)(?:(?P<sign>″|[\"”](?=[ -](?:[a-z]+ )?"
            r"(?:monitor|screen|TV|display|laptop|pipe|wheels?|rims?|pizza|tablet|board|drill|bolt|"
            r"nails?|by|x|×|wide|long|tall|deep|thick|high|across)\b))|\s?in\.(?=[ ,;)](?![A-Z])))"
        ),
        reading=lambda match: f"{match[1]} inch{'' if match['sign'] or match[1] == '1' else 'es'}",
        at_number=True,
    ),
    Rule(
        name="direction",
        purpose="A degree of latitude or longitude, or of the compass.",
        examples=(("It lies at 52°N.", "It lies at 52 degrees north."),),
        needs=having("0 ° NSEW"),
        pattern=re.compile(r"(?<=\d)°\s?(?:(\d+)['′’]\s?)?(?:(\d+)[\"″”]\s?)?([NSEW])\b"),
        reading=direction,
    ),
    Rule(
        name="temperature",
        purpose="Degrees without their sign, if the words around show them.",
        examples=(
            ("It's 21C today.", "It's 21 degrees Celsius today."),
            ("Bake at 350F until brown.", "Bake at 350 degrees Fahrenheit until brown."),
        ),
        needs=having("0 CF"),
        pattern=re.compile(
            r"(?:(?<=\b[Ii]t['’]s )|(?<=[Bb]ake at )|(?<=oven to )|(?<=[Hh]eat to )|(?<=high of "
            r")|(?<=low of )"
            r"|(?<=highs of )|(?<=fever of )|(?<=below )|(?<=above )|(?<=ature of )"
            r"|(?<![\w.,])(?=-?\d+ ?[CF] (?:outside|inside|indoors|outdoors|today|tonight|"
            r"tomorrow|water|oven|"
            r"heat|weather|degrees|in the (?:shade|sun|house|room|oven))\b))"
            r"(-?\d{1,3}) ?([CF])\b(?! ?[#/&])"
        ),
        reading=lambda match: (
            f"{match[1]} degree{'' if match[1] in ('1', '-1') else 's'} "
            f"{'Celsius' if match[2] == 'C' else 'Fahrenheit'}"
        ),
    ),
    Rule(
        name="amps",
        purpose="A current before what it is of; elsewhere an A after a number is a name.",
        examples=(("Use a 16A fuse.", "Use a 16 amp fuse."),),
        needs=having("0 A"),
        pattern=re.compile(
            r"(?<=\d) ?A(?= (?:fuse|breaker|circuit|socket|charger|plug|outlet|supply)s?\b)"
        ),
        reading=" amp",
    ),
    Rule(
        name="kelvin",
        purpose="A temperature in kelvin, or the colour of a light.",
        examples=(("Buy a 2700K bulb.", "Buy a 2700 kelvin bulb."),),
        needs=having("0 K"),
        pattern=re.compile(r"(?<=\d) K\b|(?<=\d{4}) ?K(?= (?:bulbs?|lights?|LEDs?|lamps?|white))"),
        reading=" kelvin",
    ),
    Rule(
        name="measure",
        purpose="A number with a unit; in the singular if it describes a thing.",
        examples=(
            ("Run 5km.", "Run 5 kilometres."),
            ("Buy a 60W bulb.", "Buy a 60 watt bulb."),
            ("It falls at 9.8 m/s².", "It falls at 9.8 metres per second squared."),
            ("Take the 5-km run.", "Take the 5 kilometre run."),
        ),
        needs=having(f"0 {firsts(UNITS)}"),
        pattern=re.compile(
            rf"(?<![\w.])(?P<number>{NUMBER})(?:\s?|(?P<hyphen>-))(?P<unit>{either(UNITS)})"
            rf"(?P<power>(?<=m)[23]|\^[23])?(?:/(?P<each>{either(PER)})(?P<each_power>(?<=m)[23]|\^[23])?)?"
            r"(?![\w/²³'^])(?:\.(?= [a-z(]))?"
        ),
        reading=measure,
        at_number=True,
    ),
    Rule(
        name="feet",
        purpose="A length in feet, by its sign.",
        examples=(
            ("It's 6' long.", "It's 6 feet long."),
            ("A 12' x 10' room.", "A 12 foot by 10 foot room."),
        ),
        needs=having("0 '’′"),
        pattern=re.compile(
            r"(?<![\w.,'‘])(\d+)['’′](?: ?[x×] ?(\d+)['’′](?!\d)|(?= (?P<adjective>long|tall|"
            r"wide|deep|"
            r"high|across)\b)|(?= (?:ladder|fence|board|table|pole|ceiling|tree|pipe|cable|boat|"
            r"sofa)s?\b))"
        ),
        reading=lambda match: (
            f"{match[1]} foot by {match[2]} foot"
            if match[2]
            else f"{match[1]} {'feet' if match['adjective'] and match[1] != '1' else 'foot'}"
        ),
    ),
    Rule(
        name="sides with units",
        purpose="The sign between two sides, each with its unit.",
        examples=(("It is 12 ft x 10 ft.", "It is 12 feet by 10 feet."),),
        needs=having("0 x×"),
        pattern=re.compile(r"(\d (?:feet|foot|inch(?:es)?|yards?|[a-z]*metres?)) ?[x×] ?(?=\d)"),
        reading=r"\1 by ",
    ),
    Rule(
        name="per unit",
        purpose="A short unit after per.",
        examples=(("It is £3 per kg now.", "It is 3 pounds per kilogram now."),),
        needs=having("p e r"),
        pattern=re.compile(
            rf"(?<=\bper )({either(unit for unit in PER if len(unit) > 1)})(?![\w/])"
        ),
        reading=lambda match: PER[match[1]],
        hint=re.compile("per "),
    ),
    Rule(
        name="percent",
        purpose="The short form of percent.",
        examples=(("It rose 5 pct today.", "It rose 5 percent today."),),
        needs=having("0 p c t"),
        pattern=re.compile(r"(?<=\d) ?pct\b(?:\.(?=\s*[a-z,;]))?"),
        reading=" percent",
    ),
    Rule(
        name="cups and pints",
        purpose="Cups and pints of what is eaten and drunk.",
        examples=(
            ("Add 3 c flour.", "Add 3 cups flour."),
            ("Buy 2 pt of milk.", "Buy 2 pints of milk."),
        ),
        needs=having("0 cp"),
        pattern=re.compile(
            r"(?<![\w.,])(\d+)( and an? \w+)? (?:(c)\.?(?= (?:of|all-purpose|flour|sugar|milk|"
            r"water|butter|"
            r"oil|brown|white|cream|rice|oats|chopped|grated|shredded|diced|warm|cold|hot)\b)"
            r"|pts?\.?(?= (?:of|milk|cream|water|beer|stock)\b))"
        ),
        reading=lambda match: (
            f"{match[1]}{match[2] or ''} {'cup' if match[3] else 'pint'}"
            f"{'' if match[1] == '1' and not match[2] else 's'}"
        ),
    ),
    Rule(
        name="power",
        purpose="A power with a caret.",
        examples=(
            ("It is 2^10.", "It is 2 to the power of 10."),
            ("So x^2 is big.", "So x squared is big."),
        ),
        needs=having("^"),
        pattern=re.compile(r"\^(?<=[\w)\]]\^)(?:(?P<number>[-−]?\w+)|\((?P<sum>[^()\n]{1,30})\))"),
        reading=power,
    ),
    Rule(
        name="century",
        purpose="A century in Roman numerals.",
        examples=(("A church of the XIV century.", "A church of the 14th century."),),
        needs=having("IVX y"),
        pattern=re.compile(r"\b(?P<numeral>[IVX]{1,5})(?:th|st)? (?P<century>[Cc]entury)\b"),
        reading=century,
        hint=re.compile(r"[Cc]entury"),
    ),
    Rule(
        name="regnal number",
        purpose="The Roman number of a monarch or pope.",
        examples=(("Henry VIII had six.", "Henry the 8th had six."),),
        needs=having("IVX"),
        pattern=re.compile(
            rf"\b(?P<name>(?:{_KINGS})(?: [A-Z][a-z]+)?) (?P<numeral>[IVX]{{1,6}})\b"
        ),
        reading=regnal_number,
        hint=re.compile(r" [IVX]+\b"),
    ),
    Rule(
        name="numbered title",
        purpose="The Roman number of a war, chapter, part and so on.",
        examples=(
            ("See Chapter IV.", "See Chapter 4."),
            ("It was in World War II.", "It was in World War 2."),
        ),
        needs=having("IVXLivx"),
        pattern=re.compile(rf"\b(?P<name>{_PARTS}) (?P<numeral>[IVXL]{{1,7}}|[ivx]{{2,5}})\b"),
        reading=numbered_title,
        hint=re.compile(r" [IVXLivx]+\b"),
    ),
    Rule(
        name="year of an era",
        purpose="A year before or after Christ.",
        examples=(
            ("It fell in 1493 BC.", "It fell in 14 93 BC."),
            ("He won in AD 1066.", "He won in AD 10 66."),
        ),
        needs=having("0 BCA"),
        pattern=re.compile(
            r"(?<![\w.,])(?P<before>\d{3,4})(?= ?(?:BCE?|CE|AD|B\.C|A\.D)\b)"
            r"|(?<=\bAD )(?P<after>\d{3,4})\b"
        ),
        reading=lambda match: year_of_era(match["before"] or match["after"]),
        at_number=True,
    ),
    Rule(
        name="year in Roman numerals",
        purpose="A year in Roman numerals.",
        examples=(("It says MCMXCIX there.", "It says 19 99 there."),),
        needs=having("M IVXLCD"),
        pattern=re.compile(
            r"\b(?=[MDCLXVI]{5})(M{1,2}(?:CM|CD|D?C{0,3})(?:XC|XL|L?X{0,3})(?:IX|IV|V?I{0,3}))\b"
        ),
        reading=lambda match: year(roman(match[1])),
    ),
    Rule(
        name="Roman number",
        purpose="A Roman number after a name; those that may be letters are left alone.",
        examples=(("Watch Rocky Balboa III.", "Watch Rocky Balboa 3."),),
        needs=having("IVX"),
        pattern=re.compile(
            r"\b(?P<name>[A-Z][a-z]+) "
            r"(?P<numeral>III?|VI{1,3}|IX|XI{1,3}|XIV|XVI{0,3}|XIX|XXI{0,3})"
            r"(?!\w|['’-]\w)"
        ),
        reading=numbered_title,
        hint=re.compile(r" [IVX]{2}"),
    ),
    Rule(
        name="year",
        purpose="A year, if the words before it show that it is one.",
        examples=(
            ("It happened in 1998.", "It happened in 19 98."),
            ("It happened in 1905.", "It happened in 19 oh 5."),
        ),
        needs=having(f"0 {SMALL}"),
        pattern=re.compile(
            r"(?P<lead>\b(?:in|In|since|Since|until|before|after|year|summer|winter|spring|autumn|early|late|"
            r"circa|[Cc]lass of|[A-Z][a-z]+ \d+"
            rf"(?:th|st|nd|rd),|{'|'.join(MONTHS)}) )(?P<year>1[1-9]\d\d|20\d\d)\b(?![,.]\d)"
        ),
        reading=lambda match: match["lead"] + year(int(match["year"])),
        hint=re.compile(r" (?:1[1-9]|20)\d\d"),
    ),
    Rule(
        name="Boeing",
        purpose="The model of an aircraft after its maker.",
        examples=(("A Boeing 747 landed.", "A Boeing 7 47 landed."),),
        needs=having("7 B"),
        pattern=re.compile(r"(?<=\bBoeing )7([0-8]7)\b(?![-,.]\d)"),
        reading=r"7 \1",
    ),
    Rule(
        name="lines of a screen",
        purpose="The lines of a picture.",
        examples=(("Buy a 1080p screen.", "Buy a 10 80 P screen."),),
        needs=having("0 pi"),
        pattern=re.compile(r"\b(4|7|10|14|21)([468]0|20)([pi])\b"),
        reading=lambda match: f"{match[1]} {match[2]} {match[3].upper()}",
        at_number=True,
    ),
    Rule(
        name="number of a room",
        purpose="The number of a room or flat with a zero inside or a letter after it.",
        examples=(("It is in Room 204B.", "It is in Room 2 oh 4 B."),),
        needs=having("0 RSFA"),
        pattern=re.compile(
            r"(?P<lead>\b(?:Room|Suite|Flat|Apartment|Unit|room|suite|flat|apartment) )"
            r"(\d)(?:0([1-9])([A-Z])?|([1-9]\d)([A-Z]))\b(?![,.]\d)"
        ),
        reading=lambda match: " ".join(
            filter(
                None,
                (
                    f"{match['lead']}{match[2]}",
                    f"oh {match[3]}" if match[3] else match[5],
                    match[4] or match[6],
                ),
            )
        ),
    ),
    Rule(
        name="fiscal year",
        purpose="A year of a company, or its half or quarter.",
        examples=(
            ("In FY2024 we grew.", "In FY 20 24 we grew."),
            ("In H1 2024 we grew.", "In H1 20 24 we grew."),
        ),
        needs=having("0 FQH"),
        pattern=re.compile(r"\b(FY|[QH][1-4])( ?)(20[1-9]\d)\b(?![,.]\d)"),
        reading=lambda match: f"{match[1]} {year(int(match[3]))}",
    ),
    Rule(
        name="aircraft",
        purpose="The model of an aircraft.",
        examples=(("We fly a 737-800 today.", "We fly a 7 37 800 today."),),
        needs=having("7 -"),
        pattern=re.compile(r"(?<![\w.-])7([0-8]7)-([1-9]00|10|[89])(?:ER|LR|F)?(?![\w-]|[.,]\d)"),
        reading=r"7 \1 \2",
        at_number=True,
    ),
    Rule(
        name="formation",
        purpose="Three or four small numbers, as of a team's formation.",
        examples=(("They play 4-4-2 today.", "They play 4 4 2 today."),),
        needs=having("0 -"),
        pattern=re.compile(r"(?<![\w.-])(\d)-(\d)-(\d)(?:-(\d))?(?![\w-])"),
        reading=lambda match: " ".join(filter(None, match.groups())),
        at_number=True,
    ),
    Rule(
        name="number range",
        purpose="A range of numbers, or of years; a difference, if it falls and has spaces.",
        examples=(
            ("Read 10-20 pages.", "Read 10 to 20 pages."),
            ("He lived 1879–1955.", "He lived 18 79 to 19 55."),
            ("Take 1.5-2 of it.", "Take 1.5 to 2 of it."),
        ),
        needs=having("0 -–"),
        pattern=re.compile(
            rf"(?<![\w.,-])(?P<low>{NUMBER})(?P<gap>\s?)[-–]\s?(?P<high>{NUMBER})(?!\w|[.,]\d|-)"
        ),
        reading=number_range,
        at_number=True,
    ),
    Rule(
        name="until today",
        purpose="A range of years without an end.",
        examples=(("He works here, 2019-present.", "He works here, 20 19 to present."),),
        needs=having("0 -–"),
        pattern=re.compile(r"(?<![\w.-])((?:19|20)\d\d)\s?[-–]\s?(?=present|today|now)"),
        reading=lambda match: f"{year(int(match[1]))} to ",
        at_number=True,
    ),
    Rule(
        name="short noun before a number",
        purpose="A page, chapter, figure and so on, shortened.",
        examples=(
            ("See p. 12.", "See page 12."),
            ("It is No. 5.", "It is number 5."),
        ),
        needs=having("0 ."),
        pattern=re.compile(
            r"\b([Pp]p?|[Cc]h|[Ff]igs?|[Vv]ols?|Nos?|[Ee]xt|[Ee]q|[Ss]ec|[Pp]ara|[Aa]rt|ca?)"
            r"\. {0,2}(?=\d)"
        ),
        reading=lambda match: f"{known(PLACES, match[1])} ",
        hint=re.compile(r"\. {0,2}\d"),
    ),
    Rule(
        name="part of an address",
        purpose="A flat, building or road before its number, shortened.",
        examples=(("Come to Bldg. 4.", "Come to Building 4."),),
        needs=having("ABRFHS pelmtwy"),
        pattern=re.compile(rf"\b({either(ADDRESS_PARTS)})\.? (?=\d|[A-Z]\b)"),
        reading=lambda match: f"{ADDRESS_PARTS[match[1]]} ",
        hint=re.compile(r"[tegmrwy]\.? [A-Z\d]"),
    ),
    Rule(
        name="number of things",
        purpose="A number sign, or the short form, before what is counted.",
        examples=(
            ("Fill in the # of people.", "Fill in the number of people."),
            ("State the no. of seats.", "State the number of seats."),
        ),
        needs=having("#. f"),
        pattern=re.compile(r"(?:(?<=[a-z] )#|(?<![\s\S])#|(?<!\w)(N)o\.|(?<!\w)no\.) (?=of [a-z])"),
        reading=lambda match: "Number " if match[1] else "number ",
    ),
    Rule(
        name="number sign",
        purpose="A number sign before a number; a hashtag is left alone.",
        examples=(("You are #1.", "You are number 1."),),
        needs=having("0 #"),
        pattern=re.compile(r"(?<!\w)#(?=\d)"),
        reading="number ",
    ),
    Rule(
        name="times",
        purpose="A multiple.",
        examples=(("It is 3x faster.", "It is 3 times faster."),),
        needs=having("0 x"),
        pattern=re.compile(r"(?<=\d)x\b"),
        reading=" times",
    ),
    Rule(
        name="resolution or run",
        purpose="A K that is no thousand: of a screen, or of a run.",
        examples=(
            ("Buy a 4k TV.", "Buy a 4 K TV."),
            ("Join the 10k run.", "Join the 10 K run."),
            ("My 401(k) grew.", "My 4 oh 1 K grew."),
        ),
        needs=having("0 kK"),
        pattern=re.compile(
            r"\b([248]|16)[kK](?=[ -](?:TVs?|UHD|HDR|videos?|screens?|monitors?|displays?|"
            r"resolution|cameras?|footage|movies?|films?|stream(?:ing)?|Blu|projectors?|content|images?)\b)"
            r"|(?<=\b[Ii]n )([48])[kK]\b|(?<=\bran )(\d{1,2})[kK]\b"
            r"|\b(\d{1,2})[kK](?= (?:runs?|race|walk|jog|fun run|swim|runner)\b)"
            r"|(?<=\ba )(\d{1,2})[kK](?=[.,;:!?)]|$)|\b(401)\(?k\b\)?"
        ),
        reading=lambda match: "4 oh 1 K" if match[6] else f"{next(filter(None, match.groups()))} K",
        at_number=True,
    ),
    Rule(
        name="thousand",
        purpose="A short thousand.",
        examples=(("He has 5k followers.", "He has 5 thousand followers."),),
        needs=having("0 kK"),
        pattern=re.compile(r"(?<![\w.])(\d{1,3}(?:[.,]\d+)?)[kK](?!\w)"),
        reading=r"\1 thousand",
        at_number=True,
    ),
    Rule(
        name="plus after a number",
        purpose="A plus sign for more than that.",
        examples=(("It has 100+ rooms.", "It has 100 plus rooms."),),
        needs=having("0 +"),
        pattern=re.compile(r"(?<=\d)\+(?=[\s.,;:!?)]|$)(?! ?\d)|(?<=\d thousand)\+|(?<=llion)\+"),
        reading=" plus",
    ),
    Rule(
        name="plus between words",
        purpose="A plus sign or an equals sign next to a word.",
        examples=(("So x^2 + 1 = y^2.", "So x squared plus 1 equals y squared."),),
        needs=having(f"+= {SMALL}"),
        pattern=re.compile(r"(?<=[A-Za-z)]) ([+=]) (?=[\w(])|(?<=[\w)]) ([+=]) (?=[A-Za-z(])"),
        reading=lambda match: " plus " if "+" in match[0] else " equals ",
    ),
    Rule(
        name="plus before a number",
        purpose="A plus sign of a number.",
        examples=(("It is +5 outside.", "It is plus 5 outside."),),
        needs=having("0 +"),
        pattern=re.compile(r"(?<![\w)+])(?<![\d)] )\+(?=\d)"),
        reading="plus ",
    ),
    Rule(
        name="about",
        purpose="An approximate number.",
        examples=(("It takes ~5 minutes.", "It takes about 5 minutes."),),
        needs=having("0 ~≈"),
        pattern=re.compile(r"(?<!\w)[~≈] ?(?=\d)"),
        reading="about ",
    ),
    Rule(
        name="arrow",
        purpose="An arrow from one step to the next.",
        examples=(("Open Settings -> Sound.", "Open Settings, then Sound."),),
        needs=having(">→⇒"),
        pattern=re.compile(r"\s{0,9}(?:->|=>|→|⇒)\s{0,9}"),
        reading=", then ",
    ),
    Rule(
        name="temp.",
        purpose="A temperature, or something temporary, by the words around it.",
        examples=(
            ("The temp. is 20 degrees.", "The temperature is 20 degrees."),
            ("A temp. password is set.", "A temporary password is set."),
        ),
        needs=having("Tt ."),
        pattern=re.compile(
            r"\b(?P<first>[Tt])emp\.(?:(?P<things>(?= (?:workers?|staff|jobs?|contracts?|agency|"
            r"positions?|files?|folders?|address|passwords?|housing|accommodation|fix|access|accounts?|"
            r"visas?|licen[cs]e|permits?|replacement|closures?|road)\b))|(?= [a-z\d]|[:,]))"
        ),
        reading=lambda match: (
            f"{match['first']}emp{'orary' if match['things'] is not None else 'erature'}"
        ),
        hint=re.compile(r"emp\."),
    ),
    Rule(
        name="title with a stop",
        purpose="A title or a part of a name, whose stop would end the sentence.",
        examples=(
            ("Ask Dr. Smith.", "Ask Dr Smith."),
            ("Ask Lt. Col. Smith.", "Ask Lieutenant Colonel Smith."),
            ("Climb Mt. Fuji.", "Climb Mount Fuji."),
        ),
        needs=having(f". {firsts(TITLES)}"),
        pattern=re.compile(
            rf"\b(?:(Mr|Mrs|Dr|Prof)\. (?=[\w&])|({either(TITLES)})\. (?=[A-Z])|(Mt) (?=[A-Z]))"
        ),
        reading=title,
        hint=re.compile(r"[a-z]\. [A-Z]|Mt |r[s]?\. "),
    ),
    Rule(
        name="Ms",
        purpose="A title that espeak spells.",
        examples=(("Ask Ms. Smith.", "Ask Miz Smith."),),
        needs=having("M s"),
        pattern=re.compile(r"\bMs\.? (?=[A-Z])"),
        reading="Miz ",
    ),
    Rule(
        name="letter A after a noun",
        purpose="A as a name, where the reader takes a lone A for the article.",
        examples=(("Take level A now.", "Take level eh now."),),
        needs=having("A"),
        pattern=re.compile(rf"\b({LETTERED}) A\b(?=\s+[a-z])"),
        reading=r"\1 eh",
        hint=re.compile(" A "),
    ),
    Rule(
        name="letter A next to another",
        purpose="A as one of several letters, for the same reason.",
        examples=(("Choose A or B.", "Choose eh or B."),),
        needs=having("A"),
        pattern=re.compile(r"\bA(?= (?:or|and|to|vs\.?) [B-Z]\b)|\bA(?=/[B-Z]\b)(?!/C\b)"),
        reading="eh",
        hint=re.compile(r"A[ /]"),
    ),
    Rule(
        name="capitals after a digit",
        purpose="Capitals that are letters after a digit, also where they are a word elsewhere.",
        examples=(("The 4WD is here.", "The 4 W D is here."),),
        needs=having(f"0 {CAPITALS}"),
        pattern=re.compile(r"(?<=\d)([A-Z]{2,3})\b(?<!AM)(?<!PM)"),
        reading=lambda match: " " + " ".join(match[1]),
        hint=re.compile(r"\d[A-Z]"),
    ),
    Rule(
        name="comparison",
        purpose="A sign that compares two numbers, or names of them.",
        examples=(
            ("Buy if 3 < 5.", "Buy if 3 is less than 5."),
            ("It holds for z ≠ 0 only.", "It holds for z is not 0 only."),
        ),
        needs=having("<>≤≥≠"),
        pattern=re.compile(
            r"(?:(?<=[\d)]) ?([<>])|(?<=[\w)]) ?([≤≥≠])) ?(?=-?[\w(])(?:(?=-?[\d(])|(?<=[≤≥≠])|"
            r"(?<=[≤≥≠] ))"
        ),
        reading=lambda match: f" {COMPARED[match[1] or match[2]]} ",
    ),
    Rule(
        name="compass in an address",
        purpose="A direction before the name of a street.",
        examples=(("Go to 12 N. Main St.", "Go to 12 North Main Street."),),
        needs=having("NSEW SARBLD"),
        pattern=re.compile(
            r"\b([NS][EW]?|[EW])\.? (?=(?:[A-Z][a-z]+|\d+(?:st|nd|rd|th)) "
            r"(?:St|Ave|Rd|Blvd|Ln|Dr|Street|Avenue|Road)\b)"
        ),
        reading=lambda match: f"{COMPASS[match[1]]} ",
        hint=re.compile(r"(?:St|Ave|Rd|Blvd|Ln|Dr|Street|Avenue|Road)\b"),
    ),
    Rule(
        name="street",
        purpose="A street, avenue and so on, shortened, after its name.",
        examples=(
            ("Turn left on Main St now.", "Turn left on Main Street now."),
            ("Meet me at Park Ave.", "Meet me at Park Avenue."),
            ("It is 9 Elm Dr. in Ohio.", "It is 9 Elm Drive in Ohio."),
            ("It is on Elm St. The door is red.", "It is on Elm Street. The door is red."),
            ("Take Pine Dr. Then stop.", "Take Pine Drive. Then stop."),
            ("Meet on King St. West now.", "Meet on King Street West now."),
        ),
        needs=having(f"{firsts(STREETS)} tvdnrlqys"),
        pattern=re.compile(
            r"(?P<name>\b(?:\d+[A-Z]? (?:[A-Z][\w'’]+ )?)?[A-Z][\w'’]+|\b\d+(?:st|nd|rd|th)) "
            rf"(?P<kind>{either(STREETS)})\b"
            r"(?:\.(?=,|\s[a-z])|(?P<stop>\.)?(?= (?P<capital>[A-Z]\w*))|(?=[\s.,;!?)]|$))"
        ),
        reading=street,
        hint=re.compile(r" (?:St|Ave?|Rd|Blvd|Ln|Dr|Ct|Pl|Sq|Pkwy|Hwy|Ter|Cres)\b"),
    ),
    Rule(
        name="saint",
        purpose="St before a name.",
        examples=(("St. Ives is small.", "Saint Ives is small."),),
        needs=having("S t"),
        pattern=re.compile(r"\bSt\.? (?=[A-Z])"),
        reading="Saint ",
    ),
    Rule(
        name="at sign",
        purpose="An at sign for a place or a time; a handle is left alone.",
        examples=(("Meet @ noon.", "Meet at noon."),),
        needs=having("@"),
        pattern=re.compile(r"(?<=\s)@(?:\s+|(?=\d))"),
        reading="at ",
    ),
    Rule(
        name="C sharp",
        purpose="The language, or the note.",
        examples=(("He writes C#.", "He writes C sharp."),),
        needs=having("C #"),
        pattern=re.compile(r"\bC#"),
        reading="C sharp",
    ),
    Rule(
        name="chat spelling",
        purpose="Letters for words, as people type in a hurry.",
        examples=(("Where r u?", "Where are you?"),),
        needs=having("u"),
        pattern=re.compile(r"(?<![\w'’.-])(u r|ur|r u|u)(?![\w'’.-])"),
        reading=lambda match: QUICK[match[1]],
    ),
    Rule(
        name="weekend",
        purpose="The end of a week, or whatever.",
        examples=(
            ("Have a nice w/e.", "Have a nice weekend."),
            ("It is for w/e 5 May.", "It is for week ending the 5th of May."),
        ),
        needs=having("/ wW eE"),
        pattern=re.compile(r"(?<![\w/])(?:w/e|W/E)(?![\w/])"),
        reading=weekend,
    ),
    Rule(
        name="shorthand",
        purpose="A short form of `audio.text.lexicon.SHORTHAND`.",
        examples=(
            ("Btw, bring milk.", "by the way, bring milk."),
            ("Tea vs. coffee.", "Tea versus coffee."),
        ),
        needs=having(f"{CAPITALS}{SMALL}ıİ"),
        pattern=re.compile(
            rf"(?<![\w/.])(?:{either(SHORTHAND)})(?![\w/]|\.\w| dot )", re.IGNORECASE
        ),
        reading=shorthand,
    ),
    Rule(
        name="ampersand",
        purpose="An ampersand between words.",
        examples=(("Fish & chips.", "Fish and chips."),),
        needs=having("&"),
        pattern=re.compile(r"(?<=\w) ?& ?(?=\w)"),
        reading=" and ",
    ),
    Rule(
        name="and/or",
        purpose="Both words, without the slash.",
        examples=(("Bring tea and/or milk.", "Bring tea and or milk."),),
        needs=having("/"),
        pattern=re.compile(r"\band/or\b", re.IGNORECASE),
        reading="and or",
    ),
    Rule(
        name="pronouns",
        purpose="How a person is spoken of.",
        examples=(("Kim (they/them) is here.", "Kim (they them) is here."),),
        needs=having("/"),
        pattern=re.compile(r"\b(he/him|she/her|they/them)(/(?:his|hers|theirs))?\b", re.IGNORECASE),
        reading=lambda match: match[0].replace("/", " "),
    ),
    Rule(
        name="three alternatives",
        purpose="Slashes between three words.",
        examples=(("Red/green/blue?", "Red, green or blue?"),),
        needs=having("/"),
        pattern=re.compile(r"(?<![\w/.~])([A-Za-z]+)/([A-Za-z]+)/([A-Za-z]+)(?![\w/]|\.\w)"),
        reading=r"\1, \2 or \3",
    ),
    Rule(
        name="alternative",
        purpose="A slash between two words; paths and addresses are left alone.",
        examples=(("Yes/no?", "Yes or no?"),),
        needs=having("/"),
        pattern=re.compile(
            r"(?<![\w/.~])([A-Za-z]+|\d+(?:st|nd|rd|th))/([A-Za-z]+|\d+(?:st|nd|rd|th))"
            r"(?![\w/.]*[/.]\w)"
        ),
        reading=r"\1 or \2",
    ),
)

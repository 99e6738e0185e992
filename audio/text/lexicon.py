"""English short forms, units and signs, and the words for them."""

MONTHS = (
    "January February March April May June July August September October November December"
).split()
MONTH_SHORT = {name[:3].lower(): name for name in MONTHS} | {"sept": "September"}

CURRENCIES = {
    "$": ("dollar", "dollars", "cent", "cents"),
    "€": ("euro", "euros", "cent", "cents"),
    "£": ("pound", "pounds", "penny", "pence"),
    "¥": ("yen", "yen", "", ""),
    "₹": ("rupee", "rupees", "paisa", "paise"),
    "usd": ("dollar", "dollars", "cent", "cents"),
    "eur": ("euro", "euros", "cent", "cents"),
    "gbp": ("pound", "pounds", "penny", "pence"),
    "¢": ("cent", "cents", "", ""),
    "chf": ("franc", "francs", "centime", "centimes"),
}
SCALES = {"k": "thousand", "m": "million", "mn": "million", "bn": "billion", "b": "billion"}

UNITS = {  # one, several
    "km/h": ("kilometre per hour", "kilometres per hour"),
    "mph": ("mile per hour", "miles per hour"),
    "m/s": ("metre per second", "metres per second"),
    "km": ("kilometre", "kilometres"),
    "cm": ("centimetre", "centimetres"),
    "mm": ("millimetre", "millimetres"),
    "sq ft": ("square foot", "square feet"),
    "km²": ("square kilometre", "square kilometres"),
    "m³": ("cubic metre", "cubic metres"),
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
    "yd": ("yard", "yards"),
    "cl": ("centilitre", "centilitres"),
    "W": ("watt", "watts"),
    "V": ("volt", "volts"),
    "mAh": ("milliamp hour", "milliamp hours"),
    "dB": ("decibel", "decibels"),
    "rpm": ("revolution per minute", "revolutions per minute"),
    "bpm": ("beat per minute", "beats per minute"),
    "fps": ("frame per second", "frames per second"),
    "Mbps": ("megabit per second", "megabits per second"),
    "Mbit/s": ("megabit per second", "megabits per second"),
    "Gbps": ("gigabit per second", "gigabits per second"),
    "kcal": ("kilocalorie", "kilocalories"),
    "kW": ("kilowatt", "kilowatts"),
    "kWh": ("kilowatt hour", "kilowatt hours"),
    "MWh": ("megawatt hour", "megawatt hours"),
    "MW": ("megawatt", "megawatts"),
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
    "°": ("degree", "degrees"),
    "px": ("pixel", "pixels"),
    "Hz": ("hertz", "hertz"),
    "kHz": ("kilohertz", "kilohertz"),
    "MHz": ("megahertz", "megahertz"),
    "GHz": ("gigahertz", "gigahertz"),
    "h": ("hour", "hours"),
    "m": ("metre", "metres"),
    "g": ("gram", "grams"),
    "s": ("second", "seconds"),
    "l": ("litre", "litres"),
    "L": ("litre", "litres"),
}

# Chat spelling. Only forms that are not words themselves.
SHORTHAND = {
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
    "lmk": "let me know",
    "gtg": "got to go",
    "wdym": "what do you mean",
    "hbu": "how about you",
    "ofc": "of course",
    "ikr": "I know, right",
    "irl": "in real life",
    "omg": "oh my god",
    "tho": "though",
    "thru": "through",
    "gr8": "great",
    "l8r": "later",
    "b4": "before",
    "2nite": "tonight",
    "2day": "today",
    "wfh": "working from home",
    "co2": "C O 2",
    "h2o": "H 2 O",
    "wwi": "World War 1",
    "ww1": "World War 1",
    "wwii": "World War 2",
    "ww2": "World War 2",
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
    "blvd": "Boulevard",
    "min.": "minimum",
    "max.": "maximum",
    "incl.": "including",
    "excl.": "excluding",
    "inc.": "incorporated",
    "ltd.": "limited",
    "jr.": "junior",
    "c/o": "care of",
    "a/c": "air conditioning",
    "tba": "to be announced",
    "tbd": "to be decided",
    "n/a": "not applicable",
}

WEEKDAYS = {
    "mon": "Monday",
    "tue": "Tuesday",
    "tues": "Tuesday",
    "wed": "Wednesday",
    "thu": "Thursday",
    "thur": "Thursday",
    "thurs": "Thursday",
    "fri": "Friday",
    "sat": "Saturday",
    "sun": "Sunday",
}

PLACES = {  # in a book
    "p": "page",
    "pp": "pages",
    "ch": "chapter",
    "fig": "figure",
    "vol": "volume",
    "no": "number",
    "nos": "numbers",
    "ext": "extension",
}

EACH = {
    "mo": "month",
    "yr": "year",
    "hr": "hour",
    "h": "hour",
    "wk": "week",
    "min": "minute",
    "s": "second",
    "kg": "kilogram",
    "l": "litre",
    "kWh": "kilowatt hour",
    "gal": "gallon",
    "lb": "pound",
}
EACH |= {
    word: word
    for word in "month year day week hour night minute second person head litre user seat".split()
}

DECADES = "tens tens twenties thirties forties fifties sixties seventies eighties nineties".split()

COMPARED = {
    "<": "is less than",
    ">": "is greater than",
    "≤": "is at most",
    "≥": "is at least",
    "≠": "is not",
}

LETTERED = (
    "[Pp]lan|[Tt]eam|[Gg]roup|[Oo]ption|[Pp]art|[Tt]ype|[Vv]itamin|[Gg]rade|[Cc]lass|[Ss]ection|"
    "[Pp]oint|[Ll]evel|[Ss]ide|[Bb]uilding|[Gg]ate|[Tt]erminal|[Bb]lock|[Rr]oom"
)

FRACTIONS = {
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

QUICK = {"u": "you", "ur": "your", "r u": "are you", "u r": "you are"}

DIGITS = "zero one two three four five six seven eight nine".split()

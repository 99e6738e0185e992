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
    "us$": ("US dollar", "US dollars", "cent", "cents"),
    "a$": ("Australian dollar", "Australian dollars", "cent", "cents"),
    "c$": ("Canadian dollar", "Canadian dollars", "cent", "cents"),
    "nz$": ("New Zealand dollar", "New Zealand dollars", "cent", "cents"),
    "hk$": ("Hong Kong dollar", "Hong Kong dollars", "cent", "cents"),
    "s$": ("Singapore dollar", "Singapore dollars", "cent", "cents"),
    "r$": ("real", "reais", "centavo", "centavos"),
    "₩": ("won", "won", "", ""),
    "₽": ("rouble", "roubles", "kopeck", "kopecks"),
    "₺": ("lira", "lira", "kurus", "kurus"),
    "₪": ("shekel", "shekels", "agora", "agorot"),
    "₴": ("hryvnia", "hryvnias", "kopiyka", "kopiykas"),
    "₿": ("bitcoin", "bitcoins", "", ""),
    "₦": ("naira", "naira", "kobo", "kobo"),
    "₫": ("dong", "dong", "", ""),
    "jpy": ("yen", "yen", "", ""),
    "inr": ("rupee", "rupees", "paisa", "paise"),
    "aud": ("Australian dollar", "Australian dollars", "cent", "cents"),
    "cad": ("Canadian dollar", "Canadian dollars", "cent", "cents"),
}
SCALES = {
    "k": "thousand",
    "thousand": "thousand",
    "m": "million",
    "mn": "million",
    "mil": "million",
    "million": "million",
    "bn": "billion",
    "b": "billion",
    "billion": "billion",
    "tn": "trillion",
    "t": "trillion",
    "trillion": "trillion",
}

_PREFIXES = {
    "p": "pico",
    "n": "nano",
    "µ": "micro",
    "μ": "micro",
    "m": "milli",
    "c": "centi",
    "d": "deci",
    "h": "hecto",
    "k": "kilo",
    "M": "mega",
    "G": "giga",
    "T": "tera",
}
_METRIC = (  # unit, name of one, of several, prefixes that are in use
    ("m", "metre", "metres", "nµμmcdk"),
    ("g", "gram", "grams", "nµμmk"),
    ("l", "litre", "litres", "µμmcdh"),
    ("L", "litre", "litres", "µμmd"),
    ("s", "second", "seconds", "nµμm"),
    ("W", "watt", "watts", "mkMGT"),
    ("Wh", "watt hour", "watt hours", "mkMGT"),
    ("V", "volt", "volts", "mk"),
    ("A", "amp", "amps", "µμm"),
    ("Ah", "amp hour", "amp hours", "m"),
    ("Ω", " ohm", " ohms", "mkM"),
    ("F", "farad", "farads", "pnµμm"),
    ("Hz", "hertz", "hertz", "kMGT"),
    ("Pa", "pascal", "pascals", "hkM"),
    ("bar", "bar", "bars", "m"),
    ("J", "joule", "joules", "kM"),
    ("cal", "calorie", "calories", "k"),
    ("eV", "electronvolt", "electronvolts", "kMG"),
    ("mol", "mole", "moles", "mµμ"),
    ("B", "byte", "bytes", "kMGT"),
    ("b", "bit", "bits", "kMGT"),
    ("bit", "bit", "bits", "kMGT"),
    ("bps", "bit per second", "bits per second", "kMGT"),
)

UNITS = {  # one, several
    "km/h": ("kilometre per hour", "kilometres per hour"),
    "km/hr": ("kilometre per hour", "kilometres per hour"),
    "kmh": ("kilometre per hour", "kilometres per hour"),
    "kph": ("kilometre per hour", "kilometres per hour"),
    "mph": ("mile per hour", "miles per hour"),
    "mpg": ("mile per gallon", "miles per gallon"),
    "sq ft": ("square foot", "square feet"),
    "sq. ft": ("square foot", "square feet"),
    "sqft": ("square foot", "square feet"),
    "sq m": ("square metre", "square metres"),
    "sqm": ("square metre", "square metres"),
    "sq km": ("square kilometre", "square kilometres"),
    "sq mi": ("square mile", "square miles"),
    "sq in": ("square inch", "square inches"),
    "cu ft": ("cubic foot", "cubic feet"),
    "lbs": ("pound", "pounds"),
    "lb": ("pound", "pounds"),
    "oz": ("ounce", "ounces"),
    "fl oz": ("fluid ounce", "fluid ounces"),
    "fl. oz": ("fluid ounce", "fluid ounces"),
    "tbsp": ("tablespoon", "tablespoons"),
    "Tbsp": ("tablespoon", "tablespoons"),
    "tbs": ("tablespoon", "tablespoons"),
    "tsp": ("teaspoon", "teaspoons"),
    "tsps": ("teaspoon", "teaspoons"),
    "tbsps": ("tablespoon", "tablespoons"),
    "gal": ("gallon", "gallons"),
    "qt": ("quart", "quarts"),
    "ft": ("foot", "feet"),
    "mi": ("mile", "miles"),
    "yd": ("yard", "yards"),
    "yds": ("yard", "yards"),
    "ha": ("hectare", "hectares"),
    "cc": ("cubic centimetre", "cubic centimetres"),
    "mcg": ("microgram", "micrograms"),
    "kn": ("knot", "knots"),
    "kt": ("knot", "knots"),
    "kts": ("knot", "knots"),
    "dB": ("decibel", "decibels"),
    "rpm": ("revolution per minute", "revolutions per minute"),
    "bpm": ("beat per minute", "beats per minute"),
    "fps": ("frame per second", "frames per second"),
    "ppm": ("part per million", "parts per million"),
    "ppb": ("part per billion", "parts per billion"),
    "dpi": ("dot per inch", "dots per inch"),
    "psi": ("P S I", "P S I"),
    "atm": ("atmosphere", "atmospheres"),
    "mmHg": ("millimetre of mercury", "millimetres of mercury"),
    "hp": ("horsepower", "horsepower"),
    "bhp": ("brake horsepower", "brake horsepower"),
    "Nm": ("newton metre", "newton metres"),
    "kN": ("kilonewton", "kilonewtons"),
    "kVA": ("kilovolt amp", "kilovolt amps"),
    "lm": ("lumen", "lumens"),
    "lx": ("lux", "lux"),
    "MP": ("megapixel", "megapixels"),
    "px": ("pixel", "pixels"),
    "KB": ("kilobyte", "kilobytes"),
    "PB": ("petabyte", "petabytes"),
    "KiB": ("kibibyte", "kibibytes"),
    "MiB": ("mebibyte", "mebibytes"),
    "GiB": ("gibibyte", "gibibytes"),
    "TiB": ("tebibyte", "tebibytes"),
    "yrs": ("year", "years"),
    "yr": ("year", "years"),
    "mos": ("month", "months"),
    "wks": ("week", "weeks"),
    "wk": ("week", "weeks"),
    "hrs": ("hour", "hours"),
    "hr": ("hour", "hours"),
    "h": ("hour", "hours"),
    "mins": ("minute", "minutes"),
    "min": ("minute", "minutes"),
    "secs": ("second", "seconds"),
    "sec": ("second", "seconds"),
    "°C": ("degree Celsius", "degrees Celsius"),
    "°F": ("degree Fahrenheit", "degrees Fahrenheit"),
    "° C": ("degree Celsius", "degrees Celsius"),
    "° F": ("degree Fahrenheit", "degrees Fahrenheit"),
    "°": ("degree", "degrees"),
    "ºC": ("degree Celsius", "degrees Celsius"),
    "ºF": ("degree Fahrenheit", "degrees Fahrenheit"),
    "kWp": ("kilowatt peak", "kilowatts peak"),
}
UNITS |= {
    prefix + unit: (_PREFIXES[prefix] + one, _PREFIXES[prefix] + several)
    for unit, one, several, prefixes in _METRIC
    for prefix in prefixes
}
UNITS |= {
    unit: (one.strip(), several.strip())
    for unit, one, several, _ in _METRIC
    if unit not in {"A", "B", "F", "b", "bar", "bit"}  # a letter, as in seat 14A, or a word
}
UNITS |= {"mAh": ("milliamp hour", "milliamp hours"), "kcal": ("kilocalorie", "kilocalories")}

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
    "lgtm": "looks good to me",
    "sgtm": "sounds good to me",
    "ptal": "please take a look",
    "wip": "work in progress",
    "wdyt": "what do you think",
    "fwiw": "for what it's worth",
    "ymmv": "your mileage may vary",
    "icymi": "in case you missed it",
    "tl;dr": "T L D R",
    "tldr": "T L D R",
    "todo": "to do",
    "todos": "to dos",
    "fixme": "fix me",
    "afk": "away from keyboard",
    "ooo": "out of office",
    "eod": "end of day",
    "eow": "end of week",
    "nbd": "no big deal",
    "tbf": "to be fair",
    "hth": "hope that helps",
    "hmu": "hit me up",
    "ttys": "talk to you soon",
    "idc": "I don't care",
    "k8s": "kubernetes",
    "i18n": "internationalization",
    "l10n": "localization",
    "a11y": "accessibility",
    "stdin": "standard in",
    "stdout": "standard out",
    "stderr": "standard error",
    "sigterm": "sig term",
    "sigkill": "sig kill",
    "sigint": "sig int",
    "readme": "readme",
    "changelog": "change log",
    "nginx": "engine X",
    "kubectl": "cube control",
    "ph.d.": "P H D",
    "phd": "P H D",
    "m.d.": "M D",
    "esq.": "esquire",
    "sr.": "senior",
    "corp.": "corporation",
    "bros.": "brothers",
    "univ.": "university",
    "assn.": "association",
    "intl.": "international",
    "govt.": "government",
    "govt": "government",
    "mgmt": "management",
    "mgmt.": "management",
    "mgr.": "manager",
    "asst.": "assistant",
    "co.": "company",
    "misc.": "miscellaneous",
    "tel.": "telephone",
    "cont.": "continued",
    "dept": "department",
    "approx": "approximately",
    "qty": "quantity",
    "qty.": "quantity",
    "attn": "attention",
    "attn.": "attention",
    "ref.": "reference",
    "et al.": "and others",
    "& co.": "and company",
    "& co": "and company",
    "cf.": "compare",
    "viz.": "namely",
    "a.k.a.": "also known as",
    "y/o": "years old",
    "p/e": "P E",
    "i/o": "I O",
    "r/w": "read write",
    "w/c": "week commencing",
    "doz.": "dozen",
    "avg.": "average",
    "avg": "average",
    "mtg.": "meeting",
    "mtg": "meeting",
    "mtgs": "meetings",
}
LEADING = frozenset(
    "approx. vs. e.g. i.e. incl. excl. cf. viz. a.k.a. ref. tel. attn. cont. asst. intl. "
    "qty.".split()
)
"""Those that come before something, so that they never end a sentence."""
AS_LETTERS = frozenset("RN BC NP TY".split())
"""What in capitals is something else: a nurse, before Christ, a practitioner."""

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

PLACES = {  # in a book; after a number follows
    "p": "page",
    "pp": "pages",
    "ch": "chapter",
    "fig": "figure",
    "figs": "figures",
    "vol": "volume",
    "vols": "volumes",
    "no": "number",
    "nos": "numbers",
    "ext": "extension",
    "eq": "equation",
    "sec": "section",
    "para": "paragraph",
    "art": "article",
    "ca": "circa",
    "c": "circa",
}

ADDRESS_PARTS = {
    "Apt": "Apartment",
    "Ste": "Suite",
    "Bldg": "Building",
    "Rm": "Room",
    "Flr": "Floor",
    "Hwy": "Highway",
    "Rte": "Route",
    "Rt": "Route",
    "rm": "room",
    "bldg": "building",
    "hwy": "highway",
}

STREETS = {
    "St": "Street",
    "Ave": "Avenue",
    "Av": "Avenue",
    "Rd": "Road",
    "Blvd": "Boulevard",
    "Ln": "Lane",
    "Dr": "Drive",
    "Ct": "Court",
    "Pl": "Place",
    "Sq": "Square",
    "Pkwy": "Parkway",
    "Hwy": "Highway",
    "Ter": "Terrace",
    "Cres": "Crescent",
}

STREETS_OR_TITLES = frozenset({"St", "Dr"})
"""Before a name, a saint and a doctor."""
NEVER_STREETS = frozenset(
    "Mount Mont Fort Port Sault Lake Bury Old New Great Saint Paris Mr Mrs Ms Dr Prof Father "
    "Sister "
    "Monday Tuesday Wednesday Thursday Friday Saturday Sunday January February March April May "
    "June "
    "July August September October November December".split()
)
"""Words before St that do not name a street."""
DIRECTIONS = frozenset("N S E W NE NW SE SW North South East West".split())

OPENERS = frozenset(
    "I It He She We They You This That These Those There Here The A An My Our Your His Her Its "
    "Their "
    "What When Where Who Why How Which If As Since Because While After Before Once Then So And "
    "But Or "
    "Also Please Thanks Thank Yes No Not Ok Okay Let Lets Is Are Was Were Do Does Did Can Could "
    "Would "
    "Should Have Has Had Don Doesn Didn Can Won Isn Everyone Everybody Someone Nobody Anyone All "
    "Both "
    "Most Some Many Just Maybe Perhaps Now Today Tonight Tomorrow Yesterday In On At For From With "
    "Without To By Bring Come Call Ask See Take Meet Turn Go Get Give Make Use Wait Stop Look "
    "Send Tell "
    "Check Leave Buy Pick Walk Keep Try Be Remember Sorry Dinner Lunch Breakfast".split()
)
"""Words that begin a sentence, and with a capital are seldom part of a name."""

COMPASS = {
    "N": "North",
    "S": "South",
    "E": "East",
    "W": "West",
    "NE": "Northeast",
    "NW": "Northwest",
    "SE": "Southeast",
    "SW": "Southwest",
}

TITLES = {
    "Mr": "Mr",
    "Mrs": "Mrs",
    "Dr": "Dr",
    "Prof": "Prof",
    "Sgt": "Sergeant",
    "Lt": "Lieutenant",
    "Capt": "Captain",
    "Col": "Colonel",
    "Gen": "General",
    "Maj": "Major",
    "Cpl": "Corporal",
    "Pvt": "Private",
    "Adm": "Admiral",
    "Cmdr": "Commander",
    "Sen": "Senator",
    "Rep": "Representative",
    "Gov": "Governor",
    "Pres": "President",
    "Rev": "Reverend",
    "Fr": "Father",
    "Hon": "Honourable",
    "Supt": "Superintendent",
    "Det": "Detective",
    "Insp": "Inspector",
    "Mt": "Mount",
    "Ft": "Fort",
}

EACH = {  # after a slash
    "mo": "month",
    "yr": "year",
    "hr": "hour",
    "h": "hour",
    "wk": "week",
    "min": "minute",
    "sec": "second",
    "s": "second",
    "kg": "kilogram",
    "l": "litre",
    "kWh": "kilowatt hour",
    "gal": "gallon",
    "lb": "pound",
    "sqft": "square foot",
    "GB": "gigabyte",
}
EACH |= {
    word: word
    for word in (
        "month year day week hour night minute second person head litre liter user seat unit piece "
        "room page line word item mile gallon serving dose"
    ).split()
}
PER = EACH | {unit: one for unit, (one, _) in UNITS.items() if unit != "°"}
"""The same after a unit."""

DECADES = "tens tens twenties thirties forties fifties sixties seventies eighties nineties".split()

COMPARED = {
    "<": "is less than",
    ">": "is greater than",
    "≤": "is at most",
    "≥": "is at least",
    "≠": "is not",
}

LETTERED = "[Ll]evel|[Bb]uilding"
"""What a letter names, but for what the reader of English knows."""

FRACTIONS = {
    "½": (1, 2),
    "⅓": (1, 3),
    "⅔": (2, 3),
    "¼": (1, 4),
    "¾": (3, 4),
    "⅕": (1, 5),
    "⅖": (2, 5),
    "⅗": (3, 5),
    "⅘": (4, 5),
    "⅙": (1, 6),
    "⅚": (5, 6),
    "⅐": (1, 7),
    "⅛": (1, 8),
    "⅜": (3, 8),
    "⅝": (5, 8),
    "⅞": (7, 8),
    "⅑": (1, 9),
    "⅒": (1, 10),
}

PARTS_OF_ONE = {  # the denominator of a fraction: one, several
    2: ("half", "halves"),
    3: ("third", "thirds"),
    4: ("quarter", "quarters"),
    5: ("fifth", "fifths"),
    6: ("sixth", "sixths"),
    7: ("seventh", "sevenths"),
    8: ("eighth", "eighths"),
    9: ("ninth", "ninths"),
    10: ("tenth", "tenths"),
    12: ("twelfth", "twelfths"),
    16: ("sixteenth", "sixteenths"),
    20: ("twentieth", "twentieths"),
    32: ("thirty-second", "thirty-seconds"),
    64: ("sixty-fourth", "sixty-fourths"),
    100: ("hundredth", "hundredths"),
    1000: ("thousandth", "thousandths"),
}

NUMERATORS = "no one two three four five six seven eight nine".split()

BOOKS = (  # of the Bible, but for those that are names of people as well
    "Genesis|Gen|Exodus|Ex|Leviticus|Lev|Deuteronomy|Deut|Judges|Kings|Chronicles|Chron|Nehemiah|"
    "Psalms?|Pss?|Proverbs|Prov|Ecclesiastes|Isaiah|Isa|Jeremiah|Jer|Lamentations|Ezekiel|Hosea|"
    "Obadiah|Habakkuk|Zephaniah|Haggai|Zechariah|Malachi|Matt|Acts|Romans|Rom|Corinthians|Cor|"
    "Galatians|Gal|Ephesians|Eph|Philippians|Phil|Colossians|Col|Thessalonians|Thess|Hebrews|Heb|"
    "Revelation|Rev|Sirach|Wisdom|Quran|Surah?"
)
BOOKS_AND_PEOPLE = (
    "Matthew|Mark|Luke|John|Numbers|Joshua|Ruth|Samuel|Sam|Ezra|Esther|Job|Daniel|Joel|Amos|Jonah|"
    "Micah|Nahum|Timothy|Tim|Titus|Philemon|James|Peter|Pet|Jude"
)
BOOK_SHORT = {
    "Gen": "Genesis",
    "Ex": "Exodus",
    "Lev": "Leviticus",
    "Deut": "Deuteronomy",
    "Chron": "Chronicles",
    "Ps": "Psalm",
    "Pss": "Psalms",
    "Prov": "Proverbs",
    "Isa": "Isaiah",
    "Jer": "Jeremiah",
    "Matt": "Matthew",
    "Rom": "Romans",
    "Cor": "Corinthians",
    "Gal": "Galatians",
    "Eph": "Ephesians",
    "Phil": "Philippians",
    "Col": "Colossians",
    "Thess": "Thessalonians",
    "Heb": "Hebrews",
    "Rev": "Revelation",
    "Sam": "Samuel",
    "Tim": "Timothy",
    "Pet": "Peter",
}

QUICK = {"u": "you", "ur": "your", "r u": "are you", "u r": "you are"}

DIGITS = "zero one two three four five six seven eight nine".split()


# ---- what developers write ----

EXTENSIONS = {  # how the end of a file's name is said; without a vowel, it is spelled
    "py": "py",
    "js": "JS",
    "mjs": "M J S",
    "ts": "TS",
    "tsx": "TSX",
    "jsx": "JSX",
    "md": "MD",
    "txt": "text",
    "json": "jason",
    "yaml": "yaml",
    "yml": "yaml",
    "toml": "toml",
    "html": "HTML",
    "htm": "HTM",
    "css": "CSS",
    "scss": "SCSS",
    "vue": "view",
    "sh": "SH",
    "cpp": "CPP",
    "hpp": "HPP",
    "cs": "CS",
    "c": "C",
    "h": "H",
    "rs": "RS",
    "go": "go",
    "rb": "RB",
    "php": "PHP",
    "java": "java",
    "kt": "KT",
    "swift": "swift",
    "lua": "lua",
    "sql": "SQL",
    "xml": "XML",
    "csv": "CSV",
    "pdf": "PDF",
    "png": "PNG",
    "jpg": "jpeg",
    "jpeg": "jpeg",
    "gif": "gif",
    "svg": "SVG",
    "mp3": "M P 3",
    "mp4": "M P 4",
    "wav": "wave",
    "zip": "zip",
    "tar": "tar",
    "gz": "GZ",
    "dmg": "DMG",
    "pkg": "package",
    "exe": "E X E",
    "dll": "DLL",
    "log": "log",
    "lock": "lock",
    "cfg": "config",
    "conf": "conf",
    "ini": "ini",
    "env": "env",
    "plist": "P list",
    "ipynb": "notebook",
    "doc": "doc",
    "docx": "docks",
    "xls": "XLS",
    "xlsx": "XLSX",
    "pptx": "PPTX",
    "epub": "E pub",
    "tmp": "temp",
    "bak": "back",
    "whl": "wheel",
}

FOLDERS = (
    "docs src lib libs bin tests etc usr var tmp opt dist scripts assets static node_modules "
    "packages pkg cmd internal utils components vendor third_party "
    "feature feat bugfix hotfix origin upstream refs"
).split()
"""Those that begin a path; other words around a slash are alternatives, such as tea/coffee."""

PATH_WORDS = {
    "src": "source",
    "etc": "etsy",
    "usr": "user",
    "tmp": "temp",
    "pkg": "package",
    "cmd": "command",
    "cfg": "config",
    "img": "image",
    "db": "DB",
    "feat": "feature",
    "refs": "refs",
}

MODULES = frozenset(
    "os sys np pd re io json math random logging asyncio typing pathlib datetime collections "
    "functools itertools subprocess requests numpy pandas torch tf plt self this console window "
    "document process module exports React java javax com org net std fmt app user config "
    "settings request response node".split()
)
"""What begins a dotted name, though it has one dot only."""

BOUNDS = {
    "^": "caret",
    "~>": "about",
    "~=": "compatible with",
    "==": "equals",
    "===": "equals",
    "!=": "not",
    ">=": "at least",
    "≥": "at least",
    "<=": "at most",
    "≤": "at most",
    ">": "more than",
    "<": "less than",
}

OPERATORS = {
    "=": "equals",
    "==": "equals",
    "===": "equals",
    "!=": "not equal to",
    "!==": "not equal to",
    ">=": "at least",
    "<=": "at most",
    "&&": "and",
    "||": "or",
}

SPELLED_WORDS = {  # parts of names that are said letter by letter, or are no words
    "Id": "ID",
    "Ids": "IDs",
    "Url": "URL",
    "Api": "API",
    "Http": "HTTP",
    "Html": "HTML",
    "Json": "Jason",
    "Xml": "XML",
    "Ui": "UI",
    "Ip": "IP",
    "Db": "DB",
    "Sql": "SQL",
    "Io": "IO",
    "str": "string",
    "Str": "string",
}

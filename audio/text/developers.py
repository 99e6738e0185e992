"""How a developer reads the tokens of code, terminals and logs aloud. Pure.

These rules come before those of ordinary English, which would take slashes, colons and digits for
dates, times and alternatives. For the order and the examples, see `audio.text.english`.
"""

import re

from audio.text.lexicon import (
    BOUNDS,
    DIGITS,
    EXTENSIONS,
    FOLDERS,
    MODULES,
    OPERATORS,
    PATH_WORDS,
    SPELLED_WORDS,
)
from audio.text.readings import Match, year
from audio.text.rule import CAPITALS, SMALL, Rule, either, having

_HEX = "[0-9A-Fa-f]"
_SHOWN = 4  # of a long code
_EXTENSION = either(EXTENSIONS)
_FOLDER = either(FOLDERS)
_LONG_NAME_CHARS = 100


def letters(token: str) -> str:
    """Return letters and digits one by one; A as eh, since a lone A is an article."""
    return " ".join(
        DIGITS[int(char)] if char in "0123456789" else "eh" if char in "aA" else char.upper()
        for char in token
        if char.isalnum()
    )


def _grouped(token: str) -> str:
    """Return letters and digits one by one, with a pause between groups."""
    return ", ".join(letters(group) for group in re.split(r"[\W_]+", token) if group)


def _ipv6_address(match: Match) -> str:
    """Read an address of colons: F E eight zero double colon one."""
    sides = [
        " colon ".join(letters(group) for group in side.split(":") if group)
        for side in match[0].split("::")
    ]
    return " double colon ".join(sides).strip()


def _port(digits: str) -> str:
    """Return a port as people say it: 80 80, 4 43."""
    number = int(digits)
    if len(digits) == 3:  # noqa: PLR2004
        return f"{digits[0]} {digits[1:]}"
    return year(number) if 1000 < number < 10000 and number % 1000 else digits  # noqa: PLR2004


def _ip_address(match: Match) -> str:
    """Read an address of dots: 10 dot 0 dot 0 dot 1 port 80 80."""
    text = " dot ".join(match["address"].split("."))
    if match["length"]:
        return f"{text} slash {match['length']}"
    return f"{text} port {_port(match['port'])}" if match["port"] else text


def _joined(path: str, between: str) -> str:
    """Return the parts of a path as they are said."""
    return between.join(PATH_WORDS.get(part, part) for part in path.split("/") if part)


def _path_from_root(match: Match) -> str:
    """Read a path with its slashes: slash home slash user."""
    root = {"~": "tilde", ".": "dot", "..": "dot dot"}.get(match["root"] or "", "")
    path = _joined(re.sub(r"(?<=/)\.(?=\w)", "dot ", match["path"]), " slash ")
    return f"{root} slash {path}".lstrip()


def _folder(match: Match) -> str:
    """Read a folder or a branch: docs slash setup."""
    return f"{match['told'] or ''}{_joined(match['path'] or match['named'], ' slash ')}"


def _file(match: Match) -> str:
    """Read the end of a file's name, and a place in it: dot py, line 42."""
    inner = f" dot {match['inner']}" if match["inner"] else ""
    text = f"{inner} dot {EXTENSIONS.get(match['ext'].lower(), match['ext'])}"
    if match["last"]:
        return f"{text}, lines {match['line']} to {match['last']}"
    if match["line"]:
        text += f", line {match['line']}"
    return f"{text}, column {match['column']}" if match["column"] else text


def _dot(match: Match) -> str:
    """Read the dot of a dotted name; that of a sentence without a space after it stays."""
    text = match.string
    start, end = match.start(), match.end()
    while start and end - start < _LONG_NAME_CHARS and _in_name(text[start - 1]):
        start -= 1
    while end < len(text) and end - start < _LONG_NAME_CHARS and _in_name(text[end]):
        end += 1
    parts = text[start:end].strip(".").split(".")
    called = text[end : end + 1] == "("
    dotted = len(parts) > 2 and all(len(part) > 1 for part in parts)  # noqa: PLR2004
    is_name = called or dotted or parts[0] in MODULES
    return " dot " if is_name and start < match.start() else match[0]


def _in_name(char: str) -> bool:
    return char.isalnum() or char in "._"


def _stage(text: str) -> str:
    """Return the stage of a version: beta 1."""
    words = re.sub(r"(?<=[a-z])\.?(?=\d)", " ", text.lower()).replace(".", " ")
    return re.sub(r"\brc\b", "release candidate", words)


def _version(match: Match) -> str:
    """Read a version: version 1 point 2."""
    text = f"version {' point '.join(match['number'].split('.'))}"
    return f"{text} {_stage(match['stage'])}" if match["stage"] else text


def _dotted_version(match: Match) -> str:
    """Read a version without a v, unless it is a number with dots between its thousands."""
    groups = match["number"].split(".")
    if all(len(group) == 3 for group in groups[1:]):  # noqa: PLR2004  # as in German
        return "".join(groups) + (match["stage"] or "")
    text = " point ".join(groups)
    return f"{text} {_stage(match['stage'][1:])}" if match["stage"] else text


def _release(match: Match) -> str:
    """Read a release, whose second number is not a fraction: Python 3 point 11."""
    major, minor = match["major"], match["minor"]
    if minor.startswith("0"):
        return f"{match['name']} {major} oh {minor[1:]}"
    return f"{match['name']} {major} point {minor}"


def _bound(match: Match) -> str:
    """Read a bound of a version or of a number: at least 3.11."""
    parts = match["version"].split(".")
    version = " point ".join(parts) if len(parts) > 2 else match["version"]  # noqa: PLR2004
    lead = f"{match['name']} " if match["name"] else ""
    is_letter = len(lead) == len("x ")
    bound = "greater than" if is_letter and match["bound"] == ">" else BOUNDS[match["bound"]]
    return f"{lead}{bound} {version}"


def _long_option(match: Match) -> str:
    """Read an option of a command: dash dash dry run."""
    return f"dash dash {match[1].replace('-', ' ')}{' equals ' if match[2] else ''}"


def _short_option(match: Match) -> str:
    """Read a short option: dash V."""
    option = match[1]
    return f"dash {option if len(option) > 3 else letters(option)}"  # noqa: PLR2004


def words_of_name(name: str) -> str:
    """Return a name in camelCase as words: get user by ID."""
    parts = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+", name)
    return " ".join(
        SPELLED_WORDS.get(part, part if part.isupper() and len(part) > 1 else part.lower())
        for part in parts
    )


DEVELOPERS: tuple[Rule, ...] = (
    Rule(
        name="UUID",
        purpose="The beginning of a universally unique identifier.",
        examples=(
            (
                "Order 550e8400-e29b-41d4-a716-446655440000 failed.",
                "Order five five zero E failed.",
            ),
        ),
        needs=having("-"),
        pattern=re.compile(rf"\b{_HEX}{{8}}(?:-{_HEX}{{4}}){{3}}-{_HEX}{{12}}\b"),
        reading=lambda match: letters(match[0][:_SHOWN]),
    ),
    Rule(
        name="MAC address",
        purpose="An address of six pairs, one by one.",
        examples=(
            (
                "Block 00:1a:2b:3c:4d:5e now.",
                "Block zero zero, one eh, two B, three C, four D, five E now.",
            ),
        ),
        needs=having(":-"),
        pattern=re.compile(
            rf"\b{_HEX}{{2}}(?:(?::{_HEX}{{2}}){{5}}|(?:-{_HEX}{{2}}){{5}})\b(?![:-])"
        ),
        reading=lambda match: _grouped(match[0]),
    ),
    Rule(
        name="IPv6 address",
        purpose="An address with colons, digit by digit.",
        examples=(
            ("Ping fe80::1 first.", "Ping F E eight zero double colon one first."),
            (
                "Use 2001:db8:0:0:8:800:200c:417a.",
                (
                    "Use two zero zero one colon D B eight colon zero colon zero colon eight colon "
                    "eight zero zero colon two zero zero C colon four one seven eh."
                ),
            ),
        ),
        needs=having(":"),
        pattern=re.compile(
            rf"(?<![\w:.])(?:{_HEX}{{1,4}}:){{1,6}}(?::{_HEX}{{1,4}}){{1,6}}(?![\w:])"
            rf"|(?<![\w:.])(?:{_HEX}{{1,4}}:){{7}}{_HEX}{{1,4}}(?![\w:])"
            rf"|(?<![\w:.])::{_HEX}{{1,4}}(?::{_HEX}{{1,4}}){{0,6}}(?![\w:])"
        ),
        reading=_ipv6_address,
        hint=re.compile(r":[0-9A-Fa-f:]"),
    ),
    Rule(
        name="hexadecimal number",
        purpose="A number with 0x, or the beginning of a long one.",
        examples=(("It is at 0x1f now.", "It is at hex one F now."),),
        needs=having("0 x"),
        pattern=re.compile(r"\b0x([0-9A-Fa-f]+)\b"),
        reading=lambda match: f"hex {letters(match[1][:_SHOWN])}",
    ),
    Rule(
        name="hash",
        purpose="The beginning of a hash, such as a commit's: nobody remembers more.",
        examples=(
            ("Revert commit a1b2c3d now.", "Revert commit eh one B two now."),
            ("It is e83c5163316f89bfbde7d9ab23ca2e25604af290.", "It is E eight three C."),
        ),
        needs=having("0 abcdef"),
        pattern=re.compile(
            r"(?<![\w.+/-])(?:[Ss][Hh][Aa]-?(?:1|256|512):)?"
            r"(?=[0-9a-f]*\d[0-9a-f]*\d)(?=\d*[a-f])(?!0b[01]+\b)"
            r"(?P<hash>[0-9a-f]{7,64})(?!\w)(?![.-]\w)"
        ),
        reading=lambda match: letters(match["hash"][:_SHOWN]),
        hint=re.compile(r"[0-9a-f]{7}"),
    ),
    Rule(
        name="mixed code",
        purpose="A number of capitals and digits that alternate, one by one.",
        examples=(
            ("Track no. 1Z999AA1 now.", "Track number one Z nine nine nine eh eh one now."),
            ("Your booking code is QX7R2P.", "Your booking code is Q X seven R two P."),
        ),
        needs=having(f"0 {CAPITALS}"),
        pattern=re.compile(
            r"(?P<lead>\b[Nn]o\.? ?)?(?<![\w.,:/#@+-])(?=[A-Z\d]{6})"
            r"(?!\d+[PX]\d+\b|\d{8}T\d|Q[1-4]FY|\d+K\d+FPS|\d+[AP]M)"
            r"(?:[A-Z]+\d+[A-Z]+\d|\d+[A-Z]+\d+[A-Z]|(?=[A-Z\d]{10})(?:[A-Z]+\d+[A-Z]|\d+[A-Z]+\d))"
            r"[A-Z\d]*(?![\w:/]|[.-]\w)"
        ),
        reading=lambda match: (
            f"{'number ' if match['lead'] else ''}{letters(match[0][len(match['lead'] or '') :])}"
        ),
        hint=re.compile(r"[A-Z]\d|\d[A-Z]"),
    ),
    Rule(
        name="ISBN",
        purpose="The number of a book, digit by digit.",
        examples=(
            (
                "Order ISBN 978-3-16-148410-0 today.",
                (
                    "Order ISBN nine seven eight, three, one six, one four eight four one zero, "
                    "zero today."
                ),
            ),
        ),
        needs=having("0 I N"),
        pattern=re.compile(r"\b(IS[BS]N(?:-1[03])?:?) ?((?:\d[- ]?){7,12}[\dX])\b"),
        reading=lambda match: f"{match[1]} {_grouped(match[2])}",
    ),
    Rule(
        name="bank account",
        purpose="An international number of a bank account, letter by letter, digit by digit.",
        examples=(
            (
                "Pay to DE89 3704 0044 0532 0130 00 today.",
                (
                    "Pay to D E eight nine, three seven zero four, zero zero four four, "
                    "zero five three two, zero one three zero, zero zero today."
                ),
            ),
        ),
        needs=having(f"0 {CAPITALS}"),
        pattern=re.compile(r"\b[A-Z]{2}\d\d(?: [A-Z0-9]{4}){3,7}(?: [A-Z0-9]{1,3})?(?!\w)"),
        reading=lambda match: _grouped(match[0]),
        hint=re.compile(r"[A-Z]{2}\d\d "),
    ),
    Rule(
        name="account number",
        purpose="A number of a card or a person in groups, digit by digit.",
        examples=(
            (
                "My card is 4111 1111 1111 1111.",
                "My card is four one one one, one one one one, one one one one, one one one one.",
            ),
            (
                "His number is 123-45-6789.",
                "His number is one two three, four five, six seven eight nine.",
            ),
        ),
        needs=having("0"),
        pattern=re.compile(
            r"(?<![\w.-])(?:\d{4}([ -])\d{4}\1\d{4}\1\d{4}|\d{3}-\d\d-\d{4})(?![\w-])"
        ),
        reading=lambda match: _grouped(match[0]),
        at_number=True,
    ),
    Rule(
        name="IP address",
        purpose="An address of four numbers, with a port or the length of its network.",
        examples=(
            ("Ping 192.168.0.1.", "Ping 192 dot 168 dot 0 dot 1."),
            ("Try 10.0.0.1:443 then.", "Try 10 dot 0 dot 0 dot 1 port 4 43 then."),
            ("Allow 10.0.0.0/8 only.", "Allow 10 dot 0 dot 0 dot 0 slash 8 only."),
        ),
        needs=having("0 ."),
        pattern=re.compile(
            r"(?<![\w.])(?P<address>\d{1,3}(?:\.\d{1,3}){3})"
            r"(?:/(?P<length>\d\d?)|:(?P<port>\d{2,5}))?(?!\w|\.\d)"
        ),
        reading=_ip_address,
        at_number=True,
    ),
    Rule(
        name="issue of a repository",
        purpose="A repository of an owner, with the number of an issue.",
        examples=(("See hexgrad/kokoro#103.", "See hexgrad slash kokoro number 103."),),
        needs=having("0 / #"),
        pattern=re.compile(r"(?<![\w./])([\w-]+)/([\w.-]+)(?=#\d)"),
        reading=r"\1 slash \2 ",
    ),
    Rule(
        name="path from a root",
        purpose="A path from a root, with its slashes.",
        examples=(
            ("Edit /etc/hosts as root.", "Edit slash etsy slash hosts as root."),
            ("Run ./build.sh now.", "Run dot slash build dot SH now."),
            ("Look in ~/.ssh first.", "Look in tilde slash dot ssh first."),
        ),
        needs=having("/"),
        pattern=re.compile(
            r"(?<![\w/.:~)])(?:(?P<root>~|\.{1,2})|(?=/[\w.@+-]+/))"
            r"(?P<path>(?:/[\w.@+-]*\w)+)/?(?![\w/${*])"
        ),
        reading=_path_from_root,
    ),
    Rule(
        name="path of a file",
        purpose="A path with a file at its end, as colleagues say it.",
        examples=(
            ("Open src/app/main.ts now.", "Open source app main dot TS now."),
            ("Read docs/setup.md first.", "Read docs setup dot MD first."),
        ),
        needs=having(f"/ . {SMALL}"),
        pattern=re.compile(
            rf"(?<![\w./~@:-])[\w.-]+(?:/[\w.-]+)+(?=\.(?:{_EXTENSION})(?!\w))", re.IGNORECASE
        ),
        reading=lambda match: _joined(match[0], " "),
    ),
    Rule(
        name="file",
        purpose="The end of a file's name, with a place in it.",
        examples=(
            ("See engine.py:42 again.", "See engine dot py, line 42 again."),
            ("It is in app.ts:7:21 now.", "It is in app dot TS, line 7, column 21 now."),
            ("Read main.go#L10-L20 first.", "Read main dot go, lines 10 to 20 first."),
            ("Go from A.C. to x.c now.", "Go from A.C. to x dot C now."),
        ),
        needs=having(f". {SMALL}"),
        pattern=re.compile(
            rf"\.(?<=[\w)\]*]\.)(?:(?![ch]\b)|(?<=\w\w\.)|(?<!(?-i:[A-Z])\.)(?=(?-i:[ch])\b))"
            rf"(?:(?P<inner>[a-z]{{1,9}})\.)?(?P<ext>{_EXTENSION})"
            r"(?:(?::|#L|(?P<open>\())(?P<line>\d+)(?:[-–]L?(?P<last>\d+)|[:,](?P<column>\d+))?"
            r"(?(open)\)))?(?![\w/])",
            re.IGNORECASE,
        ),
        reading=_file,
    ),
    Rule(
        name="path of a folder",
        purpose="A path that begins with a usual folder or kind of branch, or that is called one.",
        examples=(
            ("See docs/setup for more.", "See docs slash setup for more."),
            ("Merge feature/login soon.", "Merge feature slash login soon."),
            ("Check out the branch bob/fixes.", "Check out the branch bob slash fixes."),
            ("Clean the src/ folder.", "Clean the source folder."),
        ),
        needs=having("/"),
        pattern=re.compile(
            rf"(?<![\w./-])(?P<path>(?:{_FOLDER})(?:(?:/[\w.@-]*\w)+/?|/))(?![\w/${{*])"
            r"|\b(?P<told>(?:branch|folder|directory|repo|repository|path|package|module|cd|ls) )"
            r"(?P<named>[\w.-]+(?:/[\w.-]*\w)+)/?"
        ),
        reading=_folder,
    ),
    Rule(
        name="host and port",
        purpose="A port after the name of a machine.",
        examples=(("Open localhost:8080 now.", "Open localhost port 80 80 now."),),
        needs=having("0 :"),
        pattern=re.compile(
            r"\b(?P<host>localhost|[a-z][\w-]*(?:\.[a-z][\w-]*)+):(?P<port>\d{2,5})\b(?!:)"
        ),
        reading=lambda match: f"{match['host'].replace('.', ' dot ')} port {_port(match['port'])}",
        hint=re.compile(r":\d\d"),
    ),
    Rule(
        name=".NET",
        purpose="The framework, with its dot.",
        examples=(
            ("We use .NET here.", "We use dot net here."),
            ("We use ASP.NET here.", "We use ASP dot net here."),
        ),
        needs=having(". N E T"),
        pattern=re.compile(r"\.NET\b"),
        reading=lambda match: (
            f"{' ' if match.string[: match.start()][-1:].isalnum() else ''}dot net"
        ),
    ),
    Rule(
        name="hidden file",
        purpose="The dot before the name of a hidden file.",
        examples=(("Check the .gitignore again.", "Check the dot gitignore again."),),
        needs=having(f". {SMALL}"),
        pattern=re.compile(r"\.(?<!\S\.)(?=[a-z]{3})"),
        reading="dot ",
    ),
    Rule(
        name="dotted name",
        purpose="The dots in the name of a module, a function or a field.",
        examples=(
            ("Call os.path.join here.", "Call os dot path dot join here."),
            ("Then user.save() fails.", "Then user dot save() fails."),
        ),
        needs=having("."),
        pattern=re.compile(r"\.(?<=\w\.)(?=[A-Za-z_]\w)"),
        reading=_dot,
    ),
    Rule(
        name="site",
        purpose="The end of a site's name.",
        examples=(("Look at example.com first.", "Look at example dot com first."),),
        needs=having(f". {SMALL}"),
        pattern=re.compile(
            r"\.(?<=[\w-]\.)(?=(?:com|org|net|io|dev|edu|gov|co|eu|uk|de|fr|ch|ai|tv)\b)"
        ),
        reading=" dot ",
    ),
    Rule(
        name="environment variable",
        purpose="A variable of the environment.",
        examples=(
            ("Set $HOME first.", "Set dollar HOME first."),
            ("It needs ${API KEY} now.", "It needs dollar API KEY now."),
        ),
        needs=having("$"),
        pattern=re.compile(
            r"\$(?:\{(\w+(?: \w+)*)\}|(HOME|PATH|USER|SHELL|PWD|EDITOR|LANG|TERM|PYTHONPATH)\b)"
        ),
        reading=lambda match: f"dollar {match[1] or match[2]}",
    ),
    Rule(
        name="ticker",
        purpose="The sign before the name of a share.",
        examples=(("Buy $AAPL now.", "Buy AAPL now."),),
        needs=having(f"$ {CAPITALS}"),
        pattern=re.compile(r"\$(?<![\w$]\$)(?=[A-Z]{1,5}\b)"),
        reading="",
    ),
    Rule(
        name="long option",
        purpose="An option of a command, with two dashes.",
        examples=(
            ("Add --dry-run to it.", "Add dash dash dry run to it."),
            ("Add --jobs=4 to it.", "Add dash dash jobs equals 4 to it."),
        ),
        needs=having("-"),
        pattern=re.compile(r"(?<![\w-])--([a-z][\w-]*\w)(=)?"),
        reading=_long_option,
    ),
    Rule(
        name="short option",
        purpose="An option of a command, with one dash.",
        examples=(
            ("Run it with -v again.", "Run it with dash V again."),
            ("Use rm -rf with care.", "Use rm dash R F with care."),
        ),
        needs=having("-"),
        pattern=re.compile(
            r"(?<!\S)-([A-Za-z]\d?|[bcdfghj-np-tv-xz]{2,3}|l?a[lh]?|it|lah|name|type|exec)"
            r"(?=[\s,;:!?)]|\.?$|\.\s)"
        ),
        reading=_short_option,
    ),
    Rule(
        name="commit before",
        purpose="A commit that comes before the last.",
        examples=(("Reset to HEAD~3 now.", "Reset to HEAD tilde 3 now."),),
        needs=having("H ~^"),
        pattern=re.compile(r"\bHEAD([~^])(\d?)"),
        reading=lambda match: f"HEAD {'tilde' if match[1] == '~' else 'caret'} {match[2]}".rstrip(),
    ),
    Rule(
        name="time zone",
        purpose="The sign between a time zone and its hours.",
        examples=(("It is GMT-5 here.", "It is GMT minus 5 here."),),
        needs=having("0 GU +-−"),
        pattern=re.compile(r"(?:(?<=\bGMT)|(?<=\bUTC)) ?([-+−])(?=\d)"),
        reading=lambda match: f" {'plus' if match[1] == '+' else 'minus'} ",
    ),
    Rule(
        name="bound",
        purpose="A bound of a version or of a number.",
        examples=(
            ("It needs python>=3.11 now.", "It needs python at least 3.11 now."),
            ("Pin it to ^1.4.2 here.", "Pin it to caret 1 point 4 point 2 here."),
            ("It took <5 minutes.", "It took less than 5 minutes."),
        ),
        needs=having("0 <>=≤≥^~"),
        pattern=re.compile(
            r"(?:(?P<name>\b[A-Za-z][\w-]*) ?|(?<![\w)=<>~^-])(?<![\d)] ))"
            r"(?P<bound>(?<![\w)])\^|~>|~=|===?|!=|[<>]=?|[≤≥])"
            r" ?(?P<version>\d+(?:\.\d+)*)(?![\w^])"
        ),
        reading=_bound,
    ),
    Rule(
        name="version",
        purpose="A version after a v.",
        examples=(
            ("Crier v1.2.3 is out.", "Crier version 1 point 2 point 3 is out."),
            ("Use v2.0-rc1 today.", "Use version 2 point 0 release candidate 1 today."),
        ),
        needs=having("0 v"),
        pattern=re.compile(
            r"(?<![\w/])v(?P<number>\d+(?:\.\d+)*)(?:-?(?P<stage>(?:alpha|beta|rc|dev|preview)[.\d]*\d|(?:alpha|beta|dev)\b))?(?!\w)"
        ),
        reading=_version,
    ),
    Rule(
        name="dotted version",
        purpose="A version of at least three numbers.",
        examples=(("Update to 2.10.3 today.", "Update to 2 point 10 point 3 today."),),
        needs=having("0 ."),
        pattern=re.compile(
            r"(?<![\w.,])(?P<number>\d+(?:\.\d{1,3}){2,3})(?P<stage>-?(?:alpha|beta|rc|dev)[.\d]*\d)?(?![\w]|[.,]\d)(?!\.[A-Za-z])"
        ),
        reading=_dotted_version,
        at_number=True,
    ),
    Rule(
        name="release",
        purpose="The release of a program, whose second number is not a fraction.",
        examples=(
            ("It needs Python 3.11 now.", "It needs Python 3 point 11 now."),
            ("Install Ubuntu 24.04 here.", "Install Ubuntu 24 oh 4 here."),
        ),
        needs=having("0 ."),
        pattern=re.compile(
            r"\b(?P<name>Python|python|[Nn]ode|Ubuntu|Debian|macOS|iOS|Android|Django|PHP|Ruby|Go|Rust|"
            r"Kotlin|Java|Postgres|PostgreSQL|MySQL|Linux|[Kk]ernel|[Vv]ersion|[Rr]elease|Firefox|"
            r"Chrome|Kubernetes|Bluetooth|USB|HTTP) (?P<major>\d+)\.(?P<minor>\d\d)(?![\w]|\.\d)"
        ),
        reading=_release,
        hint=re.compile(r"\.\d\d"),
    ),
    Rule(
        name="status of HTTP",
        purpose="A status with a zero in the middle.",
        examples=(
            ("It returns 404 now.", "It returns 4 oh 4 now."),
            ("HTTP 502 from it.", "HTTP 5 oh 2 from it."),
        ),
        needs=having("45 0"),
        pattern=re.compile(
            r"(?P<lead>\b(?:HTTP(?:/\d(?:\.\d)?)?|[Ss]tatus(?: code)?) )?"
            r"(?(lead)|(?:(?<=returns )|(?<=returned )|(?<=returning )|(?<=gives )|(?<=with )"
            r"|(?<= got )|(?<=\b[Aa] )))"
            r"(?P<class>[45])0(?P<rest>[1-9])(?!\w|[.,]\d)"
            r"(?(lead)|(?= (?:errors?|page|response|for|from|on|when|again|now)\b|[.,;:!?)]|$))"
        ),
        reading=lambda match: f"{match['lead'] or ''}{match['class']} oh {match['rest']}",
        hint=re.compile(r"[45]0[1-9]"),
    ),
    Rule(
        name="scope",
        purpose="The colons in the name of something that belongs to another.",
        examples=(("Use std::vector here.", "Use std vector here."),),
        needs=having(":"),
        pattern=re.compile(r"::(?<=\w::)(?=\w)"),
        reading=" ",
    ),
    Rule(
        name="operator",
        purpose="An operator between two names or values.",
        examples=(
            ("If a != b it fails.", "If a not equal to b it fails."),
            ("Set debug=true there.", "Set debug equals true there."),
            ("Run it if a && b hold.", "Run it if a and b hold."),
            ("Run it if a || !c holds.", "Run it if a or not c holds."),
        ),
        needs=having("=&|"),
        pattern=re.compile(
            r"(?<=[\w)\]\"'])(?P<space> ?)(?P<sign>!==?|===?|>=|<=|&&|\|\|)(?P=space)"
            r"(?:(?P<not>!)(?=[a-zA-Z(])|(?=[\w(\[\"'-]))"
            r"|(?<=[A-Za-z_)\]])(?P<spaced> ?)(?P<equals>=)(?P=spaced)(?=[\w(\[\"'/.-])"
        ),
        reading=lambda match: (
            f" {OPERATORS[match['sign'] or match['equals']]} {'not ' if match['not'] else ''}"
        ),
    ),
    Rule(
        name="name in camelCase",
        purpose="The words of a name that begins in lower case.",
        examples=(
            ("Call getUserById there.", "Call get user by ID there."),
            ("Then parseJSON fails.", "Then parse JSON fails."),
        ),
        needs=having(f"{SMALL} {CAPITALS}"),
        pattern=re.compile(r"(?<![\w&])(?<!\d )[a-z]{2,}(?=[A-Z])[A-Za-z\d]+\b"),
        reading=lambda match: words_of_name(match[0]),
        hint=re.compile(r"[A-Z](?<=[a-z][A-Z])"),
    ),
    Rule(
        name="name in PascalCase",
        purpose="The words of a class; a name such as McDonald or YouTube is left alone.",
        examples=(
            ("It raised FileNotFoundError again.", "It raised file not found error again."),
            ("Use HTTPServer here.", "Use HTTP server here."),
        ),
        needs=having(f"{SMALL} {CAPITALS}"),
        pattern=re.compile(
            r"\b(?:(?:[A-Z][a-z]+)+(?:Error|Exception|Warning)|(?:[A-Z][a-z]+){3,}"
            r"|(?!SQLite)[A-Z]{3,}[a-z]{3,}[A-Za-z\d]*)\b"
        ),
        reading=lambda match: words_of_name(match[0]),
        hint=re.compile(r"[A-Z](?:(?<=[a-z][A-Z])|(?<=[A-Z]{3})(?=[a-z]{3}))"),
    ),
    Rule(
        name="pair of short forms",
        purpose="Two short forms that belong together, without their slash.",
        examples=(
            ("The CI/CD is red.", "The CI CD is red."),
            ("Turn the A/C on.", "Turn the AC on."),
        ),
        needs=having(f"/ {CAPITALS}"),
        pattern=re.compile(
            r"\b(?:(?<!\bor )(A)/(C)(?= (?!or\b)|[.,;:!?)]|$)|(CI|TCP|UDP|I|P|R|T|UI|AC|HIV|AR|"
            r"SSL|TLS|QA|GNU|A|LGBT|H)/(CD|IP|O|E|W|F|UX|DC|AIDS|VR|TLS|SSL|QC|Linux|"
            r"V)(?!/))\b(?!\w)"
        ),
        reading=lambda match: "AC" if match[1] else f"{match[3]} {match[4]}",
    ),
    Rule(
        name="A/B test",
        purpose="A test of two variants.",
        examples=(("We run an A/B test.", "We run an A-B test."),),
        needs=having("/ A"),
        pattern=re.compile(
            r"\bA/B(?=[ -]?(?:test|split|experiment|variant|compar))", re.IGNORECASE
        ),
        reading="A-B",
    ),
    Rule(
        name="name of an emoji",
        purpose="An emoji by its name, which is not spoken, as emoji aren't.",
        examples=(("Well done :tada: team.", "Well done  team."),),
        needs=having(f": {SMALL}1"),
        pattern=re.compile(r"(?<![\w:]):(?:[+-]1|[a-z]\w*(?:[ -][a-z]\w*){0,4}):(?![\w:])"),
        reading="",
    ),
)

"""Written text -> what a person would read aloud. Pure.

espeak reads plain numbers, decimals, percentages and ordinals well in every language. It does not
know what a number means: a price, a time, a year, a telephone number. For English the rules of
audio/text/english.py spell that out; other languages are left to espeak.
"""

import re
import unicodedata

from audio.text import inline
from audio.text.english import rules
from audio.text.rule import Scanned

_Match = re.Match[str]

# Code has ../ and, between names or digits, :: as well.
_REPEATED = re.compile(r"([!?.,;…‼⁉])\1+(?!/)|(:):+(?!\w)")
_MIXED = re.compile(r"[!?]{2,}")
_OTHER_DIGIT = re.compile(r"[^\D0-9]")
_STRETCHED = re.compile(r"([^\W\d_])\1{3,}")


_ASIAN = frozenset({"ja", "cmn"})
"""Languages whose own punctuation is wide."""

_FRACTION_BARS = "\u2044\u2215"
_SCIENTIFIC = "\u2126\u212a\u212b"  # ohm, kelvin, ångström: letters twice in Unicode
_EXCEPTIONS = {"№": "No. ", "µ": "µ"} | dict.fromkeys(_FRACTION_BARS, "/")
_ARABIC = range(0xFB50, 0xFF00)
_VIETNAMESE = range(0x1E00, 0x1F00)
"""Letters with marks, most of them Vietnamese."""
_READ_AS_PLAIN = frozenset(
    f"<{kind}>" for kind in "font circle square narrow wide sub compat".split()
)
"""Unicode's kinds of compatibility characters of which the plain ones are read."""
_WIDE_SIGNS = {
    code: unicodedata.normalize("NFKC", chr(code))
    for code in range(0xFF01, 0xFF5F)
    if not chr(code).isalnum()
}

# A superscript after a digit, as in 4ᵗʰ; elsewhere these letters are phonetic.
_RAISED = re.compile(r"(?<=\d)[ʰ-ʸˠ-ˤᴬ-ᵡᶜ-ᶻⁱⁿ]+")

# Small capitals, which some write for style; a text in which all are phonetic, too, is left alone.
_SMALL_CAPITALS = {
    code: unicodedata.name(chr(code)).removeprefix("LATIN LETTER SMALL CAPITAL ").lower()
    for code in (
        *(0x1D00, 0x299, 0x1D04, 0x1D05, 0x1D07, 0xA730, 0x262, 0x29C, 0x26A, 0x1D0A, 0x1D0B),
        *(0x29F, 0x1D0D, 0x274, 0x1D0F, 0x1D18, 0x280, 0xA731, 0x1D1B, 0x1D1C, 0x1D20, 0x1D21),
        *(0x28F, 0x1D22),
    )
}
_PHONETIC_TOO = "ʙɢʜɪʟɴʀʏ"
_IN_SMALL_CAPITALS = re.compile(
    rf"[{_PHONETIC_TOO}qsx]*"
    rf"[{''.join(char for char in map(chr, _SMALL_CAPITALS) if char not in _PHONETIC_TOO)}]"
    rf"[{''.join(map(chr, _SMALL_CAPITALS))}qsx]+"
)


class _Plain(dict[int, str]):
    """Characters -> those that are read in their place; filled as they are met.

    Bold, circled, squared and wide letters, ligatures, the signs of units and those of Roman
    numbers are compatibility characters of Unicode, which names the plain ones. Letters that
    espeak reads as code points, such as those of Vietnamese, were found by running espeak on each
    Latin letter.
    """

    def __init__(self, *, vietnamese: bool = False) -> None:
        """Create it; *vietnamese* is left to espeak in that language."""
        super().__init__()
        self._vietnamese = vietnamese

    def __missing__(self, code: int) -> str:
        is_read = self._vietnamese and code in _VIETNAMESE
        self[code] = plain = chr(code) if is_read else _plain(code)
        return plain


def _plain(code: int) -> str:
    char = chr(code)
    if char in _EXCEPTIONS:
        return _EXCEPTIONS[char]
    plain = unicodedata.normalize("NFKC", char)
    kind = unicodedata.decomposition(char).partition(" ")[0]
    if kind in _READ_AS_PLAIN and any(c.isalpha() or c.isdigit() for c in plain):
        return plain.translate({ord(bar): "/" for bar in _FRACTION_BARS})
    if code in _VIETNAMESE:
        return "".join(c for c in unicodedata.normalize("NFKD", char) if c.isalpha())
    if 0x180 <= code < 0x250:  # noqa: PLR2004  # further Latin letters
        return char.lower()
    return plain if code in _ARABIC or char in _SCIENTIFIC else char


_PLAIN, _PLAIN_IN_VIETNAMESE = _Plain(), _Plain(vietnamese=True)


def read(text: str, lang: str) -> str:
    """Return *text* as it should be read; *lang* is espeak's code of its language."""
    if not text.isascii():
        text = _in_plain_letters(text, lang)
        if lang not in _ASIAN:
            text = text.translate(_WIDE_SIGNS)
    text = _collapse_repeats(text)
    if lang.startswith("en"):
        scanned = Scanned.of(text)
        for rule in rules(lang):
            if rule.may_match(scanned):
                text, matches = rule.pattern.subn(rule.reading, text)
                scanned = Scanned.of(text) if matches else scanned
    return text


def _in_plain_letters(text: str, lang: str = "") -> str:
    if _IN_SMALL_CAPITALS.search(text):
        text = text.translate(_SMALL_CAPITALS)
    text = _RAISED.sub(lambda match: unicodedata.normalize("NFKC", match[0]), text)
    text = text.translate(_PLAIN_IN_VIETNAMESE if lang == "vi" else _PLAIN)
    return _OTHER_DIGIT.sub(lambda match: str(unicodedata.decimal(match[0])), text)


def pronounce(text: str, words: dict[str, str]) -> str:
    """Return *text* with words respelled as they are pronounced.

    Args:
        text: what will be spoken.
        words: lower-case words -> their replacements, in other letters or as ``/sounds/``; a key
            may consist of several words. Words with sounds of their own keep them.
    """
    by_first: dict[str, list[list[str]]] = {}
    for word in sorted(words, key=len, reverse=True):
        if parts := _PART.findall(word):
            by_first.setdefault(parts[0], []).append(parts)
    if not by_first:
        return text
    text, marks = inline.hold(text)
    tokens = list(_PART.finditer(text))
    result: list[str] = []
    copied_to = index = 0
    while index < len(tokens):
        first = tokens[index]
        before = text[first.start() - 1 : first.start()]
        for parts in by_first.get(first[0].casefold(), ()):
            last = tokens[min(index + len(parts), len(tokens)) - 1]
            candidate = text[first.start() : last.end()]
            after = text[last.end() : last.end() + 1]
            is_word = not _is_word_char(before) and not _is_word_char(after)
            if is_word and candidate.casefold() == "".join(parts):
                said = _said(candidate, words["".join(parts)])
                result += [text[copied_to : first.start()], said]
                copied_to = last.end()
                index += len(parts) - 1
                break
        index += 1
    return inline.restore("".join([*result, text[copied_to:]]), marks)


def _said(word: str, pronunciation: str) -> str:
    """Return what replaces a word: a pronunciation in letters, or the word with its sounds."""
    sounds = inline.in_slashes(pronunciation)
    return inline.shown(pronunciation) if sounds is None else inline.mark(word, sounds)


_PART = re.compile(r"\w+|\s|[^\w\s]")


def _is_word_char(char: str) -> bool:
    return char.isalnum() or char == "_"


def _collapse_repeats(text: str) -> str:
    """Return *text* with one mark in place of many, and at most three of a letter in a row."""

    def single(match: _Match) -> str:
        return "…" if match[0].startswith("..") else match[1] or match[2]

    if "!" in text or "?" in text:
        text = _MIXED.sub(lambda match: "?" if "?" in match[0] else "!", text)
    text = _REPEATED.sub(single, text)
    return _STRETCHED.sub(r"\1\1\1", text)

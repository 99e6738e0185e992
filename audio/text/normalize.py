"""What is written -> what a person would read aloud. Pure.

espeak reads plain numbers, decimals, percentages and ordinals well in every language. What it does
not know is what a number is: a price, a time, a year, a telephone. That is told for English, in
audio/text/english.py; other languages keep what espeak makes of them.
"""

import re
import unicodedata

from audio.text.english import rules

_Match = re.Match[str]

_REPEATED = re.compile(r"([!?.,;:…‼⁉])\1{1,}")
_MIXED = re.compile(r"[!?]{2,}")
_OTHER_DIGIT = re.compile(r"[^\D0-9]")
_STRETCHED = re.compile(r"([^\W\d_])\1{3,}")


# Letters that espeak spells by their numbers, and those that it reads: bold and wide ones,
# ligatures, those of Vietnamese. Found by asking espeak for each letter of Latin.
_PLAIN = (
    {
        code: unicodedata.normalize("NFKC", chr(code))
        for first, last in (
            (0x2100, 0x213F),
            (0xFB00, 0xFB06),
            (0xFF10, 0xFFDC),
            (0x1D400, 0x1D7FF),
        )
        for code in range(first, last + 1)
        if chr(code).isalnum()
    }
    | {
        code: "".join(c for c in unicodedata.normalize("NFKD", chr(code)) if c.isalpha())
        for code in range(0x1E00, 0x1F00)
    }
    | {code: chr(code).lower() for code in range(0x180, 0x250)}
    | {code: chr(code).casefold() for code in (0x17F, 0x212A)}  # a long s, the sign of kelvins
)


def read(text: str, lang: str) -> str:
    """Return *text* as it should be read, in the language of espeak's code *lang*."""
    if not text.isascii():
        text = _in_plain_letters(text)
    text = _collapse_repeats(text)
    if lang.startswith("en"):
        chars = frozenset(text)
        for rule in rules(lang):
            if rule.may_match(chars):
                text, times = rule.pattern.subn(rule.reading, text)
                chars = frozenset(text) if times else chars
    return text


def _in_plain_letters(text: str) -> str:
    text = text.translate(_PLAIN)
    return _OTHER_DIGIT.sub(lambda match: str(unicodedata.decimal(match[0])), text)


def pronounce(text: str, words: dict[str, str]) -> str:
    """Return *text* with words said as someone taught.

    Args:
        text: what shall be spoken.
        words: how a word, in lower case, is said; several words are one, too.
    """
    known: dict[str, list[list[str]]] = {}
    for word in sorted(words, key=len, reverse=True):
        if parts := _PART.findall(word):
            known.setdefault(parts[0], []).append(parts)
    if not known:
        return text
    found = list(_PART.finditer(text))
    said: list[str] = []
    done = place = 0
    while place < len(found):
        first = found[place]
        before = text[first.start() - 1 : first.start()]
        for parts in known.get(first[0].casefold(), ()):
            last = found[min(place + len(parts), len(found)) - 1]
            here = text[first.start() : last.end()]
            follows = text[last.end() : last.end() + 1]
            whole = not _is_of_a_word(before) and not _is_of_a_word(follows)
            if whole and here.casefold() == "".join(parts):
                said += [text[done : first.start()], words["".join(parts)]]
                done = last.end()
                place += len(parts) - 1
                break
        place += 1
    return "".join([*said, text[done:]])


_PART = re.compile(r"\w+|\s|[^\w\s]")


def _is_of_a_word(char: str) -> bool:
    return char.isalnum() or char == "_"


def _collapse_repeats(text: str) -> str:
    """Take the shouting out: one mark instead of many, three letters instead of twenty."""

    def one(match: _Match) -> str:
        return "…" if match[0].startswith("..") else match[1]

    if "!" in text or "?" in text:
        text = _MIXED.sub(lambda match: "?" if "?" in match[0] else "!", text)
    text = _REPEATED.sub(one, text)
    return _STRETCHED.sub(r"\1\1\1", text)

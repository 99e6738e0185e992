"""Written text -> what a person would read aloud. Pure.

espeak reads plain numbers, decimals, percentages and ordinals well in every language. It does not
know what a number means: a price, a time, a year, a telephone number. For English the rules of
audio/text/english.py spell that out; other languages are left to espeak.
"""

import re
import unicodedata

from audio.text import inline
from audio.text.english import rules

_Match = re.Match[str]

_REPEATED = re.compile(r"([!?.,;:…‼⁉])\1{1,}")
_MIXED = re.compile(r"[!?]{2,}")
_OTHER_DIGIT = re.compile(r"[^\D0-9]")
_STRETCHED = re.compile(r"([^\W\d_])\1{3,}")


# Letters that espeak reads as code points -> letters that it can read: bold and wide letters,
# ligatures, those of Vietnamese. Found by running espeak on each Latin letter.
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
    | {code: chr(code).casefold() for code in (0x17F, 0x212A)}  # the long s, the kelvin sign
)
_PLAIN_IN_VIETNAMESE = {
    code: plain for code, plain in _PLAIN.items() if code not in range(0x1E00, 0x1F00)
}


def read(text: str, lang: str) -> str:
    """Return *text* as it should be read; *lang* is espeak's code of its language."""
    if not text.isascii():
        text = _in_plain_letters(text, lang)
    text = _collapse_repeats(text)
    if lang.startswith("en"):
        chars = frozenset(text)
        for rule in rules(lang):
            if rule.may_match(chars):
                text, matches = rule.pattern.subn(rule.reading, text)
                chars = frozenset(text) if matches else chars
    return text


def _in_plain_letters(text: str, lang: str = "") -> str:
    text = text.translate(_PLAIN if lang != "vi" else _PLAIN_IN_VIETNAMESE)
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
        return "…" if match[0].startswith("..") else match[1]

    if "!" in text or "?" in text:
        text = _MIXED.sub(lambda match: "?" if "?" in match[0] else "!", text)
    text = _REPEATED.sub(single, text)
    return _STRETCHED.sub(r"\1\1\1", text)

"""What is written -> what a person would read aloud. Pure.

espeak reads plain numbers, decimals, percentages and ordinals well in every language. What it does
not know is what a number is: a price, a time, a year, a telephone. That is told for English, in
audio/english.py; other languages keep what espeak makes of them.
"""

import re

from audio.english import rules

_Match = re.Match[str]

_REPEATED = re.compile(r"([!?.,;:…‼⁉])\1{1,}")
_MIXED = re.compile(r"[!?]{2,}")
_STRETCHED = re.compile(r"([^\W\d_])\1{3,}")


def read(text: str, lang: str) -> str:
    """Return *text* as it should be read, in the language of espeak's code *lang*."""
    text = _calm(text)
    if lang.startswith("en"):
        for pattern, say in rules(lang):
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

"""A rule of reading, and what its patterns are made of. Pure."""

import re
import string
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from audio.text.readings import Match

NUMBER = r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?"
"""A number, possibly with commas between its thousands."""
CAPITALS, SMALL = string.ascii_uppercase, string.ascii_lowercase


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
    at_number: bool = False
    """Whether each match begins where a number does, so that only those places need be tried."""
    hint: re.Pattern[str] | None = None
    """A pattern that is found sooner, and without which the other matches nowhere."""

    def may_match(self, text: "Scanned") -> bool:
        """Return whether it can match; cheaper than trying."""
        for needed in self.needs:
            if text.chars.isdisjoint(needed):
                return False
        if self.hint and not self.hint.search(text.text):
            return False
        if self.at_number and len(text.numbers) < _FEW:
            return any(self.pattern.match(text.text, number) for number in text.numbers)
        return True


_FEW = 20
"""Numbers in a text; with more, a search costs less than to try each."""


@dataclass(frozen=True, slots=True)
class Scanned:
    """A text, and what `Rule.may_match` looks at."""

    text: str
    chars: frozenset[str]
    numbers: tuple[int, ...]
    """Where its numbers begin."""

    @classmethod
    def of(cls, text: str) -> "Scanned":
        """Return a text with its characters and the places of its numbers."""
        return cls(text, frozenset(text), tuple(match.start() for match in _NUMBER.finditer(text)))


_NUMBER = re.compile(r"[0-9][0-9]*")


def having(groups: str) -> tuple[frozenset[str], ...]:
    """Return `Rule.needs` from groups of characters, where 0 is any digit."""
    return tuple(frozenset(group.replace("0", string.digits)) for group in groups.split())


def either(words: Iterable[str]) -> str:
    """Return a pattern of any of *words*, longest first; grouped by first letter, for speed."""
    by_first: dict[str, list[str]] = {}
    for word in sorted(words, key=len, reverse=True):
        by_first.setdefault(word[0], []).append(re.escape(word[1:]))
    return "|".join(f"{re.escape(first)}(?:{'|'.join(ends)})" for first, ends in by_first.items())


def firsts(words: Iterable[str]) -> str:
    """Return the first characters of *words*."""
    return "".join(sorted({word[0] for word in words}))


def after(words: str) -> str:
    """Return a pattern that looks behind for any of *words*, capitalized or not, and a space."""
    behind = (rf"(?<=\b[{word[0]}{word[0].upper()}]{word[1:]} )" for word in words.split())
    return f"(?:{'|'.join(behind)})"

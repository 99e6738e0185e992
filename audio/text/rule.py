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

    def may_match(self, chars: frozenset[str]) -> bool:
        """Return whether it can match in a text of these characters."""
        return not any(chars.isdisjoint(needed) for needed in self.needs)


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

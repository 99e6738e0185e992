"""Numbers in digits -> English words. Pure."""

import re

_SMALL = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen "
    "fifteen sixteen seventeen eighteen nineteen"
).split()
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
_SCALES = ("", "thousand", "million", "billion", "trillion")
_ORDINALS = {
    "one": "first",
    "two": "second",
    "three": "third",
    "five": "fifth",
    "eight": "eighth",
    "nine": "ninth",
    "twelve": "twelfth",
}
_LONGEST = 3 * len(_SCALES)

NUMBER = re.compile(r"\d+(?:,\d{3})*(?:\.\d+)*(?:(?:st|nd|rd|th|s)(?![^\W\d_]))?")
"""A number that `number_words` reads."""


def number_words(number: str, *, british: bool) -> list[str]:
    """Return how a number is said: 12,000, 3.14, 1.2.3, 22nd, 20s, 007.

    Args:
        number: matches `NUMBER`.
        british: "one hundred and five"; else "one hundred five".
    """
    digits = number.rstrip("sthnrd").replace(",", "")
    ending = number[len(number.rstrip("sthnrd")) :]
    whole, *parts = digits.split(".")
    words = _whole(whole, british=british)
    for part in parts:
        # 3.14 has digits after its point, 1.12.3 has numbers.
        words += ["point", *(_each(part) if len(parts) == 1 else _whole(part, british=british))]
    if ending == "s":
        words[-1] = _plural(words[-1])
    elif ending:
        words[-1] = _ordinal(words[-1])
    return words


def _whole(digits: str, *, british: bool) -> list[str]:
    if (digits.startswith("0") and len(digits) > 1) or len(digits) > _LONGEST:
        return _each(digits)
    number, scale, words = int(digits), 0, list[str]()
    while number:
        number, rest = divmod(number, 1000)
        if rest:
            link = ["and"] if british and scale == 0 and number and rest < 100 else []  # noqa: PLR2004
            name = [_SCALES[scale]] if scale else []
            words = [*link, *_below_thousand(rest, british=british), *name, *words]
        scale += 1
    return words or ["zero"]


def _below_thousand(number: int, *, british: bool) -> list[str]:
    hundreds, rest = divmod(number, 100)
    words = [_SMALL[hundreds], "hundred"] if hundreds else []
    if not rest:
        return words
    link = ["and"] if hundreds and british else []
    if rest < len(_SMALL):
        return [*words, *link, _SMALL[rest]]
    tens, ones = divmod(rest, 10)
    return [*words, *link, _TENS[tens - 2], *([_SMALL[ones]] if ones else [])]


def _each(digits: str) -> list[str]:
    return [_SMALL[int(digit)] for digit in digits]


def _ordinal(word: str) -> str:
    if word in _ORDINALS:
        return _ORDINALS[word]
    return f"{word[:-1]}ieth" if word.endswith("y") else f"{word}th"


def _plural(word: str) -> str:
    return f"{word[:-1]}ies" if word.endswith("y") else f"{word}{'es' if word == 'six' else 's'}"

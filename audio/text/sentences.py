"""Text -> sentences that sound right. Pure: no files, no threads, no clock."""

import functools
import itertools
import re
import unicodedata
from collections.abc import Iterator

from sentencex import segment

from audio.text import inline
from audio.types import NothingToSpeakError

_SPACE = re.compile(r"\s+")
_LINE = re.compile(r"[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]+")
_SILENT_CATEGORIES = frozenset({"So", "Sk", "Cc", "Cf", "Co", "Cs", "Cn"})
"""Unicode categories that are dropped: pictures, and invisible characters.

espeak would read a picture by its name ("slightly smiling face")."""

_EXCEPTIONS = "\u200c\u200d°"
"""Not dropped: two joiners of Persian and Hindi spelling, and the degree sign."""

_PIECE_CHARS = 1000
"""The most text that a regular expression gets at once, which bounds quadratic time."""

LONGEST_SENTENCE_CHARS = 1000
"""A longer sentence is split."""

_SENTENCE_END = re.compile(r"[.!?…‼⁉。！？][\"'”’»)\]]{0,3}\s")
_MAY = re.compile(r"(?<=\b[Mm]ay\.) (?=\d)")
"""The end of a sentence that sentencex takes for a month cut short, before its day."""
_WORD_START = re.compile(r"\s(?=\w)")
_JOINERS = "\u200d\ufe0e\ufe0f"
_MAX_MARKS = 32  # on one letter; between more of them a cut is allowed


def pieces(text: str, max_chars: int = _PIECE_CHARS) -> Iterator[str]:
    """Split *text* into pieces of at most *max_chars*, after lines, sentences or words."""
    start = 0
    while len(text) - start > max_chars:
        end = _cut(text, start, start + max_chars)
        yield text[start:end]
        start = end
    yield text[start:]


def _cut(text: str, start: int, end: int) -> int:
    """Return the best place for a cut in the second half of *start* to *end*."""
    middle = (start + end) // 2
    if line := text.rfind("\n", middle, end) + 1:
        return line
    for pattern in (_SENTENCE_END, _WORD_START, _SPACE):
        if ends := [match.end() for match in pattern.finditer(text, middle, end)]:
            return ends[-1]
    for place in range(end, max(middle, end - _MAX_MARKS), -1):
        if text[place - 1] not in _JOINERS and not _is_attached(text[place]):
            return place
    return end


def _is_attached(char: str) -> bool:
    """Return whether a character belongs to the one before it."""
    return (
        char in _JOINERS or unicodedata.combining(char) > 0 or "\U0001f3fb" <= char <= "\U0001f3ff"
    )


def clean(text: str) -> str:
    """Return *text* without pictures, control characters and invisible characters."""
    if text.isascii():  # normalization does not change it
        return text.translate(_ASCII)
    # In pieces, since many marks on one letter are sorted in quadratic time.
    normal = (unicodedata.normalize("NFC", piece) for piece in pieces(text))
    return "".join("".join(map(_cleaned, piece)) for piece in normal)


@functools.lru_cache(maxsize=4096)
def _cleaned(char: str) -> str:
    """Return a character, or what replaces it: a space, a line end, or nothing."""
    if char.isspace():
        return "\n" if _LINE.match(char) else " "
    if "\ufe00" <= char <= "\ufe0f" or char == "\u20e3":
        return ""  # selects the variant of a picture, or encloses a key
    is_kept = char in _EXCEPTIONS or inline.is_held(char)
    if is_kept or unicodedata.category(char) not in _SILENT_CATEGORIES:
        return char
    return " " if unicodedata.category(char) == "So" else ""


_ASCII = {code: _cleaned(chr(code)) or None for code in range(128)}


def speakable(text: str) -> bool:
    """Return whether *text* has a letter or a digit; without one Kokoro produces noise."""
    held, _ = inline.hold(text)
    return any(_is_spoken(_cleaned(char)) for char in held)


def _is_spoken(char: str) -> bool:
    return char.isalnum() or inline.is_word(char)


def sentences(text: str, lang: str) -> list[str]:
    """Split *text* where a reader would take a breath: at sentence ends and at line ends.

    Args:
        text: as it was sent.
        lang: espeak-ng's code of its language; its first part selects the rules of abbreviations.

    Returns:
        Sentences in order, one line each, each with a letter or a digit in it. The same text
        gives the same sentences, so that a sentence's number stays valid across a restart.

    Raises:
        NothingToSpeakError: nothing in *text* can be spoken.
    """
    result: list[str] = []
    rules = {"cmn": "zh"}.get(lang, lang.split("-", maxsplit=1)[0])
    held_text, marks = inline.hold(text)
    pauses = ""  # before the first sentence; those before another one end the one before it
    for line in _LINE.split(clean(held_text)):
        parts = _parts(line, rules)
        if rules == "en":
            parts = itertools.chain.from_iterable(map(_MAY.split, parts))
        for part in parts:
            first_pauses, sentence = inline.split_pauses(_SPACE.sub(" ", part).strip())
            if result:
                result[-1] += first_pauses
            else:
                pauses += first_pauses
            if any(map(_is_spoken, sentence)):
                result.append(sentence)
            elif sentence and result and len(result[-1]) < LONGEST_SENTENCE_CHARS:
                result[-1] += sentence  # a quote or a bracket that closes the sentence before it
    if not result:
        raise NothingToSpeakError(
            "There is no letter or digit in it, so there is nothing to say. Send some words."
        )
    result[0] = pauses + result[0]
    return list(itertools.chain.from_iterable(_restored(sentence, marks) for sentence in result))


def _restored(sentence: str, marks: list[str]) -> Iterator[str]:
    """Yield a sentence with its marks, in parts if their words make it too long."""
    if not marks:
        yield sentence
        return
    whole = inline.restore(sentence, marks)
    end = _cut(sentence, 0, len(sentence) * 3 // 4)
    halves = sentence[:end], sentence[end:]
    is_long = len(inline.shown(whole)) > LONGEST_SENTENCE_CHARS
    if is_long and all(any(map(_is_spoken, half)) for half in halves):
        for half in halves:
            yield from _restored(half.strip(), marks)
    else:
        yield whole


def _parts(line: str, rules: str) -> Iterator[str]:
    """Split a line into sentences, in windows of `LONGEST_SENTENCE_CHARS`."""
    start = 0
    while len(line) - start > LONGEST_SENTENCE_CHARS:
        window = line[start : start + LONGEST_SENTENCE_CHARS]
        segments = segment(rules, window)
        if len(segments) > 1 and len(segments[-1]) < len(window):
            yield from segments[:-1]
            start += len(window) - len(segments[-1])  # the last may continue after the window
        else:
            end = _cut(line, start, start + LONGEST_SENTENCE_CHARS)
            yield line[start:end]
            start = end
    yield from segment(rules, line[start:])

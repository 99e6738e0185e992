"""Sounds and pauses that a sender writes into a text. Pure.

``[Nguyen](/wˈɪn/)`` is said with these sounds, in Kokoro's alphabet; ``[pause:1.5s]`` is silence.
The syntax of sounds is that of misaki, Kokoro's own package. docs/pronunciation.md is for senders.

Marks stay in the stored text, and the reader of a sentence takes them out. What changes text on the
way holds a single private character in place of each mark: `hold`, then `restore`. What people see
is `shown`.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from audio.types import SpokenWord

SENDER = "sender"
"""The source of words whose sounds their sender gave."""

MAX_PAUSE_S = 10.0
MAX_PAUSES_S = 60.0
"""The most silence in one text; further pauses are left out."""

ALPHABET = frozenset(
    "abcdefhijklmnopqrstuvwxyzAIOQSTWY"  # no g: it is ɡ
    "ɑɐɒæβɔɕçɖðʤəɚɛɜɟɡɥɨɪʝɯɰŋɳɲɴøɸθœɹɾɻʁɽʂʃʈʧʊʋʌɣɤχʎʒʔʣʥʦʨꭧᵊᵝᵻʰʲˈˌː↓→↗↘\u0303"
)
"""The signs of Kokoro v1.0 that are no punctuation. Source: its config.json; a test compares."""

_ORDINARY = frozenset("æçðøœβθχŋ↓→↗↘\u0303")
"""Signs that the paths of links also have: letters of living languages, and arrows."""
_TELLING = frozenset(sign for sign in ALPHABET - _ORDINARY if not sign.isascii())
"""One of these, such as a stress mark, makes sounds of what else would be the path of a link."""

PUNCTUATION = frozenset(';:,.!?—…"()“”')
"""The rest of the model's signs."""

_TYPED = str.maketrans({"g": "ɡ", "'": "ˈ", "’": "ˈ", ":": "ː"})
"""Signs of a keyboard, and those that they stand for."""

_MAX_WORD_CHARS = 60
_MAX_SOUNDS_CHARS = 120

_WORDS = 0xF0000
_PAUSES = 0x100000
_HELD_AT_ONCE = 0xFFFD
"""Private characters from `_WORDS` and `_PAUSES` on stand for marks. No text has a use for them."""
_PRIVATE = re.compile("[\U000f0000-\U0010fffd]")

_PAUSE = r"\[pause: ?(?P<pause>\d{1,5}(?:\.\d{1,3})?) ?(?P<unit>ms|s)\]"
_MARK = re.compile(
    rf"\[(?P<word>[^\[\]\n]{{1,{_MAX_WORD_CHARS}}})\]\(/(?P<sounds>[^/()\[\]\n]{{1,{_MAX_SOUNDS_CHARS}}})/\)"
    rf"|{_PAUSE}",
    re.IGNORECASE,
)

_SUFFIX = re.compile(r"['’]?(s|d|ll|ve|re)(?![^\W_])")
_SUFFIXES = {"s": "z", "d": "d", "ll": "ᵊl", "ve": "əv", "re": "əɹ"}
_VOICELESS, _SIBILANTS = "ptkfθ", "szʃʒʧʤ"


class SoundsError(ValueError):
    """A text is not sounds in Kokoro's alphabet; the message says why."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a marked text: plain, a word with its sounds, or a pause."""

    text: str
    """As people see it; empty for a pause."""
    sounds: str = ""
    pause_s: float = 0.0


# ---- marks ----


def sounds(given: str) -> str:
    """Return sounds as the model knows them.

    Args:
        given: what a person wrote for them, without slashes; g, ' and : stand for ɡ, ˈ and ː.

    Raises:
        SoundsError: some signs are unknown, or it looks like ordinary text.
    """
    signs = _in_alphabet(given)
    unknown = dict.fromkeys(sign for sign in signs if sign not in ALPHABET and sign != " ")
    if unknown:
        raise SoundsError(f"I don't know these signs: {' '.join(unknown)}")
    if not signs or not _TELLING.intersection(signs):
        raise SoundsError("Put a ˈ before the vowel that is stressed, as in /wˈɪn/")
    return signs


def _in_alphabet(given: str) -> str:
    signs = " ".join(unicodedata.normalize("NFC", given).translate(_TYPED).split())
    return "".join(
        sign if sign in ALPHABET else unicodedata.normalize("NFD", sign) for sign in signs
    )


def in_slashes(pronunciation: str) -> str | None:
    """Return what is between slashes if it begins and ends with one, as sounds do; else None."""
    given = pronunciation.strip()
    return given[1:-1] if len(given) > 2 and given[0] == given[-1] == "/" else None  # noqa: PLR2004


def mark(word: str, given: str) -> str:
    """Return a word marked with sounds that `sounds` accepted."""
    word = re.sub(r"[\[\]\s]+", " ", word).strip()
    return f"[{word[:_MAX_WORD_CHARS]}](/{given}/)"


def _piece(match: re.Match[str]) -> Piece | None:
    """Return what a mark stands for; None if it only looks like one, as a link does."""
    if match["pause"]:
        pause_s = float(match["pause"]) / (1000 if match["unit"].lower() == "ms" else 1)
        return Piece("", pause_s=min(pause_s, MAX_PAUSE_S))
    word, given = match["word"], match["sounds"]
    if not _TELLING.intersection(given) or not any(map(str.isalnum, word)):
        return None
    try:
        return Piece(word, sounds(given))
    except SoundsError:
        return None


def parse(text: str) -> Iterator[Piece]:
    """Split a text into its pieces, in order."""
    done = 0
    for match in _MARK.finditer(text) if "[" in text else ():
        if piece := _piece(match):
            if match.start() > done:
                yield Piece(text[done : match.start()])
            yield piece
            done = match.end()
    if done < len(text):
        yield Piece(text[done:])


def shown(text: str) -> str:
    """Return a text as people see it: words without their sounds, and no pauses."""
    if "[" not in text:
        return text
    parts: list[str] = []
    after_pause = False
    for piece in parse(text):
        part = piece.text
        if after_pause:
            before = parts[-1][-1:] if parts else "\n"
            if before.isspace():
                part = part.lstrip(" \t")
            elif part[:1].isalnum():
                part = f" {part}"
            if parts and part[:1] in ".,;:!?…)\n":  # or nothing is left of it
                parts[-1] = parts[-1].rstrip(" \t")
        after_pause = not part
        if part:
            parts.append(part)
    if after_pause and parts:
        parts[-1] = parts[-1].rstrip(" \t")
    return "".join(parts)


def checked(text: str) -> tuple[str, Counter[str]]:
    """Return a text as it was sent with its marks within their limits.

    Returns:
        The text, and a count of the marks that were left out, by kind.
    """
    left_out: Counter[str] = Counter()
    left_s = MAX_PAUSES_S

    def check(match: re.Match[str]) -> str:
        nonlocal left_s
        piece = _piece(match)
        if piece is None:
            if "ˈ" not in (match["sounds"] or ""):
                return match[0]  # a link
            left_out["sound in unknown signs"] += 1
            return match["word"]
        if piece.sounds:
            return mark(piece.text, piece.sounds)
        if piece.pause_s > left_s:
            left_out["pause"] += 1
            return " "
        left_s -= piece.pause_s
        return f"[pause:{piece.pause_s:g}s]"

    text = _PRIVATE.sub("", text)
    return (_MARK.sub(check, text) if "[" in text else text), left_out


# ---- held ----


def hold(text: str) -> tuple[str, list[str]]:
    """Return a text with a private character in place of each mark, and the marks."""
    text = _PRIVATE.sub("", text)
    held: list[str] = []
    if "[" not in text:
        return text, held

    def place(match: re.Match[str]) -> str:
        piece = _piece(match)
        if piece is None or len(held) == _HELD_AT_ONCE:
            return match[0]
        held.append(match[0])
        return chr((_WORDS if piece.sounds else _PAUSES) + len(held) - 1)

    return _MARK.sub(place, text), held


def restore(text: str, held: Sequence[str]) -> str:
    """Return a text with its marks instead of the characters that `hold` put there, each once."""
    left = dict(enumerate(held))
    return _PRIVATE.sub(lambda match: left.pop(ord(match[0]) & 0xFFFF, ""), text)


def is_held(char: str) -> bool:
    """Whether a character stands for a mark."""
    return char >= chr(_WORDS)


def is_word(char: str) -> bool:
    """Whether a character stands for a word with its sounds."""
    return chr(_WORDS) <= char < chr(_PAUSES)


def split_pauses(text: str) -> tuple[str, str]:
    """Return the held pauses at the start of a text, and the rest of it."""
    rest = text
    while rest and (chr(_PAUSES) <= rest[0] or rest[0] == " "):
        rest = rest[1:]
    return text[: len(text) - len(rest)].replace(" ", ""), rest


def cut(text: str, chars: int) -> str:
    """Return the first *chars* of a text, without a part of a mark at the end."""
    if chars < len(text):
        for match in _MARK.finditer(text, max(0, chars - 2 * _MAX_SOUNDS_CHARS)):
            if match.start() < chars < match.end():
                return text[: match.start()]
    return text[:chars]


# ---- words ----


def read(
    sentence: str, read_plain: Callable[[str], Sequence[SpokenWord]]
) -> tuple[SpokenWord, ...]:
    """Return the words of a sentence, with the sounds and pauses that its sender gave.

    Args:
        sentence: one of `audio.text.sentences.sentences`.
        read_plain: reads a sentence without marks; it gets the words of the marks, too, since the
            words around a word decide how it is pronounced.

    Returns:
        The words. A pause before the first is an empty word.
    """
    pieces = [*parse(sentence)]
    if all(piece.text and not piece.sounds for piece in pieces):
        return tuple(read_plain(sentence))
    words = [*read_plain(shown(sentence))]
    given: list[tuple[int, int, str]] = []  # start, end and sounds; counted in _solid characters
    pauses: list[tuple[int, float]] = []
    at = 0
    for piece in pieces:
        end = at + len(_solid(piece.text))
        if piece.sounds:
            given.append((at, end, piece.sounds))
        elif not piece.text:
            pauses.append((at, piece.pause_s))
        at = end
    return tuple(_with_pauses(_with_sounds(words, given, read_plain), pauses))


def _solid(text: str) -> str:
    return "".join(text.split())


def _with_sounds(
    words: Sequence[SpokenWord],
    given: Sequence[tuple[int, int, str]],
    read_plain: Callable[[str], Sequence[SpokenWord]],
) -> Iterator[SpokenWord]:
    """Yield *words*, those where sounds were given with these."""
    starts = [0]
    for word in words:
        starts.append(starts[-1] + len(_solid(word.text)))
    left = list(given)
    index = 0
    while index < len(words):
        first, parts = index, list[Piece]()
        at = starts[first]
        while left and left[0][0] < starts[index + 1]:
            start, end, signs = left.pop(0)
            while starts[index + 1] < end and index + 1 < len(words):
                index += 1
            written = _written(words[first : index + 1])
            parts += [Piece(_between(written, at - starts[first], start - starts[first]))]
            parts += [Piece(_between(written, start - starts[first], end - starts[first]), signs)]
            at = end
        index += 1
        if not parts:
            yield words[first]
            continue
        written = _written(words[first:index])
        parts.append(Piece(_between(written, at - starts[first], len(written))))
        yield from _sounded(words[first:index], parts, read_plain)


def _written(words: Sequence[SpokenWord]) -> str:
    """Return words as they are written."""
    return "".join(word.text + ("" if word.joined else " ") for word in words).rstrip()


def _between(text: str, start: int, end: int) -> str:
    """Return the part of *text* between two of its characters, counted without spaces."""
    places = [place for place, char in enumerate(text) if not char.isspace()]
    places.append(len(text))
    return text[places[min(start, len(places) - 1)] : places[min(end, len(places) - 1)]].strip()


def _sounded(
    words: Sequence[SpokenWord],
    parts: Sequence[Piece],
    read_plain: Callable[[str], Sequence[SpokenWord]],
) -> Iterator[SpokenWord]:
    """Yield *words* with the sounds of *parts*, as one word if the numbers of words differ."""
    signs = ""
    for part in filter(lambda part: part.text, parts):
        if part.sounds:
            signs += part.sounds
            continue
        rest = part.text
        if signs and (suffix := _SUFFIX.match(rest)):
            signs += _suffix(signs, suffix[1])
            rest = rest[suffix.end() :]
        if any(map(str.isalnum, rest)):
            spoken = " ".join(word.phonemes for word in read_plain(rest.strip("-‐–"))).strip()
            signs = f"{signs} {spoken} "
        else:
            signs += "".join(filter(PUNCTUATION.__contains__, rest))
    sounded = signs.split()
    if len(sounded) == len(words):
        for word, phonemes in zip(words, sounded, strict=True):
            yield replace(word, phonemes=phonemes, source=SENDER)
    else:
        phonemes = " ".join(sounded)
        yield replace(words[-1], text=_written(words), phonemes=phonemes, source=SENDER)


def _suffix(signs: str, suffix: str) -> str:
    """Return how an English suffix, such as that of Nguyen's, follows sounds."""
    last = signs.rstrip("ʰʲː")[-1:]
    if suffix == "s" and last in _SIBILANTS:
        return "ᵻz"
    if suffix == "s" and last in _VOICELESS:
        return "s"
    if suffix == "d" and last in "td":
        return "ᵻd"
    return _SUFFIXES[suffix]


def _with_pauses(
    words: Iterator[SpokenWord], pauses: Sequence[tuple[int, float]]
) -> Iterator[SpokenWord]:
    """Yield *words*, each with the pauses that follow it."""
    left = list(pauses)

    def taken_s(end: float) -> float:
        taken = 0.0
        while left and left[0][0] < end:
            taken += left.pop(0)[1]
        return taken

    if pause_s := taken_s(1):
        yield SpokenWord("", "", SENDER, pause_s)
    at = 0
    last: SpokenWord | None = None
    for word in words:
        at += len(_solid(word.text))
        if last is not None:
            yield last
        last = word
        # A pause at the start of the next word is after this one.
        last = replace(word, pause_s=word.pause_s + taken_s(at + 1))
    if last is not None:
        yield replace(last, pause_s=last.pause_s + taken_s(float("inf")))
